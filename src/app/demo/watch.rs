//! Seeing what a team does: what is new since the last look.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::site::{Site, TestRun};
use crate::app::launch::Member;
use crate::app::{App, log, task};
use crate::core::{Outcome, Stamp, TeamName};
use crate::domain::message::{Message, MessageType};
use crate::domain::task::{Status, Task};
use crate::store::{Changes, Dir};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The repository was made.
    Repository {
        /// Where.
        directory: String,
        /// How its tests went before anybody worked.
        before: TestRun,
    },
    /// An agent was started, or not.
    Started(Box<Member>),
    /// An agent claimed a task.
    Claimed {
        /// The agent.
        agent: String,
        /// The task's subject.
        subject: String,
    },
    /// An agent completed a task.
    Completed {
        /// The agent.
        agent: String,
        /// The task's subject.
        subject: String,
    },
    /// A task cannot go on.
    Blocked {
        /// The agent.
        agent: String,
        /// The task's subject.
        subject: String,
    },
    /// The workflow has got past a node.
    Passed {
        /// The visit of the node.
        node: String,
        /// What became of it.
        how: String,
    },
    /// A message was sent.
    Sent(Box<Message>),
    /// Somebody committed.
    Committed {
        /// Who.
        agent: String,
        /// The short hash.
        hash: String,
        /// The first line of the message.
        subject: String,
    },
    /// A branch was merged.
    Merged {
        /// The short hash.
        hash: String,
        /// The first line of the message.
        subject: String,
    },
}

/// What was seen of a team so far.
pub(super) struct Watch<'a> {
    app: &'a App,
    team: TeamName,
    site: &'a Site,
    changes: Box<dyn Changes>,
    tasks: BTreeMap<String, (Status, Stamp)>,
    messages: BTreeSet<String>,
    commits: BTreeSet<String>,
}

impl<'a> Watch<'a> {
    /// Begins to watch a team that does not exist yet.
    pub(super) fn new(app: &'a App, team: &TeamName, site: &'a Site) -> Outcome<Self> {
        let dirs = [Dir::tasks(team), Dir::message_log(team), Dir::agents(team)];
        let history = app.git.history(&site.root)?;
        Ok(Self {
            app,
            team: team.clone(),
            site,
            changes: app.store.backend().watch(&dirs)?,
            tasks: BTreeMap::new(),
            messages: BTreeSet::new(),
            commits: history.into_iter().map(|commit| commit.id).collect(),
        })
    }

    /// What wakes the watcher up.
    pub(super) fn changes(&self) -> &dyn Changes {
        &*self.changes
    }

    /// Waits until something may have happened.
    pub(super) fn wait(&mut self, limit: Duration) {
        self.changes.wait(limit);
    }

    /// Tells what is new, and gives the tasks as they stand.
    pub(super) fn look(&mut self, tell: &(dyn Fn(&Event) + Sync)) -> Outcome<Vec<Task>> {
        // Whoever completes a task has committed before: tasks first, so that no commit is missed.
        let tasks = task::all(self.app, &self.team)?;
        let mut events = self.new_commits()?;
        let mut later = self.new_messages()?;
        for task in &tasks {
            later.extend(self.moves(task));
        }
        later.sort_by(|a, b| a.0.cmp(&b.0));
        events.extend(later.into_iter().map(|(_, event)| event));
        for event in &events {
            tell(event);
        }
        Ok(tasks)
    }

    fn new_commits(&mut self) -> Outcome<Vec<Event>> {
        let mut events = Vec::new();
        for commit in self.app.git.history(&self.site.root)? {
            let hash = crate::core::text::cut(&commit.id, 7).to_owned();
            let subject = commit.subject;
            if self.commits.insert(commit.id) {
                events.push(if commit.is_merge {
                    Event::Merged { hash, subject }
                } else {
                    Event::Committed { agent: commit.author, hash, subject }
                });
            }
        }
        Ok(events)
    }

    fn new_messages(&mut self) -> Outcome<Vec<(Stamp, Event)>> {
        let mut events = Vec::new();
        for message in log::newest(self.app, &self.team, usize::MAX, None)?.into_iter().rev() {
            let text = serde_json::to_string(&message).unwrap_or_default();
            if self.messages.insert(text) && message.kind != MessageType::Idle {
                events.push((message.timestamp.clone(), Event::Sent(Box::new(message))));
            }
        }
        Ok(events)
    }

    /// What became of a task since the last look, with when.
    fn moves(&mut self, task: &Task) -> Vec<(Stamp, Event)> {
        let now = (task.status, task.started_at.clone());
        let before = self.tasks.insert(task.id.clone(), now);
        let (before, started) = before.unwrap_or((Status::Pending, Stamp::empty()));
        let agent = task::worker(task).to_owned();
        let subject = task.subject.clone();
        let mut events = Vec::new();
        // One may have been claimed and completed since the last look.
        if started != task.started_at {
            let (agent, subject) = (agent.clone(), subject.clone());
            events.push((task.started_at.clone(), Event::Claimed { agent, subject }));
        }
        if before != task.status {
            let at = task.updated_at.clone();
            match task.status {
                Status::Completed => events.push((at, Event::Completed { agent, subject })),
                // Waiting for other tasks is no news.
                Status::Blocked if task.blocked_by.is_empty() => {
                    events.push((at, Event::Blocked { agent, subject }));
                }
                _ => {}
            }
        }
        events
    }
}

//! Waiting for things to happen, and ending at once when asked to.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::App;
use super::{inbox, task};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::message::Message;
use crate::domain::task::{Stats, Status, Task, stats};
use crate::store::{Changes, Dir};

type Waker = Box<dyn Fn() + Send>;

/// A request to end, made from another thread. Clones share it.
#[derive(Clone, Default)]
pub struct Stop {
    requests: Arc<AtomicU32>,
    wakers: Arc<Mutex<Vec<Waker>>>,
}

impl Stop {
    /// Asks to end, and wakes whoever waits.
    pub fn request(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        for wake in self.wakers.lock().expect("waking does not panic").iter() {
            wake();
        }
    }

    /// Whether somebody asked to end.
    pub fn is_requested(&self) -> bool {
        self.requests.load(Ordering::SeqCst) > 0
    }

    /// Whether somebody asked more than once: what is under way shall not be waited for.
    pub fn is_urgent(&self) -> bool {
        self.requests.load(Ordering::SeqCst) > 1
    }

    /// Wakes these waits too.
    pub fn wakes(&self, changes: &dyn Changes) {
        self.wakers.lock().expect("waking does not panic").push(changes.waker());
    }
}

/// What happens while one waits for a team's tasks.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WaitEvent {
    /// A message came.
    Message {
        /// Who sent it.
        from: String,
        /// Its text.
        content: String,
        /// When it was sent.
        timestamp: String,
    },
    /// An agent has died; its tasks were given back.
    AgentDead {
        /// The agent.
        agent: String,
        /// Its tasks.
        abandoned_tasks: Vec<TaskRef>,
    },
    /// Tasks moved.
    Progress {
        /// Done.
        completed: usize,
        /// All.
        total: usize,
        /// Being worked on.
        in_progress: usize,
        /// Waiting for somebody.
        pending: usize,
        /// Waiting for other tasks.
        blocked: usize,
    },
}

/// A task in a few words.
#[derive(Debug, Clone, Serialize)]
pub struct TaskRef {
    /// Its identifier.
    pub id: String,
    /// What it is about.
    pub subject: String,
}

impl From<&Task> for TaskRef {
    fn from(task: &Task) -> Self {
        Self { id: task.id.clone(), subject: task.subject.clone() }
    }
}

/// How waiting for a team's tasks ended.
#[derive(Debug, Clone, Serialize)]
pub struct WaitResult {
    /// `completed`, `timeout` or `interrupted`.
    pub status: WaitStatus,
    /// How long it took, in seconds, one decimal.
    pub elapsed: f64,
    /// All tasks.
    pub total: usize,
    /// Done.
    pub completed: usize,
    /// Being worked on.
    pub in_progress: usize,
    /// Waiting for somebody.
    pub pending: usize,
    /// Waiting for other tasks.
    pub blocked: usize,
    /// Messages that came meanwhile.
    pub messages_received: usize,
    /// The tasks as they stand.
    pub task_details: Vec<TaskDetail>,
}

/// A task as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct TaskDetail {
    /// Its identifier.
    pub id: String,
    /// What it is about.
    pub subject: String,
    /// Where it stands.
    pub status: Status,
    /// Whose it is.
    pub owner: String,
}

/// Why waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitStatus {
    /// All tasks are done.
    Completed,
    /// The time was over.
    Timeout,
    /// Somebody asked to end.
    Interrupted,
}

/// What to wait for, and how.
pub struct TaskWait<'a> {
    /// Whose tasks.
    pub team: &'a TeamName,
    /// The inbox whose messages are told meanwhile; they are taken from it.
    pub inbox: &'a AgentName,
    /// How long to sleep at most when nothing is heard.
    pub poll: Duration,
    /// When to give up.
    pub timeout: Option<Duration>,
    /// A request to end.
    pub stop: &'a Stop,
}

/// How many messages are told before the tasks are looked at again.
const MESSAGES_PER_ROUND: i64 = 50;

/// Waits until all tasks of a team are done. `tell` hears what happens; a message is removed from
/// its inbox only after `tell` returned.
pub fn for_tasks(
    app: &App,
    wait: &TaskWait<'_>,
    tell: &mut dyn FnMut(&WaitEvent) -> Outcome<()>,
) -> Outcome<WaitResult> {
    let began = Instant::now();
    let dirs = [Dir::tasks(wait.team), Dir::inbox(wait.team, wait.inbox), Dir::agents(wait.team)];
    let mut changes = app.store.backend().watch(&dirs)?;
    wait.stop.wakes(&*changes);
    let mut messages = 0;
    let mut told: Option<Stats> = None;
    loop {
        messages += tell_messages(app, wait, tell)?;
        tell_dead(app, wait.team, tell)?;
        let tasks = task::all(app, wait.team)?;
        let now = stats(&tasks);
        if told.is_none_or(|told| counts(told) != counts(now)) {
            tell(&progress(now))?;
            told = Some(now);
        }
        // Nobody will ever answer a task that its run has closed.
        let is_open = |task: &Task| task.status != Status::Completed && task.closed().is_none();
        let status = if !tasks.iter().any(is_open) {
            messages += tell_messages(app, wait, tell)?;
            WaitStatus::Completed
        } else if wait.stop.is_requested() {
            WaitStatus::Interrupted
        } else if wait.timeout.is_some_and(|limit| began.elapsed() >= limit) {
            WaitStatus::Timeout
        } else {
            let left = wait
                .timeout
                .map_or(wait.poll, |limit| limit.saturating_sub(began.elapsed()).min(wait.poll));
            changes.wait(left);
            continue;
        };
        return Ok(result(status, began.elapsed(), now, messages, &tasks));
    }
}

fn counts(stats: Stats) -> [usize; 5] {
    [stats.total, stats.completed, stats.in_progress, stats.pending, stats.blocked]
}

fn progress(stats: Stats) -> WaitEvent {
    WaitEvent::Progress {
        completed: stats.completed,
        total: stats.total,
        in_progress: stats.in_progress,
        pending: stats.pending,
        blocked: stats.blocked,
    }
}

fn tell_messages(
    app: &App,
    wait: &TaskWait<'_>,
    tell: &mut dyn FnMut(&WaitEvent) -> Outcome<()>,
) -> Outcome<usize> {
    let taken = inbox::take(app, wait.team, wait.inbox, MESSAGES_PER_ROUND)?;
    for message in taken.messages() {
        tell(&message_event(message))?;
    }
    let count = taken.len();
    if count > 0 {
        taken.settle(app)?;
    }
    Ok(count)
}

fn message_event(message: &Message) -> WaitEvent {
    WaitEvent::Message {
        from: message.from.clone(),
        content: message.text().to_owned(),
        timestamp: message.timestamp.to_string(),
    }
}

fn tell_dead(
    app: &App,
    team: &TeamName,
    tell: &mut dyn FnMut(&WaitEvent) -> Outcome<()>,
) -> Outcome<()> {
    let released = task::release_of_dead(app, team)?;
    let mut agents: Vec<&str> = released.iter().map(task::worker).collect();
    agents.sort_unstable();
    agents.dedup();
    for agent in agents {
        let of_agent = released.iter().filter(|task| task::worker(task) == agent);
        tell(&WaitEvent::AgentDead {
            agent: agent.to_owned(),
            abandoned_tasks: of_agent.map(TaskRef::from).collect(),
        })?;
    }
    Ok(())
}

fn result(
    status: WaitStatus,
    elapsed: Duration,
    counted: Stats,
    messages_received: usize,
    tasks: &[Task],
) -> WaitResult {
    WaitResult {
        status,
        elapsed: (elapsed.as_secs_f64() * 10.0).round() / 10.0,
        total: counted.total,
        completed: counted.completed,
        in_progress: counted.in_progress,
        pending: counted.pending,
        blocked: counted.blocked,
        messages_received,
        task_details: tasks
            .iter()
            .map(|task| TaskDetail {
                id: task.id.clone(),
                subject: task.subject.clone(),
                status: task.status,
                owner: task.owner.clone(),
            })
            .collect(),
    }
}

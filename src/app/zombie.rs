//! Agents that run but do not get on: what is left of one whose runner or whose own process is
//! gone, and those that have a task and gave no sign of life for long.

use serde::Serialize;

use super::{App, liveness, log, session, task};
use crate::core::{AgentName, ProcessId, Stamp, TeamName};
use crate::domain::agent::{RunState, SpawnEntry};
use crate::domain::task::{Status, Task};

/// An agent that does not get on.
#[derive(Debug, Clone, Serialize)]
pub struct Zombie {
    /// The agent.
    pub agent_name: String,
    /// The process that still runs.
    pub pid: i64,
    /// How it runs.
    pub backend: String,
    /// When it was started, in seconds since the epoch.
    pub spawned_at: f64,
    /// How long it has run, one decimal.
    pub running_hours: f64,
    /// `orphaned`: nobody watches it any more. `leftover`: it has ended, but processes of it have
    /// not. `hung`: it has a task and gave no sign of life for longer than is allowed.
    pub reason: &'static str,
}

/// Ending the processes of an agent takes so many seconds; what runs longer was left.
const ENDING_SECONDS: f64 = 15.0;

/// The agents of a team that do not get on: `max_hours` is how long one that works on a task may
/// give no sign of life.
pub fn zombies(app: &App, team: &TeamName, max_hours: f64) -> Vec<Zombie> {
    let now = app.now_seconds();
    let tasks = task::all(app, team).unwrap_or_default();
    let mut found = Vec::new();
    for (agent, entry) in &liveness::registry(app, team) {
        let look = Look { app, team, agent, entry, tasks: &tasks, now, max_hours };
        let Some((reason, pid)) = look.reason() else { continue };
        found.push(Zombie {
            agent_name: agent.clone(),
            pid,
            backend: entry.backend.clone(),
            spawned_at: entry.spawned_at,
            running_hours: ((now - entry.spawned_at) / 360.0).round() / 10.0,
            reason,
        });
    }
    found
}

struct Look<'a> {
    app: &'a App,
    team: &'a TeamName,
    agent: &'a str,
    entry: &'a SpawnEntry,
    tasks: &'a [Task],
    now: f64,
    max_hours: f64,
}

impl Look<'_> {
    fn reason(&self) -> Option<(&'static str, i64)> {
        let record = liveness::record(self.app, self.team, self.agent);
        let record = record.filter(|record| liveness::is_about(record, self.entry));
        let Some(record) = record else {
            // Started by Python's ClawTeam: whether somebody watches it cannot be known.
            let alive = liveness::of_number(self.app, self.entry);
            return (alive == Some(true) && self.is_hung()).then_some(("hung", self.entry.pid));
        };
        let left: Vec<ProcessId> =
            record.process.map(|process| self.app.processes.group(process)).unwrap_or_default();
        let pid = i64::from(left.first()?.pid);
        if matches!(record.state, RunState::Exited | RunState::Failed) {
            let ended = seconds(&record.ended_at).unwrap_or(0.0);
            return (self.now - ended > ENDING_SECONDS).then_some(("leftover", pid));
        }
        if !record.runner.is_some_and(|runner| self.app.processes.is_alive(runner)) {
            return Some(("orphaned", pid));
        }
        self.is_hung().then_some(("hung", pid))
    }

    /// Whether it works on a task and gave no sign of life for too long. One that waits for work
    /// is not hung, however long it waits.
    fn is_hung(&self) -> bool {
        let limit = self.max_hours * 3600.0;
        if self.entry.spawned_at <= 0.0 || self.now - self.entry.spawned_at <= limit {
            return false;
        }
        let mut own = self
            .tasks
            .iter()
            .filter(|task| task.status == Status::InProgress && task::worker(task) == self.agent);
        let Some(first) = own.next() else { return false };
        let mut signs: Vec<f64> = Vec::new();
        for task in std::iter::once(first).chain(own) {
            signs.extend([&task.updated_at, &task.locked_at].into_iter().filter_map(seconds));
        }
        let said = log::newest(self.app, self.team, 1, Some(self.agent)).unwrap_or_default();
        signs.extend(said.iter().filter_map(|message| seconds(&message.timestamp)));
        signs.extend(self.written());
        signs.into_iter().all(|sign| self.now - sign > limit)
    }

    /// When its program wrote to its transcript last.
    fn written(&self) -> Option<f64> {
        let agent = AgentName::parse(self.agent).ok()?;
        let session = session::find(self.app, self.team, &agent).ok().flatten()?;
        let file = self.app.foreign.stat(std::path::Path::new(session.transcript()?))?;
        Some(file.modified)
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds fit for a hundred thousand years")]
fn seconds(stamp: &Stamp) -> Option<f64> {
    stamp.instant().map(|instant| instant.timestamp_millis() as f64 / 1000.0)
}

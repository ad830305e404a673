//! The watch over a team's leader: what has happened that the leader should look at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Extra;
use super::message::Message;
use super::task::{Stats, Status, Task, stats};
use crate::core::Digest;

/// Who reminders come from.
pub const SCHEDULER: &str = "scheduler";
/// How every reminder begins.
pub const OPENING: &str = "Scheduler check:";

/// What was seen and said last: `teams/<team>/leader_watch_state.json`. Times are in seconds since
/// the epoch; 0: never.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WatchState {
    /// What was seen last, as JSON.
    pub last_signature: String,
    /// When somebody looked last.
    pub last_check_at: f64,
    /// When the leader was reminded last.
    pub last_inject_at: f64,
    /// What became of that.
    pub last_inject_status: String,
    /// When the leader was reminded last for no other reason than the time.
    pub last_heartbeat_at: f64,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A team as its leader should see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// How many tasks stand where.
    pub stats: Stats,
    /// How many tasks each agent has completed; those of nobody under `unassigned`.
    pub completed: BTreeMap<String, usize>,
    /// How many messages wait for the leader, those of the watch left out.
    pub inbox: usize,
    /// Agents that have ended, sorted.
    pub dead: Vec<String>,
    /// What makes this another state than the one before: as long as the team is not, whatever
    /// the number of its tasks.
    pub signature: String,
}

/// Whether a message is a reminder of the watch.
pub fn is_reminder(message: &Message) -> bool {
    message.from == SCHEDULER || message.text().starts_with(OPENING)
}

impl Snapshot {
    /// What is to be seen of `tasks`, `inbox` messages and `dead` agents.
    pub fn of(tasks: &[Task], inbox: usize, mut dead: Vec<String>) -> Self {
        dead.sort();
        dead.dedup();
        let mut completed = BTreeMap::new();
        for task in tasks.iter().filter(|task| task.status == Status::Completed) {
            let owner = if task.owner.is_empty() { "unassigned" } else { &task.owner };
            *completed.entry(owner.to_owned()).or_insert(0) += 1;
        }
        let digest = |status: Status| {
            let mut these: Vec<String> = tasks
                .iter()
                .filter(|task| task.status == status)
                .map(|task| format!("{} {} {}\n", task.id, task.owner, task.updated_at))
                .collect();
            these.sort();
            let parts: Vec<&[u8]> = these.iter().map(String::as_bytes).collect();
            format!("{} {}", these.len(), Digest::of_parts(&parts).start(16))
        };
        let signature = json!({
            "blocked": digest(Status::Blocked),
            "completed": digest(Status::Completed),
            "deadAgents": dead,
            "leaderInboxCount": inbox,
        });
        Self { stats: stats(tasks), completed, inbox, dead, signature: signature.to_string() }
    }
}

/// Why the leader is reminded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trigger {
    /// Whether something has changed since the last look.
    pub changed: bool,
    /// Whether the time for a reminder without a reason has come.
    pub heartbeat: bool,
}

/// Whether the leader is to be reminded at `now`; `heartbeat` is the longest silence, in seconds.
pub fn decide(state: &WatchState, seen: &Snapshot, now: f64, heartbeat: f64) -> Option<Trigger> {
    let changed = state.last_signature != seen.signature;
    // A clock that was set back does not silence the watch.
    let since = now - state.last_heartbeat_at;
    let due = !(0.0..heartbeat).contains(&since);
    (changed || due).then_some(Trigger { changed, heartbeat: due })
}

/// The text of a reminder.
pub fn reminder(leader: &str, seen: &Snapshot) -> String {
    let done: Vec<String> =
        seen.completed.iter().map(|(who, n)| format!("{who} finished {n} task(s)")).collect();
    let or_none = |list: &[String]| match list {
        [] => "none".to_owned(),
        list => list.join(", "),
    };
    format!(
        "{OPENING}\n- Completed: {}\n- Inbox: {leader} has {} unread message(s)\n\
         - Blocked: {}\n- Dead agents: {}",
        or_none(&done),
        seen.inbox,
        seen.stats.blocked,
        or_none(&seen.dead)
    )
}

/// What the leader should do about it.
pub fn next_action(team: &str, leader: &str) -> String {
    format!(
        "Run `clawteam task list {team}` and `clawteam inbox receive {team} --agent {leader}`, \
         then decide next steps."
    )
}

/// The facts under a reminder.
pub fn evidence(seen: &Snapshot, trigger: Trigger) -> Vec<String> {
    let Stats { total, completed, in_progress, pending, blocked, .. } = seen.stats;
    let dead = if seen.dead.is_empty() { "none".to_owned() } else { seen.dead.join(", ") };
    vec![
        format!("trigger: {}", if trigger.changed { "state_changed" } else { "heartbeat" }),
        format!("heartbeatDue: {}", if trigger.heartbeat { "True" } else { "False" }),
        format!("tasks: {completed}/{total} completed"),
        format!("inProgress: {in_progress}"),
        format!("pending: {pending}"),
        format!("blocked: {blocked}"),
        format!("leaderInboxCount: {}", seen.inbox),
        format!("deadAgents: {dead}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, owner: &str, status: Status) -> Task {
        Task { id: id.into(), owner: owner.into(), status, ..Task::default() }
    }

    #[test]
    fn the_signature_does_not_grow_with_the_team() {
        let many: Vec<Task> =
            (0..500).map(|n| task(&n.to_string(), "w", Status::Completed)).collect();
        let (few, all) = (Snapshot::of(&many[..1], 0, vec![]), Snapshot::of(&many, 0, vec![]));
        assert_ne!(few.signature, all.signature);
        assert!(all.signature.len() < few.signature.len() + 10, "{}", all.signature);
    }

    #[test]
    fn a_reminder_comes_with_a_change_or_with_the_time() {
        let seen = Snapshot::of(&[], 0, vec![]);
        let mut state = WatchState::default();
        let decide = |state: &WatchState, seen: &Snapshot, now| decide(state, seen, now, 300.0);
        let both = Trigger { changed: true, heartbeat: true };
        assert_eq!(decide(&state, &seen, 1000.0), Some(both));
        state.last_signature.clone_from(&seen.signature);
        state.last_heartbeat_at = 1000.0;
        assert_eq!(decide(&state, &seen, 1299.0), None);
        let time = Trigger { changed: false, heartbeat: true };
        assert_eq!(decide(&state, &seen, 1300.0), Some(time));
        assert_eq!(decide(&state, &seen, 10.0), Some(time), "the clock was set back");
        let change = Trigger { changed: true, heartbeat: false };
        let later = Snapshot::of(&[task("a", "", Status::Blocked)], 0, vec![]);
        assert_eq!(decide(&state, &later, 1001.0), Some(change));
    }

    #[test]
    fn a_reminder_says_what_there_is() {
        let tasks = [
            task("a", "w1", Status::Completed),
            task("b", "w1", Status::Completed),
            task("c", "", Status::Completed),
            task("d", "w2", Status::Blocked),
        ];
        let seen = Snapshot::of(&tasks, 3, vec!["w3".into()]);
        assert_eq!(
            reminder("lead", &seen),
            "Scheduler check:\n- Completed: unassigned finished 1 task(s), w1 finished 2 task(s)\n\
             - Inbox: lead has 3 unread message(s)\n- Blocked: 1\n- Dead agents: w3"
        );
        assert_eq!(
            evidence(&seen, Trigger { changed: true, heartbeat: false })[..3],
            ["trigger: state_changed", "heartbeatDue: False", "tasks: 3/4 completed"]
        );
    }
}

//! Choosing among tasks.

use serde::Serialize;

use super::model::{Status, Task};
use super::rules::Others;

/// Whether `id` is a task that is still to be waited for.
pub(super) fn is_open(id: &str, others: &Others<'_>) -> bool {
    others.get(id).is_none_or(|task| task.status != Status::Completed)
}

/// Why `caller` cannot claim `task`, or `None` if it is ready.
pub(super) fn obstacle(task: &Task, caller: &str, others: &Others<'_>) -> Option<String> {
    if task.is_settled() {
        return Some(format!("{}: {}", task.standing(), task.reason().unwrap_or_default()));
    }
    match task.status {
        Status::Completed => return Some("completed".into()),
        Status::InProgress => return Some(format!("in progress by '{}'", task.locked_by)),
        Status::Pending | Status::Blocked => {}
    }
    let open: Vec<&str> =
        task.blocked_by.iter().filter(|id| is_open(id, others)).map(String::as_str).collect();
    if !open.is_empty() {
        return Some(format!("blocked by {}", open.join(", ")));
    }
    // Blocked by hand, without naming a task: only a hand unblocks it.
    if task.status == Status::Blocked && task.blocked_by.is_empty() {
        return Some("blocked".into());
    }
    if !task.locked_by.is_empty() && task.locked_by != caller {
        return Some(format!("locked by '{}'", task.locked_by));
    }
    if !task.owner.is_empty() && task.owner != caller {
        return Some(format!("owned by '{}'", task.owner));
    }
    None
}

/// The tasks that `caller` can claim, the best first: by priority, then by age.
pub fn ready<'t>(tasks: &'t [Task], caller: &str) -> Vec<&'t Task> {
    let others: Others<'_> = tasks.iter().map(|task| (task.id.as_str(), task)).collect();
    let mut ready: Vec<&Task> =
        tasks.iter().filter(|task| obstacle(task, caller, &others).is_none()).collect();
    ready.sort_by(|a, b| {
        (a.priority, &a.created_at, &a.id).cmp(&(b.priority, &b.created_at, &b.id))
    });
    ready
}

/// How many tasks stand where.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Stats {
    /// All of them.
    pub total: usize,
    /// Done.
    pub completed: usize,
    /// Being worked on.
    pub in_progress: usize,
    /// Waiting for somebody.
    pub pending: usize,
    /// Waiting for other tasks.
    pub blocked: usize,
    /// Done, and it was measured how long that took.
    pub timed_completed: usize,
    /// How long these took on average, in seconds; 0 if there are none.
    pub avg_duration_seconds: f64,
}

/// Counts tasks.
pub fn stats<'t>(tasks: impl IntoIterator<Item = &'t Task>) -> Stats {
    let mut stats = Stats::default();
    let mut seconds = 0.0;
    for task in tasks {
        stats.total += 1;
        match task.status {
            Status::Pending => stats.pending += 1,
            Status::InProgress => stats.in_progress += 1,
            Status::Blocked => stats.blocked += 1,
            Status::Completed => {
                stats.completed += 1;
                if let Some(duration) = task.duration_seconds() {
                    stats.timed_completed += 1;
                    seconds += duration;
                }
            }
        }
    }
    if stats.timed_completed > 0 {
        let count = u32::try_from(stats.timed_completed).unwrap_or(u32::MAX);
        stats.avg_duration_seconds = (seconds / f64::from(count) * 100.0).round() / 100.0;
    }
    stats
}

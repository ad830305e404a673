//! Events of a team that a run can wait for: messages, and tasks that are done.

use serde_json::Value;

use crate::app::App;
use crate::app::{log, task};
use crate::core::{Name, Outcome, TeamName};
use crate::domain::task::Status;
use crate::domain::workflow::run::state::Millis;
use crate::store::Dir;

/// Messages that are looked at.
const MESSAGES_MAX: usize = 1000;

/// The kind of the event that a task is done.
const TASK_COMPLETED: &str = "task.completed";

fn millis(stamp: &crate::core::Stamp) -> Millis {
    let instant = stamp.instant().map_or(0, |at| at.timestamp_millis());
    Millis::try_from(instant).unwrap_or(0)
}

/// The events of a kind since `after`, oldest first, each with an id.
pub(super) fn since(
    app: &App,
    team: &TeamName,
    event: &str,
    after: Millis,
) -> Outcome<Vec<(String, Value)>> {
    let mut found: Vec<(Millis, String, Value)> = Vec::new();
    if event == TASK_COMPLETED {
        for task in task::all(app, team)? {
            let at = millis(&task.updated_at);
            if task.status == Status::Completed && at >= after {
                found.push((
                    at,
                    format!("task:{}", task.id),
                    serde_json::to_value(&task).unwrap_or_default(),
                ));
            }
        }
    } else {
        let kind = event.strip_prefix("message.").unwrap_or(event);
        for message in log::newest(app, team, MESSAGES_MAX, None)? {
            let at = millis(&message.timestamp);
            if at >= after && (message.kind.as_str() == kind || event == "message") {
                let id = message.request_id.clone().unwrap_or_else(|| at.to_string());
                found.push((
                    at,
                    format!("message:{id}"),
                    serde_json::to_value(&message).unwrap_or_default(),
                ));
            }
        }
    }
    found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    Ok(found.into_iter().map(|(_, id, data)| (id, data)).collect())
}

fn listeners(team: &TeamName) -> Dir {
    Dir::events_awaited(team)
}

/// Notes that a run waits for events of its team, or does so no more.
pub(super) fn listen(app: &App, team: &TeamName, run: &Name, wanted: bool) -> Outcome<()> {
    let mark = listeners(team).entry(run.as_str());
    if wanted {
        app.store.backend().mark(&mark)?;
    } else {
        app.store.backend().discard(&mark)?;
    }
    Ok(())
}

/// Wakes the runs that wait for events of their team. Most often there are none, which costs one
/// look.
pub fn happened(app: &App, team: &TeamName) {
    let waiting = app.store.backend().list(&listeners(team)).unwrap_or_default();
    for run in waiting.into_iter().filter_map(|name| Name::parse(name).ok()) {
        super::wake(app, team, &run);
    }
}

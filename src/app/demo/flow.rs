//! Moving the run of the demo's workflow, and telling its way.

use super::watch::Event;
use crate::app::App;
use crate::app::launch::Flow;
use crate::app::wait::Stop;
use crate::app::workflow::drive::{DriveOptions, drive};
use crate::app::workflow::run::load;
use crate::core::{Outcome, TeamName};
use crate::domain::workflow::definition::SUCCESS;
use crate::domain::workflow::run::record::{Begin, Cause, Next, Record, Tr};
use crate::domain::workflow::run::state::Status;

/// Moves the run until it ends or `stop` is requested, and does the work of its queue.
pub(super) fn follow(
    app: &App,
    team: &TeamName,
    flow: &Flow,
    stop: &Stop,
    tell: &(dyn Fn(&Event) + Sync),
) -> Outcome<()> {
    let options =
        DriveOptions { until_waiting: false, timeout: None, workers: 2, stop: stop.clone() };
    drive(app, team, &flow.run, &options, &mut |_, record| {
        if let Some((node, how)) = passed(record) {
            tell(&Event::Passed { node, how });
        }
    })?;
    Ok(())
}

/// How the run stands.
pub(super) fn status(app: &App, team: &TeamName, flow: &Flow) -> Outcome<Status> {
    Ok(load(app, team, &flow.run)?.run.status)
}

/// A visit that is over, and what became of it; `None` for whatever else happens in a run.
fn passed(record: &Record) -> Option<(String, String)> {
    match &record.tr {
        Tr::Settle { act, cause: Cause::Approval { who, comment, .. }, result, .. } => {
            let name = |who: &String| who.rsplit(':').next().unwrap_or(who).to_owned();
            let who: Vec<String> = who.iter().map(name).collect();
            let (verdict, back) = match &result.next {
                Next::Visit { nodes, .. } => {
                    ("rejected", format!(" Back to {}.", nodes.join(", ")))
                }
                Next::Follow { port, .. } if port == SUCCESS => ("approved", String::new()),
                _ => ("not approved", String::new()),
            };
            Some((act.clone(), format!("{verdict} by {}: {comment}{back}", who.join(", "))))
        }
        Tr::Settle { act, result, .. } => Some((act.clone(), leads(&result.next))),
        Tr::Start { act, begin: Begin::Done { result, .. }, .. } => {
            Some((act.clone(), leads(&result.next)))
        }
        Tr::Join { node, take, .. } => {
            let from: Vec<&str> = take.iter().map(|(_, act)| act.as_str()).collect();
            Some((node.clone(), format!("has {}", from.join(" and "))))
        }
        Tr::Complete { fault, .. } => {
            let how = fault.as_ref().map_or("completed", |_| "failed");
            Some(("the run".into(), how.into()))
        }
        _ => None,
    }
}

fn leads(next: &Next) -> String {
    match next {
        Next::Follow { port, .. } if port == SUCCESS => "done".into(),
        Next::Follow { port, .. } => port.clone(),
        Next::Visit { port, nodes, .. } => format!("{port}, back to {}", nodes.join(", ")),
        Next::Retry { .. } => "is tried again".into(),
        Next::Pause { .. } => "the run pauses".into(),
        Next::Fail { fault } => format!("failed: {}", fault.message),
        Next::End { status, .. } => format!("the run ends: {}", status.word()),
    }
}

//! What operators ask of a run.

use serde_json::Value;

use super::context::View;
use super::route;
use crate::domain::workflow::definition::SUCCESS;
use crate::domain::workflow::run::observe::{Ask, Request};
use crate::domain::workflow::run::record::{Operation, Tr};
use crate::domain::workflow::run::state::{Act, ActState, Fault, Output, Run, Status};

/// How many signals may wait.
const SIGNALS_MAX: usize = 1000;

pub(super) fn decide(view: &View<'_>, request: &Request) -> Tr {
    let does = operation(view, &request.ask)
        .unwrap_or_else(|fault| Operation::Refuse { verb: request.ask.verb().to_owned(), fault });
    Tr::Operator { request: request.id.clone(), by: request.by.clone(), does }
}

/// Why this cannot be asked of a run that stands so; `None`: it can.
pub fn refusal(run: &Run, ask: &Ask) -> Option<Fault> {
    let allowed: &[Status] = match ask {
        Ask::Stop { .. } | Ask::Set { .. } | Ask::Signal { .. } => {
            &[Status::Running, Status::Paused]
        }
        Ask::Skip { .. } => &[Status::Running, Status::Paused],
        Ask::Pause { .. } => &[Status::Running],
        Ask::Resume => &[Status::Paused],
        Ask::Retry { .. } => &[Status::Failed, Status::Stopped, Status::Paused],
    };
    if allowed.contains(&run.status) {
        // Going on would leave out what failed, and nobody would have said so.
        let failed =
            run.acts.iter().find(|(_, act)| act.state == ActState::Failed && act.is_open());
        let (id, _) = failed.filter(|_| *ask == Ask::Resume)?;
        let message = format!(
            "the run is paused because {id} has failed: tell it to retry or to skip that first"
        );
        return Some(Fault::new("illegal_transition", message));
    }
    let words: Vec<&str> = allowed.iter().map(|status| status.word()).collect();
    let message = format!(
        "a run that is {} cannot be told to {}: it must be {}",
        run.status.word(),
        ask.verb(),
        words.join(" or ")
    );
    Some(Fault::new("illegal_transition", message))
}

fn operation(view: &View<'_>, ask: &Ask) -> Result<Operation, Fault> {
    if let Some(fault) = refusal(view.run, ask) {
        return Err(fault);
    }
    match ask {
        Ask::Stop { reason, kill } => Ok(Operation::Stop { reason: reason.clone(), kill: *kill }),
        Ask::Pause { reason } => Ok(Operation::Pause { reason: reason.clone() }),
        Ask::Resume => {
            let since = view.run.paused_at.unwrap_or(view.now);
            Ok(Operation::Resume { shift: view.now.saturating_sub(since) })
        }
        Ask::Retry { node, act, reset_feedback } => {
            let acts = to_retry(view, node.as_deref(), act.as_deref())?;
            Ok(Operation::Retry { acts, reset_feedback: *reset_feedback })
        }
        Ask::Skip { act, port, output } => skip(view, act, port.as_deref(), output.as_ref()),
        Ask::Set { vars } => Ok(Operation::Set { vars: vars.clone() }),
        Ask::Signal { name, data } => {
            if view.run.signals.len() >= SIGNALS_MAX {
                let message = format!("{SIGNALS_MAX} signals wait already, and nobody takes them");
                return Err(Fault::new("signals_full", message));
            }
            Ok(Operation::Signal { name: name.clone(), data: data.clone() })
        }
    }
}

/// The visits that a retry begins anew: those that failed and led nowhere, and those that were
/// called off when the run ended.
fn to_retry(view: &View<'_>, node: Option<&str>, act: Option<&str>) -> Result<Vec<String>, Fault> {
    let cleaned = view.run.ending.as_ref();
    let chosen = view.run.acts.iter().filter(|(id, found)| {
        found.is_open()
            && cleaned.is_none_or(|ending| ending.open.contains(id))
            && node.is_none_or(|n| found.node == n)
            && act.is_none_or(|a| id.as_str() == a)
    });
    let acts: Vec<String> = chosen.map(|(id, _)| id.clone()).collect();
    if acts.is_empty() {
        let what = act.or(node).map_or_else(String::new, |name| format!(" of '{name}'"));
        let message = format!("nothing{what} has failed that could be tried again");
        return Err(Fault::new("nothing_to_retry", message));
    }
    Ok(acts)
}

fn skip(
    view: &View<'_>,
    id: &str,
    port: Option<&str>,
    output: Option<&Value>,
) -> Result<Operation, Fault> {
    let found = view.run.acts.get(id);
    let open =
        |act: &&Act| act.state.is_live() || (act.state == ActState::Failed && act.port.is_none());
    let Some(act) = found.filter(open) else {
        let live: Vec<&str> = view.run.live().map(|(id, _)| id).collect();
        let message = format!("'{id}' is not at work; at work are: {}", live.join(", "));
        return Err(Fault::new("not_live", message));
    };
    let Some(node) = view.graph.find(&act.node) else {
        return Err(Fault::new("not_live", format!("there is no node '{}'", act.node)));
    };
    let output = output.map(|value| Output::of(value.clone()));
    let port = port.unwrap_or(SUCCESS);
    let result = route::success(&view.at(act), act, node, port, output, Vec::new());
    Ok(Operation::Skip { act: id.to_owned(), result: Box::new(result) })
}

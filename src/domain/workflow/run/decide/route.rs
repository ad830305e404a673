//! Where a run goes on after a visit.

use super::context::{View, condition_fault};
use crate::core::Digest;
use crate::domain::workflow::definition::{Kind, OnFailure, RetryCause, SUCCESS};
use crate::domain::workflow::graph::NodeIx;
use crate::domain::workflow::run::record::{Next, Settled};
use crate::domain::workflow::run::state::{Act, ArtifactRef, Fault, Millis, Output};

/// An attempt that succeeded: which edges its result follows.
pub(super) fn success(
    view: &View<'_>,
    act: &Act,
    node: NodeIx,
    port: &str,
    output: Option<Output>,
    artifacts: Vec<ArtifactRef>,
) -> Settled {
    let mut fresh = act.clone();
    if output.is_some() {
        fresh.output.clone_from(&output);
    }
    fresh.port = Some(port.to_owned());
    fresh.state = crate::domain::workflow::run::state::ActState::Succeeded;
    let seen = View { fresh: Some(&fresh), ..*view };
    let next = follow(&seen, node, port);
    Settled { output, artifacts, error: None, next, effects: Vec::new() }
}

/// The edges of a port whose conditions hold.
pub(super) fn follow(view: &View<'_>, node: NodeIx, port: &str) -> Next {
    let place = &view.graph.nodes[node];
    let mut edges = Vec::new();
    let mut otherwise = Vec::new();
    let mut any = false;
    for edge in view.graph.leaving(node, port) {
        any = true;
        if edge.otherwise {
            otherwise.push(edge.id.clone());
            continue;
        }
        match edge.when.as_deref().map_or(Ok(true), |when| view.holds(when)) {
            Ok(true) => edges.push(edge.id.clone()),
            Ok(false) => {}
            Err(error) => return Next::Fail { fault: condition_fault(&place.id, &error) },
        }
    }
    if edges.is_empty() {
        edges = otherwise;
    }
    if any && edges.is_empty() {
        let message = format!("no condition holds on the edges of '{}' for '{port}'", place.id);
        return Next::Fail { fault: Fault::new("no_edge_matched", message) };
    }
    // A decision must lead somewhere; any other result may end its branch.
    let decides = matches!(place.node.kind, Kind::Condition(_) | Kind::Switch(_));
    if edges.is_empty() && decides {
        let message = format!("no edge leaves '{}' for its branch '{port}'", place.id);
        return Next::Fail { fault: Fault::new("no_branch", message) };
    }
    Next::Follow { port: port.to_owned(), edges }
}

/// An attempt that failed: whether it is tried again, and if not, where the run goes on.
pub(super) fn failure(
    view: &View<'_>,
    id: &str,
    act: &Act,
    node: NodeIx,
    cause: RetryCause,
    fault: Fault,
    output: Option<Output>,
) -> Settled {
    let retries = view.graph.retries(node);
    let tried = act.attempt.max(1);
    let again = tried <= retries.max && retries.causes.contains(&cause);
    let next = if again {
        let at = view.now + pause_before(view, id, tried, &retries);
        Next::Retry { at }
    } else {
        after_failure(view, act, node, cause, &fault)
    };
    Settled { output, artifacts: Vec::new(), error: Some(fault), next, effects: Vec::new() }
}

fn after_failure(
    view: &View<'_>,
    act: &Act,
    node: NodeIx,
    cause: RetryCause,
    fault: &Fault,
) -> Next {
    let mut fresh = act.clone();
    fresh.state = crate::domain::workflow::run::state::ActState::Failed;
    fresh.error = Some(fault.clone());
    let seen = View { fresh: Some(&fresh), ..*view };
    let own = match cause {
        RetryCause::Failure => "failure",
        RetryCause::Timeout => "timeout",
        RetryCause::Lost => "lost",
        RetryCause::Check => "check_failed",
    };
    for port in [own, "failure"] {
        if view.graph.leaving(node, port).next().is_some() {
            return follow(&seen, node, port);
        }
    }
    let place = &view.graph.nodes[node];
    let failed = || {
        let message = format!("node '{}': {}", place.id, fault.message);
        Fault::new(&fault.code, message)
    };
    match view.graph.on_failure(node) {
        OnFailure::Fail => Next::Fail { fault: failed() },
        OnFailure::Pause => Next::Pause { fault: failed() },
        OnFailure::Continue => follow(&seen, node, SUCCESS),
        OnFailure::Route(to) => {
            Next::Visit { port: "failure".into(), nodes: vec![to], feedback: None }
        }
    }
}

/// How long to wait before the attempt after number `tried`. What looks random about it comes
/// from the name of the visit, so that every machine computes the same.
fn pause_before(
    view: &View<'_>,
    id: &str,
    tried: u32,
    retries: &crate::domain::workflow::graph::Retries,
) -> Millis {
    let doubled = retries.factor.max(1.0).powi(i32::try_from(tried - 1).unwrap_or(30).min(30));
    let plain = retries.delay.as_millis() as f64 * doubled;
    let plain = plain.min(retries.max_delay.as_millis() as f64);
    let name = format!("{}/{id}/a{tried}", view.facts.start().run);
    let spread = (Digest::of(name.as_bytes()).number() % 2001) as f64 / 1000.0 - 1.0;
    let wanted = plain * (1.0 + spread * retries.jitter.clamp(0.0, 1.0));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
    let millis = wanted.max(0.0).round() as Millis;
    millis
}

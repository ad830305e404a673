//! Deciding: what the next transition comes to. Everything that was looked at becomes part of the
//! record, so that nobody has to look again.

mod assign;
mod context;
mod found;
mod meeting;
mod operator;
mod prompt;
mod route;
mod start;
mod work;

use serde_json::{Map, Value};

use super::enabled::{self, Candidate};
use super::join::{self, Firing};
use super::observe::{Facts, Found, Observation};
use super::record::{Cause, Next, Settled, Tr};
use super::state::{ActState, Fault, Millis, Output, Run, Status, Work};
use crate::domain::workflow::definition::{Join, Kind, MergeOutputs, RetryCause, SUCCESS};
use crate::domain::workflow::graph::Graph;
use context::View;
pub use operator::refusal;

/// The next transition, if one is possible now.
pub fn next(
    graph: &Graph,
    run: &Run,
    seen: &Observation,
    now: Millis,
    facts: &dyn Facts,
) -> Option<Tr> {
    let view = View { graph, run, facts, now, act: None, fresh: None, event: None };
    let with_signals;
    let seen = if run.signals.is_empty() {
        seen
    } else {
        with_signals = with_signals_of(&view, seen);
        &with_signals
    };
    let candidate = enabled::next(graph, run, seen, now)?;
    Some(decide(&view, seen, candidate))
}

/// Whether what an event brings is what a visit waits for.
pub fn is_awaited(
    graph: &Graph,
    run: &Run,
    facts: &dyn Facts,
    now: Millis,
    act: &str,
    event: &Value,
) -> Result<bool, Fault> {
    let view = View { graph, run, facts, now, act: None, fresh: None, event: None };
    awaited(&view, act, event)
}

fn awaited(view: &View<'_>, id: &str, event: &Value) -> Result<bool, Fault> {
    let Some(act) = view.run.acts.get(id) else { return Ok(false) };
    let Some(place) = view.graph.place(&act.node) else { return Ok(false) };
    let Kind::Wait(wait) = &place.node.kind else { return Ok(false) };
    let Some(filter) = &wait.filter else { return Ok(true) };
    let view = View { event: Some(event), ..view.at(act) };
    view.holds(filter).map_err(|error| context::condition_fault(&act.node, &error))
}

fn with_signals_of(view: &View<'_>, seen: &Observation) -> Observation {
    let mut seen = seen.clone();
    let mut taken = Vec::new();
    for (id, act) in view.run.live() {
        let Some(Work::Signal { name, after }) = &act.work else { continue };
        if act.state != ActState::Dispatched {
            continue;
        }
        for (index, signal) in view.run.signals.iter().enumerate() {
            if signal.name != *name || signal.at < *after || taken.contains(&index) {
                continue;
            }
            match awaited(view, id, &signal.data) {
                Ok(false) => continue,
                Ok(true) => {
                    taken.push(index);
                    seen.found.insert(id.to_owned(), Found::Signal { index });
                }
                Err(fault) => {
                    seen.found.insert(id.to_owned(), Found::Broken(fault));
                }
            }
            break;
        }
    }
    seen
}

fn decide(view: &View<'_>, seen: &Observation, candidate: Candidate) -> Tr {
    match candidate {
        Candidate::Operator => operator::decide(view, &seen.requests[0]),
        Candidate::Deadline => Tr::Deadline,
        Candidate::EffectDead { key, error } => Tr::EffectDead { key, error },
        Candidate::Timeout(id) => found::timeout(view, &id),
        Candidate::Found(id) => match seen.found.get(&id) {
            Some(what) => found::decide(view, &id, what),
            None => Tr::Again { act: id },
        },
        Candidate::Timer(id) => found::timer(view, &id),
        Candidate::Again(id) => Tr::Again { act: id },
        Candidate::Start(id) => start::decide(view, &id),
        Candidate::Join(firing) => fire(view, &firing),
        Candidate::Complete => complete(view),
    }
}

/// A join fires.
fn fire(view: &View<'_>, firing: &Firing) -> Tr {
    let place = &view.graph.nodes[firing.node];
    let Kind::Join(join) = &place.node.kind else {
        unreachable!("only joins fire");
    };
    let result = if firing.ends {
        None
    } else if firing.unsatisfied {
        let message = format!("not everything that join '{}' insists on can come", place.id);
        let fault = Fault::new("join_unsatisfied", message);
        let next = Next::Fail { fault: fault.clone() };
        Some(Settled { output: None, artifacts: vec![], error: Some(fault), next, effects: vec![] })
    } else {
        let output = merged(view, join, firing);
        let visit = view.run.visits_of.get(&place.id).copied().unwrap_or(0) + 1;
        let act = super::state::Act {
            node: place.id.clone(),
            visit,
            parents: firing.take.iter().map(|(_, act)| act.clone()).collect(),
            ..super::state::Act::default()
        };
        Some(route::success(&view.at(&act), &act, firing.node, SUCCESS, output, Vec::new()))
    };
    let cancel = if join.cancel_remaining && result.is_some() {
        join::remaining(view.graph, view.run, firing.node)
    } else {
        Vec::new()
    };
    Tr::Join {
        node: place.id.clone(),
        why: firing.why,
        take: firing.take.clone(),
        drop: firing.drop.clone(),
        cancel,
        result,
    }
}

/// The results that a join takes, as one.
fn merged(view: &View<'_>, join: &Join, firing: &Firing) -> Option<Output> {
    let value_of = |id: &str| {
        let act = view.run.acts.get(id)?;
        let source = if act.output.is_some() { act } else { view.nearest(act)? };
        let output = source.output.as_ref()?;
        let text = || Value::String(output.text.clone());
        Some((source.node.clone(), output.value.clone().unwrap_or_else(text)))
    };
    let mut values = firing.take.iter().filter_map(|(_, act)| value_of(act));
    let value = match join.merge {
        MergeOutputs::List => Value::Array(values.map(|(_, value)| value).collect()),
        MergeOutputs::Object => Value::Object(values.collect::<Map<_, _>>()),
        MergeOutputs::Last => values.next_back()?.1,
    };
    Some(Output::of(value))
}

/// Nothing is left to do: the run is complete if it has reached what it must.
fn complete(view: &View<'_>) -> Tr {
    match ending(view, Status::Completed, None) {
        Next::End { fault, outputs, .. } => Tr::Complete { outputs, fault },
        _ => Tr::Complete { outputs: Map::new(), fault: None },
    }
}

/// How a run ends that would end so.
fn ending(view: &View<'_>, status: Status, fault: Option<Fault>) -> Next {
    if view.run.ending.is_some() || status != Status::Completed {
        return Next::End { status, fault, outputs: Map::new() };
    }
    // The node at which it ends has been reached by that.
    let here = view.act.map(|act| act.node.as_str());
    let reached =
        |node: &&str| here == Some(*node) || view.run.reached.iter().any(|known| known == node);
    let missing: Vec<&str> = view.graph.required().filter(|node| !reached(node)).collect();
    if !missing.is_empty() {
        let message = format!("required nodes did not succeed: {}", missing.join(", "));
        let fault = Some(Fault::new("required_not_reached", message));
        return Next::End { status: Status::Failed, fault, outputs: Map::new() };
    }
    let mut outputs = Map::new();
    for (name, text) in &view.graph.definition.outputs {
        match view.value(text) {
            Ok(value) => {
                outputs.insert(name.clone(), value);
            }
            Err(error) => {
                let message = format!("output '{name}': {error}");
                let fault = Some(Fault::new("output_error", message));
                return Next::End { status: Status::Failed, fault, outputs: Map::new() };
            }
        }
    }
    Next::End { status, fault, outputs }
}

/// The end of an attempt that failed.
fn failed(view: &View<'_>, id: &str, cause: Cause, why: RetryCause, fault: Fault) -> Tr {
    let act = &view.run.acts[id];
    let node = view.graph.find(&act.node).unwrap_or_default();
    let mut result = route::failure(&view.at(act), id, act, node, why, fault, None);
    let goes_on = match cause {
        // One of several parts failed; others may be at work.
        Cause::Children | Cause::Meeting => true,
        _ => matches!(why, RetryCause::Timeout | RetryCause::Lost),
    };
    if goes_on {
        let reason = result.error.as_ref().map(|fault| fault.message.clone()).unwrap_or_default();
        result.effects = super::effect::call_off(view.graph, id, act, &reason);
    }
    Tr::Settle { act: id.to_owned(), attempt: act.attempt, cause, result }
}

/// The end of an attempt that succeeded.
fn succeeded(
    view: &View<'_>,
    id: &str,
    cause: Cause,
    port: &str,
    output: Option<Output>,
    artifacts: Vec<super::state::ArtifactRef>,
) -> Tr {
    let act = &view.run.acts[id];
    let node = view.graph.find(&act.node).unwrap_or_default();
    let result = route::success(&view.at(act), act, node, port, output, artifacts);
    Tr::Settle { act: id.to_owned(), attempt: act.attempt, cause, result }
}

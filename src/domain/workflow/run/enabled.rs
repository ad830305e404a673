//! Which transition comes next. The order is fixed, so that equal runs in an equal world go the
//! same way.

use super::join::{self, Firing};
use super::observe::{Found, Observation};
use super::state::{Act, ActState, Millis, Run, Status, Work};
use crate::domain::workflow::graph::{Graph, NodeIx};

/// A transition that could be made now.
#[derive(Debug, Clone, PartialEq)]
pub enum Candidate {
    /// The oldest request of an operator.
    Operator,
    /// The run took too long.
    Deadline,
    /// Something outside cannot be done.
    EffectDead {
        /// Its key.
        key: String,
        /// Why.
        error: String,
    },
    /// An attempt took too long.
    Timeout(String),
    /// Something became of the work of a visit.
    Found(String),
    /// A delay is over.
    Timer(String),
    /// A failed attempt can be tried again.
    Again(String),
    /// A visit can begin.
    Start(String),
    /// A join can fire.
    Join(Firing),
    /// Nothing is left to do.
    Complete,
}

/// The next transition, if one is possible now.
pub fn next(graph: &Graph, run: &Run, seen: &Observation, now: Millis) -> Option<Candidate> {
    if !seen.requests.is_empty() {
        return Some(Candidate::Operator);
    }
    if run.status.is_terminal() || seen.held {
        return None;
    }
    let paused = run.status == Status::Paused;
    if run.deadline.is_some_and(|at| at <= now) && run.ending.is_none() {
        return Some(Candidate::Deadline);
    }
    if let Some((key, error)) = seen.dead.first()
        && !paused
    {
        return Some(Candidate::EffectDead { key: key.clone(), error: error.clone() });
    }
    let best = run.live().filter_map(|(id, act)| {
        let (rank, due, candidate) = of_act(seen, now, paused, id, act)?;
        let order = graph.find(&act.node).unwrap_or(NodeIx::MAX);
        Some(((rank, due, order, act.visit), candidate))
    });
    if let Some((_, candidate)) = best.min_by(|a, b| a.0.cmp(&b.0)) {
        return Some(candidate);
    }
    if paused {
        return None;
    }
    if let Some(id) = first_ready(graph, run) {
        return Some(Candidate::Start(id.to_owned()));
    }
    if let Some(firing) = join::next(graph, run) {
        return Some(Candidate::Join(firing));
    }
    if run.live().next().is_some() {
        return None;
    }
    match join::quiescent(graph, run) {
        Some(firing) => Some(Candidate::Join(firing)),
        None => Some(Candidate::Complete),
    }
}

/// What can be done about a visit: how urgent it is, and when it was due.
fn of_act(
    seen: &Observation,
    now: Millis,
    paused: bool,
    id: &str,
    act: &Act,
) -> Option<(u8, Millis, Candidate)> {
    match act.state {
        ActState::Dispatched => {
            if let Some(found) = seen.found.get(id) {
                let rank = match found {
                    Found::Approval { .. } => 3,
                    Found::Signal { .. } | Found::Event { .. } => 5,
                    _ => 4,
                };
                // A pause takes note of results; what only goes on can wait.
                return (rank < 5 || !paused).then(|| (rank, 0, Candidate::Found(id.to_owned())));
            }
            if paused {
                return None;
            }
            if let Some(at) = act.wake_at.filter(|at| *at <= now) {
                return Some((5, at, Candidate::Timer(id.to_owned())));
            }
            let due = act.due_at.filter(|at| *at <= now)?;
            Some((2, due, Candidate::Timeout(id.to_owned())))
        }
        ActState::Backoff if !paused => {
            let at = act.wake_at.unwrap_or(0);
            (at <= now).then(|| (6, at, Candidate::Again(id.to_owned())))
        }
        _ => None,
    }
}

/// The visit that begins next, unless as many are worked on as may be.
fn first_ready<'r>(graph: &Graph, run: &'r Run) -> Option<&'r str> {
    let working = run.acts.values().filter(|act| act.state == ActState::Dispatched);
    // A wait occupies nobody.
    let busy = working.filter(|act| {
        !matches!(
            act.work,
            Some(Work::Timer | Work::Signal { .. } | Work::Event { .. } | Work::Approval { .. })
        )
    });
    if busy.count() >= graph.bounds.parallel as usize {
        return None;
    }
    let ready = run.acts.iter().filter(|(_, act)| act.state == ActState::Ready);
    let order = |act: &Act| {
        let ix = graph.find(&act.node).unwrap_or(NodeIx::MAX);
        let priority = graph.nodes.get(ix).and_then(|place| place.node.priority).unwrap_or(2);
        (std::cmp::Reverse(priority), ix, act.visit)
    };
    ready.min_by_key(|(_, act)| order(act)).map(|(id, _)| id.as_str())
}

/// When the run wants to be looked at next, if nothing happens before.
pub fn next_wake(run: &Run) -> Option<Millis> {
    if run.status == Status::Paused {
        return run.deadline.filter(|_| run.ending.is_none());
    }
    if run.status != Status::Running {
        return None;
    }
    let deadline = run.deadline.filter(|_| run.ending.is_none());
    let of_acts = run.live().flat_map(|(_, act)| [act.due_at, act.wake_at]).flatten();
    of_acts.chain(deadline).min()
}

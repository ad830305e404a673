//! Why a run does not move.

use serde::Serialize;

use super::run::Loaded;
use super::view;
use super::world::{World, observe};
use crate::app::App;
use crate::core::Outcome;
use crate::domain::workflow::definition::{Join, Kind};
use crate::domain::workflow::run::decide;
use crate::domain::workflow::run::record::Tr;
use crate::domain::workflow::run::state::{Act, ActState, Parts, Status, Work};

/// Why a part of a run does not move.
#[derive(Debug, Serialize)]
pub struct Reason {
    /// The visit, join or run.
    pub what: String,
    /// Why, for people.
    pub why: String,
    /// What would move it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// Why a run does not move.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The run.
    pub run: String,
    /// How it stands.
    pub status: &'static str,
    /// What it would do if it were moved now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Why everything else waits.
    pub reasons: Vec<Reason>,
}

/// Explains why a run, or one node of it, does not move.
pub fn explain(app: &App, loaded: &Loaded, node: Option<&str>) -> Outcome<Explanation> {
    let now = app.now_millis().max(loaded.run.now);
    let seen = observe(app, loaded, now)?;
    let world = World::new(app, &loaded.start);
    let next = decide::next(&loaded.graph, &loaded.run, &seen, now, &world);
    let mut reasons = whole(app, loaded)?;
    for (id, act) in loaded.run.live() {
        if node.is_none_or(|node| act.node == node) {
            reasons.push(of_act(loaded, id, act));
        }
    }
    reasons.extend(joins(loaded, node));
    if let Some(node) = node
        && reasons.is_empty()
    {
        reasons.push(untouched(loaded, node));
    }
    for (key, trouble) in &loaded.troubles {
        let why =
            format!("was tried {} times outside of the run: {}", trouble.tries, trouble.error);
        reasons.push(Reason { what: key.clone(), why, command: None });
    }
    Ok(Explanation {
        run: loaded.start.run.clone(),
        status: view::status_word(loaded),
        next: next.as_ref().map(in_words),
        reasons,
    })
}

/// A transition in a few words.
pub fn in_words(tr: &Tr) -> String {
    match tr.subject() {
        Some(subject) => format!("{} {subject}", tr.word()),
        None => tr.word().to_owned(),
    }
}

fn whole(app: &App, loaded: &Loaded) -> Outcome<Vec<Reason>> {
    let run = &loaded.start.run;
    let team = loaded.team();
    let mut all = Vec::new();
    let mut say = |why: String, command: Option<String>| {
        all.push(Reason { what: run.clone(), why, command });
    };
    let fault = loaded.run.fault.as_ref();
    let why = fault.map(|f| format!(": {} ({})", f.message, f.code)).unwrap_or_default();
    match loaded.run.status {
        Status::Running => {
            for other in view::must_wait_for(app, loaded)? {
                say(format!("it begins when run {other} has ended"), None);
            }
            if loaded.start.manual {
                let command = format!("clawteam workflow step {team} {run}");
                say("only step and drive move it".into(), Some(command));
            }
        }
        Status::Paused => {
            say(
                format!("it is paused{why}"),
                Some(format!("clawteam workflow resume {team} {run}")),
            );
        }
        Status::Failed | Status::Stopped => {
            let word = loaded.run.status.word();
            say(
                format!("it is {word}{why}"),
                Some(format!("clawteam workflow retry {team} {run}")),
            );
        }
        Status::Completed => say("it is completed".into(), None),
    }
    Ok(all)
}

fn of_act(loaded: &Loaded, id: &str, act: &Act) -> Reason {
    let team = loaded.team();
    let reason =
        |why: String, command: Option<String>| Reason { what: id.to_owned(), why, command };
    let who = act.assignee.as_deref().unwrap_or("whoever claims it");
    match (act.state, &act.work) {
        (ActState::Ready, _) => {
            let most = loaded.graph.bounds.parallel;
            reason(format!("is ready to begin (at most {most} at the same time)"), None)
        }
        (ActState::Backoff, _) => reason(
            format!(
                "failed ({}) and is tried again {}",
                act.error.as_ref().map_or("", |fault| fault.message.as_str()),
                when(act.wake_at)
            ),
            None,
        ),
        (_, Some(Work::Task { id })) => reason(
            format!("waits for task {id} of {who}{}", until(act.due_at)),
            Some(format!("clawteam task get {team} {id}")),
        ),
        (_, Some(Work::Verify { .. })) => reason(
            "was said to be done; a worker must check that".into(),
            Some(format!("clawteam queue work {team} --until-idle")),
        ),
        (_, Some(Work::Approval { id })) => reason(
            format!("waits for approval {id}{}", until(act.due_at)),
            Some(format!("clawteam approval show {team} {id}")),
        ),
        (_, Some(Work::Item { .. })) => reason(
            "waits for a worker of the queue".into(),
            Some(format!("clawteam queue work {team} --until-idle")),
        ),
        (_, Some(Work::Children)) => {
            let running = match &act.parts {
                Some(Parts::Children { children, .. }) => {
                    children.iter().filter(|child| child.status.is_none()).count()
                }
                _ => 0,
            };
            reason(format!("waits for {running} other runs"), None)
        }
        (_, Some(Work::Timer)) => reason(format!("waits until {}", when(act.wake_at)), None),
        (_, Some(Work::Signal { name, .. })) => {
            let run = &loaded.start.run;
            let command = format!("clawteam workflow signal {team} {run} {name}");
            reason(format!("waits for signal '{name}'{}", until(act.due_at)), Some(command))
        }
        (_, Some(Work::Event { event, .. })) => {
            reason(format!("waits for an event '{event}'{}", until(act.due_at)), None)
        }
        _ => reason(format!("is {}", act.state.word()), None),
    }
}

fn joins(loaded: &Loaded, node: Option<&str>) -> Vec<Reason> {
    let wanted = view::joins(&loaded.graph, &loaded.run).into_iter();
    wanted
        .filter(|join| node.is_none_or(|node| join.node == node))
        .map(|join| {
            let missing: Vec<String> = join
                .missing
                .iter()
                .map(|edge| {
                    let can =
                        if edge.reachable { "can still come" } else { "cannot come any more" };
                    format!("{} ({can})", edge.from)
                })
                .collect();
            let why = format!(
                "has {} and waits for {}",
                join.have.join(", "),
                if missing.is_empty() { "nothing".to_owned() } else { missing.join(", ") }
            );
            Reason { what: join.node, why, command: None }
        })
        .collect()
}

/// Why a node was not visited.
fn untouched(loaded: &Loaded, node: &str) -> Reason {
    let reason = |why: String| Reason { what: node.to_owned(), why, command: None };
    let Some(ix) = loaded.graph.find(node) else {
        return reason("there is no such node".into());
    };
    let visits = loaded.run.visits_of.get(node).copied().unwrap_or(0);
    let strict = matches!(&loaded.graph.nodes[ix].node.kind, Kind::Join(Join { strict: true, .. }));
    let sources: Vec<&str> =
        loaded.graph.leading(ix).map(|edge| loaded.graph.nodes[edge.from].id.as_str()).collect();
    let live = loaded.run.live().filter_map(|(_, act)| loaded.graph.find(&act.node));
    let reach = loaded.graph.reachable(live);
    let can = loaded.graph.nodes[ix].ins.iter().any(|edge| reach[*edge]);
    let how = match (visits, can) {
        (0, true) => "was not reached yet, but can still be".to_owned(),
        (0, false) => "was not reached and cannot be any more".to_owned(),
        (n, _) => format!("was visited {n} times and is done"),
    };
    let strict = if strict { "; it insists on all of them" } else { "" };
    reason(format!("{how}; it follows {}{strict}", sources.join(", ")))
}

fn when(at: Option<u64>) -> String {
    let millis = at.and_then(|at| i64::try_from(at).ok()).unwrap_or(0);
    chrono::DateTime::from_timestamp_millis(millis)
        .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        .unwrap_or_default()
}

fn until(at: Option<u64>) -> String {
    at.map(|at| format!(", until {}", when(Some(at)))).unwrap_or_default()
}

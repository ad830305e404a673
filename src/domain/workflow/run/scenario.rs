//! Trying a definition out: a run in which a table says what agents, people and programs answer.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::apply::apply;
use super::decide;
use super::effect::effect_key;
use super::enabled::next_wake;
use super::observe::{Facts, Found, Member, Observation, Verdict};
use super::record::{Actor, Record};
use super::start::Start;
use super::state::{
    Act, ActState, ArtifactRef, Fault, Millis, Output, Parts, Run, Signal, Status, Work,
};
use crate::core::Digest;
use crate::domain::workflow::graph::Graph;

/// What is answered, and what shall come of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What the run is told.
    pub inputs: Map<String, Value>,
    /// The answers of each node, one for each attempt; the last one again for all further ones. A
    /// node that is not named succeeds.
    pub nodes: IndexMap<String, Vec<Answer>>,
    /// Signals that are there from the start.
    pub signals: Vec<SignalSent>,
    /// What shall come of it.
    pub expect: Expected,
}

/// A signal that is there from the start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalSent {
    /// Its name.
    pub name: String,
    /// What it brings.
    #[serde(default)]
    pub data: Value,
}

/// What a node answers to an attempt.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", untagged)]
pub enum Answer {
    /// `ok`, `approve`, `timeout` or `lost`; any other text is the result.
    Word(String),
    /// One of the fields.
    Fields(Fields),
}

/// What a node answers to an attempt, at length.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fields {
    /// It succeeds with this result.
    pub ok: Option<Value>,
    /// It fails, and says so.
    pub fail: Option<String>,
    /// It is rejected, and this is said.
    pub reject: Option<String>,
    /// The check of what was said to be done does not pass.
    pub check_fails: Option<String>,
    /// The names of what is handed in.
    pub artifacts: Vec<String>,
}

/// What shall come of it; what is not said is not looked at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// How the run ends.
    pub status: Option<Status>,
    /// The name of its failure.
    pub reason: Option<String>,
    /// Nodes that are visited so often.
    pub visits: IndexMap<String, u32>,
    /// Outputs.
    pub outputs: Map<String, Value>,
}

/// What came of a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    /// How the run ended; `running`: it waits for something that the scenario does not answer.
    pub status: Status,
    /// Why, if it failed.
    pub reason: Option<Fault>,
    /// How often each node was visited.
    pub visits: IndexMap<String, u32>,
    /// What it resulted in.
    pub outputs: Map<String, Value>,
    /// The transitions.
    #[serde(skip)]
    pub records: Vec<Record>,
    /// What differs from what was expected.
    pub differences: Vec<String>,
}

/// What a scenario's world knows.
struct Table<'s> {
    start: &'s Start,
}

impl Facts for Table<'_> {
    fn members(&self) -> Vec<Member> {
        Vec::new()
    }

    fn leader(&self) -> Option<String> {
        Some("lead".into())
    }

    fn blob(&self, _: &Digest) -> Option<Vec<u8>> {
        None
    }

    fn start(&self) -> &Start {
        self.start
    }
}

/// Runs a scenario to its end.
pub fn run(graph: &Graph, start: &Start, scenario: &Scenario) -> Tried {
    let table = Table { start };
    let mut state = start.state(graph);
    let signal = |sent: &SignalSent| Signal {
        name: sent.name.clone(),
        data: sent.data.clone(),
        at: state.now,
        by: "scenario".into(),
    };
    state.signals = scenario.signals.iter().map(signal).collect();
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    let mut records = Vec::new();
    let mut now = state.now;
    while !state.status.is_terminal() {
        let mut seen = Observation::default();
        for (id, act) in state.live().filter(|(_, act)| act.state == ActState::Dispatched) {
            let key = format!("{}:{:?}", effect_key(id, act.attempt, ""), act.work);
            let nth = *asked.entry(key).or_insert_with(|| {
                let nth = count.entry(act.node.clone()).or_insert(0);
                *nth += 1;
                *nth - 1
            });
            if let Some(found) = answer(scenario, act, nth) {
                seen.found.insert(id.to_owned(), found);
            }
        }
        let Some(tr) = decide::next(graph, &state, &seen, now, &table) else {
            match next_wake(&state) {
                Some(at) if at > now => now = at,
                _ => break,
            }
            continue;
        };
        let done = state.outbox.iter().map(|effect| effect.key.clone()).collect();
        let record = Record { rev: state.rev + 1, now, tr, acked: done, actor: Actor::default() };
        state = apply(graph, state, &record);
        records.push(record);
    }
    let differences = differences(&state, &scenario.expect);
    Tried {
        status: state.status,
        reason: state.fault.clone(),
        visits: state.visits_of.clone(),
        outputs: state.outputs.clone(),
        records,
        differences,
    }
}

/// What the `nth` attempt of a node is answered; `None`: nothing.
fn answer(scenario: &Scenario, act: &Act, nth: usize) -> Option<Found> {
    let known = scenario.nodes.get(&act.node);
    let chosen = known.and_then(|all| all.get(nth).or(all.last()));
    let fields = match chosen {
        None => Fields::default(),
        Some(Answer::Fields(fields)) => fields.clone(),
        Some(Answer::Word(word)) => match word.as_str() {
            "timeout" => return None,
            "lost" => {
                let who = act.assignee.clone().unwrap_or_default();
                return Some(Found::Lost { who });
            }
            "ok" | "approve" => Fields::default(),
            text => Fields { ok: Some(Value::from(text)), ..Fields::default() },
        },
    };
    let output = match &fields.ok {
        Some(Value::String(text)) => Output::text(text.clone()),
        Some(value) => Output::of(value.clone()),
        None => Output::text("ok".into()),
    };
    let fault = |code: &str, text: &Option<String>| text.as_ref().map(|t| Fault::new(code, t));
    match act.work.as_ref()? {
        Work::Task { .. } => Some(Found::Task {
            who: act.assignee.clone().unwrap_or_else(|| "scenario".into()),
            error: fault("task_failed", &fields.fail),
            output,
            artifacts: fields.artifacts.iter().map(artifact).collect(),
        }),
        Work::Verify { .. } => Some(Found::Item {
            error: fault("exit_status", &fields.check_fails),
            output: Output::default(),
            details: Map::new(),
        }),
        Work::Item { .. } => {
            Some(Found::Item { error: fault("failed", &fields.fail), output, details: Map::new() })
        }
        Work::Approval { .. } => Some(Found::Approval {
            verdict: if fields.reject.is_some() { Verdict::Rejected } else { Verdict::Approved },
            who: vec!["scenario".into()],
            comment: fields.reject.unwrap_or_default(),
            proof: Vec::new(),
        }),
        Work::Children => {
            let Some(Parts::Children { children, .. }) = &act.parts else { return None };
            let next = children.iter().position(|child| child.status.is_none())?;
            let status = if fields.fail.is_some() { Status::Failed } else { Status::Completed };
            let value = fields.ok.unwrap_or(Value::Null);
            Some(Found::Children(vec![(next, status, Some(value.to_string()))]))
        }
        Work::Event { .. } => {
            Some(Found::Event { id: "scenario".into(), data: fields.ok.unwrap_or(Value::Null) })
        }
        Work::Timer | Work::Signal { .. } => None,
    }
}

fn artifact(name: &String) -> ArtifactRef {
    ArtifactRef { name: name.clone(), version: 1, digest: Digest::of(name.as_bytes()), bytes: 0 }
}

fn differences(run: &Run, expected: &Expected) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(status) = expected.status.filter(|status| *status != run.status) {
        all.push(format!("it is {}, not {}", run.status.word(), status.word()));
    }
    let code = run.fault.as_ref().map(|fault| fault.code.as_str());
    if expected.reason.is_some() && expected.reason.as_deref() != code {
        let wanted = expected.reason.as_deref().unwrap_or_default();
        all.push(format!("its failure is {}, not {wanted}", code.unwrap_or("none")));
    }
    for (node, wanted) in &expected.visits {
        let visits = run.visits_of.get(node).copied().unwrap_or(0);
        if visits != *wanted {
            all.push(format!("'{node}' was visited {visits} times, not {wanted}"));
        }
    }
    for (name, wanted) in &expected.outputs {
        let value = run.outputs.get(name).unwrap_or(&Value::Null);
        if value != wanted {
            all.push(format!("output '{name}' is {value}, not {wanted}"));
        }
    }
    all
}

/// A time at which scenarios begin.
pub const BEGIN: Millis = 1_767_225_600_000;

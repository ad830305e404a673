//! A world without processes: it takes effects, and answers as a script says.

use std::collections::BTreeMap;

use clawteam::core::Digest;
use clawteam::domain::workflow::definition::Definition;
use clawteam::domain::workflow::graph::Graph;
use clawteam::domain::workflow::run::apply::apply;
use clawteam::domain::workflow::run::decide;
use clawteam::domain::workflow::run::effect::{Effect, Op};
use clawteam::domain::workflow::run::enabled::next_wake;
use clawteam::domain::workflow::run::observe::{
    Ask, Facts, Found, Member, Observation, Request, Verdict,
};
use clawteam::domain::workflow::run::record::{Actor, Record, Tr};
use clawteam::domain::workflow::run::start::Start;
use clawteam::domain::workflow::run::state::{
    Act, ActState, ArtifactRef, Fault, Output, Parts, Run, Status, Work,
};
use serde_json::{Map, Value};

use super::build::begin;
use super::check::Watch;

/// Something that a run waits for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The visit.
    pub(crate) act: String,
    /// The node.
    pub(crate) node: String,
    /// Which visit of it.
    pub(crate) visit: u32,
    /// Which attempt.
    pub(crate) attempt: u32,
    /// `task`, `verify`, `approval`, `item`, `child`, `event`.
    pub(crate) what: &'static str,
    /// The id of the task, approval, item or child.
    pub(crate) id: String,
    /// Of a child: its place.
    pub(crate) place: usize,
    /// Who works on it.
    pub(crate) who: String,
    /// When it began.
    pub(crate) since: u64,
    /// The time.
    pub(crate) now: u64,
}

/// What the outside says.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// It is done, with this answer.
    Done(String),
    /// It is done, with artifacts of these names.
    Handed(String, Vec<String>),
    /// It is done, and the worker found this out.
    Details(Value),
    /// It failed: a code and words.
    Fail(&'static str, String),
    /// Whoever worked is gone.
    Lost,
    /// An approval was decided.
    Verdict(Verdict, String),
    /// A child ended.
    Child(Status, Option<String>),
    /// An event came.
    Event(Value),
}

pub(crate) fn done() -> Option<Answer> {
    Some(Answer::Done("ok".into()))
}

pub(crate) fn fail() -> Option<Answer> {
    Some(Answer::Fail("task_failed", "no".into()))
}

pub(crate) fn approve() -> Option<Answer> {
    Some(Answer::Verdict(Verdict::Approved, "fine".into()))
}

pub(crate) fn reject(why: &str) -> Option<Answer> {
    Some(Answer::Verdict(Verdict::Rejected, why.into()))
}

/// Everything goes well.
pub(crate) fn well(asked: &Asked) -> Option<Answer> {
    match asked.what {
        "approval" => approve(),
        "child" => Some(Answer::Child(Status::Completed, Some("\"ok\"".into()))),
        "event" => Some(Answer::Event(Value::Null)),
        _ => done(),
    }
}

/// What is known besides observations.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) start: Start,
    pub(crate) members: Vec<Member>,
}

impl Facts for Known {
    fn members(&self) -> Vec<Member> {
        self.members.clone()
    }

    fn leader(&self) -> Option<String> {
        Some("lead".into())
    }

    fn blob(&self, _: &Digest) -> Option<Vec<u8>> {
        None
    }

    fn start(&self) -> &Start {
        &self.start
    }
}

/// What is there outside: made by effects, each once.
#[derive(Clone, Default)]
pub(crate) struct Things {
    /// Every effect that arrived, by its key, and how often.
    pub(crate) arrived: BTreeMap<String, (Effect, usize)>,
    /// Tasks, approvals, items and children by their ids: whether they are open.
    pub(crate) open: BTreeMap<String, bool>,
    /// What operators ask.
    pub(crate) requests: Vec<Request>,
}

impl Things {
    /// Takes an effect; a second time changes nothing.
    pub(crate) fn take(&mut self, effect: &Effect) {
        let known = self.arrived.entry(effect.key.clone());
        let (first, count) = known.or_insert_with(|| (effect.clone(), 0));
        assert_eq!(first, effect, "two effects have the same key");
        *count += 1;
        if *count > 1 {
            return;
        }
        match &effect.op {
            Op::CreateTask(wish) => {
                let old = self.open.insert(wish.id.clone(), true);
                assert!(wish.existing || old.is_none(), "task {} is there twice", wish.id);
            }
            Op::RequestApproval(wish) => self.make(&wish.id),
            Op::Push(wish) => self.make(&wish.item),
            Op::StartChild(wish) => self.make(&wish.run),
            Op::CloseTask { id, .. } | Op::CancelApproval { id, .. } => self.close(id),
            Op::CancelItem { item } => self.close(item),
            Op::StopChild { run, .. } => self.close(run),
            Op::DropRequest { id } => self.requests.retain(|request| request.id != *id),
            Op::ConsumeApproval { .. } | Op::Notify(_) | Op::StopAgent { .. } => {}
        }
    }

    fn make(&mut self, id: &str) {
        assert_eq!(self.open.insert(id.to_owned(), true), None, "{id} is there twice");
    }

    fn close(&mut self, id: &str) {
        let open = self.open.insert(id.to_owned(), false);
        assert!(open.is_some(), "{id} is called off but was never there");
    }
}

/// A run and the world around it.
pub(crate) struct World<'s> {
    pub(crate) graph: Graph,
    pub(crate) run: Run,
    pub(crate) known: Known,
    pub(crate) records: Vec<Record>,
    pub(crate) clock: u64,
    pub(crate) things: Things,
    /// Effects that were done since the last record.
    pub(crate) done: Vec<String>,
    pub(crate) dead: Vec<(String, String)>,
    pub(crate) script: Box<dyn FnMut(&Asked) -> Option<Answer> + 's>,
    pub(crate) watch: Watch,
    /// Whether only cheap checks are made.
    pub(crate) light: bool,
}

impl<'s> World<'s> {
    pub(crate) fn new(definition: Definition) -> Self {
        let (graph, start) = begin(definition);
        Self::of(graph, start)
    }

    pub(crate) fn of(graph: Graph, start: Start) -> Self {
        Self {
            run: start.state(&graph),
            clock: start.created_at,
            graph,
            known: Known { start, members: members(&["lead", "ann", "bob"]) },
            records: Vec::new(),
            things: Things::default(),
            done: Vec::new(),
            dead: Vec::new(),
            script: Box::new(well),
            watch: Watch::default(),
            light: false,
        }
    }

    /// How the outside answers.
    pub(crate) fn answers(mut self, script: impl FnMut(&Asked) -> Option<Answer> + 's) -> Self {
        self.script = Box::new(script);
        self
    }

    /// What an operator asks.
    pub(crate) fn ask(&mut self, ask: Ask) {
        let id = format!("r{}", self.records.len() * 100 + self.things.requests.len());
        let request = Request { id, by: "ana".into(), at: self.clock, ask };
        self.things.requests.push(request);
    }

    /// Does what is to be done outside.
    pub(crate) fn deliver(&mut self) {
        for effect in &self.run.outbox {
            if !self.done.contains(&effect.key) {
                self.things.take(effect);
                self.done.push(effect.key.clone());
            }
        }
    }

    /// Looks at the world.
    pub(crate) fn observe(&mut self) -> Observation {
        let now = self.clock.max(self.run.now);
        let mut found = BTreeMap::new();
        for (id, act) in &self.run.acts {
            if act.state != ActState::Dispatched {
                continue;
            }
            for asked in asked(id, act, now) {
                if matches!(asked.what, "task" | "verify" | "approval" | "item" | "child") {
                    let open = self.things.open.get(&asked.id).copied();
                    assert_eq!(open, Some(true), "{asked:?} is waited for, but is not open");
                }
                let Some(answer) = (self.script)(&asked) else { continue };
                let fresh = found_of(&asked, answer);
                if let Found::Event { data, .. } = &fresh {
                    let (graph, run) = (&self.graph, &self.run);
                    let awaited = decide::is_awaited(graph, run, &self.known, now, id, data);
                    match awaited {
                        Ok(true) => {}
                        Ok(false) => continue,
                        Err(fault) => {
                            found.insert(id.clone(), Found::Broken(fault));
                            continue;
                        }
                    }
                }
                add(&mut found, id, fresh);
            }
        }
        let requests = self.things.requests.clone();
        Observation { requests, found, dead: self.dead.clone(), held: false }
    }

    /// One step. `None`: nothing moves now.
    pub(crate) fn step(&mut self) -> Option<Tr> {
        self.deliver();
        let seen = self.observe();
        let now = self.clock.max(self.run.now);
        let tr = decide::next(&self.graph, &self.run, &seen, now, &self.known)?;
        let record = Record {
            rev: self.run.rev + 1,
            now,
            tr: tr.clone(),
            acked: std::mem::take(&mut self.done),
            actor: Actor { id: "test".into(), pid: 1 },
        };
        let after = apply(&self.graph, self.run.clone(), &record);
        if self.light {
            self.watch.light(&self.run, &record, &after);
        } else {
            self.watch.step(&self.graph, &self.run, &record, &after);
        }
        self.run = after;
        self.records.push(record);
        Some(tr)
    }

    /// Steps until nothing moves, time standing still.
    pub(crate) fn settle(&mut self) -> &mut Self {
        for _ in 0..20_000 {
            if self.step().is_none() {
                return self;
            }
        }
        panic!("no end of steps: {:?}", self.trace());
    }

    /// Steps, and lets time pass when nothing else moves, until the run has ended or waits for
    /// something that does not come.
    pub(crate) fn drive(&mut self) -> &mut Self {
        for _ in 0..2000 {
            self.settle();
            match next_wake(&self.run) {
                Some(at) if !self.run.status.is_terminal() => {
                    assert!(at > self.clock.max(self.run.now), "due, but nothing moves: {at}");
                    self.clock = at;
                }
                _ => {
                    self.deliver();
                    return self;
                }
            }
        }
        panic!("no end of time: {:?}", self.trace());
    }

    /// Drives to the end, which must come.
    pub(crate) fn end(mut self) -> Self {
        self.drive();
        assert!(self.run.status.is_terminal(), "it waits: {:?}", self.trace());
        self.replay();
        self
    }

    /// All records from the beginning give the present state.
    pub(crate) fn replay(&self) {
        let first = self.known.start.state(&self.graph);
        let again = self.records.iter().fold(first, |run, r| apply(&self.graph, run, r));
        assert_eq!(again, self.run);
    }

    /// The transitions in words: kind and visit.
    pub(crate) fn trace(&self) -> Vec<String> {
        self.records.iter().map(|record| word(&record.tr)).collect()
    }

    /// How it ended: status, and the code of the fault.
    pub(crate) fn outcome(&self) -> (Status, &str) {
        (self.run.status, self.run.fault.as_ref().map_or("", |fault| fault.code.as_str()))
    }

    /// The visits that began, in their order.
    pub(crate) fn began(&self) -> Vec<String> {
        let subject = |record: &Record| match &record.tr {
            Tr::Start { act, .. } => Some(act.clone()),
            _ => None,
        };
        self.records.iter().filter_map(subject).collect()
    }
}

/// A transition in words.
pub(crate) fn word(tr: &Tr) -> String {
    match tr.subject() {
        Some(subject) => format!("{} {subject}", tr.word()),
        None => tr.word().to_owned(),
    }
}

/// Members with these names.
pub(crate) fn members(names: &[&str]) -> Vec<Member> {
    names.iter().map(|name| Member { name: (*name).to_owned(), ..Member::default() }).collect()
}

/// What a visit waits for outside.
pub(crate) fn asked(id: &str, act: &Act, now: u64) -> Vec<Asked> {
    let one = |what, id_of: &str, place| Asked {
        act: id.to_owned(),
        node: act.node.clone(),
        visit: act.visit,
        attempt: act.attempt,
        what,
        id: id_of.to_owned(),
        place,
        who: act.assignee.clone().unwrap_or_default(),
        since: act.began_at.unwrap_or(0),
        now,
    };
    match &act.work {
        Some(Work::Task { id }) => vec![one("task", id, 0)],
        Some(Work::Verify { .. }) => {
            vec![one("verify", &format!("{id}/a{}:verify", act.attempt), 0)]
        }
        Some(Work::Approval { id }) => vec![one("approval", id, 0)],
        Some(Work::Item { key }) => vec![one("item", key, 0)],
        Some(Work::Event { event, .. }) => vec![one("event", event, 0)],
        Some(Work::Children) => {
            let Some(Parts::Children { children, .. }) = &act.parts else { return Vec::new() };
            let waits = children.iter().enumerate().filter(|(_, child)| child.status.is_none());
            waits.map(|(place, child)| one("child", &child.run, place)).collect()
        }
        Some(Work::Timer | Work::Signal { .. }) | None => Vec::new(),
    }
}

/// An answer as it is observed.
pub(crate) fn found_of(asked: &Asked, answer: Answer) -> Found {
    let who = if asked.who.is_empty() { "somebody".to_owned() } else { asked.who.clone() };
    let (mut output, mut error, mut details) = (Output::default(), None, Map::new());
    let mut artifacts = Vec::new();
    match answer {
        Answer::Lost => return Found::Lost { who },
        Answer::Verdict(verdict, comment) => {
            return Found::Approval { verdict, who: vec!["ana".into()], comment, proof: vec![] };
        }
        Answer::Child(status, text) => {
            return Found::Children(vec![(asked.place, status, text)]);
        }
        Answer::Event(data) => return Found::Event { id: format!("ev-{}", asked.act), data },
        Answer::Done(text) => output = Output::text(text),
        Answer::Handed(text, names) => {
            output = Output::text(text);
            artifacts = names.iter().map(|name| artifact(name)).collect();
        }
        Answer::Details(value) => details = value.as_object().cloned().unwrap_or_default(),
        Answer::Fail(code, message) => error = Some(Fault::new(code, message)),
    }
    match asked.what {
        "task" => Found::Task { who, error, output, artifacts },
        _ => Found::Item { error, output, details },
    }
}

fn artifact(name: &str) -> ArtifactRef {
    ArtifactRef { name: name.to_owned(), version: 1, digest: Digest::of(name.as_bytes()), bytes: 1 }
}

/// Adds what was found of a visit; children come one by one.
fn add(found: &mut BTreeMap<String, Found>, id: &str, fresh: Found) {
    if let (Some(Found::Children(list)), Found::Children(more)) = (found.get_mut(id), &fresh) {
        list.extend(more.clone());
        return;
    }
    found.insert(id.to_owned(), fresh);
}

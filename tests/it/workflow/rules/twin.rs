//! A run that both interpreters make at the same time. After every step they must agree.

use std::collections::{BTreeMap, BTreeSet};

use clawteam::domain::workflow::graph::Graph;
use clawteam::domain::workflow::run::apply::apply;
use clawteam::domain::workflow::run::decide;
use clawteam::domain::workflow::run::effect::{Effect, Op};
use clawteam::domain::workflow::run::observe::{Ask, Observation, Request};
use clawteam::domain::workflow::run::record::{Actor, Record};
use clawteam::domain::workflow::run::state::{ActState, Run, Status};

use super::check::Watch;
use super::model::{Life, Model, Standing};
use super::world::{Answer, Asked, Known, asked, found_of, word};

/// Both runs.
#[derive(Clone)]
pub(crate) struct Twin<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) known: &'g Known,
    pub(crate) run: Run,
    pub(crate) model: Model,
    pub(crate) effects: BTreeSet<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) watch: Watch,
    /// Whether records and states are written and read back at each step.
    pub(crate) thorough: bool,
}

impl<'g> Twin<'g> {
    pub(crate) fn new(graph: &'g Graph, known: &'g Known) -> Self {
        Self {
            graph,
            known,
            run: known.start.state(graph),
            model: Model::new(&graph.definition),
            effects: BTreeSet::new(),
            trace: vec![describe(graph)],
            watch: Watch::default(),
            thorough: false,
        }
    }

    /// What the run waits for.
    pub(crate) fn asked(&self, now: u64) -> Vec<Asked> {
        let out = self.run.acts.iter().filter(|(_, act)| act.state == ActState::Dispatched);
        out.flat_map(|(id, act)| asked(id, act, now)).collect()
    }

    /// One step of both. `None`: nothing moves.
    pub(crate) fn step(
        &mut self,
        answers: &[(Asked, Answer)],
        asks: &[Ask],
        clock: u64,
    ) -> Option<String> {
        let now = clock.max(self.run.now);
        let request = |(n, ask): (usize, &Ask)| Request {
            id: format!("r{}-{n}", self.run.rev),
            by: "ana".into(),
            at: now,
            ask: ask.clone(),
        };
        let seen = Observation {
            requests: asks.iter().enumerate().map(request).collect(),
            found: answers
                .iter()
                .map(|(asked, answer)| (asked.act.clone(), found_of(asked, answer.clone())))
                .collect(),
            dead: Vec::new(),
            held: false,
        };
        let said: BTreeMap<String, Answer> =
            answers.iter().map(|(asked, answer)| (asked.act.clone(), answer.clone())).collect();
        let expected = self.model.step(&said, asks, clock);
        let tr = decide::next(self.graph, &self.run, &seen, now, self.known);
        let made = tr.as_ref().map(word);
        let brief = |word: Option<&String>| {
            // A request concerns a run; which visits it picks is compared by the states.
            word.map(String::clone)
        };
        assert_eq!(brief(made.as_ref()), expected, "after {:?}", self.trace);
        let record = Record {
            rev: self.run.rev + 1,
            now,
            tr: tr?,
            acked: self.run.outbox.iter().map(|effect| effect.key.clone()).collect(),
            actor: Actor::default(),
        };
        let after = apply(self.graph, self.run.clone(), &record);
        if self.thorough {
            self.watch.step(self.graph, &self.run, &record, &after);
        } else {
            self.watch.light(&self.run, &record, &after);
        }
        self.run = after;
        self.effects.extend(self.run.outbox.iter().filter_map(effect_word));
        self.trace.push(made.clone()?);
        self.compare();
        made
    }

    /// Steps until nothing moves by itself.
    pub(crate) fn settle(&mut self, clock: u64) {
        while self.step(&[], &[], clock).is_some() {}
    }

    /// Both runs are in the same state, as far as both say something about it.
    fn compare(&self) {
        let (run, model, trace) = (&self.run, &self.model, &self.trace);
        let standing = match model.standing {
            Standing::Running => Status::Running,
            Standing::Paused => Status::Paused,
            Standing::Completed => Status::Completed,
            Standing::Failed => Status::Failed,
            Standing::Stopped => Status::Stopped,
        };
        assert_eq!((run.status, run.visits as usize), (standing, model.visits.len()), "{trace:?}");
        if run.status == Status::Failed {
            let code = run.fault.as_ref().map(|fault| fault.code.clone());
            assert_eq!(code.as_ref(), Some(&model.fault), "{trace:?}");
        }
        let mut live = 0;
        for (visit, it) in model.visits.iter().enumerate() {
            let Some(act) = run.acts.get(&model.name(visit)) else {
                let open = matches!(it.life, Life::Failed | Life::Cancelled) && !it.led_on;
                let needed = model.lives(visit) || open;
                assert!(!needed, "{} is forgotten: {trace:?}", model.name(visit));
                continue;
            };
            live += usize::from(act.state.is_live());
            let state = match it.life {
                Life::Ready => ActState::Ready,
                Life::Dispatched => ActState::Dispatched,
                Life::Backoff => ActState::Backoff,
                Life::Succeeded => ActState::Succeeded,
                Life::Failed => ActState::Failed,
                Life::Cancelled => ActState::Cancelled,
                Life::Skipped => ActState::Skipped,
            };
            assert_eq!(act.state, state, "{}: {trace:?}", model.name(visit));
            assert_eq!(act.attempt, it.attempt, "{}: {trace:?}", model.name(visit));
        }
        assert_eq!(live, run.live().count());
        let waits =
            run.places.values().flat_map(|edges| edges.values()).map(Vec::len).sum::<usize>();
        assert_eq!(waits, model.tokens.len(), "results that wait: {trace:?} {:?}", run.places);
        assert_eq!(self.effects, model.effects, "{trace:?}");
    }
}

/// An effect in words, if the model knows it.
fn effect_word(effect: &Effect) -> Option<String> {
    let word = match &effect.op {
        Op::CreateTask(_) => "task",
        Op::CloseTask { .. } => "close",
        Op::RequestApproval(_) => "ask",
        Op::CancelApproval { .. } => "withdraw",
        Op::ConsumeApproval { .. } => "consume",
        _ => return None,
    };
    let (attempt, _) = effect.key.split_once(':').expect("a key");
    Some(format!("{word} {attempt}"))
}

/// A graph in a line, for messages.
fn describe(graph: &Graph) -> String {
    let definition = &graph.definition;
    let nodes = serde_json::to_string(&definition.nodes).expect("nodes");
    let edge = |e: &clawteam::domain::workflow::definition::Edge| {
        let when = e.when.as_ref().map_or(String::new(), |when| format!("?{when}"));
        format!("{}>{}:{}{when}{}", e.from, e.to, e.port(), if e.otherwise { "!" } else { "" })
    };
    let edges: Vec<String> = definition.edges.iter().map(edge).collect();
    let limits = serde_json::to_string(&definition.limits).expect("limits");
    format!("{nodes} {edges:?} start {:?} limits {limits}", definition.start)
}

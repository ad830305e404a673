//! The protocol of a step, broken off everywhere: a journal that is the truth, states that lag
//! behind, effects that are done not at all, once or twice, acknowledgements that are lost, and
//! two drivers in turn. Whatever happens, the journal becomes the one of an undisturbed run.

use std::collections::{BTreeMap, BTreeSet};

use clawteam::core::Digest;
use clawteam::domain::workflow::graph::Graph;
use clawteam::domain::workflow::run::apply::apply;
use clawteam::domain::workflow::run::decide;
use clawteam::domain::workflow::run::enabled::next_wake;
use clawteam::domain::workflow::run::observe::{Ask, Observation, Request};
use clawteam::domain::workflow::run::record::{Actor, Record, Tr};
use clawteam::domain::workflow::run::state::{ActState, Run, Status};
use serde_json::json;

use super::build::{S, begin};
use super::chance::{Chance, definition};
use super::random::answer;
use super::world::{Asked, Known, Things, asked, found_of, members};

/// What is on disk, and what is outside.
struct Place<'g> {
    graph: &'g Graph,
    known: &'g Known,
    seed: u64,
    journal: Vec<String>,
    /// What each driver has kept of the state.
    states: [String; 2],
    acked: BTreeSet<String>,
    things: Things,
    asked_for: usize,
    clock: u64,
}

/// A process was killed.
struct Killed;

impl<'g> Place<'g> {
    fn new(graph: &'g Graph, known: &'g Known, seed: u64) -> Self {
        let state = serde_json::to_string(&known.start.state(graph)).expect("a state");
        Self {
            graph,
            known,
            seed,
            journal: Vec::new(),
            states: [state.clone(), state],
            acked: BTreeSet::new(),
            things: Things::default(),
            asked_for: 0,
            clock: known.start.created_at,
        }
    }

    fn load(&self, driver: usize) -> Run {
        let mut run: Run = serde_json::from_str(&self.states[driver]).expect("a state");
        for line in &self.journal[run.rev as usize..] {
            let record: Record = serde_json::from_str(line).expect("a record");
            run = apply(self.graph, run, &record);
        }
        run
    }

    /// Does what is to be done, some of it twice, some of it without a note that it was done.
    fn deliver(&mut self, run: &Run, trouble: &mut Option<Chance>) -> Result<(), Killed> {
        for effect in &run.outbox {
            if self.acked.contains(&effect.key) {
                continue;
            }
            self.things.take(effect);
            let Some(chance) = trouble else {
                self.acked.insert(effect.key.clone());
                continue;
            };
            if chance.percent(10) {
                return Err(Killed);
            }
            if chance.percent(70) {
                self.acked.insert(effect.key.clone());
            }
        }
        Ok(())
    }

    /// What the outside says: the same whenever it is asked.
    fn observe(&mut self, run: &Run, now: u64) -> Observation {
        let mut found = BTreeMap::new();
        let out = run.acts.iter().filter(|(_, act)| act.state == ActState::Dispatched);
        for one in out.flat_map(|(id, act)| asked(id, act, now)) {
            assert_eq!(self.things.open.get(&one.id), Some(&true), "{one:?}");
            let mut chance = self.chance_of(&one);
            if now >= one.since + chance.below(12) as u64 * S {
                let answer = answer(&mut chance, &one);
                found.insert(one.act.clone(), found_of(&one, answer));
            }
        }
        Observation { requests: self.things.requests.clone(), found, dead: Vec::new(), held: false }
    }

    fn chance_of(&self, one: &Asked) -> Chance {
        let name = format!("{}/{}/{}", self.seed, one.act, one.attempt);
        Chance::new(Digest::of(name.as_bytes()).number())
    }

    /// Operators ask something after some of the records, each request once.
    fn operators(&mut self, run: &Run) {
        let at = self.journal.len();
        if at < self.asked_for {
            return;
        }
        let mut chance = Chance::new(self.seed.wrapping_mul(31) + at as u64);
        self.asked_for = at + 1;
        let wish = match chance.below(40) {
            0 => Ask::Pause { reason: String::new() },
            1 => Ask::Signal { name: "go".into(), data: json!({"n": at}) },
            2 => Ask::Set { vars: [("x".to_owned(), json!(2))].into_iter().collect() },
            3 => Ask::Retry { node: None, act: None, reset_feedback: false },
            4 => match run.acts.keys().last() {
                Some(act) => Ask::Skip { act: act.clone(), port: None, output: None },
                None => return,
            },
            _ => return,
        };
        self.request(wish);
    }

    fn request(&mut self, ask: Ask) {
        let id = format!("r{}-{}", self.journal.len(), self.things.requests.len());
        self.things.requests.push(Request { id, by: "ana".into(), at: self.clock, ask });
    }

    /// One step of one driver, which may be killed anywhere.
    fn step(&mut self, driver: usize, trouble: &mut Option<Chance>) -> Result<bool, Killed> {
        let killed = |trouble: &mut Option<Chance>| {
            let dies = trouble.as_mut().is_some_and(|chance| chance.percent(8));
            if dies { Err(Killed) } else { Ok(()) }
        };
        let run = self.load(driver);
        self.deliver(&run, trouble)?;
        if !run.status.is_terminal() {
            self.operators(&run);
        }
        let now = self.clock.max(run.now);
        let seen = self.observe(&run, now);
        let Some(tr) = decide::next(self.graph, &run, &seen, now, self.known) else {
            return Ok(false);
        };
        let done = run.outbox.iter().map(|e| e.key.clone());
        let acked: Vec<String> = done.filter(|key| self.acked.contains(key)).collect();
        let actor = Actor { id: "test".into(), pid: driver as u32 };
        let record = Record { rev: run.rev + 1, now, tr, acked, actor };
        killed(trouble)?;
        self.journal.push(serde_json::to_string(&record).expect("a line"));
        killed(trouble)?;
        let run = apply(self.graph, run, &record);
        let lags = trouble.as_mut().is_some_and(|chance| chance.percent(30));
        if !lags {
            self.states[driver] = serde_json::to_string(&run).expect("a state");
        }
        killed(trouble)?;
        self.deliver(&run, trouble)?;
        Ok(true)
    }

    /// Runs until nothing comes any more; gives the transitions.
    fn run(&mut self, mut trouble: Option<Chance>) -> Vec<(u64, u64, Tr)> {
        let mut kills = 0;
        for _ in 0..20_000 {
            let driver = trouble.as_mut().map_or(0, |chance| chance.below(2));
            match self.step(driver, &mut trouble) {
                Ok(true) => continue,
                Err(Killed) => {
                    kills += 1;
                    continue;
                }
                Ok(false) => {}
            }
            let run = self.load(driver);
            if run.status == Status::Paused && self.things.requests.is_empty() {
                self.request(Ask::Resume);
                continue;
            }
            match self.next_time(&run) {
                Some(at) if !run.status.is_terminal() => self.clock = at,
                _ if trouble.is_some()
                    && run.outbox.iter().any(|e| !self.acked.contains(&e.key)) => {}
                _ => {
                    assert!(kills > 0 || trouble.is_none() || self.journal.len() < 40);
                    return self.transitions();
                }
            }
        }
        panic!("seed {}: no end", self.seed);
    }

    /// When something happens next: a timer of the run, or an answer from outside.
    fn next_time(&self, run: &Run) -> Option<u64> {
        let now = self.clock.max(run.now);
        let out = run.acts.iter().filter(|(_, act)| act.state == ActState::Dispatched);
        let answers = out
            .flat_map(|(id, act)| asked(id, act, now))
            .map(|one| one.since + self.chance_of(&one).below(12) as u64 * S);
        answers.chain(next_wake(run)).filter(|at| *at > now).min()
    }

    fn transitions(&self) -> Vec<(u64, u64, Tr)> {
        let read = |line: &String| {
            let record: Record = serde_json::from_str(line).expect("a record");
            (record.rev, record.now, record.tr)
        };
        self.journal.iter().map(read).collect()
    }
}

#[test]
fn a_disturbed_run_comes_to_the_journal_of_an_undisturbed_one() {
    let (mut records, mut again) = (0, 0);
    for seed in 0..250 {
        let (graph, start) = begin(definition(&mut Chance::new(seed)));
        let known = Known { start, members: members(&["lead", "ann"]) };
        let mut calm = Place::new(&graph, &known, seed);
        let wanted = calm.run(None);
        records += wanted.len();
        for disturbance in 0..3 {
            let mut place = Place::new(&graph, &known, seed);
            let got = place.run(Some(Chance::new(seed * 7 + disturbance)));
            assert_eq!(got, wanted, "seed {seed}, disturbance {disturbance}");
            assert_eq!(place.load(0).status, calm.load(0).status);
            assert_eq!(place.load(0), place.load(1), "both drivers know the same");
            let keys = |place: &Place| place.things.arrived.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&place), keys(&calm), "seed {seed}: each effect, and no other");
            again += place.things.arrived.values().filter(|(_, count)| *count > 1).count();
        }
    }
    assert!(records > 1500, "{records}");
    assert!(again > 250, "effects were hardly ever done twice: {again}");
}

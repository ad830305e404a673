//! Larger graphs by chance, and a world that answers late, at once, wrongly or not at all, while
//! operators interfere. Both interpreters must agree at every step.

use std::collections::{BTreeMap, BTreeSet};

use clawteam::domain::workflow::definition::{Definition, Edge};
use clawteam::domain::workflow::run::enabled::next_wake;
use clawteam::domain::workflow::run::observe::{Ask, Verdict};
use clawteam::domain::workflow::run::state::Status;
use serde_json::{Map, json};

use super::build::{S, T0, begin};
use super::chance::{Chance, definition};
use super::twin::Twin;
use super::world::{Answer, Asked, Known};

/// How the outside answers: mostly well.
pub(crate) fn answer(chance: &mut Chance, asked: &Asked) -> Answer {
    let how = chance.below(10);
    match (asked.what, how) {
        ("approval", 0..=6) => Answer::Verdict(Verdict::Approved, String::new()),
        ("approval", 7 | 8) => Answer::Verdict(Verdict::Rejected, "no".into()),
        ("approval", _) if chance.percent(50) => Answer::Verdict(Verdict::Cancelled, String::new()),
        ("approval", _) => Answer::Verdict(Verdict::Rejected, "no".into()),
        (_, 0..=6) => Answer::Done("ok".into()),
        (_, 7 | 8) => Answer::Fail("task_failed", "no".into()),
        _ => Answer::Lost,
    }
}

/// What an operator asks.
fn ask(chance: &mut Chance, twin: &Twin) -> Ask {
    let visits: Vec<String> = twin.run.acts.keys().cloned().collect();
    match chance.below(20) {
        0 => Ask::Stop { reason: String::new(), kill: chance.percent(50) },
        1..=4 => Ask::Pause { reason: String::new() },
        5..=8 => Ask::Resume,
        9..=11 => Ask::Retry { node: None, act: None, reset_feedback: chance.percent(50) },
        12 | 13 if !visits.is_empty() => {
            Ask::Skip { act: chance.pick(&visits), port: None, output: None }
        }
        14 | 15 => {
            let vars: Map<_, _> =
                [("x".to_owned(), json!(1 + chance.below(2)))].into_iter().collect();
            Ask::Set { vars }
        }
        _ => Ask::Signal { name: chance.pick(&["go", "ho"]).into(), data: json!(null) },
    }
}

/// What was seen of all runs, to be sure that they were not all alike.
#[derive(Default, Debug)]
struct Seen {
    ends: BTreeMap<String, usize>,
    words: BTreeMap<String, usize>,
    steps: usize,
    /// Runs so long that visits were forgotten.
    long: usize,
}

fn play(seed: u64, log: &mut Seen) {
    let mut chance = Chance::new(seed);
    let definition = definition(&mut chance);
    play_with(seed, chance, definition, log);
}

fn play_with(seed: u64, mut chance: Chance, definition: Definition, log: &mut Seen) {
    let (graph, start) = begin(definition);
    let known = Known::new(start, &["lead"]);
    let mut twin = Twin::new(&graph, &known);
    twin.trace.insert(0, format!("seed {seed}"));
    twin.thorough = seed.is_multiple_of(8);
    let meddles = chance.percent(40);
    let mut clock = T0;
    let mut said: BTreeMap<(String, u32), Answer> = BTreeMap::new();
    let mut asks: Vec<Ask> = Vec::new();
    for round in 0..120 {
        // Once everything has gone on for long, operators only help.
        let late = round > 80;
        loop {
            let asked = twin.asked(clock);
            let answers: Vec<(Asked, Answer)> = asked
                .into_iter()
                .filter_map(|a| {
                    let answer = said.get(&(a.act.clone(), a.attempt))?.clone();
                    Some((a, answer))
                })
                .collect();
            if twin.step(&answers, &asks, clock).is_none() {
                break;
            }
            if !asks.is_empty() {
                asks.remove(0);
            }
        }
        if twin.run.status.is_terminal() && (!meddles || late || chance.percent(50)) {
            break;
        }
        if meddles && !late && chance.percent(30) {
            asks.push(ask(&mut chance, &twin));
            continue;
        }
        if twin.run.status == Status::Paused && (late || !meddles) {
            asks.push(Ask::Resume);
            continue;
        }
        let asked = twin.asked(clock);
        let open: Vec<&Asked> =
            asked.iter().filter(|a| !said.contains_key(&(a.act.clone(), a.attempt))).collect();
        if !open.is_empty() && chance.percent(60) {
            for one in open {
                if chance.percent(60) {
                    said.insert((one.act.clone(), one.attempt), answer(&mut chance, one));
                }
            }
            continue;
        }
        match next_wake(&twin.run) {
            Some(at) if chance.percent(70) => clock = clock.max(at),
            Some(_) if chance.percent(30) => clock -= clock.min(chance.below(100) as u64 * S),
            Some(_) => clock += chance.below(10) as u64 * S,
            None => {
                asks.push(Ask::Signal { name: chance.pick(&["go", "ho"]).into(), data: json!(1) });
            }
        }
    }
    log.long += usize::from(twin.run.acts.len() + 30 < twin.run.visits as usize);
    let end = twin.run.fault.as_ref().map_or("", |fault| fault.code.as_str());
    *log.ends.entry(format!("{} {end}", twin.run.status.word())).or_default() += 1;
    for word in &twin.trace[2..] {
        let word = word.split_once(' ').map_or(word.as_str(), |found| found.0).to_owned();
        *log.words.entry(word).or_default() += 1;
        log.steps += 1;
    }
}

#[test]
fn runs_by_chance_go_the_same_way_in_both_interpreters() {
    let mut seen = Seen::default();
    for seed in 0..4000 {
        play(seed, &mut seen);
    }
    println!("{seen:?}");
    let ends: BTreeSet<&str> = seen.ends.keys().map(String::as_str).collect();
    for end in [
        "completed ",
        "failed approval_cancelled",
        "failed approval_expired",
        "failed approval_rejected",
        "failed cond_error",
        "failed deadline",
        "failed ended_as_failed",
        "failed join_unsatisfied",
        "failed lost",
        "failed max_iterations",
        "failed max_node_visits",
        "failed max_steps",
        "failed max_visits",
        "failed no_branch",
        "failed no_edge_matched",
        "failed required_not_reached",
        "failed task_failed",
        "failed timeout",
        "stopped stopped",
    ] {
        assert!(ends.contains(end), "no run ended as '{end}': {ends:?}");
    }
}

/// The model forgets nothing; the run does. Neither decides otherwise for that.
#[test]
fn what_is_forgotten_changes_no_decision() {
    let mut seen = Seen::default();
    for seed in 0..250 {
        let mut chance = Chance::new(1_000_000 + seed);
        let mut definition = definition(&mut chance);
        definition.limits.max_visits = Some(150);
        definition.limits.max_node_visits = Some(150);
        definition.limits.max_steps = None;
        definition.limits.deadline = None;
        // What comes to an end begins again.
        let ids: Vec<String> = definition.nodes.keys().cloned().collect();
        for id in &ids[1..] {
            let ends = !definition.edges.iter().any(|edge| edge.from == *id);
            if ends {
                let (from, to) = (id.clone(), ids[0].clone());
                definition.edges.push(Edge { from, to, ..Edge::default() });
            }
        }
        play_with(seed, chance, definition, &mut seen);
    }
    assert!(seen.long > 15, "{seen:?}");
}

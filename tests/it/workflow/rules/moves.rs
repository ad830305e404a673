//! How runs move: generations of joins, time, operators, expressions that cannot be evaluated.

use clawteam::domain::workflow::run::apply::apply;
use clawteam::domain::workflow::run::decide;
use clawteam::domain::workflow::run::effect::Op;
use clawteam::domain::workflow::run::enabled::next_wake;
use clawteam::domain::workflow::run::observe::{Ask, Observation};
use clawteam::domain::workflow::run::record::{Actor, Record, Tr};
use clawteam::domain::workflow::run::state::{ActState, Status};
use serde_json::json;

use super::build::{S, T0, flow, flow_with};
use super::world::{Answer, World, asked, done, fail, found_of, well};

const FINE: (Status, &str) = (Status::Completed, "");

// T11
#[test]
fn a_first_come_join_in_an_outer_loop_fires_once_a_round() {
    let nodes = json!({"F":"task","a":"task","b":"task","J":{"type":"join","mode":"or"},
        "C":{"type":"switch","expr":"nodes[\"F\"].visits >= 3 ? \"done\" : \"again\""},
        "Z":{"type":"task","required":true}});
    let edges = ["F>a", "F>b", "a>J", "b>J", "J>C", "C>Z:done", "C>F:again"];
    let definition = flow_with(nodes, &edges, json!({"start":["F"]}));
    // Whether the slower sibling comes before or after the next round has begun.
    for late in [0, 5 * S] {
        let world = World::new(definition.clone()).answers(|asked| {
            let soon = asked.node != "b" || asked.now >= asked.since + late;
            if soon { done() } else { None }
        });
        let mut world = world;
        while !world.run.status.is_terminal() {
            world.settle();
            world.clock += S;
        }
        assert_eq!(world.outcome(), FINE);
        assert_eq!(world.run.visits_of["J"], 3, "{:?}", world.trace());
        assert_eq!(world.run.visits_of["Z"], 1);
        world.replay();
    }
}

// T12
#[test]
fn a_preferring_join_waits_for_its_branch_and_falls_back_only_if_it_cannot_come() {
    for (goes, fallback, taken) in
        [(true, "first", Some("b#1")), (false, "first", Some("a#1")), (false, "none", None)]
    {
        let nodes = json!({"S":"task","a":"task","b":{"type":"task","onFailure":"continue"},
            "E":"task",
            "J":{"type":"join","mode":"xor","prefer":"b","fallback":fallback},"Z":"task"});
        let edges = ["S>a", "S>b", "a>J", "b>J", "b>E:failure", "J>Z"];
        let mut world =
            World::new(flow(nodes, &edges)).answers(|asked| match asked.node.as_str() {
                "b" if asked.now < T0 + S => None,
                "b" if !goes => fail(),
                _ => done(),
            });
        world.settle();
        assert_eq!(world.run.visits_of.get("J"), None, "it waits for the preferred branch");
        world.clock += S;
        let world = world.end();
        assert_eq!(world.outcome(), FINE);
        let parents = world.run.acts.get("J#1").and_then(|act| act.parents.first());
        assert_eq!(world.run.visits_of.contains_key("Z"), taken.is_some());
        if taken.is_some() {
            assert_eq!(parents.map(String::as_str), taken);
        }
    }
}

// T13
#[test]
fn joins_behind_joins_fire_once_with_two_starts() {
    let nodes = json!({"s1":"task","s2":"task","a":"task","b":"task","J1":"join","J2":"join",
        "Z":{"type":"task","required":true}});
    let edges = ["s1>a", "s1>b", "a>J1", "b>J1", "J1>J2", "s2>J2", "J2>Z"];
    let world = World::new(flow(nodes, &edges)).end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(world.run.visits_of["J2"], 1);
    assert_eq!(world.run.acts["J2#1"].parents, ["J1#1", "s2#1"]);
}

// T19
#[test]
fn a_clock_that_is_set_back_moves_no_timer_and_no_record_back() {
    let nodes = json!({"D":{"type":"delay","for":"10s"},"A":{"type":"task","timeout":"60s"}});
    let mut world = World::new(flow(nodes, &["D>A"])).answers(|_| None);
    world.settle();
    assert_eq!(next_wake(&world.run), Some(T0 + 10 * S));
    world.clock = T0 + 10 * S;
    world.settle();
    world.clock = T0 - 7200 * S;
    world.settle();
    let due = world.run.acts["A#1"].due_at;
    assert_eq!(due, Some(T0 + 70 * S));
    world.clock = T0 + 70 * S;
    let world = world.end();
    assert_eq!(world.trace().last().map(String::as_str), Some("timeout A#1"));
    assert!(world.records.windows(2).all(|pair| pair[0].now <= pair[1].now));
}

// T20
#[test]
fn a_result_that_comes_after_the_time_out_is_not_taken() {
    let retry = json!({"max":1,"delay":"60s","jitter":0.0});
    let nodes = json!({"A":{"type":"task","timeout":"3s","retry":retry}});
    let mut world = World::new(flow(nodes, &[])).answers(|_| None);
    world.settle();
    let first = asked("A#1", &world.run.acts["A#1"], T0).remove(0);
    world.clock += 3 * S;
    world.settle();
    assert_eq!(world.run.acts["A#1"].state, ActState::Backoff);
    let mut seen = Observation::default();
    seen.found.insert("A#1".into(), found_of(&first, Answer::Done("late".into())));
    let now = world.clock;
    assert_eq!(decide::next(&world.graph, &world.run, &seen, now, &world.known), None);
    // A record that says so nevertheless changes nothing of the visit.
    let before = world.run.acts["A#1"].clone();
    let late = Tr::Settle {
        act: "A#1".into(),
        attempt: 1,
        cause: clawteam::domain::workflow::run::record::Cause::Task { who: "x".into() },
        result: settled_at_once(),
    };
    let record =
        Record { rev: world.run.rev + 1, now, tr: late, acked: vec![], actor: Actor::default() };
    let after = apply(&world.graph, world.run.clone(), &record);
    assert_ne!(after.acts["A#1"].state, ActState::Succeeded, "{before:?}");
}

fn settled_at_once() -> clawteam::domain::workflow::run::record::Settled {
    let next = json!({"next":{"go":"follow","port":"success","edges":[]}});
    serde_json::from_value(next).expect("a result")
}

// T21
#[test]
fn a_task_that_is_deleted_is_a_failure_with_a_name() {
    let world = World::new(flow(json!({"A":"task"}), &[]));
    let gone = |_: &_| Some(Answer::Fail("task_deleted", "it is gone".into()));
    let world = world.answers(gone).end();
    assert_eq!(world.run.status, Status::Failed);
    let error = world.run.acts["A#1"].error.as_ref().expect("an error");
    assert_eq!(error.code, "task_deleted");
}

// T22
#[test]
fn a_pause_holds_everything_but_results_and_moves_what_is_due() {
    let nodes = json!({"A":{"type":"task","timeout":"60s"},"D":{"type":"delay","for":"10s"},
        "B":"task","C":"task"});
    let mut world = World::new(flow(nodes, &["D>C", "B>C"]))
        .answers(|asked| if asked.node == "B" && asked.now >= T0 + 20 * S { done() } else { None });
    world.settle();
    world.clock += 4 * S;
    world.ask(Ask::Pause { reason: "lunch".into() });
    world.settle();
    assert_eq!(world.run.status, Status::Paused);
    assert_eq!(next_wake(&world.run), None);
    world.clock = T0 + 100 * S;
    world.settle();
    assert_eq!(world.run.acts["B#1"].state, ActState::Succeeded, "results are taken");
    assert_eq!(world.run.acts["C#1"].state, ActState::Ready, "nothing begins");
    assert_eq!(world.run.acts["D#1"].state, ActState::Dispatched, "no timer ends");
    world.ask(Ask::Resume);
    world.settle();
    assert_eq!(world.run.acts["A#1"].due_at, Some(T0 + 156 * S));
    assert_eq!(world.run.acts["D#1"].wake_at, Some(T0 + 106 * S));
}

// T23
#[test]
fn a_fork_takes_over_the_first_records_and_begins_open_work_anew() {
    let mut world = World::new(flow(json!({"A":"task","B":"task","C":"task"}), &["A>B", "B>C"]));
    world = world.answers(|asked| if asked.node == "A" { done() } else { None });
    world.settle();
    let old = world.run.clone();
    let record = Record {
        rev: old.rev + 1,
        now: old.now + S,
        tr: Tr::Fork { from: "w-0".into(), by: "ana".into() },
        acked: vec![],
        actor: Actor::default(),
    };
    world.run = apply(&world.graph, old, &record);
    world.records.push(record);
    let prefix = World::new(world.known.start.definition.clone())
        .answers(|asked| if asked.node == "A" { done() } else { None });
    let mut prefix = prefix;
    prefix.settle();
    assert_eq!(prefix.records[..], world.records[..prefix.records.len()]);
    // Nothing outside was made for this run; its effects begin anew, under keys of their own.
    assert!(world.run.outbox.is_empty(), "{:?}", world.run.outbox);
    world.things = super::world::Things::default();
    world.done.clear();
    world.watch = super::check::Watch::default();
    let world = world.answers(well).end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(world.run.visits_of["A"], 1, "what was done is not done again");
}

// T24
#[test]
fn a_retry_of_a_failed_run_asks_for_approval_anew() {
    let nodes = json!({"P":{"type":"approval"},"Z":"task"});
    let mut first = true;
    let mut world = World::new(flow(nodes, &["P>Z"])).answers(move |asked| match asked.what {
        "approval" if std::mem::take(&mut first) => super::world::reject("no"),
        _ => well(asked),
    });
    world.drive();
    assert_eq!(world.outcome(), (Status::Failed, "approval_rejected"));
    world.ask(Ask::Retry { node: Some("P".into()), act: None, reset_feedback: false });
    let world = world.end();
    assert_eq!(world.outcome(), FINE, "{:?}", world.trace());
    let asked_for = world.things.arrived.values().filter_map(|(effect, _)| match &effect.op {
        Op::RequestApproval(wish) => Some(wish.id.clone()),
        _ => None,
    });
    let ids: std::collections::HashSet<String> = asked_for.collect();
    assert_eq!(ids.len(), 2, "the old approval opens nothing");
}

// T31
#[test]
fn a_condition_that_cannot_be_evaluated_fails_by_name_unless_a_branch_is_named() {
    for (on_error, outcome, led) in [
        ("fail", (Status::Failed, "cond_error"), None),
        ("false", FINE, Some("N#1")),
        ("branch:maybe", FINE, Some("M#1")),
    ] {
        let nodes = json!({"A":"task","Y":"task","N":"task","M":"task",
            "C":{"type":"condition","expr":"vars.missing.deep > 3","onError":on_error}});
        let edges = ["A>C", "C>Y:yes", "C>N:no", "C>M:maybe"];
        let world = World::new(flow(nodes, &edges)).end();
        assert_eq!(world.outcome(), outcome);
        assert_eq!(world.began().get(2).map(String::as_str), led);
        if led.is_none() {
            let message = &world.run.fault.as_ref().expect("a fault").message;
            assert!(message.contains("vars.missing.deep > 3"), "{message}");
            assert!(message.contains("missing"), "{message}");
        }
    }
}

//! What operators may ask of a run, and when.

use clawteam::domain::workflow::run::decide::refusal;
use clawteam::domain::workflow::run::effect::Op;
use clawteam::domain::workflow::run::observe::Ask;
use clawteam::domain::workflow::run::record::{Operation, Tr};
use clawteam::domain::workflow::run::state::{ActState, Status};
use serde_json::{Value, json};

use super::build::{S, flow, flow_with};
use super::world::{World, done, fail, well};

fn set(name: &str, value: Value) -> Ask {
    Ask::Set { vars: [(name.to_owned(), value)].into_iter().collect() }
}

fn retry() -> Ask {
    Ask::Retry { node: None, act: None, reset_feedback: false }
}

fn skip(act: &str) -> Ask {
    Ask::Skip { act: act.into(), port: None, output: None }
}

fn stop() -> Ask {
    Ask::Stop { reason: "enough".into(), kill: false }
}

/// A run in each of the states, with something at work where there can be.
fn run_that_is(status: Status) -> World<'static> {
    let nodes = json!({"A":"task","B":{"type":"task","onFailure":"pause"}});
    let mut world =
        World::new(flow(nodes, &[])).answers(move |asked| match (status, asked.node.as_str()) {
            (Status::Completed, _) => done(),
            (Status::Failed, "A") | (Status::Paused, "B") => fail(),
            _ => None,
        });
    world.settle();
    if status == Status::Stopped {
        world.ask(stop());
        world.settle();
    }
    assert_eq!(world.run.status, status);
    world
}

#[test]
fn every_request_in_every_state_is_taken_or_refused_by_name() {
    use Status::{Completed, Failed, Paused, Running, Stopped};
    let table: [(Ask, &[Status]); 7] = [
        (stop(), &[Running, Paused]),
        (Ask::Pause { reason: String::new() }, &[Running]),
        // The run pauses because a node failed: that must be seen to first.
        (Ask::Resume, &[]),
        (retry(), &[Paused, Failed, Stopped]),
        (skip("A#1"), &[Running, Paused]),
        (set("x", json!(1)), &[Running, Paused]),
        (Ask::Signal { name: "go".into(), data: Value::Null }, &[Running, Paused]),
    ];
    for status in [Running, Paused, Completed, Failed, Stopped] {
        for (ask, allowed) in &table {
            let mut world = run_that_is(status);
            let before = world.run.clone();
            assert_eq!(refusal(&world.run, ask).is_none(), allowed.contains(&status));
            world.ask(ask.clone());
            let tr = world.step().expect("a request is always answered");
            let Tr::Operator { does, by, .. } = &tr else { panic!("{tr:?}") };
            assert_eq!(by, "ana");
            if allowed.contains(&status) {
                assert_eq!(tr.word(), ask.verb(), "{status:?}");
            } else {
                let Operation::Refuse { verb, fault } = does else { panic!("{does:?}") };
                assert_eq!(
                    (verb.as_str(), fault.code.as_str()),
                    (ask.verb(), "illegal_transition")
                );
                assert!(fault.message.contains(status.word()), "{}", fault.message);
                assert_eq!(world.run.status, status);
                assert_eq!(world.run.acts, before.acts, "a refusal changes nothing");
                assert_eq!(world.run.ended_at, before.ended_at);
            }
            world.deliver();
            assert!(world.things.requests.is_empty(), "a request is taken up once");
        }
    }
}

#[test]
fn a_retry_begins_everything_again_that_the_failure_broke_off() {
    let nodes =
        json!({"A":"task","B":"task","C":"task","J":"join","Z":{"type":"task","required":true}});
    let definition = flow(nodes, &["A>J", "B>J", "C>J", "J>Z"]);
    let mut world = World::new(definition).answers(|asked| match asked.node.as_str() {
        "A" => done(),
        "B" => fail(),
        _ => None,
    });
    world.drive();
    assert_eq!(world.outcome(), (Status::Failed, "task_failed"));
    assert_eq!(world.run.acts["C#1"].state, ActState::Cancelled);
    world.ask(retry());
    let world = world.answers(well).end();
    assert_eq!(world.outcome(), (Status::Completed, ""));
    assert_eq!(world.run.acts["J#1"].parents, ["A#1", "B#2", "C#2"], "nothing was lost");
}

#[test]
fn a_retry_of_one_node_begins_only_that() {
    let mut world = World::new(flow(json!({"A":"task","B":"task"}), &[]));
    world = world.answers(
        |asked| {
            if asked.node == "A" && asked.now > asked.since { fail() } else { None }
        },
    );
    world.settle();
    world.clock += S;
    world.drive();
    world.ask(Ask::Retry { node: Some("A".into()), act: None, reset_feedback: false });
    let world = world.answers(well).end();
    assert_eq!(world.began(), ["A#1", "B#1", "A#2"]);
}

#[test]
fn a_strict_join_is_not_passed_by_a_retry() {
    let nodes = json!({"S":"task","C":{"type":"condition","expr":"true"},"X":"task","Y":"task",
        "J":{"type":"join","strict":true},"Z":"task"});
    let edges = ["S>C", "C>X:yes", "C>Y:no", "X>J", "Y>J", "J>Z"];
    let mut world = World::new(flow(nodes, &edges));
    world.drive();
    assert_eq!(world.outcome(), (Status::Failed, "join_unsatisfied"));
    world.ask(retry());
    let world = world.end();
    assert_eq!(world.outcome(), (Status::Failed, "join_unsatisfied"));
    assert!(!world.began().contains(&"Z#1".to_owned()));
}

#[test]
fn a_retry_that_ends_a_pause_leaves_others_their_time() {
    let nodes =
        json!({"A":{"type":"task","timeout":"60s"},"B":{"type":"task","onFailure":"pause"}});
    let mut failed = false;
    let mut world = World::new(flow(nodes, &[])).answers(move |asked| match asked.node.as_str() {
        "B" if !std::mem::replace(&mut failed, true) => fail(),
        "B" => done(),
        _ => None,
    });
    world.settle();
    assert_eq!(world.run.status, Status::Paused);
    world.clock += 600 * S;
    world.ask(retry());
    world.settle();
    assert_eq!(world.run.acts["A#1"].state, ActState::Dispatched);
    assert_eq!(world.run.acts["A#1"].due_at, Some(world.clock + 60 * S));
}

#[test]
fn a_skip_calls_the_work_off_and_goes_on_with_what_the_operator_says() {
    let nodes = json!({"A":"task","C":{"type":"condition","expr":"last.output.n == 3"},
        "Y":"task","N":"task"});
    let mut world = World::new(flow(nodes, &["A>C", "C>Y:yes", "C>N:no"])).answers(|_| None);
    world.settle();
    world.ask(Ask::Skip { act: "A#1".into(), port: None, output: Some(json!({"n": 3})) });
    world.settle();
    assert_eq!(world.began(), ["A#1", "C#1", "Y#1"]);
    let task = world.things.open.values().filter(|open| !**open).count();
    assert_eq!(task, 1, "the agent is told to stop");
    // A visit that is over cannot be skipped.
    world.ask(skip("A#1"));
    let tr = world.step().expect("an answer");
    let refused = matches!(&tr, Tr::Operator { does: Operation::Refuse { fault, .. }, .. }
        if fault.code == "not_live");
    assert!(refused, "{tr:?}");
}

#[test]
fn what_an_operator_sets_is_seen_by_the_next_guard() {
    let nodes = json!({"A":"task","B":"task","C":"task"});
    let edges = ["A>B:success?vars.x == 1", "A>C:success?vars.x == 2"];
    let definition = flow_with(nodes, &edges, json!({"vars":{"x":1}}));
    let mut world = World::new(definition).answers(|_| None);
    world.settle();
    world.ask(set("x", json!(2)));
    world.settle();
    let world = world.answers(well).end();
    assert_eq!(world.began(), ["A#1", "C#1"]);
}

#[test]
fn a_stop_with_its_agents_stops_each_of_them_once() {
    let ann = json!({"type":"task","assign":{"agent":"ann"}});
    let bob = json!({"type":"task","assign":{"agent":"bob"}});
    let mut world = World::new(flow(json!({"A":ann,"B":ann,"C":bob}), &[])).answers(|_| None);
    world.settle();
    world.ask(Ask::Stop { reason: String::new(), kill: true });
    let world = world.end();
    let stopped: Vec<&str> = world
        .things
        .arrived
        .values()
        .filter_map(|(effect, _)| match &effect.op {
            Op::StopAgent { agent } => Some(agent.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(stopped, ["ann", "bob"]);
}

#[test]
fn requests_are_taken_up_in_their_order() {
    let mut world = World::new(flow(json!({"A":"task"}), &[])).answers(|_| None);
    world.settle();
    world.ask(Ask::Pause { reason: String::new() });
    world.ask(set("x", json!(1)));
    world.ask(Ask::Resume);
    world.ask(stop());
    world.settle();
    assert_eq!(world.trace()[1..], ["pause", "set", "resume", "stop"]);
}

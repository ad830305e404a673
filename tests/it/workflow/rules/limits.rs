//! Every bound of a run fails by its name.

use clawteam::domain::workflow::run::observe::Ask;
use clawteam::domain::workflow::run::start::Parent;
use clawteam::domain::workflow::run::state::Status;
use serde_json::{Value, json};

use super::build::{S, T0, begin, begin_with, flow, flow_with};
use super::world::{Answer, World, done, well};

/// A task that leads to itself for ever.
fn circle(limits: Value) -> World<'static> {
    let more = json!({"start":["A"],"limits":limits});
    World::new(flow_with(json!({"A":"task","B":"task"}), &["A>B", "B>A"], more))
}

#[test]
fn visits_in_all() {
    let world = circle(json!({"maxVisits": 7})).end();
    assert_eq!(world.outcome(), (Status::Failed, "max_visits"));
    assert_eq!(world.began().len(), 7, "the eighth does not begin");
}

#[test]
fn visits_of_a_node_by_the_run_and_by_the_node() {
    let world = circle(json!({"maxNodeVisits": 3})).end();
    assert_eq!(world.outcome(), (Status::Failed, "max_node_visits"));
    assert_eq!(world.began().len(), 6);
    let nodes = json!({"A":{"type":"task","maxVisits":2},"B":"task"});
    let world = World::new(flow_with(nodes, &["A>B", "B>A"], json!({"start":["A"]}))).end();
    assert_eq!(world.outcome(), (Status::Failed, "max_node_visits"));
    assert_eq!(world.began().len(), 4);
}

#[test]
fn steps() {
    let world = circle(json!({"maxSteps": 9, "maxVisits": 1000})).end();
    assert_eq!(world.outcome(), (Status::Failed, "max_steps"));
    assert_eq!(world.records.len(), 10, "the one that is too many says so");
}

#[test]
fn time_also_while_it_is_paused() {
    for paused in [false, true] {
        let more = json!({"limits":{"deadline":"60s"}});
        let mut world = World::new(flow_with(json!({"A":"task"}), &[], more)).answers(|_| None);
        world.settle();
        if paused {
            world.ask(Ask::Pause { reason: String::new() });
        }
        let world = world.end();
        assert_eq!(world.outcome(), (Status::Failed, "deadline"));
        assert_eq!(world.run.now, T0 + 60 * S);
        assert!(world.things.open.values().all(|open| !open), "work is called off");
    }
}

#[test]
fn a_pause_does_not_move_the_deadline() {
    let more = json!({"limits":{"deadline":"60s"}});
    let mut world = World::new(flow_with(json!({"A":"task"}), &[], more)).answers(|_| None);
    world.ask(Ask::Pause { reason: String::new() });
    world.settle();
    world.clock += 50 * S;
    world.ask(Ask::Resume);
    let world = world.end();
    assert_eq!(world.outcome(), (Status::Failed, "deadline"));
    assert_eq!(world.run.now, T0 + 60 * S);
}

#[test]
fn rounds_of_a_loop() {
    let nodes = json!({"S":"task","L":{"type":"loop","while":"true","maxIterations":4},"B":"task"});
    let world = World::new(flow(nodes, &["S>L", "L>B:body", "B>L"])).end();
    assert_eq!(world.outcome(), (Status::Failed, "max_iterations"));
    assert_eq!(world.run.visits_of["B"], 4);
}

#[test]
fn bytes_of_a_result() {
    let more = json!({"limits":{"maxOutputBytes":10}});
    for node in [json!({"type":"task"}), json!({"type":"command","run":["x"]})] {
        let world = World::new(flow_with(json!({"A":node}), &[], more.clone()));
        let long = |_: &_| Some(Answer::Done("0123456789a".into()));
        assert_eq!(world.answers(long).end().outcome(), (Status::Failed, "output_too_large"));
    }
    let world = World::new(flow_with(json!({"A":"task"}), &[], more));
    let just = |_: &_| Some(Answer::Done("0123456789".into()));
    assert_eq!(world.answers(just).end().outcome(), (Status::Completed, ""));
}

#[test]
fn items_of_a_list() {
    let items: Vec<u32> = (0..=1000).collect();
    for node in [
        json!({"type":"loop","forEach":"inputs.items"}),
        json!({"type":"map","items":"inputs.items","body":"other"}),
    ] {
        let definition = flow(json!({"S":"task","L":node,"B":"task"}), &["S>L", "L>B:body"]);
        let (graph, start) = begin_with(definition, json!({"items": items}));
        let mut world = World::of(graph, start);
        world.light = true;
        assert_eq!(world.end().outcome(), (Status::Failed, "too_many_items"));
    }
}

#[test]
fn depth_of_runs_in_runs() {
    for (depth, outcome) in
        [(6, (Status::Completed, "")), (7, (Status::Failed, "subworkflow_depth"))]
    {
        for node in [
            json!({"type":"subworkflow","workflow":"other"}),
            json!({"type":"map","items":"[1]","body":"other"}),
        ] {
            let (graph, mut start) = begin(flow(json!({"N":node}), &[]));
            start.trigger.parent = Some(Parent { run: "up".into(), act: "x#1".into(), depth });
            let world = World::of(graph, start).answers(well).end();
            assert_eq!(world.outcome(), outcome, "depth {depth}");
        }
    }
}

#[test]
fn work_at_the_same_time() {
    let nodes = json!({"S":"task","a":"task","b":"task","c":"task","P":"approval","D":
        {"type":"delay","for":"1s"}});
    let edges = ["S>P", "S>D", "S>a", "S>b", "S>c"];
    let more = json!({"limits":{"maxParallel":2}});
    let mut world = World::new(flow_with(nodes, &edges, more));
    world = world.answers(|asked| if asked.node == "S" { done() } else { None });
    world.settle();
    // Who waits for a decision or a time occupies nobody.
    assert_eq!(world.began(), ["S#1", "a#1", "b#1"]);
    let mut world = world.answers(|asked| if asked.node == "a" { done() } else { None });
    world.settle();
    assert_eq!(world.began(), ["S#1", "a#1", "b#1", "c#1"]);
}

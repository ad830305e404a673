//! Loops, and how little a run remembers of them.

use clawteam::domain::workflow::run::effect::Op;
use clawteam::domain::workflow::run::state::Status;
use serde_json::{Value, json};

use super::build::{flow, flow_with};
use super::world::{World, done, fail};

const FINE: (Status, &str) = (Status::Completed, "");

/// The lines of the tasks that were made, in their order.
fn subjects(world: &World) -> Vec<String> {
    let made = |key: &String| match &world.things.arrived[key].0.op {
        Op::CreateTask(wish) => Some(wish.subject.clone()),
        _ => None,
    };
    world.records.iter().flat_map(|record| &record.acked).filter_map(made).collect()
}

fn output(world: &World, act: &str) -> Value {
    let output = world.run.acts[act].output.as_ref().expect("an output");
    output.value.clone().unwrap_or_else(|| json!(output.text))
}

#[test]
fn each_item_has_its_round_and_adds_to_what_is_collected() {
    let nodes = json!({
        "L": {"type":"loop","forEach":"[1, 2, 3]","as":"n","collect":"n * 10"},
        "B": {"type":"task","subject":"{{ n }} at {{ index }}"}, "Z": "task"});
    let world =
        World::new(flow_with(nodes, &["L>B:body", "B>L", "L>Z:done"], json!({"start":["L"]})));
    let world = world.end();
    assert_eq!(world.outcome(), FINE, "{:?}", world.run.fault);
    assert_eq!(subjects(&world), ["1 at 0", "2 at 1", "3 at 2", "Z"]);
    assert_eq!(output(&world, "L#4"), json!([10, 20, 30]));
}

#[test]
fn what_a_round_resulted_in_can_be_collected() {
    let nodes = json!({
        "S":"task", "L": {"type":"loop","forEach":"[\"a\", \"b\"]","collect":"item + last.text"},
        "B": {"type":"task"}});
    let world = World::new(flow(nodes, &["S>L", "L>B:body", "B>L"]));
    let world =
        world.answers(|asked| Some(super::world::Answer::Done(format!("-{}", asked.visit))));
    let world = world.end();
    assert_eq!(world.outcome(), FINE, "{:?}", world.run.fault);
    assert_eq!(output(&world, "L#3"), json!(["a-1", "b-2"]));
}

#[test]
fn a_loop_in_a_loop_begins_anew_in_every_round() {
    let nodes = json!({
        "S": "task",
        "O": {"type":"loop","forEach":"[1, 2]","as":"i"},
        "I": {"type":"loop","forEach":"[\"a\", \"b\"]","as":"j"},
        "B": {"type":"task","subject":"{{ i }}{{ j }}"}, "Z": "task"});
    let edges = ["S>O", "O>I:body", "I>B:body", "B>I", "I>O:done", "O>Z:done"];
    let world = World::new(flow(nodes, &edges)).end();
    assert_eq!(world.outcome(), FINE, "{:?}", world.run.fault);
    assert_eq!(subjects(&world), ["S", "1a", "1b", "2a", "2b", "Z"]);
}

#[test]
fn a_loop_whose_body_can_lead_back_to_before_it_is_entered_all_the_same() {
    let nodes = json!({"S":"task","T":"task","F":"task","A":"task",
        "L":{"type":"loop","forEach":"[1, 2]"}});
    let edges = ["S>L", "L>T:body", "T>L", "T>F:failure", "F>S", "L>A:done"];
    let world = World::new(flow_with(nodes, &edges, json!({"start":["S"]}))).end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(world.began(), ["S#1", "L#1", "T#1", "L#2", "T#2", "L#3", "A#1"]);
}

#[test]
fn a_round_that_forks_comes_back_once() {
    for together in [true, false] {
        let nodes =
            json!({"L":{"type":"loop","forEach":"[1, 2]"},"a":"task","b":"task","Z":"task"});
        let edges = ["L>a:body", "L>b:body", "a>L", "b>L", "L>Z:done"];
        let definition = flow_with(nodes, &edges, json!({"start":["L"]}));
        let mut world = World::new(definition).answers(move |asked| {
            let soon = together || asked.node != "b" || asked.now > asked.since;
            if soon { done() } else { None }
        });
        while !world.run.status.is_terminal() {
            world.settle();
            world.clock += 1;
        }
        assert_eq!(world.outcome(), FINE);
        assert_eq!(world.run.visits_of["a"], 2, "{:?}", world.trace());
        assert_eq!(world.run.visits_of["Z"], 1, "{:?}", world.trace());
    }
}

#[test]
fn an_empty_list_has_no_round_and_a_failing_one_ends_the_loop() {
    let nodes = json!({"S":"task","L":{"type":"loop","forEach":"[]"},"B":"task","Z":"task"});
    let world = World::new(flow(nodes, &["S>L", "L>B:body", "B>L", "L>Z:done"])).end();
    assert_eq!(world.began(), ["S#1", "L#1", "Z#1"]);

    let nodes = json!({"S":"task","L":{"type":"loop","forEach":"[1, 2]"},"B":"task"});
    let world = World::new(flow(nodes, &["S>L", "L>B:body", "B>L"]));
    let world = world.answers(|asked| if asked.node == "B" { fail() } else { done() }).end();
    assert_eq!(world.outcome(), (Status::Failed, "task_failed"));
}

#[test]
fn a_run_of_thousands_of_rounds_stays_small() {
    let nodes = json!({"S":"task","J":{"type":"join","mode":"or"},"B":"task",
        "C":{"type":"condition","expr":"nodes[\"B\"].visits >= 3000"},"Z":"task",
        "L":{"type":"loop","while":"nodes[\"B\"].visits % 3 != 0"}});
    let limits = json!({"limits":{"maxVisits":50000,"maxNodeVisits":50000,"maxSteps":50000}});
    let edges = ["S>J", "J>B", "B>L", "L>J:body", "L>C:done", "C>J:no", "C>Z:yes"];
    let mut world = World::new(flow_with(nodes, &edges, limits));
    world.light = true;
    let size = |world: &World| serde_json::to_string(&world.run).expect("a state").len();
    let (mut early, mut most) = (0, 0);
    while world.step().is_some() {
        most = most.max(world.run.acts.len());
        if world.records.len() == 300 {
            early = size(&world);
        }
        if world.records.len() > 300 && world.records.len().is_multiple_of(500) {
            assert!(size(&world) < early * 2, "{} after {}", size(&world), early);
        }
        let last = world.records.len();
        // Only the latest records are looked at here.
        if last > 1 {
            world.records[last - 2].acked.clear();
        }
    }
    assert_eq!(world.outcome(), FINE, "{:?}", world.run.fault);
    assert_eq!(world.run.visits_of["B"], 3000);
    assert!(most < 60, "{most} visits were remembered");
}

#[test]
fn the_last_good_result_of_a_node_is_kept_however_often_it_fails_later() {
    let nodes = json!({"B":"task","F":"task",
        "C":{"type":"condition","expr":"nodes[\"F\"].visits < 80"},
        "D":{"type":"condition","expr":"nodes[\"B\"].output.n == 1"},"Y":"task","N":"task"});
    let more = json!({"start":["B"],"limits":{"maxVisits":1000,"maxNodeVisits":1000}});
    let edges = ["B>F", "B>F:failure", "F>C", "C>B:yes", "C>D:no", "D>Y:yes", "D>N:no"];
    let world = World::new(flow_with(nodes, &edges, more)).answers(|asked| {
        match (asked.node.as_str(), asked.visit) {
            ("B", 1) => Some(super::world::Answer::Done("{\"n\": 1}".into())),
            ("B", _) => fail(),
            _ => done(),
        }
    });
    let world = world.end();
    assert_eq!(world.outcome(), FINE, "{:?}", world.run.fault);
    assert!(world.run.acts.len() < 100, "much was forgotten");
    assert_eq!(world.began().last().map(String::as_str), Some("Y#1"));
}

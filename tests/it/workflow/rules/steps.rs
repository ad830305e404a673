//! How runs move: branches, joins, decisions, failures.

use clawteam::domain::workflow::run::observe::Ask;
use clawteam::domain::workflow::run::state::{ActState, Status};
use serde_json::json;

use super::build::{S, T0, flow, flow_with};
use super::world::{World, approve, done, fail, reject, well};

const FINE: (Status, &str) = (Status::Completed, "");

fn failed(code: &str) -> (Status, &str) {
    (Status::Failed, code)
}

// T1
#[test]
fn a_branch_beside_an_approval_still_runs() {
    let nodes = json!({"A":"task","P":"approval","C":"task","D":"task","E":"task"});
    let world = World::new(flow(nodes, &["A>P", "A>C", "C>D", "P>E"]));
    // Nobody decides until everything else is done.
    let mut world = world.answers(move |asked| match asked.what {
        "approval" if asked.now < T0 + 10 * S => None,
        "approval" => approve(),
        _ => done(),
    });
    world.settle();
    assert_eq!(world.began(), ["A#1", "P#1", "C#1", "D#1"]);
    assert_eq!(world.run.status, Status::Running);
    world.clock += 10 * S;
    let world = world.end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(world.began(), ["A#1", "P#1", "C#1", "D#1", "E#1"]);
}

// T2
#[test]
fn an_and_join_waits_for_the_branch_with_the_approval() {
    let nodes = json!({"A":"task","P":"approval","C":"task","J":"join",
        "E":{"type":"task","required":true}});
    let flow = flow(nodes, &["A>P", "A>C", "C>J", "P>J", "J>E"]);
    let mut world = World::new(flow).answers(|asked| match asked.what {
        "approval" if asked.now < T0 + 10 * S => None,
        _ => well(asked),
    });
    world.settle();
    assert_eq!(world.began(), ["A#1", "P#1", "C#1"]);
    world.clock += 10 * S;
    let world = world.end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(
        world.trace()[5..],
        ["approval P#1", "join J", "start E#1", "settled E#1", "complete"]
    );
}

// T3
#[test]
fn a_loop_through_an_or_join_runs_as_often_as_it_is_told() {
    let nodes = json!({"S":"task","J":{"type":"join","mode":"or"},"B":"task",
        "C":{"type":"condition","expr":"nodes[\"B\"].visits >= 3"},
        "Z":{"type":"task","required":true}});
    let world = World::new(flow(nodes, &["S>J", "J>B", "B>C", "C>Z:yes", "C>J:no"])).end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(world.run.visits_of["B"], 3);
    assert_eq!(world.run.visits_of["J"], 3);
}

// T4
#[test]
fn a_join_behind_a_condition_fires_with_what_can_come_and_fails_by_name_if_strict() {
    for strict in [false, true] {
        let nodes = json!({"S":"task","C":{"type":"condition","expr":"true"},"X":"task","Y":"task",
            "J":{"type":"join","strict":strict},"Z":{"type":"task","required":true}});
        let edges = ["S>C", "C>X:yes", "C>Y:no", "X>J", "Y>J", "J>Z"];
        let world = World::new(flow(nodes, &edges)).end();
        assert_eq!(world.outcome(), if strict { failed("join_unsatisfied") } else { FINE });
        assert_eq!(world.began().contains(&"Z#1".to_owned()), !strict);
    }
}

// T5
#[test]
fn two_approvals_at_once_are_both_asked_for_and_both_needed() {
    let nodes = json!({"A":"task","P":"approval","Q":"approval","X":"task","Y":"task"});
    let flow = flow(nodes, &["A>P", "A>Q", "P>X", "Q>Y"]);
    let mut world = World::new(flow).answers(|asked| match asked.what {
        "approval" if asked.node == "Q" => None,
        _ => well(asked),
    });
    world.settle();
    assert_eq!(world.began(), ["A#1", "P#1", "Q#1", "X#1"]);
    assert_eq!(world.run.status, Status::Running);
    world = world.answers(well);
    assert_eq!(world.end().began(), ["A#1", "P#1", "Q#1", "X#1", "Y#1"]);
}

// T6
#[test]
fn a_loop_without_an_end_is_ended_by_name() {
    let nodes = json!({"A":"task","C":{"type":"condition","expr":"false"},"Z":"task"});
    let more = json!({"start":["A"],"limits":{"maxVisits":11}});
    let world = World::new(flow_with(nodes, &["A>C", "C>Z:yes", "C>A:no"], more)).end();
    assert_eq!(world.outcome(), failed("max_visits"));
}

// T7
#[test]
fn a_decision_that_leads_nowhere_fails_by_name() {
    let nodes = json!({"A":"task","C":{"type":"condition","expr":"false"},"Z":"task"});
    let world = World::new(flow(nodes, &["A>C", "C>Z:yes"])).end();
    assert_eq!(world.outcome(), failed("no_branch"));
}

// T8
#[test]
fn rework_sees_everything_that_was_said_so_far() {
    let nodes = json!({"A":"task","P":{"type":"approval","rework":["A"]},
        "Z":{"type":"task","required":true}});
    let world = World::new(flow(nodes, &["A>P", "P>Z"])).answers(|asked| match asked.what {
        "approval" if asked.visit == 1 => reject("longer"),
        "approval" if asked.visit == 2 => reject("shorter"),
        _ => well(asked),
    });
    let world = world.end();
    assert_eq!(world.outcome(), FINE);
    let said: Vec<&str> = world.run.acts["A#3"].feedback.iter().map(|f| f.text.as_str()).collect();
    assert_eq!(said, ["longer", "shorter"]);
}

#[test]
fn rework_ends_after_so_many_rejections() {
    let nodes = json!({"A":"task","P":{"type":"approval","rework":["A"],"maxRework":2},"Z":"task"});
    let world = World::new(flow(nodes, &["A>P", "P>Z"])).answers(|asked| match asked.what {
        "approval" => reject("no"),
        _ => done(),
    });
    let world = world.end();
    assert_eq!(world.outcome(), failed("approval_rejected"));
    assert_eq!(world.run.visits_of["A"], 3);
}

// T9
#[test]
fn a_failure_is_tried_again_after_growing_times_and_then_leaves_by_its_edge() {
    let retry = json!({"max":2,"delay":"1s","jitter":0.0});
    let nodes = json!({"A":{"type":"task","retry":retry},"F":"task","Z":"task"});
    let world = World::new(flow(nodes, &["A>Z", "A>F:failure"]));
    let world = world.answers(|asked| if asked.node == "A" { fail() } else { done() }).end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(world.began(), ["A#1", "A#1", "A#1", "F#1"]);
    let again: Vec<u64> =
        world.records.iter().filter(|r| r.tr.word() == "again").map(|r| r.now - T0).collect();
    assert_eq!(again, [S, 3 * S]);
}

// T9
#[test]
fn a_time_out_is_tried_again_too() {
    let retry = json!({"max":1,"delay":"1s","jitter":0.0});
    let nodes = json!({"A":{"type":"task","timeout":"3s","retry":retry}});
    let world = World::new(flow(nodes, &[])).answers(|_| None).end();
    assert_eq!(world.run.status, Status::Failed);
    assert_eq!(
        world.trace(),
        ["start A#1", "timeout A#1", "again A#1", "start A#1", "timeout A#1"]
    );
    let closed = world.things.open.values().filter(|open| !**open).count();
    assert_eq!(closed, 2, "work that takes too long is called off");
}

// T10
#[test]
fn a_stop_calls_work_off_and_stays_whatever_comes_later() {
    let mut world = World::new(flow(json!({"A":"task","B":"task"}), &["A>B"])).answers(|_| None);
    world.settle();
    world.ask(Ask::Stop { reason: "enough".into(), kill: false });
    world = world.answers(|_| fail());
    let mut world = world.end();
    assert_eq!(world.run.status, Status::Stopped);
    assert_eq!(world.run.acts["A#1"].state, ActState::Cancelled);
    assert!(world.things.open.values().all(|open| !open));
    assert!(world.step().is_none());
}

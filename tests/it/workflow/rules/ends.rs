//! How branches and runs end.

use clawteam::core::Digest;
use clawteam::domain::workflow::run::apply::apply;
use clawteam::domain::workflow::run::observe::Ask;
use clawteam::domain::workflow::run::record::{Actor, Record, Tr};
use clawteam::domain::workflow::run::state::{ActState, Status};
use serde_json::{Value, json};

use super::build::{S, T0, flow, flow_with};
use super::world::{Answer, World, done, fail, well};

const FINE: (Status, &str) = (Status::Completed, "");

#[test]
fn a_failure_goes_on_as_the_node_says() {
    let cases: [(&str, Status, &[&str]); 4] = [
        ("fail", Status::Failed, &["A#1"]),
        ("continue", Status::Completed, &["A#1", "Z#1"]),
        ("pause", Status::Paused, &["A#1"]),
        ("route:R", Status::Completed, &["A#1", "R#1"]),
    ];
    for (on_failure, status, began) in cases {
        let nodes = json!({"A":{"type":"task","onFailure":on_failure},"R":"task","Z":"task"});
        let definition = flow_with(nodes, &["A>Z"], json!({"start":["A"]}));
        let mut world =
            World::new(definition).answers(|asked| if asked.node == "A" { fail() } else { done() });
        world.drive();
        assert_eq!(world.run.status, status, "{on_failure}");
        assert_eq!(world.began(), began, "{on_failure}");
    }
}

#[test]
fn a_node_that_failed_and_was_passed_over_has_not_been_reached() {
    let nodes = json!({"A":{"type":"task","onFailure":"continue","required":true},"Z":"task"});
    let world = World::new(flow(nodes, &["A>Z"]));
    let world = world.answers(|asked| if asked.node == "A" { fail() } else { done() }).end();
    assert_eq!(world.outcome(), (Status::Failed, "required_not_reached"));
}

#[test]
fn the_most_specific_edge_is_taken() {
    let nodes = json!({"A":{"type":"task","timeout":"5s"},"T":"task","L":"task","F":"task"});
    let edges = ["A>T:timeout", "A>L:lost", "A>F:failure"];
    let answers: [(Option<Answer>, &str); 3] =
        [(None, "T#1"), (Some(Answer::Lost), "L#1"), (fail(), "F#1")];
    for (answer, led) in answers {
        let world = World::new(flow(nodes.clone(), &edges))
            .answers(move |asked| if asked.node == "A" { answer.clone() } else { done() });
        assert_eq!(world.end().began(), ["A#1", led]);
    }
}

#[test]
fn a_node_that_is_not_needed_leads_on_or_not_and_counts_as_not_done() {
    for (policy, began) in [("follow", vec!["A#1", "B#1", "Z#1"]), ("stop", vec!["A#1", "B#1"])] {
        let nodes =
            json!({"A":"task","B":{"type":"task","when":"false","skipPolicy":policy},"Z":"task"});
        let world = World::new(flow(nodes.clone(), &["A>B", "B>Z"])).end();
        assert_eq!(world.outcome(), FINE);
        assert_eq!(world.began(), began);
        assert_eq!(world.run.acts["B#1"].state, ActState::Skipped);
        assert_eq!(world.things.open.len(), began.len() - 1, "no task for it");
        let required = flow_with(nodes, &["A>B", "B>Z"], json!({"require":["B"]}));
        let world = World::new(required).end();
        assert_eq!(world.outcome(), (Status::Failed, "required_not_reached"));
    }
}

#[test]
fn an_end_ends_everything_that_is_under_way() {
    for (status, outcome) in [("completed", FINE), ("failed", (Status::Failed, "ended_as_failed"))]
    {
        let nodes = json!({"A":"task","B":"task","X":"task","J":"join","E":{"type":"end","status":status},
            "Y":"task"});
        let edges = ["A>E", "X>J", "B>J", "J>Y"];
        let world = World::new(flow(nodes, &edges)).answers(|asked| match asked.node.as_str() {
            "B" => None,
            "A" if asked.now == T0 => None,
            _ => done(),
        });
        let mut world = world;
        world.settle();
        world.clock += S;
        let world = world.end();
        assert_eq!(world.outcome(), outcome);
        assert_eq!(world.run.acts["B#1"].state, ActState::Cancelled);
        assert!(!world.began().contains(&"Y#1".to_owned()));
    }
}

#[test]
fn an_end_is_no_way_around_what_is_required() {
    let nodes = json!({"A":"task","B":{"type":"task","required":true},
        "C":{"type":"condition","expr":"true"},"E":"end"});
    let definition = flow(nodes, &["A>C", "C>E:yes", "C>B:no"]);
    assert_eq!(World::new(definition).end().outcome(), (Status::Failed, "required_not_reached"));
    let nodes = json!({"A":"task","E":{"type":"end","required":true}});
    assert_eq!(World::new(flow(nodes, &["A>E"])).end().outcome(), FINE);
}

#[test]
fn a_signal_is_waited_for_kept_and_filtered() {
    let nodes = json!({"A":"task","W":{"type":"wait","signal":"go","filter":"event.n > 1"},"Z":
        {"type":"condition","expr":"last.output.n == 2"},"Y":"task","N":"task"});
    let definition = flow(nodes, &["A>W", "W>Z", "Z>Y:yes", "Z>N:no"]);
    let mut world = World::new(definition);
    // Before anybody waits for it.
    for n in [1, 2, 3] {
        world.ask(Ask::Signal { name: "go".into(), data: json!({"n": n}) });
    }
    let world = world.end();
    assert_eq!(world.began(), ["A#1", "W#1", "Z#1", "Y#1"]);
    let left: Vec<Value> =
        world.run.signals.iter().map(|signal| signal.data["n"].clone()).collect();
    assert_eq!(left, [1, 3], "what does not match stays, in its order");
}

#[test]
fn a_wait_that_is_over_leaves_by_its_port_and_fails_without_one() {
    for (edges, outcome, led) in
        [(vec!["W>Z", "W>E:expired"], FINE, "E#1"), (vec!["W>Z"], (Status::Failed, "timeout"), "")]
    {
        let nodes = json!({"W":{"type":"wait","event":"task.completed","timeout":"30s",
            "filter":"event.task == \"x\""},"Z":"task","E":"task"});
        let definition = flow_with(nodes, &edges, json!({"start":["W"]}));
        let other = |asked: &super::world::Asked| match asked.what {
            "event" => Some(Answer::Event(json!({"task": "y"}))),
            _ => done(),
        };
        let world = World::new(definition.clone()).answers(other).end();
        assert_eq!(world.outcome(), outcome);
        assert_eq!(world.began().get(1).map_or("", String::as_str), led);
        let right = |asked: &super::world::Asked| match asked.what {
            "event" => Some(Answer::Event(json!({"task": "x"}))),
            _ => done(),
        };
        assert_eq!(World::new(definition).answers(right).end().began(), ["W#1", "Z#1"]);
    }
}

#[test]
fn a_filter_that_cannot_be_evaluated_fails_by_name() {
    let nodes = json!({"W":{"type":"wait","event":"x","filter":"event.no.such > 1"}});
    let world = World::new(flow(nodes, &[]));
    let world = world.answers(|_| Some(Answer::Event(json!({})))).end();
    assert_eq!(world.outcome(), (Status::Failed, "cond_error"));
}

#[test]
fn the_edges_of_a_set_see_what_it_set() {
    let nodes = json!({"S":{"type":"set","vars":{"x":"vars.x + 1"}},"A":"task","B":"task"});
    let edges = ["S>A:success?vars.x == 1", "S>B:success?vars.x == 2"];
    let world = World::new(flow_with(nodes, &edges, json!({"vars":{"x":1}}))).end();
    assert_eq!(world.began(), ["S#1", "B#1"]);
}

#[test]
fn guards_fork_fall_back_and_fail_by_name() {
    type Case<'c> = (&'c [&'c str], (Status, &'c str), &'c [&'c str]);
    let cases: [Case; 4] = [
        (&["A>B:success?true", "A>C:success?true", "A>D!"], FINE, &["A#1", "B#1", "C#1"]),
        (&["A>B:success?false", "A>C:success?true", "A>D"], FINE, &["A#1", "C#1", "D#1"]),
        (&["A>B:success?false", "A>D:success!"], FINE, &["A#1", "D#1"]),
        (&["A>B:success?false"], (Status::Failed, "no_edge_matched"), &["A#1"]),
    ];
    for (edges, outcome, began) in cases {
        let edges: Vec<String> = edges
            .iter()
            .map(|e| e.replace("D!", "D:success!").replace("success:success", "success"))
            .collect();
        let edges: Vec<&str> = edges.iter().map(String::as_str).collect();
        let nodes = json!({"A":"task","B":"task","C":"task","D":"task"});
        let world = World::new(flow_with(nodes, &edges, json!({"start":["A"]}))).end();
        assert_eq!(world.outcome(), outcome, "{edges:?}");
        assert_eq!(world.began(), began, "{edges:?}");
    }
}

/// A run that ends early while a branch waits at a join and another one is under way.
fn cleaned(limits: Value) -> World<'static> {
    let nodes = json!({"A":"task","B":"task","C":"task","J":"join","Z":{"type":"task","required":true},
        "U":"task","V":"task"});
    let more = json!({"onRunFailure":"U","onRunStop":"V","limits":limits});
    World::new(flow_with(nodes, &["A>J", "B>J", "C>J", "J>Z"], more))
}

#[test]
fn a_run_cleans_up_once_and_ends_as_it_would_have() {
    let world = cleaned(json!({})).answers(|asked| match asked.node.as_str() {
        "B" => fail(),
        "C" => None,
        _ => done(),
    });
    let mut world = world.end();
    assert_eq!(world.outcome(), (Status::Failed, "task_failed"));
    assert_eq!(world.began(), ["A#1", "B#1", "U#1"], "{:?}", world.trace());
    // A retry finds the run as it was before.
    world.ask(Ask::Retry { node: None, act: None, reset_feedback: false });
    let world = world.answers(well).end();
    assert_eq!(world.outcome(), FINE, "{:?}", world.trace());
    assert_eq!(world.run.acts["J#1"].parents, ["A#1", "B#2", "C#2"]);
    assert_eq!(world.run.visits_of["U"], 1);
}

#[test]
fn a_stopped_run_cleans_up_too_and_a_second_stop_ends_that() {
    for twice in [false, true] {
        let mut world = cleaned(json!({})).answers(|_| None);
        world.settle();
        world.ask(Ask::Stop { reason: String::new(), kill: false });
        world.settle();
        assert_eq!(world.run.status, Status::Running, "it cleans up");
        if twice {
            world.ask(Ask::Stop { reason: String::new(), kill: false });
        }
        let world = if twice { world } else { world.answers(well) };
        let world = world.end();
        assert_eq!(world.outcome(), (Status::Stopped, "stopped"));
        assert!(world.run.acts.contains_key("V#1"));
        assert!(world.things.open.values().filter(|open| **open).count() <= 1);
    }
}

#[test]
fn a_clean_up_has_bounds_of_its_own() {
    for (limits, code) in [
        (json!({"maxSteps": 4}), "max_steps"),
        (json!({"maxVisits": 3}), "max_visits"),
        (json!({"deadline": "10s"}), "deadline"),
    ] {
        let nodes = json!({"A":"task","B":"task","U":"task","V":"task"});
        let more = json!({"start":["A"],"onRunFailure":"U","limits":limits});
        let definition = flow_with(nodes, &["A>B", "B>A", "U>V"], more);
        let stuck = code == "deadline";
        let world = World::new(definition)
            .answers(move |asked| if stuck && asked.node == "A" { None } else { done() });
        let world = world.end();
        assert_eq!(world.outcome(), (Status::Failed, code));
        assert!(
            world.began().ends_with(&["U#1".to_owned(), "V#1".to_owned()]),
            "{:?}",
            world.trace()
        );
    }
    let nodes = json!({"A":"task","U":"task","V":"task"});
    let more = json!({"start":["A"],"onRunFailure":"U"});
    let world = World::new(flow_with(nodes, &["U>V", "V>U"], more));
    let world = world.answers(|asked| if asked.node == "A" { fail() } else { done() }).end();
    assert_eq!(world.outcome(), (Status::Failed, "task_failed"));
    assert_eq!(world.run.visits, 22, "the one that failed, twenty, and the one too many");
}

#[test]
fn what_cannot_be_done_outside_pauses_the_run() {
    let mut world = World::new(flow(json!({"A":"task"}), &[])).answers(|_| None);
    world.settle();
    world.dead.push(("A#1/a1:task".into(), "no space".into()));
    world.settle();
    assert_eq!(world.outcome(), (Status::Paused, "effect_dead"));
    world.dead.clear();
    world.ask(Ask::Resume);
    assert_eq!(world.answers(well).end().outcome(), FINE);
}

// T29
#[test]
fn a_long_result_is_looked_at_as_a_whole() {
    let whole = format!("{{\"filler\":\"{}\",\"n\":7}}", "x".repeat(20_000));
    let digest = Digest::of(whole.as_bytes());
    let nodes = json!({"A":{"type":"task","checks":{"successPattern":"\"N\":7"}},
        "C":{"type":"condition","expr":"last.output.n == 7"},"Y":"task","N":"task"});
    let mut world = World::new(flow(nodes, &["A>C", "C>Y:yes", "C>N:no"]));
    world.known.blobs.insert(digest.as_str().to_owned(), whole.clone().into_bytes());
    let world = world.answers(move |asked| match asked.node.as_str() {
        "A" => Some(Answer::Long(whole[..100].into(), digest.clone(), whole.len() as u64)),
        _ => done(),
    });
    let world = world.end();
    assert_eq!(world.began(), ["A#1", "C#1", "Y#1"], "{:?}", world.run.fault);
    let state = serde_json::to_string(&world.run).expect("a state");
    assert!(state.len() < 10_000, "the state holds only the beginning");
}

#[test]
fn a_record_that_cannot_be_fails_the_run_by_name() {
    let mut world = World::new(flow(json!({"A":"task","B":"task"}), &["A>B"])).answers(|_| None);
    world.settle();
    let start = world.records[0].clone();
    let record = |rev, tr| Record { rev, now: T0, tr, acked: vec![], actor: Actor::default() };
    let impossible = [
        record(2, start.tr.clone()),
        record(2, Tr::Again { act: "A#1".into() }),
        record(2, Tr::Again { act: "X#9".into() }),
        record(5, Tr::Deadline),
    ];
    for record in impossible {
        let after = apply(&world.graph, world.run.clone(), &record);
        let code = after.fault.as_ref().map(|fault| fault.code.as_str());
        assert_eq!((after.status, code), (Status::Failed, Some("corrupt_record")), "{record:?}");
        assert!(after.live().next().is_none());
    }
}

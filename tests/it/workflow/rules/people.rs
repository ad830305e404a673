//! Approvals, meetings, and work that agents, workers and other runs do.

use clawteam::domain::workflow::run::effect::Op;
use clawteam::domain::workflow::run::observe::{Ask, Verdict};
use clawteam::domain::workflow::run::state::{ActState, Status};
use serde_json::{Value, json};

use super::build::{S, T0, flow};
use super::world::{Answer, World, done, fail, reject, well};

const FINE: (Status, &str) = (Status::Completed, "");

/// Whether something waits for an answer outside.
fn any_open(world: &World) -> bool {
    world.things.open.values().any(|open| *open)
}

#[test]
fn an_approval_is_passed_on_once_and_then_expires() {
    let nodes = json!({"P":{"type":"approval","timeout":"60s","onTimeout":"escalate:agent:bob"},
        "Z":"task","E":"task"});
    let definition = flow(nodes, &["P>Z", "P>E:expired"]);
    let world = World::new(definition.clone()).answers(|asked| match asked.what {
        "approval" => None,
        _ => well(asked),
    });
    let world = world.end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(world.began(), ["P#1", "E#1"]);
    assert_eq!(world.run.acts["P#1"].ended_at, Some(T0 + 120 * S), "each has the same time");
    let wanted = |effect: &Op| match effect {
        Op::RequestApproval(wish) => Some(wish.approvers.clone()),
        _ => None,
    };
    let asked: Vec<_> =
        world.things.arrived.values().filter_map(|(effect, _)| wanted(&effect.op)).collect();
    assert_eq!(asked, [vec!["human".to_owned()], vec!["agent:bob".to_owned()]]);
    let approvals = world.things.open.iter().filter(|(id, _)| id.starts_with("ap-"));
    let open: Vec<bool> = approvals.map(|(_, open)| *open).collect();
    assert_eq!(open, [false, false], "both are called off");

    // Whoever it was passed on to can decide.
    let world = World::new(definition).answers(|asked| match asked.what {
        "approval" if asked.now < T0 + 90 * S => None,
        _ => well(asked),
    });
    let mut world = world;
    world.settle();
    world.clock += 60 * S;
    world.settle();
    world.clock += 30 * S;
    assert_eq!(world.end().began(), ["P#1", "Z#1"]);
}

#[test]
fn what_happens_when_nobody_decides_is_as_the_node_says() {
    type Case<'c> = (&'c str, &'c [&'c str], (Status, &'c str), &'c str);
    let cases: [Case; 4] = [
        ("approve", &["P>Z"], FINE, "Z#1"),
        ("reject", &["P>Z", "P>R:rejected"], FINE, "R#1"),
        ("reject", &["P>Z", "P>R:rejected", "P>E:expired"], FINE, "E#1"),
        ("reject", &["P>Z"], (Status::Failed, "approval_expired"), ""),
    ];
    for (on_timeout, edges, outcome, led) in cases {
        let nodes = json!({"P":{"type":"approval","timeout":"60s","onTimeout":on_timeout,
            "rework":["A"]},"A":"task","Z":"task","R":"task","E":"task"});
        let mut definition = flow(nodes, edges);
        definition.start = vec!["P".into()];
        let world = World::new(definition).answers(|asked| match asked.what {
            "approval" => None,
            _ => well(asked),
        });
        let world = world.end();
        assert_eq!(world.outcome(), outcome);
        let began = world.began();
        assert_eq!(began.get(1).map_or("", String::as_str), led, "expiry is no rework");
    }
}

#[test]
fn a_decision_beats_the_end_of_its_time_in_the_same_step() {
    let nodes = json!({"P":{"type":"approval","timeout":"60s"},"Z":"task"});
    let mut world = World::new(flow(nodes, &["P>Z"])).answers(|asked| match asked.what {
        "approval" if asked.now < T0 + 60 * S => None,
        _ => well(asked),
    });
    world.settle();
    world.clock += 60 * S;
    assert_eq!(world.end().outcome(), FINE);
}

#[test]
fn a_cancelled_approval_fails_and_a_required_one_that_is_refused_is_not_reached() {
    let world = World::new(flow(json!({"P":"approval"}), &[]));
    let cancelled = |_: &_| Some(Answer::Verdict(Verdict::Cancelled, String::new()));
    let world = world.answers(cancelled).end();
    assert_eq!(world.outcome(), (Status::Failed, "approval_cancelled"));

    let nodes = json!({"P":{"type":"approval","required":true},"R":"task"});
    let world = World::new(flow(nodes, &["P>R:rejected"]));
    let world = world.answers(|asked| match asked.what {
        "approval" => reject("no"),
        _ => done(),
    });
    assert_eq!(world.end().outcome(), (Status::Failed, "required_not_reached"));
}

fn meeting(more: Value) -> World<'static> {
    let mut node = json!({"type":"meeting","topic":"plan","participants":["ann","bob"],
        "lead":"lead","turnTimeout":"60s"});
    for (key, value) in more.as_object().expect("fields") {
        node[key] = value.clone();
    }
    World::new(flow(json!({"M":node,"Z":"task"}), &["M>Z"]))
}

const CONCLUSION: &str = r#"{"decision":"go","summary":"all agree"}"#;

/// Who was asked to speak, in their order.
fn speakers(world: &World) -> Vec<String> {
    let keys = world.records.iter().flat_map(|record| &record.acked);
    let who = keys.filter_map(|key| match &world.things.arrived[key].0.op {
        Op::CreateTask(wish) if wish.node == "M" => wish.owner.clone(),
        _ => None,
    });
    who.collect()
}

/// How many tasks of the meeting came before this one: those of earlier turns.
fn turn_taker() -> impl FnMut(&str) -> usize {
    let mut known: Vec<String> = Vec::new();
    move |id| {
        if let Some(turn) = known.iter().position(|old| old == id) {
            return turn;
        }
        known.push(id.to_owned());
        known.len() - 1
    }
}

#[test]
fn everybody_speaks_in_turn_and_the_lead_concludes() {
    let mut turn = turn_taker();
    let world = meeting(json!({"rounds": 2})).answers(move |asked| {
        let text = match (asked.node.as_str(), turn(&asked.id)) {
            ("M", 4) => CONCLUSION.to_owned(),
            (_, turn) => format!("speech {turn}"),
        };
        Some(Answer::Done(text))
    });
    let world = world.end();
    assert_eq!(world.outcome(), FINE, "{:?}", world.run.fault);
    assert_eq!(speakers(&world), ["ann", "bob", "ann", "bob", "lead"]);
    let output = world.run.acts["M#1"].output.as_ref().and_then(|o| o.value.clone());
    assert_eq!(output.expect("a conclusion")["decision"], "go");
}

#[test]
fn a_speaker_who_is_silent_is_passed_over_and_told_to_stop() {
    let mut turn = turn_taker();
    let world = meeting(json!({})).answers(move |asked| match turn(&asked.id) {
        0 => None,
        2 => Some(Answer::Done(CONCLUSION.into())),
        _ => done(),
    });
    let world = world.end();
    assert_eq!(world.outcome(), FINE, "{:?}", world.run.fault);
    assert_eq!(speakers(&world), ["ann", "bob", "lead"]);
    assert_eq!(world.run.now, T0 + 60 * S);
    let closed = world.things.open.values().filter(|open| !**open).count();
    assert_eq!(closed, 1, "the turn of the silent one is closed");
}

#[test]
fn a_meeting_fails_by_name_and_leaves_no_task_open() {
    for (more, code) in [
        (json!({"onMissing": "fail"}), "speaker_missing"),
        (json!({"minSpeakers": 1}), "too_few_speakers"),
    ] {
        let world = meeting(more).answers(|_| None).end();
        assert_eq!(world.outcome(), (Status::Failed, code));
        assert!(!any_open(&world), "{code}: {:?}", world.things.open);
    }
    let world = meeting(json!({})).answers(|_| Some(Answer::Done("we shall see".into()))).end();
    assert_eq!(world.outcome(), (Status::Failed, "bad_conclusion"));
}

#[test]
fn a_merge_with_conflicts_gives_the_agent_a_task_and_is_tried_again() {
    let nodes =
        json!({"M":{"type":"merge","agent":"ann","into":"main","onConflict":"task"},"Z":"task"});
    let conflict = || Some(Answer::Conflict(json!({"agent":"ann","branch":"b","into":"main"})));
    let mut tries = 0;
    let world = World::new(flow(nodes.clone(), &["M>Z"])).answers(move |asked| {
        if asked.what != "item" {
            return done();
        }
        tries += 1;
        if tries == 1 { conflict() } else { done() }
    });
    let world = world.end();
    assert_eq!(world.outcome(), FINE, "{:?}", world.run.fault);
    assert_eq!(world.trace()[..4], ["start M#1", "part M#1", "part M#1", "settled M#1"]);
    // It is not tried for ever.
    let world = World::new(flow(nodes, &["M>Z"]))
        .answers(move |asked| if asked.what == "item" { conflict() } else { done() });
    assert_eq!(world.end().outcome(), (Status::Failed, "merge_conflict"));
    for (on_conflict, status) in [("fail", Status::Failed), ("pause", Status::Paused)] {
        let node = json!({"type":"merge","agent":"ann","onConflict":on_conflict});
        let mut world = World::new(flow(json!({"M":node}), &[])).answers(move |_| conflict());
        world.drive();
        assert_eq!(world.outcome(), (status, "merge_conflict"));
    }
}

/// Children that are open, by their ids.
fn running(world: &World) -> usize {
    let children = world.things.open.iter().filter(|(id, _)| id.starts_with("M-"));
    children.filter(|(_, open)| **open).count()
}

#[test]
fn a_map_keeps_to_its_window_and_gives_the_results_in_order() {
    let node =
        json!({"type":"map","items":"[\"a\", \"b\", \"c\", \"d\"]","body":"other","concurrency":2});
    let mut ended = 0;
    let mut world = World::new(flow(json!({"M":node}), &[])).answers(move |asked| {
        // One at a time, the later ones first.
        if asked.place < ended % 2 && ended < 2 {
            return None;
        }
        ended += 1;
        Some(Answer::Child(Status::Completed, Some(format!("{}", asked.place))))
    });
    let mut most = 0;
    while world.step().is_some() {
        let started = world.things.arrived.values();
        let started = started.filter(|(e, _)| matches!(e.op, Op::StartChild(_))).count();
        let parts = world.run.acts["M#1"].parts.clone();
        let done = match parts {
            Some(clawteam::domain::workflow::run::state::Parts::Children { children, .. }) => {
                children.iter().filter(|child| child.status.is_some()).count()
            }
            _ => 0,
        };
        most = most.max(started.saturating_sub(done));
    }
    assert_eq!(world.outcome(), FINE, "{:?}", world.run.fault);
    assert!(most <= 2, "{most} at the same time");
    let output = world.run.acts["M#1"].output.as_ref().and_then(|o| o.value.clone());
    assert_eq!(output, Some(json!([0, 1, 2, 3])));
}

#[test]
fn a_map_bears_so_many_failures_and_no_more() {
    for (tolerate, bad, fine) in [
        (json!({}), 1, false),
        (json!({"failures": 1}), 1, true),
        (json!({"failures": 1}), 2, false),
        (json!({"ratio": 0.5}), 2, true),
        (json!({"ratio": 0.5}), 3, false),
    ] {
        let node = json!({"type":"map","items":"[1, 2, 3, 4]","body":"other","tolerate":tolerate});
        let world = World::new(flow(json!({"M":node}), &[])).answers(move |asked| {
            let status = if asked.place < bad { Status::Failed } else { Status::Completed };
            Some(Answer::Child(status, None))
        });
        let wanted = if fine { FINE } else { (Status::Failed, "child_failed") };
        assert_eq!(world.end().outcome(), wanted, "{bad} of 4");
    }
}

#[test]
fn children_end_with_their_parent_unless_they_shall_not() {
    let map = json!({"type":"map","items":"[1, 2, 3, 4]","body":"other","concurrency":2});
    let sub = json!({"type":"subworkflow","workflow":"other"});
    let free = json!({"type":"subworkflow","workflow":"other","cancelWithParent":false});
    for (node, left) in [(map, 0), (sub, 0), (free, 1)] {
        let mut world = World::new(flow(json!({"M":node}), &[])).answers(|_| None);
        world.settle();
        world.ask(Ask::Stop { reason: String::new(), kill: false });
        let world = world.end();
        assert_eq!(running(&world), left, "{:?}", world.things.open);
    }
}

#[test]
fn a_child_that_is_not_waited_for_holds_nothing_up() {
    let node = json!({"type":"subworkflow","workflow":"other","wait":false});
    let world = World::new(flow(json!({"M":node,"Z":"task"}), &["M>Z"]));
    let world = world.answers(|asked| if asked.what == "child" { None } else { done() }).end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(running(&world), 1);
}

#[test]
fn what_an_agent_says_counts_only_when_the_check_agrees() {
    let nodes = json!({"A":{"type":"task","retry":{"max":1,"delay":"1s","for":["check"]},
        "checks":{"verify":{"cmd":["make"]},"artifactGlobs":["*.txt"]}},"F":"task","Z":"task"});
    let mut checks = 0;
    let world = World::new(flow(nodes, &["A>Z", "A>F:check_failed"])).answers(move |asked| {
        match asked.what {
            "verify" => {
                checks += 1;
                if checks == 1 { fail() } else { done() }
            }
            _ if asked.node == "A" => Some(Answer::Handed("made".into(), vec!["a.txt".into()])),
            _ => done(),
        }
    });
    let world = world.end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(world.began(), ["A#1", "A#1", "Z#1"]);
    assert_eq!(world.trace().iter().filter(|word| *word == "verify A#1").count(), 2);
    assert_eq!(world.run.acts["A#1"].output.as_ref().map(|o| o.text.as_str()), Some("made"));
}

#[test]
fn a_lost_agent_is_a_failure_of_its_own_kind() {
    let nodes = json!({"A":{"type":"task","assign":{"pool":["ann","bob"]},"lossPolicy":"reassign",
        "retry":{"max":1,"delay":"1s","for":["lost"]}},"L":"task"});
    let mut asked_of: Vec<String> = Vec::new();
    let world = World::new(flow(nodes, &["A>L:lost"])).answers(|asked| {
        if asked.node == "A" {
            asked_of.push(asked.who.clone());
            Some(Answer::Lost)
        } else {
            done()
        }
    });
    let world = world.end();
    assert_eq!(world.outcome(), FINE);
    assert_eq!(world.run.acts["A#1"].state, ActState::Failed);
    assert_eq!(world.began(), ["A#1", "A#1", "L#1"]);
    drop(world);
    asked_of.dedup();
    assert_eq!(asked_of.len(), 2, "the next attempt is another agent's");
}

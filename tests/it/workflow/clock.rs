//! What time does to a run: clocks set back, answers that come late, tasks that go.

use std::fs;

use clawteam::app::App;
use clawteam::app::workflow::run::{load, records};
use clawteam::app::workflow::step::{Patience, advance};
use clawteam::core::{Name, TeamName};
use clawteam::domain::workflow::run::observe::Ask;
use clawteam::domain::workflow::run::state::Status;

use super::flows::{define, open_tasks, records as told, sound, start, status, tasks, text, world};
use crate::support::World;
use crate::support::app::{TestClock, app};

fn t() -> TeamName {
    TeamName::parse("t").expect("a name")
}

/// Moves a run as far as it goes by the clock of `app`. How it stands then.
fn step(app: &App, run: &str) -> Status {
    let name = Name::parse(run).expect("a name");
    let moved = advance(app, &t(), &name, 50, Patience::Wait, &mut |_, _| {});
    let moved = moved.unwrap_or_else(|failure| panic!("{}", failure.message()));
    moved.run.expect("nobody else is at it").run.status
}

/// A run that waits for a task with a time-out of an hour.
fn with_task() -> (World, String) {
    let world = world();
    define(
        &world,
        "slow",
        "[nodes.a]\ntype = \"task\"\nassign = { agent = \"w1\" }\nprompt = \"Do a\"\ntimeout = \
         \"1h\"\n",
    );
    let run = start(&world, "slow", &[]);
    world.run(&["workflow", "step", "t", &run, "--max", "9"]);
    (world, run)
}

#[test]
fn a_clock_that_is_set_back_makes_no_time_run_backwards() {
    let world = world();
    define(
        &world,
        "nap",
        "[nodes.first]\ntype = \"set\"\nvars = { n = \"1\" }\n\n[nodes.nap]\ntype = \"delay\"\nfor = \
         \"1h\"\n\n[nodes.last]\ntype = \"set\"\nvars = { n = \"2\" }\n\n[[edges]]\nfrom = \
         \"first\"\nto = \"nap\"\n\n[[edges]]\nfrom = \"nap\"\nto = \"last\"\n",
    );
    let run = start(&world, "nap", &["--manual"]);
    let clock = TestClock::default();
    let app = app(&world, "lead", &clock);
    clock.forward(7200);
    assert_eq!(step(&app, &run), Status::Running);
    let name = Name::parse(run.as_str()).expect("a name");
    let before = load(&app, &t(), &name).expect("it is there");
    let due = before.wake_at.expect("it naps");

    // Two hours back: the nap does not end sooner, nor does it take longer than it may.
    clock.forward(-7200);
    assert_eq!(step(&app, &run), Status::Running);
    let later = load(&app, &t(), &name).expect("it is there");
    assert_eq!((later.wake_at, later.run.now), (Some(due), before.run.now));
    let asked = world.run(&["workflow", "set", "t", &run, "--var", "x=1"]);
    asked.exits(0);
    assert_eq!(load(&app, &t(), &name).expect("it is there").wake_at, Some(due));

    clock.forward(7200 + 3601);
    assert_eq!(step(&app, &run), Status::Completed);
    let all = records(&app, &t(), &name).expect("a journal");
    let times: Vec<u64> = all.iter().map(|(record, _)| record.now).collect();
    assert!(times.is_sorted(), "{times:?}");
    sound(&world, &run);
}

#[test]
fn an_answer_after_the_time_is_over_is_refused_and_kept() {
    let (world, run) = with_task();
    let id = open_tasks(&world).pop().expect("a task");
    let clock = TestClock::default();
    clock.forward(3700);
    assert_eq!(step(&app(&world, "lead", &clock), &run), Status::Failed);
    assert_eq!(status(&world, &run)["reason"]["code"], "timeout");
    let before = told(&world, &run);
    let line = ["--json", "task", "update", "t", &id, "--status", "completed", "--result", "late"];
    world.run_as("w1", &line).fails_with(5, "attempt_closed");
    assert_eq!(told(&world, &run), before, "the run has ended");
    let task = tasks(&world).pop().expect("the task");
    assert!(task.to_string().contains("late"), "what was said is kept: {task}");
    assert_ne!(task["status"], "completed");
    sound(&world, &run);
}

#[test]
fn a_task_that_was_deleted_fails_by_name() {
    let (world, run) = with_task();
    let id = open_tasks(&world).pop().expect("a task");
    fs::remove_file(world.data().join(format!("tasks/t/task-{id}.json"))).expect("it is there");
    let checked = world.run(&["--json", "workflow", "fsck", "t", &run]).exits(1).json();
    assert_eq!(checked[0]["problems"][0]["code"], "effect_missing");
    world.run(&["workflow", "step", "t", &run]).exits(0);
    let standing = status(&world, &run);
    assert_eq!(text(&standing["status"]), "failed");
    assert_eq!(standing["reason"]["code"], "task_deleted", "{standing}");
    sound(&world, &run);
}

#[test]
fn a_pause_takes_no_time_from_what_waits() {
    let (world, run) = with_task();
    let clock = TestClock::default();
    let app = app(&world, "lead", &clock);
    let name = Name::parse(run.as_str()).expect("a name");
    let due = || load(&app, &t(), &name).expect("it is there").wake_at;
    let before = due().expect("a time-out");
    let ask = |ask| {
        let asked = clawteam::app::workflow::requests::ask(&app, &t(), &name, ask);
        asked.unwrap_or_else(|failure| panic!("{}", failure.message()));
    };
    ask(Ask::Pause { reason: String::new() });
    assert_eq!(due(), None, "nothing falls due");
    clock.forward(7200);
    assert_eq!(step(&app, &run), Status::Paused);
    ask(Ask::Resume);
    let after = due().expect("a time-out");
    assert!((7_199_000..7_260_000).contains(&(after - before)), "{before} {after}");
    assert_eq!(step(&app, &run), Status::Running);
    sound(&world, &run);
}

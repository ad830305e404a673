//! The proof of the proof: a program that leaves out one rule of the step is noticed.

use std::ops::Range;
use std::sync::Arc;

use clawteam::app::workflow::run::load;
use clawteam::domain::workflow::run::state::Status;

use super::super::sim::{Fault, SimFs};
use super::explore::go_on;
use super::life::{
    Came, Told, app, begin, honest, look, play, prepared, step, t, undisturbed, work,
};
use super::rivals::{Omit, Program, without};

/// Stops an honest program at every moment of the first steps; the next one leaves out a rule.
/// Says what was noticed.
fn killed_then(omit: Omit, moments: Range<usize>) -> Option<String> {
    let (start, normal) = (prepared(), undisturbed());
    for moment in moments {
        let fs = start.without_programs();
        fs.set_fault(Fault::StopAfter(moment));
        let mut told = Told::default();
        let _ = play(&honest(&fs), &mut told);
        let left = fs.without_programs();
        if let Err(wrong) = finish(&left, omit, &mut told, &normal) {
            return Some(format!("stopped after {moment}: {wrong}"));
        }
    }
    None
}

/// Stops an honest program at every moment of the first steps. The next one takes in what it
/// finds, has nothing to add, and writes the state down; then the power fails. Says what was
/// noticed.
fn found_then(omit: Omit, moments: Range<usize>) -> Option<String> {
    let (start, normal) = (prepared(), undisturbed());
    for moment in moments {
        let fs = start.without_programs();
        fs.set_fault(Fault::StopAfter(moment));
        let mut told = Told::default();
        let _ = play(&honest(&fs), &mut told);
        let next = fs.without_programs();
        let Some(run) = told.run.clone() else { continue };
        let rev = || load(&honest(&next), &t(), &run).map(|loaded| loaded.run.rev).ok();
        let before = rev();
        let _ = step(&app(without(&next, omit)), &run, &mut told);
        if before != rev() {
            continue;
        }
        for remains in next.after_power_loss() {
            if let Err(wrong) = go_on(&remains, super::explore::HONEST, &told, &normal) {
                return Some(format!("stopped after {moment}: {wrong}"));
            }
        }
    }
    None
}

/// A program that leaves out a rule goes on to the end.
fn finish(fs: &SimFs, omit: Omit, told: &mut Told, normal: &Came) -> Result<(), String> {
    play(&app(without(fs, omit)), told).map_err(|failure| failure.message())?;
    let came = look(fs, told)?;
    if came == *normal { Ok(()) } else { Err(format!("came to {came:?}")) }
}

fn is_noticed(omit: Omit, found: Option<String>) {
    let found = found.unwrap_or_else(|| panic!("nobody noticed that a program omits {omit:?}"));
    println!("without {omit:?}: {}", found.lines().next().unwrap_or_default());
}

#[test]
fn what_an_earlier_program_did_not_come_to_must_be_done() {
    assert_eq!(killed_then(Omit::Nothing, 30..75), None);
    is_noticed(Omit::Redelivery, killed_then(Omit::Redelivery, 30..75));
}

#[test]
fn a_journal_found_must_be_made_durable_before_it_is_relied_on() {
    let omit = Omit::SyncOfAForeignJournal;
    assert_eq!(found_then(Omit::Nothing, 44..50), None);
    is_noticed(omit, found_then(omit, 44..50));
}

/// A run whose task waits for its agent; nobody else is about.
fn waiting() -> (SimFs, clawteam::core::Name) {
    let fs = prepared();
    let app = honest(&fs);
    let run = begin(&app).expect("it starts");
    (fs, run)
}

/// What became of a task that was done at a moment of a step: whether the run has seen that.
/// `None`: there is no such moment.
fn done_at(moment: usize, omit: Omit) -> Option<bool> {
    let (fs, run) = waiting();
    let done = Arc::new(std::sync::Mutex::new(false));
    let (other, mark) = (fs.clone(), done.clone());
    let program = Program::new(&fs, omit).with_rival(moment, move || {
        // There may be no task yet, or somebody may have it locked.
        let app = honest(&other);
        let _ = work(&app);
        let tasks = clawteam::app::task::all(&app, &t()).unwrap_or_default();
        let completed = clawteam::domain::task::Status::Completed;
        *mark.lock().expect("one thread") = tasks.iter().any(|task| task.status == completed);
    });
    let program = Arc::new(program);
    let stepped = step(&app(program.clone()), &run, &mut Told::default());
    stepped.unwrap_or_else(|failure| panic!("{}", failure.message()));
    if program.changes() < moment {
        return None;
    }
    if !*done.lock().expect("one thread") {
        return Some(true);
    }
    let loaded = load(&honest(&fs), &t(), &run).expect("it is there");
    Some(loaded.run.rev > 1)
}

/// The moments at which nobody moved the run on.
fn lost(omit: Omit) -> Vec<usize> {
    let seen = (1..).map_while(|moment| Some((moment, done_at(moment, omit)?)));
    seen.filter(|(_, seen)| !seen).map(|(moment, _)| moment).collect()
}

#[test]
fn no_wake_up_is_lost_whenever_the_other_one_comes() {
    assert_eq!(lost(Omit::Nothing), Vec::<usize>::new());
    let lost = lost(Omit::LookAtTheMark);
    assert!(!lost.is_empty(), "nobody noticed that the mark is not looked at");
    println!("lost at {lost:?}");
}

/// Another program makes the whole of a step at a moment of this one. What came of both.
fn two_steps(moment: usize, omit: Omit) -> Option<Result<(), String>> {
    let (fs, run) = waiting();
    let (other, name) = (fs.clone(), run.clone());
    let program = Arc::new(Program::new(&fs, omit).with_rival(moment, move || {
        let app = app(without(&other, omit));
        let _ = step(&app, &name, &mut Told::default());
    }));
    let _ = step(&app(program.clone()), &run, &mut Told::default());
    if program.changes() < moment {
        return None;
    }
    Some(look(&fs, &Told::default()).map(|came| assert_ne!(came.status, Status::Failed)))
}

#[test]
fn two_steps_at_once_never_write_the_same_record() {
    let all = |omit| (1..).map_while(move |moment| two_steps(moment, omit));
    for (moment, came) in all(Omit::Nothing).enumerate() {
        assert_eq!(came, Ok(()), "at {moment}");
    }
    let found = all(Omit::LockOfTheRun).find_map(Result::err);
    is_noticed(Omit::LockOfTheRun, found);
}

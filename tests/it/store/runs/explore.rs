//! A program is stopped, or the power fails, at every moment of a run.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::Arc;

use clawteam::core::Exit;
use clawteam::store::vfs::Vfs;

use super::super::explore::Tally;
use super::super::sim::{Fault, SimFs};
use super::life::{self, Came, Told, app, honest, look, play, prepared, undisturbed};

/// Puts something between a program and the file system.
pub(super) type Wrap = dyn Fn(Arc<dyn Vfs>) -> Arc<dyn Vfs> + Sync;

pub(super) const HONEST: &Wrap = &|fs| fs;

/// Lets the next program go on, and checks what it comes to.
pub(super) fn go_on(fs: &SimFs, wrap: &Wrap, told: &Told, normal: &Came) -> Result<(), String> {
    let next = fs.without_programs();
    let mut told = told.clone();
    let played = play(&app(wrap(Arc::new(next.clone()))), &mut told);
    played.map_err(|failure| format!("cannot go on: {}", failure.message()))?;
    let came = look(&next, &told)?;
    // Nobody is told that an approval is wanted when it is decided already.
    let late = came.effects["notices"] + 1 == normal.effects["notices"] && told.failed;
    let notices = usize::from(late);
    let mut same = came.clone();
    same.effects.entry("notices").and_modify(|count| *count += notices);
    if same == *normal {
        return Ok(());
    }
    Err(format!("came to {came:?} rather than {normal:?}"))
}

/// How the second program is stopped.
#[derive(Debug, Clone, Copy)]
pub(super) enum Twice {
    /// It is not.
    No,
    /// The power fails at each of its first moments, and at every so-many-th later.
    Within(usize, usize),
}

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Much {
    /// The first moment, and how far it is to the next one.
    pub(super) moments: (usize, usize),
    /// Of each moment, how many of the things that may be left without power.
    pub(super) remains: usize,
    /// How the second program is stopped.
    pub(super) twice: Twice,
}

impl Much {
    /// Some of what power may leave, others at each moment.
    fn of(self, fs: &SimFs, moment: usize) -> Vec<SimFs> {
        let all = fs.after_power_loss();
        if all.len() <= self.remains {
            return all;
        }
        let picked = (0..self.remains).map(|n| (moment + n * all.len() / self.remains) % all.len());
        picked.map(|at| all[at].clone()).collect()
    }
}

/// Every moment of the run: killed, or without power; then whoever comes next goes on.
pub(super) fn explore(wrap: &Wrap, much: Much) -> Result<Tally, String> {
    let (first, stride) = much.moments;
    let (start, normal) = (prepared(), undisturbed());
    let mut seen = HashSet::new();
    let mut tally = Tally::default();
    for moment in (first..).step_by(stride) {
        let fs = start.without_programs();
        fs.set_fault(Fault::StopAfter(moment));
        let mut told = Told::default();
        let _ = play(&app(wrap(Arc::new(fs.clone()))), &mut told);
        tally.moments += 1;
        let tell = |wrong: String| format!("{wrong}\nstopped after {moment}:\n{}", tail(&fs));
        go_on(&fs, wrap, &told, &normal).map_err(|wrong| tell(format!("killed: {wrong}")))?;
        tally.states += 1;
        for remains in much.of(&fs, moment) {
            if seen.insert((remains.digest(), told.records)) {
                tally.states += 1;
                go_on(&remains, wrap, &told, &normal)
                    .map_err(|wrong| tell(format!("power lost: {wrong}")))?;
            }
        }
        again(&fs, wrap, &told, (much, moment), &mut tally, &normal, &mut seen).map_err(tell)?;
        if !fs.is_stopped() {
            return Ok(tally);
        }
    }
    Ok(tally)
}

/// The second program, which found what the killed one left, loses the power.
fn again(
    fs: &SimFs,
    wrap: &Wrap,
    told: &Told,
    (much, moment): (Much, usize),
    tally: &mut Tally,
    normal: &Came,
    seen: &mut HashSet<(u128, u64)>,
) -> Result<(), String> {
    let Twice::Within(first, stride) = much.twice else { return Ok(()) };
    let mut later = 0;
    loop {
        let next = fs.without_programs();
        next.set_fault(Fault::StopAfter(later));
        let mut told = told.clone();
        let _ = play(&app(wrap(Arc::new(next.clone()))), &mut told);
        for remains in much.of(&next, later) {
            if seen.insert((remains.digest(), told.records)) {
                tally.states += 1;
                go_on(&remains, wrap, &told, normal).map_err(|wrong| {
                    format!("power lost {later} changes later: {wrong}\n{}", tail(&next))
                })?;
            }
        }
        if !next.is_stopped() {
            return Ok(());
        }
        later += if later < first { 1 } else { stride + moment % stride };
    }
}

/// The last changes.
fn tail(fs: &SimFs) -> String {
    let trace = fs.trace();
    let lines: Vec<&str> = trace.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

fn holds(much: Much, at_least: usize) {
    let tally = explore(HONEST, much).unwrap_or_else(|wrong| panic!("{wrong}"));
    println!("{} moments, {} states", tally.moments, tally.states);
    assert!(tally.states >= at_least, "{tally:?}");
}

#[test]
fn a_run_goes_on_whenever_the_program_or_the_power_ends() {
    holds(Much { moments: (0, 1), remains: 1, twice: Twice::No }, 250);
}

#[test]
fn what_a_killed_program_left_is_made_durable_before_it_is_relied_on() {
    holds(Much { moments: (1, 9), remains: 2, twice: Twice::Within(3, 70) }, 60);
}

#[test]
fn a_full_disk_stops_a_run_and_a_retry_goes_on() {
    let (start, normal) = (prepared(), undisturbed());
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        for at in (1..).step_by(3) {
            let fs = start.without_programs();
            fs.set_fault(Fault::Fail(at, kind));
            let mut told = Told { failed: true, ..Told::default() };
            let _ = play(&honest(&fs), &mut told);
            let done = fs.changes();
            fs.set_fault(Fault::None);
            let gone_on = go_on(&fs, HONEST, &told, &normal);
            gone_on.unwrap_or_else(|wrong| panic!("{kind:?} at {at}: {wrong}"));
            if done < at {
                break;
            }
        }
    }
}

#[test]
fn a_record_that_finds_no_room_leaves_the_old_state() {
    let normal = undisturbed();
    let mut tried = 0;
    for at in 1.. {
        let fs = prepared();
        let app = honest(&fs);
        let run = life::begin(&app).expect("it starts");
        let before = look(&fs, &Told::default()).expect("a sound run");
        fs.set_fault(Fault::Fail(at, ErrorKind::StorageFull));
        let mut told = Told::default();
        let outcome = life::step(&app, &run, &mut told);
        let last = fs.trace().lines().nth(at - 1).unwrap_or_default().to_owned();
        let done = fs.changes();
        fs.set_fault(Fault::None);
        if last.contains("write") && last.contains("journal.jsonl") && told.records == 0 {
            let failure = outcome.expect_err("there is no room");
            assert_eq!(failure.inner().exit(), Exit::Failure);
            assert_eq!(look(&fs, &Told::default()).as_ref(), Ok(&before));
            tried += 1;
        }
        go_on(&fs, HONEST, &told, &normal).unwrap_or_else(|wrong| panic!("at {at}: {wrong}"));
        if done < at {
            break;
        }
    }
    assert!(tried >= 1, "the record was written elsewhere");
}

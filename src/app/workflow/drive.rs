//! Driving a run: moving it as soon as anything happens, until it ends.

use std::time::{Duration, Instant};

use super::run::{Loaded, load};
use super::step::{Patience, advance};
use crate::app::App;
use crate::app::queue;
use crate::app::wait::Stop;
use crate::core::{Name, Outcome, TeamName};
use crate::domain::chain;
use crate::domain::workflow::run::record::Record;
use crate::domain::workflow::run::state::{Parts, Work};
use crate::store::{Dir, Key};
use serde::Deserialize;

/// Transitions that are made before whatever else there is to do is looked at.
const BATCH: u32 = 500;

/// The longest wait before the run is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long another process that is at the run is left alone.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// How a run is driven.
#[derive(Clone)]
pub struct DriveOptions {
    /// Whether to end as soon as the run waits for something outside.
    pub until_waiting: bool,
    /// After how long to end.
    pub timeout: Option<Duration>,
    /// How many items of the queue are worked on at the same time; 0: none.
    pub workers: usize,
    /// A request to end.
    pub stop: Stop,
}

/// Why driving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The run has ended.
    Terminal,
    /// It waits, and that was what was wanted.
    Waiting,
    /// The time is over.
    TimedOut,
    /// Somebody wanted it to end.
    Stopped,
}

/// What is told while a run is driven.
pub type Tell<'t> = dyn FnMut(&Loaded, &Record) + 't;

/// Drives a run, and what it has started. `tell` hears of each transition, whoever made it.
pub fn drive(
    app: &App,
    team: &TeamName,
    run: &Name,
    options: &DriveOptions,
    tell: &mut Tell<'_>,
) -> Outcome<(Loaded, Ended)> {
    let began = Instant::now();
    let workers = Stop::default();
    std::thread::scope(|scope| {
        if options.workers > 0 {
            let options = queue::Options {
                jobs: options.workers,
                until_idle: false,
                stop: workers.clone(),
                ..queue::Options::default()
            };
            scope.spawn(move || {
                if let Err(failure) = queue::work(app, team, &options, &|_| {}) {
                    app.warn(format!("the queue is not worked on: {}", failure.message()));
                }
            });
        }
        let outcome = watch(app, team, run, options, began, tell);
        workers.request();
        outcome
    })
}

fn watch(
    app: &App,
    team: &TeamName,
    run: &Name,
    options: &DriveOptions,
    began: Instant,
    tell: &mut Tell<'_>,
) -> Outcome<(Loaded, Ended)> {
    let mut known = load(app, team, run)?.run.rev;
    let dirs = [Dir::pokes(team), Dir::run(team, run), Dir::run_results(team, run)];
    let mut changes = app.store.backend().watch(&dirs)?;
    options.stop.wakes(&*changes);
    loop {
        let (mut idle, mut busy) = (true, false);
        for name in family(app, team, run)? {
            let moved = advance(app, team, &name, BATCH, Patience::Never, &mut |_, _| {})?;
            idle &= moved.idle || moved.run.is_none();
            busy |= moved.run.is_none();
        }
        let loaded = load(app, team, run)?;
        let at_work = busy || (options.workers > 0 && waits_for_workers(&loaded));
        known = news(app, &loaded, known, tell)?;
        let ended = if loaded.run.status.is_terminal() {
            Some(Ended::Terminal)
        } else if options.stop.is_requested() {
            Some(Ended::Stopped)
        } else if options.timeout.is_some_and(|limit| began.elapsed() >= limit) {
            Some(Ended::TimedOut)
        } else if idle && !at_work && options.until_waiting {
            Some(Ended::Waiting)
        } else {
            None
        };
        if let Some(ended) = ended {
            return Ok((loaded, ended));
        }
        if idle {
            let limit = if busy { BUSY_PAUSE } else { pause(app, &loaded, options, began) };
            changes.wait(limit);
        }
    }
}

/// Whether the workers of this process will move the run on.
fn waits_for_workers(loaded: &Loaded) -> bool {
    let of_workers = |work: &Work| matches!(work, Work::Item { .. } | Work::Verify { .. });
    loaded.run.live().any(|(_, act)| act.work.as_ref().is_some_and(of_workers))
}

/// How long nothing needs to be looked at unless something changes.
fn pause(app: &App, loaded: &Loaded, options: &DriveOptions, began: Instant) -> Duration {
    let now = app.now_millis();
    let until_due = loaded.wake_at.map(|at| Duration::from_millis(at.saturating_sub(now).max(5)));
    let until_over = options.timeout.map(|limit| limit.saturating_sub(began.elapsed()));
    [until_due, until_over].into_iter().flatten().fold(LOOK_EVERY, Duration::min)
}

/// A run and all runs that it has started, directly or not, and that have not ended.
pub(super) fn family(app: &App, team: &TeamName, run: &Name) -> Outcome<Vec<Name>> {
    let mut all = vec![run.clone()];
    let mut at = 0;
    while at < all.len() {
        if let Ok(loaded) = load(app, team, &all[at]) {
            let parts = loaded.run.live().filter_map(|(_, act)| act.parts.as_ref());
            for part in parts {
                let Parts::Children { children, .. } = part else { continue };
                for child in children.iter().filter(|child| child.status.is_none()) {
                    let name = Name::parse(child.run.clone())?;
                    let exists = super::step::exists(app, team, &name).is_ok();
                    if exists && !all.contains(&name) {
                        all.push(name);
                    }
                }
            }
        }
        at += 1;
    }
    Ok(all)
}

/// Tells of the records after number `known`. Returns the number of the last one.
fn news(app: &App, loaded: &Loaded, known: u64, tell: &mut Tell<'_>) -> Outcome<u64> {
    if loaded.run.rev == known {
        return Ok(known);
    }
    let key = Key::run_journal(loaded.team(), loaded.name());
    let (bytes, _) = app.store.backend().read_from(&key, 0)?;
    let chain = chain::verify(&bytes)
        .map_err(|error| super::RunError::broken(app, loaded.team(), loaded.name(), error))?;
    for value in chain.records {
        let Ok(record) = Record::deserialize(&value) else { continue };
        if record.rev > known && record.rev <= loaded.run.rev {
            tell(loaded, &record);
        }
    }
    Ok(loaded.run.rev)
}

//! Waking runs when something changed that they may wait for.
//!
//! There is no daemon. Whoever changes something leaves a mark, then tries to move the run itself.
//! If another process is at it, that one finds the mark when it has let go of the run: marks are
//! made before the lock is tried, and looked for after it was let go. So no wake-up is lost.

use std::collections::VecDeque;

use super::run::Loaded;
use super::step::{self, Patience, Wakes, advance_one};
use crate::app::App;
use crate::core::{Name, Outcome, TeamName};
use crate::domain::workflow::run::state::{Millis, Work};
use crate::store::{Dir, Key, StoreError};

/// Tells a run that something it may wait for has changed, and moves it as far as it goes. Never
/// fails: what was changed stands, and `tick` looks at every run from time to time.
pub fn wake(app: &App, team: &TeamName, run: &Name) {
    let mut todo = VecDeque::from([(team.clone(), run.clone())]);
    while let Some((team, run)) = todo.pop_front() {
        match try_move(app, &team, &run) {
            Ok(more) => todo.extend(more),
            Err(failure) if failure.inner().code() == "run_not_found" => {
                let _ = app.store.backend().discard(&Dir::pokes(&team).entry(run.as_str()));
            }
            Err(failure) => {
                app.warn(format!("run '{run}' was not moved: {}", failure.message()));
            }
        }
    }
}

/// Moves a run unless another process is at it, or only people shall move it. Returns the runs
/// that are concerned.
pub(super) fn try_move(app: &App, team: &TeamName, run: &Name) -> Outcome<Wakes> {
    poke(app, team, run)?;
    let budget = step::POKE_BUDGET;
    let moved = advance_one(app, team, run, budget, Patience::Unasked, &mut |_, _| {});
    moved.map(|(_, wakes)| wakes)
}

/// Marks a run: whoever moves it next looks again.
pub(super) fn poke(app: &App, team: &TeamName, run: &Name) -> Result<(), StoreError> {
    app.store.backend().mark(&Dir::pokes(team).entry(run.as_str()))
}

pub(super) fn timer(team: &TeamName, at: Millis, run: &Name) -> Key {
    Dir::timers(team).entry(&format!("{at:013}-{run}"))
}

/// The instant and the run of a timer.
pub(super) fn parse_timer(name: &str) -> Option<(Millis, Name)> {
    let (at, run) = name.split_once('-')?;
    Some((at.parse().ok()?, Name::parse(run).ok()?))
}

/// Notes when a run wants to be looked at.
pub(super) fn set_timer(app: &App, loaded: &Loaded, at: Option<Millis>) -> Outcome<()> {
    let backend = app.store.backend();
    if let Some(at) = at {
        backend.mark(&timer(loaded.team(), at, loaded.name()))?;
    }
    if let Some(old) = loaded.wake_at {
        backend.discard(&timer(loaded.team(), old, loaded.name()))?;
    }
    Ok(())
}

/// Keeps the list of runs that wait for events of their team.
pub(super) fn set_listening(app: &App, loaded: &Loaded, before: bool) -> Outcome<()> {
    let now = listens(loaded);
    if now != before {
        super::events::listen(app, loaded.team(), loaded.name(), now)?;
    }
    Ok(())
}

/// Whether a run waits for events of its team.
pub(super) fn listens(loaded: &Loaded) -> bool {
    loaded.run.live().any(|(_, act)| matches!(act.work, Some(Work::Event { .. })))
}

/// The runs that must hear that this one has ended: the one that started it, and those that wait
/// for their turn.
pub(super) fn after_end(app: &App, loaded: &Loaded) -> Wakes {
    let team = loaded.team();
    let parent = loaded.start.trigger.parent.as_ref();
    let mut all: Vec<Name> =
        parent.and_then(|parent| Name::parse(parent.run.clone()).ok()).into_iter().collect();
    if let Ok(workflow) = Name::parse(loaded.start.workflow.clone()) {
        all.extend(super::start::active(app, team, &workflow).unwrap_or_default());
    }
    all.retain(|run| run != loaded.name());
    all.into_iter().map(|run| (team.clone(), run)).collect()
}

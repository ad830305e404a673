//! Moving every run that is due. What `tick` does for workflows.

use serde::{Deserialize, Serialize};

use super::run::load;
use super::wake::{self, parse_timer};
use crate::app::App;
use crate::core::{Name, Outcome, TeamName};
use crate::domain::workflow::run::state::Millis;
use crate::store::{Dir, Expect, Key, Put, encode};

/// How often all runs are looked at, whether they are due or not: a mark can be lost with the
/// power, or with a process that was killed between a change and its mark.
const SWEEP_EVERY: Millis = 10 * 60 * 1000;

/// What was done for the runs of a team.
#[derive(Debug, Default, Serialize)]
pub struct Due {
    /// The runs that were looked at because they were due.
    pub runs: Vec<Name>,
    /// How many runs were looked at to be sure.
    pub swept: usize,
}

/// When all runs of a team were looked at last: `wakes/<team>/sweep.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sweep {
    at: Millis,
}

fn sweep_key(team: &TeamName) -> Key {
    Dir::wakes(team).entry("sweep.json")
}

/// Moves the runs of a team that are due, at most `most` of them.
pub fn drive_due(app: &App, team: &TeamName, most: usize) -> Outcome<Due> {
    let backend = app.store.backend();
    let now = app.now_millis();
    let mut due = Due::default();
    let pokes = backend.list(&Dir::pokes(team))?;
    let mut timers: Vec<(Millis, Name)> =
        backend.list(&Dir::timers(team))?.iter().filter_map(|name| parse_timer(name)).collect();
    timers.retain(|(at, _)| *at <= now);
    timers.sort();
    let marked = pokes.into_iter().filter_map(|name| Name::parse(name).ok());
    let mut runs: Vec<Name> = Vec::new();
    for run in marked.chain(timers.iter().map(|(_, run)| run.clone())) {
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    for run in runs.into_iter().take(most) {
        super::wake(app, team, &run);
        due.runs.push(run);
    }
    for (at, run) in timers {
        // A timer that its run does not know any more has done its part.
        if load(app, team, &run).map_or(true, |found| found.wake_at != Some(at)) {
            backend.discard(&wake::timer(team, at, &run))?;
        }
    }
    let swept = app.store.load::<Sweep>(&sweep_key(team)).ok().flatten();
    let last = swept.map_or(0, |doc| doc.value.at);
    if now.saturating_sub(last) >= SWEEP_EVERY || last > now {
        due.swept = sweep(app, team)?;
        let put = Put::new(sweep_key(team), encode(&Sweep { at: now }), Expect::Any);
        backend.discard(&put.key)?;
        super::children::once(app, &put)?;
    }
    Ok(due)
}

/// Looks at every run that has not ended.
fn sweep(app: &App, team: &TeamName) -> Outcome<usize> {
    let mut seen = 0;
    for run in super::history::names(app, team)? {
        match load(app, team, &run) {
            Ok(found) if found.run.status.is_terminal() && found.run.outbox.is_empty() => {}
            Ok(_) => {
                super::wake(app, team, &run);
                seen += 1;
            }
            Err(failure) => app.warn(format!("run '{run}': {}", failure.message())),
        }
    }
    Ok(seen)
}

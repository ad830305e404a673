//! Waking a run when something changed that it may wait for.

use crate::app::App;
use crate::core::{Name, TeamName};
use crate::store::Dir;

/// Tells a run that something it may wait for has changed. Never fails: what was changed stands,
/// and `tick` looks at every run from time to time.
pub fn wake(app: &App, team: &TeamName, run: &Name) {
    let marked = app.store.backend().mark(&Dir::pokes(team).entry(run.as_str()));
    if let Err(error) = marked {
        app.warn(format!("run '{run}' could not be woken: {error}"));
    }
}

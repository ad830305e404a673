//! What operators ask of a run: a document each, until the run has taken it up.

use super::error::RunError;
use super::run::Loaded;
use super::step::{self, Patience, advance};
use crate::app::App;
use crate::core::{Name, Outcome, TeamName};
use crate::domain::workflow::run::decide::refusal;
use crate::domain::workflow::run::observe::{Ask, Request};
use crate::domain::workflow::run::record::{Operation, Tr};
use crate::store::{Dir, Expect, Put, encode};

fn id_in(file: &str) -> Option<&str> {
    file.strip_suffix(".json")
}

/// What is asked and was not taken up yet, oldest first.
pub(super) fn pending(app: &App, team: &TeamName, run: &Name) -> Outcome<Vec<Request>> {
    let dir = Dir::run_requests(team, run);
    if app.store.backend().list(&dir)?.is_empty() {
        return Ok(Vec::new());
    }
    let docs = app.store.list::<Request>(&dir, |name| id_in(name).is_some())?;
    let named = docs.into_iter().map(|(name, doc)| {
        let id = id_in(&name).unwrap_or(&name).to_owned();
        Request { id, ..doc.value }
    });
    Ok(named.collect())
}

/// Asks something of a run, and moves it so that it takes that up. `budget`: further transitions.
/// Returns the run as it stands then.
pub fn ask(app: &App, team: &TeamName, run: &Name, ask: Ask) -> Outcome<Loaded> {
    let now = super::run::load(app, team, run)?;
    if let Some(fault) = refusal(&now.run, &ask) {
        return Err(RunError::Refused(fault).into());
    }
    if matches!(ask, Ask::Skip { .. }) {
        check_may_skip(app, team)?;
    }
    let id = post(app, team, run, ask)?;
    let mut refused = None;
    let mut seen = |record: &crate::domain::workflow::run::record::Record| {
        if let Tr::Operator { request, does: Operation::Refuse { fault, .. }, .. } = &record.tr
            && *request == id
        {
            refused = Some(fault.clone());
        }
    };
    let mut each = |_: &Loaded, record: &_| seen(record);
    // As far as it takes to see what becomes of it, and whatever can follow at once.
    let budget = if now.start.manual { 1 } else { step::POKE_BUDGET };
    let moved = advance(app, team, run, budget, Patience::Wait, &mut each)?;
    match (refused, moved.run) {
        (Some(fault), _) => Err(RunError::Refused(fault).into()),
        (None, Some(loaded)) => Ok(loaded),
        (None, None) => super::run::load(app, team, run),
    }
}

/// Work counts as done without having been done only if a person or the leader says so.
fn check_may_skip(app: &App, team: &TeamName) -> Outcome<()> {
    let Some(agent) = app.env.identity("AGENT_NAME") else { return Ok(()) };
    let leads = crate::app::team::leader(app, team).is_ok_and(|found| found.0.as_str() == agent);
    if leads { Ok(()) } else { Err(RunError::NotLead(agent.to_owned()).into()) }
}

/// Leaves a request for whoever moves the run next. Returns its id.
pub(super) fn post(app: &App, team: &TeamName, run: &Name, ask: Ask) -> Outcome<String> {
    let at = app.now_millis();
    let id = format!("{at:013}-{}", app.ids.hex(8));
    let request = Request { id: id.clone(), by: step::actor(app), at, ask };
    let key = Dir::run_requests(team, run).entry(&format!("{id}.json"));
    app.store.backend().create(&Put::new(key, encode(&request), Expect::Absent))?;
    Ok(id)
}

/// Removes a request that was taken up.
pub(super) fn forget(app: &App, loaded: &Loaded, id: &str) -> Outcome<()> {
    let key = Dir::run_requests(loaded.team(), loaded.name()).entry(&format!("{id}.json"));
    app.store.backend().discard(&key)?;
    Ok(())
}

//! The rules of a team: which notifications are told how.

use crate::app::App;
use crate::core::{Name, Outcome, TeamName};
use crate::domain::notify_rules::{Rule, Rules, SCHEMA};
use crate::store::{Key, Scope};

/// The rules of a team; none if there is no document.
pub fn load(app: &App, team: &TeamName) -> Outcome<Rules> {
    let found = app.store.load::<Rules>(&Key::notify_rules(team))?;
    Ok(found.map(|doc| doc.value).unwrap_or_default())
}

/// The same; rules that cannot be understood are told and count as none, since what is to be
/// told must not be lost for that.
pub fn load_leniently(app: &App, team: &TeamName) -> Rules {
    load(app, team).unwrap_or_else(|failure| {
        app.warn(format!("the notification rules are passed over: {}", failure.message()));
        Rules::default()
    })
}

/// Adds a rule at the end; without a name it gets one.
pub fn add(
    app: &App,
    team: &TeamName,
    name: Option<Name>,
    rule: impl FnOnce(Name) -> Rule,
) -> Outcome<Rule> {
    change(app, team, |rules| {
        let rule = rule(name.unwrap_or_else(|| rules.fresh_id()));
        rules.add(rule.clone())?;
        Ok(rule)
    })
}

/// Removes a rule.
pub fn remove(app: &App, team: &TeamName, id: &Name) -> Outcome<Rule> {
    change(app, team, |rules| Ok(rules.remove(id)?))
}

fn change<T>(
    app: &App,
    team: &TeamName,
    change: impl FnOnce(&mut Rules) -> Outcome<T>,
) -> Outcome<T> {
    let key = Key::notify_rules(team);
    let mut locked = app.store.lock(&Scope::Notifications(team.clone()))?;
    let found = app.store.load::<Rules>(&key)?;
    let revision = found.as_ref().map(|doc| doc.revision);
    let mut rules = found.map(|doc| doc.value).unwrap_or_default();
    app.store.writable(&key, &rules.schema, SCHEMA)?;
    let changed = change(&mut rules)?;
    locked.put(key, &rules, revision)?;
    Ok(changed)
}

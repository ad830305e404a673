//! The runs of a team, those that have ended too.

use serde::{Deserialize, Serialize};

use super::run::{Loaded, load};
use super::view;
use crate::app::App;
use crate::core::{Name, Outcome, TeamName};
use crate::domain::workflow::run::state::{Fault, Millis};
use crate::store::{Dir, Key};

/// A run in a few words.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Its id.
    pub run: String,
    /// Its workflow.
    pub workflow: String,
    /// Which version.
    pub version: u32,
    /// How it stands.
    pub status: String,
    /// Why, if it failed, stopped or paused.
    #[serde(default)]
    pub reason: Option<Fault>,
    /// How many records it has.
    pub rev: u64,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: Millis,
    /// When it ended.
    #[serde(default)]
    pub ended_at: Option<Millis>,
    /// What started it.
    pub source: String,
    /// Who started it.
    pub by: String,
    /// What it waits for.
    #[serde(default)]
    pub waiting_for: Vec<String>,
    /// Whether its journal was removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub collected: bool,
}

/// Which runs are wanted; `None` is all.
#[derive(Debug, Default)]
pub struct Filter {
    /// Of this workflow.
    pub workflow: Option<Name>,
    /// Those that stand so; `live` is all that have not ended.
    pub status: Option<String>,
    /// Those made since then.
    pub since: Option<Millis>,
    /// At most so many, the newest ones.
    pub limit: Option<usize>,
}

/// The summary of a run.
pub fn summary(loaded: &Loaded) -> Summary {
    Summary {
        run: loaded.start.run.clone(),
        workflow: loaded.start.workflow.clone(),
        version: loaded.start.version,
        status: view::status_word(loaded).to_owned(),
        reason: loaded.run.fault.clone(),
        rev: loaded.run.rev,
        created_at: loaded.start.created_at,
        ended_at: loaded.run.ended_at,
        source: loaded.start.trigger.source.clone(),
        by: loaded.start.trigger.by.clone(),
        waiting_for: view::waiting_for(loaded),
        collected: false,
    }
}

/// The ids of all runs that are there, sorted.
pub fn names(app: &App, team: &TeamName) -> Outcome<Vec<Name>> {
    let mut all = Vec::new();
    for name in app.store.backend().list_dirs(&Dir::runs(team))? {
        let Ok(name) = Name::parse(name) else { continue };
        if app.store.backend().read(&Key::run_start(team, &name))?.is_some() {
            all.push(name);
        }
    }
    all.sort();
    Ok(all)
}

/// The wanted runs, newest first.
pub fn list(app: &App, team: &TeamName, filter: &Filter) -> Outcome<Vec<Summary>> {
    let mut all = Vec::new();
    for name in names(app, team)? {
        match load(app, team, &name) {
            Ok(loaded) => all.push(summary(&loaded)),
            Err(failure) => app.warn(format!("run '{name}': {}", failure.message())),
        }
    }
    all.extend(super::gc::collected(app, team, filter.workflow.as_ref())?);
    let live = |run: &Summary| !matches!(run.status.as_str(), "completed" | "failed" | "stopped");
    all.retain(|run| {
        filter.workflow.as_ref().is_none_or(|name| run.workflow == name.as_str())
            && filter.since.is_none_or(|since| run.created_at >= since)
            && filter.status.as_deref().is_none_or(|status| match status {
                "live" => live(run),
                other => run.status == other,
            })
    });
    all.sort_by(|a, b| (b.created_at, &b.run).cmp(&(a.created_at, &a.run)));
    all.truncate(filter.limit.unwrap_or(usize::MAX));
    Ok(all)
}

/// The newest run of a workflow, or of the team.
pub fn newest(app: &App, team: &TeamName, workflow: Option<Name>) -> Outcome<Option<Name>> {
    let found = list(app, team, &Filter { workflow, limit: Some(1), ..Filter::default() })?;
    Ok(match found.first() {
        Some(run) => Some(Name::parse(run.run.clone())?),
        None => None,
    })
}

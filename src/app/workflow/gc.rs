//! Removing runs that ended long ago. What became of them stays known.

use serde_json::Value;

use super::history::{self, Summary};
use super::run::load;
use crate::app::App;
use crate::core::{Name, Outcome, Span, TeamName};
use crate::domain::workflow::run::state::Status;
use crate::store::{Commit, Dir, Expect, Key, Scope};

/// The runs of a workflow that were removed, a line each.
fn ended_key(team: &TeamName, workflow: &Name) -> Key {
    Dir::workflow(team, workflow).entry("ended.jsonl")
}

/// The summaries of runs that were removed.
pub(super) fn collected(
    app: &App,
    team: &TeamName,
    workflow: Option<&Name>,
) -> Outcome<Vec<Summary>> {
    let names: Vec<Name> = if let Some(name) = workflow {
        vec![name.clone()]
    } else {
        let dirs = app.store.backend().list_dirs(&Dir::workflows(team))?;
        dirs.into_iter().filter_map(|name| Name::parse(name).ok()).collect()
    };
    let mut all: Vec<Summary> = Vec::new();
    for name in names {
        let (bytes, _) = app.store.backend().read_from(&ended_key(team, &name), 0)?;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(summary) = serde_json::from_slice::<Summary>(line) else { continue };
            // A crash between the line and the removal leaves both.
            let run = Name::parse(summary.run.clone())?;
            let there = app.store.backend().read(&Key::run_start(team, &run))?.is_some();
            if !there && all.iter().all(|known| known.run != summary.run) {
                all.push(Summary { collected: true, ..summary });
            }
        }
    }
    Ok(all)
}

/// Removes the documents of runs that ended longer ago than `age`. Returns these runs.
pub fn collect(
    app: &App,
    team: &TeamName,
    age: Span,
    keep_failed: bool,
    dry_run: bool,
) -> Outcome<Vec<Summary>> {
    let before = app.now_millis().saturating_sub(age.as_millis());
    let mut removed = Vec::new();
    for name in history::names(app, team)? {
        let Ok(loaded) = load(app, team, &name) else { continue };
        let run = &loaded.run;
        let old = run.ended_at.is_some_and(|at| at <= before);
        let wanted = run.status.is_terminal()
            && !(keep_failed && run.status == Status::Failed)
            && run.outbox.iter().all(|effect| loaded.delivered.contains(&effect.key));
        if !old || !wanted {
            continue;
        }
        let summary = history::summary(&loaded);
        if !dry_run {
            remove(app, team, &name, &summary)?;
        }
        removed.push(summary);
    }
    Ok(removed)
}

fn remove(app: &App, team: &TeamName, name: &Name, summary: &Summary) -> Outcome<()> {
    let workflow = Name::parse(summary.workflow.clone())?;
    let line = serde_json::to_value(summary).unwrap_or(Value::Null).to_string();
    app.store.backend().append(&ended_key(team, &workflow), line.as_bytes())?;
    let mut locked = app.store.lock(&Scope::Run(team.clone(), name.clone()))?;
    let mut commit = Commit::default();
    for dir in [Dir::run(team, name), Dir::run_results(team, name), Dir::run_requests(team, name)] {
        for document in app.store.backend().list(&dir)? {
            if document != "run.lock" {
                commit.deletes.push((dir.entry(&document), Expect::Any));
            }
        }
    }
    locked.commit(&commit)?;
    Ok(())
}

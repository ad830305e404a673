//! Making a run from the first records of another one.

use serde_json::{Map, Value};

use super::error::RunError;
use super::run::{Loaded, load, records, start_of};
use super::{step, wake};
use crate::app::App;
use crate::core::{Name, Outcome, TeamName};
use crate::domain::workflow::run::record::{Actor, Record, Tr};
use crate::domain::workflow::run::start::{Start, Trigger};
use crate::store::{Commit, Expect, Key, Put, Scope, encode};

/// Makes a run that has the first `rev` records of another one and goes on from there by itself.
/// `inputs` replace inputs of the other run.
pub fn fork(
    app: &App,
    team: &TeamName,
    from: &Name,
    rev: u64,
    inputs: Map<String, Value>,
) -> Outcome<Loaded> {
    let origin = start_of(app, team, from)?;
    let all = records(app, team, from)?;
    let last = all.len() as u64;
    if rev > last {
        return Err(RunError::NoRecord { run: from.to_string(), rev, last }.into());
    }
    let mut merged = origin.inputs.clone();
    merged.extend(inputs);
    // Otherwise the new run would keep the marks of secrets as the secrets.
    let mut merged = Value::Object(merged);
    super::start::reveal(app, team, from, &mut merged)?;
    let merged = merged.as_object().cloned().unwrap_or_default();
    let (inputs, secrets) = super::start::check_inputs(&origin.definition, merged)?;
    let day = app.now().format("%Y%m%d");
    let short: String = origin.workflow.chars().take(60).collect();
    let run = Name::parse(format!("{short}-{day}-{}", app.ids.hex(6)))?;
    let start = Start {
        run: run.to_string(),
        inputs,
        trigger: Trigger {
            source: "fork".into(),
            by: step::actor(app),
            key: Some(format!("{from}@{rev}")),
            ..Trigger::default()
        },
        after: Vec::new(),
        // Both count from the same beginning, so that equal records give equal states.
        ..origin
    };
    let mut journal = Vec::new();
    for (_, value) in all.iter().take(usize::try_from(rev).unwrap_or(usize::MAX)) {
        journal.extend_from_slice(value.to_string().as_bytes());
        journal.push(b'\n');
    }
    super::start::keep_secrets(app, team, &run, &secrets)?;
    let mut locked = app.store.lock(&Scope::Run(team.clone(), run.clone()))?;
    let put = |key, bytes| Put::new(key, bytes, Expect::Absent);
    let puts = vec![
        put(Key::run_start(team, &run), encode(&start)),
        put(Key::run_journal(team, &run), journal),
    ];
    locked.commit(&Commit { puts, ..Commit::default() })?;
    let mut loaded = load(app, team, &run)?;
    let record = Record {
        rev: loaded.run.rev + 1,
        now: app.now_millis().max(loaded.run.now),
        tr: Tr::Fork { from: from.to_string(), by: step::actor(app) },
        acked: Vec::new(),
        actor: Actor { id: step::actor(app), pid: app.processes.own().pid },
    };
    loaded.append(app, &record)?;
    loaded.save(app)?;
    drop(locked);
    if !loaded.start.manual {
        wake::poke(app, team, &run)?;
    }
    Ok(loaded)
}

/// The state of a run after its first `rev` records.
pub fn replay(app: &App, team: &TeamName, name: &Name, rev: Option<u64>) -> Outcome<Loaded> {
    let mut loaded = load(app, team, name)?;
    let all = records(app, team, name)?;
    let last = all.len() as u64;
    let rev = rev.unwrap_or(last);
    if rev > last {
        return Err(RunError::NoRecord { run: name.to_string(), rev, last }.into());
    }
    loaded.run = loaded.start.state(&loaded.graph);
    loaded.delivered.clear();
    for (record, _) in all.iter().take(usize::try_from(rev).unwrap_or(usize::MAX)) {
        let run = std::mem::take(&mut loaded.run);
        loaded.run = crate::domain::workflow::run::apply::apply(&loaded.graph, run, record);
    }
    Ok(loaded)
}

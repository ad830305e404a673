//! Runs that are started by other runs.

use serde_json::{Map, Value, json};

use super::run::Loaded;
use super::start;
use crate::app::App;
use crate::core::{Digest, Exit, Name, Outcome};
use crate::domain::workflow::definition::{Body, Definition, Kind};
use crate::domain::workflow::run::effect::ChildWish;
use crate::domain::workflow::run::start::{Parent, Start, Trigger};
use crate::store::{Dir, Expect, Key, Put, encode};

fn refusal_key(loaded: &Loaded, run: &str) -> Key {
    Dir::run_results(loaded.team(), loaded.name()).entry(&format!("refused-{run}.json"))
}

/// Why a child could not be started, if that is so.
pub(super) fn refusal(app: &App, loaded: &Loaded, run: &str) -> Outcome<Option<String>> {
    let found = app.store.load::<Value>(&refusal_key(loaded, run))?;
    Ok(found.map(|doc| doc.value.to_string()))
}

/// Starts a child. One that cannot be started has failed: its parent decides what that means.
pub(super) fn start(app: &App, loaded: &Loaded, wish: &ChildWish) -> Outcome<Name> {
    let name = Name::parse(wish.run.clone())?;
    match make(app, loaded, wish, &name) {
        Err(failure) if matches!(failure.inner().exit(), Exit::Failure | Exit::Busy) => {
            Err(failure)
        }
        Err(failure) => {
            let why = json!({"code": failure.inner().code(), "message": failure.message()});
            let key = refusal_key(loaded, &wish.run);
            once(app, &Put::new(key, encode(&why), Expect::Absent))?;
            Ok(name)
        }
        Ok(()) => Ok(name),
    }
}

/// Writes a document that is there once, whoever writes it.
pub(super) fn once(app: &App, put: &Put) -> Outcome<()> {
    let backend = app.store.backend();
    // Whoever wrote it may have ended before it was durable.
    if backend.read(&put.key)?.is_some() {
        return Ok(backend.anchor(&put.key)?);
    }
    match backend.create(put) {
        Err(crate::store::StoreError::Conflict { .. }) => Ok(backend.anchor(&put.key)?),
        outcome => Ok(outcome?),
    }
}

fn make(app: &App, loaded: &Loaded, wish: &ChildWish, name: &Name) -> Outcome<()> {
    let key = Key::run_start(loaded.team(), name);
    if app.store.backend().read(&key)?.is_some() {
        // Whoever made it may have ended before it was durable.
        return Ok(app.store.backend().anchor(&key)?);
    }
    let (definition, version, digest) = definition_of(app, loaded, wish)?;
    let (inputs, secrets) = start::check_inputs(&definition, wish.inputs.clone())?;
    debug_assert!(secrets.is_empty() || !inputs.is_empty());
    let above = loaded.start.trigger.parent.as_ref().map_or(0, |parent| parent.depth);
    let start = Start {
        schema: Start::schema(),
        run: wish.run.clone(),
        team: loaded.start.team.clone(),
        workflow: definition.name.clone(),
        version,
        digest,
        created_at: loaded.run.now,
        trigger: Trigger {
            source: "workflow".into(),
            by: format!("run:{}", loaded.start.run),
            parent: Some(Parent {
                run: loaded.start.run.clone(),
                act: wish.act.clone(),
                depth: above + 1,
            }),
            ..Trigger::default()
        },
        inputs,
        repo: loaded.start.repo.clone(),
        manual: loaded.start.manual,
        concurrency_key: None,
        after: Vec::new(),
        definition,
        extra: Map::new(),
    };
    start::keep_secrets(app, loaded.team(), name, &secrets)?;
    once(app, &Put::new(key, encode(&start), Expect::Absent))
}

fn definition_of(
    app: &App,
    loaded: &Loaded,
    wish: &ChildWish,
) -> Outcome<(Definition, u32, Digest)> {
    if let Some(workflow) = &wish.workflow {
        let workflow = Name::parse_as("workflow name", workflow.clone())?;
        let found = super::library::load(app, loaded.team(), &workflow, wish.version)?;
        return Ok((found.definition, found.version, found.digest));
    }
    let node = wish.act.rsplit_once('#').map_or(wish.act.as_str(), |(node, _)| node);
    let inline = match loaded.graph.place(node).map(|place| &place.node.kind) {
        Some(Kind::Map(map)) => match &map.body {
            Body::Inline(definition) => Some((**definition).clone()),
            Body::Name(_) => None,
        },
        _ => None,
    };
    let definition = inline.ok_or_else(|| super::error::RunError::NotFound(wish.run.clone()))?;
    let digest = Digest::of(&encode(&definition));
    Ok((definition, 0, digest))
}

//! The workflows of a team: making, changing and finding them.

use std::sync::Arc;

use serde::Serialize;

use super::library_error::LibraryError;
use super::{history, run};
use crate::app::{App, team};
use crate::core::{Digest, Name, Outcome, TeamName};
use crate::domain::Extra;
use crate::domain::workflow::definition::{
    Definition, LifeStatus, Problem, Reading, World, any_error, check, check_reading,
};
use crate::domain::workflow::meta::{META_SCHEMA, Meta, Version};
use crate::store::{Commit, Dir, Doc, Expect, Key, Put, Scope, encode};

/// A version of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// What it says.
    pub definition: Definition,
    /// Which version it is.
    pub version: u32,
    /// The digest of its document.
    pub digest: Digest,
    /// How far the workflow is on its way into use.
    pub status: LifeStatus,
}

/// A version that was made.
#[derive(Debug, Clone, Serialize)]
pub struct Saved {
    /// The workflow.
    pub name: String,
    /// The version.
    pub version: u32,
    /// The digest of its document.
    pub digest: Digest,
    /// How far the workflow is on its way into use.
    pub status: LifeStatus,
    /// The version that runs, if one is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<u32>,
    /// Whether there was nothing to change.
    pub unchanged: bool,
    /// What could be better.
    pub problems: Vec<Problem>,
}

/// How a version is made.
#[derive(Debug, Clone, Default)]
pub struct Make {
    /// Who makes it.
    pub by: String,
    /// What is new in it.
    pub note: String,
    /// Whether it is put into use.
    pub activate: bool,
    /// The version that it must follow, if another one in between is to be noticed.
    pub after: Option<u32>,
}

/// A text as the name of a workflow.
pub fn name_of(text: &str) -> Outcome<Name> {
    Ok(Name::parse_as("workflow name", text)?)
}

fn meta(app: &App, team: &TeamName, name: &Name) -> Outcome<Doc<Meta>> {
    let found = app.store.load::<Meta>(&Key::workflow(team, name))?;
    Ok(found
        .ok_or_else(|| LibraryError::NotFound { team: team.to_string(), name: name.to_string() })?)
}

/// What is known of a workflow besides its versions.
pub fn about(app: &App, team: &TeamName, name: &str) -> Outcome<Meta> {
    Ok(meta(app, team, &name_of(name)?)?.value)
}

/// The workflows of a team, sorted by name.
pub fn list(app: &App, team: &TeamName) -> Outcome<Vec<Meta>> {
    let mut names = app.store.backend().list_dirs(&Dir::workflows(team))?;
    names.sort_unstable();
    let mut found = Vec::new();
    for name in names.iter().filter_map(|name| Name::parse(name.as_str()).ok()) {
        match app.store.load::<Meta>(&Key::workflow(team, &name)) {
            Ok(Some(doc)) => found.push(doc.value),
            Ok(None) => {}
            Err(error) => app.warn(format!("passed over a workflow: {error}")),
        }
    }
    Ok(found)
}

/// A version of a workflow: the one that is named, else the one in use, else the latest.
pub fn load(app: &App, team: &TeamName, name: &Name, version: Option<u32>) -> Outcome<Loaded> {
    let meta = meta(app, team, name)?.value;
    read_version(app, team, name, &meta, version.unwrap_or_else(|| meta.current()))
}

fn read_version(
    app: &App,
    team: &TeamName,
    name: &Name,
    meta: &Meta,
    number: u32,
) -> Outcome<Loaded> {
    let missing =
        || LibraryError::NoVersion { name: name.to_string(), version: number, latest: meta.latest };
    let entry = meta.version(number).ok_or_else(missing)?;
    let key = Key::workflow_version(team, name, number);
    let blob = app.store.backend().read(&key)?.ok_or_else(missing)?;
    let path = || app.store.path_of(&key);
    let digest = Digest::of(&blob.bytes);
    if digest != entry.digest {
        return Err(LibraryError::Changed { path: path() }.into());
    }
    let definition = serde_json::from_slice(&blob.bytes)
        .map_err(|error| LibraryError::Unreadable { path: path(), reason: error.to_string() })?;
    Ok(Loaded { definition, version: number, digest, status: meta.status })
}

/// What is wrong with a definition, as far as `team` tells: its agents and other workflows.
pub fn problems(app: &App, team: &TeamName, definition: &Definition) -> Outcome<Vec<Problem>> {
    in_world(app, team, |world| check(definition, world))
}

/// The same for what was just read. Without a team, agents and other workflows are not checked.
pub fn reading_problems(
    app: &App,
    team: Option<&TeamName>,
    reading: &Reading,
) -> Outcome<Vec<Problem>> {
    match team {
        Some(team) => in_world(app, team, |world| check_reading(reading, world)),
        None => Ok(check_reading(reading, &World::default())),
    }
}

fn in_world<T>(app: &App, name: &TeamName, work: impl FnOnce(&World<'_>) -> T) -> Outcome<T> {
    let members: Option<Vec<String>> = team::find(app, name)?
        .map(|doc| doc.value.members.iter().map(|member| member.name.clone()).collect());
    let agent = |agent: &str| {
        members.as_ref().is_none_or(|members| members.iter().any(|member| member == agent))
    };
    let workflow = |other: &str, version: Option<u32>| {
        let other = Name::parse(other).ok()?;
        load(app, name, &other, version).ok().map(|loaded| Arc::new(loaded.definition))
    };
    Ok(work(&World { agent: Some(&agent), workflow: Some(&workflow) }))
}

/// A definition as its version keeps it: how far it is on its way into use is not part of it.
fn kept(definition: &Definition) -> (Vec<u8>, Digest) {
    let kept = Definition { status: LifeStatus::default(), ..definition.clone() };
    let bytes = encode(&kept);
    let digest = Digest::of(&bytes);
    (bytes, digest)
}

fn must_be_good(
    app: &App,
    team: &TeamName,
    definition: &Definition,
    problems: Vec<Problem>,
) -> Outcome<Vec<Problem>> {
    // What was found when it was read is told, too.
    let mut all = problems;
    for problem in self::problems(app, team, definition)? {
        if !all.contains(&problem) {
            all.push(problem);
        }
    }
    if any_error(&all) {
        return Err(LibraryError::Invalid { name: definition.name.clone(), problems: all }.into());
    }
    Ok(all)
}

/// Makes a workflow with its first version. `problems`: what was found when it was read.
pub fn create(
    app: &App,
    team: &TeamName,
    definition: &Definition,
    make: &Make,
    problems: Vec<Problem>,
) -> Outcome<Saved> {
    team::load(app, team)?;
    let name = name_of(&definition.name)?;
    let activate = make.activate || definition.status == LifeStatus::Active;
    let wanted = if activate { LifeStatus::Active } else { definition.status };
    let judged = Definition { status: wanted, ..definition.clone() };
    let problems = must_be_good(app, team, &judged, problems)?;
    let mut locked = app.store.lock(&Scope::Workflow(team.clone(), name.clone()))?;
    if app.store.load::<Meta>(&Key::workflow(team, &name))?.is_some() {
        return Err(LibraryError::Exists { name: name.to_string() }.into());
    }
    let (bytes, digest) = kept(definition);
    let at = app.stamp();
    let owner = if definition.owner.is_empty() { &make.by } else { &definition.owner };
    let version = Version {
        version: 1,
        digest: digest.clone(),
        at: at.clone(),
        by: make.by.clone(),
        note: make.note.clone(),
    };
    let meta = Meta {
        schema: META_SCHEMA.to_owned(),
        name: name.to_string(),
        title: definition.title.clone(),
        status: wanted,
        owner: owner.clone(),
        latest: 1,
        active: activate.then_some(1),
        created_by: make.by.clone(),
        created_at: at,
        tags: definition.tags.clone(),
        versions: vec![version],
        extra: Extra::new(),
    };
    let puts = vec![
        Put::new(Key::workflow_version(team, &name, 1), bytes, Expect::Absent),
        Put::new(Key::workflow(team, &name), encode(&meta), Expect::Absent),
    ];
    locked.commit(&Commit { puts, ..Commit::default() })?;
    Ok(saved(&meta, 1, digest, false, problems))
}

fn saved(
    meta: &Meta,
    version: u32,
    digest: Digest,
    unchanged: bool,
    problems: Vec<Problem>,
) -> Saved {
    let (name, status, active) = (meta.name.clone(), meta.status, meta.active);
    Saved { name, version, digest, status, active, unchanged, problems }
}

/// Makes a further version of a workflow. Runs keep the version that they began with. A workflow
/// in use stays with the version that it has unless `make` says otherwise.
pub fn edit(
    app: &App,
    team: &TeamName,
    definition: &Definition,
    make: &Make,
    problems: Vec<Problem>,
) -> Outcome<Saved> {
    let name = name_of(&definition.name)?;
    let status = meta(app, team, &name)?.value.status;
    let wanted = if make.activate { LifeStatus::Active } else { status };
    let judged = Definition { status: wanted, ..definition.clone() };
    let problems = must_be_good(app, team, &judged, problems)?;
    let mut locked = app.store.lock(&Scope::Workflow(team.clone(), name.clone()))?;
    let Doc { value: mut meta, revision } = meta(app, team, &name)?;
    writable(app, team, &name, &meta)?;
    if let Some(after) = make.after.filter(|after| *after != meta.latest) {
        let latest = meta.latest;
        return Err(LibraryError::Moved { name: meta.name, wanted: after, latest }.into());
    }
    let (bytes, digest) = kept(definition);
    let unchanged = meta.version(meta.latest).is_some_and(|latest| latest.digest == digest);
    let mut puts = Vec::new();
    if !unchanged {
        meta.latest += 1;
        meta.versions.push(Version {
            version: meta.latest,
            digest: digest.clone(),
            at: app.stamp(),
            by: make.by.clone(),
            note: make.note.clone(),
        });
        let key = Key::workflow_version(team, &name, meta.latest);
        puts.push(Put::new(key, bytes, Expect::Absent));
        meta.title.clone_from(&definition.title);
        meta.tags.clone_from(&definition.tags);
        if !definition.owner.is_empty() {
            meta.owner.clone_from(&definition.owner);
        }
    }
    if make.activate {
        meta.active = Some(meta.latest);
        meta.status = LifeStatus::Active;
    }
    if !unchanged || make.activate {
        let expect = Expect::Revision(revision);
        puts.push(Put::new(Key::workflow(team, &name), encode(&meta), expect));
        locked.commit(&Commit { puts, ..Commit::default() })?;
    }
    Ok(saved(&meta, meta.latest, digest, unchanged, problems))
}

/// A document of a newer format can be read, but not written.
fn writable(app: &App, team: &TeamName, name: &Name, meta: &Meta) -> Outcome<()> {
    if meta.schema == META_SCHEMA {
        return Ok(());
    }
    let path = app.store.path_of(&Key::workflow(team, name));
    Err(crate::store::StoreError::NewerFormat { path, schema: meta.schema.clone() }.into())
}

/// Puts a version of a workflow into use: the one that is named, else the latest.
pub fn activate(
    app: &App,
    team: &TeamName,
    name: &str,
    version: Option<u32>,
) -> Outcome<(Meta, Vec<Problem>)> {
    let name = name_of(name)?;
    let known = meta(app, team, &name)?.value;
    let number = version.unwrap_or(known.latest);
    let loaded = read_version(app, team, &name, &known, number)?;
    let judged = Definition { status: LifeStatus::Active, ..loaded.definition };
    let problems = must_be_good(app, team, &judged, Vec::new())?;
    let changed = change(app, team, &name, |meta| {
        meta.status = LifeStatus::Active;
        meta.active = Some(number);
    })?;
    Ok((changed, problems))
}

/// Takes a workflow out of use. Its runs go on.
pub fn archive(app: &App, team: &TeamName, name: &str) -> Outcome<Meta> {
    change(app, team, &name_of(name)?, |meta| {
        meta.status = LifeStatus::Archived;
        meta.active = None;
    })
}

fn change(
    app: &App,
    team: &TeamName,
    name: &Name,
    change: impl FnOnce(&mut Meta),
) -> Outcome<Meta> {
    let mut locked = app.store.lock(&Scope::Workflow(team.clone(), name.clone()))?;
    let Doc { value: mut meta, revision } = meta(app, team, name)?;
    writable(app, team, name, &meta)?;
    change(&mut meta);
    locked.put(Key::workflow(team, name), &meta, Some(revision))?;
    Ok(meta)
}

/// What removing a workflow did.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    /// The workflow.
    pub name: String,
    /// Its runs that go on all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub live_runs: Vec<String>,
    /// Where its documents are now.
    pub kept_in: String,
}

/// Removes a workflow: its documents are moved to the trash of the data directory. Refuses while
/// it has runs that go on, unless `force`: these have their own copy of the definition.
pub fn delete(app: &App, team: &TeamName, name: &str, force: bool) -> Outcome<Deleted> {
    let name = name_of(name)?;
    let locked = app.store.lock(&Scope::Workflow(team.clone(), name.clone()))?;
    meta(app, team, &name)?;
    let live_runs = live_runs(app, team, &name)?;
    if !live_runs.is_empty() && !force {
        return Err(LibraryError::HasRuns { name: name.to_string(), runs: live_runs }.into());
    }
    let label = format!("{team}-{name}-{}", app.now().format("%Y%m%dT%H%M%S%3fZ"));
    let dirs = [Dir::run_keys(team, &name), Dir::workflow(team, &name)];
    app.store.backend().retire(&dirs, &Key::workflow(team, &name), &label)?;
    drop(locked);
    let kept_in = app.data_dir.join("trash").join(label).display().to_string();
    Ok(Deleted { name: name.to_string(), live_runs, kept_in })
}

/// The runs of a workflow that have not ended. One that cannot be read counts: it may go on once
/// that is repaired.
fn live_runs(app: &App, team: &TeamName, name: &Name) -> Outcome<Vec<String>> {
    let mut live = Vec::new();
    for run in history::names(app, team)? {
        let of_this =
            run::start_of(app, team, &run).is_ok_and(|start| start.workflow == name.as_str());
        let ended = || run::load(app, team, &run).is_ok_and(|it| it.run.status.is_terminal());
        if of_this && !ended() {
            live.push(run.to_string());
        }
    }
    live.sort_unstable();
    Ok(live)
}

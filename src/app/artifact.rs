//! What tasks and runs bring forth: kept by its content, in versions that never change.

use super::{App, task};
use crate::core::{Digest, Name, Outcome, TaskId, TeamName, limits};
use crate::domain::artifact::{
    self, Artifact, ArtifactError, NewVersion, Owner, OwnerKind, SCHEMA, Version,
};
use crate::store::{Dir, Doc, Expect, Key, Put, Scope, StoreError};

/// What adding came to.
#[derive(Debug, Clone)]
pub struct Added {
    /// The version that has the content now.
    pub version: Version,
    /// Whether it is new; otherwise it was the newest version already.
    pub is_new: bool,
}

/// Another process may put the same blob into its place, or a damaged one out of it, at the same
/// time; it does not do so for ever.
const ATTEMPTS: usize = 5;

/// Keeps `bytes` under their digest, durably. Content that is there already is not kept twice; if
/// it is damaged it is replaced.
pub fn put_blob(app: &App, bytes: Vec<u8>) -> Outcome<Digest> {
    fits("the content", bytes.len() as u64)?;
    let digest = Digest::of(&bytes);
    let key = Key::blob(&digest.to_name());
    let backend = app.store.backend();
    let put = Put::new(key.clone(), bytes, Expect::Absent);
    for _ in 0..ATTEMPTS {
        match backend.read(&key)? {
            Some(blob) if blob.bytes == put.bytes => {
                backend.anchor(&key)?;
                return Ok(digest);
            }
            Some(_) => {
                let moved = backend.set_aside(&key);
                app.warn(match moved {
                    Ok(to) => format!("{key} was damaged and is replaced; it is kept in {to}"),
                    Err(_) => format!("{key} was damaged and is replaced"),
                });
            }
            None => {}
        }
        match backend.create(&put) {
            Err(StoreError::Conflict { .. }) => {}
            created => {
                created?;
                return Ok(digest);
            }
        }
    }
    Err(StoreError::Conflict { key: key.to_string() }.into())
}

/// The content with this digest, which is checked.
pub fn get_blob(app: &App, digest: &Digest) -> Outcome<Vec<u8>> {
    let key = Key::blob(&digest.to_name());
    let path = || app.store.path_of(&key).display().to_string();
    let Some(blob) = app.store.backend().read(&key)? else {
        return Err(ArtifactError::Missing { path: path() }.into());
    };
    let found = Digest::of(&blob.bytes);
    if found != *digest {
        return Err(ArtifactError::Damaged { path: path(), found }.into());
    }
    Ok(blob.bytes)
}

/// Refuses what is too large to be an artifact; `what` names it in the message.
pub fn fits(what: &str, bytes: u64) -> Outcome<()> {
    if bytes > limits::ARTIFACT_BYTES_MAX {
        return Err(ArtifactError::TooLarge { what: what.to_owned(), bytes }.into());
    }
    Ok(())
}

/// Adds `bytes` as a version of the artifact `name` of `owner`; `source` says where they come
/// from. If the newest version has this content already, that version is returned.
pub fn add(
    app: &App,
    team: &TeamName,
    owner: &Owner,
    name: &Name,
    bytes: Vec<u8>,
    source: &str,
) -> Outcome<Version> {
    Ok(add_telling(app, team, owner, name, bytes, source)?.version)
}

/// The same, and says whether the version is new.
pub fn add_telling(
    app: &App,
    team: &TeamName,
    owner: &Owner,
    name: &Name,
    bytes: Vec<u8>,
    source: &str,
) -> Outcome<Added> {
    let (length, media_type) = (bytes.len() as u64, artifact::media_type(name.as_str(), &bytes));
    // Before the lock: it can be long, and a blob that nobody refers to does no harm.
    let digest = put_blob(app, bytes)?;
    let key = key(team, owner, name);
    let mut locked = app.store.lock(&Scope::Artifacts(team.clone()))?;
    let found: Option<Doc<Artifact>> = app.store.load(&key)?;
    let revision = found.as_ref().map(|doc| doc.revision);
    let mut artifact =
        found.map_or_else(|| Artifact::new(owner.clone(), name.clone()), |doc| doc.value);
    app.store.writable(&key, &artifact.schema, SCHEMA)?;
    let is_new = artifact.add(NewVersion {
        digest,
        bytes: length,
        media_type: media_type.to_owned(),
        by: app.identity.agent_name.clone(),
        at: app.stamp(),
        source: source.to_owned(),
    });
    if is_new {
        locked.put(key, &artifact, revision)?;
    }
    let version = artifact.version(None)?.clone();
    Ok(Added { version, is_new })
}

fn key(team: &TeamName, owner: &Owner, name: &Name) -> Key {
    Key::artifact(team, owner.kind.as_str(), &owner.id, name)
}

/// Refuses an owner that does not exist.
pub fn check_owner(app: &App, team: &TeamName, owner: &Owner) -> Outcome<()> {
    match owner.kind {
        OwnerKind::Task => {
            task::get(app, team, &TaskId::parse(owner.id.as_str())?)?;
        }
        OwnerKind::Run => {
            let definition = Key::run_start(team, &owner.id);
            if app.store.backend().read(&definition)?.is_none() {
                return Err(UnknownRun { team: team.clone(), run: owner.id.clone() }.into());
            }
        }
    }
    Ok(())
}

/// There is no such run.
#[derive(Debug, thiserror::Error)]
#[error("Run '{run}' not found in team '{team}'")]
struct UnknownRun {
    team: TeamName,
    run: Name,
}

impl crate::core::Diagnose for UnknownRun {
    fn code(&self) -> &'static str {
        "run_not_found"
    }

    fn exit(&self) -> crate::core::Exit {
        crate::core::Exit::NotFound
    }
}

fn is_manifest(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|stem| !stem.is_empty())
}

/// The artifacts of an owner, by name.
pub fn of(app: &App, team: &TeamName, owner: &Owner) -> Outcome<Vec<Artifact>> {
    let dir = Dir::artifacts_of(team, owner.kind.as_str(), &owner.id);
    let listed = app.store.list::<Artifact>(&dir, is_manifest)?;
    Ok(listed.into_iter().map(|(_, doc)| doc.value).collect())
}

/// The artifacts of a team, by owner and name.
pub fn all(app: &App, team: &TeamName) -> Outcome<Vec<Artifact>> {
    let dir = Dir::artifacts(team);
    let mut artifacts = Vec::new();
    for owner in app.store.backend().list_dirs(&dir)? {
        let listed = app.store.list::<Artifact>(&dir.child(&owner), is_manifest)?;
        artifacts.extend(listed.into_iter().map(|(_, doc)| doc.value));
    }
    artifacts.sort_by(|a, b| (&a.owner, &a.name).cmp(&(&b.owner, &b.name)));
    Ok(artifacts)
}

/// An artifact.
pub fn get(app: &App, team: &TeamName, owner: &Owner, name: &Name) -> Outcome<Artifact> {
    let found = app.store.load::<Artifact>(&key(team, owner, name))?;
    let missing = || ArtifactError::NotFound {
        owner: owner.clone(),
        name: name.clone(),
        team: team.to_string(),
    };
    Ok(found.ok_or_else(missing)?.value)
}

/// How two versions differ.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The older one.
    pub from: Version,
    /// The newer one.
    pub to: Version,
    /// Their difference in the unified format, empty if there is none; `None` if one of them is
    /// no text.
    pub text: Option<String>,
}

/// Compares two versions of an artifact: by default the newest with the one before it.
pub fn diff(
    app: &App,
    artifact: &Artifact,
    from: Option<u32>,
    to: Option<u32>,
) -> Outcome<Difference> {
    let to = artifact.version(to)?.clone();
    let before = to.version.saturating_sub(1).max(1);
    let from = artifact.version(Some(from.unwrap_or(before)))?.clone();
    let (old, new) = (get_blob(app, &from.digest)?, get_blob(app, &to.digest)?);
    let text = if artifact::is_text(&old) && artifact::is_text(&new) {
        let (old, new) = (String::from_utf8_lossy(&old), String::from_utf8_lossy(&new));
        let name = &artifact.name;
        let heading = (
            format!("{name} (version {})", from.version),
            format!("{name} (version {})", to.version),
        );
        let lines = similar::TextDiff::from_lines(&*old, &*new);
        Some(lines.unified_diff().header(&heading.0, &heading.1).to_string())
    } else {
        None
    };
    Ok(Difference { from, to, text })
}

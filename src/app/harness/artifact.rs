//! What is handed in to a run.

use serde::{Deserialize, Serialize};

use super::{HarnessError, change, id_of, load};
use crate::app::App;
use crate::core::{Name, Outcome, Stamp, TeamName};
use crate::domain::harness::{Harness, contract, gate};
use crate::store::{Dir, Expect, Key, Put, encode};

/// What is known about an artifact: `<name>.meta.json` beside it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Meta {
    /// What it is, in a word.
    #[serde(rename = "type")]
    kind: String,
    /// The phase that it was handed in in.
    phase: String,
    /// When.
    written_at: Stamp,
}

/// Something that was handed in.
#[derive(Debug, Clone, Serialize)]
pub struct Artifact {
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub size: usize,
    /// What it is, in a word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The phase that it was handed in in; empty if nobody wrote that down.
    pub phase: String,
    /// When.
    pub written_at: Stamp,
    /// Whether it counts for gates.
    pub registered: bool,
    /// The file.
    pub path: String,
}

/// Something to be handed in.
#[derive(Debug, Clone)]
pub struct NewArtifact {
    /// What to call it.
    pub name: Name,
    /// What it is, in a word; `None` for what its name says.
    pub kind: Option<String>,
    /// What it holds.
    pub content: Vec<u8>,
}

/// Whether a file says what is known about an artifact.
fn is_meta(name: &str) -> bool {
    name.strip_suffix(".meta.json").is_some()
}

/// What an artifact is by its name.
fn kind_of(name: &str) -> &'static str {
    match name {
        gate::SPEC => "spec",
        gate::MANIFEST => "manifest",
        _ if contract::is_contract_file(name) => "contract",
        _ if gate::is_approval(name) => "approval",
        _ if gate::is_evaluation(name) => "evaluation",
        _ => "artifact",
    }
}

/// Hands something in, in place of an earlier artifact of that name.
pub fn add(app: &App, team: &TeamName, id: &Name, new: NewArtifact) -> Outcome<(Harness, String)> {
    let NewArtifact { name, kind, content } = new;
    let bad = |why: String| HarnessError::BadArtifact(why).into();
    if gate::is_approval(name.as_str()) {
        return Err(bad(format!(
            "'{name}' is the name of an approval; that is given with: clawteam harness approve {team}"
        )));
    }
    if is_meta(name.as_str()) {
        return Err(bad(format!("'{name}' is the name of what is known about an artifact")));
    }
    if contract::is_contract_file(name.as_str()) {
        contract::read(name.as_str(), &content).map_err(bad)?;
    }
    if gate::is_evaluation(name.as_str()) {
        serde_json::from_slice::<serde_json::Value>(&content)
            .map_err(|error| bad(format!("{name} is not JSON: {error}")))?;
    }
    change(app, team, id, |run| {
        let name = match name.as_str() {
            gate::EVALUATION => run.evaluation_of(&app.identity.agent_name),
            other => other.to_owned(),
        };
        let puts = keep(app, team, run, &name, content, kind.as_deref())?;
        Ok((run.artifacts[&name].clone(), puts))
    })
}

/// Registers an artifact with a run; what has to be written for it.
pub(super) fn keep(
    app: &App,
    team: &TeamName,
    run: &mut Harness,
    name: &str,
    content: Vec<u8>,
    kind: Option<&str>,
) -> Outcome<Vec<Put>> {
    let (id, name) = (id_of(run)?, Name::parse(name)?);
    let key = Key::harness_artifact(team, &id, &name);
    let meta = Meta {
        kind: kind.unwrap_or_else(|| kind_of(name.as_str())).to_owned(),
        phase: run.current_phase.clone(),
        written_at: app.stamp(),
    };
    let path = app.store.path_of(&key).display().to_string();
    run.artifacts.insert(name.to_string(), path);
    Ok(vec![
        Put::new(key, content, Expect::Any),
        Put::new(Key::harness_artifact_meta(team, &id, &name), encode(&meta), Expect::Any),
    ])
}

/// Everything that was handed in to a run, by name.
pub fn artifacts(app: &App, team: &TeamName, run: &Harness) -> Outcome<Vec<Artifact>> {
    let id = id_of(run)?;
    let dir = Dir::harness_artifacts(team, &id);
    let backend = app.store.backend();
    let mut names = backend.list(&dir)?;
    names.retain(|name| !is_meta(name));
    names.sort();
    let mut found = Vec::new();
    for name in names {
        let key = dir.entry(&name);
        let Some(blob) = backend.read(&key)? else { continue };
        // Files that an agent put there by hand have none.
        let meta: Meta = match backend.read(&dir.entry(&format!("{name}.meta.json")))? {
            Some(meta) => serde_json::from_slice(&meta.bytes).unwrap_or_default(),
            None => Meta::default(),
        };
        found.push(Artifact {
            size: blob.bytes.len(),
            kind: if meta.kind.is_empty() { kind_of(&name).to_owned() } else { meta.kind },
            phase: meta.phase,
            written_at: meta.written_at,
            registered: run.artifacts.contains_key(&name),
            path: app.store.path_of(&key).display().to_string(),
            name,
        });
    }
    Ok(found)
}

/// What an artifact of a run holds.
pub fn content(app: &App, team: &TeamName, id: &Name, name: &Name) -> Outcome<Vec<u8>> {
    load(app, team, id)?;
    let found = app.store.backend().read(&Key::harness_artifact(team, id, name))?;
    let missing = || HarnessError::NoArtifact {
        name: name.to_string(),
        id: id.to_string(),
        team: team.to_string(),
    };
    Ok(found.ok_or_else(missing)?.bytes)
}

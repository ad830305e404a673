//! Workflows of a team.

use serde_json::{Map, Value};

use crate::app::App;
use crate::core::{Digest, Name, Outcome, TeamName};
use crate::domain::workflow::definition::{Definition, LifeStatus};
use crate::store::Key;

pub struct Loaded {
    pub definition: Definition,
    pub version: u32,
    pub digest: Digest,
    pub status: LifeStatus,
}

pub fn load(app: &App, team: &TeamName, name: &Name, version: Option<u32>) -> Outcome<Loaded> {
    let key = Key::workflow(team, name);
    let meta = app.store.load::<Map<String, Value>>(&key)?.expect("TEMP").value;
    let version = version.unwrap_or_else(|| meta["latest"].as_u64().unwrap() as u32);
    let definition: Definition =
        app.store.load(&Key::workflow_version(team, name, version))?.expect("TEMP").value;
    let digest = Digest::of(b"x");
    Ok(Loaded { definition, version, digest, status: LifeStatus::Active })
}

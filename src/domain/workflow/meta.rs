//! What is known of a workflow besides its versions.

use serde::{Deserialize, Serialize};

use super::definition::LifeStatus;
use crate::core::{Digest, Stamp};
use crate::domain::Extra;

/// What the `schema` field says.
pub const META_SCHEMA: &str = "clawteam.workflow-meta/1";

/// A workflow of a team: which versions it has, and which one is in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// [`META_SCHEMA`].
    pub schema: String,
    /// Its name, unique in the team.
    pub name: String,
    /// The name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// How far it is on its way into use.
    pub status: LifeStatus,
    /// Whose workflow it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// The version that was made last.
    pub latest: u32,
    /// The version in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<u32>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Stamp,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its versions, oldest first. They never change.
    pub versions: Vec<Version>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A version of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Its number, from 1.
    pub version: u32,
    /// The digest of its document.
    pub digest: Digest,
    /// When it was made.
    pub at: Stamp,
    /// By whom.
    pub by: String,
    /// What is new in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Meta {
    /// A version by its number.
    pub fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().find(|version| version.version == number)
    }

    /// The version that runs if none is named: the one in use, else the latest.
    pub fn current(&self) -> u32 {
        self.active.unwrap_or(self.latest)
    }
}

//! Profiles: an agent program with its model, endpoint and keys, under one name in the settings.

mod apply;
mod edit;
pub mod preset;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Extra;
use super::settings::Settings;
use crate::core::Diagnose;

pub use apply::Applied;
pub use edit::Edit;

/// Variables of an environment, in the order in which they were given.
pub type Variables = IndexMap<String, String>;

/// A profile as the settings hold it. All fields are always written, as Python's ClawTeam does;
/// those that it does not know only if they say something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// What it is for.
    pub description: String,
    /// The agent program, if no whole command is given.
    pub agent: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The model.
    pub model: String,
    /// Where the model is served.
    pub base_url: String,
    /// The variable that tells the program so, if not the usual one.
    pub base_url_env: String,
    /// Where the key comes from: the variable that holds it, or a reference.
    pub api_key_env: String,
    /// The variable that the program reads the key from, if not the usual one.
    pub api_key_target_env: String,
    /// Variables to set.
    pub env: Variables,
    /// Variables to set from others.
    pub env_map: Variables,
    /// Arguments to add at the end.
    pub args: Vec<String>,
    /// What the agent may do without asking: `ask`, `edit` or `full`; empty for what the settings
    /// say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub permissions: String,
    /// Whether the agent may use an API key that it finds in its environment, if it asks.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_api_key: bool,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a profile can say of permissions.
pub const PERMISSIONS: [&str; 3] = ["ask", "edit", "full"];

/// Why a profile or preset cannot be used or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// There is none of that name.
    #[error("Unknown profile '{0}'")]
    Unknown(String),
    /// The settings name one that does not exist.
    #[error("Configured default_profile '{0}' was not found")]
    DefaultNotFound(String),
    /// It cannot be understood.
    #[error("{what} '{name}' cannot be understood: {reason}")]
    Unreadable {
        /// A profile or a preset.
        what: &'static str,
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// It names no program and is to be used.
    #[error("Profile does not define an agent command")]
    NoCommand,
    /// It names no program and is to be saved.
    #[error("Profile must define either --agent or --command.")]
    NothingToRun,
    /// A pair is not written as one.
    #[error("Invalid {option} '{pair}'. Expected {form}.")]
    BadPair {
        /// The option.
        option: &'static str,
        /// What was given.
        pair: String,
        /// How it is written.
        form: &'static str,
    },
    /// A value that is not one of those allowed, or no value at all.
    #[error("Invalid {option} '{value}'. {expected}")]
    BadValue {
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What it can be, as a sentence.
        expected: &'static str,
    },
    /// There is one of that name already.
    #[error("Profile '{0}' already exists")]
    Exists(String),
    /// A secret that it refers to is not there.
    #[error("{wanted} needs ${variable}, which is not set")]
    NoSecret {
        /// What it is for.
        wanted: String,
        /// The variable that should hold it.
        variable: String,
    },
    /// There is no such preset.
    #[error("Unknown preset '{0}'")]
    UnknownPreset(String),
    /// There is a preset of that name already.
    #[error("Preset '{0}' already exists")]
    PresetExists(String),
    /// The preset is none of the user's.
    #[error("Local preset '{0}' not found. (Built-ins cannot be removed.)")]
    NotLocal(String),
    /// The preset says nothing of that program.
    #[error("Preset '{preset}' does not define a client override for '{client}'")]
    NoClient {
        /// The preset.
        preset: String,
        /// The program.
        client: String,
    },
}

impl Diagnose for ProfileError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) | Self::DefaultNotFound(_) => "unknown_profile",
            Self::Unreadable { .. } => "unreadable_profile",
            Self::NoCommand | Self::NothingToRun => "profile_without_command",
            Self::BadPair { .. } | Self::BadValue { .. } => "invalid_profile",
            Self::Exists(_) => "profile_exists",
            Self::NoSecret { .. } => "secret_missing",
            Self::UnknownPreset(_) | Self::NotLocal(_) => "unknown_preset",
            Self::PresetExists(_) => "preset_exists",
            Self::NoClient { .. } => "no_client",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown(_) => Some("clawteam profile list".into()),
            Self::DefaultNotFound(_) => {
                Some("clawteam config set default_profile \"\" forgets it".into())
            }
            Self::Unreadable { what, name, .. } => Some(format!(
                "mend it in ~/.clawteam/config.json, or: clawteam {what} remove {name}"
            )),
            Self::Exists(_) => Some("--force replaces it".into()),
            Self::UnknownPreset(_) => Some("clawteam preset list".into()),
            Self::NoSecret { variable, .. } => Some(format!("export {variable}=…")),
            _ => None,
        }
    }
}

/// What stands under `key` in the settings, by name. Something else than an object is nothing:
/// the other settings count all the same.
pub fn table<'a>(settings: &'a Settings, key: &str) -> Option<&'a Map<String, Value>> {
    settings.document.get(key).and_then(Value::as_object)
}

/// The names of all profiles, whether they can be understood or not.
pub fn names(settings: &Settings) -> Vec<String> {
    table(settings, "profiles").map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

/// The profile called `name`.
pub fn find(settings: &Settings, name: &str) -> Result<Profile, ProfileError> {
    let value = table(settings, "profiles").and_then(|all| all.get(name));
    let value = value.ok_or_else(|| ProfileError::Unknown(name.to_owned()))?;
    Profile::deserialize(value).map_err(|error| ProfileError::Unreadable {
        what: "profile",
        name: name.to_owned(),
        reason: error.to_string(),
    })
}

impl Profile {
    /// The program's file name, as far as the profile says it.
    pub fn program(&self) -> &str {
        let named = self.command.first().map_or(self.agent.as_str(), String::as_str);
        named.rsplit('/').next().unwrap_or(named)
    }
}

/// The name that a client goes by in presets.
pub fn canonical_client(client: &str) -> &str {
    match client {
        "claude-code" => "claude",
        "codex-cli" => "codex",
        other => other,
    }
}

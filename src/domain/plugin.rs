//! Plugins: programs that speak JSON on their standard input and output, with a manifest.

use serde::{Deserialize, Serialize};

use super::event;
use crate::core::{Diagnose, Span};

/// What a plugin says about itself in `plugin.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginManifest {
    /// Its name; the name of its directory counts.
    pub name: String,
    /// Which version of it.
    #[serde(default)]
    pub version: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Who made it.
    #[serde(default)]
    pub author: String,
    /// The program, relative to its directory, with arguments.
    pub entry: Entry,
    /// What it needs to be allowed. `events` and `prompt` are needed for what they name; the rest
    /// is told to the user, not enforced.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The kinds of events that it wants to be told of; `*` is all.
    #[serde(default)]
    pub events: Vec<String>,
    /// What it adds to the prompts of agents.
    #[serde(default)]
    pub prompt: Contribution,
    /// How it is talked to; only 1 is known.
    #[serde(default = "one")]
    pub protocol: u32,
    /// How long a call may take, if that is less than is usual.
    #[serde(default)]
    pub timeout: Option<Span>,
}

fn one() -> u32 {
    1
}

/// The program of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// The program.
    Program(String),
    /// The program and its arguments.
    Words(Vec<String>),
}

impl Entry {
    /// The program and its arguments.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Program(program) => vec![program.clone()],
            Self::Words(words) => words.clone(),
        }
    }
}

/// What a plugin adds to the prompts of agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Contribution {
    /// Whether it is asked for it each time.
    Asked(bool),
    /// Always this text.
    Text(String),
}

impl Default for Contribution {
    fn default() -> Self {
        Self::Asked(false)
    }
}

/// The permission to be told of events.
pub const EVENTS: &str = "events";
/// The permission to add to prompts.
pub const PROMPT: &str = "prompt";
/// The name of a manifest.
pub const MANIFEST: &str = "plugin.toml";

/// What Python's ClawTeam keeps about a plugin in `plugin.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PythonManifest {
    /// Its name.
    pub name: String,
    /// Which version of it.
    pub version: String,
    /// What it does.
    pub description: String,
}

/// Why a plugin cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginError {
    /// There is none of that name.
    #[error("Plugin not found: {0}")]
    NotFound(String),
    /// There is no manifest where one should be.
    #[error("{0} is no plugin: it holds no plugin.toml")]
    NoManifest(String),
    /// The manifest cannot be understood or contradicts itself.
    #[error("{place}: {reason}")]
    BadManifest {
        /// The manifest.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// There is one of that name already.
    #[error("plugin '{0}' is installed already")]
    Exists(String),
    /// It is written for Python's ClawTeam.
    #[error("plugin '{0}' is a Python module, which this program cannot load")]
    Python(String),
    /// The user did not agree.
    #[error("plugin '{0}' was not enabled: nobody agreed to what it asks for")]
    NotAgreed(String),
}

impl Diagnose for PluginError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "plugin_not_found",
            Self::NoManifest(_) | Self::BadManifest { .. } => "bad_plugin",
            Self::Exists(_) => "plugin_exists",
            Self::Python(_) => "python_plugin",
            Self::NotAgreed(_) => "not_agreed",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound(_) => "clawteam plugin list".into(),
            Self::Exists(_) => "--force replaces it".into(),
            Self::Python(_) => "a plugin is a program that speaks JSON, with a plugin.toml".into(),
            Self::NotAgreed(_) => "see what it asks for with `clawteam plugin info`, then enable \
                                   it with --yes"
                .into(),
            _ => return None,
        })
    }
}

impl PluginManifest {
    /// The manifest in `text`, which stands at `place`.
    pub fn read(text: &str, place: &str) -> Result<Self, PluginError> {
        let bad = |reason: String| PluginError::BadManifest { place: place.to_owned(), reason };
        let read: Self = toml::from_str(text).map_err(|error| bad(error.message().to_owned()))?;
        if read.protocol != 1 {
            return Err(bad(format!("protocol {} is not known, only 1", read.protocol)));
        }
        if read.entry.words().first().is_none_or(String::is_empty) {
            return Err(bad("entry names no program".into()));
        }
        let unknown = read.events.iter().find(|name| *name != "*" && event::find(name).is_err());
        if let Some(unknown) = unknown {
            return Err(bad(format!("events: there is no '{unknown}'")));
        }
        for (permission, needed) in
            [(EVENTS, !read.events.is_empty()), (PROMPT, read.prompt != Contribution::default())]
        {
            if needed && !read.may(permission) {
                return Err(bad(format!("{permission} needs the permission \"{permission}\"")));
            }
        }
        Ok(read)
    }

    /// Whether it asks for a permission.
    pub fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|known| known == permission)
    }

    /// Whether it wants to be told of a kind of event.
    pub fn hears(&self, kind: &str) -> bool {
        self.events.iter().any(|known| known == "*" || known == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_must_ask_for_what_it_uses() {
        let read = |text: &str| PluginManifest::read(text, "p");
        let fine = read(
            "name = 'a'\nentry = 'run'\nevents = ['TaskCompleted']\nprompt = 'hi'\n\
             permissions = ['events', 'prompt', 'network']",
        )
        .expect("it asks");
        assert!(fine.hears("TaskCompleted") && !fine.hears("TeamLaunch"));
        for bad in [
            "name = 'a'",
            "name = 'a'\nentry = ''",
            "name = 'a'\nentry = 'run'\nprotocol = 2",
            "name = 'a'\nentry = 'run'\nevents = ['TaskCompleted']",
            "name = 'a'\nentry = 'run'\nprompt = true",
            "name = 'a'\nentry = 'run'\nevents = ['Nope']\npermissions = ['events']",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

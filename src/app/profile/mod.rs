//! Profiles and presets: choosing, applying and changing them.

mod preset;
mod trial;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::{App, settings};
use crate::core::{Name, Outcome};
use crate::domain::profile::{self, Edit, Profile, ProfileError};
use crate::domain::settings::Settings;

pub use preset::{
    Bootstrapped, bootstrap, copy as copy_preset, generate, remove as remove_preset, remove_client,
    set as set_preset, set_client,
};
pub use trial::{DEFAULT_PROMPT, TOKEN, Trial, trial};

/// What a profile adds to the start of an agent besides its command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// The profile; empty for none.
    pub profile: String,
    /// Variables by the references that their values come from.
    pub secrets: BTreeMap<String, String>,
    /// Whether the agent may use an API key that it finds in its environment.
    pub allow_api_key: bool,
    /// What the agent is told besides its prompt.
    pub instructions: Option<String>,
}

/// A command as a profile wants it to be run.
#[derive(Debug, Clone, Default)]
pub struct Ready {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The model, unless the command names one itself.
    pub model: Option<String>,
    /// Further variables that anybody may know.
    pub env: BTreeMap<String, String>,
    /// What it may do without asking: `ask`, `edit` or `full`.
    pub permissions: Option<String>,
    /// The rest.
    pub setup: Setup,
}

/// Which profile an agent runs with that is started by itself: the one named; none if a command was
/// given; else the one that the settings name. That there are profiles changes nothing by itself.
pub fn choose(app: &App, asked: Option<&str>, has_command: bool) -> Outcome<Option<String>> {
    if let Some(name) = asked {
        profile::find(&app.settings, name)?;
        return Ok(Some(name.to_owned()));
    }
    if has_command {
        return Ok(None);
    }
    let usual = app.setting("default_profile");
    let names = profile::names(&app.settings);
    if !usual.is_empty() {
        if !names.contains(&usual) {
            return Err(ProfileError::DefaultNotFound(usual).into());
        }
        return Ok(Some(usual));
    }
    if !names.is_empty() {
        app.warn(format!(
            "no profile is used: name one with --profile or the setting default_profile (there {}: {})",
            if names.len() == 1 { "is" } else { "are" },
            names.join(", ")
        ));
    }
    Ok(None)
}

/// Applies the profile called `name` to `command`, or to its own command.
pub fn apply(app: &App, name: &str, command: Option<&[String]>) -> Outcome<Ready> {
    apply_as(app, name, &profile::find(&app.settings, name)?, command)
}

/// Applies `profile`, which is called `name`, to `command`, or to its own command.
fn apply_as(
    app: &App,
    name: &str,
    profile: &Profile,
    command: Option<&[String]>,
) -> Outcome<Ready> {
    let applied = profile.apply(name, command, |variable| app.env.get(variable).is_some())?;
    for warning in applied.warnings {
        app.warn(warning);
    }
    let secrets = applied.secrets.into_iter().map(|(name, from)| (name, from.to_string()));
    Ok(Ready {
        command: applied.command,
        model: applied.model,
        env: applied.env,
        permissions: applied.permissions,
        setup: Setup {
            profile: name.to_owned(),
            secrets: secrets.collect(),
            allow_api_key: applied.allow_api_key,
            instructions: None,
        },
    })
}

/// All profiles by name. One that cannot be understood is told and left out.
pub fn all(app: &App) -> IndexMap<String, Profile> {
    let mut found = IndexMap::new();
    for name in profile::names(&app.settings) {
        match profile::find(&app.settings, &name) {
            Ok(profile) => drop(found.insert(name, profile)),
            Err(error) => app.warn(error.to_string()),
        }
    }
    found
}

/// The profile called `name`.
pub fn get(app: &App, name: &str) -> Outcome<Profile> {
    Ok(profile::find(&app.settings, name)?)
}

/// What stands under `key` in the settings, to be changed. Something else than an object there is
/// no table of any names, and is replaced.
fn entries<'a>(settings: &'a mut Settings, key: &str) -> &'a mut Map<String, Value> {
    let value = settings.document.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was just made one")
}

fn value<T: serde::Serialize>(document: &T) -> Value {
    serde_json::to_value(document).expect("settings have text keys")
}

fn told_of_literals(app: &App, names: &[String]) {
    if !names.is_empty() {
        app.warn(format!(
            "the value of {} stands in ~/.clawteam/config.json; env:NAME or cmd:COMMAND would \
             only say where it comes from",
            names.join(", ")
        ));
    }
}

/// Makes or changes a profile.
pub fn set(app: &App, name: &str, edit: &Edit) -> Outcome<Profile> {
    let name = Name::parse_as("profile name", name)?;
    let (profile, literals) = settings::change(app, |settings| {
        let mut profile = match profile::find(settings, name.as_str()) {
            Err(ProfileError::Unknown(_)) => Profile::default(),
            found => found?,
        };
        let literals = edit.apply(&mut profile)?;
        if profile.agent.is_empty() && profile.command.is_empty() {
            return Err(ProfileError::NothingToRun.into());
        }
        entries(settings, "profiles").insert(name.to_string(), value(&profile));
        Ok((profile, literals))
    })?;
    told_of_literals(app, &literals);
    Ok(profile)
}

/// Saves a whole profile. One of that name is replaced only by `force`.
pub fn save(app: &App, name: &str, profile: &Profile, force: bool) -> Outcome<()> {
    let name = Name::parse_as("profile name", name)?;
    settings::change(app, |settings| {
        let all = entries(settings, "profiles");
        if !force && all.contains_key(name.as_str()) {
            return Err(ProfileError::Exists(name.to_string()).into());
        }
        all.insert(name.to_string(), value(profile));
        Ok(())
    })
}

/// Removes a profile, whether it can be understood or not.
pub fn remove(app: &App, name: &str) -> Outcome<()> {
    settings::change(app, |settings| {
        let gone = entries(settings, "profiles").shift_remove(name);
        gone.map(|_| ()).ok_or_else(|| ProfileError::Unknown(name.to_owned()).into())
    })?;
    if app.setting("default_profile") == name {
        app.warn(format!(
            "the setting default_profile still names '{name}': clawteam config set default_profile \"\""
        ));
    }
    Ok(())
}

/// Where Claude Code keeps its own settings.
pub fn claude_settings(home: &Path) -> PathBuf {
    home.join(".claude.json")
}

/// The settings of Claude Code with the mark that its first-time questions are answered. `None` for
/// what is no JSON object.
pub fn onboarded(text: Option<&str>) -> Option<Value> {
    let mut document: Map<String, Value> = match text.map(str::trim) {
        None | Some("") => Map::new(),
        Some(text) => serde_json::from_str(text).ok()?,
    };
    document.insert("hasCompletedOnboarding".into(), true.into());
    Some(Value::Object(document))
}

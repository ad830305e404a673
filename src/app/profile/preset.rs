//! Changing presets, and making profiles of them.

use serde::Serialize;

use super::{entries, profile, save, told_of_literals, value};
use crate::app::{App, settings};
use crate::core::{Name, Outcome};
use crate::domain::profile::preset::{self, Preset};
use crate::domain::profile::{Edit, Profile, ProfileError, canonical_client};

/// Changes the user's preset `name`, a copy of the built-in one if there is none yet.
fn change<T>(
    app: &App,
    name: &str,
    edit: impl FnOnce(&mut Preset) -> Result<T, ProfileError>,
) -> Outcome<T> {
    let name = Name::parse_as("preset name", name)?;
    settings::change(app, |settings| {
        let mut changed = match preset::find(settings, name.as_str()) {
            Err(ProfileError::UnknownPreset(_)) => Preset::default(),
            found => found?.preset,
        };
        let result = edit(&mut changed)?;
        entries(settings, "presets").insert(name.to_string(), value(&changed));
        Ok(result)
    })
}

/// Makes or changes a preset.
pub fn set(
    app: &App,
    name: &str,
    description: Option<&str>,
    auth_env: Option<&str>,
    base_url: Option<&str>,
    env: &[String],
) -> Outcome<()> {
    change(app, name, |preset| preset.edit(description, auth_env, base_url, env))
}

/// Makes or changes what a preset says of one agent program.
pub fn set_client(app: &App, name: &str, client: &str, edit: &Edit) -> Outcome<()> {
    Name::parse_as("client name", client)?;
    let literals = change(app, name, |preset| preset.edit_client(client, edit))?;
    told_of_literals(app, &literals);
    Ok(())
}

/// Copies a preset to a name that nobody has.
pub fn copy(app: &App, source: &str, target: &str) -> Outcome<()> {
    let target = Name::parse_as("preset name", target)?;
    settings::change(app, |settings| {
        let found = preset::find(settings, source)?.preset;
        let taken = profile::table(settings, "presets")
            .is_some_and(|all| all.contains_key(target.as_str()))
            || preset::built_in().contains_key(target.as_str());
        if taken {
            return Err(ProfileError::PresetExists(target.to_string()).into());
        }
        entries(settings, "presets").insert(target.to_string(), value(&found));
        Ok(())
    })
}

/// Removes a preset of the user, whether it can be understood or not.
pub fn remove(app: &App, name: &str) -> Outcome<()> {
    settings::change(app, |settings| {
        let gone = entries(settings, "presets").shift_remove(name);
        gone.map(|_| ()).ok_or_else(|| ProfileError::NotLocal(name.to_owned()).into())
    })
}

/// Removes what a preset of the user says of one agent program.
pub fn remove_client(app: &App, name: &str, client: &str) -> Outcome<()> {
    settings::change(app, |settings| {
        let found = preset::local(settings, name)?;
        let mut changed = found.ok_or_else(|| ProfileError::NotLocal(name.to_owned()))?;
        let client = canonical_client(client);
        if changed.client_overrides.shift_remove(client).is_none() {
            let (preset, client) = (name.to_owned(), client.to_owned());
            return Err(ProfileError::NoClient { preset, client }.into());
        }
        entries(settings, "presets").insert(name.to_owned(), value(&changed));
        Ok(())
    })
}

/// Makes a profile of a preset for one agent program. Returns its name and what is in it.
pub fn generate(
    app: &App,
    name: &str,
    client: &str,
    profile_name: Option<&str>,
    force: bool,
) -> Outcome<(String, Profile)> {
    let found = preset::find(&app.settings, name)?.preset;
    let (usual, profile) = found.profile(name, client)?;
    let saved = profile_name.map_or(usual, str::to_owned);
    save(app, &saved, &profile, force)?;
    Ok((saved, profile))
}

/// Which profiles were made of a preset.
#[derive(Debug, Clone, Serialize)]
pub struct Bootstrapped {
    /// The preset.
    pub preset: String,
    /// Profiles that were made.
    pub generated: Vec<String>,
    /// Profiles that were there already.
    pub skipped: Vec<String>,
}

/// Makes a profile of a preset for each of `clients`, or for all that it knows.
pub fn bootstrap(app: &App, name: &str, clients: &[String], force: bool) -> Outcome<Bootstrapped> {
    let found = preset::find(&app.settings, name)?.preset;
    let all: Vec<String> = found.client_overrides.keys().cloned().collect();
    let clients = if clients.is_empty() { &all } else { clients };
    // All or nothing: a client that is not known stops it before anything is saved.
    let made: Result<Vec<_>, _> = clients.iter().map(|c| found.profile(name, c)).collect();
    let mut done =
        Bootstrapped { preset: name.to_owned(), generated: Vec::new(), skipped: Vec::new() };
    settings::change(app, |settings| {
        let all = entries(settings, "profiles");
        for (name, profile) in made? {
            if all.contains_key(&name) && !force {
                done.skipped.push(name);
            } else {
                all.insert(name.clone(), value(&profile));
                done.generated.push(name);
            }
        }
        Ok(())
    })?;
    Ok(done)
}

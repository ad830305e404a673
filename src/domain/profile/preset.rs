//! Presets: providers that profiles can be made from, one for each agent program.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Edit, Profile, ProfileError, Variables, canonical_client, edit, table};
use crate::domain::Extra;
use crate::domain::settings::Settings;

/// A provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Preset {
    /// What it is.
    pub description: String,
    /// The variable that holds the key, or a reference.
    pub auth_env: String,
    /// Where models are served, for programs that do not say otherwise.
    pub base_url: String,
    /// Variables for all programs.
    pub env: Variables,
    /// What is different for each agent program.
    pub client_overrides: IndexMap<String, Profile>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where a preset comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// It comes with clawteam.
    Builtin,
    /// It stands in the settings.
    Local,
}

impl Source {
    /// The source in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Local => "local",
        }
    }
}

/// A preset with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The preset.
    pub preset: Preset,
    /// Where it comes from.
    pub source: Source,
}

/// The presets that come with clawteam.
pub fn built_in() -> IndexMap<String, Preset> {
    toml::from_str(include_str!("presets.toml")).expect("the built-in presets are valid")
}

fn read(name: &str, value: &Value) -> Result<Preset, ProfileError> {
    Preset::deserialize(value).map_err(|error| ProfileError::Unreadable {
        what: "preset",
        name: name.to_owned(),
        reason: error.to_string(),
    })
}

/// The user's preset `name`, if there is one.
pub fn local(settings: &Settings, name: &str) -> Result<Option<Preset>, ProfileError> {
    let found = table(settings, "presets").and_then(|all| all.get(name));
    found.map(|value| read(name, value)).transpose()
}

/// The preset called `name`: the user's, or the one that comes with clawteam.
pub fn find(settings: &Settings, name: &str) -> Result<Found, ProfileError> {
    if let Some(preset) = local(settings, name)? {
        return Ok(Found { preset, source: Source::Local });
    }
    let preset = built_in().shift_remove(name);
    let preset = preset.ok_or_else(|| ProfileError::UnknownPreset(name.to_owned()))?;
    Ok(Found { preset, source: Source::Builtin })
}

/// All presets by name, and what is wrong with those of the user that cannot be understood.
pub fn all(settings: &Settings) -> (IndexMap<String, Found>, Vec<ProfileError>) {
    let mut bad = Vec::new();
    let mut found: IndexMap<String, Found> = built_in()
        .into_iter()
        .map(|(name, preset)| (name, Found { preset, source: Source::Builtin }))
        .collect();
    for (name, value) in table(settings, "presets").into_iter().flatten() {
        match read(name, value) {
            Ok(preset) => {
                found.insert(name.clone(), Found { preset, source: Source::Local });
            }
            Err(error) => bad.push(error),
        }
    }
    found.sort_keys();
    (found, bad)
}

impl Preset {
    /// The profile for an agent program, called `<client>-<preset>` unless somebody says otherwise.
    pub fn profile(&self, name: &str, client: &str) -> Result<(String, Profile), ProfileError> {
        let client = canonical_client(client);
        let own = self.client_overrides.get(client).cloned();
        let mut profile = own.ok_or_else(|| ProfileError::NoClient {
            preset: name.to_owned(),
            client: client.to_owned(),
        })?;
        if profile.agent.is_empty() && profile.command.is_empty() {
            client.clone_into(&mut profile.agent);
        }
        for (field, inherited) in [
            (&mut profile.description, &self.description),
            (&mut profile.base_url, &self.base_url),
            (&mut profile.api_key_env, &self.auth_env),
        ] {
            if field.is_empty() {
                field.clone_from(inherited);
            }
        }
        let mut env = self.env.clone();
        env.extend(profile.env);
        profile.env = env;
        Ok((format!("{client}-{name}"), profile))
    }

    /// Changes what the preset says for all programs.
    pub fn edit(
        &mut self,
        description: Option<&str>,
        auth_env: Option<&str>,
        base_url: Option<&str>,
        env: &[String],
    ) -> Result<(), ProfileError> {
        if let Some(text) = description {
            text.clone_into(&mut self.description);
        }
        if let Some(source) = auth_env {
            self.auth_env = edit::key_source("auth-env", source)?;
        }
        if let Some(url) = base_url {
            url.clone_into(&mut self.base_url);
        }
        if !env.is_empty() {
            self.env = edit::pairs("env", "KEY=VALUE", env)?;
        }
        Ok(())
    }

    /// Changes what the preset says for one program. Returns what [`Edit::apply`] does.
    pub fn edit_client(&mut self, client: &str, edit: &Edit) -> Result<Vec<String>, ProfileError> {
        edit.apply(self.client_overrides.entry(canonical_client(client).to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_preset_makes_a_profile_for_each_of_its_programs() {
        let all = built_in();
        assert_eq!(all.len(), 13);
        for (name, preset) in &all {
            assert!(
                !preset.description.is_empty() && !preset.client_overrides.is_empty(),
                "{name}"
            );
            for client in preset.client_overrides.keys() {
                let (made, profile) = preset.profile(name, client).expect("an override");
                assert_eq!(made, format!("{client}-{name}"));
                assert_eq!(&profile.agent, client);
                assert_eq!(profile.api_key_env, preset.auth_env);
                assert!(preset.extra.is_empty() && profile.extra.is_empty(), "{name}: a typo");
            }
        }
    }

    #[test]
    fn a_generated_profile_inherits_and_may_differ() {
        let preset: Preset = serde_json::from_str(
            r#"{"description": "d", "auth_env": "K", "base_url": "http://all", "env": {"A": "1", "B": "1"},
                "client_overrides": {"claude": {"base_url": "http://own", "env": {"B": "2"}},
                                     "codex": {"command": ["codex", "x"], "api_key_env": "L"}}}"#,
        )
        .expect("a preset");
        let (name, claude) = preset.profile("p", "claude-code").expect("an alias");
        assert_eq!((name.as_str(), claude.base_url.as_str()), ("claude-p", "http://own"));
        assert_eq!((claude.env["A"].as_str(), claude.env["B"].as_str()), ("1", "2"));
        let (_, codex) = preset.profile("p", "codex").expect("an override");
        assert_eq!((codex.agent.as_str(), codex.api_key_env.as_str()), ("", "L"));
        assert_eq!(codex.base_url, "http://all");
        let none = preset.profile("p", "kimi").expect_err("nothing").to_string();
        assert_eq!(none, "Preset 'p' does not define a client override for 'kimi'");
    }
}

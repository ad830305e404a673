//! Changes of a profile as they are asked for on the command line.

use super::{PERMISSIONS, Profile, ProfileError, Variables};
use crate::domain::secret::{self, Reference};

/// What to change. What is `None` or empty stays as it is; lists and maps are replaced whole.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// The agent program.
    pub agent: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The program and its arguments, as in a shell.
    pub command: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// Where the model is served.
    pub base_url: Option<String>,
    /// The variable that tells the program so.
    pub base_url_env: Option<String>,
    /// Where the key comes from.
    pub api_key_env: Option<String>,
    /// The variable that the program reads the key from.
    pub api_key_target_env: Option<String>,
    /// Variables to set, `KEY=VALUE`.
    pub env: Vec<String>,
    /// Variables to set from others, `DEST=SOURCE`.
    pub env_map: Vec<String>,
    /// Arguments to add.
    pub args: Vec<String>,
    /// What it may do without asking.
    pub permissions: Option<String>,
    /// Whether it may use an API key that it finds.
    pub allow_api_key: Option<bool>,
}

/// The pairs of an option by their first halves.
pub(super) fn pairs(
    option: &'static str,
    form: &'static str,
    given: &[String],
) -> Result<Variables, ProfileError> {
    let bad = |pair: &String| ProfileError::BadPair { option, pair: pair.clone(), form };
    let mut found = Variables::new();
    for pair in given {
        let (name, value) = pair.split_once('=').ok_or_else(|| bad(pair))?;
        let name = name.trim();
        if !secret::is_variable(name) || option == "env-map" && !secret::is_variable(value.trim()) {
            return Err(bad(pair));
        }
        if option == "env" {
            check_reference(option, value)?;
            found.insert(name.to_owned(), value.to_owned());
        } else {
            found.insert(name.to_owned(), value.trim().to_owned());
        }
    }
    Ok(found)
}

/// Refuses what looks like a reference and is none.
fn check_reference(option: &'static str, value: &str) -> Result<(), ProfileError> {
    let meant = value.starts_with("env:") || value.starts_with("cmd:");
    if meant && Reference::written(value).is_none() {
        let expected = "A reference is env:NAME or cmd:COMMAND.";
        return Err(ProfileError::BadValue { option, value: value.to_owned(), expected });
    }
    Ok(())
}

/// The name of a variable, or nothing.
fn variable(option: &'static str, value: &str) -> Result<String, ProfileError> {
    if value.is_empty() || secret::is_variable(value) {
        return Ok(value.to_owned());
    }
    let expected = "Expected the name of an environment variable.";
    Err(ProfileError::BadValue { option, value: value.to_owned(), expected })
}

/// Where a key comes from, or nothing.
pub(super) fn key_source(option: &'static str, value: &str) -> Result<String, ProfileError> {
    check_reference(option, value)?;
    if Reference::written(value).is_some() {
        return Ok(value.to_owned());
    }
    variable(option, value).map_err(|_| ProfileError::BadValue {
        option,
        // What was given may be the key itself.
        value: "…".to_owned(),
        expected: "Expected the name of the variable that holds the key, env:NAME or cmd:COMMAND, \
                   not the key itself.",
    })
}

impl Edit {
    /// Changes `profile`. Returns the names of variables whose values should rather be
    /// references.
    pub fn apply(&self, profile: &mut Profile) -> Result<Vec<String>, ProfileError> {
        let set = |field: &mut String, value: &Option<String>| {
            if let Some(value) = value {
                field.clone_from(value);
            }
        };
        set(&mut profile.agent, &self.agent);
        set(&mut profile.description, &self.description);
        set(&mut profile.model, &self.model);
        set(&mut profile.base_url, &self.base_url);
        if let Some(command) = &self.command {
            profile.command = shlex::split(command).ok_or_else(|| ProfileError::BadValue {
                option: "command",
                value: command.clone(),
                expected: "A quote is not closed.",
            })?;
        }
        if let Some(name) = &self.base_url_env {
            profile.base_url_env = variable("base-url-env", name)?;
        }
        if let Some(name) = &self.api_key_env {
            profile.api_key_env = key_source("api-key-env", name)?;
        }
        if let Some(name) = &self.api_key_target_env {
            profile.api_key_target_env = variable("api-key-target-env", name)?;
        }
        if !self.env.is_empty() {
            profile.env = pairs("env", "KEY=VALUE", &self.env)?;
        }
        if !self.env_map.is_empty() {
            profile.env_map = pairs("env-map", "DEST=SOURCE", &self.env_map)?;
        }
        if !self.args.is_empty() {
            profile.args.clone_from(&self.args);
        }
        if let Some(level) = &self.permissions {
            if !level.is_empty() && !PERMISSIONS.contains(&level.as_str()) {
                return Err(ProfileError::BadValue {
                    option: "permissions",
                    value: level.clone(),
                    expected: "One of ask, edit, full.",
                });
            }
            profile.permissions.clone_from(level);
        }
        profile.allow_api_key = self.allow_api_key.unwrap_or(profile.allow_api_key);
        let literal = |(name, value): (&String, &String)| {
            let plain = secret::is_secret_name(name) && Reference::written(value).is_none();
            (plain && !value.is_empty()).then(|| name.clone())
        };
        let given = if self.env.is_empty() { Vec::new() } else { profile.env.iter().collect() };
        Ok(given.into_iter().filter_map(literal).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_replaces_and_the_rest_stays() {
        let mut profile = Profile { model: "m".into(), ..Profile::default() };
        let edit = Edit {
            command: Some("claude --flag 'two words'".into()),
            env: vec!["A=1=2".into(), "B_KEY=x".into(), "C_KEY=env:C".into()],
            env_map: vec!["D = E".into()],
            ..Edit::default()
        };
        assert_eq!(edit.apply(&mut profile).expect("it is well formed"), ["B_KEY"]);
        assert_eq!(profile.command, ["claude", "--flag", "two words"]);
        assert_eq!((profile.model.as_str(), profile.env["A"].as_str()), ("m", "1=2"));
        assert_eq!(profile.env_map["D"], "E");
    }

    #[test]
    fn bad_pairs_and_values_are_refused() {
        let env = |pair: &str| Edit { env: vec![pair.into()], ..Edit::default() };
        for bad in ["A", "=x", "1A=x", "A-B=x", "A=env:", "A=cmd: "] {
            assert!(env(bad).apply(&mut Profile::default()).is_err(), "{bad}");
        }
        let text = env("A").apply(&mut Profile::default()).expect_err("no pair").to_string();
        assert_eq!(text, "Invalid env 'A'. Expected KEY=VALUE.");
        let key = Edit { api_key_env: Some("sk-ant-very-secret".into()), ..Edit::default() };
        let text = key.apply(&mut Profile::default()).expect_err("a key").to_string();
        assert!(!text.contains("sk-ant"), "{text}");
        let level = Edit { permissions: Some("all".into()), ..Edit::default() };
        assert!(level.apply(&mut Profile::default()).is_err());
        let quote = Edit { command: Some("claude 'x".into()), ..Edit::default() };
        assert!(quote.apply(&mut Profile::default()).is_err());
    }
}

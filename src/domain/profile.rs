//! Profiles: an agent program with its model, endpoint and keys, under one name in the settings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::settings::Settings;
use crate::core::Diagnose;

/// A profile as the settings hold it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Profile {
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
    /// The variable that holds the key.
    pub api_key_env: String,
    /// The variable that the program reads the key from, if not the usual one.
    pub api_key_target_env: String,
    /// Variables to set.
    pub env: BTreeMap<String, String>,
    /// Variables to set from others.
    pub env_map: BTreeMap<String, String>,
    /// Arguments to add at the end.
    pub args: Vec<String>,
}

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// There is none of that name.
    #[error("Unknown profile '{0}'")]
    Unknown(String),
    /// It is no profile.
    #[error("profile '{name}' cannot be understood: {reason}")]
    Unreadable {
        /// Its name.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// It names no program.
    #[error("Profile does not define an agent command")]
    NoCommand,
}

impl Diagnose for ProfileError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown_profile",
            Self::Unreadable { .. } => "unreadable_profile",
            Self::NoCommand => "profile_without_command",
        }
    }
}

/// What a profile makes of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables for its environment.
    pub env: BTreeMap<String, String>,
}

/// The variables for endpoint and key that a program reads, and whether it takes `--model`.
fn habits(program: &str) -> (&'static str, &'static str, bool) {
    match program {
        "claude" | "claude-code" => ("ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", true),
        "codex" | "codex-cli" => ("OPENAI_BASE_URL", "OPENAI_API_KEY", true),
        "gemini" => ("GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY", true),
        "kimi" => ("KIMI_BASE_URL", "KIMI_API_KEY", true),
        "pi" => ("", "", true),
        _ => ("", "", false),
    }
}

/// The profile called `name`.
pub fn find(settings: &Settings, name: &str) -> Result<Profile, ProfileError> {
    let value = settings.document.get("profiles").and_then(|all| all.get(name));
    let value: &Value = value.ok_or_else(|| ProfileError::Unknown(name.to_owned()))?;
    Profile::deserialize(value).map_err(|error| ProfileError::Unreadable {
        name: name.to_owned(),
        reason: error.to_string(),
    })
}

impl Profile {
    /// Applies the profile to `command`, or to its own command if that is `None`. `var` gives the
    /// variables of the present environment.
    pub fn apply(
        &self,
        command: Option<&[String]>,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Applied, ProfileError> {
        let mut command = match command {
            Some(command) => command.to_vec(),
            None if !self.command.is_empty() => self.command.clone(),
            None if !self.agent.is_empty() => vec![self.agent.clone()],
            None => return Err(ProfileError::NoCommand),
        };
        let program = command.first().map_or("", |program| program.as_str());
        let program = program.rsplit('/').next().unwrap_or(program).to_owned();
        let (url_variable, key_variable, takes_model) = habits(&program);
        let mut env = self.env.clone();
        for (target, source) in &self.env_map {
            if let Some(value) = var(source) {
                env.insert(target.clone(), value);
            }
        }
        let either = |own: &str, usual: &str| if own.is_empty() { usual } else { own }.to_owned();
        let mut offer = |name: String, value: Option<String>| {
            let wanted = !name.is_empty() && !env.contains_key(&name) && var(&name).is_none();
            if let Some(value) = value.filter(|value| wanted && !value.is_empty()) {
                env.insert(name, value);
            }
        };
        offer(either(&self.base_url_env, url_variable), Some(self.base_url.clone()));
        if !self.api_key_env.is_empty() {
            offer(either(&self.api_key_target_env, key_variable), var(&self.api_key_env));
        }
        let has_model = command.iter().any(|word| word == "--model" || word == "-m");
        if !self.model.is_empty() && takes_model && !has_model {
            command.extend(["--model".to_owned(), self.model.clone()]);
        }
        command.extend(self.args.iter().cloned());
        Ok(Applied { command, env })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_gives_command_model_endpoint_and_key() {
        let text = r#"{"profiles": {"p": {"agent": "claude", "model": "m", "base_url": "http://x",
            "api_key_env": "KEY", "env": {"A": "1"}, "env_map": {"B": "C"}, "args": ["--y"]}}}"#;
        let settings = Settings { document: serde_json::from_str(text).expect("an object") };
        let profile = find(&settings, "p").expect("a profile");
        let var = |name: &str| match name {
            "KEY" => Some("secret".to_owned()),
            "C" => Some("2".to_owned()),
            _ => None,
        };
        let applied = profile.apply(None, var).expect("it names a program");
        assert_eq!(applied.command, ["claude", "--model", "m", "--y"]);
        let env: Vec<(&str, &str)> =
            applied.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            env,
            [
                ("A", "1"),
                ("ANTHROPIC_AUTH_TOKEN", "secret"),
                ("ANTHROPIC_BASE_URL", "http://x"),
                ("B", "2")
            ]
        );
        let own = ["sh".to_owned()];
        assert_eq!(profile.apply(Some(&own), var).expect("given").command, ["sh", "--y"]);
        assert_eq!(find(&settings, "q"), Err(ProfileError::Unknown("q".into())));
        assert_eq!(Profile::default().apply(None, var), Err(ProfileError::NoCommand));
    }
}

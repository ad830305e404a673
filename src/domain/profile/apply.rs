//! What a profile makes of a command.

use std::collections::BTreeMap;

use super::{PERMISSIONS, Profile, ProfileError, canonical_client};
use crate::domain::secret::{self, Reference};

/// What a profile makes of a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The model, unless the command names one itself.
    pub model: Option<String>,
    /// Variables for its environment that anybody may know.
    pub env: BTreeMap<String, String>,
    /// Variables with where their values come from.
    pub secrets: BTreeMap<String, Reference>,
    /// What it may do without asking.
    pub permissions: Option<String>,
    /// Whether it may use an API key that it finds in its environment.
    pub allow_api_key: bool,
    /// What to tell the user.
    pub warnings: Vec<String>,
}

/// The variables for endpoint and key that a program reads.
fn habits(program: &str) -> (&'static str, &'static str) {
    match canonical_client(program) {
        "claude" => ("ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN"),
        "codex" => ("OPENAI_BASE_URL", "OPENAI_API_KEY"),
        "gemini" => ("GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY"),
        "kimi" => ("KIMI_BASE_URL", "KIMI_API_KEY"),
        _ => ("", ""),
    }
}

impl Profile {
    /// Applies the profile called `name` to `command`, or to its own command if that is `None`.
    /// `is_set` knows the variables of the present environment; their values are not looked at.
    pub fn apply(
        &self,
        name: &str,
        command: Option<&[String]>,
        is_set: impl Fn(&str) -> bool,
    ) -> Result<Applied, ProfileError> {
        let mut made = Applied { command: self.base(command)?, ..Applied::default() };
        let program = made.command.first().map_or("", String::as_str);
        let program = program.rsplit('/').next().unwrap_or(program).to_owned();
        for (variable, value) in &self.env {
            let reference = Reference::written(value).or_else(|| {
                // A secret that stands in the settings need not stand in other places, too.
                secret::is_secret_name(variable).then(|| Reference::Profile {
                    profile: name.to_owned(),
                    variable: variable.clone(),
                })
            });
            match reference {
                Some(Reference::Variable(source)) if !is_set(&source) => {
                    let wanted = format!("profile '{name}' ({variable})");
                    return Err(ProfileError::NoSecret { wanted, variable: source });
                }
                Some(reference) => drop(made.secrets.insert(variable.clone(), reference)),
                None => drop(made.env.insert(variable.clone(), value.clone())),
            }
        }
        for (target, source) in self.env_map.iter().filter(|(_, source)| is_set(source)) {
            made.env.remove(target);
            made.secrets.insert(target.clone(), Reference::Variable(source.clone()));
        }
        let (url, key) = habits(&program);
        let either = |own: &str, usual: &str| if own.is_empty() { usual } else { own }.to_owned();
        let url = either(&self.base_url_env, url);
        if !url.is_empty() && !self.base_url.is_empty() && !made.has(&url) {
            made.env.insert(url, self.base_url.clone());
        }
        self.key(name, either(&self.api_key_target_env, key), is_set, &mut made);
        let has_model = made.command.iter().chain(&self.args).any(|word| {
            word == "--model"
                || word == "-m" && program != "nanobot"
                || word.starts_with("--model=")
        });
        made.model = (!self.model.is_empty() && !has_model).then(|| self.model.clone());
        made.command.extend(self.args.iter().cloned());
        made.permissions = self.permissions()?;
        made.allow_api_key = self.allow_api_key;
        Ok(made)
    }

    fn base(&self, command: Option<&[String]>) -> Result<Vec<String>, ProfileError> {
        match command {
            Some(command) => Ok(command.to_vec()),
            None if !self.command.is_empty() => Ok(self.command.clone()),
            None if !self.agent.is_empty() => Ok(vec![self.agent.clone()]),
            None => Err(ProfileError::NoCommand),
        }
    }

    fn key(&self, name: &str, target: String, is_set: impl Fn(&str) -> bool, made: &mut Applied) {
        if self.api_key_env.is_empty() || target.is_empty() || made.has(&target) {
            return;
        }
        let reference = Reference::written(&self.api_key_env)
            .unwrap_or_else(|| Reference::Variable(self.api_key_env.clone()));
        match &reference {
            // A program may have other ways to log in.
            Reference::Variable(source) if !is_set(source) => made
                .warnings
                .push(format!("profile '{name}' takes its key from ${source}, which is not set")),
            _ => drop(made.secrets.insert(target, reference)),
        }
    }

    fn permissions(&self) -> Result<Option<String>, ProfileError> {
        match self.permissions.as_str() {
            "" => Ok(None),
            level if PERMISSIONS.contains(&level) => Ok(Some(level.to_owned())),
            other => Err(ProfileError::BadValue {
                option: "permissions",
                value: other.to_owned(),
                expected: "One of ask, edit, full.",
            }),
        }
    }
}

impl Applied {
    fn has(&self, variable: &str) -> bool {
        self.env.contains_key(variable) || self.secrets.contains_key(variable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::find;
    use crate::domain::settings::Settings;

    fn profile(text: &str) -> Profile {
        serde_json::from_str(text).expect("a profile")
    }

    fn pairs(applied: &Applied) -> Vec<String> {
        let plain = applied.env.iter().map(|(name, value)| format!("{name}={value}"));
        let secret = applied.secrets.iter().map(|(name, from)| format!("{name}<{from}"));
        plain.chain(secret).collect()
    }

    #[test]
    fn a_profile_gives_command_model_endpoint_and_key_and_holds_no_secret() {
        let profile = profile(
            r#"{"agent": "claude", "model": "m", "base_url": "http://x", "api_key_env": "KEY",
                "env": {"A": "1", "B_TOKEN": "literal", "P": "cmd:pass p", "E": "env:KEY"},
                "env_map": {"C": "KEY", "D": "UNSET"}, "args": ["--y"], "permissions": "edit"}"#,
        );
        let set = |name: &str| name == "KEY";
        let applied = profile.apply("p", None, set).expect("it names a program");
        assert_eq!(applied.command, ["claude", "--y"]);
        assert_eq!(applied.model.as_deref(), Some("m"));
        assert_eq!(applied.permissions.as_deref(), Some("edit"));
        assert_eq!(
            pairs(&applied),
            [
                "A=1",
                "ANTHROPIC_BASE_URL=http://x",
                "ANTHROPIC_AUTH_TOKEN<env:KEY",
                "B_TOKEN<profile:p/B_TOKEN",
                "C<env:KEY",
                "E<env:KEY",
                "P<cmd:pass p",
            ]
        );
        let own = ["sh".to_owned(), "--model=n".to_owned()];
        let applied = profile.apply("p", Some(&own), set).expect("given");
        assert_eq!((applied.command.join(" "), applied.model), ("sh --model=n --y".into(), None));
    }

    #[test]
    fn a_missing_secret_is_an_error_where_it_is_asked_for_and_a_warning_where_it_is_usual() {
        let asked = profile(r#"{"agent": "claude", "env": {"A": "env:GONE"}}"#);
        assert!(matches!(asked.apply("p", None, |_| false), Err(ProfileError::NoSecret { .. })));
        let usual = profile(r#"{"agent": "claude", "api_key_env": "GONE"}"#);
        let applied = usual.apply("p", None, |_| false).expect("it may log in otherwise");
        assert!(applied.secrets.is_empty() && applied.warnings[0].contains("$GONE"));
        let none = Profile::default().apply("p", None, |_| false);
        assert_eq!(none, Err(ProfileError::NoCommand));
    }

    #[test]
    fn one_bad_profile_does_not_hide_the_others() {
        let text =
            r#"{"profiles": {"bad": {"command": "claude --x"}, "good": {"agent": "codex"}}}"#;
        let settings = Settings { document: serde_json::from_str(text).expect("an object") };
        assert!(matches!(find(&settings, "bad"), Err(ProfileError::Unreadable { .. })));
        assert_eq!(find(&settings, "good").expect("a profile").agent, "codex");
        assert_eq!(find(&settings, "q"), Err(ProfileError::Unknown("q".into())));
    }
}

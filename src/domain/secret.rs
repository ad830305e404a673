//! Secrets by reference: what is written down says where a secret comes from, never what it is.

use std::fmt;

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `env:NAME`: the variable of whoever starts the agent.
    Variable(String),
    /// `cmd:COMMAND`: what a shell command prints, run each time that an agent starts.
    Command(String),
    /// `profile:PROFILE/NAME`: the variable as the profile in the settings has it.
    Profile {
        /// The profile.
        profile: String,
        /// The variable in it.
        variable: String,
    },
    /// `json:FILE#POINTER`: the text at that place of a JSON file, if it is there.
    Json {
        /// The file.
        file: String,
        /// The place, as a JSON pointer.
        at: String,
    },
}

impl Reference {
    /// The reference that `text` is; `None` for a plain value. Only the first two kinds can be
    /// written by people.
    pub fn written(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("env:") {
            return is_variable(name).then(|| Self::Variable(name.to_owned()));
        }
        let command = text.strip_prefix("cmd:")?.trim();
        (!command.is_empty()).then(|| Self::Command(command.to_owned()))
    }

    /// The reference that a launch plan holds.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((profile, variable)) =
            text.strip_prefix("profile:").and_then(|rest| rest.rsplit_once('/'))
        {
            let (profile, variable) = (profile.to_owned(), variable.to_owned());
            return Some(Self::Profile { profile, variable });
        }
        if let Some((file, at)) = text.strip_prefix("json:").and_then(|rest| rest.rsplit_once('#'))
        {
            return Some(Self::Json { file: file.to_owned(), at: at.to_owned() });
        }
        Self::written(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::Command(command) => write!(f, "cmd:{command}"),
            Self::Profile { profile, variable } => write!(f, "profile:{profile}/{variable}"),
            Self::Json { file, at } => write!(f, "json:{file}#{at}"),
        }
    }
}

/// Whether `name` can be the name of an environment variable.
pub fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Words in the names of variables whose values are secrets.
const TELLING: [&str; 16] = [
    "KEY",
    "KEYS",
    "APIKEY",
    "TOKEN",
    "TOKENS",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "CREDENTIALS",
    "AUTH",
    "COOKIE",
    "PAT",
    "DSN",
];

/// Whether the value of the variable `name` is most likely a secret. Wrong guesses in this
/// direction do no harm: such a value is handed over instead of written down.
pub fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    upper.split('_').any(|word| TELLING.contains(&word))
        || ["APIKEY", "TOKEN", "SECRET", "PASSWORD", "DATABASE_URL", "CONNECTION_STRING"]
            .iter()
            .any(|end| upper.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_plain_values_and_come_back_as_they_were() {
        for text in [
            "env:MY_KEY",
            "cmd:pass show work/key",
            "profile:a.b/ANTHROPIC_AUTH_TOKEN",
            "json:/home/me/#1/set.json#/gateway/auth/token",
        ] {
            assert_eq!(Reference::parse(text).expect("a reference").to_string(), text);
        }
        for plain in ["", "x", "env:", "env:1A", "env:A-B", "cmd:", "cmd:  ", "https://x", "Env:A"]
        {
            assert_eq!(Reference::parse(plain), None, "{plain}");
        }
        assert_eq!(Reference::written("profile:a/B"), None);
        assert_eq!(Reference::written("json:a#/b"), None);
    }

    #[test]
    fn names_tell_secrets() {
        for name in [
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "GITHUB_TOKEN",
            "PGPASSWORD",
            "db_password",
            "AWS_SECRET_ACCESS_KEY",
            "SSH_AUTH_SOCK",
            "GITHUB_PAT",
            "DATABASE_URL",
            "MYAPIKEY",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["PATH", "HOME", "ANTHROPIC_MODEL", "KEYBOARD", "AUTHOR", "MONKEY", "PATHS"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}

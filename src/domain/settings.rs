//! The settings: which there are, what they can be, and where a value comes from.

use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::identity::is_true;
use crate::core::Diagnose;

/// What a setting can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// The name of a time zone.
    Zone,
    /// Yes or no.
    Bool,
    /// A number, not negative.
    Float,
    /// Names with texts.
    Map,
    /// A list.
    List,
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in the file and on the command line.
    pub key: &'static str,
    /// The environment variable that overrides it.
    pub env: Option<&'static str>,
    /// What it can hold.
    pub kind: Kind,
    /// Its value when nobody set it, as people write it.
    default: &'static str,
}

const fn setting(
    key: &'static str,
    env: Option<&'static str>,
    kind: Kind,
    default: &'static str,
) -> Setting {
    Setting { key, env, kind, default }
}

/// All settings that can be shown and set one by one, in the order of the file.
pub const SETTINGS: [Setting; 23] = [
    setting("data_dir", Some("CLAWTEAM_DATA_DIR"), Kind::Text, ""),
    setting("user", Some("CLAWTEAM_USER"), Kind::Text, ""),
    setting("default_team", Some("CLAWTEAM_TEAM_NAME"), Kind::Text, ""),
    setting("default_profile", Some("CLAWTEAM_DEFAULT_PROFILE"), Kind::Text, ""),
    setting("transport", Some("CLAWTEAM_TRANSPORT"), Kind::Text, ""),
    setting("task_store", Some("CLAWTEAM_TASK_STORE"), Kind::Text, ""),
    setting(
        "workspace",
        Some("CLAWTEAM_WORKSPACE"),
        Kind::Choice(&["auto", "always", "never", ""]),
        "auto",
    ),
    setting(
        "default_backend",
        Some("CLAWTEAM_DEFAULT_BACKEND"),
        Kind::Choice(&["tmux", "subprocess"]),
        "tmux",
    ),
    setting("skip_permissions", Some("CLAWTEAM_SKIP_PERMISSIONS"), Kind::Bool, "true"),
    setting("spawn_prompt_delay", Some("CLAWTEAM_SPAWN_PROMPT_DELAY"), Kind::Float, "2.0"),
    setting("spawn_ready_timeout", Some("CLAWTEAM_SPAWN_READY_TIMEOUT"), Kind::Float, "30.0"),
    setting("default_model", Some("CLAWTEAM_DEFAULT_MODEL"), Kind::Text, ""),
    setting("model_tiers", None, Kind::Map, "{}"),
    setting("timezone", Some("CLAWTEAM_TIMEZONE"), Kind::Zone, "UTC"),
    setting("gource_path", Some("CLAWTEAM_GOURCE_PATH"), Kind::Text, ""),
    setting("gource_resolution", Some("CLAWTEAM_GOURCE_RESOLUTION"), Kind::Text, "1280x720"),
    setting("gource_seconds_per_day", Some("CLAWTEAM_GOURCE_SECONDS_PER_DAY"), Kind::Float, "0.5"),
    setting("hooks", None, Kind::List, "[]"),
    setting("plugins", None, Kind::List, "[]"),
    setting("durability", Some("CLAWTEAM_DURABILITY"), Kind::Choice(&["full", "process"]), "full"),
    setting(
        "approval_proof",
        None,
        Kind::Choice(&["any", "terminal", "token", "signature"]),
        "any",
    ),
    setting("allow_dialogs", Some("CLAWTEAM_ALLOW_DIALOGS"), Kind::Text, ""),
    setting("probe_reminder", Some("CLAWTEAM_PROBE_REMINDER"), Kind::Bool, "true"),
];

/// Why a setting cannot be read or set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is no such setting.
    #[error("Invalid key '{key}'. Valid: {}", valid_keys())]
    UnknownKey {
        /// What was asked for.
        key: String,
    },
    /// The setting cannot have that value.
    #[error("Invalid value '{value}' for '{key}': {expected}")]
    BadValue {
        /// The setting.
        key: &'static str,
        /// What was given.
        value: String,
        /// What it can be.
        expected: String,
    },
}

impl Diagnose for SettingError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownKey { .. } => "unknown_setting",
            Self::BadValue { .. } => "invalid_setting",
        }
    }
}

fn valid_keys() -> String {
    let mut keys: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    keys.sort_unstable();
    keys.join(", ")
}

/// The setting called `key`.
pub fn find(key: &str) -> Result<&'static Setting, SettingError> {
    SETTINGS
        .iter()
        .find(|setting| setting.key == key)
        .ok_or_else(|| SettingError::UnknownKey { key: key.to_owned() })
}

impl Setting {
    /// The value that `text` means.
    pub fn parse(&self, text: &str) -> Result<Value, SettingError> {
        let bad = |expected: String| SettingError::BadValue {
            key: self.key,
            value: text.to_owned(),
            expected,
        };
        match self.kind {
            Kind::Text => Ok(text.into()),
            Kind::Choice(choices) if choices.contains(&text) => Ok(text.into()),
            Kind::Choice(choices) => {
                let named: Vec<&str> = choices.iter().copied().filter(|c| !c.is_empty()).collect();
                Err(bad(format!("expected {}", named.join(" or "))))
            }
            Kind::Zone => match text.parse::<chrono_tz::Tz>() {
                Ok(_) => Ok(text.into()),
                Err(_) => Err(bad("expected a time zone such as UTC or Europe/Berlin".into())),
            },
            Kind::Bool => Ok(is_true(text).into()),
            Kind::Float => {
                let number = text.trim().parse::<f64>().ok().filter(|n| *n >= 0.0);
                let number = number.and_then(Number::from_f64).map(Value::Number);
                number.ok_or_else(|| bad("expected a number, 0 or greater".into()))
            }
            Kind::Map => {
                let map: Option<Map<String, Value>> = serde_json::from_str(text).ok();
                let map = map.filter(|map| map.values().all(Value::is_string));
                map.map(Value::Object)
                    .ok_or_else(|| bad(r#"expected JSON such as {"a": "b"}"#.into()))
            }
            Kind::List => {
                let list: Option<Vec<Value>> = serde_json::from_str(text).ok();
                list.map(Value::Array).ok_or_else(|| bad(r#"expected JSON such as ["a"]"#.into()))
            }
        }
    }

    fn default_value(&self) -> Value {
        self.parse(self.default).expect("every default is a value of its setting")
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// An environment variable.
    Env,
    /// The settings file.
    File,
    /// Nobody set it.
    Default,
}

impl Source {
    /// The source in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::File => "file",
            Self::Default => "default",
        }
    }
}

/// A value with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The value as text.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// The settings file with everything in it, known here or not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The document.
    pub document: Map<String, Value>,
}

impl Settings {
    /// The value of `setting`, with `env` as its environment variable.
    pub fn effective(&self, setting: &Setting, env: Option<&str>) -> Effective {
        if let Some(value) = env.filter(|value| !value.is_empty()) {
            return Effective { value: value.to_owned(), source: Source::Env };
        }
        let default = setting.default_value();
        match self.document.get(setting.key).and_then(|value| coerce(setting, value)) {
            Some(value) if value != default => {
                Effective { value: shown(&value), source: Source::File }
            }
            _ => Effective { value: shown(&default), source: Source::Default },
        }
    }

    /// Sets a value.
    pub fn set(&mut self, setting: &Setting, text: &str) -> Result<(), SettingError> {
        let value = setting.parse(text)?;
        self.document.insert(setting.key.to_owned(), value);
        Ok(())
    }
}

/// A value as it should be, from what stands in the file: numbers and truth may be texts there.
fn coerce(setting: &Setting, value: &Value) -> Option<Value> {
    match (setting.kind, value) {
        (Kind::Bool, Value::Bool(_))
        | (Kind::Map, Value::Object(_))
        | (Kind::List, Value::Array(_)) => Some(value.clone()),
        (Kind::Float, Value::Number(number)) => {
            number.as_f64().and_then(Number::from_f64).map(Value::Number)
        }
        (Kind::Map | Kind::List, _) => None,
        (_, Value::String(text)) => match setting.parse(text) {
            Ok(value) => Some(value),
            // A choice that only another version knows is still the user's.
            Err(_) if !matches!(setting.kind, Kind::Float) => Some(value.clone()),
            Err(_) => None,
        },
        _ => None,
    }
}

/// A value as Python shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective(document: &str, key: &str, env: Option<&str>) -> (String, Source) {
        let settings = Settings { document: serde_json::from_str(document).expect("an object") };
        let found = settings.effective(find(key).expect("a setting"), env);
        (found.value, found.source)
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        assert_eq!(effective("{}", "skip_permissions", None), ("True".into(), Source::Default));
        let file = r#"{"skip_permissions": false, "user": "alice", "spawn_prompt_delay": "0.25"}"#;
        assert_eq!(effective(file, "skip_permissions", None), ("False".into(), Source::File));
        assert_eq!(effective(file, "user", Some("bob")), ("bob".into(), Source::Env));
        assert_eq!(effective(file, "user", Some("")), ("alice".into(), Source::File));
        assert_eq!(effective(file, "spawn_prompt_delay", None), ("0.25".into(), Source::File));
        let same = r#"{"workspace": "auto", "spawn_ready_timeout": 30}"#;
        assert_eq!(effective(same, "workspace", None), ("auto".into(), Source::Default));
        assert_eq!(effective(same, "spawn_ready_timeout", None), ("30.0".into(), Source::Default));
    }

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_saved() {
        let mut settings = Settings::default();
        for (key, value) in [
            ("spawn_prompt_delay", "abc"),
            ("spawn_prompt_delay", "nan"),
            ("hooks", "x"),
            ("model_tiers", "a=b"),
            ("timezone", "Bogus/Zone"),
            ("default_backend", "screen"),
            ("durability", "none"),
        ] {
            let setting = find(key).expect("a setting");
            assert!(settings.set(setting, value).is_err(), "{key}={value} was taken");
        }
        assert!(settings.document.is_empty());
        assert!(find("nope").expect_err("no setting").to_string().starts_with(
            "Invalid key 'nope'. Valid: allow_dialogs, approval_proof, data_dir, default_backend"
        ));
    }

    #[test]
    fn every_default_is_a_value() {
        for setting in &SETTINGS {
            let _ = setting.default_value();
        }
    }
}

//! Hooks: commands that are run when something happens.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Extra;
use super::event;
use super::settings::Settings;
use crate::core::Diagnose;

/// A hook as the settings hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// The kind of event.
    pub event: String,
    /// `shell`; others belong to other programs.
    pub action: String,
    /// What is run by `sh -c`.
    pub command: String,
    /// Those with lower numbers are run first.
    pub priority: i64,
    /// Whether it is run at all.
    pub enabled: bool,
    /// Whether it decides if what is about to happen may happen.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub veto: bool,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Default for Hook {
    fn default() -> Self {
        Self {
            event: String::new(),
            action: SHELL.into(),
            command: String::new(),
            priority: 0,
            enabled: true,
            veto: false,
            extra: Extra::new(),
        }
    }
}

/// The one action that there is.
pub const SHELL: &str = "shell";

/// Why a hook cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// There is no such kind of event.
    #[error(transparent)]
    Event(#[from] event::UnknownEvent),
    /// A function of Python's ClawTeam.
    #[error("Python hooks cannot be run by this program")]
    Python,
    /// There is no such action.
    #[error("Unknown hook action: {0}")]
    UnknownAction(String),
    /// There is nothing to run.
    #[error("the hook has no command")]
    NoCommand,
    /// What has happened cannot be refused any more.
    #[error("a hook for {0} cannot veto: it has happened by then")]
    NoVeto(String),
    /// The very same hook is there.
    #[error("there is such a hook for {0} already")]
    Exists(String),
    /// A hook refused what was about to happen.
    #[error("refused by a hook for {event}: {reason}")]
    Vetoed {
        /// The kind of event.
        event: String,
        /// What the hook said, or how it ended.
        reason: String,
        /// The hook.
        command: String,
    },
}

impl Diagnose for HookError {
    fn code(&self) -> &'static str {
        match self {
            Self::Event(error) => error.code(),
            Self::Python => "python_hook",
            Self::UnknownAction(_) => "unknown_action",
            Self::NoCommand => "no_command",
            Self::NoVeto(_) => "no_veto",
            Self::Exists(_) => "hook_exists",
            Self::Vetoed { .. } => "vetoed",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Event(error) => error.hint(),
            Self::Python => Some(
                "run it as a command: --action shell --command 'python3 -c \"…\"'; the fields of \
                 the event are in its environment"
                    .into(),
            ),
            Self::UnknownAction(_) => Some("the action is shell".into()),
            Self::NoVeto(_) => {
                let can = event::KINDS.iter().filter(|kind| kind.can_veto).map(|kind| kind.name);
                Some(format!("one for {} can", can.collect::<Vec<_>>().join(", ")))
            }
            Self::Vetoed { command, .. } => Some(format!("the hook: {command}")),
            Self::NoCommand | Self::Exists(_) => None,
        }
    }
}

/// The hooks of the settings. What is no hook is left out; it belongs to others.
pub fn all(settings: &Settings) -> Vec<Hook> {
    let list = settings.document.get("hooks").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|value| Hook::deserialize(value).ok()).collect()
}

impl Hook {
    /// Whether it can be run. Tells why not.
    pub fn check(&self) -> Result<(), HookError> {
        let kind = event::find(&self.event)?;
        match self.action.as_str() {
            SHELL => {}
            "python" => return Err(HookError::Python),
            other => return Err(HookError::UnknownAction(other.to_owned())),
        }
        if self.command.trim().is_empty() {
            return Err(HookError::NoCommand);
        }
        if self.veto && !kind.can_veto {
            return Err(HookError::NoVeto(self.event.clone()));
        }
        Ok(())
    }

    /// Whether it is meant by an event and, if one is given, a command.
    pub fn is(&self, event: &str, command: Option<&str>) -> bool {
        self.event == event && command.is_none_or(|command| self.command == command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_checked() {
        let hook = |event: &str, action: &str, command: &str, veto| Hook {
            event: event.into(),
            action: action.into(),
            command: command.into(),
            veto,
            ..Hook::default()
        };
        assert_eq!(hook("TaskCompleted", "shell", "true", false).check(), Ok(()));
        assert_eq!(hook("BeforeTaskCreate", "shell", "true", true).check(), Ok(()));
        for (hook, code) in [
            (hook("Nope", "shell", "true", false), "unknown_event"),
            (hook("TaskCompleted", "python", "a.b", false), "python_hook"),
            (hook("TaskCompleted", "perl", "a", false), "unknown_action"),
            (hook("TaskCompleted", "shell", " ", false), "no_command"),
            (hook("TaskCompleted", "shell", "true", true), "no_veto"),
        ] {
            assert_eq!(hook.check().expect_err("it is wrong").code(), code);
        }
    }

    #[test]
    fn something_else_among_the_hooks_hides_none_of_them() {
        let text =
            r#"{"hooks": [3, {"event": "TaskCompleted", "command": "true"}, {"priority": "x"}]}"#;
        let settings = Settings { document: serde_json::from_str(text).expect("an object") };
        let found = all(&settings);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].action.as_str(), found[0].enabled, found[0].veto),
            ("shell", true, false)
        );
        let odd =
            Settings { document: serde_json::from_str(r#"{"hooks": "x"}"#).expect("an object") };
        assert!(all(&odd).is_empty());
    }
}

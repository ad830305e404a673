//! What is wrong with a definition, or could be better.

use std::fmt;

use serde::Serialize;

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The workflow cannot run.
    Error,
    /// It can, but perhaps not as it was meant.
    Warning,
}

/// Something that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// The stable identifier of this kind of problem.
    pub code: &'static str,
    /// Where: `nodes.build.timeout`, `edges[2].port`; empty: the whole.
    pub path: String,
    /// What is wrong, as a sentence.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// Something that keeps a workflow from running.
    pub fn error(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        let (path, message) = (path.into(), message.into());
        Self { level: Level::Error, code, path, message, hint: None }
    }

    /// Something that is perhaps not as it was meant.
    pub fn warning(code: &'static str, path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(code, path, text) }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Whether it keeps the workflow from running.
    pub fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = if self.is_error() { "error" } else { "warning" };
        let place = if self.path.is_empty() { "definition" } else { &self.path };
        write!(f, "{level}: {place}: {} [{}]", self.message, self.code)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  {hint}")?;
        }
        Ok(())
    }
}

/// Whether one of `problems` keeps the workflow from running.
pub fn any_error(problems: &[Problem]) -> bool {
    problems.iter().any(Problem::is_error)
}

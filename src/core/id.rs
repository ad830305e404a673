//! Identifiers that clawteam gives out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::name::{self, NameError};

/// The identifier of a task; the file name of its document is made from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(String);

impl TaskId {
    /// Checks `text` as a task identifier.
    pub fn parse(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        name::check("task id", &text)?;
        Ok(Self(text))
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for TaskId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TaskId {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.0
    }
}

/// Where fresh identifiers come from.
pub trait IdSource: Send + Sync {
    /// `digits` random lower-case hexadecimal digits (at most 32).
    fn hex(&self, digits: usize) -> String;
}

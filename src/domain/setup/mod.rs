//! What clawteam puts into the settings of agent programs, and how it is taken out again.
//!
//! Settings belong to the user: an edit adds or replaces one value and leaves everything else,
//! comments and order included, as it is. What was done is written down ([`Made`]), so that it can be
//! undone later, among whatever the user has changed since.

mod json;
mod recipe;
mod toml;
mod tree;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::{Diagnose, Exit};

pub use recipe::{AGENTS, Place, Recipe, SKILL_NAME, recipe, skill, variables};
pub use tree::{Made, Undone, apply, undo};

/// The format of the record of a setup.
pub const SCHEMA: &str = "clawteam.setup/1";

/// A form of settings that can be edited in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON, with comments and the other liberties of JSON5.
    Json,
    /// TOML.
    Toml,
}

/// A change of settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "do")]
pub enum Edit {
    /// The value at the path is this one.
    Put {
        /// The names of objects, and of the value in the last of them.
        path: Vec<String>,
        /// The value.
        value: Value,
    },
    /// The value at the path is this one, unless the user has another there.
    Offer {
        /// The names of objects, and of the value in the last of them.
        path: Vec<String>,
        /// The value.
        value: Value,
    },
    /// The list at the path holds this element.
    Add {
        /// The names of objects, and of the list in the last of them.
        path: Vec<String>,
        /// The element.
        value: Value,
    },
}

/// What a file shall hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Settings with these edits.
    Edits(Format, Vec<Edit>),
    /// This text. The file is clawteam's own.
    Whole(String),
}

/// A file of an agent program.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Where it is.
    pub path: PathBuf,
    /// What it shall hold.
    pub body: Body,
}

/// Why settings cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// They cannot be understood.
    #[error("line {line} cannot be understood: {reason}")]
    Syntax {
        /// Where, counted from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// There is something else where an object or a list should be.
    #[error("'{path}' is not {expected}")]
    Shape {
        /// The names, with dots.
        path: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl Diagnose for EditError {
    fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "settings_syntax",
            Self::Shape { .. } => "settings_shape",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            "mend the file, or put the lines that --dry-run shows for a new file there yourself"
                .into(),
        )
    }

    fn exit(&self) -> Exit {
        Exit::Failure
    }
}

/// The line of a text that the byte `at` is in, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

//! Names that become parts of paths, checked once at the edge.
//!
//! A value of one of these types is safe to use as a file name: it holds only ASCII letters,
//! digits, `.`, `_` and `-`, is neither `.` nor `..`, and fits into a file name of any file system
//! that clawteam runs on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::diagnose::{Diagnose, Exit};
use super::limits;

/// Why a text cannot be used as a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("Invalid {kind}: value must not be empty")]
    Empty {
        /// What was to be named.
        kind: &'static str,
    },
    /// The text is `.` or `..`.
    #[error("Invalid {kind}: '.' and '..' are not allowed")]
    Dots {
        /// What was to be named.
        kind: &'static str,
    },
    /// The text holds a character that is not allowed.
    #[error("Invalid {kind}: only letters, digits, '.', '_' and '-' are allowed")]
    Character {
        /// What was to be named.
        kind: &'static str,
    },
    /// The text is too long for a file name.
    #[error("Invalid {kind}: {length} bytes are too long, {max} are allowed")]
    TooLong {
        /// What was to be named.
        kind: &'static str,
        /// The length that was given, in bytes.
        length: usize,
        /// The greatest length allowed, in bytes.
        max: usize,
    },
}

impl Diagnose for NameError {
    fn code(&self) -> &'static str {
        "invalid_name"
    }

    fn exit(&self) -> Exit {
        Exit::Failure
    }
}

/// Checks `text` as a name of `kind` (for the message).
pub fn check(kind: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { kind });
    }
    if text == "." || text == ".." {
        return Err(NameError::Dots { kind });
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !text.bytes().all(allowed) {
        return Err(NameError::Character { kind });
    }
    if text.len() > limits::NAME_BYTES_MAX {
        return Err(NameError::TooLong { kind, length: text.len(), max: limits::NAME_BYTES_MAX });
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and takes it as a name.
            pub fn parse(text: impl Into<String>) -> Result<Self, NameError> {
                Self::parse_as($kind, text)
            }

            /// The same, with another word for what is named in the message.
            pub fn parse_as(kind: &'static str, text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                check(kind, &text)?;
                Ok(Self(text))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// The name of a team.
    TeamName,
    "team name"
);
name_type!(
    /// The name of an agent, a member or an inbox.
    AgentName,
    "agent name"
);
name_type!(
    /// The name of a user who shares a data directory with others.
    UserName,
    "user name"
);
name_type!(
    /// Any other identifier that becomes part of a path.
    Name,
    "identifier"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_taken_as_they_are() {
        for good in ["a", "-x", ".hidden", "_pending_x", "con", "A.b_c-9", "..."] {
            assert_eq!(TeamName::parse(good).expect("a good name").as_str(), good);
        }
    }

    #[test]
    fn names_that_could_leave_their_directory_are_refused() {
        for bad in ["", ".", "..", "a/b", "a\\b", "a b", "é", "a\n", "\0", "a\tb", "../x"] {
            assert!(TeamName::parse(bad).is_err(), "{bad:?} was taken");
        }
        let long = "x".repeat(limits::NAME_BYTES_MAX + 1);
        assert!(matches!(TeamName::parse(long), Err(NameError::TooLong { .. })));
    }

    #[test]
    fn the_message_names_what_was_to_be_named() {
        let error = TeamName::parse("a b").expect_err("a space is not allowed");
        assert_eq!(
            error.to_string(),
            "Invalid team name: only letters, digits, '.', '_' and '-' are allowed"
        );
    }
}

//! Why an expression is refused, or has no value.

use crate::core::text::{cut, printable};
use crate::core::{Diagnose, Exit};

/// How much of an expression a message shows, in characters.
const SHOWN: usize = 120;

/// What is wrong with an expression, or with what it was given. Messages show the expression and
/// names, never the values that it looked at: some of them may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExprError {
    /// The text is longer than [`TEXT_BYTES_MAX`](super::TEXT_BYTES_MAX).
    #[error("an expression of {length} bytes is too long, {max} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The greatest length.
        max: usize,
    },
    /// The text is no expression.
    #[error("`{expr}` is no expression: {reason}")]
    Syntax {
        /// The text.
        expr: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Loops over lists are nested deeper than [`NESTING_MAX`](super::NESTING_MAX).
    #[error("`{expr}` goes through lists within lists within lists, which may take for ever")]
    TooNested {
        /// The text.
        expr: String,
    },
    /// It calls something that does not exist.
    #[error("`{expr}` calls '{name}', which does not exist")]
    UnknownFunction {
        /// The text.
        expr: String,
        /// What it calls.
        name: String,
    },
    /// It calls something with too many or too few arguments.
    #[error("`{expr}` calls '{name}' in a wrong way: it is used as {usage}")]
    WrongCall {
        /// The text.
        expr: String,
        /// What it calls.
        name: String,
        /// How it is called.
        usage: &'static str,
    },
    /// A regular expression in it cannot be used.
    #[error("`{expr}` has a bad pattern '{pattern}': {reason}")]
    BadPattern {
        /// The text.
        expr: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It has no value for what it was given.
    #[error("`{expr}` cannot be evaluated: {reason}")]
    Failed {
        /// The text.
        expr: String,
        /// Why not.
        reason: String,
        /// The key or the variable that is missing, if that is why.
        missing: Option<String>,
    },
    /// What it looks at is too large.
    #[error("`{expr}` looks at too much: {what}")]
    TooLarge {
        /// The text.
        expr: String,
        /// What is too large, and how large it may be.
        what: String,
    },
    /// Its value is of another type than was wanted.
    #[error("`{expr}` is {got}, but {wanted} is needed")]
    WrongType {
        /// The text.
        expr: String,
        /// What was wanted.
        wanted: &'static str,
        /// What it is.
        got: &'static str,
    },
    /// A text with `{{ … }}` in it has one that does not end.
    #[error("`{{{{` without `}}}}` in `{text}`")]
    Unclosed {
        /// The text from there on.
        text: String,
    },
}

/// An expression as a message shows it: on one line, and not at any length.
pub(super) fn shown(expr: &str) -> String {
    let line = printable(expr.trim(), false);
    let start = cut(&line, SHOWN);
    if start.len() < line.len() { format!("{start}…") } else { line }
}

impl Diagnose for ExprError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "expr_too_long",
            Self::Syntax { .. } => "expr_syntax",
            Self::TooNested { .. } => "expr_too_nested",
            Self::UnknownFunction { .. } => "expr_unknown_function",
            Self::WrongCall { .. } => "expr_wrong_call",
            Self::BadPattern { .. } => "expr_bad_pattern",
            Self::Failed { .. } => "cond_error",
            Self::TooLarge { .. } => "cond_too_large",
            Self::WrongType { .. } => "cond_wrong_type",
            Self::Unclosed { .. } => "template_syntax",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TooLong { .. } => "keep it short: a `set` node can hold parts of it".into(),
            Self::TooNested { .. } => "prepare the list in a `set` node first".into(),
            Self::UnknownFunction { .. } => {
                format!("the functions are {}", super::functions::NAMES.join(", "))
            }
            Self::BadPattern { .. } => {
                "patterns have neither look-around nor back-references".into()
            }
            Self::Failed { missing: Some(key), .. } => format!(
                "ask first with has(….{key}), or name another value: get(…, \"{key}\", other)"
            ),
            Self::Unclosed { .. } => "write \\{{ for the braces themselves".into(),
            _ => return None,
        })
    }

    fn exit(&self) -> Exit {
        Exit::Invalid
    }
}

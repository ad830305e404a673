//! Where the text of a definition comes from.

use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use crate::app::workflow::LibraryError;
use crate::cli::{Cx, file};
use crate::core::{Diagnose, Exit, Outcome};
use crate::domain::workflow::definition::{
    Definition, Format, Options, Problem, Reading, any_error, from_tree, read, set_path,
};

/// The editor did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum EditorError {
    /// It could not be started.
    #[error("cannot start the editor '{editor}'")]
    Start {
        editor: String,
        #[source]
        source: std::io::Error,
    },
    /// It said that something went wrong.
    #[error("the editor '{editor}' ended with status {status}; nothing was changed")]
    Failed { editor: String, status: i32 },
    /// There is no place for the text.
    #[error("cannot write a temporary file")]
    Temporary(#[source] std::io::Error),
}

impl Diagnose for EditorError {
    fn code(&self) -> &'static str {
        "editor"
    }

    fn hint(&self) -> Option<String> {
        Some("set EDITOR to a program that waits until you are done".into())
    }

    fn exit(&self) -> Exit {
        Exit::Missing
    }
}

/// Reads the definition in a file (`-`: standard input).
pub(super) fn from_file(path: &str, options: Options<'_>) -> Outcome<Reading> {
    let text = file::read_text(path)?;
    let format = Format::guess((path != "-").then_some(path), &text);
    Ok(read(&text, format, options))
}

/// The definition that was read, or everything that keeps it from being one.
pub(super) fn definition(
    reading: Reading,
    name: &str,
    problems: impl FnOnce(&Reading) -> Outcome<Vec<Problem>>,
) -> Outcome<(Definition, Vec<Problem>)> {
    let found = problems(&reading)?;
    let name = reading.definition.as_ref().map_or(name, |definition| &definition.name).to_owned();
    match reading.definition {
        Some(definition) if !any_error(&reading.problems) => {
            // What the rules say is found again when it is saved, with what is known then.
            Ok((definition, reading.problems))
        }
        _ => Err(LibraryError::Invalid { name, problems: found }.into()),
    }
}

/// `before` after the user changed it in an editor; none if it is the same.
pub(super) fn edited(cx: &Cx, before: &str, options: Options<'_>) -> Outcome<Option<Reading>> {
    let mut kept = tempfile::Builder::new()
        .prefix("clawteam-")
        .suffix(".toml")
        .tempfile()
        .map_err(EditorError::Temporary)?;
    kept.write_all(before.as_bytes()).map_err(EditorError::Temporary)?;
    kept.flush().map_err(EditorError::Temporary)?;
    let env = &cx.app.env;
    let editor = env.get("VISUAL").or_else(|| env.get("EDITOR")).unwrap_or("vi").to_owned();
    let path = kept.path().display().to_string();
    // The variable may hold arguments, as everywhere.
    let line = format!("exec {editor} \"$1\"");
    let argv = ["/bin/sh", "-c", &line, "sh", &path].map(str::to_owned);
    let here = std::path::Path::new(".");
    let ended = cx
        .app
        .processes
        .run(&argv, here, Duration::from_secs(3), &mut |_| {})
        .map_err(|source| EditorError::Start { editor: editor.clone(), source })?;
    if ended.exit_code != 0 {
        return Err(EditorError::Failed { editor, status: ended.exit_code }.into());
    }
    let text = file::read_text(&path)?;
    Ok((text != before).then(|| read(&text, Format::Toml, options)))
}

/// `definition` with fields set (`path=value`) and removed (`path`).
pub(super) fn with_changes(
    definition: &Definition,
    set: &[String],
    unset: &[String],
) -> Outcome<Reading> {
    let bad = |path: &str, reason: String| LibraryError::BadPath { path: path.to_owned(), reason };
    let mut tree = serde_json::to_value(definition).unwrap_or_default();
    for change in set {
        let (path, text) =
            change.split_once('=').ok_or_else(|| bad(change, "write path=value".to_owned()))?;
        // What is no JSON is a text.
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
        set_path(&mut tree, path.trim(), Some(value)).map_err(|reason| bad(path, reason))?;
    }
    for path in unset {
        set_path(&mut tree, path.trim(), None).map_err(|reason| bad(path, reason))?;
    }
    Ok(from_tree(tree, Options::default()))
}

//! The composition root: puts the parts together and turns the outcome into an exit status.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ArgMatches;

use super::{Cx, ENTRIES, command};
use crate::core::{Diagnose, Exit, Failure, Outcome};
use crate::output::{self, Output};

/// The operating system refused to tell us of signals.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for signals")]
pub(super) struct SignalError(#[source] pub(super) std::io::Error);

impl Diagnose for SignalError {
    fn code(&self) -> &'static str {
        "signals"
    }
}

/// The command line is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) clap::Error);

impl Diagnose for Usage {
    fn code(&self) -> &'static str {
        "usage"
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    let mut words = crate::env::command_line();
    if words.first().is_some_and(|word| is_called(word, super::mcp::PROGRAM)) {
        words.insert(1, "mcp".into());
    }
    let matches = match command(false).try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let json = super::setup::wants_json(&matches);
    let cx = match super::setup::context(&matches, json) {
        Ok(cx) => cx,
        // A status that is not 0 would stop the agent whose hook this is.
        Err(_) if matches.subcommand_name() == Some("hook-event") => return ExitCode::SUCCESS,
        Err(failure) => return failed(&Output::new(json, None), &failure),
    };
    match dispatch(&matches, &cx) {
        Ok(code) => code,
        Err(failure) => failed(&cx.out, &failure),
    }
}

/// Whether the first word of a command line is this program, wherever it lies.
fn is_called(word: &OsStr, program: &str) -> bool {
    std::path::Path::new(word).file_stem().is_some_and(|name| name == program)
}

fn dispatch(matches: &ArgMatches, cx: &Cx) -> Outcome<ExitCode> {
    let (name, rest) = matches.subcommand().expect("a subcommand is required");
    let entry = ENTRIES.iter().find(|entry| entry.name == name);
    (entry.expect("every subcommand is an entry").run)(rest, cx)
}

/// Help and version are results; everything else is an error on standard error. Without any
/// argument the help is an answer, but not what was wanted.
fn usage(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print_help(&text);
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            print_help(&text);
            ExitCode::from(2)
        }
        _ => {
            // clap ends its text with a newline of its own.
            output::say(text.to_string().trim_end());
            ExitCode::from(2)
        }
    }
}

fn print_help(text: &clap::builder::StyledStr) {
    let out = Output::new(false, None);
    let text = if output::is_terminal() { text.ansi().to_string() } else { text.to_string() };
    let _ = out.raw(text.as_bytes());
}

fn failed(out: &Output, failure: &Failure) -> ExitCode {
    let code = failure.inner().code();
    if code == "broken_pipe" {
        // Whoever read our output has enough of it.
        return ExitCode::SUCCESS;
    }
    out.failure(failure);
    ExitCode::from(failure.inner().exit().code())
}

/// How long to wait for locks.
pub(super) fn lock_patience(text: Option<&str>) -> Duration {
    text.and_then(|text| text.parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(crate::core::limits::LOCK_WAIT)
}

/// The backend of a directory.
pub(super) fn backend(root: PathBuf, sync: bool) -> Arc<dyn crate::store::Backend> {
    Arc::new(crate::store::FsBackend::new(root, sync))
}

//! Running programs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Job, limit};
use crate::core::text::cut;
use crate::domain::queue::payload::{self, Parse};
use crate::domain::queue::{QueueError, Report};
use crate::env::{self, IDENTITY_PREFIXES};
use crate::ports::{Captured, Cut, Program};

/// The time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How much of what a program writes to standard error is kept.
const STDERR_MAX: usize = 16 * 1024;
/// How much of it is told in the message of a failure.
const SAID_MAX: usize = 400;

/// Runs a program for its output.
pub(super) fn command(job: &Job<'_>) -> Result<Answer, QueueError> {
    let wanted: payload::Command = payload::read("command", &job.item.payload)?;
    let argv = wanted.words().map_err(|reason| QueueError::BadPayload {
        kind: job.item.kind.clone(),
        reason: reason.into(),
    })?;
    let cwd = wanted.cwd.as_ref().map_or_else(|| home(job), PathBuf::from);
    let program = Program {
        env: environment(job, &wanted.env),
        stdin: wanted.stdin.unwrap_or_default().into_bytes(),
        stdout_max: wanted.output_max,
        ..program(job, argv, cwd)
    };
    Ok(match capture(job, &program) {
        Ok(captured) => report(job, captured, &wanted.ok_exit, wanted.parse),
        Err(answer) => *answer,
    })
}

fn home(job: &Job<'_>) -> PathBuf {
    job.app.env.home().unwrap_or_else(|| job.app.data_dir.clone())
}

/// A program with the limits of the item.
pub(super) fn program(job: &Job<'_>, argv: Vec<String>, cwd: PathBuf) -> Program {
    Program {
        argv,
        cwd,
        env: environment(job, &BTreeMap::new()),
        env_without: identity(),
        stdin: Vec::new(),
        stdout_max: payload::OUTPUT_MAX,
        stderr_max: STDERR_MAX,
        timeout: Some(limit(job, None).duration()),
        grace: GRACE,
    }
}

/// Who the worker is. What it runs is nobody's agent: it must not act in an agent's name.
fn identity() -> Vec<String> {
    let fields =
        ["AGENT_ID", "AGENT_NAME", "AGENT_TYPE", "AGENT_LEADER", "TEAM_NAME", "PLAN_MODE_REQUIRED"];
    let of = |prefix: &str| fields.map(|field| format!("{prefix}{field}"));
    IDENTITY_PREFIXES.iter().flat_map(|prefix| of(prefix)).collect()
}

/// What the program is told of what it is run for.
pub(super) fn environment(
    job: &Job<'_>,
    wanted: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut vars = BTreeMap::new();
    let mut set = |name: &str, value: String| vars.insert(name.to_owned(), value);
    set(env::DATA_DIR, job.app.data_dir.display().to_string());
    set("CLAWTEAM_TEAM", job.team.to_string());
    set("CLAWTEAM_QUEUE_ITEM", job.item.id.clone());
    if let Some(of) = &job.item.run {
        set("CLAWTEAM_RUN", of.run.to_string());
        set("CLAWTEAM_ACT", of.act.clone());
        set("CLAWTEAM_ATTEMPT", of.attempt.to_string());
    }
    vars.extend(wanted.clone());
    vars
}

/// Runs a program. The answer tells why it could not be started.
pub(super) fn capture(job: &Job<'_>, program: &Program) -> Result<Captured, Box<Answer>> {
    let run = job.app.processes.capture(program, job.cancelled, &mut |process| {
        (job.started)(process);
    });
    run.map_err(|error| {
        let name = program.argv.first().map_or("", String::as_str);
        if !program.cwd.is_dir() {
            let at = program.cwd.display();
            let why = format!("there is no directory '{at}' to run '{name}' in");
            return Answer::failed(job, "no_such_directory", why).into();
        }
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let code = if missing { "program_not_found" } else { "cannot_start" };
        Answer::failed(job, code, format!("'{name}' cannot be started: {error}")).into()
    })
}

/// What came of a program, as an answer.
pub(super) fn report(job: &Job<'_>, ran: Captured, ok_exit: &[i32], parse: Parse) -> Answer {
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
    let failure = match ran.cut {
        Some(Cut::TimedOut) => {
            Some(("timeout", format!("it took longer than {} and was ended", limit(job, None))))
        }
        Some(Cut::Cancelled) => Some(("cancelled", "it was ended because that was wanted".into())),
        None if !ok_exit.contains(&ran.exit_code) => Some(("exit_status", said(&ran, &stderr))),
        None => None,
    };
    let mut answer = match failure {
        Some((code, message)) => Answer::failed(job, code, message),
        None => match parsed(&text, parse, ran.truncated) {
            Ok(output) => Answer::done(output, String::new()),
            Err(reason) => Answer::failed(job, "bad_output", reason),
        },
    };
    answer.was_cut = ran.cut == Some(Cut::Cancelled);
    answer.report = Report {
        exit_code: Some(ran.exit_code),
        text,
        stderr,
        truncated: ran.truncated,
        duration_ms: u64::try_from(ran.took.as_millis()).unwrap_or(u64::MAX).max(1),
        ..answer.report
    };
    answer
}

fn said(ran: &Captured, stderr: &str) -> String {
    let last = stderr.trim_end().lines().next_back().unwrap_or_default();
    if last.is_empty() {
        format!("it ended with exit status {}", ran.exit_code)
    } else {
        format!("it ended with exit status {}: {}", ran.exit_code, cut(last, SAID_MAX))
    }
}

/// What a program wrote, as data.
fn parsed(text: &str, parse: Parse, truncated: bool) -> Result<Value, String> {
    match parse {
        Parse::None => Ok(Value::Null),
        Parse::Lines => Ok(json!(text.lines().collect::<Vec<_>>())),
        Parse::Json if truncated => Err("it wrote more than is kept".into()),
        Parse::Json => {
            serde_json::from_str(text).map_err(|error| format!("it did not write JSON: {error}"))
        }
    }
}

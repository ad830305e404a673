//! Doing items: one executor for each kind.
//!
//! An executor runs outside of any lock and may take its time. To add a kind, describe it in
//! [`crate::domain::queue::payload::KINDS`] and name its executor in [`EXECUTORS`].

mod command;
mod git;
mod http;
mod notify;
mod plugin;
mod spawn;

use serde_json::Value;

use crate::app::App;
use crate::app::workflow;
use crate::core::diagnose::chain;
use crate::core::{ProcessId, Span, TeamName};
use crate::domain::queue::{Item, QueueError, Report};

/// An item that is being done.
pub struct Job<'a> {
    /// What there is to work with.
    pub app: &'a App,
    /// Whose queue it is from.
    pub team: &'a TeamName,
    /// The item.
    pub item: &'a Item,
    /// Whether the work shall end now.
    pub cancelled: &'a dyn Fn() -> bool,
    /// Hears of the program that does the item.
    pub started: &'a dyn Fn(ProcessId),
}

/// What an executor found out.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The result.
    pub report: Report,
    /// Whether no further attempt can mend the failure.
    pub permanent: bool,
    /// Whether the work was ended before its own end, because that was wanted.
    pub was_cut: bool,
}

impl Answer {
    /// It went well.
    fn done(output: Value, text: String) -> Self {
        let report = Report { ok: true, output, text, ..Report::default() };
        Self { report, permanent: false, was_cut: false }
    }

    /// It went wrong; another attempt may go better.
    fn failed(job: &Job<'_>, code: &str, message: impl Into<String>) -> Self {
        let report = Report::failed(job.app.now(), code, message);
        Self { report, permanent: false, was_cut: false }
    }

    /// It went wrong, and would go wrong each time.
    fn hopeless(job: &Job<'_>, code: &str, message: impl Into<String>) -> Self {
        Self { permanent: true, ..Self::failed(job, code, message) }
    }
}

/// Does the items of one kind.
type Execute = fn(&Job<'_>) -> Result<Answer, QueueError>;

/// The executors. A name that ends with `*` stands for every kind that begins so.
const EXECUTORS: &[(&str, Execute)] = &[
    ("command", command::command),
    ("http", http::http),
    ("plugin", plugin::plugin),
    ("notify", notify::notify),
    ("merge", git::merge),
    ("checkpoint", git::checkpoint),
    ("verify", git::verify),
    ("spawn", spawn::spawn),
];

/// Does an item. What goes wrong is part of the answer.
pub(super) fn execute(job: &Job<'_>) -> Answer {
    let began = job.app.now();
    let kind = job.item.kind.as_str();
    let fits = |name: &str| match name.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => name == kind,
    };
    let revealed = revealed(job);
    let (item, secrets) = match &revealed {
        Ok((item, secrets)) => (item, secrets.as_slice()),
        Err(failure) => return Answer::failed(job, failure.inner().code(), failure.message()),
    };
    let job = &Job { item, ..*job };
    let mut answer = match EXECUTORS.iter().find(|(name, _)| fits(name)) {
        Some((_, run)) => run(job).unwrap_or_else(|error| {
            use crate::core::Diagnose;
            Answer::hopeless(job, error.code(), chain(&error))
        }),
        None => Answer::hopeless(job, "unknown_kind", format!("nothing here does '{kind}' items")),
    };
    conceal(&mut answer.report, secrets);
    let now = job.app.now();
    answer.report.at = crate::core::Stamp::at(now);
    if answer.report.duration_ms == 0 {
        answer.report.duration_ms = u64::try_from((now - began).num_milliseconds()).unwrap_or(0);
    }
    answer
}

/// The item with the secret inputs of its run in place of their marks, and these secrets.
fn revealed(job: &Job<'_>) -> crate::core::Outcome<(Item, Vec<String>)> {
    let mut item = job.item.clone();
    let Some(of) = &job.item.run else { return Ok((item, Vec::new())) };
    let secrets = workflow::start::reveal(job.app, job.team, &of.run, &mut item.payload)?;
    Ok((item, secrets))
}

/// Takes secrets out of what came of an item.
fn conceal(report: &mut Report, secrets: &[String]) {
    if secrets.is_empty() {
        return;
    }
    let hide = |text: &mut String| {
        let mut value = Value::String(std::mem::take(text));
        workflow::start::conceal(secrets, &mut value);
        if let Value::String(hidden) = value {
            *text = hidden;
        }
    };
    workflow::start::conceal(secrets, &mut report.output);
    hide(&mut report.text);
    hide(&mut report.stderr);
    if let Some(error) = &mut report.error {
        hide(&mut error.message);
    }
}

/// The shorter of what the item allows and what its payload asks for.
fn limit(job: &Job<'_>, wanted: Option<Span>) -> Span {
    wanted.map_or(job.item.timeout, |wanted| wanted.min(job.item.timeout))
}

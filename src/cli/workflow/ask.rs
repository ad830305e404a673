//! `clawteam workflow stop`, `pause`, `resume`, `retry`, `skip`, `set` and `signal`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::app::workflow::requests::ask;
use crate::app::workflow::view::{status_word, waiting_for};
use crate::cli::Cx;
use crate::core::{Name, Outcome, TeamName};
use crate::domain::workflow::run::observe::Ask;

/// Which run is meant.
#[derive(Debug, Args)]
pub(crate) struct RunRef {
    /// The team
    pub(super) team: String,
    /// The run
    pub(super) run: String,
}

/// Arguments of `workflow stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    run: RunRef,
    /// Why
    #[arg(short, long, default_value = "")]
    reason: String,
    /// Stop the agents that work for it too
    #[arg(long)]
    kill: bool,
}

/// Arguments of `workflow pause`.
#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    run: RunRef,
    /// Why
    #[arg(short, long, default_value = "")]
    reason: String,
}

/// Arguments of `workflow retry`.
#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    run: RunRef,
    /// Only what failed of this node
    #[arg(long)]
    node: Option<String>,
    /// Only this visit, as NODE#N
    #[arg(long)]
    act: Option<String>,
    /// Forget what was said about earlier work
    #[arg(long)]
    reset_feedback: bool,
}

/// Arguments of `workflow skip`.
#[derive(Debug, Args)]
pub(crate) struct SkipArgs {
    #[command(flatten)]
    run: RunRef,
    /// The visit, as NODE#N
    #[arg(long)]
    act: String,
    /// Through which port it goes on (success)
    #[arg(long)]
    port: Option<String>,
    /// What counts as its result: text or JSON
    #[arg(long)]
    output: Option<String>,
}

/// Arguments of `workflow set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    run: RunRef,
    /// A variable and its new value: NAME=VALUE, the value as JSON or as text
    #[arg(long = "var", value_name = "NAME=VALUE", required = true)]
    vars: Vec<String>,
}

/// Arguments of `workflow signal`.
#[derive(Debug, Args)]
pub(crate) struct SignalArgs {
    #[command(flatten)]
    run: RunRef,
    /// The signal
    name: String,
    /// What it brings: text or JSON
    #[arg(long, default_value = "null")]
    data: String,
}

/// JSON, or else the text itself.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn tell(cx: &Cx, run: RunRef, what: Ask) -> Outcome<ExitCode> {
    let team = TeamName::parse(run.team)?;
    let name = Name::parse_as("run", run.run)?;
    let verb = what.verb();
    let loaded = ask(&cx.app, &team, &name, what)?;
    let payload = json!({
        "run": name,
        "request": verb,
        "status": status_word(&loaded),
        "reason": loaded.run.fault,
        "rev": loaded.run.rev,
        "waitingFor": waiting_for(&loaded),
        "nextWakeAt": loaded.wake_at,
    });
    cx.out.result(&payload, || format!("OK {name} is {}", status_word(&loaded)))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn stop(cx: &Cx, args: StopArgs) -> Outcome<ExitCode> {
    tell(cx, args.run, Ask::Stop { reason: args.reason, kill: args.kill })
}

pub(crate) fn pause(cx: &Cx, args: PauseArgs) -> Outcome<ExitCode> {
    tell(cx, args.run, Ask::Pause { reason: args.reason })
}

pub(crate) fn resume(cx: &Cx, run: RunRef) -> Outcome<ExitCode> {
    tell(cx, run, Ask::Resume)
}

pub(crate) fn retry(cx: &Cx, args: RetryArgs) -> Outcome<ExitCode> {
    let RetryArgs { run, node, act, reset_feedback } = args;
    tell(cx, run, Ask::Retry { node, act, reset_feedback })
}

pub(crate) fn skip(cx: &Cx, args: SkipArgs) -> Outcome<ExitCode> {
    let output = args.output.as_deref().map(value);
    tell(cx, args.run, Ask::Skip { act: args.act, port: args.port, output })
}

pub(crate) fn set(cx: &Cx, args: SetArgs) -> Outcome<ExitCode> {
    let pairs = super::run::pairs(&args.vars)?;
    let vars: Map<String, Value> = pairs
        .into_iter()
        .map(|(name, text)| (name, value(text.as_str().unwrap_or_default())))
        .collect();
    tell(cx, args.run, Ask::Set { vars })
}

pub(crate) fn signal(cx: &Cx, args: SignalArgs) -> Outcome<ExitCode> {
    let data = value(&args.data);
    tell(cx, args.run, Ask::Signal { name: args.name, data })
}

//! `clawteam plan`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Cx;
use crate::app::approval;
use crate::core::{AgentName, Diagnose, Name, Outcome, TeamName};
use crate::domain::approval::Verdict;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum PlanCommand {
    /// Hand in a plan to the leader
    Submit(SubmitArgs),
    /// Approve a plan
    Approve(DecideArgs),
    /// Reject a plan
    Reject(DecideArgs),
}

/// Arguments of `plan submit`.
#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    /// The team
    team: String,
    /// Whose plan it is
    agent: String,
    /// The plan, or a file that holds it
    plan: String,
    /// The plan in a line
    #[arg(short, long, default_value = "")]
    summary: String,
}

/// Arguments of `plan approve` and `plan reject`.
#[derive(Debug, Args)]
pub(super) struct DecideArgs {
    /// The team
    team: String,
    /// The plan
    plan_id: String,
    /// Whose plan it is
    agent: String,
    /// What you have to say about it
    #[arg(short, long, default_value = "")]
    feedback: String,
}

/// A plan's file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the plan {path}")]
struct UnreadablePlan {
    path: String,
    #[source]
    source: std::io::Error,
}

impl Diagnose for UnreadablePlan {
    fn code(&self) -> &'static str {
        "unreadable_plan"
    }
}

pub(super) fn run(cx: &Cx, command: PlanCommand) -> Outcome<ExitCode> {
    match command {
        PlanCommand::Submit(args) => submit(cx, args)?,
        PlanCommand::Approve(args) => decide(cx, args, true)?,
        PlanCommand::Reject(args) => decide(cx, args, false)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn submit(cx: &Cx, args: SubmitArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let agent = AgentName::parse(args.agent)?;
    let text =
        if std::path::Path::new(&args.plan).is_file() { read(&args.plan)? } else { args.plan };
    let id = approval::submit_plan(&cx.app, &team, &agent, &text, &args.summary)?;
    let payload = json!({"status": "submitted", "planId": id, "agent": agent});
    cx.out.result(&payload, || format!("OK Plan {id} submitted by {agent}"))
}

#[expect(clippy::disallowed_methods, reason = "a file that the user named, not one of the store")]
fn read(path: &str) -> Outcome<String> {
    let read = std::fs::read_to_string(path);
    Ok(read.map_err(|source| UnreadablePlan { path: path.to_owned(), source })?)
}

fn decide(cx: &Cx, args: DecideArgs, approved: bool) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let id = Name::parse_as("plan id", args.plan_id)?;
    let agent = AgentName::parse(args.agent)?;
    let verdict = if approved { Verdict::Approve } else { Verdict::Reject };
    approval::decide_plan(&cx.app, &team, &id, &agent, verdict, &args.feedback)?;
    let word = if approved { "approved" } else { "rejected" };
    let payload = json!({"status": word, "planId": id});
    cx.out.result(&payload, || format!("OK Plan {id} {word}"))
}

//! `clawteam prime`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::Cx;
use crate::app::prime;
use crate::core::Outcome;
use crate::domain::prime::{BUDGET, OUTSIDE, text};
use crate::output;

/// Arguments of `prime`.
#[derive(Debug, Args)]
pub(super) struct PrimeArgs {
    /// At most so many bytes
    #[arg(long, value_name = "BYTES", default_value_t = BUDGET)]
    budget: usize,
    /// Answer as a hook of this program does; outside of a team there is no answer
    #[arg(long = "for", value_name = "PROGRAM")]
    program: Option<String>,
}

pub(super) fn run(cx: &Cx, args: PrimeArgs) -> Outcome<ExitCode> {
    let Some(program) = &args.program else {
        tell(cx, args.budget)?;
        return Ok(ExitCode::SUCCESS);
    };
    // A hook must not get in the way of an agent.
    if let Err(failure) = answer(cx, program, args.budget)
        && failure.inner().code() != "broken_pipe"
    {
        output::say(&format!("clawteam prime: {}", failure.message()));
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(cx: &Cx, budget: usize) -> Outcome<()> {
    let Some((team, agent)) = prime::caller(&cx.app) else {
        let payload = json!({"team": Value::Null, "agent": Value::Null, "text": OUTSIDE});
        return cx.out.result(&payload, || OUTSIDE.trim_end().to_owned());
    };
    let facts = prime::facts(&cx.app, &team, &agent)?;
    let told = text(&facts, budget);
    let payload = json!({
        "team": team, "agent": agent, "leader": facts.leader, "unread": facts.unread,
        "tasks": facts.tasks.len(), "ready": facts.ready, "text": told,
    });
    // As it is, so that it is no longer than it may be.
    if cx.out.json { cx.out.json(&payload) } else { cx.out.raw(told.as_bytes()) }
}

/// The form in which Claude Code, and those who took it over, hear of more context.
fn answer(cx: &Cx, program: &str, budget: usize) -> Outcome<()> {
    let Some((team, agent)) = prime::caller(&cx.app) else { return Ok(()) };
    let told = text(&prime::facts(&cx.app, &team, &agent)?, budget);
    if !matches!(program, "claude" | "codex" | "gemini" | "qwen") {
        return cx.out.raw(told.as_bytes());
    }
    cx.out.json_line(&json!({
        "hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": told}
    }))
}

//! `clawteam hook-event`: what the hooks of agent programs call.
//!
//! It must never get in the way of an agent: it always ends with 0, says nothing to standard
//! output but an answer that the program understands, and waits for nothing for long.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::Cx;
use crate::app::agent_state::{self, Call};
use crate::core::{AgentName, Outcome, TeamName};
use crate::output;

/// How long to wait for what a program passes. Programs write it at once and close the pipe; one
/// that does not must not hang.
const INPUT_MAX: Duration = Duration::from_secs(2);

/// Arguments of `hook-event`.
#[derive(Debug, Args)]
pub(super) struct HookEventArgs {
    /// The program that calls (claude, codex, gemini, openclaw, generic), then the event if the
    /// program does not name it itself, then what it passes, if it passes it so: JSON
    #[arg(value_name = "PROGRAM [EVENT] [JSON]", trailing_var_arg = true, allow_hyphen_values = true, num_args = 0..)]
    words: Vec<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "the form of every command")]
pub(super) fn run(cx: &Cx, args: HookEventArgs) -> Outcome<ExitCode> {
    if let Err(failure) = hear(cx, &args.words)
        && failure.inner().code() != "broken_pipe"
    {
        output::say(&format!("clawteam hook-event: {}", failure.message()));
    }
    Ok(ExitCode::SUCCESS)
}

fn hear(cx: &Cx, words: &[String]) -> Outcome<()> {
    // Whoever is no agent of a team is nobody's business. The name `agent` is that of whoever has
    // none.
    let named = cx.app.env.identity("AGENT_NAME").zip(cx.app.identity.team_name.as_deref());
    let Some((agent, team)) = named else { return Ok(()) };
    let (team, agent) = (TeamName::parse(team)?, AgentName::parse(agent)?);
    let Some((program, rest)) = words.split_first() else { return Ok(()) };
    let is_json = |word: &&String| word.trim_start().starts_with('{');
    let passed = rest.last().filter(is_json);
    let event = rest.first().filter(|word| !is_json(word)).map(String::as_str);
    let payload = match passed {
        Some(text) => text.clone(),
        None => output::read_stdin_within(INPUT_MAX),
    };
    // What is no JSON says nothing, but the event may stand on the command line.
    let payload = serde_json::from_str::<Value>(&payload).unwrap_or(Value::Null);
    let call = Call { program, event, payload };
    let Some(reply) = agent_state::hear(&cx.app, &team, &agent, &call)? else { return Ok(()) };
    cx.out.json_line(&reply.text)?;
    // Only what was written out is gone from the inbox.
    reply.messages.settle(&cx.app)
}

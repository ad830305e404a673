//! `clawteam identity`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Cx;
use crate::core::{Diagnose, Outcome};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum IdentityCommand {
    /// Show who you are to clawteam
    Show,
    /// Print the shell commands that set who you are
    Set(SetArgs),
}

/// Arguments of `identity set`.
#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// Your identifier
    #[arg(long)]
    agent_id: Option<String>,
    /// Your name in the team
    #[arg(long)]
    agent_name: Option<String>,
    /// What you do, in a word
    #[arg(long)]
    agent_type: Option<String>,
    /// Your team
    #[arg(long)]
    team: Option<String>,
}

/// Nothing was asked for.
#[derive(Debug, thiserror::Error)]
#[error("No options specified. Use --agent-id, --agent-name, --agent-type, --team")]
struct NoOptions;

impl Diagnose for NoOptions {
    fn code(&self) -> &'static str {
        "no_options"
    }
}

pub(super) fn run(cx: &Cx, command: IdentityCommand) -> Outcome<ExitCode> {
    match command {
        IdentityCommand::Show => {
            cx.out.result(&cx.app.identity, || shown(cx))?;
        }
        IdentityCommand::Set(args) => set(cx, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(cx: &Cx) -> String {
    let who = &cx.app.identity;
    let or_none = |text: &str| if text.is_empty() { "(none)".to_owned() } else { text.to_owned() };
    let truth = |truth: bool| if truth { "True" } else { "False" };
    format!(
        "Agent ID:   {}\nAgent Name: {}\nUser:       {}\nAgent Type: {}\nTeam:       {}\n\
         Is Leader:  {}\nPlan Mode:  {}",
        who.agent_id,
        who.agent_name,
        or_none(&who.user),
        who.agent_type,
        or_none(who.team_name.as_deref().unwrap_or_default()),
        truth(who.is_leader),
        truth(who.plan_mode_required)
    )
}

/// `text` in double quotes for a POSIX shell, with nothing in it interpreted.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

fn set(cx: &Cx, args: SetArgs) -> Outcome<()> {
    let variables = [
        ("CLAWTEAM_AGENT_ID", args.agent_id),
        ("CLAWTEAM_AGENT_NAME", args.agent_name),
        ("CLAWTEAM_AGENT_TYPE", args.agent_type),
        ("CLAWTEAM_TEAM_NAME", args.team),
    ];
    let exports: Vec<String> = variables
        .into_iter()
        .filter_map(|(name, value)| Some(format!("export {name}={}", quoted(&value?))))
        .collect();
    if exports.is_empty() {
        return Err(NoOptions.into());
    }
    if cx.out.json {
        return cx.out.json_spaced_line(&json!({"exports": exports}));
    }
    // Prose as shell comments, so that `eval "$(clawteam identity set …)"` runs the exports alone.
    cx.out.text(&format!(
        "# Run the following to set your identity:\n\n{}\n\n# Or use: eval \"$(clawteam identity set …)\"",
        exports.join("\n")
    ))
}

//! `clawteam scripted-agent`.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::Cx;
use crate::agent::{self, AgentError, Setting};
use crate::core::{AgentName, Outcome, TeamName};
use crate::env;
use crate::store::Dir;

/// Arguments of `scripted-agent`.
#[derive(Debug, Args)]
pub(super) struct ScriptedAgentArgs {
    /// What it shall do [default: what is pasted into the terminal, or the file that
    /// `CLAWTEAM_PROMPT_FILE` names]
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// A shell script for tasks and approvals that bring none of their own
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

pub(super) fn run(cx: &Cx, args: ScriptedAgentArgs) -> Outcome<ExitCode> {
    let text = prompt(cx, args.prompt)?;
    let script = args.script.as_deref().map(read).transpose()?;
    let setting = setting(cx, script)?;
    let mut show = |line: &str| {
        let _ = cx.out.text(&format!("· {line}"));
    };
    let mut pause: Box<agent::Pause<'_>> = match &setting {
        Some(setting) => {
            // Only what wakes the agent up; what has changed it learns by asking clawteam.
            let team = TeamName::parse(setting.team.clone())?;
            let inbox = match cx.app.identity.user.as_str() {
                "" => AgentName::parse(setting.name.clone())?,
                user => AgentName::parse(format!("{user}_{}", setting.name))?,
            };
            let dirs = [Dir::tasks(&team), Dir::inbox(&team, &inbox)];
            let mut changes = cx.app.store.backend().watch(&dirs)?;
            Box::new(move |limit| {
                changes.wait(limit);
            })
        }
        None => Box::new(std::thread::sleep),
    };
    let status = agent::run(setting.as_ref(), &text, &mut show, &mut *pause)?;
    Ok(ExitCode::from(status))
}

fn prompt(cx: &Cx, given: Option<String>) -> Outcome<String> {
    if let Some(text) = given {
        return Ok(text);
    }
    if io::stdin().is_terminal() {
        let mut write = |bytes: &[u8]| {
            let _ = cx.out.raw(bytes);
        };
        return Ok(agent::read_terminal(&mut write)?);
    }
    let file = cx.app.env.get(env::PROMPT_FILE).ok_or(AgentError::NoPrompt)?;
    read(Path::new(file))
}

#[expect(clippy::disallowed_methods, reason = "a file that the user named, not one of the store")]
fn read(file: &Path) -> Outcome<String> {
    Ok(std::fs::read_to_string(file).map_err(AgentError::Prompt)?)
}

/// Who the agent is, if clawteam started it.
fn setting(cx: &Cx, script: Option<String>) -> Outcome<Option<Setting>> {
    let own = || cx.app.processes.own_program();
    let (Some(team), Some(name)) = (&cx.app.identity.team_name, cx.app.env.identity("AGENT_NAME"))
    else {
        return Ok(None);
    };
    let program = match cx.app.env.get(env::BIN) {
        Some(program) => PathBuf::from(program),
        None => own().map_err(|source| AgentError::Run { program: "clawteam".into(), source })?,
    };
    Ok(Some(Setting { program, team: team.clone(), name: name.to_owned(), script }))
}

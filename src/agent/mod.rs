//! The scripted agent: an agent without a model, for trying out teams and templates.
//!
//! It does what its prompt says in shell blocks, or works off the team's tasks, and speaks to the
//! team as every agent does: by running `$CLAWTEAM_BIN`. It opens no document of the team.

#![expect(clippy::disallowed_methods, reason = "an agent works with programs of its own")]

mod program;
mod shell;
mod terminal;
mod tray;
mod typed;
mod worker;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::Diagnose;
use crate::domain::{fence, prompt};

pub use terminal::read as read_terminal;

/// What the agent shows, as lines.
pub type Show<'a> = dyn FnMut(&str) + 'a;
/// Waits until something may have happened in the team, for at most so long.
pub type Pause<'a> = dyn FnMut(Duration) + 'a;

/// Who the agent is and what it works with.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The clawteam program.
    pub program: PathBuf,
    /// The team.
    pub team: String,
    /// The agent's name.
    pub name: String,
    /// The script for what brings none of its own.
    pub script: Option<String>,
}

/// Why the agent gave up.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Nobody said what to do.
    #[error(
        "no prompt: nothing was passed with --prompt, standard input is no terminal and CLAWTEAM_PROMPT_FILE is not set"
    )]
    NoPrompt,
    /// The prompt could not be read.
    #[error("cannot read the prompt")]
    Prompt(#[source] io::Error),
    /// There is no place for what a script hands in.
    #[error("cannot make a directory for what a script hands in")]
    Tray(#[source] io::Error),
    /// Ctrl-C was typed.
    #[error("interrupted")]
    Interrupted,
    /// A program could not be started.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not known which team to work for.
    #[error("CLAWTEAM_TEAM_NAME or CLAWTEAM_AGENT_NAME is not set")]
    NoTeam,
    /// A clawteam command failed in a way that the agent does not know how to go on from.
    #[error("clawteam {command} failed: {reason}")]
    Command {
        /// The command.
        command: String,
        /// What it said.
        reason: String,
    },
}

impl Diagnose for AgentError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoPrompt => "no_prompt",
            Self::Prompt(_) => "unreadable_prompt",
            Self::Tray(_) => "io",
            Self::Interrupted => "interrupted",
            Self::Run { .. } => "not_started",
            Self::NoTeam => "no_team",
            Self::Command { .. } => "command_failed",
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::NoTeam).then(|| {
            "let clawteam start this agent: clawteam spawn subprocess clawteam scripted-agent --team TEAM --task TEXT".into()
        })
    }
}

/// Does what `text` says and returns the exit status.
///
/// A shell block in the task of the prompt (or in all of a text that is no prompt of clawteam's)
/// is the whole of the work. Without one, the agent works off the team's tasks until all are done
/// or it is asked to end.
pub fn run(
    setting: Option<&Setting>,
    text: &str,
    show: &mut Show<'_>,
    pause: &mut Pause<'_>,
) -> Result<u8, AgentError> {
    let task = prompt::task_of(text).unwrap_or(text);
    if let Some(script) = fence::block(task, "sh") {
        show("running the script of the prompt");
        let name = setting.map_or("agent", |setting| setting.name.as_str());
        let team = setting.map_or("team", |setting| setting.team.as_str());
        return shell::run(&script, name, team, &[]);
    }
    let setting = setting.ok_or(AgentError::NoTeam)?;
    let leader = prompt::leader_of(text).map(str::to_owned);
    worker::Worker::new(setting, leader, show, pause)?.work()
}

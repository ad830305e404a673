//! `clawteam setup`: making clawteam at home on a machine.

use std::process::ExitCode;

use clap::Subcommand;

use super::{Cx, timer};
use crate::core::Outcome;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum SetupCommand {
    /// Let the system call `clawteam tick` again and again
    Timer(timer::TimerArgs),
}

pub(super) fn run(cx: &Cx, command: SetupCommand) -> Outcome<ExitCode> {
    match command {
        SetupCommand::Timer(args) => timer::run(cx, args),
    }
}

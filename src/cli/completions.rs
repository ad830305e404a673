//! `clawteam completions`.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use super::Cx;
use crate::core::Outcome;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(cx: &Cx, args: CompletionsArgs) -> Outcome<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(true), "clawteam", &mut script);
    cx.out.raw(&script)?;
    Ok(ExitCode::SUCCESS)
}

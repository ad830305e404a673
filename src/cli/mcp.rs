//! `clawteam mcp`, also as `clawteam-mcp`.

use std::process::ExitCode;

use clap::Args;

use super::{Cx, setup};
use crate::core::Outcome;
use crate::mcp;

/// The name under which the program is this command alone, as that of Python's ClawTeam.
pub(super) const PROGRAM: &str = "clawteam-mcp";

/// Arguments of `mcp`.
#[derive(Debug, Args)]
pub(super) struct McpArgs {}

pub(super) fn run(cx: &Cx, _args: McpArgs) -> Outcome<ExitCode> {
    let env = cx.app.env.clone();
    mcp::serve(move || setup::app(env.clone()))?;
    Ok(ExitCode::SUCCESS)
}

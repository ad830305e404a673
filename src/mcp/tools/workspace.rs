//! The work of agents in their worktrees.

use std::path::PathBuf;

use super::{Nature, Tool};
use crate::app::workspace::{self, MergeWish};
use crate::core::Outcome;
use crate::mcp::args::{Kind, maybe, required, truth};
use crate::mcp::call::{Answer, Call};

pub(super) const TOOLS: &[Tool] = &[Tool {
    name: "workspace_merge",
    about: "Merge an agent's branch. On conflicts nothing is changed.",
    params: &[
        required("team_name"),
        required("agent_name"),
        maybe("target", Kind::Text).about("The branch to merge into, if not the one it came from"),
        truth("cleanup", true).about("Remove the worktree afterwards, unless the agent still runs"),
        maybe("repo", Kind::Text),
    ],
    nature: Nature::Works,
    run: merge,
}];

/// The directory that the client names, or where the server runs.
pub(super) fn here(call: &Call) -> PathBuf {
    call.args.some("repo").map_or_else(|| PathBuf::from("."), PathBuf::from)
}

fn merge(call: Call) -> Outcome<Answer> {
    let (team, agent) = (call.team()?, call.agent("agent_name")?);
    let (target, here) = (call.args.some("target"), here(&call));
    let wish = MergeWish {
        target: target.as_deref(),
        clean_up: call.args.truth("cleanup").unwrap_or(true),
        here: &here,
        squash: false,
    };
    Answer::of(&workspace::merge(&call.app, &team, &agent, wish)?)
}

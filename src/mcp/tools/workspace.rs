//! The work of agents in their worktrees.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Nature, Tool};
use crate::app::context::{self, WorkDiff};
use crate::app::workspace::{self, MergeWish};
use crate::core::Outcome;
use crate::mcp::args::{Kind, Param, maybe, required, truth, whole};
use crate::mcp::call::{Answer, Call};

const REPO: Param = maybe("repo", Kind::Text).about("The repository, if not the team's own");

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "workspace_agent_diff",
        about: "What an agent has changed since its branch began.",
        params: &[required("team_name"), required("agent_name"), REPO],
        nature: Nature::Reads,
        run: |call| Answer::of(&diff(&call)?),
    },
    Tool {
        name: "workspace_file_owners",
        about: "Which agents change which file.",
        params: &[required("team_name"), REPO],
        nature: Nature::Reads,
        run: owners,
    },
    Tool {
        name: "workspace_cross_branch_log",
        about: "The newest commits of all agents.",
        params: &[required("team_name"), whole("limit", 50), REPO],
        nature: Nature::Reads,
        run: log,
    },
    Tool {
        name: "workspace_agent_summary",
        about: "What an agent has changed, in a few lines.",
        params: &[required("team_name"), required("agent_name"), REPO],
        nature: Nature::Reads,
        run: summary,
    },
    Tool {
        name: "workspace_merge",
        about: "Merge an agent's branch. On conflicts nothing is changed.",
        params: &[
            required("team_name"),
            required("agent_name"),
            maybe("target", Kind::Text)
                .about("The branch to merge into, if not the one it came from"),
            truth("cleanup", true)
                .about("Remove the worktree afterwards, unless the agent still runs"),
            REPO,
        ],
        nature: Nature::Works,
        run: merge,
    },
];

fn repo(call: &Call) -> Option<PathBuf> {
    call.args.some("repo").map(PathBuf::from)
}

fn diff(call: &Call) -> Outcome<WorkDiff> {
    let (team, agent) = (call.team()?, call.agent("agent_name")?);
    context::diff(&call.app, &team, &agent, repo(call).as_deref())
}

fn owners(call: Call) -> Outcome<Answer> {
    let team = call.team()?;
    let sides = context::sides(&call.app, &team, repo(&call).as_deref())?;
    let owners = context::files(&call.app, &sides, true)?;
    let owners: Map<String, Value> =
        owners.into_iter().map(|(file, agents)| (file, agents.into_keys().collect())).collect();
    Answer::of(&owners)
}

/// Python's ClawTeam answers with the list as text.
fn log(call: Call) -> Outcome<Answer> {
    let team = call.team()?;
    let sides = context::sides(&call.app, &team, repo(&call).as_deref())?;
    let limit = usize::try_from(call.args.whole("limit")).unwrap_or(0);
    let entries = context::log(&call.app, &sides, limit)?;
    Answer::of(&serde_json::to_string_pretty(&entries).expect("entries have text keys"))
}

fn summary(call: Call) -> Outcome<Answer> {
    let (team, agent) = (call.team()?, call.agent("agent_name")?);
    let work = diff(&call)?;
    let registry = workspace::registry(&call.app, &team)?;
    let branch = registry.of(agent.as_str()).map_or("(none)", |found| &found.branch_name);
    let mut text = format!(
        "Agent: {agent}\nBranch: {branch}\nCommits: {}\nFiles changed: {}\nLines: +{}/-{}",
        work.commit_count,
        work.files_changed.len(),
        work.insertions,
        work.deletions
    );
    for file in &work.files_changed {
        text.push_str(&format!("\n- {file}"));
    }
    for file in &work.uncommitted.files {
        text.push_str(&format!("\n- {file} (not committed)"));
    }
    Answer::of(&json!({"agentName": agent, "summary": text}))
}

fn merge(call: Call) -> Outcome<Answer> {
    let (team, agent) = (call.team()?, call.agent("agent_name")?);
    let target = call.args.some("target");
    let here = repo(&call).unwrap_or_else(|| PathBuf::from("."));
    let wish = MergeWish {
        target: target.as_deref(),
        clean_up: call.args.truth("cleanup").unwrap_or(true),
        here: &here,
        squash: false,
    };
    Answer::of(&workspace::merge(&call.app, &team, &agent, wish)?)
}

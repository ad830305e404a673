//! `clawteam workspace`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::DateTime;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Cx;
use crate::app::workspace::{self, Cleaned, MergeWish, Merged, WorkspaceError};
use crate::core::text::count;
use crate::core::{AgentName, Failure, Outcome, Stamp, TeamName};
use crate::output::Table;
use crate::ports::git::{Salvage, WorktreeStatus};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum WorkspaceCommand {
    /// List the worktrees of a team
    List {
        /// The team
        team: String,
        #[command(flatten)]
        repo: RepoArgs,
    },
    /// Show what is uncommitted in an agent's worktree
    Status {
        /// The team
        team: String,
        #[command(flatten)]
        who: WhoArgs,
        #[command(flatten)]
        repo: RepoArgs,
    },
    /// Commit everything in an agent's worktree
    Checkpoint(CheckpointArgs),
    /// Merge an agent's work, and remove its worktree
    Merge(MergeArgs),
    /// Remove worktrees; what is not merged is saved first
    Cleanup(CleanupArgs),
    /// List, show and restore the work of removed worktrees
    Salvage {
        #[command(subcommand)]
        command: SalvageCommand,
    },
}

/// Whose worktree is meant: as an argument or as an option.
#[derive(Debug, Args)]
pub(super) struct WhoArgs {
    /// The agent
    #[arg(value_name = "AGENT")]
    agent: Option<String>,
    /// The same as an option
    #[arg(short = 'a', long = "agent", value_name = "AGENT", conflicts_with = "agent")]
    named: Option<String>,
}

/// Which repository is meant if that was not written down.
#[derive(Debug, Args)]
pub(super) struct RepoArgs {
    /// The repository, if the worktree does not say so itself [default: the one around you]
    #[arg(long, value_name = "PATH")]
    repo: Option<PathBuf>,
}

/// Arguments of `workspace checkpoint`.
#[derive(Debug, Args)]
pub(super) struct CheckpointArgs {
    /// The team
    team: String,
    #[command(flatten)]
    who: WhoArgs,
    /// The commit message
    #[arg(short, long)]
    message: Option<String>,
    #[command(flatten)]
    repo: RepoArgs,
}

/// Arguments of `workspace merge`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("who").args(["agent", "named"]).required(true)))]
pub(super) struct MergeArgs {
    /// The team
    team: String,
    #[command(flatten)]
    who: WhoArgs,
    /// The branch to merge into [default: the one that the agent started from]
    #[arg(long, value_name = "BRANCH")]
    target: Option<String>,
    /// Keep the worktree
    #[arg(long)]
    no_cleanup: bool,
    #[command(flatten)]
    repo: RepoArgs,
}

/// Arguments of `workspace cleanup`.
#[derive(Debug, Args)]
pub(super) struct CleanupArgs {
    /// The team
    team: String,
    #[command(flatten)]
    who: WhoArgs,
    /// End agents that still run first
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    repo: RepoArgs,
}

/// The commands about saved work.
#[derive(Debug, Subcommand)]
pub(super) enum SalvageCommand {
    /// List saved work, oldest first
    List {
        /// The team
        team: String,
        /// Only work of this agent
        #[arg(short, long)]
        agent: Option<String>,
        #[command(flatten)]
        repo: RepoArgs,
    },
    /// Show what saved work holds, as a diff
    Show {
        /// The team
        team: String,
        /// AGENT/TIME as the list has it, or `latest`
        #[arg(default_value = "latest")]
        name: String,
        #[command(flatten)]
        repo: RepoArgs,
    },
    /// Make a branch of saved work
    Restore {
        /// The team
        team: String,
        /// AGENT/TIME as the list has it, or `latest`
        #[arg(default_value = "latest")]
        name: String,
        /// The name of the new branch [default: clawteam-restored/TEAM/AGENT/TIME]
        #[arg(short, long)]
        branch: Option<String>,
        #[command(flatten)]
        repo: RepoArgs,
    },
}

impl WhoArgs {
    fn name(self) -> Option<String> {
        self.agent.or(self.named)
    }

    /// The agent that was named, or the caller.
    fn or_caller(self, cx: &Cx) -> Outcome<AgentName> {
        let name = self.name().unwrap_or_else(|| cx.app.identity.agent_name.clone());
        Ok(AgentName::parse(name)?)
    }
}

impl RepoArgs {
    fn here(&self) -> &Path {
        self.repo.as_deref().unwrap_or(Path::new("."))
    }
}

pub(super) fn run(cx: &Cx, command: WorkspaceCommand) -> Outcome<ExitCode> {
    match command {
        WorkspaceCommand::List { team, .. } => list(cx, &TeamName::parse(team)?)?,
        WorkspaceCommand::Status { team, who, .. } => {
            let team = TeamName::parse(team)?;
            status(cx, &team, &who.or_caller(cx)?)?;
        }
        WorkspaceCommand::Checkpoint(args) => checkpoint(cx, args)?,
        WorkspaceCommand::Merge(args) => return merge(cx, args),
        WorkspaceCommand::Cleanup(args) => cleanup(cx, args)?,
        WorkspaceCommand::Salvage { command } => salvage(cx, command)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(cx: &Cx, team: &TeamName) -> Outcome<()> {
    let registry = workspace::registry(&cx.app, team)?;
    if registry.workspaces.is_empty() {
        cx.app.warn_if_unknown(team);
    }
    cx.out.result(&json!({"workspaces": registry.workspaces}), || {
        if registry.workspaces.is_empty() {
            return format!("No active workspaces for team '{team}'");
        }
        let mut table = Table::new(format!("Workspaces - {team}"))
            .column("Agent")
            .column("Branch")
            .prose("Path")
            .column("Created");
        for workspace in &registry.workspaces {
            table.row([
                &workspace.agent_name,
                &workspace.branch_name,
                &workspace.worktree_path,
                &cx.time(&workspace.created_at),
            ]);
        }
        table.render(cx.out.width())
    })
}

fn status(cx: &Cx, team: &TeamName, agent: &AgentName) -> Outcome<()> {
    let status = workspace::status(&cx.app, team, agent)?;
    let payload = json!({
        "status": if status.is_clean() { "clean" } else { "dirty" },
        "team": team,
        "agent": agent,
        "staged": status.staged,
        "unstaged": status.unstaged,
        "untracked": status.untracked,
        "staged_stat": status.staged_stat,
        "unstaged_stat": status.unstaged_stat,
    });
    cx.out.result(&payload, || status_text(&status))
}

fn status_text(status: &WorktreeStatus) -> String {
    if status.is_clean() {
        return "Clean — no changes.".into();
    }
    let mut parts = Vec::new();
    for (label, files, stat) in [
        ("Staged", &status.staged, &status.staged_stat),
        ("Unstaged", &status.unstaged, &status.unstaged_stat),
    ] {
        if !files.is_empty() {
            parts.push(format!("{label}:\n{}", stat.trim_end()));
        }
    }
    if !status.untracked.is_empty() {
        parts.push(format!("Untracked:\n {}", status.untracked.join("\n ")));
    }
    parts.join("\n")
}

fn checkpoint(cx: &Cx, args: CheckpointArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let agent = args.who.or_caller(cx)?;
    let commit = workspace::checkpoint(&cx.app, &team, &agent, args.message)?;
    let mut payload = json!({
        "status": if commit.is_some() { "checkpoint_created" } else { "no_changes" },
        "team": team,
        "agent": agent,
    });
    if let Some(commit) = &commit {
        payload["commit"] = commit.as_str().into();
    }
    cx.out.result(&payload, || match &commit {
        Some(commit) => format!("OK Checkpoint of '{agent}' created ({})", short(commit)),
        None => format!("No changes to commit for '{agent}'"),
    })
}

/// As much of a commit's name as people read.
fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

fn merge(cx: &Cx, args: MergeArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let agent = AgentName::parse(args.who.name().unwrap_or_default())?;
    let wish = MergeWish {
        target: args.target.as_deref(),
        clean_up: !args.no_cleanup,
        here: args.repo.here(),
        squash: false,
    };
    match workspace::merge(&cx.app, &team, &agent, wish) {
        Ok(merged) => {
            cx.out.result(&merged, || merged_text(&team, &merged))?;
            Ok(ExitCode::SUCCESS)
        }
        // Scripts look for the status here, and for the error everywhere.
        Err(failure) if cx.out.json => {
            cx.out.json(&merge_failure(&team, &agent, &failure))?;
            Ok(ExitCode::from(failure.inner().exit().code()))
        }
        Err(failure) => Err(failure),
    }
}

fn merged_text(team: &TeamName, merged: &Merged) -> String {
    let agent = &merged.agent;
    let mut text = match &merged.commit {
        Some(commit) => format!("OK Merged '{agent}' into {} ({})", merged.target, short(commit)),
        None => format!("OK Nothing to merge: {}", merged.output),
    };
    if merged.commit.is_some() && !merged.output.is_empty() {
        text.push('\n');
        text.push_str(merged.output.trim_end());
    }
    if let Some(reference) = &merged.salvaged {
        text.push_str(&saved_text(team, reference));
    }
    if merged.kept {
        text.push_str(&format!("\n  '{agent}' still runs, so its worktree stays"));
    }
    text
}

fn merge_failure(team: &TeamName, agent: &AgentName, failure: &Failure) -> Value {
    let error = failure.inner();
    let (conflicts, output) = match failure.downcast::<WorkspaceError>() {
        Some(WorkspaceError::Conflicts { conflicts, output, .. }) => {
            (conflicts.clone(), output.clone())
        }
        _ => (Vec::new(), failure.message()),
    };
    let mut payload = json!({
        "status": "merge_failed",
        "team": team,
        "agent": agent,
        "output": output,
        "conflicts": conflicts,
        "error": failure.message(),
        "code": error.code(),
    });
    if let Some(hint) = error.hint() {
        payload["hint"] = hint.into();
    }
    payload
}

fn saved_text(team: &TeamName, reference: &str) -> String {
    format!(
        "\n  Work that was not merged is saved: {reference}\n  Get it back: clawteam workspace \
         salvage restore {team} {}",
        short_name(team, reference)
    )
}

fn cleanup(cx: &Cx, args: CleanupArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let agent = args.who.name().map(AgentName::parse).transpose()?;
    let here = args.repo.here();
    let cleaned = workspace::clean_up(&cx.app, &team, agent.as_ref(), args.force, here)?;
    cx.out.result(&cleaned, || cleaned_text(&team, &cleaned))
}

fn cleaned_text(team: &TeamName, cleaned: &Cleaned) -> String {
    let mut text = match &cleaned.agent {
        Some(agent) if cleaned.count == 0 => format!("No workspace found for {agent}"),
        Some(agent) => format!("OK Workspace of '{agent}' removed"),
        None => format!("OK {} removed", count(cleaned.count, "workspace")),
    };
    for removed in &cleaned.workspaces {
        if let Some(reference) = &removed.salvaged {
            text.push_str(&saved_text(team, reference));
        }
    }
    text
}

fn salvage(cx: &Cx, command: SalvageCommand) -> Outcome<()> {
    match command {
        SalvageCommand::List { team, agent, repo } => {
            let team = TeamName::parse(team)?;
            let agent = agent.map(AgentName::parse).transpose()?;
            list_salvage(cx, &team, agent.as_ref(), repo.here())
        }
        SalvageCommand::Show { team, name, repo } => {
            let team = TeamName::parse(team)?;
            let (saved, diff) = workspace::show_salvage(&cx.app, &team, repo.here(), &name)?;
            let mut payload = described(&team, &saved);
            payload["diff"] = diff.as_str().into();
            cx.out.result(&payload, || diff.trim_end_matches('\n').to_owned())
        }
        SalvageCommand::Restore { team, name, branch, repo } => {
            let team = TeamName::parse(team)?;
            let here = repo.here();
            let (saved, branch) =
                workspace::restore_salvage(&cx.app, &team, here, &name, branch.as_deref())?;
            let payload = json!({
                "status": "restored",
                "team": team,
                "agent": agent_of(&team, &saved.reference),
                "reference": saved.reference,
                "branch": branch,
                "commit": saved.commit,
            });
            cx.out.result(&payload, || format!("OK Branch '{branch}' made of {}", saved.reference))
        }
    }
}

fn list_salvage(cx: &Cx, team: &TeamName, agent: Option<&AgentName>, here: &Path) -> Outcome<()> {
    let mut all = workspace::salvaged(&cx.app, team, here)?;
    if let Some(agent) = agent {
        all.retain(|(_, saved)| agent_of(team, &saved.reference) == agent.as_str());
    }
    let listed: Vec<Value> = all
        .iter()
        .map(|(root, saved)| {
            let mut entry = described(team, saved);
            entry["repo_root"] = root.display().to_string().into();
            entry
        })
        .collect();
    cx.out.result(&json!({"team": team, "salvage": listed}), || {
        if all.is_empty() {
            return format!("No saved work of team '{team}'");
        }
        let mut table = Table::new(format!("Saved work - {team}"))
            .column("Name")
            .column("Saved")
            .number("Commits")
            .prose("Uncommitted files");
        for (_, saved) in &all {
            table.row([
                short_name(team, &saved.reference),
                &cx.time(&saved_at(saved)),
                &saved.unmerged_commits.to_string(),
                &saved.uncommitted_files.join(", "),
            ]);
        }
        table.render(cx.out.width())
    })
}

fn described(team: &TeamName, saved: &Salvage) -> Value {
    json!({
        "name": short_name(team, &saved.reference),
        "team": team,
        "agent": agent_of(team, &saved.reference),
        "reference": saved.reference,
        "commit": saved.commit,
        "saved_at": saved_at(saved),
        "unmerged_commits": saved.unmerged_commits,
        "uncommitted_files": saved.uncommitted_files,
    })
}

fn saved_at(saved: &Salvage) -> Stamp {
    DateTime::from_timestamp(saved.saved_at, 0).map_or_else(Stamp::empty, Stamp::at)
}

/// `AGENT/TIME` of a reference.
fn short_name<'r>(team: &TeamName, reference: &'r str) -> &'r str {
    let prefix = format!("refs/clawteam/salvage/{team}/");
    reference.strip_prefix(&prefix).unwrap_or(reference)
}

fn agent_of<'r>(team: &TeamName, reference: &'r str) -> &'r str {
    let name = short_name(team, reference);
    name.split_once('/').map_or(name, |(agent, _)| agent)
}

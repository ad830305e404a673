//! `clawteam context`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::Cx;
use crate::app::context::{self, FileOwners, LogEntry, WorkDiff};
use crate::core::text::{count, cut};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::overlap::{Overlap, Severity};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum ContextCommand {
    /// Show what an agent has changed since its branch began
    Diff(AgentArgs),
    /// Show which agents change which files
    Files(TeamArgs),
    /// Show the files that several agents change, those that will conflict first
    Conflicts(TeamArgs),
    /// Show the newest commits of all agents
    Log {
        /// The team
        team: String,
        /// How many
        #[arg(short = 'n', long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        repo: RepoArgs,
    },
    /// Show what an agent should know of the work of the others
    Inject(AgentArgs),
}

/// Which repository is meant.
#[derive(Debug, Args)]
pub(super) struct RepoArgs {
    /// The repository [default: that of the team's worktrees, or the one around you]
    #[arg(long, value_name = "PATH")]
    repo: Option<PathBuf>,
}

/// Arguments of commands about one agent.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("who").args(["agent", "named"]).required(true)))]
pub(super) struct AgentArgs {
    /// The team
    team: String,
    /// The agent
    #[arg(value_name = "AGENT")]
    agent: Option<String>,
    /// The same as an option
    #[arg(short = 'a', long = "agent", value_name = "AGENT", conflicts_with = "agent")]
    named: Option<String>,
    #[command(flatten)]
    repo: RepoArgs,
}

/// Arguments of commands about all agents.
#[derive(Debug, Args)]
pub(super) struct TeamArgs {
    /// The team
    team: String,
    /// Look only at what is committed
    #[arg(long)]
    committed: bool,
    #[command(flatten)]
    repo: RepoArgs,
}

impl AgentArgs {
    fn names(&self) -> Outcome<(TeamName, AgentName)> {
        let agent = self.agent.as_deref().or(self.named.as_deref()).unwrap_or_default();
        Ok((TeamName::parse(self.team.clone())?, AgentName::parse(agent)?))
    }
}

pub(super) fn run(cx: &Cx, command: ContextCommand) -> Outcome<ExitCode> {
    match command {
        ContextCommand::Diff(args) => {
            let (team, agent) = args.names()?;
            let work = context::diff(&cx.app, &team, &agent, args.repo.repo.as_deref())?;
            cx.out.result(&work, || diff_text(&work))?;
        }
        ContextCommand::Files(args) => files(cx, args)?,
        ContextCommand::Conflicts(args) => conflicts(cx, args)?,
        ContextCommand::Log { team, limit, repo } => {
            let team = TeamName::parse(team)?;
            cx.app.warn_if_unknown(&team);
            let sides = context::sides(&cx.app, &team, repo.repo.as_deref())?;
            let entries = context::log(&cx.app, &sides, limit)?;
            cx.out.result(&entries, || log_text(cx, &team, &entries))?;
        }
        ContextCommand::Inject(args) => {
            let (team, agent) = args.names()?;
            let found = context::inject(&cx.app, &team, &agent, args.repo.repo.as_deref())?;
            let text = found.unwrap_or_else(|| {
                format!("No cross-agent context for {agent}: nobody else touches its work.")
            });
            let text = text.trim_end();
            cx.out.result(&json!({"context": text}), || text.to_owned())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn diff_text(work: &WorkDiff) -> String {
    let mut text = work.summary.clone();
    if !work.diff_stat.is_empty() {
        text.push_str(&format!("\n\n{}", work.diff_stat));
    }
    if !work.uncommitted.files.is_empty() {
        text.push_str("\n\nNot committed:");
        for file in &work.uncommitted.files {
            text.push_str(&format!("\n  {file}"));
        }
    }
    text
}

fn files(cx: &Cx, args: TeamArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    cx.app.warn_if_unknown(&team);
    let sides = context::sides(&cx.app, &team, args.repo.repo.as_deref())?;
    let owners = context::files(&cx.app, &sides, !args.committed)?;
    let payload: Map<String, Value> = owners
        .iter()
        .map(|(file, agents)| (file.clone(), agents.keys().cloned().collect()))
        .collect();
    cx.out.result(&payload, || files_text(cx, &team, &owners))
}

fn files_text(cx: &Cx, team: &TeamName, owners: &FileOwners) -> String {
    if owners.is_empty() {
        return format!("No agent of team '{team}' has changed a file");
    }
    let mut table = Table::new("Files").prose("File").prose("Agents").column("Shared");
    for (file, agents) in owners {
        let named: Vec<String> =
            agents.iter().map(|(agent, lying)| marked(agent, *lying)).collect();
        let shared =
            if agents.len() > 1 { format!("{} agents", agents.len()) } else { String::new() };
        table.row([file.clone(), named.join(", "), shared]);
    }
    with_note(table.render(cx.out.width()), owners.values().flat_map(|a| a.values()).any(|l| *l))
}

fn marked(agent: &str, lying: bool) -> String {
    if lying { format!("{agent}*") } else { agent.to_owned() }
}

fn with_note(mut text: String, needed: bool) -> String {
    if needed {
        text.push_str("\n* not committed, or not all of it");
    }
    text
}

fn conflicts(cx: &Cx, args: TeamArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    cx.app.warn_if_unknown(&team);
    let sides = context::sides(&cx.app, &team, args.repo.repo.as_deref())?;
    let overlaps = context::conflicts(&cx.app, &sides, !args.committed)?;
    cx.out.result(&overlaps, || conflicts_text(cx, &team, &overlaps))
}

fn conflicts_text(cx: &Cx, team: &TeamName, overlaps: &[Overlap]) -> String {
    if overlaps.is_empty() {
        return format!("No file is changed by two agents of team '{team}'");
    }
    let mut table = Table::new("Conflicts").column("Severity").prose("File").prose("Agents");
    for overlap in overlaps {
        let lying = |agent: &String| overlap.uncommitted.contains(agent);
        let named: Vec<String> = overlap.agents.iter().map(|a| marked(a, lying(a))).collect();
        table.row([overlap.severity.as_str().to_owned(), overlap.file.clone(), named.join(", ")]);
    }
    let mut text = table.render(cx.out.width());
    let high = overlaps.iter().filter(|overlap| overlap.severity == Severity::High).count();
    if high > 0 {
        text.push_str(&format!("\n{} will not merge by itself", count(high, "file")));
    }
    with_note(text, overlaps.iter().any(|overlap| !overlap.uncommitted.is_empty()))
}

fn log_text(cx: &Cx, team: &TeamName, entries: &[LogEntry]) -> String {
    if entries.is_empty() {
        return format!("No agent of team '{team}' has made a commit");
    }
    let mut table = Table::new("Commits")
        .column("Agent")
        .column("Commit")
        .prose("Message")
        .column("Time")
        .number("Files");
    for entry in entries {
        table.row([
            entry.agent.clone(),
            cut(&entry.hash, 8).to_owned(),
            entry.message.clone(),
            cut(&entry.timestamp, 19).to_owned(),
            entry.files.len().to_string(),
        ]);
    }
    table.render(cx.out.width())
}

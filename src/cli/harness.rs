//! `clawteam harness`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::spawn::parse_backend;
use super::{Cx, args, file};
use crate::app::harness::{self, Artifact, Conducting, ContractStatus, NewArtifact, Status};
use crate::core::text::{count, printable};
use crate::core::{Diagnose, Name, Outcome, TeamName, limits};
use crate::domain::harness::{Harness, NewHarness};
use crate::output::{self, Table};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum HarnessCommand {
    /// Begin a run
    Start(StartArgs),
    /// Show where a run stands
    Status(RunArgs),
    /// Go to the next phase, if the gates are open
    Advance(RunArgs),
    /// List the sprint contracts of a run
    Contracts(RunArgs),
    /// Give a run up; its agents go on
    Abort(RunArgs),
    /// Approve the present phase
    Approve(RunArgs),
    /// Go back to an earlier phase; its approvals are withdrawn
    Rollback {
        #[command(flatten)]
        run: RunArgs,
        /// The phase
        phase: String,
    },
    /// Move a run on by itself, with agents of its own
    Conduct(ConductArgs),
    /// Hand in, list and show what a run has brought forth
    Artifact {
        #[command(subcommand)]
        command: ArtifactCommand,
    },
}

/// Which run is meant.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The team
    team: String,
    /// The run [default: the team's latest]
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// What a new run shall be.
#[derive(Debug, Args)]
struct NewArgs {
    /// The agents' program, with its arguments
    #[arg(short, long, default_value = "claude")]
    cli: String,
    /// How many executors there are
    #[arg(short = 'n', long, default_value_t = 3)]
    agents: usize,
    /// How many evaluators there are
    #[arg(long, default_value_t = 1, value_name = "N")]
    evaluators: usize,
    /// How many contracts of a wave are worked on at once [default: one for each executor]
    #[arg(long, default_value_t = 0, value_name = "N", hide_default_value = true)]
    wave_parallelism: usize,
    /// The phases, separated by commas [default: discuss,plan,execute,verify,ship]
    #[arg(long, value_name = "PHASES", value_delimiter = ',')]
    phases: Vec<String>,
    /// The phases that a person must approve, separated by commas; `none` [default: plan]
    #[arg(long, value_name = "PHASES", value_delimiter = ',')]
    human_gates: Option<Vec<String>>,
    /// `tmux` or `subprocess` [default: the setting `default_backend`]
    #[arg(long)]
    backend: Option<String>,
    /// The repository, or the directory to work in [default: the present one]
    #[arg(long, value_name = "PATH")]
    repo: Option<PathBuf>,
}

/// Arguments of `harness start`.
#[derive(Debug, Args)]
pub(super) struct StartArgs {
    /// What is to be achieved
    #[arg(short, long)]
    goal: String,
    /// The team
    #[arg(short, long, default_value = "default")]
    team: String,
    #[command(flatten)]
    new: NewArgs,
}

/// Arguments of `harness conduct`.
#[derive(Debug, Args)]
pub(super) struct ConductArgs {
    /// The team; made if it does not exist
    team: String,
    /// What is to be achieved [default: go on with the team's latest run]
    #[arg(short, long)]
    goal: Option<String>,
    /// Begin a new run even if one with this goal is under way
    #[arg(long, requires = "goal")]
    new_run: bool,
    #[command(flatten)]
    new: NewArgs,
    /// Seconds after which to look again even if nothing was heard
    #[arg(long, default_value = "5.0", value_parser = args::poll_seconds)]
    poll: Duration,
}

/// The commands about artifacts.
#[derive(Debug, Subcommand)]
pub(super) enum ArtifactCommand {
    /// Hand something in, in place of an earlier artifact of that name
    Add {
        #[command(flatten)]
        run: RunArgs,
        /// What to call it, like spec.md
        name: String,
        /// The file; `-` for standard input [default: NAME in the present directory]
        #[arg(short, long, value_name = "FILE")]
        file: Option<String>,
        /// What it is, in a word [default: what its name says]
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
    },
    /// List what was handed in
    List(RunArgs),
    /// Print an artifact
    Show {
        #[command(flatten)]
        run: RunArgs,
        /// Its name
        name: String,
    },
}

/// The directory of a run is not there.
#[derive(Debug, thiserror::Error)]
#[error("Error: directory '{0}' does not exist")]
struct NoDirectory(String);

impl Diagnose for NoDirectory {
    fn code(&self) -> &'static str {
        "no_directory"
    }
}

impl RunArgs {
    fn find(&self, cx: &Cx) -> Outcome<(TeamName, Name, Harness)> {
        let team = TeamName::parse(self.team.clone())?;
        let id = self.id.clone().map(Name::parse).transpose()?;
        let run = harness::find(&cx.app, &team, id.as_ref())?;
        Ok((team, harness::id_of(&run)?, run))
    }
}

impl NewArgs {
    fn into_run(self, goal: String) -> Outcome<NewHarness> {
        let named = self.repo.unwrap_or_else(|| PathBuf::from("."));
        let gone = || NoDirectory(named.display().to_string());
        let repo = named.canonicalize().map_err(|_| gone())?;
        let human_gates = self.human_gates.map(|mut phases| {
            phases.retain(|phase| !phase.is_empty() && phase != "none");
            phases
        });
        Ok(NewHarness {
            phases: self.phases,
            human_gates,
            goal,
            cli: self.cli,
            agent_count: self.agents,
            wave_parallelism: self.wave_parallelism,
            evaluator_count: self.evaluators,
            backend: self.backend.as_deref().map(parse_backend).transpose()?,
            repo: repo.display().to_string(),
        })
    }
}

pub(super) fn run(cx: &Cx, command: HarnessCommand) -> Outcome<ExitCode> {
    match command {
        HarnessCommand::Start(args) => start(cx, args)?,
        HarnessCommand::Status(args) => {
            let (team, _, run) = args.find(cx)?;
            let status = harness::status(&cx.app, &team, &run)?;
            cx.out.result(&status, || status_text(&status))?;
        }
        HarnessCommand::Advance(args) => advance(cx, args)?,
        HarnessCommand::Contracts(args) => contracts(cx, args)?,
        HarnessCommand::Abort(args) => {
            let (team, id, _) = args.find(cx)?;
            let run = harness::abort(&cx.app, &team, &id)?;
            let payload = json!({
                "status": "aborted", "harness_id": id, "team": team, "phase": run.current_phase,
            });
            cx.out.result(&payload, || {
                format!(
                    "OK Harness run {id} aborted in phase '{}'; its agents go on",
                    run.current_phase
                )
            })?;
        }
        HarnessCommand::Approve(args) => {
            let (team, id, _) = args.find(cx)?;
            let (run, artifact) = harness::approve(&cx.app, &team, &id)?;
            let phase = &run.current_phase;
            let payload = json!({
                "status": "approved", "harness_id": id, "team": team, "phase": phase,
                "artifact": artifact,
            });
            cx.out
                .result(&payload, || format!("OK Phase '{phase}' of harness run {id} approved"))?;
        }
        HarnessCommand::Rollback { run, phase } => {
            let (team, id, before) = run.find(cx)?;
            let run = harness::roll_back(&cx.app, &team, &id, &phase)?;
            let payload = json!({
                "status": "rolled_back", "harness_id": id, "team": team,
                "from": before.current_phase, "phase": run.current_phase,
            });
            cx.out.result(&payload, || {
                format!("OK Harness run {id} is back in phase '{}'", run.current_phase)
            })?;
        }
        HarnessCommand::Conduct(args) => conduct(cx, args)?,
        HarnessCommand::Artifact { command } => artifact(cx, command)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn start(cx: &Cx, args: StartArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let run = harness::start(&cx.app, &team, args.new.into_run(args.goal)?)?;
    let payload = json!({
        "status": "started",
        "harness_id": run.harness_id,
        "team": team,
        "goal": run.goal,
        "phase": run.current_phase,
        "phases": run.phases,
        "cli": run.cli,
        "agents": run.agent_count,
    });
    cx.out.result(&payload, || {
        format!(
            "OK Harness run {} started for team '{team}'\n  Phase: {}\n  Next: clawteam harness conduct {team}",
            run.harness_id, run.current_phase
        )
    })
}

fn status_text(status: &Status) -> String {
    let mut text = format!("Harness run {} of team '{}'", status.harness_id, status.team);
    text.push_str(&format!("\n  Goal: {}", printable(&status.goal, false)));
    let phases: Vec<String> = status
        .phases
        .iter()
        .map(|phase| if *phase == status.phase { format!("[{phase}]") } else { phase.clone() })
        .collect();
    text.push_str(&format!("\n  Phases: {}", phases.join(" > ")));
    text.push_str(&format!("\n  Status: {}", status.status));
    if status.can_advance {
        text.push_str("\n  Can advance: yes");
    } else {
        text.push_str(&format!("\n  Can advance: no: {}", status.gate_reason));
    }
    if !status.artifacts.is_empty() {
        text.push_str(&format!("\n  Artifacts: {}", status.artifacts.join(", ")));
    }
    if !status.agents.is_empty() {
        text.push_str(&format!("\n  Agents: {}", status.agents.join(", ")));
    }
    if let Some(pid) = status.conductor {
        text.push_str(&format!("\n  Conducted by process {pid}"));
    }
    for end in &status.history {
        let (how, at) = if !end.completed_at.is_empty() {
            ("completed", &end.completed_at)
        } else if !end.aborted_at.is_empty() {
            ("aborted", &end.aborted_at)
        } else {
            ("rolled back", &end.rolled_back_at)
        };
        text.push_str(&format!("\n  {at}  {} {how}", end.phase));
    }
    text
}

fn advance(cx: &Cx, args: RunArgs) -> Outcome<()> {
    let (team, id, _) = args.find(cx)?;
    let moved = harness::advance(&cx.app, &team, &id)?;
    let phase = &moved.run.current_phase;
    let payload = json!({
        "status": "advanced", "harness_id": id, "team": team,
        "from": moved.from, "phase": phase, "tasks": moved.tasks,
    });
    cx.out.result(&payload, || {
        let mut text = format!("OK Advanced from '{}' to '{phase}'", moved.from);
        if !moved.tasks.is_empty() {
            text.push_str(&format!("\n  {} made of contracts", count(moved.tasks.len(), "task")));
        }
        text
    })
}

fn contracts(cx: &Cx, args: RunArgs) -> Outcome<()> {
    let (team, _, run) = args.find(cx)?;
    let (contracts, problems) = harness::contracts(&cx.app, &team, &run)?;
    for problem in problems {
        cx.app.warn(problem);
    }
    cx.out.result(&contracts, || contracts_text(cx, &contracts))
}

fn contracts_text(cx: &Cx, contracts: &[ContractStatus]) -> String {
    if contracts.is_empty() {
        return "No sprint contracts".into();
    }
    let mut table = Table::new("Sprint Contracts")
        .column("ID")
        .prose("Title")
        .number("Wave")
        .prose("Waits for")
        .column("Status")
        .column("Owner");
    for known in contracts {
        let contract = &known.contract;
        let owner = if known.owner.is_empty() {
            contract.assigned_to.join(", ")
        } else {
            known.owner.clone()
        };
        table.row([
            contract.id.clone(),
            contract.title.clone(),
            contract.wave.to_string(),
            contract.depends_on.join(", "),
            contract.status.clone(),
            owner,
        ]);
    }
    table.render(cx.out.width())
}

fn conduct(cx: &Cx, args: ConductArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let stop = Cx::stop_on_signal()?;
    let new = args.goal.map(|goal| args.new.into_run(goal)).transpose()?;
    let (run, known) = harness::take_up(&cx.app, &team, new, args.new_run)?;
    let tell = |line: &str| output::say(&format!("[conductor] {line}"));
    let begins = if known { "going on with" } else { "began" };
    tell(&format!(
        "{begins} run {} of team '{team}' in phase '{}'",
        run.harness_id, run.current_phase
    ));
    let options = Conducting { poll: args.poll, stop, tell: &tell };
    let run = harness::conduct(&cx.app, &team, &harness::id_of(&run)?, &options)?;
    let status = harness::status(&cx.app, &team, &run)?;
    cx.out.result(&status, || status_text(&status))
}

/// The size that an artifact must not pass.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path} has {size} bytes; an artifact of a harness run has at most {}",
    limits::HARNESS_ARTIFACT_BYTES_MAX
)]
struct TooLarge {
    path: String,
    size: u64,
}

impl Diagnose for TooLarge {
    fn code(&self) -> &'static str {
        "too_large"
    }
}

fn artifact(cx: &Cx, command: ArtifactCommand) -> Outcome<()> {
    match command {
        ArtifactCommand::Add { run, name, file, kind } => {
            let (team, id, _) = run.find(cx)?;
            let path = file.unwrap_or_else(|| name.clone());
            let content = file::read(&path, limits::HARNESS_ARTIFACT_BYTES_MAX, |size| {
                Err(TooLarge { path: path.clone(), size }.into())
            })?;
            let name = Name::parse(name)?;
            let new = NewArtifact { name: name.clone(), kind, content };
            let (run, stored) = harness::add(&cx.app, &team, &id, new)?;
            let payload = json!({
                "status": "added", "harness_id": id, "team": team, "name": name,
                "phase": run.current_phase, "path": stored,
            });
            cx.out
                .result(&payload, || format!("OK Artifact '{name}' of harness run {id}: {stored}"))
        }
        ArtifactCommand::List(args) => {
            let (team, _, run) = args.find(cx)?;
            let found = harness::artifacts(&cx.app, &team, &run)?;
            cx.out.result(&found, || artifacts_text(cx, &found))
        }
        ArtifactCommand::Show { run, name } => {
            let (team, id, _) = run.find(cx)?;
            let name = Name::parse(name)?;
            let content = harness::content(&cx.app, &team, &id, &name)?;
            if cx.out.json {
                let text = String::from_utf8_lossy(&content);
                return cx.out.json(&json!({"name": name, "harness_id": id, "content": text}));
            }
            cx.out.raw(&content)
        }
    }
}

fn artifacts_text(cx: &Cx, found: &[Artifact]) -> String {
    if found.is_empty() {
        return "No artifacts".into();
    }
    let mut table =
        Table::new("Artifacts").prose("Name").column("Type").column("Phase").number("Bytes");
    for artifact in found {
        let mut name = artifact.name.clone();
        if !artifact.registered {
            name.push_str(" (does not count)");
        }
        table.row([name, artifact.kind.clone(), artifact.phase.clone(), artifact.size.to_string()]);
    }
    table.render(cx.out.width())
}

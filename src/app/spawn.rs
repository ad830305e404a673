//! Starting agents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::profile::Setup;
use super::provision::{self, Terms};
use super::start::{self, Started};
use super::workspace::{self, Prepared};
use super::{
    App, agent_rows, agents, context, environment, equip, hook, liveness, plugin, probe, restart,
    team,
};
use crate::core::{AgentName, Diagnose, Outcome, TeamName, text};
use crate::domain::Extra;
use crate::domain::agent::{Again, BackendKind, LaunchPlan, PLAN_SCHEMA, Sources};
use crate::domain::agent_cli::{self, AgentCli, Call, CommandLine, Level};
use crate::domain::event::Event;
use crate::domain::prompt::{self, Brief};
use crate::domain::session::{Client, back};
use crate::domain::team::Team;
use crate::env::Env;
use crate::ports::git::Repository;
use crate::store::Dir;

pub use super::spawned::Spawned;
pub(super) use super::start::register_running;
pub use crate::domain::prompt::Mission;

/// When an agent gets a worktree of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceMode {
    /// If there is a repository.
    Auto,
    /// Always; without a repository it is not started.
    Always,
    /// Never.
    Never,
}

/// An agent to be started.
#[derive(Debug, Clone)]
pub struct Request {
    /// The team; made if it does not exist.
    pub team: TeamName,
    /// The agent; made a member if it is none.
    pub agent: AgentName,
    /// What it does, in a word.
    pub agent_type: String,
    /// How it runs; `None` for what the settings say.
    pub backend: Option<BackendKind>,
    /// Its program and arguments.
    pub command: Vec<String>,
    /// What it is to do.
    pub mission: Option<Mission>,
    /// Whether it gets a worktree.
    pub workspace: WorkspaceMode,
    /// A directory of the repository, or the directory to work in; `None` for the present one.
    pub repo: Option<PathBuf>,
    /// Whether it may act without asking; `None` for what the settings say.
    pub skip_permissions: Option<bool>,
    /// Whether one that runs already is ended first.
    pub replace: bool,
    /// The model it shall use.
    pub model: Option<String>,
    /// Whether it goes on with the session that it had.
    pub resume: bool,
    /// Whether it is started again when it has ended by itself.
    pub keepalive: bool,
    /// Further variables for its environment.
    pub env: BTreeMap<String, String>,
    /// What its profile adds.
    pub setup: Setup,
    /// What is asked for more rarely.
    pub options: Options,
}

/// What is asked for more rarely when an agent is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How much it may do without asking; `None` for what `skip_permissions` says.
    pub level: Option<Level>,
    /// Names and kinds of the dialogs at its start that are answered with yes.
    pub allow: Vec<String>,
    /// Which of its program's own agents it is.
    pub own_agent: Option<String>,
    /// Whether it gets clawteam as an MCP server.
    pub mcp: bool,
    /// How long it may take to be ready, which is then waited for in any case.
    pub ready_within: Option<std::time::Duration>,
}

/// Why an agent cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// It runs already.
    #[error(
        "Agent '{agent}' is already running in team '{team}'. Use --replace to stop it and spawn a new instance."
    )]
    AlreadyRunning {
        /// The agent.
        agent: String,
        /// Its team.
        team: String,
    },
    /// It runs and could not be ended.
    #[error(
        "Failed to stop running agent '{agent}' in team '{team}'. Retry after the existing process exits."
    )]
    NotStopped {
        /// The agent.
        agent: String,
        /// Its team.
        team: String,
    },
    /// No program was named.
    #[error("Error: no agent command specified")]
    NoCommand,
    /// The program is not there.
    #[error(
        "Error: command '{program}' not found in PATH. Install the agent CLI first or pass an executable path."
    )]
    NotInPath {
        /// The program.
        program: String,
        /// Agent programs that are there.
        installed: Vec<String>,
    },
    /// The file cannot be run.
    #[error("Error: executable '{0}' not found or not executable")]
    NotExecutable(String),
    /// The directory to work in is not there.
    #[error("Error: directory '{0}' does not exist")]
    NoDirectory(String),
    /// tmux is not there.
    #[error("Error: tmux not installed")]
    NoTmux,
    /// It was started but could not run, or ended at once.
    #[error("Error: agent '{agent}' did not start: {reason}")]
    DidNotStart {
        /// The agent.
        agent: String,
        /// Why, as far as that is known.
        reason: String,
    },
}

impl Diagnose for SpawnError {
    fn code(&self) -> &'static str {
        match self {
            Self::AlreadyRunning { .. } => "agent_running",
            Self::NotStopped { .. } => "agent_not_stopped",
            Self::NoCommand => "no_command",
            Self::NotInPath { .. } | Self::NotExecutable(_) => "command_not_found",
            Self::NoDirectory(_) => "no_directory",
            Self::NoTmux => "tmux_missing",
            Self::DidNotStart { .. } => "did_not_start",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotInPath { installed, .. } if !installed.is_empty() => {
                Some(format!("installed agent programs: {}", installed.join(", ")))
            }
            Self::NoTmux => Some("install tmux, or use: clawteam spawn subprocess …".into()),
            _ => None,
        }
    }
}

/// What this call made, to be undone if the agent does not start.
#[derive(Default)]
struct Made {
    team: bool,
    member: Option<String>,
    workspace: Option<Prepared>,
}

/// Starts an agent: it is in the team, in its worktree, runs, and has its prompt, or nothing of
/// that is left.
pub fn spawn(app: &App, request: &Request) -> Outcome<Spawned> {
    spawn_on(app, request, &Terms::default())
}

/// The same for an agent whose place needs more than its repository says.
pub fn spawn_on(app: &App, request: &Request, terms: &Terms) -> Outcome<Spawned> {
    let backend = backend(app, request)?;
    let here = directory(request)?;
    let program = check_program(app, request, &here)?;
    let repository = repository(app, request, &here)?;
    let event = Event::new("BeforeWorkerSpawn", request.team.as_str());
    let event = event.with("agent_name", request.agent.as_str());
    let event = event.with("agent_type", request.agent_type.as_str());
    hook::ask(app, event.with("command", request.command.clone()))?;
    make_room(app, request)?;

    let mut made = Made::default();
    let result = (|| {
        let team = join(app, request, &mut made)?;
        let cwd = match &repository {
            Some(repository) => {
                let id = agent_id(&team, request);
                let prepared =
                    workspace::prepare(app, &request.team, &request.agent, &id, repository)?;
                if !prepared.reused && !terms.fresh_team {
                    provision::warn_of_changes(app, &repository.root);
                }
                let cwd = prepared.cwd.clone();
                made.workspace = Some(prepared);
                cwd
            }
            None => here.clone(),
        };
        let names = (&request.team, &request.agent);
        let ready = provision::make_ready(app, names, made.workspace.as_ref(), &here, terms)?;
        let request = &Request {
            env: ready.into_iter().chain(request.env.clone()).collect(),
            ..request.clone()
        };
        let branch = made.workspace.as_ref().map(|made| made.workspace.branch_name.as_str());
        let place = Place { branch, cwd: &cwd, program: &program, terms };
        let plan = plan(app, request, backend, &team, place)?;
        let started = start::start_within(app, &plan, request.options.ready_within)?;
        Ok(spawned(&plan, &made, started))
    })();
    if result.is_err() {
        undo(app, request, &made);
    }
    result
}

/// How an agent of `team` would be started. Makes nothing.
pub(super) fn preview(app: &App, request: &Request, team: &Team) -> Outcome<LaunchPlan> {
    let backend = backend(app, request)?;
    let here = directory(request)?;
    let program = check_program(app, request, &here)?;
    let terms = &Terms { fresh_team: true, ..Terms::default() };
    let Some(repository) = repository(app, request, &here)? else {
        let place = Place { branch: None, cwd: &here, program: &program, terms };
        return plan(app, request, backend, team, place);
    };
    let workspaces = Dir::workspaces(&request.team).child(request.agent.as_str());
    let mut cwd = app.data_dir.join(workspaces.as_str());
    if !repository.subpath.is_empty() {
        cwd.push(&repository.subpath);
    }
    let branch = crate::domain::workspace::branch(&request.team, &request.agent);
    let place = Place { branch: Some(&branch), cwd: &cwd, program: &program, terms };
    plan(app, request, backend, team, place)
}

fn backend(app: &App, request: &Request) -> Outcome<BackendKind> {
    let backend = request.backend.unwrap_or_else(|| {
        if app.setting("default_backend") == "subprocess" {
            BackendKind::Subprocess
        } else {
            BackendKind::Tmux
        }
    });
    if backend == BackendKind::Tmux && !app.terminal.is_available() {
        return Err(SpawnError::NoTmux.into());
    }
    Ok(backend)
}

/// The directory that `--repo` names, or the present one, as an absolute path.
pub(super) fn directory(request: &Request) -> Outcome<PathBuf> {
    let named = request.repo.clone().unwrap_or_else(|| PathBuf::from("."));
    let gone = || SpawnError::NoDirectory(named.display().to_string());
    let real = named.canonicalize().map_err(|_| gone())?;
    if real.is_dir() { Ok(real) } else { Err(gone().into()) }
}

fn repository(app: &App, request: &Request, here: &Path) -> Outcome<Option<Repository>> {
    if request.workspace == WorkspaceMode::Never {
        return Ok(None);
    }
    match app.git.discover(here) {
        Ok(repository) => Ok(Some(repository)),
        Err(error) if request.workspace == WorkspaceMode::Always => Err(error.into()),
        Err(error) if error.code() == "not_a_repository" => Ok(None),
        Err(error) => {
            app.warn(format!("no worktree for '{}': {error}", request.agent));
            Ok(None)
        }
    }
}

pub(super) fn check_program(app: &App, request: &Request, here: &Path) -> Outcome<String> {
    find_program(app, &request.command, here)
}

/// The program of `command` as it is to be called, if it is there.
pub(super) fn find_program(app: &App, command: &[String], here: &Path) -> Outcome<String> {
    let program = command.first().filter(|p| !p.is_empty()).ok_or(SpawnError::NoCommand)?;
    let path = app.env.get("PATH").unwrap_or_default();
    let expanded = match (program.strip_prefix("~/"), app.env.home()) {
        (Some(rest), Some(home)) => home.join(rest).display().to_string(),
        _ => program.clone(),
    };
    if let Some(found) = app.processes.find_program(&expanded, here, path) {
        // A path stays what it means here, wherever the agent works.
        return Ok(if program.contains('/') { found.display().to_string() } else { expanded });
    }
    if program.contains('/') {
        return Err(SpawnError::NotExecutable(program.clone()).into());
    }
    let there = |name: &String| app.processes.find_program(name, here, path).is_some();
    let catalog = agent_rows::catalog(app, here);
    let installed = catalog.rows().filter_map(|row| row.programs.iter().find(|name| there(name)));
    let installed = installed.cloned().collect();
    Err(SpawnError::NotInPath { program: program.clone(), installed }.into())
}

/// Makes sure that the agent does not run already.
fn make_room(app: &App, request: &Request) -> Outcome<()> {
    let (team, agent) = (request.team.to_string(), request.agent.to_string());
    if liveness::of(app, &request.team, &agent) != Some(true) {
        return Ok(());
    }
    if !request.replace {
        return Err(SpawnError::AlreadyRunning { agent, team }.into());
    }
    if !agents::stop(app, &request.team, &request.agent)? {
        return Err(SpawnError::NotStopped { agent, team }.into());
    }
    Ok(())
}

/// Makes the agent a member of its team, and the team if there is none.
fn join(app: &App, request: &Request, made: &mut Made) -> Outcome<Team> {
    if team::find(app, &request.team)?.is_none() {
        let new = team::NewTeam {
            name: request.team.clone(),
            description: "Auto-created by clawteam spawn".into(),
            leader: request.agent.clone(),
            leader_id: app.ids.hex(12),
            leader_type: request.agent_type.clone(),
        };
        match team::create(app, new) {
            Ok(team) => {
                made.team = true;
                return Ok(team);
            }
            // Somebody else made it between our look and our try.
            Err(failure) if failure.inner().code() == "team_exists" => {}
            Err(failure) => return Err(failure),
        }
    }
    let id = app.ids.hex(12);
    let member = team::member(app, &request.agent, id.clone(), request.agent_type.clone());
    match team::add_member(app, &request.team, member) {
        Ok(_) => made.member = Some(id),
        Err(failure) if failure.inner().code() == "member_exists" => {}
        Err(failure) => return Err(failure),
    }
    team::load(app, &request.team)
}

/// The agent's identifier in its team: that of the member, whenever it joined.
fn agent_id(team: &Team, request: &Request) -> String {
    let member = team.members.iter().rfind(|member| member.name == request.agent.as_str());
    member.map(|member| member.agent_id.clone()).unwrap_or_default()
}

/// Where an agent is to be started.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The branch of its worktree, if it has one.
    branch: Option<&'a str>,
    cwd: &'a Path,
    /// What is run, found already.
    program: &'a str,
    terms: &'a Terms,
}

/// What the agent is told, with what plugins add to it.
fn prompt(
    app: &App,
    request: &Request,
    id: &str,
    leader: &str,
    cwd: &str,
    (branch, fresh_team): (Option<&str>, bool),
) -> Option<String> {
    let mission = request.mission.as_ref()?;
    let others =
        if fresh_team { None } else { context::for_prompt(app, &request.team, &request.agent) };
    let built = prompt::build(&Brief {
        agent_name: request.agent.as_str(),
        agent_id: id,
        agent_type: &request.agent_type,
        team: request.team.as_str(),
        leader,
        user: &app.identity.user,
        mission,
        workspace_dir: Some(cwd),
        branch,
        isolated: branch.is_some(),
        context: others.as_deref(),
    });
    let added = plugin::contributions(app, request);
    Some(std::iter::once(built).chain(added).collect::<Vec<_>>().join("\n\n"))
}

fn plan(
    app: &App,
    request: &Request,
    backend: BackendKind,
    team: &Team,
    Place { branch, cwd, program, terms }: Place<'_>,
) -> Outcome<LaunchPlan> {
    let id = agent_id(team, request);
    let leader = team.leader().map_or("leader", |leader| leader.name.as_str());
    let is_leader = leader == request.agent.as_str();
    let cwd_text = cwd.display().to_string();
    let worktree = (branch, terms.fresh_team);
    let prompt = prompt(app, request, &id, leader, &cwd_text, worktree);
    let mut command = request.command.clone();
    program.clone_into(&mut command[0]);
    let cli = agent_rows::catalog(app, cwd).find(&command);
    let cli = probe::of_release(app, cli, &command, backend, cwd);
    let resumed = resumed(app, request, &cli)?;
    let own = equip::equip(app, request, &cli, &command, backend, cwd, branch.is_some())?;
    let call = Call {
        cwd: &cwd_text,
        resume: resumed.as_deref(),
        prompt: prompt.as_deref(),
        ..own.call(app, request, &command, backend)
    };
    let (line, again) = command_line(app, request, &cli, call);
    let agents = app.data_dir.join(Dir::agents(&request.team).as_str());
    let plan = LaunchPlan {
        schema: PLAN_SCHEMA.into(),
        team: request.team.to_string(),
        agent: request.agent.to_string(),
        agent_id: id,
        agent_type: request.agent_type.clone(),
        is_leader,
        backend,
        instance: app.ids.hex(12),
        argv: line.argv,
        command: command.clone(),
        cwd: cwd_text,
        env: BTreeMap::new(),
        unset: cli.unset,
        sources: Sources::default(),
        prompt: line.prompt,
        paste: line.paste,
        own_settings: own.settings,
        permissions: Some(line.level),
        allow: own.allow,
        trusted: own.trusted,
        interactive: line.interactive,
        log: agents.join(format!("{}.log", request.agent)).display().to_string(),
        cli: cli.name,
        keepalive: request.keepalive,
        again: Some(again),
        extra: Extra::new(),
    };
    let mut plan = environment::fill(app, request, plan)?;
    plan.env.extend(own.env);
    plan.sources.secrets.extend(own.secrets);
    Ok(plan)
}

/// How the agent is called now, and when it is started again.
fn command_line(
    app: &App,
    request: &Request,
    cli: &AgentCli,
    call: Call<'_>,
) -> (CommandLine, Again) {
    let prompt = match (call.prompt, call.resume) {
        (Some(prompt), Some(id)) => Some(format!("{prompt}\n{}", back::line(id))),
        (prompt, _) => prompt.map(str::to_owned),
    };
    let call = Call {
        data: &app.data_dir.display().to_string(),
        session: &format!("clawteam-{}-{}", request.team, request.agent),
        uuid: &uuid(&app.ids.hex(32)),
        prompt: prompt.as_deref(),
        prompt_file: &equip::prompt_file(app, request),
        ..call
    };
    let mut line = agent_cli::command_line(cli, &call);
    let again = restart::forms(cli, &call, &line);
    line.warnings.drain(..).for_each(|warning| app.warn(warning));
    (line, again)
}

/// The session that the agent shall go on with, if it was asked for and there is one.
fn resumed(app: &App, request: &Request, cli: &AgentCli) -> Outcome<Option<String>> {
    if !request.resume {
        return Ok(None);
    }
    let found = restart::resumable(app, &request.team, &request.agent, Client::of(cli))?;
    match &found {
        Some(id) => app.tell(format!("Resuming session: {id}")),
        None => app.tell(format!(
            "no session of '{}' is known that {} could go on with; it starts afresh",
            request.agent, cli.name
        )),
    }
    // OpenClaw finds a session by the name that it is given at every start.
    let own = format!("clawteam-{}-{}", request.team, request.agent);
    Ok(found.filter(|id| Client::of(cli) != Some(Client::Openclaw) || *id != own))
}

/// A random UUID (version 4) of 32 random hexadecimal digits.
pub(super) fn uuid(hex: &str) -> String {
    let (time, rest) = (&hex[..8], &hex[20..32]);
    format!("{time}-{}-4{}-a{}-{rest}", &hex[8..12], &hex[13..16], &hex[17..20])
}

fn spawned(plan: &LaunchPlan, made: &Made, started: Started) -> Spawned {
    let message = match plan.backend {
        BackendKind::Tmux => {
            let window = started.window.as_ref().map_or("?", |window| window.window.as_str());
            format!("Agent '{}' spawned in tmux ({window})", plan.agent)
        }
        BackendKind::Subprocess => {
            format!("Agent '{}' spawned as subprocess (pid={})", plan.agent, started.runner.pid)
        }
    };
    Spawned {
        agent: plan.agent.clone(),
        agent_id: plan.agent_id.clone(),
        backend: plan.backend,
        message,
        stage: started.spoken.stage,
        prompt: started.spoken.prompt,
        answered: started.spoken.answered,
        asks: started.spoken.asks,
        branch: made.workspace.as_ref().map(|prepared| prepared.workspace.branch_name.clone()),
        cwd: plan.cwd.clone(),
    }
}

/// Takes back what this call made, and nothing else. What cannot be taken back is told.
fn undo(app: &App, request: &Request, made: &Made) {
    let mut problems = Vec::new();
    if let Some(prepared) = made.workspace.as_ref().filter(|prepared| !prepared.reused)
        && let Err(failure) = workspace::remove(app, &request.team, &prepared.workspace)
    {
        problems.push(failure.message());
    }
    if let Some(id) = &made.member
        && let Err(failure) = team::remove_member(app, &request.team, id)
    {
        problems.push(failure.message());
    }
    if made.team
        && let Err(failure) = team::remove_if_alone(app, &request.team, &request.agent)
    {
        problems.push(failure.message());
    }
    for problem in problems {
        app.warn(format!("while undoing: {}", text::cut(&problem, 400)));
    }
}

/// The settings' word on worktrees.
pub fn workspace_mode(settings: &crate::domain::settings::Settings, env: &Env) -> WorkspaceMode {
    match super::settings::effective(settings, env, "workspace").value.as_str() {
        "" | "auto" => WorkspaceMode::Auto,
        "always" => WorkspaceMode::Always,
        _ => WorkspaceMode::Never,
    }
}

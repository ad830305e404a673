//! Making the worktree of an agent ready before the agent starts, and taking it down again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::wait::Stop;
use super::workspace::{self, Prepared};
use super::{App, team};
use crate::core::text::{count, cut};
use crate::core::{AgentName, Diagnose, Outcome, Span, TeamName};
use crate::domain::Extra;
use crate::domain::provision::{
    self, FIRST_PORT, PROJECT_FILE, PortLease, Ports, Provision, USUAL_TIMEOUT,
};
use crate::domain::workspace::Workspace;
use crate::env::{self, IDENTITY_PREFIXES};
use crate::ports::git::Furnishing;
use crate::ports::{Captured, Cut, Program};
use crate::store::{Commit, Expect, Key, Put, Scope};

/// The first of the ports that belong to an agent.
pub const PORT_BASE: &str = "CLAWTEAM_PORT_BASE";
/// How many ports belong to it.
pub const PORT_COUNT: &str = "CLAWTEAM_PORT_COUNT";
/// The checkout that a worktree was made from.
pub const REPO_ROOT: &str = "CLAWTEAM_REPO_ROOT";

/// How much of what a command writes is kept, up to its last byte.
const OUTPUT_MAX: usize = 64 * 1024;
/// How many of its last lines are told.
const LINES_TOLD: usize = 5;
/// How long a told line can be.
const LINE_MAX: usize = 200;
/// The time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

/// What a start asks for besides what the repository says.
#[derive(Clone, Default)]
pub struct Terms {
    /// What the worktree gets.
    pub provision: Provision,
    /// Whether the team was made just now: nobody in it has done anything yet.
    pub fresh_team: bool,
    /// A request to end: what makes the worktree ready is not waited for any more.
    pub stop: Stop,
}

/// Why a place is not ready for its agent.
#[derive(Debug, thiserror::Error)]
enum NotReady {
    /// A command failed.
    #[error(
        "Error: the worktree of '{agent}' could not be made ready: `{command}` {why}{}",
        last(output)
    )]
    Setup { agent: String, command: String, why: String, output: Vec<String>, log: String },
    /// All ports are taken.
    #[error("Error: no {count} free ports in a row from {first} on for '{agent}'")]
    NoPorts { agent: String, count: u16, first: u16 },
}

fn last(output: &[String]) -> String {
    if output.is_empty() {
        String::new()
    } else {
        format!("; its last output: {}", output.join(" | "))
    }
}

impl Diagnose for NotReady {
    fn code(&self) -> &'static str {
        match self {
            Self::Setup { .. } => "setup_failed",
            Self::NoPorts { .. } => "no_ports",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Setup { log, .. } => format!("all that it wrote: {log}"),
            Self::NoPorts { .. } => "ask for fewer `ports`, or from a lower `port_base` on".into(),
        })
    }
}

/// What the repository with its top at `root` says that its worktrees need, and `more`.
pub fn wanted(app: &App, root: &Path, more: &Provision) -> Outcome<Provision> {
    let Some(text) = app.git.checkout_file(root, PROJECT_FILE)? else { return Ok(more.clone()) };
    let file = root.join(PROJECT_FILE).display().to_string();
    let (said, warnings) = provision::parse(&text, &file)?;
    for warning in warnings {
        app.warn(format!("{file}: {warning}"));
    }
    Ok(said.with(more))
}

/// How many changed files are named.
const CHANGES_NAMED: usize = 3;

/// Tells of changes in the checkout at `root` that worktrees do not get: they begin with its last
/// commit.
pub(super) fn warn_of_changes(app: &App, root: &Path) {
    let Ok(status) = app.git.status(root) else { return };
    let mut changed: Vec<&str> =
        status.staged.iter().chain(&status.unstaged).map(String::as_str).collect();
    changed.sort_unstable();
    changed.dedup();
    if changed.is_empty() {
        return;
    }
    let more = if changed.len() > CHANGES_NAMED { ", …" } else { "" };
    let named = changed[..changed.len().min(CHANGES_NAMED)].join(", ");
    app.warn(format!(
        "{} of {} changed since the last commit ({named}{more}): worktrees begin with that commit \
         and do not hold the changes",
        count(changed.len(), "file"),
        root.display()
    ));
}

/// Makes the place of an agent ready: `prepared` its worktree, or else it works at `here`. Returns
/// what the agent finds in its environment for it.
///
/// Whatever was done for an earlier start in the same worktree is not done again.
pub(super) fn make_ready(
    app: &App,
    (team, agent): (&TeamName, &AgentName),
    prepared: Option<&Prepared>,
    here: &Path,
    terms: &Terms,
) -> Outcome<BTreeMap<String, String>> {
    let root = prepared.map_or(here, |prepared| Path::new(&prepared.workspace.repo_root));
    let wanted = wanted(app, root, &terms.provision)?;
    let mut vars = BTreeMap::new();
    if let Some(count) = wanted.ports {
        let first = wanted.port_base.unwrap_or(FIRST_PORT);
        let base = lease(app, team, agent, count, first)?;
        vars.insert(PORT_BASE.to_owned(), base.to_string());
        vars.insert(PORT_COUNT.to_owned(), count.to_string());
    }
    match prepared {
        Some(prepared) => {
            let workspace = &prepared.workspace;
            furnish(app, workspace, &wanted)?;
            set_up(app, (team, agent), workspace, &wanted, &vars, &terms.stop)?;
        }
        None if terms.provision.needs_worktree() => app.warn(format!(
            "'{agent}' has no worktree of its own: nothing is copied, linked or set up for it"
        )),
        None => {}
    }
    Ok(vars)
}

/// Copies and links files.
fn furnish(app: &App, workspace: &Workspace, wanted: &Provision) -> Outcome<()> {
    if wanted.copy.is_empty() && wanted.symlink.is_empty() {
        return Ok(());
    }
    let agent = &workspace.agent_name;
    let to = Path::new(&workspace.worktree_path);
    let done = app.git.furnish(&Furnishing {
        from: Path::new(&workspace.repo_root),
        to,
        copy: &wanted.copy,
        link: &wanted.symlink,
        withheld: &provision::is_secret,
    })?;
    if !done.missing.is_empty() {
        let missing = done.missing.join(", ");
        app.warn(format!("the worktree of '{agent}' lacks what is not there: {missing}"));
    }
    if !done.withheld.is_empty() {
        let (number, first) = (count(done.withheld.len(), "file"), &done.withheld[0]);
        app.warn(format!(
            "{number} that may hold secrets were not copied for '{agent}', such as {first}: name \
             in `copy` what is needed"
        ));
    }
    let hidden = workspace::keep_out_of_commits(app, workspace, &done.made)?;
    if !hidden.is_empty() {
        let hidden = hidden.join(", ");
        app.warn(format!(
            "git did not ignore {hidden}; it does now (info/exclude of the repository), so that no \
             agent commits it"
        ));
    }
    Ok(())
}

/// Runs the commands that were not yet run in this worktree.
fn set_up(
    app: &App,
    (team, agent): (&TeamName, &AgentName),
    workspace: &Workspace,
    wanted: &Provision,
    vars: &BTreeMap<String, String>,
    stop: &Stop,
) -> Outcome<()> {
    // Written down first: what a command began is taken down even if it failed.
    let timeout = wanted.timeout.unwrap_or(USUAL_TIMEOUT);
    let mut state = workspace.provisioned.clone().unwrap_or_default();
    state.teardown.clone_from(&wanted.teardown);
    state.timeout = Some(timeout);
    state.env.clone_from(vars);
    if workspace.provisioned.is_some() || wanted.needs_worktree() {
        workspace::provisioned(app, team, agent, state.clone())?;
    }
    let mut log = String::new();
    for command in &wanted.setup {
        if state.setup.contains(command) {
            continue;
        }
        let ran = run(app, workspace, command, vars, timeout, &|| stop.is_requested());
        let file = write_log(app, team, Key::setup_log(team, agent), &mut log, command, &ran)?;
        if let Some(why) = ran.failure(timeout) {
            let (agent, command) = (agent.to_string(), command.clone());
            return Err(NotReady::Setup {
                agent,
                command,
                why,
                output: ran.last_lines(),
                log: file,
            }
            .into());
        }
        state.setup.push(command.clone());
        workspace::provisioned(app, team, agent, state.clone())?;
    }
    Ok(())
}

/// Runs the commands that are to be run before a worktree goes. Whatever fails is told, and keeps
/// nothing from being removed.
pub(super) fn tear_down(app: &App, team: &TeamName, workspace: &Workspace) {
    // What was begun after the worktree was looked up counts, too.
    let recorded = workspace::registry(app, team).unwrap_or_default();
    let recorded = recorded.of(&workspace.agent_name).and_then(|w| w.provisioned.clone());
    let Some(state) = recorded.or_else(|| workspace.provisioned.clone()) else { return };
    if state.teardown.is_empty() {
        return;
    }
    let agent = &workspace.agent_name;
    if !Path::new(&workspace.worktree_path).is_dir() {
        app.warn(format!("the worktree of '{agent}' is gone already: its teardown was not run"));
        return;
    }
    let timeout = state.timeout.unwrap_or(USUAL_TIMEOUT);
    let mut log = String::new();
    for command in &state.teardown {
        let ran = run(app, workspace, command, &state.env, timeout, &|| false);
        if let Some(why) = ran.failure(timeout) {
            let said = last(&ran.last_lines());
            app.warn(format!("teardown of the worktree of '{agent}': `{command}` {why}{said}"));
        }
        if let Ok(agent) = AgentName::parse(agent.clone())
            && let Err(failure) =
                write_log(app, team, Key::teardown_log(team, &agent), &mut log, command, &ran)
        {
            app.warn(failure.message());
        }
    }
}

/// What came of a command; the error is why it could not be started.
struct Ran(Result<Captured, std::io::Error>);

impl Ran {
    /// How it failed, if it did, to follow the command.
    fn failure(&self, timeout: Span) -> Option<String> {
        match &self.0 {
            Err(error) => Some(format!("cannot be started: {error}")),
            Ok(captured) => match captured.cut {
                Some(Cut::TimedOut) => Some(format!("took longer than {timeout} and was ended")),
                Some(Cut::Cancelled) => Some("was interrupted".to_owned()),
                None if captured.exit_code != 0 => {
                    Some(format!("ended with status {}", captured.exit_code))
                }
                None => None,
            },
        }
    }

    fn output(&self) -> String {
        let bytes = self.0.as_ref().map_or(&[][..], |captured| &captured.stderr);
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn last_lines(&self) -> Vec<String> {
        let output = self.output();
        let lines: Vec<&str> =
            output.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let from = lines.len().saturating_sub(LINES_TOLD);
        lines[from..].iter().map(|line| cut(line, LINE_MAX).to_owned()).collect()
    }
}

fn run(
    app: &App,
    workspace: &Workspace,
    command: &str,
    vars: &BTreeMap<String, String>,
    timeout: Span,
    cancelled: &dyn Fn() -> bool,
) -> Ran {
    let mut env = vars.clone();
    let mut set = |name: &str, value: &str| env.insert(name.to_owned(), value.to_owned());
    set(env::DATA_DIR, &app.data_dir.display().to_string());
    set("CLAWTEAM_TEAM_NAME", &workspace.team_name);
    set("CLAWTEAM_AGENT_NAME", &workspace.agent_name);
    set(env::WORKSPACE_DIR, &workspace.worktree_path);
    set(REPO_ROOT, &workspace.repo_root);
    // Whoever starts an agent may be one; and git tells its hooks where *its* repository is.
    let mut env_without: Vec<String> =
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"].map(str::to_owned).into();
    for prefix in IDENTITY_PREFIXES {
        env_without
            .extend(["AGENT_ID", "AGENT_TYPE", "AGENT_LEADER"].map(|f| format!("{prefix}{f}")));
    }
    let program = Program {
        // Both streams are kept as one, up to the last byte.
        argv: ["/bin/sh", "-c", &format!("exec 1>&2\n{command}")].map(str::to_owned).to_vec(),
        cwd: PathBuf::from(&workspace.worktree_path),
        env,
        env_without,
        stdin: Vec::new(),
        stdout_max: 0,
        stderr_max: OUTPUT_MAX,
        timeout: Some(timeout.duration()),
        grace: GRACE,
    };
    Ran(app.processes.capture(&program, cancelled, &mut |_| {}))
}

/// Adds a command and what it wrote to the log. Returns the file.
fn write_log(
    app: &App,
    team: &TeamName,
    key: Key,
    log: &mut String,
    command: &str,
    ran: &Ran,
) -> Outcome<String> {
    let how = match &ran.0 {
        Ok(captured) => format!(
            "status {} after {:.1} s{}",
            captured.exit_code,
            captured.took.as_secs_f64(),
            if captured.cut.is_some() { ", ended early" } else { "" }
        ),
        Err(error) => error.to_string(),
    };
    let output = ran.output();
    let line_end = if output.is_empty() || output.ends_with('\n') { "" } else { "\n" };
    log.push_str(&format!("$ {command}\n{output}{line_end}[{how}]\n"));
    let file = app.data_dir.join(key.as_str()).display().to_string();
    // What it wrote may hold secrets.
    let put = Put { secret: true, ..Put::new(key, log.clone().into_bytes(), Expect::Any) };
    let mut locked = app.store.lock(&Scope::Workspaces(team.clone()))?;
    locked.commit(&Commit { puts: vec![put], ..Commit::default() })?;
    Ok(file)
}

/// Gives an agent `count` ports in a row, those that it has already if they are as many. They are
/// its own for as long as it is in its team.
fn lease(app: &App, team: &TeamName, agent: &AgentName, count: u16, first: u16) -> Outcome<u16> {
    let mut locked = app.store.lock(&Scope::Ports)?;
    let found = app.store.load::<Ports>(&Key::ports())?;
    let revision = found.as_ref().map(|doc| doc.revision);
    let mut ports = found.map(|doc| doc.value).unwrap_or_default();
    let is_own = |l: &PortLease| l.team == team.as_str() && l.agent == agent.as_str();
    if let Some(own) =
        ports.leases.iter().find(|l| is_own(l) && l.count == count && l.base >= first)
    {
        return Ok(own.base);
    }
    ports.leases.retain(|lease| !is_own(lease) && is_held(app, lease));
    let base = ports
        .gap(first, count, |port| app.processes.is_port_free(port))
        .ok_or_else(|| NotReady::NoPorts { agent: agent.to_string(), count, first })?;
    let (team, agent) = (team.to_string(), agent.to_string());
    ports.leases.push(PortLease { team, agent, base, count, extra: Extra::new() });
    locked.put(Key::ports(), &ports, revision)?;
    Ok(base)
}

/// Whether the agent of a lease is still in its team.
fn is_held(app: &App, lease: &PortLease) -> bool {
    let Ok(name) = TeamName::parse(lease.team.clone()) else { return false };
    match team::find(app, &name) {
        Ok(Some(team)) => team.value.members.iter().any(|member| member.name == lease.agent),
        Ok(None) => false,
        // Whoever cannot be looked up keeps what is theirs.
        Err(_) => true,
    }
}

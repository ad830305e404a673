//! What the program of an agent is given besides its prompt, by its row and the user's word.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::environment::NoProgram;
use super::spawn::Request;
use super::{App, probe, secret};
use crate::core::Outcome;
use crate::domain::agent::BackendKind;
use crate::domain::agent_cli::{AgentCli, Call, GENERIC, Level, McpServer, OwnState, Server};
use crate::domain::identity::is_true;
use crate::domain::secret::Reference;
use crate::ports::web::{WebError, WebRequest};
use crate::store::{Dir, Key};

/// How long a server of this machine may take to answer.
const SERVER_MAX: Duration = Duration::from_millis(500);
/// What is read of the settings of a program, in bytes.
const SETTINGS_MAX: u64 = 1 << 20;

/// What a program is given.
#[derive(Debug)]
pub(super) struct Equipment {
    /// How much it may do without asking.
    pub(super) level: Level,
    /// Names and kinds of dialogs that may be answered with yes.
    pub(super) allow: Vec<String>,
    /// Whether its directory is one that clawteam made or the user named.
    pub(super) trusted: bool,
    /// Whether it is told that it runs in a sandbox.
    pub(super) sandboxed: bool,
    /// Whether the server that it talks to is there.
    pub(super) served: Option<bool>,
    /// The options that its help shows.
    pub(super) flags: Option<BTreeSet<String>>,
    /// The MCP server that it gets.
    pub(super) mcp: Option<McpServer>,
    /// Variables that it gets.
    pub(super) env: BTreeMap<String, String>,
    /// Variables whose values are secrets, by reference.
    pub(super) secrets: BTreeMap<String, String>,
    /// The settings of its program that only it has: the name of their file and the text.
    pub(super) settings: Option<(String, String)>,
}

impl Equipment {
    /// The call of `command` with it, without prompt and session.
    pub(super) fn call<'a>(
        &'a self,
        app: &App,
        request: &'a Request,
        command: &'a [String],
        backend: BackendKind,
    ) -> Call<'a> {
        Call {
            as_root: app.processes.is_root(),
            sandboxed: self.sandboxed,
            model: request.model.as_deref(),
            system_prompt: request.setup.instructions.as_deref(),
            agent: request.options.own_agent.as_deref(),
            mcp: self.mcp.as_ref(),
            trusted: self.trusted,
            served: self.served,
            flags: self.flags.as_ref(),
            ..Call::new(command, backend, self.level)
        }
    }
}

/// What the program of `command` is given in `cwd`. `isolated`: that is a worktree of its own.
pub(super) fn equip(
    app: &App,
    request: &Request,
    cli: &AgentCli,
    command: &[String],
    backend: BackendKind,
    cwd: &Path,
    isolated: bool,
) -> Outcome<Equipment> {
    let program = probe::file(app, command, cwd);
    let options = &request.options;
    let skip =
        || request.skip_permissions.unwrap_or_else(|| is_true(&app.setting("skip_permissions")));
    let variable =
        |name: &String| request.env.get(name).map_or_else(|| app.env.get(name), |v| Some(v));
    let served = served(app, cli);
    let mut env = variables(request, cli, cwd);
    // Some do without the server in the background even if it is there.
    let does_without = cli.server.as_ref().is_some_and(|server| {
        cli.run.of(backend).iter().any(|word| server.without.tmux.contains(word))
    });
    let apart = cli.own_state.as_ref().filter(|_| served != Some(true) || does_without);
    let own_settings = apart.map(|state| {
        let (settings, vars) = own_state(app, request, cli, state, cwd);
        env.extend(vars.into_iter().filter(|(name, _)| !request.env.contains_key(name)));
        settings
    });
    let equipment = Equipment {
        level: options.level.unwrap_or_else(|| Level::of_skip(skip())),
        allow: allowed(app, request),
        trusted: isolated || request.repo.is_some() || !is_everything(app, cwd),
        sandboxed: cli.permissions.sandbox_env.iter().any(|name| variable(name) == Some("1")),
        served,
        flags: probe::flags(app, cli, &program, command, backend),
        mcp: options.mcp.then(|| own_server(app)).transpose()?,
        env,
        secrets: server_key(app, request, cli).into_iter().collect(),
        settings: own_settings,
    };
    let reminds = is_true(&app.setting("probe_reminder"));
    if reminds && cli.name != GENERIC && backend == BackendKind::Tmux {
        probe::remind(app, cli, &program);
    }
    Ok(equipment)
}

/// Whether the server that a program talks to is there; `None` if it wants none.
pub(super) fn served(app: &App, cli: &AgentCli) -> Option<bool> {
    let server = cli.server.as_ref()?;
    Some(listens(app, port(app, server, &settings(app, server))))
}

/// The variable with the key of the server that a program talks to, and where that is written,
/// unless somebody else sets it.
fn server_key(app: &App, request: &Request, cli: &AgentCli) -> Option<(String, String)> {
    let server = cli.server.as_ref().filter(|server| !server.token_env.is_empty())?;
    let (name, file) = (&server.token_env, settings_file(app, server));
    let set = request.env.contains_key(name)
        || request.setup.secrets.contains_key(name)
        || app.env.get(name).is_some();
    secret::in_json(app, &file, &server.token_at).filter(|_| !set)?;
    let from = Reference::Json { file: file.display().to_string(), at: server.token_at.clone() };
    Some((name.clone(), from.to_string()))
}

/// Names and kinds of dialogs that the user allowed. A key that a profile sets is meant to be
/// used.
fn allowed(app: &App, request: &Request) -> Vec<String> {
    let setting = app.setting("allow_dialogs");
    let words = setting.split(',').map(str::trim).filter(|word| !word.is_empty());
    let mut allow: Vec<String> = words.map(str::to_owned).collect();
    allow.extend(request.options.allow.iter().cloned());
    let set = request.env.keys().chain(request.setup.secrets.keys());
    if request.setup.allow_api_key || set.into_iter().any(|name| name.ends_with("_API_KEY")) {
        allow.push("api-key".into());
    }
    allow
}

/// Whether a directory holds so much that being started in it does not mean that it is trusted:
/// the user's home, or the top of the file system.
fn is_everything(app: &App, cwd: &Path) -> bool {
    cwd.parent().is_none() || app.env.home().is_some_and(|home| app.foreign.real(&home) == cwd)
}

/// clawteam as an MCP server.
fn own_server(app: &App) -> Outcome<McpServer> {
    let program = app.processes.own_program().map_err(NoProgram)?.display().to_string();
    let server = json!({"mcpServers": {"clawteam": {"command": program, "args": ["mcp"]}}});
    Ok(McpServer { json: server.to_string(), program })
}

/// The variables that the row asks for.
fn variables(request: &Request, cli: &AgentCli, cwd: &Path) -> BTreeMap<String, String> {
    let cwd = cwd.display().to_string();
    let wanted = cli.env.iter().filter(|(name, _)| !request.env.contains_key(*name));
    wanted.map(|(name, value)| (name.clone(), value.replace("{cwd}", &cwd))).collect()
}

/// A state and settings of the agent's own, and the variables that name them.
fn own_state(
    app: &App,
    request: &Request,
    cli: &AgentCli,
    state: &OwnState,
    cwd: &Path,
) -> ((String, String), BTreeMap<String, String>) {
    let dir = app.data_dir.join(Dir::own_state(&request.team, &request.agent).as_str());
    let users = cli.server.as_ref().map(|server| settings_file(app, server));
    let users = users.filter(|path| app.foreign.stat(path).is_some());
    let quoted = |path: &Path| Value::from(path.display().to_string()).to_string();
    let text = users.as_ref().map_or_else(
        || state.text_alone.clone(),
        |path| state.text.replace("{settings}", &quoted(path)),
    );
    let settings_dir = users.as_deref().and_then(Path::parent).unwrap_or(&dir);
    let fill = |(name, value): (&String, &String)| {
        let value = value.replace("{dir}", &dir.display().to_string());
        (name.clone(), value.replace("{settings_dir}", &settings_dir.display().to_string()))
    };
    let vars = state.env.iter().map(fill).collect();
    ((state.file.clone(), text.replace("{cwd}", &quoted(cwd))), vars)
}

/// Where the settings of the program lie that a server belongs to.
fn settings_file(app: &App, server: &Server) -> PathBuf {
    match (server.settings.strip_prefix("~/"), app.env.home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(&server.settings),
    }
}

/// The settings of the program that a server belongs to; nothing where they cannot be read.
fn settings(app: &App, server: &Server) -> Value {
    let bytes = app.foreign.head(&settings_file(app, server), SETTINGS_MAX).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}

fn port(app: &App, server: &Server, settings: &Value) -> u16 {
    let named = app.env.get(&server.port_env).and_then(|port| port.parse().ok());
    let set = || settings.pointer(&server.port_at)?.as_u64()?.try_into().ok();
    named.or_else(set).unwrap_or(server.port)
}

/// Whether something on this machine answers at a port, whatever it says.
fn listens(app: &App, port: u16) -> bool {
    let request = WebRequest {
        url: format!("http://127.0.0.1:{port}/"),
        method: "GET".into(),
        headers: Vec::new(),
        body: None,
        timeout: SERVER_MAX,
        body_max: 1024,
        follow: false,
    };
    !matches!(app.web.call(&request), Err(WebError::Unreachable(_)))
}

/// The file of the prompt of an agent, for programs that are pointed to it.
pub(super) fn prompt_file(app: &App, request: &Request) -> String {
    let key = Key::prompt(&request.team, &request.agent);
    app.data_dir.join(key.as_str()).display().to_string()
}

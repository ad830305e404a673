//! Where each document lies: the one table of paths below the data directory.

mod agent;
mod harness;
mod hook;
mod launch;
mod workflow;

use std::fmt;

use crate::core::{AgentName, Name, TaskId, TeamName};

/// A collection of documents, as a path relative to the data directory. Empty: the top.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dir(String);

/// A document, as a path relative to the data directory. Made only from checked names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Dir {
    /// The data directory itself.
    pub fn top() -> Self {
        Self(String::new())
    }

    /// All teams.
    pub fn teams() -> Self {
        Self("teams".into())
    }

    /// One team: its members, registries and mail.
    pub fn team(team: &TeamName) -> Self {
        Self(format!("teams/{team}"))
    }

    /// The inboxes of a team, each a collection of its own.
    pub fn inboxes(team: &TeamName) -> Self {
        Self(format!("teams/{team}/inboxes"))
    }

    /// The messages waiting in an inbox.
    pub fn inbox(team: &TeamName, inbox: &AgentName) -> Self {
        Self(format!("teams/{team}/inboxes/{inbox}"))
    }

    /// Messages that could not be understood, put aside.
    pub fn dead_letters(team: &TeamName, inbox: &AgentName) -> Self {
        Self(format!("teams/{team}/dead_letters/{inbox}"))
    }

    /// Copies of all messages ever sent in a team.
    pub fn message_log(team: &TeamName) -> Self {
        Self(format!("teams/{team}/events"))
    }

    /// All task lists.
    pub fn task_lists() -> Self {
        Self("tasks".into())
    }

    /// The tasks of a team.
    pub fn tasks(team: &TeamName) -> Self {
        Self(format!("tasks/{team}"))
    }

    /// The sessions of a team's agents.
    pub fn sessions(team: &TeamName) -> Self {
        Self(format!("sessions/{team}"))
    }

    /// What a team has spent.
    pub fn costs(team: &TeamName) -> Self {
        Self(format!("costs/{team}"))
    }

    /// Plans that agents of a team handed in.
    pub fn plans(team: &TeamName) -> Self {
        Self(format!("plans/{team}"))
    }

    /// The worktree registry of a team, and its worktrees.
    pub fn workspaces(team: &TeamName) -> Self {
        Self(format!("workspaces/{team}"))
    }

    /// What is known of each started agent of a team.
    pub fn agents(team: &TeamName) -> Self {
        Self(format!("agents/{team}"))
    }

    /// The approvals of a team.
    pub fn approvals(team: &TeamName) -> Self {
        Self(format!("approvals/{team}"))
    }

    /// Tokens that were given to people.
    pub fn tokens() -> Self {
        Self("auth/tokens".into())
    }

    /// Keys whose signatures count.
    pub fn trusted_keys() -> Self {
        Self("auth/keys".into())
    }

    /// The queue of a team: a collection for each state of its items.
    pub fn queue(team: &TeamName) -> Self {
        Self(format!("queue/{team}"))
    }

    /// Services that failed of late.
    pub fn breakers() -> Self {
        Self("breakers".into())
    }

    /// The user's plugins, each a collection of its own, in the data directory of the user's home.
    pub fn plugins() -> Self {
        Self("plugins".into())
    }

    /// The schedules of a team.
    pub fn schedules(team: &TeamName) -> Self {
        Self(format!("schedules/{team}"))
    }

    /// What people of a team must know.
    pub fn notifications(team: &TeamName) -> Self {
        Self(format!("notifications/{team}"))
    }

    /// Which artifacts tasks and runs of a team have.
    pub fn artifacts(team: &TeamName) -> Self {
        Self(format!("artifacts/{team}"))
    }

    /// The artifacts of one owner; `kind` is what it is: `task` or `run`.
    pub fn artifacts_of(team: &TeamName, kind: &'static str, id: &Name) -> Self {
        Self(format!("artifacts/{team}/{kind}-{id}"))
    }

    /// What one person or agent must know. `principal` must be one path component.
    pub fn notifications_of(team: &TeamName, principal: &str) -> Self {
        Self::notifications(team).child(principal)
    }

    /// A collection below this one. `name` must be one path component, as a listing gives it.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        debug_assert!(!name.contains('/') && name != "..");
        if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{}/{name}", self.0)) }
    }

    /// A document in this collection. `name` must be one path component, as a listing gives it.
    pub fn entry(&self, name: &str) -> Key {
        Key(self.child(name).0)
    }

    /// The path, with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Key {
    /// The settings, in the data directory of the user's home.
    pub fn settings() -> Self {
        Self("config.json".into())
    }

    /// Name, members and budget of a team. A team exists if and only if this document does.
    pub fn team(team: &TeamName) -> Self {
        Dir::team(team).entry("config.json")
    }

    /// Which agents of a team were started, and how.
    pub fn spawn_registry(team: &TeamName) -> Self {
        Dir::team(team).entry("spawn_registry.json")
    }

    /// Crashes of a team's agents.
    pub fn agent_health(team: &TeamName) -> Self {
        Dir::team(team).entry("agent_health.json")
    }

    /// The last message number given out in a team.
    pub fn message_sequence(team: &TeamName) -> Self {
        Dir::team(team).entry(".sequence")
    }

    /// A task.
    pub fn task(team: &TeamName, task: &TaskId) -> Self {
        Dir::tasks(team).entry(&format!("task-{task}.json"))
    }

    /// The worktrees of a team.
    pub fn workspace_registry(team: &TeamName) -> Self {
        Dir::workspaces(team).entry("workspace-registry.json")
    }

    /// How an agent was started, with its prompt and environment.
    pub fn launch_plan(team: &TeamName, agent: &AgentName) -> Self {
        Dir::agents(team).entry(&format!("{agent}.plan.json"))
    }

    /// The prompt of an agent.
    pub fn prompt(team: &TeamName, agent: &AgentName) -> Self {
        Dir::agents(team).entry(&format!("{agent}.prompt.md"))
    }

    /// The output of an agent that no terminal shows.
    pub fn agent_log(team: &TeamName, agent: &AgentName) -> Self {
        Dir::agents(team).entry(&format!("{agent}.log"))
    }

    /// What became of an agent's process.
    pub fn agent_record(team: &TeamName, agent: &AgentName) -> Self {
        Dir::agents(team).entry(&format!("{agent}.json"))
    }

    /// The session of an agent.
    pub fn session(team: &TeamName, agent: &AgentName) -> Self {
        Dir::sessions(team).entry(&format!("{agent}.json"))
    }

    /// The text of a plan.
    pub fn plan(team: &TeamName, agent: &AgentName, plan: &Name) -> Self {
        Dir::plans(team).entry(&format!("{agent}-{plan}.md"))
    }

    /// The text of a plan where old versions of Python's ClawTeam put it.
    pub fn old_plan(agent: &AgentName, plan: &Name) -> Self {
        Dir("plans".into()).entry(&format!("{agent}-{plan}.md"))
    }

    /// What is known of a workflow besides its versions.
    pub fn workflow(team: &TeamName, workflow: &Name) -> Self {
        Dir::workflow(team, workflow).entry("meta.json")
    }

    /// A version of a workflow. Never changed.
    pub fn workflow_version(team: &TeamName, workflow: &Name, version: u32) -> Self {
        Dir::workflow(team, workflow).entry(&format!("v{version}.json"))
    }

    /// Which run a request started; `digest` is of the request's key.
    pub fn run_key(team: &TeamName, workflow: &Name, digest: &Name) -> Self {
        Dir::run_keys(team, workflow).entry(&format!("{digest}.json"))
    }

    /// What a run was started with. A run exists if and only if this document does.
    pub fn run_start(team: &TeamName, run: &Name) -> Self {
        Dir::run(team, run).entry("start.json")
    }

    /// What the journal of a run comes to.
    pub fn run_state(team: &TeamName, run: &Name) -> Self {
        Dir::run(team, run).entry("state.json")
    }

    /// Every transition of a run, one JSON object a line.
    pub fn run_journal(team: &TeamName, run: &Name) -> Self {
        Dir::run(team, run).entry("journal.jsonl")
    }

    /// Inputs of a run that nobody else may read.
    pub fn run_secrets(team: &TeamName, run: &Name) -> Self {
        Dir::run(team, run).entry("secrets.json")
    }

    /// An approval.
    pub fn approval(team: &TeamName, id: &Name) -> Self {
        Dir::approvals(team).entry(&format!("{id}.json"))
    }

    /// Every change of an approval, one JSON object a line.
    pub fn approval_journal(team: &TeamName, id: &Name) -> Self {
        Dir::approvals(team).entry(&format!("{id}.jsonl"))
    }

    /// What a team says about approvals in general.
    pub fn approval_policy(team: &TeamName) -> Self {
        Dir::approvals(team).entry("policy.json")
    }

    /// Bytes by their digest.
    pub fn blob(digest: &Name) -> Self {
        let start = digest.as_str().get(..2).unwrap_or("00").to_owned();
        Dir("blobs/sha256".into()).child(&start).entry(digest.as_str())
    }

    /// The versions of an artifact.
    pub fn artifact(team: &TeamName, kind: &'static str, id: &Name, name: &Name) -> Self {
        Dir::artifacts_of(team, kind, id).entry(&format!("{name}.json"))
    }

    /// Who of a team is told what, and how.
    pub fn notify_rules(team: &TeamName) -> Self {
        Dir::notifications(team).entry("rules.json")
    }

    /// What was told in a team last, so that it is not told again and again. Derived.
    pub fn notify_recent(team: &TeamName) -> Self {
        Dir::notifications(team).entry("recent.json")
    }

    /// The path, with `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The collection that this document is in.
    pub fn dir(&self) -> Dir {
        Dir(self.0.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned())
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.0.as_str(), |(_, name)| name)
    }

    /// A key read back from a journal, if it is a path that stays below the data directory.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let good = |part: &str| !part.is_empty() && part != "." && part != "..";
        text.split('/').all(good).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What one lock guards: documents that change together.
///
/// Nothing takes a second scope while it holds one, with one exception: whoever holds a run takes
/// other scopes one at a time to do what the run's transition asks for. Nobody locks a run while
/// holding anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The settings.
    Settings,
    /// Tokens of people, and keys whose signatures count.
    Credentials,
    /// A team's members and budget.
    Team(TeamName),
    /// A team's tasks.
    Tasks(TeamName),
    /// A team's mail, when several inboxes change at once.
    Mail(TeamName),
    /// Which agents were started.
    SpawnRegistry(TeamName),
    /// Crashes of agents.
    AgentHealth(TeamName),
    /// The harness runs of a team.
    Harness(TeamName),
    /// A team's worktrees.
    Workspaces(TeamName),
    /// Changes to a repository, by a digest of its path.
    Repository(Name),
    /// A workflow: its versions, and which runs it has.
    Workflow(TeamName, Name),
    /// A run of a workflow.
    Run(TeamName, Name),
    /// The approvals of a team.
    Approvals(TeamName),
    /// Which services failed of late.
    Breakers,
    /// Which ports belong to which agent.
    Ports,
    /// The queue of a team.
    Queue(TeamName),
    /// The schedules of a team.
    Schedules(TeamName),
    /// What the people of a team must know.
    Notifications(TeamName),
    /// The artifacts of a team.
    Artifacts(TeamName),
    /// How an agent was started, and what became of it: not a matter of its whole team, as many
    /// of them can be started at once.
    Agent(TeamName, AgentName),
    /// What an agent's hooks told.
    AgentState(TeamName, AgentName),
    /// The terminal of an agent: who types into it, and what was given to it.
    Terminal(TeamName, AgentName),
    /// How messages are passed on to the agents of a team.
    Runtime(TeamName),
}

impl Scope {
    /// The lock file, as a path relative to the data directory. Those which Python's ClawTeam
    /// locks too have the names that it gives them.
    pub fn lock_file(&self) -> Key {
        match self {
            Self::Settings => Dir::top().entry("config.json.lock"),
            Self::Credentials => Dir("auth".into()).entry("auth.lock"),
            Self::Team(team) => Dir::team(team).entry("config.json.lock"),
            Self::Tasks(team) => Dir::tasks(team).entry(".tasks.lock"),
            Self::Mail(team) => Dir::team(team).entry("mail.lock"),
            Self::SpawnRegistry(team) => Dir::team(team).entry("spawn_registry.json.lock"),
            Self::AgentHealth(team) => Dir::team(team).entry("agent_health.json.lock"),
            Self::Harness(team) => Dir::harness(team).entry("harness.lock"),
            Self::Workspaces(team) => Dir::workspaces(team).entry("workspace-registry.json.lock"),
            Self::Repository(digest) => Dir("locks".into()).entry(&format!("repo-{digest}.lock")),
            Self::Workflow(team, name) => Dir::workflow(team, name).entry("workflow.lock"),
            Self::Run(team, run) => Dir::run(team, run).entry("run.lock"),
            Self::Approvals(team) => Dir::approvals(team).entry("approvals.lock"),
            Self::Breakers => Dir::breakers().entry("breakers.lock"),
            Self::Ports => Dir("locks".into()).entry("ports.lock"),
            Self::Queue(team) => Dir::queue(team).entry("queue.lock"),
            Self::Schedules(team) => Dir::schedules(team).entry("schedules.lock"),
            Self::Notifications(team) => Dir::notifications(team).entry("notifications.lock"),
            Self::Artifacts(team) => Dir::artifacts(team).entry("artifacts.lock"),
            Self::Agent(team, agent) => Dir::agents(team).entry(&format!("{agent}.lock")),
            Self::AgentState(team, agent) => {
                Dir::agents(team).entry(&format!("{agent}.state.lock"))
            }
            Self::Terminal(team, agent) => Dir::agents(team).entry(&format!("{agent}.given.lock")),
            Self::Runtime(team) => Dir::team(team).entry("runtime_state.json.lock"),
        }
    }

    /// The scope whose journal has the file name `name`.
    pub(super) fn of_journal(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".json")?;
        if stem == "settings" {
            return Some(Self::Settings);
        }
        if stem == "credentials" {
            return Some(Self::Credentials);
        }
        if stem == "breakers" {
            return Some(Self::Breakers);
        }
        if stem == "ports" {
            return Some(Self::Ports);
        }
        let (kind, name) = stem.split_once('-')?;
        let team = || TeamName::parse(name).ok();
        // No name holds a `+`.
        let team_and_name = || {
            let (team, name) = name.split_once('+')?;
            Some((TeamName::parse(team).ok()?, Name::parse(name).ok()?))
        };
        let team_and_agent = || {
            let (team, agent) = name.split_once('+')?;
            Some((TeamName::parse(team).ok()?, AgentName::parse(agent).ok()?))
        };
        match kind {
            "team" => team().map(Self::Team),
            "tasks" => team().map(Self::Tasks),
            "mail" => team().map(Self::Mail),
            "spawn" => team().map(Self::SpawnRegistry),
            "health" => team().map(Self::AgentHealth),
            "harness" => team().map(Self::Harness),
            "workspaces" => team().map(Self::Workspaces),
            "repo" => Name::parse(name).ok().map(Self::Repository),
            "workflow" => team_and_name().map(|(team, name)| Self::Workflow(team, name)),
            "run" => team_and_name().map(|(team, run)| Self::Run(team, run)),
            "approvals" => team().map(Self::Approvals),
            "queue" => team().map(Self::Queue),
            "schedules" => team().map(Self::Schedules),
            "notifications" => team().map(Self::Notifications),
            "artifacts" => team().map(Self::Artifacts),
            "agent" => team_and_agent().map(|(team, agent)| Self::Agent(team, agent)),
            "state" => team_and_agent().map(|(team, agent)| Self::AgentState(team, agent)),
            "terminal" => team_and_agent().map(|(team, agent)| Self::Terminal(team, agent)),
            "runtime" => team().map(Self::Runtime),
            _ => None,
        }
    }

    /// The scope under whose lock a document is changed, if there is a fixed one.
    pub(super) fn of_document(key: &Key) -> Option<Self> {
        let parts: Vec<&str> = key.as_str().split('/').collect();
        let team = |name: &str| TeamName::parse(name).ok();
        match parts[..] {
            ["config.json"] => Some(Self::Settings),
            ["auth", ..] => Some(Self::Credentials),
            ["teams", name, "config.json"] => team(name).map(Self::Team),
            ["teams", name, "agent_health.json"] => team(name).map(Self::AgentHealth),
            ["teams", name, "spawn_registry.json"] | ["sessions", name, _] => {
                team(name).map(Self::SpawnRegistry)
            }
            ["tasks", name, _] => team(name).map(Self::Tasks),
            ["harness", name, _, _, ..] => team(name).map(Self::Harness),
            ["workspaces", name, _] => team(name).map(Self::Workspaces),
            ["workflows", name, flow, ..] => {
                Some(Self::Workflow(team(name)?, Name::parse(flow).ok()?))
            }
            ["runs", name, run, ..] => Some(Self::Run(team(name)?, Name::parse(run).ok()?)),
            ["approvals", name, _] => team(name).map(Self::Approvals),
            ["breakers", _] => Some(Self::Breakers),
            ["ports.json"] => Some(Self::Ports),
            ["queue", name, ..] => team(name).map(Self::Queue),
            ["schedules", name, _] => team(name).map(Self::Schedules),
            ["notifications", name, ..] => team(name).map(Self::Notifications),
            ["artifacts", name, ..] => team(name).map(Self::Artifacts),
            ["teams", name, "runtime_state.json"] => team(name).map(Self::Runtime),
            ["agents", name, file] => {
                let agent = |end| AgentName::parse(file.strip_suffix(end)?).ok();
                let state = agent(".state.json").map(|agent| (agent, true));
                let (agent, state) =
                    state.or_else(|| agent(".given.json").map(|agent| (agent, false)))?;
                let team = team(name)?;
                Some(if state {
                    Self::AgentState(team, agent)
                } else {
                    Self::Terminal(team, agent)
                })
            }
            _ => None,
        }
    }

    /// The journal of a commit under way in this scope.
    pub fn journal_file(&self) -> Key {
        let name = match self {
            Self::Settings => "settings".to_owned(),
            Self::Credentials => "credentials".to_owned(),
            Self::Team(team) => format!("team-{team}"),
            Self::Tasks(team) => format!("tasks-{team}"),
            Self::Mail(team) => format!("mail-{team}"),
            Self::SpawnRegistry(team) => format!("spawn-{team}"),
            Self::AgentHealth(team) => format!("health-{team}"),
            Self::Harness(team) => format!("harness-{team}"),
            Self::Workspaces(team) => format!("workspaces-{team}"),
            Self::Repository(digest) => format!("repo-{digest}"),
            Self::Workflow(team, name) => format!("workflow-{team}+{name}"),
            Self::Run(team, run) => format!("run-{team}+{run}"),
            Self::Approvals(team) => format!("approvals-{team}"),
            Self::Breakers => "breakers".to_owned(),
            Self::Ports => "ports".to_owned(),
            Self::Queue(team) => format!("queue-{team}"),
            Self::Schedules(team) => format!("schedules-{team}"),
            Self::Notifications(team) => format!("notifications-{team}"),
            Self::Artifacts(team) => format!("artifacts-{team}"),
            Self::Agent(team, agent) => format!("agent-{team}+{agent}"),
            Self::AgentState(team, agent) => format!("state-{team}+{agent}"),
            Self::Terminal(team, agent) => format!("terminal-{team}+{agent}"),
            Self::Runtime(team) => format!("runtime-{team}"),
        };
        Dir("journal".into()).entry(&format!("{name}.json"))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => write!(f, "the settings"),
            Self::Credentials => write!(f, "the tokens and keys"),
            Self::Team(team) => write!(f, "team '{team}'"),
            Self::Tasks(team) => write!(f, "the tasks of team '{team}'"),
            Self::Mail(team) => write!(f, "the mail of team '{team}'"),
            Self::SpawnRegistry(team) => write!(f, "the spawn registry of team '{team}'"),
            Self::AgentHealth(team) => write!(f, "the agent health of team '{team}'"),
            Self::Harness(team) => write!(f, "the harness runs of team '{team}'"),
            Self::Workspaces(team) => write!(f, "the workspaces of team '{team}'"),
            Self::Repository(_) => write!(f, "the repository"),
            Self::Workflow(team, name) => write!(f, "workflow '{name}' of team '{team}'"),
            Self::Run(_, run) => write!(f, "run '{run}'"),
            Self::Approvals(team) => write!(f, "the approvals of team '{team}'"),
            Self::Breakers => write!(f, "the circuit breakers"),
            Self::Ports => write!(f, "the ports"),
            Self::Queue(team) => write!(f, "the queue of team '{team}'"),
            Self::Schedules(team) => write!(f, "the schedules of team '{team}'"),
            Self::Notifications(team) => write!(f, "the notifications of team '{team}'"),
            Self::Artifacts(team) => write!(f, "the artifacts of team '{team}'"),
            Self::Agent(_, agent) => write!(f, "the record of agent '{agent}'"),
            Self::AgentState(_, agent) => write!(f, "the state of agent '{agent}'"),
            Self::Terminal(_, agent) => write!(f, "the terminal of agent '{agent}'"),
            Self::Runtime(team) => write!(f, "the runtime state of team '{team}'"),
        }
    }
}

#[cfg(test)]
mod tests;

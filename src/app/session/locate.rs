//! Finding the conversation that an agent's program keeps.
//!
//! A session is never given to an agent on the strength of time and place alone: two agents of one
//! program may work in one directory. What counts, in this order: the identifier that the program
//! was told to use; a transcript that a process of the agent has open; a transcript that begins
//! with the agent's prompt; and only if no other agent can have written it, the one transcript that
//! began in the agent's directory after its start.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::app::{App, liveness, team as teams};
use crate::core::{AgentName, Outcome, ProcessId, Stamp, TeamName};
use crate::domain::agent::{AgentRecord, LaunchPlan};
use crate::domain::agent_cli;
use crate::domain::session::head::{self, Head};
use crate::domain::session::{Client, Confidence, Found, Named, Session};
use crate::ports::{ForeignFile, Program};
use crate::store::{Dir, Key};

/// What is known of the agent whose session is looked for.
pub(super) struct Seek<'a> {
    app: &'a App,
    team: &'a TeamName,
    agent: &'a AgentName,
    plan: &'a LaunchPlan,
    shelf: Shelf<'a>,
    record: Option<AgentRecord>,
}

/// A transcript that may be the one.
struct Candidate {
    id: String,
    file: ForeignFile,
    cwd: Option<String>,
    started: Option<f64>,
}

/// The beginning of a transcript that is read: the first lines may hold long instructions.
const HEAD_BYTES: u64 = 256 * 1024;
/// Transcripts that are looked into, the latest first.
const CANDIDATES_MAX: usize = 200;
/// Clocks and file systems may differ by so many seconds.
const SLACK: f64 = 2.0;
/// How long a program may take to list its sessions.
const LIST_WAIT: Duration = Duration::from_secs(5);

/// Looks for the session of an agent's present or last start.
pub(super) fn now(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Option<Found>> {
    let Some(plan) = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent))? else {
        return Ok(None);
    };
    let Some(client) = client_of_plan(&plan.value) else { return Ok(None) };
    Seek::of(app, team, agent, &plan.value, client).find()
}

/// The transcript of a session that somebody wrote down, of an agent that clawteam need not have
/// started.
pub(super) fn written(app: &App, session: &Session) -> Option<String> {
    let client = Client::parse(session.client())?;
    let env = BTreeMap::new();
    let shelf = Shelf { app, client, cwd: session.cwd(), env: &env };
    let id = Some(session.session_id.as_str()).filter(|id| !id.is_empty())?;
    shelf.transcript_of(id).map(|path| path.display().to_string())
}

/// The program that an agent was started with, if it keeps conversations.
pub(super) fn client_of(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Option<Client>> {
    let plan = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent))?;
    Ok(plan.and_then(|plan| client_of_plan(&plan.value)))
}

/// The program of a plan, if it keeps conversations.
pub(in crate::app) fn client_of_plan(plan: &LaunchPlan) -> Option<Client> {
    Client::parse(&plan.cli).or_else(|| Client::of(&agent_cli::find(&plan.command)))
}

/// Where a program keeps the conversations that it had in one directory.
struct Shelf<'a> {
    app: &'a App,
    client: Client,
    cwd: &'a str,
    env: &'a BTreeMap<String, String>,
}

impl Shelf<'_> {
    fn variable(&self, name: &str) -> Option<PathBuf> {
        let value = self.env.get(name).map(String::as_str).or_else(|| self.app.env.get(name));
        value.filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// A directory of the program: what `variable` says, or `below` the user's home.
    fn place(&self, variable: &str, below: &str) -> PathBuf {
        let home = || self.variable("HOME").unwrap_or_default().join(below);
        self.variable(variable).unwrap_or_else(home)
    }

    /// Where the program keeps its transcripts, how deep below, and how their names end.
    fn places(&self) -> Vec<(PathBuf, usize, &'static [&'static str])> {
        match self.client {
            Client::Claude => {
                let base = self.place("CLAUDE_CONFIG_DIR", ".claude");
                vec![(base.join("projects"), 1, &[".jsonl"])]
            }
            Client::Codex => {
                let base = self.place("CODEX_HOME", ".codex");
                vec![(base.join("sessions"), 3, &[".jsonl"])]
            }
            Client::Gemini => {
                let base = match self.variable("GEMINI_CLI_HOME") {
                    Some(home) => home.join(".gemini"),
                    None => self.place("GEMINI_HOME", ".gemini"),
                };
                let mut places = Vec::new();
                for project in self.gemini_projects(&base.join("tmp")) {
                    let endings: &[&str] = &[".json", ".jsonl"];
                    places.push((project.join("chats"), 0, endings));
                }
                places
            }
            Client::Qwen => {
                let base = self.place("QWEN_HOME", ".qwen");
                vec![(base.join("projects"), 2, &[".jsonl"])]
            }
            Client::Openclaw => {
                let base = self.place("OPENCLAW_STATE_DIR", ".openclaw");
                vec![(base.join("agents"), 2, &[".jsonl"])]
            }
            Client::Nanobot => {
                let base = self.place("NANOBOT_HOME", ".nanobot");
                let own = Path::new(self.cwd).join("sessions");
                vec![(base.join("workspace/sessions"), 0, &[".jsonl"]), (own, 0, &[".jsonl"])]
            }
            Client::Kimi => {
                let base = self.place("KIMI_SHARE_DIR", ".kimi");
                vec![(base.join("sessions"), 2, &["context.jsonl"])]
            }
            Client::Pi => {
                let base = self.place("PI_CODING_AGENT_DIR", ".pi/agent");
                vec![(base.join("sessions"), 1, &[".jsonl"])]
            }
            Client::Opencode | Client::Hermes | Client::Cursor => Vec::new(),
        }
    }

    /// Gemini's directories for where the agent works: each holds the path in `.project_root`.
    fn gemini_projects(&self, tmp: &Path) -> Vec<PathBuf> {
        let marks = self.app.foreign.list(tmp, 1, &|name| name == ".project_root");
        let here = self.app.foreign.real(Path::new(self.cwd));
        let is_here = |mark: &&ForeignFile| {
            let text = self.app.foreign.head(&mark.path, 4096).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            text == self.cwd || Path::new(&text) == here
        };
        let found = marks.iter().filter(is_here);
        found.filter_map(|mark| mark.path.parent().map(Path::to_owned)).collect()
    }

    fn files(&self) -> Vec<ForeignFile> {
        let mut files = Vec::new();
        for (dir, depth, endings) in self.places() {
            let wanted = |name: &str| {
                endings.iter().any(|ending| name.ends_with(ending)) && !name.starts_with('.')
            };
            files.extend(self.app.foreign.list(&dir, depth, &wanted));
        }
        files
    }

    fn is_here(&self, cwd: &str) -> bool {
        let real = |path: &str| self.app.foreign.real(Path::new(path));
        cwd == self.cwd || real(cwd) == real(self.cwd)
    }

    fn head(&self, file: &ForeignFile) -> Option<Head> {
        let bytes = self.app.foreign.head(&file.path, HEAD_BYTES)?;
        let name = if self.client == Client::Kimi { file.path.parent()? } else { &file.path };
        let stem = name.file_stem()?.to_str()?;
        head::read(self.client, stem, &bytes)
    }

    /// The file of the session `id`, if the program has written it.
    fn transcript_of(&self, id: &str) -> Option<PathBuf> {
        let files = self.files();
        let stem =
            |file: &ForeignFile| file.path.file_stem().map(|s| s.to_string_lossy().into_owned());
        let full = |file: &&ForeignFile| file.bytes > 0;
        let file = match self.client {
            Client::Codex | Client::Pi => {
                let ends = |file: &ForeignFile| stem(file).is_some_and(|stem| stem.ends_with(id));
                files.iter().filter(full).find(|file| ends(file) || self.says(file, id))
            }
            Client::Gemini => files.iter().filter(full).find(|file| self.says(file, id)),
            Client::Kimi => files.iter().filter(full).find(|file| self.says(file, id)),
            Client::Openclaw => {
                return self.openclaw(id).or_else(|| {
                    let named = |file: &&ForeignFile| stem(file).as_deref() == Some(id);
                    files.iter().filter(full).find(named).map(|file| file.path.clone())
                });
            }
            Client::Nanobot => {
                let name = id.replace(':', "_");
                files.iter().filter(full).find(|file| stem(file).as_deref() == Some(&name))
            }
            _ => files.iter().filter(full).find(|file| stem(file).as_deref() == Some(id)),
        };
        file.map(|file| file.path.clone())
    }

    fn says(&self, file: &ForeignFile, id: &str) -> bool {
        self.head(file).is_some_and(|head| head.id == id)
    }

    /// OpenClaw's own table of sessions: keys such as `agent:main:<name>` to files.
    fn openclaw(&self, name: &str) -> Option<PathBuf> {
        let agents = self.place("OPENCLAW_STATE_DIR", ".openclaw").join("agents");
        for table in self.app.foreign.list(&agents, 2, &|file| file == "sessions.json") {
            let Some(bytes) = self.app.foreign.head(&table.path, 16 * 1024 * 1024) else {
                continue;
            };
            let Ok(Value::Object(sessions)) = serde_json::from_slice::<Value>(&bytes) else {
                continue;
            };
            let is_named = |key: &str, entry: &Value| {
                key == name
                    || key.rsplit(':').next() == Some(name)
                    || entry["sessionId"].as_str() == Some(name)
            };
            let Some((_, entry)) = sessions.iter().find(|(key, entry)| is_named(key, entry)) else {
                continue;
            };
            let dir = table.path.parent()?;
            let path = match (entry["sessionFile"].as_str(), entry["sessionId"].as_str()) {
                (Some(file), _) => dir.join(file),
                (None, Some(id)) => dir.join(format!("{id}.jsonl")),
                (None, None) => continue,
            };
            return self
                .app
                .foreign
                .stat(&path)
                .filter(|file| file.bytes > 0)
                .map(|file| file.path);
        }
        None
    }
}

impl<'a> Seek<'a> {
    /// Looks for the session of the start that `plan` describes.
    pub(super) fn of(
        app: &'a App,
        team: &'a TeamName,
        agent: &'a AgentName,
        plan: &'a LaunchPlan,
        client: Client,
    ) -> Self {
        let record = liveness::record(app, team, agent.as_str())
            .filter(|record| record.instance == plan.instance);
        let shelf = Shelf { app, client, cwd: &plan.cwd, env: &plan.env };
        Self { app, team, agent, plan, shelf, record }
    }

    /// The session, if it can be told which one it is.
    pub(super) fn find(&self) -> Outcome<Option<Found>> {
        let named = match self.shelf.client.named(&self.plan.argv) {
            Named::Session(id) => Some(id),
            Named::Nothing | Named::Unknown => None,
        };
        if let Some(id) = named {
            let path = self.shelf.transcript_of(&id);
            return Ok(path.map(|path| self.found(id, Confidence::Exact, Some(path))));
        }
        let since = self.since();
        let mut candidates = self.candidates(since);
        let taken = self.taken()?;
        candidates.retain(|candidate| !taken.contains(&candidate.id));
        if let Some(found) = self.open(&candidates).or_else(|| self.prompted(&candidates)) {
            return Ok(Some(found));
        }
        if self.shelf.client == Client::Opencode {
            return self.listed(since, &taken);
        }
        // A prompt that we gave would be in it.
        let ours = |candidate: &&Candidate| candidate.cwd.as_deref() == Some(&self.plan.cwd);
        let mut here = candidates.iter().filter(ours);
        let (Some(only), None) = (here.next(), here.next()) else { return Ok(None) };
        if self.plan.prompt.is_some() || self.has_rival()? {
            return Ok(None);
        }
        let path = only.file.path.clone();
        Ok(Some(self.found(only.id.clone(), Confidence::Latest, Some(path))))
    }

    fn found(&self, id: String, confidence: Confidence, path: Option<PathBuf>) -> Found {
        let transcript = path.map(|path| path.display().to_string());
        Found { client: self.shelf.client, id, confidence, source: "transcript", transcript }
    }

    /// When the agent was started, in seconds since the epoch.
    fn since(&self) -> f64 {
        let started = self.record.as_ref().and_then(|record| seconds(record.started_at.as_str()));
        started.unwrap_or_else(|| self.app.now_seconds()) - SLACK
    }

    /// The transcripts that were written since the agent's start and do not belong elsewhere.
    fn candidates(&self, since: f64) -> Vec<Candidate> {
        let files = self.shelf.files().into_iter().filter(|file| file.modified >= since);
        let mut found = Vec::new();
        for file in files.take(CANDIDATES_MAX) {
            let Some(head) = self.shelf.head(&file) else { continue };
            let started = head.started.as_deref().and_then(seconds);
            let elsewhere = head.cwd.as_deref().is_some_and(|cwd| !self.shelf.is_here(cwd));
            if elsewhere || started.is_some_and(|started| started < since) {
                continue;
            }
            // Gemini's directory says where it is.
            let cwd = if head.cwd.is_some() || self.shelf.client == Client::Gemini {
                Some(self.plan.cwd.clone())
            } else {
                None
            };
            found.push(Candidate { id: head.id, file, cwd, started });
        }
        found.sort_by(|a, b| a.started.unwrap_or(0.0).total_cmp(&b.started.unwrap_or(0.0)));
        found
    }

    /// A transcript that a process of the agent has open.
    fn open(&self, candidates: &[Candidate]) -> Option<Found> {
        let process: ProcessId = self.record.as_ref()?.process?;
        let open = self.app.processes.open_files(process);
        let mut held = candidates.iter().filter(|candidate| {
            let real = self.app.foreign.real(&candidate.file.path);
            open.iter().any(|path| *path == real || *path == candidate.file.path)
        });
        // A program with helpers of its own may hold several; then its first is its main one.
        let first = held.next()?;
        Some(self.found(first.id.clone(), Confidence::Exact, Some(first.file.path.clone())))
    }

    /// A transcript that begins with the agent's prompt.
    fn prompted(&self, candidates: &[Candidate]) -> Option<Found> {
        self.plan.prompt.as_ref().filter(|prompt| prompt.contains(&mark(&self.plan.agent_id)))?;
        let team = teams::find(self.app, self.team).ok().flatten();
        let members = team.iter().flat_map(|doc| &doc.value.members);
        let mut marks: Vec<String> = members.map(|member| mark(&member.agent_id)).collect();
        let own = mark(&self.plan.agent_id);
        marks.push(own.clone());
        let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
        let ours = candidates.iter().find(|candidate| {
            let bytes = self.app.foreign.head(&candidate.file.path, HEAD_BYTES).unwrap_or_default();
            head::first_of(&String::from_utf8_lossy(&bytes), &marks) == Some(own.as_str())
        })?;
        Some(self.found(ours.id.clone(), Confidence::Exact, Some(ours.file.path.clone())))
    }

    /// What `opencode session list` knows of where the agent works.
    fn listed(&self, since: f64, taken: &HashSet<String>) -> Outcome<Option<Found>> {
        if self.has_rival()? {
            return Ok(None);
        }
        let program = self.plan.argv.first().cloned().unwrap_or_default();
        let argv = [program.as_str(), "session", "list", "--format", "json"];
        let listed = self.app.processes.capture(
            &Program {
                argv: argv.map(str::to_owned).to_vec(),
                cwd: PathBuf::from(&self.plan.cwd),
                env: self.plan.env.clone(),
                stdout_max: 4 * 1024 * 1024,
                timeout: Some(LIST_WAIT),
                grace: Duration::from_millis(500),
                ..Program::default()
            },
            &|| false,
            &mut |_| {},
        );
        let sessions: Vec<Value> = match listed {
            Ok(listed) if listed.cut.is_none() => {
                serde_json::from_slice(&listed.stdout).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        let ids = sessions.iter().filter(|session| {
            let here = session["directory"].as_str().is_some_and(|cwd| self.shelf.is_here(cwd));
            // Milliseconds since the epoch.
            let created = session["created"].as_f64().map(|millis| millis / 1000.0);
            here && created.is_none_or(|created| created >= since)
        });
        let mut ids =
            ids.filter_map(|session| session["id"].as_str()).filter(|id| !taken.contains(*id));
        let (Some(id), None) = (ids.next(), ids.next()) else { return Ok(None) };
        let found = self.found(id.to_owned(), Confidence::Latest, None);
        Ok(Some(Found { source: "client-list", ..found }))
    }

    /// Sessions that were written down for other agents, of any team.
    fn taken(&self) -> Outcome<HashSet<String>> {
        let mut taken = HashSet::new();
        for team in self.teams()? {
            for session in super::list(self.app, &team)? {
                let own = team == *self.team && session.agent_name == self.agent.as_str();
                if !own && !session.session_id.is_empty() {
                    taken.insert(session.session_id);
                }
            }
        }
        Ok(taken)
    }

    fn teams(&self) -> Outcome<Vec<TeamName>> {
        let names = self.app.store.backend().list_dirs(&Dir::teams())?;
        Ok(names.into_iter().filter_map(|name| TeamName::parse(name).ok()).collect())
    }

    /// Whether another agent of this program worked in the same directory since this one's start.
    fn has_rival(&self) -> Outcome<bool> {
        let since = self.since();
        for team in self.teams()? {
            let is_plan = |name: &str| name.ends_with(".plan.json");
            for (_, doc) in self.app.store.list::<LaunchPlan>(&Dir::agents(&team), is_plan)? {
                let other = &doc.value;
                let own = other.team == self.plan.team && other.agent == self.plan.agent;
                if own
                    || client_of_plan(other) != Some(self.shelf.client)
                    || !self.shelf.is_here(&other.cwd)
                {
                    continue;
                }
                let record = liveness::record(self.app, &team, &other.agent);
                let over = record.as_ref().filter(|record| !record.ended_at.is_empty());
                let ended = over.and_then(|record| seconds(record.ended_at.as_str()));
                if ended.is_none_or(|ended| ended >= since) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// The line of an agent's prompt that no other agent has.
fn mark(agent_id: &str) -> String {
    format!("- ID: {agent_id}")
}

/// Seconds since the epoch.
fn seconds(stamp: &str) -> Option<f64> {
    let instant = Stamp::from(stamp.to_owned()).instant()?;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds fit for a hundred thousand years")]
    let millis = instant.timestamp_millis() as f64;
    Some(millis / 1000.0)
}

//! Conversations of agents with their programs: keeping, finding and reading them.

mod capture;
mod locate;

use std::path::Path;

use super::App;
use crate::core::{AgentName, Diagnose, Outcome, TeamName};
use crate::domain::Extra;
use crate::domain::agent::LaunchPlan;
use crate::domain::session::transcript::{self, Entry};
use crate::domain::session::{Client, Confidence, Found, Session};
use crate::store::{Dir, Key, Scope};

pub(super) use capture::look;
pub use capture::{Watch, capture, watch};
pub(super) use locate::client_of_plan;

/// Why there is no conversation to show or to go on with.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Nothing is known of a session.
    #[error("No session for '{0}'")]
    None(String),
    /// The program's transcript was not seen.
    #[error("no transcript of '{agent}' was seen yet{}", id.as_ref().map(|id| format!(" (session {id})")).unwrap_or_default())]
    NoTranscript {
        /// The agent.
        agent: String,
        /// Its session, if that is known.
        id: Option<String>,
    },
    /// The transcript is gone.
    #[error("the transcript {path} of '{agent}' cannot be read")]
    Unreadable {
        /// The agent.
        agent: String,
        /// The file.
        path: String,
    },
}

impl Diagnose for SessionError {
    fn code(&self) -> &'static str {
        match self {
            Self::None(_) => "session_not_found",
            Self::NoTranscript { .. } => "transcript_not_found",
            Self::Unreadable { .. } => "transcript_unreadable",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::None(_) => Some("see which there are: clawteam session list TEAM".into()),
            Self::NoTranscript { .. } => Some(
                "programs write one at their first message; look again later, or name the \
                 session: clawteam session save TEAM --agent NAME --session-id ID"
                    .into(),
            ),
            Self::Unreadable { .. } => None,
        }
    }
}

/// The session of an agent, if one is known.
pub fn find(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Option<Session>> {
    Ok(app.store.load(&Key::session(team, agent))?.map(|doc| doc.value))
}

/// The sessions of a team, sorted by agent.
pub fn list(app: &App, team: &TeamName) -> Outcome<Vec<Session>> {
    let is_document = |name: &str| Path::new(name).extension().is_some_and(|end| end == "json");
    let docs = app.store.list::<Session>(&Dir::sessions(team), is_document)?;
    let mut sessions: Vec<Session> = docs.into_iter().map(|(_, doc)| doc.value).collect();
    sessions.sort_by(|a, b| a.agent_name.cmp(&b.agent_name));
    Ok(sessions)
}

/// What a person says about a session.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// What the program calls it; empty if nothing is said.
    pub id: String,
    /// The task that the agent worked on last.
    pub last_task: String,
    /// The program.
    pub client: String,
    /// Where it ran.
    pub cwd: String,
}

/// Writes down the session of an agent as somebody says it is.
pub fn save(app: &App, team: &TeamName, agent: &AgentName, said: Said) -> Outcome<Session> {
    let confidence = if said.id.is_empty() { Confidence::Unknown } else { Confidence::Exact };
    let mut state = Extra::new();
    state.insert("client".into(), said.client.into());
    state.insert("source".into(), "manual".into());
    state.insert("cwd".into(), said.cwd.into());
    state.insert("confidence".into(), confidence.as_str().into());
    let session = Session {
        agent_name: agent.to_string(),
        team_name: team.to_string(),
        session_id: said.id,
        last_task_id: said.last_task,
        saved_at: app.stamp(),
        state,
        extra: Extra::new(),
    };
    app.warn_if_unknown(team);
    write(app, team, agent, |_| Some(session.clone()))?;
    Ok(session)
}

/// Writes down the session that the program of an agent named in a hook. `begins`: the program said
/// that it begins with it; otherwise one that was seen since the agent's start stays, as a program
/// that the agent itself runs may use the same hooks.
pub fn observed(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    client: Client,
    id: &str,
    transcript: &str,
    begins: bool,
) -> Outcome<()> {
    let known = find(app, team, agent)?;
    let verified = known.as_ref().is_some_and(Session::is_verified);
    if verified && known.as_ref().is_some_and(|known| known.session_id == id) {
        return Ok(());
    }
    let Some(plan) = app.store.load::<LaunchPlan>(&Key::launch_plan(team, agent))? else {
        return Ok(());
    };
    let plan = plan.value;
    let present = known.is_some_and(|known| known.instance() == plan.instance);
    if verified && present && !begins {
        return Ok(());
    }
    let seen = app.foreign.stat(Path::new(transcript)).is_some_and(|file| file.bytes > 0);
    let found = Found {
        client,
        id: id.to_owned(),
        confidence: Confidence::Exact,
        source: "hook",
        transcript: seen.then(|| transcript.to_owned()),
    };
    keep(app, &plan, &found)?;
    Ok(())
}

/// Writes down a session that was found or made up, unless something surer is known. Returns
/// whether anything changed.
pub fn keep(app: &App, plan: &LaunchPlan, found: &Found) -> Outcome<bool> {
    let (team, agent) = super::start::names(plan)?;
    write(app, &team, &agent, |known| {
        let known = known.as_ref();
        // What an earlier start was told to use, and nobody ever saw, is over.
        let outdated = known.is_some_and(|known| {
            !known.is_verified()
                && known.confidence() == Confidence::Generated
                && known.session_id != found.id
        });
        if known.is_some_and(|known| !outdated && !known.yields_to(found)) {
            return None;
        }
        // Seeing what was already sure makes it no less sure.
        let surer = known
            .filter(|known| known.session_id == found.id && known.confidence() > found.confidence);
        let confidence = surer.map_or(found.confidence, Session::confidence);
        let source = surer.map_or(found.source, Session::source);
        let mut state = Extra::new();
        state.insert("client".into(), found.client.as_str().into());
        state.insert("source".into(), source.into());
        state.insert("cwd".into(), plan.cwd.clone().into());
        state.insert("command".into(), plan.command.clone().into());
        state.insert("confidence".into(), confidence.as_str().into());
        state.insert("capturedAt".into(), serde_json::to_value(app.stamp()).unwrap_or_default());
        state.insert("verified".into(), found.transcript.is_some().into());
        state.insert("instance".into(), plan.instance.clone().into());
        if let Some(path) = &found.transcript {
            state.insert("transcript".into(), path.clone().into());
        }
        Some(Session {
            agent_name: agent.to_string(),
            team_name: team.to_string(),
            session_id: found.id.clone(),
            last_task_id: known.map(|known| known.last_task_id.clone()).unwrap_or_default(),
            saved_at: app.stamp(),
            state,
            extra: known.map(|known| known.extra.clone()).unwrap_or_default(),
        })
    })
}

fn write(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    change: impl FnOnce(Option<Session>) -> Option<Session>,
) -> Outcome<bool> {
    let mut locked = app.store.lock(&Scope::SpawnRegistry(team.clone()))?;
    let key = Key::session(team, agent);
    let found = app.store.load::<Session>(&key)?;
    let revision = found.as_ref().map(|doc| doc.revision);
    let Some(session) = change(found.map(|doc| doc.value)) else { return Ok(false) };
    locked.put(key, &session, revision)?;
    Ok(true)
}

/// Forgets the session of an agent. Returns whether there was one.
pub fn clear(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<bool> {
    let key = Key::session(team, agent);
    if app.store.backend().read(&key)?.is_none() {
        return Ok(false);
    }
    app.store.lock(&Scope::SpawnRegistry(team.clone()))?.delete(key)?;
    Ok(true)
}

/// Notes the session that the caller's own program says it has, in its environment: for a leader
/// who makes a team by hand. Returns its identifier.
pub fn keep_own(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Option<String>> {
    // Claude Code and Codex tell the programs that they start which conversation it is about.
    const TOLD: [(&str, Client); 5] = [
        ("CODEX_THREAD_ID", Client::Codex),
        ("CODEX_SESSION_ID", Client::Codex),
        ("CLAUDE_CODE_SESSION_ID", Client::Claude),
        ("CLAUDE_CODE_SESSION", Client::Claude),
        ("CLAUDE_SESSION_ID", Client::Claude),
    ];
    let told = TOLD.iter().find_map(|(name, client)| Some((app.env.get(name)?, *client)));
    let Some((id, client)) = told else { return Ok(None) };
    let cwd = app.env.get("PWD").unwrap_or_default().to_owned();
    let mut state = Extra::new();
    for (key, value) in [
        ("client", client.as_str()),
        ("source", "environment"),
        ("cwd", &cwd),
        ("confidence", Confidence::Exact.as_str()),
        ("capturedAt", app.stamp().as_str()),
    ] {
        state.insert(key.into(), value.into());
    }
    let session = Session {
        agent_name: agent.to_string(),
        team_name: team.to_string(),
        session_id: id.to_owned(),
        last_task_id: String::new(),
        saved_at: app.stamp(),
        state,
        extra: Extra::new(),
    };
    write(app, team, agent, |_| Some(session))?;
    Ok(Some(id.to_owned()))
}

/// Bytes of a transcript that are read, from its end: conversations of weeks are large.
const TRANSCRIPT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A conversation.
#[derive(Debug)]
pub struct Conversation {
    /// The session.
    pub session: Session,
    /// The file that it was read from.
    pub path: String,
    /// What was said.
    pub entries: Vec<Entry>,
}

/// Reads what an agent and its program said to each other.
pub fn conversation(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Conversation> {
    let known = find(app, team, agent)?;
    let path = match known.as_ref().and_then(|known| known.transcript()) {
        Some(path) => Some(path.to_owned()),
        // Nobody has looked since the program began to write.
        None => match known.as_ref().and_then(|known| locate::written(app, known)) {
            Some(path) => Some(path),
            None => locate::now(app, team, agent)?.and_then(|found| found.transcript),
        },
    };
    let id = known.as_ref().map(|known| known.session_id.clone()).filter(|id| !id.is_empty());
    let missing = || SessionError::NoTranscript { agent: agent.to_string(), id };
    let path = path.ok_or_else(missing)?;
    let unreadable = || SessionError::Unreadable { agent: agent.to_string(), path: path.clone() };
    let file = Path::new(&path);
    let bytes = app.foreign.tail(file, TRANSCRIPT_BYTES_MAX).ok_or_else(unreadable)?;
    let client = known.as_ref().and_then(|known| Client::parse(known.client()));
    let client = match client {
        Some(client) => Some(client),
        None => locate::client_of(app, team, agent)?,
    };
    let client = client.ok_or_else(|| SessionError::None(agent.to_string()))?;
    let session = match known {
        Some(known) => known,
        None => Session {
            agent_name: agent.to_string(),
            team_name: team.to_string(),
            session_id: String::new(),
            last_task_id: String::new(),
            saved_at: crate::core::Stamp::empty(),
            state: Extra::new(),
            extra: Extra::new(),
        },
    };
    Ok(Conversation { session, entries: transcript::read(client, &bytes), path })
}

//! What happens when an agent has nothing to do, or ends.

use serde::Serialize;
use serde_json::json;

use super::App;
use super::inbox::{self, Draft};
use super::wait::TaskRef;
use super::{hook, notify, task, team};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::event::Event;
use crate::domain::message::{Message, MessageType};
use crate::domain::notification::{Kind, NewNotification, Refs, Severity};
use crate::store::Key;

/// Tells the leader that the caller has nothing to do. Returns the leader's name.
pub fn idle(
    app: &App,
    team: &TeamName,
    agent: &str,
    last_task: Option<String>,
    task_status: Option<String>,
) -> Outcome<AgentName> {
    let (leader, leader_inbox) = team::leader(app, team)?;
    let message = Message {
        kind: MessageType::Idle,
        agent_id: Some(app.identity.agent_id.clone()),
        last_task,
        status: task_status,
        ..Message::default()
    };
    let event = Event::new("AgentIdle", team.as_str()).with("agent_name", agent);
    let event = event.with("last_task", message.last_task.clone());
    let draft = Draft { message, from: Some(agent.to_owned()) };
    inbox::deliver(app, team, &leader_inbox, Some(leader.to_string()), draft)?;
    hook::emit(app, event);
    Ok(leader)
}

/// How an agent ended.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Its exit status, if it is known.
    pub exit_code: Option<i32>,
    /// The last lines that it showed.
    pub last_output: Vec<String>,
    /// Whether clawteam ended it, or it ended as it had agreed to.
    pub stopped: bool,
}

impl Ending {
    /// Why the agent is started again, for the agent itself, as the end of a sentence.
    pub(super) fn why(&self) -> String {
        match self.exit_code {
            Some(0) => "your program had ended before your task was done".to_owned(),
            Some(code) => format!("your program had crashed (status {code})"),
            None => "your program had been killed".to_owned(),
        }
    }
}

/// What an agent's end left to do.
#[derive(Debug, Clone, Serialize)]
pub struct Exited {
    /// `agent_exited`.
    pub status: &'static str,
    /// The agent.
    pub agent: String,
    /// The tasks that it had not finished, which are now pending again.
    pub abandoned_tasks: Vec<TaskRef>,
}

/// Puts an agent's tasks back and tells the leader, after the agent has ended. `None` if there
/// was nothing to put back.
pub fn on_exit(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    ending: &Ending,
) -> Outcome<Option<Exited>> {
    let name = agent.as_str();
    let released = task::release_where(app, team, |task| task::worker(task) == name)?;
    let abandoned: Vec<TaskRef> = released.iter().map(TaskRef::from).collect();
    let known = note_exit(app, team, agent, ending, &abandoned)?;
    let crashed = ending.exit_code.is_some_and(|code| code != 0);
    let worth_telling = !abandoned.is_empty() || (crashed && !ending.stopped);
    if known && worth_telling {
        tell_leader(app, team, agent, ending, &abandoned)?;
    }
    if abandoned.is_empty() {
        return Ok(None);
    }
    Ok(Some(Exited { status: "agent_exited", agent: name.to_owned(), abandoned_tasks: abandoned }))
}

/// Writes an agent's end into the journal. Returns whether its team still exists: nothing is made
/// again of one that was removed.
pub(super) fn note_exit(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    ending: &Ending,
    abandoned: &[TaskRef],
) -> Outcome<bool> {
    if team::find(app, team)?.is_none() {
        return Ok(false);
    }
    let line = json!({
        "agent_name": agent,
        "exit_code": ending.exit_code,
        "abandoned_tasks": abandoned.iter().map(|task| &task.id).collect::<Vec<_>>(),
        "timestamp": app.stamp(),
    });
    app.store.backend().append(&Key::exit_journal(team), line.to_string().as_bytes())?;
    tell_hooks(app, team, agent, ending, abandoned);
    Ok(true)
}

/// Tells hooks that an agent has ended, and if it broke down.
fn tell_hooks(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    ending: &Ending,
    abandoned: &[TaskRef],
) {
    let ids: Vec<&str> = abandoned.iter().map(|task| task.id.as_str()).collect();
    let exit = Event::new("WorkerExit", team.as_str())
        .with("agent_name", agent.as_str())
        .with("exit_code", ending.exit_code)
        .with("abandoned_tasks", ids);
    let code = ending.exit_code.filter(|code| *code != 0 && !ending.stopped);
    let crash = code.map(|code| {
        let error = match ending.last_output.last() {
            Some(line) => format!("it ended with status {code}: {}", line.trim()),
            None => format!("it ended with status {code}"),
        };
        let event = Event::new("WorkerCrash", team.as_str());
        event.with("agent_name", agent.as_str()).with("error", error)
    });
    hook::emit_all(app, std::iter::once(exit).chain(crash).collect());
}

fn tell_leader(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    ending: &Ending,
    abandoned: &[TaskRef],
) -> Outcome<()> {
    let Ok((leader, inbox)) = team::leader(app, team) else { return Ok(()) };
    if leader == *agent {
        return Ok(());
    }
    let how = match ending.exit_code {
        _ if ending.stopped => "was stopped".to_owned(),
        Some(0) if abandoned.is_empty() => "exited".to_owned(),
        Some(0) => "exited cleanly, but had not finished its work".to_owned(),
        Some(code) => format!("exited unexpectedly with status {code}"),
        None => "exited unexpectedly".to_owned(),
    };
    let mut text = format!("Agent '{agent}' {how}.");
    if !abandoned.is_empty() {
        let subjects: Vec<&str> = abandoned.iter().map(|task| task.subject.as_str()).collect();
        text.push_str(&format!(
            " Reset {} task(s) to pending: {}.",
            abandoned.len(),
            subjects.join(", ")
        ));
    }
    let last: Vec<&str> = ending.last_output.iter().map(|line| line.trim()).collect();
    let last = last.join(" | ");
    if !last.is_empty() && !ending.stopped {
        text.push_str(&format!(" Last output: {}", crate::core::text::cut(&last, 700)));
    }
    if !ending.stopped && (ending.exit_code != Some(0) || !abandoned.is_empty()) {
        tell_people(app, team, agent, &text);
    }
    let draft =
        Draft { message: inbox::text(MessageType::Message, text), from: Some(agent.to_string()) };
    inbox::deliver(app, team, &inbox, Some(leader.to_string()), draft)?;
    Ok(())
}

/// Tells people of an agent that does not get on. That nobody is told is no reason to fail.
fn tell_people(app: &App, team: &TeamName, agent: &AgentName, text: &str) {
    let title = format!("Agent '{agent}' has ended");
    let mut new = NewNotification::new(Kind::AgentStuck, Severity::Warning, title);
    text.clone_into(&mut new.body);
    new.dedupe_key = Some(format!("agent:{agent}"));
    new.refs = Refs { agent: Some(agent.to_string()), ..Refs::default() };
    if let Err(failure) = notify::post(app, team, &new) {
        app.warn(format!("nobody was notified: {}", failure.message()));
    }
}

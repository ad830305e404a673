//! Giving a text to an agent: now, when it is idle, or at its next turn.

use std::time::Duration;

use serde_json::Value;

use super::error::RuntimeError;
use super::given::{Fate, Ledger};
use super::typing::{self, Text, Typed};
use super::{App, Mode};
use crate::app::agent_state::{self, Look, Screens};
use crate::app::inbox::{self, Taken};
use crate::app::{liveness, team as teams, workflow};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::message::{Message, MessageType};
use crate::domain::runtime::Envelope;
use crate::store::Scope;

/// A text for an agent.
#[derive(Debug, Clone)]
pub struct Note {
    /// What makes it known again: the same id is given once.
    pub id: String,
    /// What it says.
    pub envelope: Envelope,
}

/// How a text is given.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// When.
    pub mode: Mode,
    /// How long to wait for the agent to become idle.
    pub patience: Duration,
    /// How long the agent may take to react.
    pub reaction: Duration,
}

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// The agent was seen to take it.
    Typed {
        /// The window.
        target: String,
    },
    /// It lies in the agent's inbox.
    Queued {
        /// Why it was not typed.
        because: String,
        /// Whether the agent's hooks were heard, which will pass it on.
        by_hook: bool,
    },
    /// It lies in the inbox of an agent that has no terminal.
    Inbox,
    /// It was given before, under the same id.
    Before {
        /// What became of it then: `queued` or `typed`.
        fate: &'static str,
    },
}

impl Given {
    /// What became of it, in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Typed { .. } => "typed",
            Self::Queued { .. } => "queued",
            Self::Inbox => "inbox",
            Self::Before { .. } => "duplicate",
        }
    }

    /// What became of it, for people.
    pub fn status(&self, agent: &AgentName) -> String {
        match self {
            Self::Typed { target } => format!("Injected runtime notification into {target}"),
            Self::Queued { because, by_hook } => {
                let how = if *by_hook {
                    "its hook passes it on at the end of its turn".to_owned()
                } else {
                    "`clawteam tick` or `clawteam runtime watch` passes it on once the agent waits"
                        .to_owned()
                };
                format!("Queued runtime notification for agent {agent} ({because}): {how}")
            }
            Self::Inbox => {
                format!("Queued runtime notification in inbox for subprocess agent {agent}")
            }
            Self::Before { fate } => {
                format!("Not given again to agent {agent}: the same id was {fate} before")
            }
        }
    }
}

/// The field of a message that holds the envelope it was made from.
const ENVELOPE: &str = "runtime";
/// The field of a message that is to be typed as soon as its reader waits for a turn.
pub const NUDGE: &str = "nudge";

/// Gives a text to an agent. Returns its backend and what became of the text.
pub fn inject(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    note: &Note,
    how: How,
) -> Outcome<(String, Given)> {
    let look = agent_state::of(app, team, agent, Screens::All)?;
    let backend = backend(&look);
    match backend.as_str() {
        "subprocess" => {
            if look.alive != Some(true) {
                let (team, agent) = (team.to_string(), agent.to_string());
                return Err(RuntimeError::NotAlive { team, agent }.into());
            }
            let block = note.envelope.render(&note.id);
            let given = put_into_inbox(app, team, agent, note, block)?;
            return Ok((backend, given.unwrap_or(Given::Inbox)));
        }
        "tmux" => {}
        _ => return Err(RuntimeError::Backend(backend).into()),
    }
    let given = match how.mode {
        Mode::Queue => queue(app, team, agent, note, how, &look)?,
        Mode::WhenIdle | Mode::Now => type_now(app, team, agent, note, how, &look)?,
    };
    Ok((backend, given))
}

fn backend(look: &Look) -> String {
    let of_entry = look.entry.as_ref().map(|entry| entry.backend.clone());
    let of_record = || look.record.as_ref().map(|record| record.backend.as_str().to_owned());
    of_entry.or_else(of_record).unwrap_or_else(|| "tmux".into())
}

fn target(look: &Look) -> String {
    look.window().map(|window| window.window.clone()).unwrap_or_default()
}

fn text<'a>(
    team: &'a TeamName,
    agent: &'a AgentName,
    id: &'a str,
    block: &'a str,
    how: How,
) -> Text<'a> {
    Text { team, agent, id, block, mode: how.mode, patience: how.patience, reaction: how.reaction }
}

/// Types a text, if that is possible now; otherwise leaves it in the inbox.
fn queue(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    note: &Note,
    how: How,
    look: &Look,
) -> Outcome<Given> {
    // What was queued under this id before, the agent has or will get.
    if let Some(fate) = fate(app, team, agent, &note.id)?
        && matches!(fate, Fate::Queued | Fate::Typed)
    {
        return Ok(Given::Before { fate: fate.as_str() });
    }
    let block = note.envelope.render(&note.id);
    let because = match typing::type_in(app, &text(team, agent, &note.id, &block, how)) {
        Ok(Typed::Given) => return Ok(Given::Typed { target: target(look) }),
        Ok(Typed::Before(fate)) => return Ok(Given::Before { fate: fate.as_str() }),
        Err(failure) => match waits(&failure, look) {
            Some(because) => because,
            None => return Err(failure),
        },
    };
    let by_hook = look.hook.is_some();
    let given = put_into_inbox(app, team, agent, note, note.envelope.summary.clone())?;
    Ok(given.unwrap_or(Given::Queued { because, by_hook }))
}

/// Why a text has to wait, if the failure to type it means no more than that.
fn waits(failure: &crate::core::Failure, look: &Look) -> Option<String> {
    match failure.downcast::<RuntimeError>()? {
        RuntimeError::Busy { state, .. } => Some(format!("it is {state}")),
        RuntimeError::Blocked { .. } => Some("it waits for an answer to its own question".into()),
        RuntimeError::ComposerBusy { .. } => Some("its composer holds a draft".into()),
        RuntimeError::NotReading { .. } => Some("it does not read its terminal".into()),
        // An agent that somebody runs by hand, whose hooks were heard.
        RuntimeError::NoTarget { .. } if look.hook.is_some() => {
            Some("it has no window of clawteam's".into())
        }
        _ => None,
    }
}

fn type_now(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    note: &Note,
    how: How,
    look: &Look,
) -> Outcome<Given> {
    // What was queued and still lies there must not come a second time.
    let queued = match fate(app, team, agent, &note.id)? {
        Some(Fate::Queued) => {
            let taken = take(app, team, agent, &note.id)?;
            if taken.is_empty() {
                return Ok(Given::Before { fate: Fate::Queued.as_str() });
            }
            Some(taken)
        }
        _ => None,
    };
    let block = note.envelope.render(&note.id);
    let typed = typing::type_in(app, &text(team, agent, &note.id, &block, how))?;
    if let Some(taken) = queued {
        taken.settle(app)?;
    }
    Ok(match typed {
        Typed::Given => Given::Typed { target: target(look) },
        Typed::Before(fate) => Given::Before { fate: fate.as_str() },
    })
}

fn fate(app: &App, team: &TeamName, agent: &AgentName, id: &str) -> Outcome<Option<Fate>> {
    Ok(Ledger::load(app, team, agent)?.fate(id))
}

/// The message with that id, out of the agent's inbox.
fn take(app: &App, team: &TeamName, agent: &AgentName, id: &str) -> Outcome<Taken> {
    let inbox = teams::own_inbox(app, team, agent.as_str())?;
    let mut taken = inbox::take(app, team, &inbox, i64::MAX)?;
    taken.keep(|message| message.request_id.as_deref() == Some(id));
    Ok(taken)
}

/// Leaves a text in the inbox of an agent, and notes that: one commit. Returns what became of it
/// before, if it was given before.
fn put_into_inbox(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    note: &Note,
    content: String,
) -> Outcome<Option<Given>> {
    let inbox = teams::own_inbox(app, team, agent.as_str())?;
    let mut locked = app.store.lock(&Scope::Terminal(team.clone(), agent.clone()))?;
    let mut ledger = Ledger::load(app, team, agent)?;
    if let Some(fate) = ledger.fate(&note.id) {
        return Ok(Some(Given::Before { fate: fate.as_str() }));
    }
    let mut message = Message {
        kind: MessageType::Message,
        from: note.envelope.source.clone(),
        to: Some(agent.to_string()),
        content: Some(content),
        summary: Some(note.envelope.summary.clone()),
        request_id: Some(note.id.clone()),
        ..Message::default()
    };
    let envelope = serde_json::to_value(&note.envelope).unwrap_or_default();
    message.extra.insert(ENVELOPE.into(), envelope);
    let put = inbox::prepared(app, team, &inbox, message)?;
    ledger.set(&note.id, Some(Fate::Queued), app.stamp());
    ledger.save(&mut locked, team, agent, vec![put])?;
    drop(locked);
    workflow::happened(app, team);
    Ok(None)
}

/// The envelope of a message: the one that it was made from, or one made of its fields.
pub(super) fn envelope(message: &Message, session: &str) -> Envelope {
    let kept = message.extra.get(ENVELOPE).filter(|value| !value.is_null()).cloned();
    let kept: Option<Envelope> = kept.and_then(|value: Value| serde_json::from_value(value).ok());
    match kept {
        Some(kept) => Envelope { source: message.from.clone(), ..kept },
        None => Envelope::of(message, session),
    }
}

/// Gives agents that wait for a turn what was queued for them: for a program without hooks nobody
/// else does. Returns how many texts were typed.
pub fn give_queued(app: &App, team: &TeamName) -> Outcome<usize> {
    let how = How { mode: Mode::Queue, patience: Duration::ZERO, reaction: super::REACTION_MAX };
    let mut given = 0;
    for member in teams::load(app, team)?.members {
        let Ok(agent) = AgentName::parse(member.name.clone()) else { continue };
        let inbox = member.inbox()?;
        let queued = |message: &Message| {
            message.extra.contains_key(ENVELOPE) || message.extra.contains_key(NUDGE)
        };
        // One at a time: then it works.
        let Some(first) = inbox::find(app, team, &inbox, queued)?.into_iter().next() else {
            continue;
        };
        if liveness::of(app, team, agent.as_str()) != Some(true) {
            continue;
        }
        if let Given::Typed { .. } = nudge(app, team, &agent, &first, how)? {
            given += 1;
        }
    }
    Ok(given)
}

/// Gives an agent a message that was just sent to it and lies in its inbox. What is not typed
/// stays there.
pub fn nudge(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    message: &Message,
    how: How,
) -> Outcome<Given> {
    let look = agent_state::of(app, team, agent, Screens::All)?;
    if backend(&look) == "subprocess" && !look.seen.state.is_over() {
        return Ok(Given::Inbox);
    }
    let id = message.request_id.clone().unwrap_or_default();
    let taken = take(app, team, agent, &id)?;
    if taken.is_empty() {
        // The agent was faster.
        return Ok(Given::Before { fate: "read" });
    }
    let block = super::message_block(message, agent.as_str());
    match typing::type_in(app, &text(team, agent, &id, &block, how)) {
        Ok(Typed::Given) => {
            taken.settle(app)?;
            Ok(Given::Typed { target: target(&look) })
        }
        Ok(Typed::Before(fate)) => {
            taken.settle(app)?;
            Ok(Given::Before { fate: fate.as_str() })
        }
        Err(failure) if how.mode == Mode::Queue => match waits(&failure, &look) {
            Some(because) => Ok(Given::Queued { because, by_hook: look.hook.is_some() }),
            None => Err(failure),
        },
        Err(failure) => Err(failure),
    }
}

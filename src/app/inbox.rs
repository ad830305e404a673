//! Messages between the members of a team.
//!
//! A message is one document in the reader's inbox; writing it is the whole of sending it. The
//! log of all messages is filed from that document: at once if nothing comes between, at the
//! latest before the message is removed.

use std::collections::BTreeSet;

use serde_json::json;

use super::{App, hook, log, team};
use crate::core::name::NameError;
use crate::core::{AgentName, Digest, Outcome, TeamName};
use crate::domain::event::Event;
use crate::domain::message::{Message, MessageType};
use crate::domain::team::{Recipient, resolve};
use crate::store::{
    Claim, Commit, Dir, Expect, Key, Locked, Put, Queued, Scope, StoreError, Tick, encode,
};

/// A message to be sent.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// Everything but sender, recipient, identifier and time.
    pub message: Message,
    /// The sender, if it is not the caller.
    pub from: Option<String>,
}

/// The file name of a message, without suffix.
fn message_name(tick: Tick) -> String {
    format!("msg-{:013}-{:08x}", tick.millis, tick.count)
}

/// Where the message called `name` is logged.
pub(super) fn log_key(team: &TeamName, name: &str) -> Key {
    let rest = name.strip_prefix("msg-").unwrap_or(name);
    Dir::message_log(team).entry(&format!("evt-{rest}.json"))
}

fn next_name(app: &App, team: &TeamName) -> Result<String, StoreError> {
    let seed = u32::from_str_radix(&app.ids.hex(7), 16).unwrap_or(0);
    let tick = app.store.backend().tick(&Key::message_sequence(team), app.now_millis(), seed)?;
    Ok(message_name(tick))
}

fn put(app: &App, team: &TeamName, inbox: &AgentName, message: &Message) -> Outcome<Put> {
    let name = next_name(app, team)?;
    let key = Dir::inbox(team, inbox).entry(&format!("{name}.json"));
    let log = Some(log_key(team, &name));
    Ok(Put { log, ..Put::new(key, encode(message), Expect::Absent) })
}

/// A message that is to be written together with other documents. Sender and recipient must stand
/// in it.
pub(super) fn prepared(
    app: &App,
    team: &TeamName,
    inbox: &AgentName,
    message: Message,
) -> Outcome<Put> {
    put(app, team, inbox, &Message { timestamp: app.stamp(), ..message })
}

/// Sends a message to one agent.
pub fn send(app: &App, team: &TeamName, to: &str, draft: Draft) -> Outcome<Message> {
    let recipient = AgentName::parse_as("recipient name", to)?;
    let found = team::find(app, team)?;
    let user = app.identity.user_name();
    let inbox = match resolve(found.as_ref().map(|doc| &doc.value), &recipient, user.as_ref()) {
        Recipient::Member(inbox) => inbox,
        Recipient::Unknown(inbox) => {
            match found {
                None => app.warn(format!("Team '{team}' not found; the message waits in inbox '{inbox}'")),
                Some(_) if inbox.as_str().starts_with("_pending_") => {}
                Some(_) => app.warn(format!(
                    "'{inbox}' is not a member of team '{team}'; the message waits until somebody reads that inbox"
                )),
            }
            inbox
        }
        Recipient::Ambiguous(inboxes) => return Err(team::ambiguous(&recipient, inboxes).into()),
    };
    let kind = serde_json::to_value(draft.message.kind).unwrap_or_default();
    let from = draft.from.as_ref().unwrap_or(&app.identity.agent_name);
    let event = Event::new("BeforeInboxSend", team.as_str()).with("from_agent", from.as_str());
    hook::ask(app, event.with("to", to).with("msg_type", kind))?;
    deliver(app, team, &inbox, Some(to.to_owned()), draft)
}

/// Puts a message into an inbox.
pub fn deliver(
    app: &App,
    team: &TeamName,
    inbox: &AgentName,
    to: Option<String>,
    draft: Draft,
) -> Outcome<Message> {
    let message = Message {
        from: draft.from.unwrap_or_else(|| app.identity.agent_name.clone()),
        to,
        request_id: draft.message.request_id.clone().or_else(|| Some(app.ids.hex(12))),
        timestamp: app.stamp(),
        ..draft.message
    };
    app.store.backend().create(&put(app, team, inbox, &message)?)?;
    super::workflow::happened(app, team);
    Ok(message)
}

/// Puts a message into the inbox of `to`, once: its name comes from `digest` and the instant
/// `millis` (since the epoch), so that a second time changes nothing, also if it was read
/// meanwhile.
pub(super) fn deliver_once(
    app: &App,
    team: &TeamName,
    to: &str,
    message: Message,
    millis: u64,
    digest: &Digest,
) -> Outcome<()> {
    let recipient = AgentName::parse_as("recipient name", to)?;
    let found = team::find(app, team)?;
    let user = app.identity.user_name();
    let inbox = match resolve(found.as_ref().map(|doc| &doc.value), &recipient, user.as_ref()) {
        Recipient::Member(inbox) | Recipient::Unknown(inbox) => inbox,
        Recipient::Ambiguous(inboxes) => return Err(team::ambiguous(&recipient, inboxes).into()),
    };
    let name = format!("msg-{millis:013}-{}", digest.start(8));
    let dir = Dir::inbox(team, &inbox);
    let log = log_key(team, &name);
    let backend = app.store.backend();
    // Whoever reads a message files it before it goes.
    let key = dir.entry(&format!("{name}.json"));
    // Whoever put it there may have ended before it was durable.
    if backend.queue(&dir)?.iter().any(|entry| entry.name == name) {
        return Ok(backend.anchor(&key)?);
    }
    if backend.read(&log)?.is_some() {
        return Ok(backend.anchor(&log)?);
    }
    let put = Put { log: Some(log), ..Put::new(key, encode(&message), Expect::Absent) };
    match backend.create(&put) {
        Err(StoreError::Conflict { .. }) => Ok(backend.anchor(&put.key)?),
        outcome => Ok(outcome?),
    }
}

/// Sends a message to everybody but the sender and `exclude`, in one commit. Returns what was sent;
/// each says in `to` in which inbox it is.
pub fn broadcast(
    app: &App,
    team: &TeamName,
    draft: Draft,
    exclude: &[String],
) -> Outcome<Vec<Message>> {
    let from = draft.from.clone().unwrap_or_else(|| app.identity.agent_name.clone());
    let without = exclude.iter().map(String::as_str).chain([from.as_str()]);
    let inboxes = audience(app, team, without)?;
    if inboxes.is_empty() {
        app.warn_if_unknown(team);
        return Ok(Vec::new());
    }
    let mut puts = Vec::new();
    let mut sent = Vec::new();
    for inbox in &inboxes {
        let message = Message {
            from: from.clone(),
            to: Some(inbox.to_string()),
            timestamp: app.stamp(),
            ..draft.message.clone()
        };
        puts.push(put(app, team, inbox, &message)?);
        sent.push(message);
    }
    let mut locked: Locked<'_> = app.store.lock(&Scope::Mail(team.clone()))?;
    locked.commit(&Commit { puts, ..Commit::default() })?;
    drop(locked);
    super::workflow::happened(app, team);
    Ok(sent)
}

/// Everybody who hears a broadcast: the members in the order in which they joined, then whoever
/// else has an inbox, but not those in `without`.
fn audience<'n>(
    app: &App,
    team: &TeamName,
    without: impl Iterator<Item = &'n str>,
) -> Outcome<Vec<AgentName>> {
    let found = team::find(app, team)?;
    let mut inboxes: Vec<AgentName> = Vec::new();
    let mut left_out = BTreeSet::new();
    for name in without {
        left_out.insert(name.to_owned());
        if let Some(doc) = &found
            && let Ok(name) = AgentName::parse(name)
            && let Recipient::Member(inbox) =
                resolve(Some(&doc.value), &name, app.identity.user_name().as_ref())
        {
            left_out.insert(inbox.to_string());
        }
    }
    if let Some(doc) = &found {
        let own: Result<Vec<AgentName>, NameError> =
            doc.value.members.iter().map(crate::domain::team::Member::inbox).collect();
        inboxes.extend(own?);
    }
    let mut others = app.store.backend().list_dirs(&Dir::inboxes(team))?;
    others.sort();
    let others = others.into_iter().filter(|name| !name.starts_with("_pending_"));
    for other in others.filter_map(|name| AgentName::parse(name).ok()) {
        if !inboxes.contains(&other) {
            inboxes.push(other);
        }
    }
    inboxes.retain(|inbox| !left_out.contains(inbox.as_str()));
    Ok(inboxes)
}

/// Messages that were taken from an inbox but are still there until they are settled. Dropping
/// them gives them back.
#[derive(Debug)]
pub struct Taken {
    team: TeamName,
    entries: Vec<(Claim, Message)>,
}

impl Taken {
    /// The messages, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.entries.iter().map(|(_, message)| message)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Gives back all messages but those that are `wanted`.
    pub fn keep(&mut self, mut wanted: impl FnMut(&Message) -> bool) {
        self.entries.retain(|(_, message)| wanted(message));
    }

    /// Removes the messages for good: whoever took them has shown them.
    pub fn settle(self, app: &App) -> Outcome<()> {
        let received = self.entries.first().map(|(claim, _)| {
            let inbox = claim.dir.as_str().rsplit('/').next().unwrap_or_default();
            let event = Event::new("AfterInboxReceive", self.team.as_str());
            event.with("agent_name", inbox).with("count", self.entries.len())
        });
        let mut filed = log::Filed::of(app, &self.team);
        let mut claims = Vec::with_capacity(self.entries.len());
        for (claim, message) in self.entries {
            let log = log_key(&self.team, &claim.name);
            // An entry of this name may not be durable yet; whoever settles sees to that.
            let elsewhere =
                app.store.backend().read(&log)?.is_none() && filed.holds(&claim.name, &message)?;
            claims.push((claim, (!elsewhere).then_some(log)));
        }
        app.store.backend().settle(claims)?;
        hook::emit_all(app, received.into_iter().collect());
        Ok(())
    }
}

/// How many messages to take: at most so many, or (as Python's slices have it) all but the last
/// so many.
fn bound(limit: i64, waiting: usize) -> usize {
    match usize::try_from(limit) {
        Ok(limit) => limit,
        Err(_) => {
            waiting.saturating_sub(usize::try_from(limit.unsigned_abs()).unwrap_or(usize::MAX))
        }
    }
}

/// Takes up to `limit` messages from an inbox, oldest first. What cannot be understood is put
/// aside and told; what somebody else is taking is left to them.
pub fn take(app: &App, team: &TeamName, inbox: &AgentName, limit: i64) -> Outcome<Taken> {
    let dir = Dir::inbox(team, inbox);
    let backend = app.store.backend();
    let queue = backend.queue(&dir)?;
    let limit = bound(limit, queue.len()).min(backend.claims_max());
    let mut entries = Vec::new();
    for entry in &queue {
        if entries.len() >= limit {
            break;
        }
        let Some(claim) = backend.claim(&dir, entry)? else { continue };
        match serde_json::from_slice::<Message>(&claim.bytes) {
            Ok(message) => entries.push((claim, message.without_nulls())),
            Err(error) => quarantine(app, team, inbox, claim, &error.to_string())?,
        }
    }
    Ok(Taken { team: team.clone(), entries })
}

fn quarantine(
    app: &App,
    team: &TeamName,
    inbox: &AgentName,
    claim: Claim,
    error: &str,
) -> Outcome<()> {
    let name = format!("{}.json", claim.name);
    let note = json!({
        "team": team,
        "agent": inbox,
        "sourceName": name,
        "error": error,
        "quarantinedAtMs": app.now_millis(),
    });
    let dir = Dir::dead_letters(team, inbox);
    let kept = app.store.backend().put_aside(claim, &dir, &encode(&note))?;
    let path = app.store.path_of(&dir.entry(&kept));
    app.warn(format!("a message could not be understood ({error}); it is now {}", path.display()));
    Ok(())
}

/// Messages waiting in an inbox.
#[derive(Debug)]
pub struct Waiting {
    /// All of them.
    pub count: usize,
    /// The oldest of them.
    pub messages: Vec<Message>,
}

/// Looks at the oldest `limit` messages of an inbox without taking them.
pub fn peek(app: &App, team: &TeamName, inbox: &AgentName, limit: usize) -> Outcome<Waiting> {
    let dir = Dir::inbox(team, inbox);
    let mut waiting = Waiting { count: 0, messages: Vec::new() };
    for entry in app.store.backend().queue(&dir)? {
        // Beyond what is shown only the number counts, and most entries need no look for that.
        if waiting.messages.len() >= limit && !entry.taken {
            waiting.count += 1;
            continue;
        }
        let Some(bytes) = app.store.backend().peek(&dir, &entry)? else { continue };
        waiting.count += 1;
        if waiting.messages.len() < limit
            && let Ok(message) = serde_json::from_slice::<Message>(&bytes)
        {
            waiting.messages.push(message.without_nulls());
        }
    }
    Ok(waiting)
}

/// All messages of an inbox that `wanted` picks, without taking them.
pub fn find(
    app: &App,
    team: &TeamName,
    inbox: &AgentName,
    wanted: impl Fn(&Message) -> bool,
) -> Outcome<Vec<Message>> {
    let all = peek(app, team, inbox, usize::MAX)?.messages;
    Ok(all.into_iter().filter(|message| wanted(message)).collect())
}

/// How many messages wait in an inbox.
pub fn count(app: &App, team: &TeamName, inbox: &AgentName) -> Outcome<usize> {
    Ok(peek(app, team, inbox, 0)?.count)
}

/// The waiting entries of every inbox of a team, which may not be in the log yet.
pub(super) fn all_waiting(app: &App, team: &TeamName) -> Result<Vec<(Dir, Queued)>, StoreError> {
    let mut waiting = Vec::new();
    for name in app.store.backend().list_dirs(&Dir::inboxes(team))? {
        let dir = Dir::inboxes(team).child(&name);
        waiting.extend(app.store.backend().queue(&dir)?.into_iter().map(|q| (dir.clone(), q)));
    }
    Ok(waiting)
}

/// A plain message.
pub fn text(kind: MessageType, content: impl Into<String>) -> Message {
    Message { kind, content: Some(content.into()), ..Message::default() }
}

//! The log of all messages of a team.

use std::collections::BTreeMap;

use super::App;
use super::inbox;
use crate::core::{Outcome, TeamName};
use crate::domain::message::Message;
use crate::store::{Dir, Queued};

/// How long after a message Python's ClawTeam may have given out the number of its log entry.
const PYTHON_DELAY_MILLIS: u64 = 60_000;

/// The messages that are in the log of a team.
pub(super) struct Filed<'a> {
    app: &'a App,
    team: &'a TeamName,
    /// The names in the log, sorted; listed when they are first needed.
    names: Option<Vec<String>>,
}

impl<'a> Filed<'a> {
    pub(super) fn of(app: &'a App, team: &'a TeamName) -> Self {
        Self { app, team, names: None }
    }

    /// Whether the message called `name` is in the log: under the name that belongs to it, or, as
    /// Python's ClawTeam files its messages, under a number that was given out soon after.
    pub(super) fn holds(&mut self, name: &str, message: &Message) -> Outcome<bool> {
        let backend = self.app.store.backend();
        if backend.read(&inbox::log_key(self.team, name))?.is_some() {
            return Ok(true);
        }
        let Some(sent) = millis_of(name) else { return Ok(false) };
        let log = Dir::message_log(self.team);
        if self.names.is_none() {
            let mut names = backend.list(&log)?;
            names.sort_unstable();
            self.names = Some(names);
        }
        let names = self.names.as_deref().unwrap_or_default();
        let from = names.partition_point(|other| millis_of(other).is_some_and(|at| at < sent));
        for other in &names[from..] {
            if millis_of(other).is_none_or(|at| at > sent + PYTHON_DELAY_MILLIS) {
                break;
            }
            let Some(blob) = backend.read(&log.entry(other))? else { continue };
            let same = serde_json::from_slice::<Message>(&blob.bytes);
            if same.is_ok_and(|other| other.without_nulls() == *message) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The milliseconds in `msg-<ms>-…` and `evt-<ms>-…`.
fn millis_of(name: &str) -> Option<u64> {
    name.split('-').nth(1)?.parse().ok()
}

/// Where a logged message can be read.
enum Place {
    Log,
    /// It waits in an inbox and is not filed yet.
    Inbox(Dir, Queued),
}

/// The newest `limit` messages of a team, newest first: all, or those of one sender.
pub fn newest(
    app: &App,
    team: &TeamName,
    limit: usize,
    sender: Option<&str>,
) -> Outcome<Vec<Message>> {
    let backend = app.store.backend();
    let log = Dir::message_log(team);
    let mut names: BTreeMap<String, Place> = backend
        .list(&log)?
        .into_iter()
        .filter(|name| name.starts_with("evt-"))
        .filter_map(|name| name.strip_suffix(".json").map(|stem| (stem.to_owned(), Place::Log)))
        .collect();
    let mut filed = Filed::of(app, team);
    for (dir, entry) in inbox::all_waiting(app, team)? {
        let name = entry.name.replacen("msg-", "evt-", 1);
        if names.contains_key(&name) {
            continue;
        }
        let Some(bytes) = backend.peek(&dir, &entry)? else { continue };
        let Ok(message) = serde_json::from_slice::<Message>(&bytes) else { continue };
        if !filed.holds(&entry.name, &message.without_nulls())? {
            names.insert(name, Place::Inbox(dir, entry));
        }
    }
    let mut messages = Vec::new();
    for (name, place) in names.iter().rev() {
        if messages.len() >= limit {
            break;
        }
        let bytes = match place {
            Place::Log => backend.read(&log.entry(&format!("{name}.json")))?.map(|blob| blob.bytes),
            Place::Inbox(dir, entry) => backend.peek(dir, entry)?,
        };
        let Some(bytes) = bytes else { continue };
        // What cannot be understood here cannot be understood in the inbox either, where it is
        // put aside and told.
        let Ok(message) = serde_json::from_slice::<Message>(&bytes) else { continue };
        if sender.is_none_or(|sender| message.from == sender) {
            messages.push(message.without_nulls());
        }
    }
    Ok(messages)
}

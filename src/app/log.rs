//! The log of all messages of a team.

use std::collections::{BTreeMap, HashSet};

use super::App;
use super::inbox;
use crate::core::{Outcome, TeamName};
use crate::domain::message::Message;
use crate::store::{Dir, Key, Queued, StoreError, encode};

/// How many milliseconds Python's ClawTeam may take from sending a message to logging it, under
/// a name that has nothing but the time in common with the message's.
const LOGGED_WITHIN: u64 = 5000;

fn millis_of(name: &str) -> Option<u64> {
    name.strip_prefix("evt-")?.split('-').next()?.parse().ok()
}

/// Whether the message that should be logged as `key` is in the log under another name only.
pub(super) fn has_elsewhere(app: &App, key: &Key, message: &Message) -> Result<bool, StoreError> {
    let backend = app.store.backend();
    let Some(sent) = millis_of(key.name()) else { return Ok(false) };
    if backend.read(key)?.is_some() {
        return Ok(false);
    }
    let log = key.dir();
    let near = |name: &String| {
        let logged = millis_of(name);
        logged.is_some_and(|logged| logged >= sent && logged - sent <= LOGGED_WITHIN)
    };
    let names: Vec<String> = backend.list(&log)?.into_iter().filter(near).collect();
    let same = |bytes: &[u8]| {
        serde_json::from_slice::<Message>(bytes)
            .is_ok_and(|found| found.without_nulls() == *message)
    };
    let found = backend.read_many(&log, &names);
    Ok(found.iter().any(|(_, blob)| blob.as_ref().is_ok_and(|blob| same(&blob.bytes))))
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
    for (dir, entry) in inbox::all_waiting(app, team)? {
        let name = entry.name.replacen("msg-", "evt-", 1);
        names.entry(name).or_insert(Place::Inbox(dir, entry));
    }
    let mut messages = Vec::new();
    let mut seen = HashSet::new();
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
        let message = message.without_nulls();
        // One that Python's ClawTeam sent is logged under another name while it waits.
        if sender.is_none_or(|sender| message.from == sender) && seen.insert(encode(&message)) {
            messages.push(message);
        }
    }
    Ok(messages)
}

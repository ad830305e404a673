//! The log of all messages of a team.

use std::collections::BTreeMap;

use super::App;
use super::inbox;
use crate::core::{Outcome, TeamName};
use crate::domain::message::Message;
use crate::store::{Dir, Queued};

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

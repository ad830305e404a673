//! What people and agents must know: posting it, listing it, and having seen it.
//!
//! Posting writes one document and does nothing slow. How it is told besides (a line in tmux, the
//! desktop, a program, a web address) is written down in it, and done later by [`deliver`].

pub mod deliver;
pub mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::App;
use super::wait::Stop;
use crate::core::{AgentName, Diagnose, Exit, Name, Outcome, Span, Stamp, TeamName};
use crate::domain::Extra;
use crate::domain::notification::{
    Delivery, DeliveryState, Filter, NewNotification, Notification, Principal, SCHEMA, Status,
    keyed_id, timed_id,
};
use crate::store::{Changes, Commit, Dir, Doc, Expect, Key, Put, Scope, StoreError, encode};

/// There is no such notification.
#[derive(Debug, thiserror::Error)]
#[error("Notification '{id}' not found in team '{team}'")]
struct NotFound {
    id: Name,
    team: TeamName,
}

impl Diagnose for NotFound {
    fn code(&self) -> &'static str {
        "notification_not_found"
    }

    fn hint(&self) -> Option<String> {
        Some(format!("see what there is: clawteam notify list {} --to all", self.team))
    }

    fn exit(&self) -> Exit {
        Exit::NotFound
    }
}

/// What was told last, by dedupe key: `notifications/<team>/recent.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Recent {
    #[serde(default)]
    recent: BTreeMap<String, Told>,
    #[serde(flatten)]
    extra: Extra,
}

#[derive(Debug, Serialize, Deserialize)]
struct Told {
    at: Stamp,
    until: Stamp,
    id: Name,
}

fn key_of(team: &TeamName, to: &Principal, id: &Name) -> Key {
    Dir::notifications_of(team, &to.dir_name()).entry(&format!("{id}.json"))
}

/// Posts a notification and returns its identifier, or `None` if it repeats one that was posted
/// a short time ago under the same dedupe key.
///
/// What has a `key` is posted once: a second time returns the same identifier and changes nothing,
/// also if the first was read meanwhile, but makes sure that it will be told.
pub fn post(app: &App, team: &TeamName, new: &NewNotification) -> Outcome<Option<Name>> {
    let rules = rules::load_leniently(app, team);
    let now = app.now();
    let id = match &new.key {
        Some(key) => keyed_id(&new.to, key),
        None => timed_id(app.now_millis(), &app.ids.hex(8)),
    };
    let mut notice = notification(new, team, id, Stamp::at(now));
    for one in rules.plan(&notice, now) {
        let (state, at) = (DeliveryState::Queued, Stamp::at(one.due));
        notice.channels.insert(one.name(), Delivery { state, at, item: None, error: None });
    }
    let key = key_of(team, &new.to, &notice.id);
    let put = Put::new(key.clone(), encode(&notice), Expect::Absent);
    let posted = match &new.dedupe_key {
        None => app.store.backend().create(&put).map(|()| true),
        Some(dedupe) => {
            let window = rules.dedupe_window(&notice);
            post_unless_recent(app, team, &notice.id, dedupe, window, put)
        }
    };
    match posted {
        Ok(false) => return Ok(None),
        Ok(true) => {}
        Err(StoreError::Conflict { .. }) if new.key.is_some() => {
            // Whoever posted it first may have ended before it was durable, or before its errands
            // were in the queue.
            app.store.backend().anchor(&key)?;
            if let Some(first) = app.store.load::<Notification>(&key)? {
                notice = first.value;
            }
        }
        Err(error) => return Err(error.into()),
    }
    match deliver::enqueue(app, team, &notice, &rules) {
        // Without a key, trying again would post it twice.
        Err(failure) if new.key.is_none() => app.warn(format!(
            "the notification is listed, but not told otherwise yet: {} (see `clawteam notify \
             deliver`)",
            failure.message()
        )),
        other => other?,
    }
    Ok(Some(notice.id))
}

fn notification(new: &NewNotification, team: &TeamName, id: Name, now: Stamp) -> Notification {
    Notification {
        schema: SCHEMA.into(),
        id,
        kind: new.kind.as_str().into(),
        severity: new.severity,
        title: new.title.clone(),
        body: new.body.clone(),
        team: team.to_string(),
        to: new.to.clone(),
        refs: new.refs.clone(),
        status: Status::Unread,
        read_at: None,
        created_at: now,
        dedupe_key: new.dedupe_key.clone(),
        channels: BTreeMap::new(),
        extra: Extra::new(),
    }
}

/// Writes the document, unless something else was posted to the same principal under `dedupe`
/// within `window`. Whether it did.
fn post_unless_recent(
    app: &App,
    team: &TeamName,
    id: &Name,
    dedupe: &str,
    window: Span,
    put: Put,
) -> Result<bool, StoreError> {
    let recent_key = Key::notify_recent(team);
    let mut locked = app.store.lock(&Scope::Notifications(team.clone()))?;
    if app.store.backend().read(&put.key)?.is_some() {
        return Err(StoreError::Conflict { key: put.key.to_string() });
    }
    let now = app.now();
    // It can be lost at any time; then something is told twice.
    let found = app.store.load::<Recent>(&recent_key).ok().flatten();
    let mut recent = found.map(|doc| doc.value).unwrap_or_default();
    recent.recent.retain(|_, told| told.until.instant().is_some_and(|until| until > now));
    // Each principal hears of it once.
    let entry = format!("{} {dedupe}", put.key.dir().as_str());
    if recent.recent.contains_key(&entry) {
        return Ok(false);
    }
    let window = chrono::TimeDelta::from_std(window.duration()).unwrap_or(chrono::TimeDelta::MAX);
    let until = now.checked_add_signed(window).map_or(Stamp::at(now), Stamp::at);
    recent.recent.insert(entry, Told { at: Stamp::at(now), until, id: id.clone() });
    let puts = vec![put, Put::new(recent_key, encode(&recent), Expect::Any)];
    locked.commit(&Commit { puts, ..Commit::default() })?;
    Ok(true)
}

/// Whose notifications the caller is shown: an agent's are its own; a person's are those for
/// everybody, and those for this person by name.
pub fn audience(app: &App) -> Vec<Principal> {
    let agent = app.env.identity("AGENT_NAME").and_then(|name| AgentName::parse(name).ok());
    if let Some(agent) = agent {
        return vec![Principal::Agent(agent)];
    }
    let user = app.identity.user_name().map(Principal::User);
    [Principal::Human].into_iter().chain(user).collect()
}

/// Everybody who was ever notified in a team.
pub fn everybody(app: &App, team: &TeamName) -> Outcome<Vec<Principal>> {
    let dirs = app.store.backend().list_dirs(&Dir::notifications(team))?;
    let mut all: Vec<Principal> = dirs.iter().filter_map(|dir| Principal::of_dir(dir)).collect();
    all.sort();
    Ok(all)
}

fn is_notification(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|stem| Name::parse(stem).is_ok())
}

/// The notifications of `audience` in a team that `filter` wants, oldest first.
pub fn list(
    app: &App,
    team: &TeamName,
    audience: &[Principal],
    filter: &Filter,
) -> Outcome<Vec<Notification>> {
    let mut found: Vec<Notification> = Vec::new();
    for to in audience {
        let dir = Dir::notifications_of(team, &to.dir_name());
        let listed = app.store.list::<Notification>(&dir, is_notification)?;
        found.extend(listed.into_iter().map(|(_, doc)| doc.value));
    }
    found.retain(|notice| filter.wants(notice));
    found.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
    Ok(found)
}

/// How many notifications there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Count {
    /// Those that nobody has seen.
    pub unread: usize,
    /// Those of them that are critical.
    pub critical: usize,
    /// All of them.
    pub total: usize,
}

/// Counts the notifications of `audience`.
pub fn count(app: &App, team: &TeamName, audience: &[Principal]) -> Outcome<Count> {
    let mut count = Count::default();
    for notice in list(app, team, audience, &Filter::default())? {
        let unread = notice.status == Status::Unread;
        let critical = notice.severity == crate::domain::notification::Severity::Critical;
        count.total += 1;
        count.unread += usize::from(unread);
        count.critical += usize::from(unread && critical);
    }
    Ok(count)
}

/// Notes that a notification was seen, whosever it is. Returns it as it is now.
pub fn read_one(app: &App, team: &TeamName, id: &Name) -> Outcome<Notification> {
    for to in everybody(app, team)? {
        let key = key_of(team, &to, id);
        if app.store.backend().read(&key)?.is_some() {
            let mut seen = see(app, team, &[key])?;
            if let Some(notice) = seen.pop() {
                return Ok(notice);
            }
        }
    }
    Err(NotFound { id: id.clone(), team: team.clone() }.into())
}

/// Notes that all notifications of `audience` were seen. Returns those that were not before.
pub fn read_all(app: &App, team: &TeamName, audience: &[Principal]) -> Outcome<Vec<Notification>> {
    let filter = Filter { unread: true, ..Filter::default() };
    let unread = list(app, team, audience, &filter)?;
    let keys: Vec<Key> = unread.iter().map(|notice| key_of(team, &notice.to, &notice.id)).collect();
    see(app, team, &keys)
}

fn see(app: &App, team: &TeamName, keys: &[Key]) -> Outcome<Vec<Notification>> {
    change(app, team, keys, |notice, now| {
        let unread = notice.status == Status::Unread;
        if unread {
            notice.status = Status::Read;
            notice.read_at = Some(now);
        }
        unread
    })
}

/// Changes notifications in one commit; `change` says whether it changed anything. Returns all
/// that are there, as they are now.
fn change(
    app: &App,
    team: &TeamName,
    keys: &[Key],
    mut change: impl FnMut(&mut Notification, Stamp) -> bool,
) -> Outcome<Vec<Notification>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut locked = app.store.lock(&Scope::Notifications(team.clone()))?;
    let (mut puts, mut all) = (Vec::new(), Vec::new());
    for key in keys {
        let Some(doc) = app.store.load::<Notification>(key)? else { continue };
        let Doc { mut value, revision } = doc;
        if change(&mut value, app.stamp()) {
            app.store.writable(key, &value.schema, SCHEMA)?;
            puts.push(Put::new(key.clone(), encode(&value), Expect::Revision(revision)));
        }
        all.push(value);
    }
    locked.commit(&Commit { puts, ..Commit::default() })?;
    Ok(all)
}

/// Notifications as they come.
pub struct Watch {
    changes: Box<dyn Changes>,
    told: BTreeSet<(Principal, Name)>,
}

impl Watch {
    /// Listens for notifications of `audience`; those that are there now do not count as new.
    pub fn new(app: &App, team: &TeamName, audience: &[Principal], stop: &Stop) -> Outcome<Self> {
        let dirs: Vec<Dir> =
            audience.iter().map(|to| Dir::notifications_of(team, &to.dir_name())).collect();
        let changes = app.store.backend().watch(&dirs)?;
        stop.wakes(&*changes);
        let mut watch = Self { changes, told: BTreeSet::new() };
        watch.news(app, team, audience)?;
        Ok(watch)
    }

    /// What came since the last call, oldest first.
    pub fn news(
        &mut self,
        app: &App,
        team: &TeamName,
        audience: &[Principal],
    ) -> Outcome<Vec<Notification>> {
        let mut found = list(app, team, audience, &Filter::default())?;
        found.retain(|notice| self.told.insert((notice.to.clone(), notice.id.clone())));
        Ok(found)
    }

    /// Whether it was told, or there at the start.
    pub fn knows(&self, notice: &Notification) -> bool {
        self.told.contains(&(notice.to.clone(), notice.id.clone()))
    }

    /// Returns when something may have come, or after `limit`.
    pub fn wait(&mut self, limit: Duration) {
        self.changes.wait(limit);
    }
}

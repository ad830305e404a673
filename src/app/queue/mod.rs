//! The queue of a team: work that is slow or remote, done by workers outside of any lock.
//!
//! An open item is a document in `queue/<team>/open/`, whose name sorts as items are taken. Who
//! takes one puts a lease beside it, in `leased/`. What came to its end is in `done/` or `dead/`.
//! Each change is one commit.

mod records;
pub mod run;
mod work;

use serde::Serialize;

pub use work::{Done, Filter, Options, Outcome as Ending, Worker, reclaim_lost, work, work_once};

use super::App;
use super::workflow;
use crate::core::{Outcome, Span, TeamName};
use crate::domain::queue::payload::{self, Treatment};
use crate::domain::queue::rules::{self, Cancelled};
use crate::domain::queue::{Entry, Item, Lease, NewItem, QueueError, State};
use crate::store::{Commit, Scope};
use records::{Found, Records};

/// An item as it is shown: where it stands, and who has it.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// The item.
    #[serde(flatten)]
    pub item: Item,
    /// Where it stands now.
    pub state: State,
    /// Who has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

impl Shown {
    fn of(app: &App, entry: Entry) -> Self {
        Self { state: entry.state(app.now()), item: entry.item, lease: entry.lease }
    }
}

/// An item that was asked for.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// The item.
    pub item: Shown,
    /// Whether it is new; otherwise one with its key was there.
    pub created: bool,
}

/// Puts an item into the queue. If there is one with the same key already, in whatever state,
/// that one is returned and nothing changes.
pub fn push(app: &App, team: &TeamName, mut new: NewItem) -> Outcome<Pushed> {
    let treatment = (payload::kind(&new.kind)?.check)(&new.payload)?;
    new.idempotent = Some(new.idempotent.unwrap_or(treatment.idempotent));
    if new.serial_key.is_none() {
        new.serial_key = serial_key(app, team, &new, treatment);
    }
    let id = match &new.key {
        Some(key) => Item::id_of_key(key),
        None => app.ids.hex(12),
    };
    let mut locked = app.store.lock(&Scope::Queue(team.clone()))?;
    let records = Records::of(app, team);
    if let Some(found) = records.find(&id)? {
        // Whoever pushed it may have ended before it was durable.
        app.store.backend().anchor(&found.key)?;
        return Ok(Pushed { item: Shown::of(app, found.entry), created: false });
    }
    let item = rules::create(new, id, records.next_sequence()?, app.now());
    let put = records.open_put(&item);
    locked.commit(&Commit { puts: vec![put], ..Commit::default() })?;
    Ok(Pushed { item: Shown::of(app, Entry { item, lease: None }), created: true })
}

/// What the item's kind says, or for a merge the repository, as it is written down.
fn serial_key(app: &App, team: &TeamName, new: &NewItem, treatment: Treatment) -> Option<String> {
    let repository = |agent: &str| {
        let registry = super::workspace::registry(app, team).ok()?;
        registry.of(agent).map(|known| known.repo_root.clone())
    };
    if new.kind == "merge"
        && let Ok(merge) = payload::read::<payload::Merge>(&new.kind, &new.payload)
        && merge.repo.is_none()
    {
        let root = merge.agents.first().and_then(|agent| repository(agent.as_str()));
        return Some(format!("repository:{}", root.unwrap_or_default()));
    }
    treatment.serial_key
}

/// What became of the wish to cancel an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancellation {
    /// It will not be done.
    Cancelled,
    /// Its worker was asked to stop.
    Requested,
    /// It had come to its end before.
    AlreadyEnded,
}

/// Cancels the item with this key or identifier. A worker that has it ends its program.
pub fn cancel(app: &App, team: &TeamName, key: &str) -> Outcome<Cancellation> {
    // Locking makes directories: first see whether there is an item at all.
    named(&Records::of(app, team), team, key)?;
    let mut locked = app.store.lock(&Scope::Queue(team.clone()))?;
    let records = Records::of(app, team);
    let found = named(&records, team, key)?;
    found.check_format(app)?;
    match rules::cancel(&found.entry, app.now()) {
        Cancelled::Too(_) => Ok(Cancellation::AlreadyEnded),
        Cancelled::Asked(lease) => {
            let put = records.lease_put(&found.entry.item.id, &lease, found.lease_revision);
            locked.commit(&Commit { puts: vec![put], ..Commit::default() })?;
            Ok(Cancellation::Requested)
        }
        Cancelled::Now(item) => {
            locked.commit(&records.change(&found, &item))?;
            drop(locked);
            wake(app, team, &item);
            Ok(Cancellation::Cancelled)
        }
    }
}

/// Tells the run that an item is done for that the item came to its end.
fn wake(app: &App, team: &TeamName, item: &Item) {
    if let Some(of) = item.run.as_ref().filter(|_| item.has_ended()) {
        workflow::wake(app, team, &of.run);
    }
}

/// The item that is named by its identifier or its key.
fn named(records: &Records<'_>, team: &TeamName, text: &str) -> Outcome<Found> {
    if records::is_id(text)
        && let Some(found) = records.find(text)?
    {
        return Ok(found);
    }
    let missing = || QueueError::NotFound { id: text.to_owned(), team: team.to_string() };
    Ok(records.find(&Item::id_of_key(text))?.ok_or_else(missing)?)
}

/// Which items are wanted; empty is all.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Those that stand so.
    pub states: Vec<State>,
    /// Those of these kinds.
    pub kinds: Vec<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// The wanted items: what is open in the order in which it will be taken, then what came to its
/// end, the latest first.
pub fn list(app: &App, team: &TeamName, wanted: &Wanted) -> Outcome<Vec<Shown>> {
    let has = |states: &[State]| {
        wanted.states.is_empty() || wanted.states.iter().any(|state| states.contains(state))
    };
    let open = has(&[State::Ready, State::Delayed, State::Leased]);
    let done = has(&[State::Done, State::Cancelled]);
    let dead = has(&[State::Dead]);
    let mut entries = app
        .store
        .read(&Scope::Queue(team.clone()), || Records::of(app, team).all(open, done, dead))??;
    let now = app.now();
    entries.retain(|entry| {
        (wanted.states.is_empty() || wanted.states.contains(&entry.state(now)))
            && (wanted.kinds.is_empty() || wanted.kinds.contains(&entry.item.kind))
    });
    entries.truncate(wanted.limit.unwrap_or(usize::MAX));
    Ok(entries.into_iter().map(|entry| Shown::of(app, entry)).collect())
}

/// The item with this key or identifier.
pub fn show(app: &App, team: &TeamName, key: &str) -> Outcome<Shown> {
    let missing = || QueueError::NotFound { id: key.to_owned(), team: team.to_string() };
    Ok(find(app, team, key)?.ok_or_else(missing)?)
}

/// The same, or nothing if there is none.
pub fn find(app: &App, team: &TeamName, key: &str) -> Outcome<Option<Shown>> {
    let found = app
        .store
        .read(&Scope::Queue(team.clone()), || named(&Records::of(app, team), team, key))?;
    match found {
        Ok(found) => Ok(Some(Shown::of(app, found.entry))),
        Err(failure) if matches!(failure.downcast(), Some(QueueError::NotFound { .. })) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Lets an item that failed, was cancelled or waits be done again, now.
pub fn retry(app: &App, team: &TeamName, key: &str) -> Outcome<Shown> {
    // Locking makes directories: first see whether there is an item at all.
    named(&Records::of(app, team), team, key)?;
    let mut locked = app.store.lock(&Scope::Queue(team.clone()))?;
    let records = Records::of(app, team);
    let found = named(&records, team, key)?;
    found.check_format(app)?;
    let item = rules::retry(&found.entry, records.next_sequence()?, app.now())?;
    locked.commit(&records.change(&found, &item))?;
    Ok(Shown::of(app, Entry { item, lease: None }))
}

/// Removes an item that came to its end. Its key may be used again.
pub fn drop_one(app: &App, team: &TeamName, key: &str) -> Outcome<Shown> {
    // Locking makes directories: first see whether there is an item at all.
    named(&Records::of(app, team), team, key)?;
    let mut locked = app.store.lock(&Scope::Queue(team.clone()))?;
    let found = named(&Records::of(app, team), team, key)?;
    rules::may_drop(&found.entry, app.now())?;
    locked.delete(found.key.clone())?;
    Ok(Shown::of(app, found.entry))
}

/// Removes what came to its end longer ago than `age` and stands so. Returns how many there were.
pub fn drop_ended(app: &App, team: &TeamName, states: &[State], age: Span) -> Outcome<usize> {
    let wanted = Wanted { states: states.to_vec(), ..Wanted::default() };
    let now = app.now();
    let old = |shown: &Shown| {
        let ended = shown.item.ended_at.as_ref().and_then(crate::core::Stamp::instant);
        let passed = ended.map_or(i64::MAX, |ended| (now - ended).num_milliseconds());
        u64::try_from(passed).is_ok_and(|passed| passed >= age.as_millis())
    };
    let mut dropped = 0;
    for shown in list(app, team, &wanted)?.iter().filter(|shown| old(shown)) {
        match drop_one(app, team, &shown.item.id) {
            Ok(_) => dropped += 1,
            // Somebody else was faster.
            Err(failure) if failure.downcast::<QueueError>().is_some() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(dropped)
}

/// How many items stand where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// A worker can take them.
    pub ready: usize,
    /// Not due yet.
    pub delayed: usize,
    /// Workers have them.
    pub leased: usize,
    /// They were done, or cancelled.
    pub done: usize,
    /// They failed for good.
    pub dead: usize,
    /// When the next one that waits is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_due_at: Option<crate::core::Stamp>,
}

/// How many items stand where. Opens no item.
pub fn stats(app: &App, team: &TeamName) -> Outcome<Stats> {
    Ok(Records::of(app, team).stats(app.now())?)
}

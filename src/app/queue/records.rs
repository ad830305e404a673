//! Where items lie, and the commits that move them.

use std::collections::HashSet;

use chrono::{DateTime, TimeZone, Utc};

use super::Stats;
use crate::app::App;
use crate::core::{Outcome, Stamp, TeamName};
use crate::domain::queue::{Entry, Item, LEASE_SCHEMA, Lease, SCHEMA, Slot, Status};
use crate::store::{
    Commit, Dir, Doc, Expect, Key, Notice, Put, Revision, Scope, StoreError, encode,
};

/// The items of a team as documents.
pub(super) struct Records<'a> {
    app: &'a App,
    team: &'a TeamName,
}

/// An item with the states that its documents were read in.
pub(super) struct Found {
    pub(super) entry: Entry,
    pub(super) key: Key,
    pub(super) revision: Revision,
    pub(super) lease_revision: Option<Revision>,
}

impl Found {
    /// Refuses to change what a later version wrote.
    pub(super) fn check_format(&self, app: &App) -> Result<(), StoreError> {
        known_format(app, &self.key, &self.entry.item.schema, SCHEMA)?;
        match &self.entry.lease {
            Some(lease) => known_format(app, &self.key, &lease.schema, LEASE_SCHEMA),
            None => Ok(()),
        }
    }
}

/// Refuses to change a document that is not of the format that this version knows.
fn known_format(app: &App, key: &Key, found: &str, known: &str) -> Result<(), StoreError> {
    if found == known {
        return Ok(());
    }
    Err(StoreError::NewerFormat { path: app.store.path_of(key), schema: found.to_owned() })
}

/// Whether a text can be the identifier of an item: nothing else becomes part of a path.
pub(super) fn is_id(text: &str) -> bool {
    matches!(text.len(), 12 | 16) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_document(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(is_id)
}

impl<'a> Records<'a> {
    pub(super) fn of(app: &'a App, team: &'a TeamName) -> Self {
        Self { app, team }
    }

    /// The collection of what stands so.
    pub(super) fn dir(&self, name: &str) -> Dir {
        Dir::queue(self.team).child(name)
    }

    fn lease_key(&self, id: &str) -> Key {
        self.dir("leased").entry(&format!("{id}.json"))
    }

    /// The open items in the order in which they are taken, by their names alone.
    pub(super) fn slots(&self) -> Result<Vec<Slot>, StoreError> {
        let names = self.app.store.backend().list(&self.dir("open"))?;
        let mut slots: Vec<Slot> = names.iter().filter_map(|name| Slot::parse(name)).collect();
        slots.retain(|slot| is_id(&slot.id));
        slots.sort_unstable();
        Ok(slots)
    }

    /// The identifiers of the items that somebody has.
    pub(super) fn leased(&self) -> Result<HashSet<String>, StoreError> {
        let names = self.app.store.backend().list(&self.dir("leased"))?;
        let ids = names.iter().filter(|name| is_document(name));
        Ok(ids.filter_map(|name| name.strip_suffix(".json")).map(str::to_owned).collect())
    }

    /// All leases with the identifiers of their items.
    pub(super) fn leases(&self) -> Result<Vec<(String, Lease)>, StoreError> {
        let listed = self.app.store.list::<Lease>(&self.dir("leased"), is_document)?;
        let named = listed
            .into_iter()
            .map(|(name, doc)| (name.strip_suffix(".json").unwrap_or(&name).to_owned(), doc.value));
        Ok(named.collect())
    }

    /// A number greater than that of every open item.
    pub(super) fn next_sequence(&self) -> Result<u64, StoreError> {
        Ok(self.slots()?.iter().map(|slot| slot.sequence).max().unwrap_or(0) + 1)
    }

    /// The lease of an item.
    pub(super) fn lease(&self, id: &str) -> Result<Option<Doc<Lease>>, StoreError> {
        self.app.store.load(&self.lease_key(id))
    }

    /// The open item in this place.
    pub(super) fn open(&self, slot: &Slot) -> Result<Option<Found>, StoreError> {
        let key = self.dir("open").entry(&slot.file());
        let Some(doc) = self.app.store.load::<Item>(&key)? else { return Ok(None) };
        let mut item = doc.value;
        // The name counts, whatever the document says.
        item.id.clone_from(&slot.id);
        item.status = Status::Open;
        let lease = self.lease(&slot.id)?;
        let (lease, lease_revision) = lease.map(|doc| (doc.value, doc.revision)).unzip();
        let entry = Entry { item, lease };
        Ok(Some(Found { entry, key, revision: doc.revision, lease_revision }))
    }

    /// An item, wherever it is.
    pub(super) fn find(&self, id: &str) -> Outcome<Option<Found>> {
        if !is_id(id) {
            return Ok(None);
        }
        if let Some(slot) = self.slots()?.iter().find(|slot| slot.id == id) {
            return Ok(self.open(slot)?);
        }
        for place in ["done", "dead"] {
            let key = self.dir(place).entry(&format!("{id}.json"));
            if let Some(doc) = self.app.store.load::<Item>(&key)? {
                let entry = Entry { item: Item { id: id.to_owned(), ..doc.value }, lease: None };
                let revision = doc.revision;
                return Ok(Some(Found { entry, key, revision, lease_revision: None }));
            }
        }
        Ok(None)
    }

    /// All items of these places.
    pub(super) fn all(&self, open: bool, done: bool, dead: bool) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        if open {
            let mut leases: std::collections::HashMap<String, Lease> =
                self.leases()?.into_iter().collect();
            let listed = self
                .app
                .store
                .list::<Item>(&self.dir("open"), |name| Slot::parse(name).is_some())?;
            for (_, doc) in listed {
                let lease = leases.remove(&doc.value.id);
                entries.push(Entry { item: doc.value, lease });
            }
        }
        let mut ended = Vec::new();
        for (place, _) in [("done", done), ("dead", dead)].iter().filter(|(_, wanted)| *wanted) {
            let listed = self.app.store.list::<Item>(&self.dir(place), is_document)?;
            ended.extend(listed.into_iter().map(|(_, doc)| Entry { item: doc.value, lease: None }));
        }
        ended.sort_by(|a, b| b.item.ended_at.cmp(&a.item.ended_at));
        entries.extend(ended);
        Ok(entries)
    }

    /// How many items are where, by their names alone.
    pub(super) fn stats(&self, now: DateTime<Utc>) -> Result<Stats, StoreError> {
        let (slots, leased) = (self.slots()?, self.leased()?);
        let mut stats = Stats::default();
        let mut next: Option<u64> = None;
        for slot in &slots {
            if leased.contains(&slot.id) {
                stats.leased += 1;
            } else if slot.is_due(now) {
                stats.ready += 1;
            } else {
                stats.delayed += 1;
                next = Some(next.map_or(slot.due_millis, |next| next.min(slot.due_millis)));
            }
        }
        let count = |place| -> Result<usize, StoreError> {
            let names = self.app.store.backend().list(&self.dir(place))?;
            Ok(names.iter().filter(|name| is_document(name)).count())
        };
        stats.done = count("done")?;
        stats.dead = count("dead")?;
        let millis = next.and_then(|millis| i64::try_from(millis).ok());
        stats.next_due_at =
            millis.and_then(|millis| Utc.timestamp_millis_opt(millis).single()).map(Stamp::at);
        Ok(stats)
    }

    /// Writes a new open item.
    pub(super) fn open_put(&self, item: &Item) -> Put {
        let key = self.dir("open").entry(&Slot::of(item).file());
        Put::new(key, encode(item), Expect::Absent)
    }

    /// Writes the lease of an item.
    pub(super) fn lease_put(&self, id: &str, lease: &Lease, revision: Option<Revision>) -> Put {
        let expect = revision.map_or(Expect::Absent, Expect::Revision);
        Put::new(self.lease_key(id), encode(lease), expect)
    }

    /// Makes `item` of what was `found`, in its new place: all of it is one commit. An item that
    /// came to its end and belongs to a run leaves its result there, and its lease stays until the
    /// run was woken (see [`forget_lease`](Self::forget_lease)): a worker that dies in between is
    /// found by it.
    pub(super) fn change(&self, found: &Found, item: &Item) -> Commit {
        let name = format!("{}.json", item.id);
        let place = match item.status {
            Status::Open => self.dir("open").entry(&Slot::of(item).file()),
            Status::Done | Status::Cancelled => self.dir("done").entry(&name),
            Status::Dead => self.dir("dead").entry(&name),
        };
        let mut commit = Commit::default();
        let waking = item.run.as_ref().filter(|_| item.has_ended());
        if let (Some(of), Some(report)) = (waking, &item.result) {
            let key = Dir::run_results(self.team, &of.run).entry(&of.result_file());
            commit.puts.push(Put::new(key, encode(report), Expect::Any));
        }
        let stays = place == found.key;
        let expect = if stays { Expect::Revision(found.revision) } else { Expect::Any };
        commit.puts.push(Put::new(place, encode(item), expect));
        if !stays {
            commit.deletes.push((found.key.clone(), Expect::Revision(found.revision)));
        }
        if let (Some(revision), None) = (found.lease_revision, waking) {
            commit.deletes.push((self.lease_key(&item.id), Expect::Revision(revision)));
        }
        commit
    }

    /// Removes the lease `token` of an item that has no need of it any more. If power takes the
    /// removal back, the lease is found without an open item and removed again.
    pub(super) fn forget_lease(&self, id: &str, token: &str) -> Result<(), StoreError> {
        let _locked = self.app.store.lock(&Scope::Queue(self.team.clone()))?;
        match self.lease(id)? {
            Some(doc) if doc.value.token == token => {
                self.app.store.backend().discard(&self.lease_key(id))
            }
            _ => Ok(()),
        }
    }

    /// Tells that an item was passed over, and why.
    pub(super) fn pass_over(&self, error: &StoreError) {
        self.app.store.notify(&Notice::PassedOver { reason: error.to_string() });
    }
}

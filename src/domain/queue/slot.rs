//! The name of an open item's document: names sort as items are taken.

use chrono::{DateTime, Utc};

use super::model::{Item, Priority};

/// What the name of an open item's document tells without opening it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// How urgent it is.
    pub priority: Priority,
    /// When it is due, in milliseconds since the epoch.
    pub due_millis: u64,
    /// Orders items that are due at the same instant.
    pub sequence: u64,
    /// The item.
    pub id: String,
}

impl Slot {
    /// Where an item stands in the queue.
    pub fn of(item: &Item) -> Self {
        let due = item.due_at.instant().map_or(0, |due| due.timestamp_millis());
        Self {
            priority: item.priority,
            due_millis: u64::try_from(due).unwrap_or(0),
            sequence: item.sequence,
            id: item.id.clone(),
        }
    }

    /// The name of the document.
    pub fn file(&self) -> String {
        let rank = Priority::ALL.iter().position(|known| *known == self.priority).unwrap_or(2);
        format!("{rank}-{:013}-{:010}-{}.json", self.due_millis, self.sequence, self.id)
    }

    /// Reads such a name.
    pub fn parse(file: &str) -> Option<Self> {
        let mut parts = file.strip_suffix(".json")?.splitn(4, '-');
        let rank: usize = parts.next()?.parse().ok()?;
        Some(Self {
            priority: *Priority::ALL.get(rank)?,
            due_millis: parts.next()?.parse().ok()?,
            sequence: parts.next()?.parse().ok()?,
            id: parts.next()?.to_owned(),
        })
    }

    /// Whether the item is due at `now`.
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        i64::try_from(self.due_millis).is_ok_and(|due| due <= now.timestamp_millis())
    }
}

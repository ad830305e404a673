//! The redo journal of a commit of several documents.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::store::backend::{Put, Revision};
use crate::store::error::StoreError;
use crate::store::key::{Key, Scope};

const SCHEMA: &str = "clawteam.journal/1";

/// What is done to one document.
#[derive(Debug)]
pub(super) struct Record {
    /// The document.
    pub(super) key: Key,
    /// Its state when the commit was made; `None` if it did not exist.
    pub(super) before: Option<Revision>,
    /// What it shall hold; `None` to remove it.
    pub(super) after: Option<String>,
    /// Whether only the user may read it.
    pub(super) secret: bool,
    /// Where it is filed as history.
    pub(super) log: Option<Key>,
}

/// A record as it stands in the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    key: String,
    before: Option<String>,
    after: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    secret: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Journal {
    schema: String,
    scope: String,
    /// Of the records, to tell a damaged journal from a whole one.
    checksum: String,
    records: Vec<Line>,
}

/// Whether a journal can be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum JournalState {
    /// It can.
    Whole,
    /// A later version of clawteam can.
    Newer(String),
    /// Nobody can; why.
    Unreadable(String),
}

impl JournalState {
    /// The state of the journal that holds `bytes`; `path` is where it lies.
    pub(in crate::store) fn of(bytes: &[u8], path: &Path) -> Self {
        match Journal::decode(bytes, path) {
            Ok(_) => Self::Whole,
            Err(StoreError::NewerFormat { schema, .. }) => Self::Newer(schema),
            Err(StoreError::Unreadable { reason, .. }) => Self::Unreadable(reason),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

impl Record {
    /// A document to be written. `path` is for the message if it is not text.
    pub(super) fn put(
        put: &Put,
        before: Option<Revision>,
        path: &Path,
    ) -> Result<Self, StoreError> {
        let after = String::from_utf8(put.bytes.clone()).map_err(|error| {
            StoreError::Unreadable { path: path.into(), reason: error.to_string() }
        })?;
        Ok(Self {
            key: put.key.clone(),
            before,
            after: Some(after),
            secret: put.secret,
            log: put.log.clone(),
        })
    }

    /// A document to be removed.
    pub(super) fn delete(key: &Key, before: Option<Revision>) -> Self {
        Self { key: key.clone(), before, after: None, secret: false, log: None }
    }
}

impl Journal {
    pub(super) fn new(scope: &Scope, records: Vec<Record>) -> Self {
        let records: Vec<Line> = records
            .into_iter()
            .map(|record| Line {
                key: record.key.to_string(),
                before: record.before.map(|revision| format!("{:032x}", revision.0)),
                after: record.after,
                secret: record.secret,
                log: record.log.map(|key| key.to_string()),
            })
            .collect();
        let checksum = checksum(&records);
        Self { schema: SCHEMA.into(), scope: scope.to_string(), checksum, records }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a journal holds only text")
    }

    pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Self, StoreError> {
        let unreadable = |reason: String| StoreError::Unreadable { path: path.into(), reason };
        let journal: Self =
            serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
        if journal.schema != SCHEMA {
            return Err(StoreError::NewerFormat { path: path.into(), schema: journal.schema });
        }
        if journal.checksum != checksum(&journal.records) {
            return Err(unreadable("its checksum is wrong".into()));
        }
        if journal.records.iter().any(|line| Key::parse(&line.key).is_none()) {
            return Err(unreadable("it names a path outside the data directory".into()));
        }
        Ok(journal)
    }

    pub(super) fn records(self) -> impl Iterator<Item = Record> {
        self.records.into_iter().filter_map(|line| {
            Some(Record {
                key: Key::parse(&line.key)?,
                before: line
                    .before
                    .and_then(|hex| u128::from_str_radix(&hex, 16).ok())
                    .map(Revision),
                after: line.after,
                secret: line.secret,
                log: line.log.as_deref().and_then(Key::parse),
            })
        })
    }
}

fn checksum(records: &[Line]) -> String {
    let text = serde_json::to_vec(records).expect("a journal holds only text");
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&text))
}

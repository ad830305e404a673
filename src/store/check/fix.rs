//! The repairs.

use super::scan::parse;
use super::{Doctor, Fix};
use crate::store::backend::{Backend, Mode, Patience};
use crate::store::error::StoreError;
use crate::store::fs::JournalState;
use crate::store::key::{Key, Scope};

impl Doctor<'_> {
    /// Carries out a repair, if it is still needed. Says what was done, or `None` if nothing was.
    pub fn apply(&self, fix: &Fix, patience: &Patience<'_>) -> Result<Option<String>, StoreError> {
        match fix {
            Fix::SetAsideUnreadable(key) => self.set_aside_unreadable(key, patience),
            Fix::SetAsideJournal(scope, key) => self.set_aside_journal(scope, key, patience),
            Fix::SetAsideTemporary(key) => self.set_aside_temporary(key),
            Fix::FinishCommit(scope) => {
                let there = self.backend.read(&scope.journal_file())?.is_some();
                drop(self.backend.lock(scope, Mode::Exclusive, patience)?);
                Ok(there.then(|| format!("finished the change of {scope}")))
            }
            Fix::FileMessage { message, log } => {
                let filed = self.backend.file_message(message, log)?;
                Ok(filed.then(|| format!("filed {message} as {log}")))
            }
        }
    }

    fn set_aside_unreadable(
        &self,
        key: &Key,
        patience: &Patience<'_>,
    ) -> Result<Option<String>, StoreError> {
        // Under the lock of its writers, so that what is moved is what was looked at.
        let _guard = match Scope::of_document(key) {
            Some(scope) => Some(self.backend.lock(&scope, Mode::Exclusive, patience)?),
            None => None,
        };
        match self.backend.read(key)? {
            Some(blob) if parse(&blob.bytes).is_err() => {
                self.backend.set_aside(key).map(moved(key))
            }
            _ => Ok(None),
        }
    }

    fn set_aside_journal(
        &self,
        scope: &Scope,
        key: &Key,
        patience: &Patience<'_>,
    ) -> Result<Option<String>, StoreError> {
        // Not `lock`, which would try to carry the journal out.
        let _hold = self.backend.acquire(scope, Mode::Exclusive, patience)?;
        let Some(blob) = self.backend.read(key)? else { return Ok(None) };
        match JournalState::of(&blob.bytes, &self.backend.path_of(key)) {
            JournalState::Unreadable(_) => self.backend.set_aside(key).map(moved(key)),
            JournalState::Whole | JournalState::Newer(_) => Ok(None),
        }
    }

    fn set_aside_temporary(&self, key: &Key) -> Result<Option<String>, StoreError> {
        let path = self.backend.path_of(key);
        if !self.backend.vfs().exists(&path) || !self.is_stale(&path) {
            return Ok(None);
        }
        self.backend.set_aside(key).map(moved(key))
    }
}

fn moved(key: &Key) -> impl FnOnce(String) -> Option<String> {
    move |to| Some(format!("moved {key} to {to}"))
}

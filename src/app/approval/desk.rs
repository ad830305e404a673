//! Reading an approval from its journal, and writing to it.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::tell::{self, Told};
use crate::app::App;
use crate::core::{Diagnose, Digest, Name, Outcome, Stamp, TeamName};
use crate::domain::approval::{self, Approval, Change, Record, SCHEMA, replay};
use crate::domain::chain::{self, BrokenChain};
use crate::store::{Commit, Dir, Expect, Key, Locked, Put, StoreError, encode};

/// A journal that cannot be what clawteam wrote. Nothing that rests on it passes.
#[derive(Debug, thiserror::Error)]
#[error("the journal {} was tampered with or damaged: {why}", path.display())]
pub(super) struct BadJournal {
    /// The journal.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl Diagnose for BadJournal {
    fn code(&self) -> &'static str {
        "bad_journal"
    }

    fn hint(&self) -> Option<String> {
        Some("`clawteam doctor` checks all journals; restore the file, or ask again".into())
    }
}

impl BadJournal {
    fn new(path: PathBuf, why: impl Into<String>) -> Self {
        Self { path, why: why.into() }
    }

    fn broken(path: PathBuf, broken: &BrokenChain) -> Self {
        Self::new(path, broken.to_string())
    }
}

/// What a journal comes to.
pub(super) struct Truth {
    /// The approval.
    pub(super) approval: Approval,
    /// The hash of the last record.
    head: Digest,
    /// When the last record was written.
    last: Stamp,
    /// All records.
    records: Vec<Record>,
}

impl Truth {
    /// The present, but never before the last record: a clock that was set back opens nothing
    /// again.
    pub(super) fn after(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.last.instant().map_or(now, |last| last.max(now))
    }
}

/// What the bytes of a journal come to; `None` if it holds no request that was written to its end.
pub(super) fn parse(path: PathBuf, journal: &[u8]) -> Result<Option<Truth>, BadJournal> {
    let chain =
        chain::verify(journal).map_err(|broken| BadJournal::broken(path.clone(), &broken))?;
    let replayed = replay(&chain.records).map_err(|(number, why)| {
        BadJournal::new(path.clone(), format!("record {}: {why}", number + 1))
    })?;
    let (Some((approval, last)), Some(head)) = (replayed, chain.head) else { return Ok(None) };
    let records: Result<Vec<Record>, _> =
        chain.records.into_iter().map(serde_json::from_value).collect();
    let records = records.map_err(|error| BadJournal::new(path, error.to_string()))?;
    Ok(Some(Truth { approval, head, last, records }))
}

/// The approval that the journal holds.
pub(super) fn read(app: &App, team: &TeamName, id: &Name) -> Outcome<Option<Truth>> {
    let key = Key::approval_journal(team, id);
    let journal = app.store.backend().read(&key)?;
    let truth = match journal {
        Some(journal) => parse(app.store.path_of(&key), &journal.bytes)?,
        None => None,
    };
    if let Some(Truth { approval, .. }) = &truth
        && (approval.id != *id || approval.team != *team)
    {
        let why = format!("it is that of '{}' of team '{}'", approval.id, approval.team);
        return Err(BadJournal::new(app.store.path_of(&key), why).into());
    }
    Ok(truth)
}

/// The document beside a journal: how many changes it knows, and what else stands in it.
struct Shown {
    rev: u64,
    approval: Option<Approval>,
    expect: Expect,
}

fn shown(app: &App, key: &Key) -> Outcome<Shown> {
    let Some(blob) = app.store.backend().read(key)? else {
        return Ok(Shown { rev: 0, approval: None, expect: Expect::Absent });
    };
    let expect = Expect::Revision(blob.revision);
    let Ok(approval) = serde_json::from_slice::<Approval>(&blob.bytes) else {
        // Somebody's edit, perhaps; it is kept where people look for it.
        app.store.backend().set_aside(key)?;
        return Ok(Shown { rev: 0, approval: None, expect: Expect::Absent });
    };
    Ok(Shown { rev: approval.rev, approval: Some(approval), expect })
}

/// An approval under the lock of its team, with what is to be written.
pub(super) struct Desk<'a> {
    app: &'a App,
    truth: Truth,
    shown: Shown,
}

impl<'a> Desk<'a> {
    /// Begins the journal of a new approval.
    pub(super) fn new(app: &'a App, approval: Approval) -> Outcome<Self> {
        let shown = shown(app, &Key::approval(&approval.team, &approval.id))?;
        if let Some(other) = &shown.approval {
            let path = app.store.path_of(&Key::approval_journal(&other.team, &other.id));
            return Err(BadJournal::new(path, "it is gone, but its document is there").into());
        }
        let record = Record {
            rev: 1,
            at: approval.created_at.clone(),
            change: Change::Requested { approval: Box::new(approval.clone()) },
        };
        let link = chain::link(None, &record);
        let key = Key::approval_journal(&approval.team, &approval.id);
        app.store.backend().append(&key, &link.line)?;
        let last = record.at.clone();
        let truth = Truth { approval, head: link.hash, last, records: vec![record] };
        Ok(Self { app, truth, shown })
    }

    /// Opens an approval to change it. Its team must be locked.
    pub(super) fn open(app: &'a App, team: &TeamName, id: &Name) -> Outcome<Option<Self>> {
        let Some(truth) = read(app, team, id)? else { return Ok(None) };
        let key = Key::approval(team, id);
        if !truth.approval.is_known_format() {
            let schema = truth.approval.schema.clone();
            return Err(StoreError::NewerFormat { path: app.store.path_of(&key), schema }.into());
        }
        let shown = shown(app, &key)?;
        let known = truth.approval.rev;
        if shown.rev > known {
            let path = app.store.path_of(&Key::approval_journal(team, id));
            let why = format!("it ends with change {known}, but its document knows {}", shown.rev);
            return Err(BadJournal::new(path, why).into());
        }
        if shown.rev < known {
            // Whoever wrote the last record may have ended before it was on the disk.
            app.store.backend().confirm(&Key::approval_journal(team, id))?;
        }
        Ok(Some(Self { app, truth, shown }))
    }

    /// The approval as it is now.
    pub(super) fn approval(&self) -> &Approval {
        &self.truth.approval
    }

    /// The present.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.truth.after(self.app.now())
    }

    /// Writes down what time has done.
    pub(super) fn pass_time(&mut self) -> Outcome<()> {
        // What was escalated can have expired since.
        while let Some(change) = approval::due(self.approval(), self.now()) {
            self.append(change)?;
        }
        Ok(())
    }

    /// Makes a change. When this returns it has happened, whatever comes after.
    pub(super) fn append(&mut self, change: Change) -> Outcome<()> {
        let truth = &mut self.truth;
        let at = Stamp::at(truth.after(self.app.now()));
        let record = Record { rev: truth.approval.rev + 1, at, change };
        let key = Key::approval_journal(&truth.approval.team, &truth.approval.id);
        let mut changed = truth.approval.clone();
        changed
            .apply(&record)
            .map_err(|error| BadJournal::new(self.app.store.path_of(&key), error.to_string()))?;
        let link = chain::link(Some(&truth.head), &record);
        self.app.store.backend().append(&key, &link.line)?;
        truth.approval = changed;
        truth.head = link.hash;
        truth.last = record.at.clone();
        truth.records.push(record);
        Ok(())
    }

    /// Writes the document and the messages about what it did not know yet, in one commit.
    pub(super) fn finish(&mut self, locked: &mut Locked<'_>) -> Outcome<Told> {
        let approval = &mut self.truth.approval;
        debug_assert_eq!(approval.schema, SCHEMA);
        if let Some(shown) = &self.shown.approval {
            approval.extra.clone_from(&shown.extra);
        }
        let known = self.shown.rev;
        let news: Vec<Record> =
            self.truth.records.iter().filter(|record| record.rev > known).cloned().collect();
        let approval = &self.truth.approval;
        // A document that somebody edited says again what its journal says.
        if news.is_empty() && self.shown.approval.as_ref() == Some(approval) {
            return Ok(Told { approval: approval.clone(), news });
        }
        // Before the document: if this process ends in between, the next one does both again. The
        // run itself is moved when the lock is gone.
        if let Some(run) = tell::waits(approval, &news) {
            self.app.store.backend().mark(&Dir::pokes(&approval.team).entry(run.as_str()))?;
        }
        let key = Key::approval(&approval.team, &approval.id);
        let mut puts = vec![Put::new(key, encode(approval), self.shown.expect)];
        puts.extend(tell::messages(self.app, approval, &news)?);
        locked.commit(&Commit { puts, ..Commit::default() })?;
        Ok(Told { approval: approval.clone(), news })
    }
}

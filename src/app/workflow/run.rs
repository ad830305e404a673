//! A run on disk: what it was started with, its journal, and the state that the journal comes to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::RunError;
use crate::app::App;
use crate::core::{Digest, Name, Outcome, TeamName};
use crate::domain::chain;
use crate::domain::workflow::graph::Graph;
use crate::domain::workflow::run::apply::apply;
use crate::domain::workflow::run::record::Record;
use crate::domain::workflow::run::start::Start;
use crate::domain::workflow::run::state::{Millis, Run, SCHEMA};
use crate::store::{Key, StoreError, encode};

/// What the journal of a run came to when somebody last wrote that down:
/// `runs/<team>/<run>/state.json`. It can be deleted at any time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateFile {
    schema: String,
    run: String,
    team: String,
    workflow: String,
    /// In a word, for people: `waiting` if nothing can move now.
    status: String,
    /// What is waited for, for people.
    #[serde(default)]
    waiting_for: Vec<String>,
    /// When the run wants to be looked at.
    #[serde(default)]
    next_wake_at: Option<Millis>,
    /// How much of the journal this state has taken in.
    journal_bytes: u64,
    /// The hash of the last record.
    #[serde(default)]
    head: Option<Digest>,
    /// Effects that were done, which the journal does not know yet.
    #[serde(default)]
    delivered: Vec<String>,
    /// Effects that could not be done.
    #[serde(default)]
    troubles: BTreeMap<String, Trouble>,
    state: Run,
}

/// An effect that could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// How often it was tried.
    pub tries: u32,
    /// When it was tried first.
    pub since: Millis,
    /// What went wrong the last time.
    pub error: String,
}

/// A run.
#[derive(Debug)]
pub struct Loaded {
    /// What it was started with.
    pub start: Start,
    /// Its definition, made ready.
    pub graph: Graph,
    /// Where it stands.
    pub run: Run,
    /// Effects that were done, which the journal does not know yet.
    pub delivered: Vec<String>,
    /// Effects that could not be done.
    pub troubles: BTreeMap<String, Trouble>,
    /// When `tick` will look at it.
    pub wake_at: Option<Millis>,
    team: TeamName,
    name: Name,
    head: Option<Digest>,
    journal_bytes: u64,
    /// Whether the journal ends in the middle of a line.
    torn: bool,
    /// Whether records were found that the state did not know.
    pub rolled_forward: bool,
}

/// What a run was started with, if it exists.
pub fn start_of(app: &App, team: &TeamName, name: &Name) -> Outcome<Start> {
    let found = app.store.load::<Start>(&Key::run_start(team, name))?;
    let start = found.ok_or_else(|| RunError::NotFound(name.to_string()))?.value;
    if !start.schema.starts_with("clawteam.run/1") {
        return Err(RunError::Newer { run: name.to_string(), schema: start.schema }.into());
    }
    Ok(start)
}

/// A run as it stands, whatever was written down of it. Changes nothing.
pub fn load(app: &App, team: &TeamName, name: &Name) -> Outcome<Loaded> {
    let start = start_of(app, team, name)?;
    let graph = Graph::of(start.definition.clone());
    let saved = match app.store.load::<StateFile>(&Key::run_state(team, name)) {
        Ok(found) => found.map(|doc| doc.value),
        // The journal has it all.
        Err(StoreError::Unreadable { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let saved =
        saved.unwrap_or_else(|| StateFile { state: start.state(&graph), ..StateFile::default() });
    let mut loaded = Loaded {
        start,
        graph,
        run: saved.state,
        delivered: saved.delivered,
        troubles: saved.troubles,
        wake_at: saved.next_wake_at,
        team: team.clone(),
        name: name.clone(),
        head: saved.head,
        journal_bytes: saved.journal_bytes,
        torn: false,
        rolled_forward: false,
    };
    loaded.roll_forward(app)?;
    Ok(loaded)
}

/// All records of a run, after checking that they follow from each other.
pub fn records(app: &App, team: &TeamName, name: &Name) -> Outcome<Vec<(Record, Value)>> {
    let (bytes, _) = app.store.backend().read_from(&Key::run_journal(team, name), 0)?;
    let chain = chain::verify(&bytes).map_err(|error| RunError::broken(app, team, name, error))?;
    chain
        .records
        .into_iter()
        .map(|value| {
            let record = Record::deserialize(&value)
                .map_err(|error| RunError::BadRecord { run: name.to_string(), source: error })?;
            Ok((record, value))
        })
        .collect()
}

impl Loaded {
    /// The team.
    pub fn team(&self) -> &TeamName {
        &self.team
    }

    /// The id.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Takes in what the journal holds beyond the state.
    fn roll_forward(&mut self, app: &App) -> Outcome<()> {
        let key = Key::run_journal(&self.team, &self.name);
        let (rest, length) = app.store.backend().read_from(&key, self.journal_bytes)?;
        if length < self.journal_bytes {
            let error = RunError::JournalShort {
                run: self.name.to_string(),
                path: app.store.path_of(&key),
                length,
                known: self.journal_bytes,
            };
            return Err(error.into());
        }
        self.torn = rest.last().is_some_and(|byte| *byte != b'\n');
        self.journal_bytes = length;
        if rest.is_empty() {
            return Ok(());
        }
        let line = usize::try_from(self.run.rev).unwrap_or(usize::MAX);
        let chain = chain::verify_after(self.head.as_ref(), line, &rest)
            .map_err(|error| RunError::broken(app, &self.team, &self.name, error))?;
        for value in &chain.records {
            let record = Record::deserialize(value)
                .map_err(|source| RunError::BadRecord { run: self.name.to_string(), source })?;
            self.take_in(&record);
            self.rolled_forward = true;
        }
        self.head = chain.head;
        Ok(())
    }

    fn take_in(&mut self, record: &Record) {
        self.delivered.retain(|key| !record.acked.contains(key));
        self.troubles.retain(|key, _| !record.acked.contains(key));
        let run = std::mem::take(&mut self.run);
        self.run = apply(&self.graph, run, record);
    }

    /// Makes sure that what is about to be acted on survives a loss of power.
    pub(super) fn confirm(&mut self, app: &App) -> Outcome<()> {
        if self.rolled_forward {
            app.store.backend().confirm(&Key::run_journal(&self.team, &self.name))?;
        }
        Ok(())
    }

    /// Writes a record down and takes it in. With this it has happened.
    pub(super) fn append(&mut self, app: &App, record: &Record) -> Outcome<()> {
        let link = chain::link(self.head.as_ref(), record);
        app.store.backend().append(&Key::run_journal(&self.team, &self.name), &link.line)?;
        self.journal_bytes += link.line.len() as u64 + 1 + u64::from(self.torn);
        self.torn = false;
        self.head = Some(link.hash);
        self.take_in(record);
        Ok(())
    }

    /// Writes the state down, for whoever looks next. The run must be locked.
    pub(super) fn save(&self, app: &App) -> Outcome<()> {
        let waiting_for = super::view::waiting_for(self);
        let key = Key::run_state(&self.team, &self.name);
        let file = StateFile {
            schema: SCHEMA.to_owned(),
            run: self.start.run.clone(),
            team: self.start.team.clone(),
            workflow: self.start.workflow.clone(),
            status: super::view::status_word(self).to_owned(),
            waiting_for,
            next_wake_at: self.wake_at,
            journal_bytes: self.journal_bytes,
            head: self.head.clone(),
            delivered: self.delivered.clone(),
            troubles: self.troubles.clone(),
            state: self.run.clone(),
        };
        Ok(app.store.backend().cache(&key, &encode(&file))?)
    }
}

//! What was done to the settings of a program: `setup/<program>.json`, and beside it the files as
//! they were before.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Wish;
use crate::app::App;
use crate::core::{Digest, Outcome, Stamp};
use crate::domain::Extra;
use crate::domain::setup::{Format, Made, SCHEMA, variables};
use crate::store::{Commit, Dir, Doc, Expect, Key, Put, Revision, Scope, encode};

/// A command and the one that undoes it.
type Command = (Vec<String>, Vec<String>);

/// What was done to the settings of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The format.
    pub schema: String,
    /// The program.
    pub agent: String,
    /// The project, if these are the settings of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<PathBuf>,
    /// How clawteam is called.
    pub program: String,
    /// When.
    pub at: Stamp,
    /// The files.
    #[serde(default)]
    pub files: Vec<FileRecord>,
    /// The commands that were run.
    #[serde(default)]
    pub commands: Vec<Command>,
    /// The commands that are to be run; never written.
    #[serde(skip)]
    pub planned: Vec<Command>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What was done to a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    /// The file.
    pub path: PathBuf,
    /// Its form; `None` if all of it is clawteam's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The edits, in order.
    #[serde(default)]
    pub made: Vec<Made>,
    /// Whether it was there before.
    pub existed: bool,
    /// The digest of what was written.
    pub written: Digest,
    /// Directories that were made for it, the deepest first.
    #[serde(default)]
    pub directories: Vec<PathBuf>,
}

impl Record {
    /// An empty record.
    pub(super) fn new(wish: &Wish) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            agent: wish.agent.clone(),
            project: wish.project.clone(),
            program: String::new(),
            at: Stamp::empty(),
            files: Vec::new(),
            commands: Vec::new(),
            planned: Vec::new(),
            extra: Extra::new(),
        }
    }
}

fn dir() -> Dir {
    Dir::top().child("setup")
}

fn key(name: &str) -> Key {
    dir().entry(&format!("{name}.json"))
}

fn backup(name: &str, number: usize) -> Key {
    dir().child(&format!("{name}.before")).entry(&number.to_string())
}

/// The record of a setup, and what it is called.
pub(super) fn load(app: &App, wish: &Wish) -> Outcome<(String, Option<Doc<Record>>)> {
    // Settings in another place are another setup.
    let mut elsewhere: Vec<&[u8]> = Vec::new();
    if let Some(project) = &wish.project {
        elsewhere.push(project.as_os_str().as_encoded_bytes());
    } else {
        for variable in variables(&wish.agent) {
            if let Some(value) = app.env.get(variable) {
                elsewhere.extend([variable.as_bytes(), b"=", value.as_bytes(), b"\n"]);
            }
        }
    }
    let mut name = wish.agent.clone();
    if !elsewhere.is_empty() {
        name.push_str(&format!("-{}", Digest::of_parts(&elsewhere).start(12)));
    }
    let found = app.home_store.load::<Record>(&key(&name))?;
    if let Some(doc) = &found {
        app.home_store.writable(&key(&name), &doc.value.schema, SCHEMA)?;
    }
    Ok((name, found))
}

/// A file as it was before.
pub(super) fn original(app: &App, name: &str, number: usize) -> Outcome<Option<String>> {
    let found = app.home_store.backend().read(&backup(name, number))?;
    Ok(found.and_then(|blob| String::from_utf8(blob.bytes).ok()))
}

/// Writes down what is about to be done, and the files as they are.
pub(super) fn save(
    app: &App,
    name: &str,
    record: &Record,
    revision: Option<Revision>,
    originals: &[Option<Vec<u8>>],
) -> Outcome<()> {
    let expect = revision.map_or(Expect::Absent, Expect::Revision);
    let mut puts = vec![Put::new(key(name), encode(record), expect)];
    for (number, original) in originals.iter().enumerate() {
        if let Some(bytes) = original {
            let put = Put::new(backup(name, number), bytes.clone(), Expect::Any);
            // Settings can hold secrets.
            puts.push(Put { secret: true, ..put });
        }
    }
    let mut locked = app.home_store.lock(&Scope::Settings)?;
    Ok(locked.commit(&Commit { puts, ..Commit::default() })?)
}

/// Writes down what was done besides.
pub(super) fn update(app: &App, name: &str, record: &Record) -> Outcome<()> {
    let mut locked = app.home_store.lock(&Scope::Settings)?;
    let puts = vec![Put::new(key(name), encode(record), Expect::Any)];
    Ok(locked.commit(&Commit { puts, ..Commit::default() })?)
}

/// Forgets a setup. The files as they were before stay.
pub(super) fn remove(app: &App, name: &str) -> Outcome<()> {
    let mut locked = app.home_store.lock(&Scope::Settings)?;
    Ok(locked.delete(key(name))?)
}

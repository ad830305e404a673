//! What the enumerations do to a store, and what the store must hold afterwards.

use std::collections::{BTreeMap, BTreeSet};

use clawteam::store::{
    Backend, Commit, Dir, Expect, FsBackend, Key, Mode, Patience, Put, Queued, Scope, StoreError,
};

use super::sim::{SimFs, is_temporary};

/// Where the data directory lies in the simulated file system.
pub(super) const ROOT: &str = "/home/data";

/// A document to be written: key, text, key of its history entry.
pub(super) type Text = (Key, &'static str, Option<Key>);

/// One thing that a program does, acknowledged as one.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Writes and removes documents under the lock of a scope.
    Commit { scope: Scope, puts: Vec<Text>, deletes: Vec<Key> },
    /// Writes a document without a lock.
    Create(Text),
    /// Makes an empty collection.
    CreateDir(Dir),
    /// Takes entries of a queue for good and files them.
    Settle { dir: Dir, names: Vec<&'static str> },
    /// Moves an entry of a queue to where bad ones go.
    PutAside { dir: Dir, name: &'static str, to: Dir },
    /// Moves a bad document out of the way.
    SetAside(Key),
    /// Moves collections to the trash.
    Retire { dirs: Vec<Dir>, last: Key, label: &'static str },
    /// Adds a line.
    Append { key: Key, line: &'static str },
}

/// What is in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct World {
    /// Documents by path. A claimed entry counts as waiting: it will be redelivered.
    pub(super) docs: BTreeMap<String, Vec<u8>>,
    /// Collections that must exist.
    pub(super) dirs: BTreeSet<String>,
    /// History entries that must be there.
    pub(super) filed: BTreeSet<String>,
    /// What may stand in the history.
    pub(super) history: BTreeMap<String, Vec<u8>>,
}

/// What is found in a store, the protocol's own files apart.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) docs: BTreeMap<String, Vec<u8>>,
    pub(super) dirs: BTreeSet<String>,
    pub(super) history: BTreeMap<String, Vec<u8>>,
    pub(super) journals: Vec<String>,
    pub(super) temporary: Vec<String>,
    /// Messages that are there twice, waiting and taken.
    pub(super) twice: Vec<String>,
}

/// Nobody is told of waits, and nobody waits long.
pub(super) fn patience() -> Patience<'static> {
    Patience { limit: std::time::Duration::from_secs(10), notice: &|_| {} }
}

/// The history entry of a message of team `t`.
pub(super) fn log_key(message: &str) -> Key {
    let team = clawteam::core::TeamName::parse("t").expect("a name");
    Dir::message_log(&team).entry(&format!("{}.json", message.replace("msg-", "evt-")))
}

/// Locks `scope` alone and makes a commit.
pub(super) fn commit(
    backend: &dyn Backend,
    scope: &Scope,
    commit: &Commit,
) -> Result<(), StoreError> {
    backend.lock(scope, Mode::Exclusive, &patience())?.commit(commit)
}

fn put(text: &Text) -> Put {
    Put { log: text.2.clone(), ..Put::new(text.0.clone(), text.1.into(), Expect::Any) }
}

fn take(
    backend: &FsBackend,
    dir: &Dir,
    name: &str,
) -> Result<Option<clawteam::store::Claim>, StoreError> {
    let entries = backend.queue(dir)?;
    let entry = entries.iter().find(|entry| entry.name == name).cloned();
    match entry {
        Some(entry) => backend.claim(dir, &entry),
        None => Ok(None),
    }
}

impl Step {
    /// Does it.
    pub(super) fn run(&self, backend: &FsBackend) -> Result<(), StoreError> {
        match self {
            Self::Commit { scope, puts, deletes } => {
                let changes = Commit {
                    puts: puts.iter().map(put).collect(),
                    deletes: deletes.iter().map(|key| (key.clone(), Expect::Any)).collect(),
                    ..Commit::default()
                };
                commit(backend, scope, &changes)
            }
            Self::Create(text) => backend.create(&Put { expect: Expect::Absent, ..put(text) }),
            Self::CreateDir(dir) => backend.create_dir(dir),
            Self::Settle { dir, names } => {
                let mut claims = Vec::new();
                for name in names {
                    if let Some(claim) = take(backend, dir, name)? {
                        claims.push((claim, Some(log_key(name))));
                    }
                }
                backend.settle(claims)
            }
            Self::PutAside { dir, name, to } => {
                let Some(claim) = take(backend, dir, name)? else { return Ok(()) };
                backend.put_aside(claim, to, b"{\"error\": \"bad\"}").map(drop)
            }
            Self::SetAside(key) => backend.set_aside(key).map(drop),
            Self::Retire { dirs, last, label } => backend.retire(dirs, last, label).map(drop),
            Self::Append { key, line } => backend.append(key, line.as_bytes()),
        }
    }

    /// What the world is like when it is done.
    pub(super) fn apply(&self, world: &mut World) {
        let mut write = |(key, text, log): &Text| {
            world.docs.insert(key.to_string(), text.as_bytes().to_vec());
            if let Some(log) = log {
                world.history.insert(log.to_string(), text.as_bytes().to_vec());
            }
        };
        match self {
            Self::Commit { puts, deletes, .. } => {
                puts.iter().for_each(&mut write);
                for key in deletes {
                    world.docs.remove(key.as_str());
                }
            }
            Self::Create(text) => write(text),
            Self::CreateDir(dir) => {
                world.dirs.insert(dir.to_string());
            }
            Self::Settle { dir, names } => {
                for name in names {
                    let taken = world.docs.remove(&format!("{dir}/{name}.json"));
                    if let Some(bytes) = taken {
                        let log = log_key(name).to_string();
                        world.history.insert(log.clone(), bytes);
                        world.filed.insert(log);
                    }
                }
            }
            Self::PutAside { dir, name, to } => {
                if let Some(bytes) = world.docs.remove(&format!("{dir}/{name}.json")) {
                    world.docs.insert(format!("{to}/{name}.json"), bytes);
                }
            }
            Self::SetAside(key) => {
                if let Some(bytes) = world.docs.remove(key.as_str()) {
                    let name = key.as_str().replace('/', "__");
                    world.docs.insert(format!("quarantine/{name}"), bytes);
                }
            }
            Self::Retire { label, .. } => {
                for path in self.retired(world) {
                    if let Some(bytes) = world.docs.remove(&path) {
                        world.docs.insert(format!("trash/{label}/{path}"), bytes);
                    }
                }
            }
            Self::Append { key, line } => {
                let lines = world.docs.entry(key.to_string()).or_default();
                lines.extend_from_slice(line.as_bytes());
                lines.push(b'\n');
            }
        }
    }

    fn retired(&self, world: &World) -> Vec<String> {
        let Self::Retire { dirs, last, .. } = self else { return Vec::new() };
        let inside = |path: &str| dirs.iter().any(|dir| path.starts_with(&format!("{dir}/")));
        world.docs.keys().filter(|path| inside(path) || *path == last.as_str()).cloned().collect()
    }

    /// Whether documents may look like `found` when this step was under way, or failed.
    pub(super) fn allows(&self, before: &World, after: &World, found: &Found) -> bool {
        if found.docs == before.docs || found.docs == after.docs {
            return true;
        }
        match self {
            // Each entry by itself is settled or given back.
            Self::Settle { .. } => {
                found.docs.iter().all(|(path, bytes)| before.docs.get(path) == Some(bytes))
                    && after.docs.keys().all(|path| found.docs.contains_key(path))
            }
            // Each document is here or there, and the last one moves when all others have.
            Self::Retire { last, label, .. } => {
                let retired = self.retired(before);
                let mut expected = before.docs.clone();
                for path in &retired {
                    let there = format!("trash/{label}/{path}");
                    if found.docs.contains_key(&there)
                        && let Some(bytes) = expected.remove(path)
                    {
                        expected.insert(there, bytes);
                    }
                }
                expected == found.docs
                    && (found.docs.contains_key(last.as_str())
                        || retired.iter().all(|path| !found.docs.contains_key(path)))
            }
            _ => false,
        }
    }
}

/// Looks at everything in the data directory.
pub(super) fn look(fs: &SimFs) -> Found {
    let mut found = Found::default();
    for (path, bytes) in fs.tree() {
        let Some(path) = path.strip_prefix(ROOT).and_then(|path| path.strip_prefix('/')) else {
            continue;
        };
        if path.is_empty() {
            continue;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        if let Some(dir) = path.strip_suffix('/') {
            found.dirs.insert(dir.to_owned());
        } else if is_temporary(name) {
            found.temporary.push(path.to_owned());
        } else if path.starts_with("journal/") && path.ends_with(".done") {
            // Carried out.
        } else if path.starts_with("journal/") {
            found.journals.push(path.to_owned());
        } else if path.contains("/events/") {
            if !path.starts_with("trash/") {
                found.history.insert(path.to_owned(), bytes.to_vec());
            }
        } else if !name.ends_with(".lock") && name != ".sequence" && !name.contains(".meta.") {
            let (path, bytes) = normal(path, &bytes);
            let is_begun = path.ends_with(".jsonl") && bytes.is_empty();
            if !is_begun && found.docs.insert(path.clone(), bytes).is_some() {
                found.twice.push(path);
            }
        }
    }
    found
}

/// A claimed entry under its first name, what was set aside without the random end of its name,
/// of a list of lines those that are whole.
fn normal(path: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    if let Some(stem) = path.strip_suffix(".consumed") {
        return (format!("{stem}.json"), bytes.to_vec());
    }
    if path.starts_with("quarantine/") {
        let name = path.rsplit_once('.').map_or(path, |(name, _)| name);
        return (name.to_owned(), bytes.to_vec());
    }
    if path.ends_with(".jsonl") {
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        let whole = lines.filter(|line| line.starts_with(b"{") && line.ends_with(b"}\n"));
        return (path.to_owned(), whole.flatten().copied().collect());
    }
    (path.to_owned(), bytes.to_vec())
}

/// The entries that wait in a queue of team `t`, by path: what a receiver would get.
pub(super) fn waiting(world: &Found) -> Vec<(Dir, Queued)> {
    let mut entries = Vec::new();
    for path in world.docs.keys() {
        let Some((dir, name)) = path.rsplit_once('/') else { continue };
        let Some(stem) = name.strip_suffix(".json") else { continue };
        if dir.contains("/inboxes/") && !dir.starts_with("trash/") {
            let dir = dir.split('/').fold(Dir::top(), |dir, part| dir.child(part));
            entries.push((dir, Queued { name: stem.to_owned(), taken: false }));
        }
    }
    entries
}

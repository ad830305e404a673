//! The contents of the simulated file system: what programs see, and what is on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use clawteam::store::Mode;

/// A file or directory, by number. The top is 0.
pub(super) type Ino = usize;
pub(super) type Name = Arc<str>;
pub(super) type Bytes = Arc<Vec<u8>>;
/// The names of a tree: which directory has which entry.
pub(super) type Names = BTreeMap<(Ino, Name), Ino>;

/// Up to this many unsynced changes, every subset of them is tried.
pub(super) const ALL_SUBSETS_UP_TO: usize = 10;

/// What goes wrong, and when. Changes (creations, writes, syncs, renames, …) are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    /// After this many changes the program is gone: nothing it tries has an effect any more.
    StopAfter(usize),
    /// This change fails. A write for want of space has written its first half.
    Fail(usize, io::ErrorKind),
    /// This reading operation fails. They are counted by themselves.
    FailRead(usize),
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Dir,
    File {
        now: Bytes,
        /// What a loss of power cannot take away; `None` if nothing was ever synced.
        synced: Option<Bytes>,
    },
}

/// A change of names that happens as a whole.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) updates: Vec<((Ino, Name), Option<Ino>)>,
    /// Directories whose sync is still missing; the change is durable when there are none.
    pub(super) unsynced: BTreeSet<Ino>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Lock {
    pub(super) readers: usize,
    pub(super) writer: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) nodes: Vec<Node>,
    pub(super) live: Names,
    pub(super) durable: Names,
    /// Changes since, in order.
    pub(super) pending: Vec<Change>,
    pub(super) locks: BTreeMap<Ino, Lock>,
    pub(super) fault: Fault,
    pub(super) changes: usize,
    pub(super) reads: usize,
    pub(super) stopped: bool,
    pub(super) trace: Vec<(&'static str, PathBuf)>,
}

pub(super) fn stopped() -> io::Error {
    io::Error::other("the program has ended")
}

pub(super) fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Whether a name is one that commits use before they have happened.
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(".tmp-")
}

impl Change {
    /// Whether it may or may not have reached the disk, and that matters.
    pub(super) fn is_open(&self) -> bool {
        let matters = |((_, name), _): &((Ino, Name), Option<Ino>)| !is_temporary(name);
        !self.unsynced.is_empty() && self.updates.iter().any(matters)
    }
}

impl Disk {
    pub(super) fn empty() -> Self {
        Self {
            nodes: vec![Node::Dir],
            live: Names::new(),
            durable: Names::new(),
            pending: Vec::new(),
            locks: BTreeMap::new(),
            fault: Fault::None,
            changes: 0,
            reads: 0,
            stopped: false,
            trace: Vec::new(),
        }
    }

    /// Counts a change. True if it is to fail half-way.
    pub(super) fn change(&mut self, what: &'static str, path: &Path) -> io::Result<()> {
        if self.stopped || self.fault == Fault::StopAfter(self.changes) {
            self.stopped = true;
            return Err(stopped());
        }
        self.changes += 1;
        self.trace.push((what, path.to_owned()));
        match self.fault {
            Fault::Fail(at, kind) if at == self.changes => Err(kind.into()),
            _ => Ok(()),
        }
    }

    pub(super) fn reading(&mut self) -> io::Result<()> {
        if self.stopped {
            return Err(stopped());
        }
        self.reads += 1;
        if self.fault == Fault::FailRead(self.reads) {
            return Err(io::Error::other("the disk cannot be read"));
        }
        Ok(())
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Ino> {
        let mut at = 0;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            if !matches!(self.nodes[at], Node::Dir) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            let name: Name = name.to_str().ok_or_else(not_found)?.into();
            at = *self.live.get(&(at, name)).ok_or_else(not_found)?;
        }
        Ok(at)
    }

    /// The directory and name of `path`, whether or not something is there.
    pub(super) fn place(&self, path: &Path) -> io::Result<(Ino, Name)> {
        let parent = self.find(path.parent().ok_or_else(not_found)?)?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(not_found)?;
        Ok((parent, name.into()))
    }

    pub(super) fn bytes(&self, ino: Ino) -> io::Result<&Bytes> {
        match &self.nodes[ino] {
            Node::File { now, .. } => Ok(now),
            Node::Dir => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn children(&self, dir: Ino) -> impl Iterator<Item = (&Name, Ino)> {
        let first = (dir, Name::from(""));
        self.live.range(first..).take_while(move |(key, _)| key.0 == dir).map(|(k, v)| (&k.1, *v))
    }

    pub(super) fn update(&mut self, updates: Vec<((Ino, Name), Option<Ino>)>) {
        let unsynced = updates.iter().map(|((dir, _), _)| *dir).collect();
        apply(&mut self.live, &updates);
        self.pending.push(Change { updates, unsynced });
    }

    pub(super) fn add(&mut self, place: (Ino, Name), node: Node) -> Ino {
        self.nodes.push(node);
        let ino = self.nodes.len() - 1;
        self.update(vec![(place, Some(ino))]);
        ino
    }

    pub(super) fn create(&mut self, path: &Path, secret: bool) -> io::Result<Ino> {
        let place = self.place(path)?;
        if self.live.contains_key(&place) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(if secret { "create secret" } else { "create" }, path)?;
        Ok(self.add(place, Node::File { now: Bytes::default(), synced: None }))
    }

    pub(super) fn set(&mut self, ino: Ino, bytes: Vec<u8>) {
        if let Node::File { now, .. } = &mut self.nodes[ino] {
            *now = bytes.into();
        }
    }

    pub(super) fn extend(&mut self, ino: Ino, bytes: &[u8], path: &Path) -> io::Result<()> {
        let outcome = self.change("write", path);
        let written = match &outcome {
            Ok(()) => bytes,
            Err(error) if error.kind() == io::ErrorKind::StorageFull => &bytes[..bytes.len() / 2],
            Err(_) => return outcome,
        };
        let mut all = self.bytes(ino)?.to_vec();
        all.extend_from_slice(written);
        self.set(ino, all);
        outcome
    }

    pub(super) fn sync_file(&mut self, ino: Ino, path: &Path) -> io::Result<()> {
        self.change("sync", path)?;
        if let Node::File { now, synced } = &mut self.nodes[ino] {
            *synced = Some(now.clone());
        }
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: Ino) {
        for change in &mut self.pending {
            change.unsynced.remove(&dir);
        }
        while self.pending.first().is_some_and(|change| change.unsynced.is_empty()) {
            let change = self.pending.remove(0);
            apply(&mut self.durable, &change.updates);
        }
    }

    pub(super) fn try_lock(&mut self, ino: Ino, mode: Mode) -> bool {
        let lock = self.locks.entry(ino).or_default();
        match mode {
            Mode::Shared if !lock.writer => lock.readers += 1,
            Mode::Exclusive if !lock.writer && lock.readers == 0 => lock.writer = true,
            _ => return false,
        }
        true
    }

    /// The disk as it is found when the changes `kept` of the pending ones have arrived, and of
    /// unsynced bytes the part that `tear` says: of those of one file, or of all.
    pub(super) fn remains(&self, kept: &[bool], tear: Tear, only: Option<Ino>) -> Self {
        let mut names = self.durable.clone();
        for (change, kept) in self.pending.iter().zip(kept) {
            if *kept || change.unsynced.is_empty() {
                apply(&mut names, &change.updates);
            }
        }
        let mut nodes = self.nodes.clone();
        for (ino, node) in nodes.iter_mut().enumerate() {
            if let Node::File { now, synced } = node
                && synced.as_ref() != Some(now)
            {
                let tear = if only.is_none_or(|only| only == ino) { tear } else { Tear::Whole };
                *now = torn(now, synced.as_ref(), tear);
                *synced = Some(now.clone());
            }
        }
        Self { nodes, live: names.clone(), durable: names, ..Self::empty() }
    }

    /// Where the pending changes lead if those `kept` arrive: tells outcomes apart.
    pub(super) fn outcome(&self, kept: &[bool]) -> Vec<(&(Ino, Name), Option<Ino>)> {
        let mut places = BTreeMap::new();
        for (change, kept) in self.pending.iter().zip(kept) {
            for (place, to) in &change.updates {
                if is_temporary(&place.1) {
                    continue;
                }
                let place = places.entry(place).or_insert_with(|| self.durable.get(place).copied());
                if *kept || change.unsynced.is_empty() {
                    *place = *to;
                }
            }
        }
        places.into_iter().collect()
    }

    /// The files that may be found later and have bytes that may not. What is in a lock file
    /// makes no difference.
    pub(super) fn unsynced(&self) -> BTreeSet<Ino> {
        let dirty = |ino: Ino| matches!(&self.nodes[ino], Node::File { now, synced } if synced.as_ref() != Some(now));
        let updates = self.pending.iter().flat_map(|change| &change.updates);
        let pending = updates.filter_map(|((_, name), to)| Some((name, (*to)?)));
        let durable = self.durable.iter().map(|((_, name), ino)| (name, *ino));
        let matters = |name: &Name| !is_temporary(name) && !name.ends_with(".lock");
        let found = durable.chain(pending).filter(|(name, ino)| matters(name) && dirty(*ino));
        found.map(|(_, ino)| ino).collect()
    }

    /// Every file below the top, and every directory with a `/` at its end.
    pub(super) fn tree(&self) -> BTreeMap<String, Bytes> {
        let mut found = BTreeMap::new();
        let mut open = vec![(0, String::new())];
        while let Some((dir, prefix)) = open.pop() {
            for (name, ino) in self.children(dir) {
                let path = format!("{prefix}/{name}");
                match &self.nodes[ino] {
                    Node::File { now, .. } => {
                        found.insert(path, now.clone());
                    }
                    Node::Dir => {
                        found.insert(format!("{path}/"), Bytes::default());
                        open.push((ino, path));
                    }
                }
            }
        }
        found
    }

    /// Tells disks apart, but not by temporary files, whose names are random.
    pub(super) fn digest(&self) -> u128 {
        let mut text = Vec::new();
        for (path, bytes) in self.tree() {
            if !path.rsplit('/').next().is_some_and(is_temporary) {
                text.extend_from_slice(path.as_bytes());
                text.push(0);
                text.extend_from_slice(&bytes.len().to_le_bytes());
                text.extend_from_slice(&bytes);
            }
        }
        xxhash_rust::xxh3::xxh3_128(&text)
    }
}

pub(super) fn apply(names: &mut Names, updates: &[((Ino, Name), Option<Ino>)]) {
    for (place, to) in updates {
        match to {
            Some(ino) => names.insert(place.clone(), *ino),
            None => names.remove(place),
        };
    }
}

/// What a loss of power leaves of bytes that were not synced.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tear {
    Whole,
    Half,
    Nothing,
}

pub(super) fn torn(now: &Bytes, synced: Option<&Bytes>, tear: Tear) -> Bytes {
    let kept = synced.map_or(0, |synced| if now.starts_with(synced) { synced.len() } else { 0 });
    match tear {
        Tear::Whole => now.clone(),
        Tear::Half => now[..kept + (now.len() - kept) / 2].to_vec().into(),
        Tear::Nothing => synced.cloned().unwrap_or_default(),
    }
}

/// Which of `count` things are chosen: every subset of few, a systematic selection of many (all,
/// none, each one alone, all but one, every beginning, every end, every second).
pub(super) fn subsets(count: usize) -> Vec<Vec<bool>> {
    if count <= ALL_SUBSETS_UP_TO {
        let bits = |set: usize| (0..count).map(move |bit| set >> bit & 1 == 1).collect();
        return (0..1 << count).map(bits).collect();
    }
    let pick = |wanted: &dyn Fn(usize) -> bool| (0..count).map(wanted).collect::<Vec<bool>>();
    let mut chosen = vec![pick(&|_| true), pick(&|_| false)];
    chosen.extend([pick(&|i| i % 2 == 0), pick(&|i| i % 2 == 1)]);
    for one in 0..count {
        chosen.push(pick(&|i| i == one));
        chosen.push(pick(&|i| i != one));
        chosen.push(pick(&|i| i < one));
        chosen.push(pick(&|i| i >= one));
        for other in 0..one {
            chosen.push(pick(&|i| i == one || i == other));
            chosen.push(pick(&|i| i != one && i != other));
        }
    }
    chosen
}

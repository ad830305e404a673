//! Tries every moment at which a program can end or the power can fail.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use clawteam::store::vfs::Vfs;
use clawteam::store::{Backend, Commit, Dir, Expect, FsBackend, Put, Scope, StoreError};

use super::sim::{Fault, SimFs};
use super::steps::{self, Found, ROOT, Step, World, commit, log_key, look, patience};

/// What happens, in order, by one program.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    /// For messages.
    pub(super) name: &'static str,
    /// What was there before; durable.
    pub(super) setup: Vec<Step>,
    /// What another program was doing when it was killed; everything it did so far is seen by
    /// programs, but not all of it is durable.
    pub(super) interrupted: Option<Step>,
    /// What is done.
    pub(super) steps: Vec<Step>,
    /// The locks that the next programs take.
    pub(super) scopes: Vec<Scope>,
}

/// Puts something between the store and the file system, for each program anew.
pub(super) type Wrap = dyn Fn(Arc<dyn Vfs>) -> Arc<dyn Vfs> + Sync;

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Moments at which the program was stopped.
    pub(super) moments: usize,
    /// Different states that were recovered and checked.
    pub(super) states: usize,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.moments += other.moments;
        self.states += other.states;
    }
}

/// What must be true of a disk: one of the possible pasts, and how much was acknowledged since.
#[derive(Clone, Copy)]
struct Past<'a> {
    /// For each past: the world after each step.
    worlds: &'a [Vec<World>],
    acknowledged: usize,
}

struct Explorer<'a> {
    scenario: &'a Scenario,
    wrap: &'a Wrap,
    seen: HashSet<(u128, usize, usize)>,
    tally: Tally,
}

/// Stops the program at every moment, by the end of the process and by the end of power, and both
/// once more while the next program recovers. Says what it found wrong.
pub(super) fn explore(scenario: &Scenario, wrap: &Wrap) -> Result<Tally, String> {
    let mut explorer = Explorer { scenario, wrap, seen: HashSet::new(), tally: Tally::default() };
    for (start, pasts) in starts(scenario, wrap)? {
        let worlds: Vec<Vec<World>> =
            pasts.into_iter().map(|past| worlds(past, &scenario.steps)).collect();
        explorer.run(&start, &worlds)?;
    }
    Ok(explorer.tally)
}

/// The world before the first and after each step.
fn worlds(first: World, steps: &[Step]) -> Vec<World> {
    let mut worlds = vec![first];
    for step in steps {
        let mut next = worlds[worlds.len() - 1].clone();
        step.apply(&mut next);
        worlds.push(next);
    }
    worlds
}

/// The disk on which a scenario begins, and the pasts that are possible then.
fn starts(scenario: &Scenario, wrap: &Wrap) -> Result<Vec<(SimFs, Vec<World>)>, String> {
    let fs = SimFs::new();
    let backend = FsBackend::on(ROOT, Arc::new(fs.clone()), true);
    for step in &scenario.setup {
        step.run(&backend).map_err(|error| format!("{}: setup: {error}", scenario.name))?;
    }
    let before = worlds(World::default(), &scenario.setup).pop().unwrap_or_default();
    let fs = fs.settled();
    let Some(step) = &scenario.interrupted else { return Ok(vec![(fs, vec![before])]) };
    let mut after = before.clone();
    step.apply(&mut after);
    let mut starts = Vec::new();
    for moment in 0.. {
        let fs = fs.without_programs();
        fs.set_fault(Fault::StopAfter(moment));
        let outcome = step.run(&FsBackend::on(ROOT, wrap(Arc::new(fs.clone())), true));
        if outcome.is_ok() && !fs.is_stopped() {
            break;
        }
        starts.push((fs.without_programs(), vec![before.clone(), after.clone()]));
    }
    Ok(starts)
}

impl Explorer<'_> {
    fn open(&self, fs: &SimFs) -> FsBackend {
        FsBackend::on(ROOT, (self.wrap)(Arc::new(fs.clone())), true)
    }

    fn run(&mut self, start: &SimFs, worlds: &[Vec<World>]) -> Result<(), String> {
        for moment in 0.. {
            let fs = start.without_programs();
            fs.set_fault(Fault::StopAfter(moment));
            let backend = self.open(&fs);
            let mut acknowledged = 0;
            for step in &self.scenario.steps {
                match step.run(&backend) {
                    Ok(()) => acknowledged += 1,
                    Err(_) if fs.is_stopped() => break,
                    Err(error) => return Err(self.tell(&fs, &format!("{step:?}: {error:?}"))),
                }
            }
            self.tally.moments += 1;
            let past = Past { worlds, acknowledged };
            self.examine(&fs.without_programs(), past, 1)
                .map_err(|wrong| self.tell(&fs, &format!("killed: {wrong}")))?;
            for remains in fs.after_power_loss() {
                self.examine_once(&remains, past, 1)
                    .map_err(|wrong| self.tell(&fs, &format!("power lost: {wrong}")))?;
            }
            if !fs.is_stopped() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn tell(&self, fs: &SimFs, wrong: &str) -> String {
        format!("{}: {wrong}\nafter\n{}", self.scenario.name, fs.trace())
    }

    /// The same, but only if such a disk was not examined before.
    fn examine_once(&mut self, fs: &SimFs, past: Past<'_>, depth: usize) -> Result<(), String> {
        if self.seen.insert((fs.digest(), past.acknowledged, depth)) {
            self.examine(fs, past, depth)
        } else {
            Ok(())
        }
    }

    /// Lets the next program recover `fs` and checks what it finds; `depth` more times after the
    /// recovery was stopped, too.
    fn examine(&mut self, fs: &SimFs, past: Past<'_>, depth: usize) -> Result<(), String> {
        for moment in 0.. {
            let next = fs.without_programs();
            let until = if depth > 0 { Fault::StopAfter(moment) } else { Fault::None };
            next.set_fault(until);
            let recovered = self.recover(&next);
            if !next.is_stopped() {
                recovered.map_err(|error| format!("cannot recover: {error:?}"))?;
                return self.check(&next, past);
            }
            let inside = |wrong: String, how: &str, next: &SimFs| {
                format!("{how} again in the recovery: {wrong}\nrecovery was\n{}", next.trace())
            };
            self.examine(&next.without_programs(), past, depth - 1)
                .map_err(|wrong| inside(wrong, "killed", &next))?;
            for remains in next.after_power_loss() {
                self.examine_once(&remains, past, depth - 1)
                    .map_err(|wrong| inside(wrong, "power lost", &next))?;
            }
        }
        Ok(())
    }

    fn recover(&self, fs: &SimFs) -> Result<(), StoreError> {
        let backend = self.open(fs);
        for scope in &self.scenario.scopes {
            drop(backend.lock(scope, clawteam::store::Mode::Exclusive, &patience())?);
        }
        Ok(())
    }

    /// Checks a recovered disk, and that one can go on working with it.
    fn check(&mut self, fs: &SimFs, past: Past<'_>) -> Result<(), String> {
        self.tally.states += 1;
        let found = look(fs);
        self.check_found(&found, past)?;
        let fs = fs.without_programs();
        let backend = self.open(&fs);
        self.go_on(&backend, &found).map_err(|error| format!("cannot go on: {error:?}"))?;
        let later = look(&fs);
        for (dir, entry) in steps::waiting(&found) {
            let log = log_key(&entry.name).to_string();
            if later.history.get(&log) != found.docs.get(&format!("{dir}/{}.json", entry.name)) {
                return Err(format!(
                    "message {} was settled but is not in the history",
                    entry.name
                ));
            }
        }
        // What was acknowledged in between must survive as well.
        for remains in fs.after_power_loss() {
            self.recover(&remains).map_err(|error| format!("cannot recover later: {error:?}"))?;
            let kept = look(&remains);
            for (path, bytes) in &later.docs {
                if path.starts_with("tasks/t/next") && kept.docs.get(path) != Some(bytes) {
                    return Err(format!("{path}, written after the recovery, is lost"));
                }
            }
        }
        Ok(())
    }

    /// What the next program does: a commit of several documents, and it receives all messages.
    fn go_on(&self, backend: &FsBackend, found: &Found) -> Result<(), StoreError> {
        let team = clawteam::core::TeamName::parse("t").expect("a name");
        let next = |name: &str| {
            Put::new(Dir::tasks(&team).entry(name), b"{\"next\": 1}".to_vec(), Expect::Any)
        };
        let puts = vec![next("next-1.json"), next("next-2.json")];
        let scope = self.scenario.scopes.first().cloned().unwrap_or(Scope::Tasks(team.clone()));
        commit(backend, &scope, &Commit { puts, ..Commit::default() })?;
        let mut claims = Vec::new();
        for (dir, wanted) in steps::waiting(found) {
            let entries = backend.queue(&dir)?;
            let entry = entries.iter().find(|entry| entry.name == wanted.name);
            if let Some(entry) = entry
                && let Some(claim) = backend.claim(&dir, entry)?
            {
                let log = log_key(&claim.name);
                claims.push((claim, Some(log)));
            }
        }
        backend.settle(claims)
    }

    fn check_found(&self, found: &Found, past: Past<'_>) -> Result<(), String> {
        let mut first = Ok(());
        for worlds in past.worlds {
            let before = &worlds[past.acknowledged];
            let under_way = self.scenario.steps.get(past.acknowledged);
            let checked = match (under_way, worlds.get(past.acknowledged + 1)) {
                (Some(step), Some(after)) => check_step(found, step, before, after),
                _ => check_world(found, before),
            };
            match checked {
                Ok(()) => return Ok(()),
                Err(_) if first.is_err() => {}
                wrong => first = wrong,
            }
        }
        first
    }
}

/// Whether `found` is what a step leaves that may have happened or not.
fn check_step(found: &Found, step: &Step, before: &World, after: &World) -> Result<(), String> {
    check_common(found, before, after)?;
    if step.allows(before, after, found) {
        Ok(())
    } else {
        Err(format!("{}neither before nor after {step:?}", differences(found, before)))
    }
}

/// Whether `found` is exactly `world`.
fn check_world(found: &Found, world: &World) -> Result<(), String> {
    check_common(found, world, world)?;
    if found.docs == world.docs {
        Ok(())
    } else {
        Err(format!("{}although everything was acknowledged", differences(found, world)))
    }
}

fn check_common(found: &Found, before: &World, after: &World) -> Result<(), String> {
    if !found.journals.is_empty() {
        return Err(format!("the journal is still there: {:?}", found.journals));
    }
    if !found.twice.is_empty() {
        return Err(format!("there twice, waiting and taken: {:?}", found.twice));
    }
    if let Some(dir) = before.dirs.difference(&found.dirs).next() {
        return Err(format!("collection {dir} is lost"));
    }
    if let Some(log) = before.filed.iter().find(|log| !found.history.contains_key(*log)) {
        return Err(format!("settled message without history entry {log}"));
    }
    // What was settled since `before` is filed, too.
    for (log, bytes) in &found.history {
        if after.history.get(log) != Some(bytes) {
            return Err(format!("history entry {log} is torn or nobody's"));
        }
    }
    for log in after.filed.difference(&before.filed) {
        let message = log.rsplit('/').next().unwrap_or(log).replace("evt-", "msg-");
        let waits = found.docs.keys().any(|path| path.ends_with(&message));
        if !waits && !found.history.contains_key(log) {
            return Err(format!("message {message} is gone and was not filed"));
        }
    }
    Ok(())
}

fn differences(found: &Found, world: &World) -> String {
    let mut text = String::new();
    let show = |bytes: Option<&Vec<u8>>| {
        bytes.map_or("absent".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let paths: std::collections::BTreeSet<&String> =
        found.docs.keys().chain(world.docs.keys()).collect();
    for path in paths {
        let (now, then) = (found.docs.get(path), world.docs.get(path));
        if now != then {
            let _ = write!(text, "{path} was {} and is {}; ", show(then), show(now));
        }
    }
    text
}

/// Goes through `steps` as one program after the other does, each of which ends at a given moment:
/// killed (`0`), or by one of the ways in which the power can fail. What was under way then is not
/// tried again.
pub(super) fn live(
    steps: &[Step],
    ends: &[(usize, usize)],
    scopes: &[Scope],
) -> Result<(), String> {
    let mut fs = SimFs::new();
    let mut world = World::default();
    let mut left = steps.iter();
    for (moment, way) in ends {
        fs.set_fault(Fault::StopAfter(*moment));
        let backend = FsBackend::on(ROOT, Arc::new(fs.clone()), true);
        let mut under_way = None;
        for step in left.by_ref() {
            match step.run(&backend) {
                Ok(()) => step.apply(&mut world),
                Err(_) if fs.is_stopped() => {
                    under_way = Some(step);
                    break;
                }
                Err(error) => return Err(format!("{step:?}: {error:?}")),
            }
        }
        let trace = fs.trace();
        let mut remains = fs.after_power_loss();
        fs = match way.checked_sub(1) {
            // What is seen but was not acknowledged may vanish later; that has its own scenarios.
            None if under_way.is_some() => fs.settled(),
            None => fs.without_programs(),
            Some(way) => remains.swap_remove(way % remains.len()),
        };
        let backend = FsBackend::on(ROOT, Arc::new(fs.clone()), true);
        for scope in scopes {
            let locked = backend.lock(scope, clawteam::store::Mode::Exclusive, &patience());
            drop(locked.map_err(|error| format!("cannot recover: {error:?}\nafter\n{trace}"))?);
        }
        let found = look(&fs);
        let checked = match under_way {
            None => check_world(&found, &world),
            Some(step) => {
                let before = world.clone();
                step.apply(&mut world);
                let checked = check_step(&found, step, &before, &world);
                if found.docs == world.docs {
                    world.dirs = before.dirs;
                } else {
                    world = World { history: world.history, ..before };
                }
                checked
            }
        };
        checked.map_err(|wrong| format!("{wrong}\nafter\n{trace}"))?;
    }
    Ok(())
}

/// Lets every operation fail once, writes (`kind`) or reads (`None`), and checks that the error is
/// told truly and that one can go on. Returns how many failures were tried.
pub(super) fn explore_errors(
    scenario: &Scenario,
    kind: Option<io::ErrorKind>,
) -> Result<Tally, String> {
    let keep: &Wrap = &|fs| fs;
    let mut tally = Tally::default();
    for (start, pasts) in starts(scenario, keep)? {
        let Some(first) = pasts.into_iter().next() else { continue };
        let worlds = worlds(first, &scenario.steps);
        let mut seen = HashSet::new();
        for at in 1.. {
            let fs = start.without_programs();
            fs.set_fault(kind.map_or(Fault::FailRead(at), |kind| Fault::Fail(at, kind)));
            let seen = &mut seen;
            let mut failing = Failing { scenario, fs: &fs, worlds: &worlds, told: false, seen };
            let tried = failing.run(&mut tally.states);
            tried.map_err(|wrong| format!("{}, failure {kind:?} {at}: {wrong}", scenario.name))?;
            let (changes, reads) = (fs.changes(), fs.reads());
            let finally = failing.finish(&mut tally.states);
            finally
                .map_err(|wrong| format!("{}, failure {kind:?} {at}: {wrong}", scenario.name))?;
            tally.moments += 1;
            if kind.map_or(reads, |_| changes) < at {
                break;
            }
        }
    }
    Ok(tally)
}

struct Failing<'a> {
    scenario: &'a Scenario,
    fs: &'a SimFs,
    worlds: &'a [World],
    /// Whether a change was told to be made but perhaps not durable.
    told: bool,
    /// What was found after a loss of power and checked already.
    seen: &'a mut HashSet<u128>,
}

impl Failing<'_> {
    fn open(&self) -> FsBackend {
        FsBackend::on(ROOT, Arc::new(self.fs.clone()), true)
    }

    /// Does the steps, each once more if it failed and changed nothing.
    fn run(&mut self, states: &mut usize) -> Result<(), String> {
        let backend = self.open();
        for (index, step) in self.scenario.steps.iter().enumerate() {
            let outcome = step.run(&backend);
            let Err(error) = outcome else { continue };
            *states += 1;
            let (before, after) = (&self.worlds[index], &self.worlds[index + 1]);
            if let StoreError::Unfinished { path, .. } = &error {
                self.told |= !path.to_string_lossy().contains("/journal/");
                self.recover(&backend)?;
                check_world(&look(self.fs), after)
                    .map_err(|wrong| format!("{error:?} told, but {wrong}"))?;
                continue;
            }
            let found = look(self.fs);
            if !found.temporary.is_empty() {
                return Err(format!("{error:?} left behind {:?}", found.temporary));
            }
            check_failed(&found, step, before, after)
                .map_err(|wrong| format!("{error:?} told, but {wrong}"))?;
            step.run(&backend)
                .map_err(|error| format!("does not work the next time: {error:?}"))?;
        }
        Ok(())
    }

    /// Checks that everything is there in the end, and stays when the power fails.
    fn finish(&mut self, states: &mut usize) -> Result<(), String> {
        self.fs.set_fault(Fault::None);
        let last = &self.worlds[self.worlds.len() - 1];
        self.recover(&self.open())?;
        check_world(&look(self.fs), last)?;
        if self.told {
            return Ok(());
        }
        for image in &self.fs.after_power_loss() {
            if !self.seen.insert(image.digest()) {
                continue;
            }
            *states += 1;
            self.recover(&FsBackend::on(ROOT, Arc::new(image.clone()), true))?;
            check_world(&look(image), last)
                .map_err(|wrong| format!("after power loss: {wrong}"))?;
        }
        Ok(())
    }

    fn recover(&self, backend: &FsBackend) -> Result<(), String> {
        for scope in &self.scenario.scopes {
            let locked = backend.lock(scope, clawteam::store::Mode::Exclusive, &patience());
            drop(locked.map_err(|error| format!("cannot recover: {error:?}"))?);
        }
        Ok(())
    }
}

/// After an error that says "nothing was changed", nothing has changed; only what consists of
/// several independent entries may have been done in part.
fn check_failed(found: &Found, step: &Step, before: &World, after: &World) -> Result<(), String> {
    check_common(found, before, after)?;
    let is_whole = match step {
        Step::Settle { .. } | Step::Retire { .. } => step.allows(before, after, found),
        _ => found.docs == before.docs,
    };
    if is_whole { Ok(()) } else { Err(differences(found, before)) }
}

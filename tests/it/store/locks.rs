//! Locks between real processes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clawteam::store::{Backend, FsBackend, Holder, Mode, Patience, StoreError};

use super::scenarios::{inbox, message, tasks};
use super::steps::{Step, patience};

/// Tells a copy of this program which data directory to lock.
const ROOT_VARIABLE: &str = "CLAWTEAM_TEST_LOCK_ROOT";

const DEADLINE: Duration = Duration::from_secs(20);

/// Not a test by itself: another process of these tests runs it, to hold a lock and a message
/// until it is killed or its input ends.
#[test]
fn holds_a_lock_for_another_test() {
    let Some(root) = std::env::var_os(ROOT_VARIABLE).map(PathBuf::from) else { return };
    let backend = FsBackend::new(root, true);
    let _lock = backend.lock(&tasks(), Mode::Exclusive, &patience()).expect("free");
    let entries = backend.queue(&inbox("ann")).expect("listed");
    let claim = |entry| backend.claim(&inbox("ann"), entry).expect("works");
    let _claims: Vec<_> = entries.iter().filter_map(claim).collect();
    println!("\nlocked");
    std::io::stdout().flush().expect("somebody reads");
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// Another process that holds the lock of the tasks and all messages of `ann`.
struct Other(Child);

impl Other {
    fn start(root: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["store::locks::holds_a_lock_for_another_test", "--exact", "--nocapture"])
            .env(ROOT_VARIABLE, root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let told = output.lines().map_while(Result::ok).any(|line| line == "locked");
        assert!(told, "the other process did not get the lock");
        Self(child)
    }

    /// SIGKILL, and waits until the process is gone.
    fn kill(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it was started here");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn one_is_told_who_holds_the_lock() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let other = Other::start(dir.path());
    let backend = FsBackend::new(dir.path(), true);
    let told = std::cell::RefCell::new(Vec::new());
    let notice = |holder: &Holder| told.borrow_mut().push(holder.clone());
    let short = Patience { limit: Duration::from_millis(500), notice: &notice };
    let busy = backend.lock(&tasks(), Mode::Exclusive, &short).err();
    let Some(StoreError::Busy { holder, waited, .. }) = busy else { panic!("{busy:?}") };
    assert_eq!(holder.pid, Some(other.0.id()));
    assert!(holder.since.is_some() && holder.command.is_some(), "{holder:?}");
    assert!(waited >= short.limit, "it waited {waited:?}");
    assert_eq!(told.borrow()[..], [holder], "told once, before");
    let seen = backend.lock_holder(&tasks().lock_file()).expect("held");
    assert_eq!(seen.pid, Some(other.0.id()));
}

#[test]
fn a_killed_process_holds_nothing() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let backend = FsBackend::new(dir.path(), true);
    Step::Create(message("ann", "msg-1", "{}")).run(&backend).expect("works");
    let mut other = Other::start(dir.path());
    let entries = backend.queue(&inbox("ann")).expect("listed");
    assert!(
        entries[0].taken && backend.claim(&inbox("ann"), &entries[0]).expect("works").is_none()
    );
    other.kill();
    let now = Patience { limit: Duration::ZERO, notice: &|_| {} };
    drop(backend.lock(&tasks(), Mode::Exclusive, &now).expect("free at once"));
    let claim = backend.claim(&inbox("ann"), &entries[0]).expect("works").expect("free at once");
    assert_eq!(claim.bytes, b"{}");
    assert_eq!(backend.lock_holder(&tasks().lock_file()), None);
}

#[test]
fn who_waits_gets_the_lock_when_its_holder_is_killed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut other = Other::start(dir.path());
    let backend = FsBackend::new(dir.path(), true);
    let (waits, waiting) = mpsc::channel();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let notice = move |_: &Holder| waits.send(()).expect("somebody listens");
            let long = Patience { limit: DEADLINE, notice: &notice };
            backend.lock(&tasks(), Mode::Exclusive, &long).map(drop)
        });
        waiting.recv_timeout(DEADLINE).expect("it says that it waits");
        other.kill();
        waiter.join().expect("no panic").expect("free");
    });
}

/// Python's clean-up of a team removes the lock files with everything else.
#[test]
fn a_lock_file_that_was_replaced_while_we_waited_is_not_taken_for_the_lock() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut other = Other::start(dir.path());
    let backend = FsBackend::new(dir.path(), true);
    let path = dir.path().join(tasks().lock_file().as_str());
    let (waits, waiting) = mpsc::channel();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let notice = move |_: &Holder| waits.send(()).expect("somebody listens");
            let long = Patience { limit: DEADLINE, notice: &notice };
            backend.lock(&tasks(), Mode::Exclusive, &long)
        });
        waiting.recv_timeout(DEADLINE).expect("it says that it waits");
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "").expect("made again");
        other.kill();
        let guard = waiter.join().expect("no panic").expect("free");
        let held = backend.lock_holder(&tasks().lock_file()).expect("the named file is locked");
        assert_eq!(held.pid, Some(std::process::id()));
        drop(guard);
    });
}

#[test]
fn the_patience_is_for_all_of_the_wait() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let backend = FsBackend::new(dir.path(), true);
    let first = Other::start(dir.path());
    let path = dir.path().join(tasks().lock_file().as_str());
    let limit = Duration::from_millis(900);
    let (waits, waiting) = mpsc::channel();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let notice = move |_: &Holder| waits.send(()).expect("told once only");
            let began = Instant::now();
            let busy =
                backend.lock(&tasks(), Mode::Exclusive, &Patience { limit, notice: &notice });
            (busy.err(), began.elapsed())
        });
        waiting.recv_timeout(DEADLINE).expect("it says that it waits");
        drop(waiting);
        // From now on the file is another one, which is locked as well.
        std::fs::remove_file(&path).expect("removed");
        let _second = Other::start(dir.path());
        drop(first);
        let (busy, took) = waiter.join().expect("no panic");
        assert!(matches!(busy, Some(StoreError::Busy { .. })), "{busy:?}");
        assert!(took < limit * 2, "it waited {took:?}");
    });
}

/// Looking whether an entry is held takes its lock for a moment.
#[test]
fn one_who_peeks_does_not_keep_a_receiver_away() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let backend = FsBackend::new(dir.path(), false);
    Step::Create(message("ann", "msg-1", "{}")).run(&backend).expect("works");
    let entries = backend.queue(&inbox("ann")).expect("listed");
    drop(backend.claim(&inbox("ann"), &entries[0]).expect("works").expect("free"));
    let entries = backend.queue(&inbox("ann")).expect("listed");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                backend.peek(&inbox("ann"), &entries[0]).expect("works");
            }
        });
        let missed = (0..5000)
            .filter(|_| backend.claim(&inbox("ann"), &entries[0]).expect("works").is_none())
            .count();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(missed, 0, "claims that failed though nobody held the entry");
    });
}

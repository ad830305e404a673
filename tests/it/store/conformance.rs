//! What every place for documents must do: the same checks for files, simulated files and memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clawteam::store::{
    Backend, Commit, Dir, Expect, FsBackend, Key, MemBackend, Mode, Patience, Put, Queued,
    StoreError,
};

use super::scenarios::{inbox, mail, task, tasks, team};
use super::sim::SimFs;
use super::steps::{ROOT, commit, log_key, patience};

/// Long enough for a slow machine, short enough for one who waits.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs `check` on each kind of backend, each empty.
fn everywhere(check: impl Fn(Arc<dyn Backend>)) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    check(Arc::new(FsBackend::new(dir.path().join("data"), true)));
    check(Arc::new(FsBackend::on(ROOT, Arc::new(SimFs::new()), true)));
    check(Arc::new(MemBackend::new()));
}

fn put(name: &str, text: &str, expect: Expect) -> Put {
    Put::new(task(name), text.as_bytes().to_vec(), expect)
}

fn puts(puts: Vec<Put>) -> Commit {
    Commit { puts, ..Commit::default() }
}

fn text(backend: &dyn Backend, key: &Key) -> Option<String> {
    let blob = backend.read(key).expect("readable");
    blob.map(|blob| String::from_utf8(blob.bytes).expect("text"))
}

fn revision(backend: &dyn Backend, name: &str) -> Expect {
    let blob = backend.read(&task(name)).expect("readable").expect("is there");
    Expect::Revision(blob.revision)
}

fn is_conflict(outcome: &Result<(), StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Conflict { .. }))
}

#[test]
fn documents_are_read_as_they_were_written() {
    everywhere(|backend| {
        let backend = &*backend;
        assert_eq!(text(backend, &task("a")), None);
        let two = puts(vec![put("a", "1", Expect::Absent), put("b", "2", Expect::Any)]);
        commit(backend, &tasks(), &two).expect("works");
        assert_eq!(text(backend, &task("a")).as_deref(), Some("1"));
        let names: BTreeSet<String> =
            backend.list(&Dir::tasks(&team())).expect("listed").into_iter().collect();
        assert!(names.contains("task-a.json") && names.contains("task-b.json"), "{names:?}");
        let wanted = ["task-b.json", "task-gone.json", "task-a.json"].map(str::to_owned);
        let mut found = Vec::new();
        backend.read_each(&Dir::tasks(&team()), &wanted, &mut |name, read| {
            found.push((name.to_owned(), read.expect("readable").0.to_vec()));
        });
        let expected = [("task-b.json", b"2"), ("task-a.json", b"1")];
        assert_eq!(found, expected.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())));
    });
}

#[test]
fn what_does_not_exist_is_empty() {
    everywhere(|backend| {
        let nowhere = Dir::tasks(&team()).child("nowhere");
        assert!(backend.list(&nowhere).expect("no error").is_empty());
        assert!(backend.list_dirs(&nowhere).expect("no error").is_empty());
        assert!(backend.queue(&nowhere).expect("no error").is_empty());
        backend.create_dir(&inbox("ann")).expect("works");
        assert_eq!(backend.list_dirs(&Dir::inboxes(&team())).expect("listed"), ["ann"]);
    });
}

#[test]
fn a_commit_happens_only_in_the_state_that_it_expects() {
    everywhere(|backend| {
        let backend = &*backend;
        let try_put = |put: Put| commit(backend, &tasks(), &puts(vec![put]));
        try_put(put("a", "1", Expect::Absent)).expect("works");
        assert!(is_conflict(&try_put(put("a", "2", Expect::Absent))));
        let first = revision(backend, "a");
        try_put(put("a", "2", first)).expect("works");
        assert!(is_conflict(&try_put(put("a", "3", first))), "an old revision");
        try_put(put("a", "4", Expect::Any)).expect("works");

        let others = Commit {
            expects: vec![(task("a"), first)],
            puts: vec![put("b", "1", Expect::Absent)],
            deletes: vec![(task("a"), Expect::Any)],
        };
        assert!(is_conflict(&commit(backend, &tasks(), &others)), "an expectation besides");
        let half = puts(vec![put("c", "1", Expect::Absent), put("a", "5", Expect::Absent)]);
        assert!(is_conflict(&commit(backend, &tasks(), &half)));
        for name in ["b", "c"] {
            assert_eq!(text(backend, &task(name)), None, "part of a commit that conflicted");
        }
        let gone = Commit { deletes: vec![(task("x"), Expect::Any)], ..Commit::default() };
        commit(backend, &tasks(), &gone).expect("removing what is gone is no error");
        let now = revision(backend, "a");
        let remove = Commit { deletes: vec![(task("a"), now)], ..Commit::default() };
        commit(backend, &tasks(), &remove).expect("works");
        assert!(is_conflict(&commit(backend, &tasks(), &remove)), "expected, but gone");
    });
}

#[test]
fn a_name_is_created_once() {
    everywhere(|backend| {
        backend.create(&put("a", "1", Expect::Absent)).expect("works");
        assert!(is_conflict(&backend.create(&put("a", "2", Expect::Absent))));
        assert_eq!(text(&*backend, &task("a")).as_deref(), Some("1"));
    });
}

fn send(backend: &dyn Backend, name: &str) {
    let key = inbox("ann").entry(&format!("{name}.json"));
    let put = Put::new(key, name.as_bytes().to_vec(), Expect::Absent);
    backend.create(&Put { log: Some(log_key(name)), ..put }).expect("works");
}

fn names(entries: &[Queued]) -> Vec<&str> {
    entries.iter().map(|entry| &entry.name[..]).collect()
}

#[test]
fn a_queue_gives_each_entry_once_and_in_order() {
    everywhere(|backend| {
        for name in ["msg-2", "msg-1", "msg-3"] {
            send(&*backend, name);
        }
        let entries = backend.queue(&inbox("ann")).expect("listed");
        assert_eq!(names(&entries), ["msg-1", "msg-2", "msg-3"]);
        let first = backend.claim(&inbox("ann"), &entries[0]).expect("works").expect("free");
        assert_eq!(first.bytes, b"msg-1");
        let entries = backend.queue(&inbox("ann")).expect("listed");
        assert_eq!(names(&entries), ["msg-1", "msg-2", "msg-3"], "a claim keeps its place");
        assert!(entries[0].taken);
        assert!(backend.claim(&inbox("ann"), &entries[0]).expect("works").is_none(), "taken");
        assert!(backend.peek(&inbox("ann"), &entries[0]).expect("works").is_none(), "taken");
        let peeked = backend.peek(&inbox("ann"), &entries[1]).expect("works");
        assert_eq!(peeked.as_deref(), Some(&b"msg-2"[..]));

        drop(first);
        assert!(backend.peek(&inbox("ann"), &entries[0]).expect("works").is_some(), "given back");
        let again = backend.claim(&inbox("ann"), &entries[0]).expect("works").expect("given back");
        backend.settle(vec![(again, Some(log_key("msg-1")))]).expect("works");
        let entries = backend.queue(&inbox("ann")).expect("listed");
        assert_eq!(names(&entries), ["msg-2", "msg-3"]);
        assert_eq!(text(&*backend, &log_key("msg-1")).as_deref(), Some("msg-1"));
    });
}

#[test]
fn a_settled_entry_is_filed_even_if_its_sender_did_not() {
    everywhere(|backend| {
        let put = Put::new(inbox("ann").entry("msg-1.json"), b"x".to_vec(), Expect::Absent);
        backend.create(&put).expect("works");
        let entries = backend.queue(&inbox("ann")).expect("listed");
        let claim = backend.claim(&inbox("ann"), &entries[0]).expect("works").expect("free");
        backend.settle(vec![(claim, Some(log_key("msg-1")))]).expect("works");
        assert_eq!(text(&*backend, &log_key("msg-1")).as_deref(), Some("x"));
    });
}

#[test]
fn what_cannot_be_understood_is_put_aside_and_never_written_over() {
    everywhere(|backend| {
        let dead = Dir::dead_letters(&team(), &"ann".parse().expect("a name"));
        let mut aside = BTreeSet::new();
        for _ in 0..2 {
            send(&*backend, "msg-1");
            let entries = backend.queue(&inbox("ann")).expect("listed");
            let claim = backend.claim(&inbox("ann"), &entries[0]).expect("works").expect("free");
            aside.insert(backend.put_aside(claim, &dead, b"{}").expect("works"));
        }
        assert_eq!(aside.len(), 2, "{aside:?}");
        for name in &aside {
            assert_eq!(text(&*backend, &dead.entry(name)).as_deref(), Some("msg-1"));
            let note = dead.entry(&format!("{name}.meta.json"));
            assert_eq!(text(&*backend, &note).as_deref(), Some("{}"));
        }
        assert!(backend.queue(&inbox("ann")).expect("listed").is_empty());

        commit(&*backend, &tasks(), &puts(vec![put("a", "{", Expect::Any)])).expect("works");
        backend.set_aside(&task("a")).expect("works");
        assert_eq!(text(&*backend, &task("a")), None);
        backend.set_aside(&task("a")).expect_err("there is nothing any more");
        assert_eq!(backend.list(&Dir::top().child("quarantine")).expect("listed").len(), 1);
    });
}

#[test]
fn ticks_rise_whatever_the_clock_does() {
    everywhere(|backend| {
        let key = Key::message_sequence(&team());
        let clock = [50, 50, 50, 49, 0, 51, 51, 60];
        let seeds = [7, 1, u32::MAX, 3, u32::MAX, u32::MAX, 0, 5];
        let mut ticks = Vec::new();
        for (now, seed) in clock.into_iter().zip(seeds) {
            ticks.push(backend.tick(&key, now, seed).expect("works"));
        }
        assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
        assert_eq!(ticks[0].millis, 50);
        assert_eq!(ticks[7].millis, 60, "close to the clock");
        assert!(ticks[6].millis > 51, "a full count moves on: {ticks:?}");
    });
}

#[test]
fn readers_share_a_lock_and_writers_do_not() {
    everywhere(|backend| {
        let calls = AtomicUsize::new(0);
        let notice = |_: &_| {
            calls.fetch_add(1, Ordering::Relaxed);
        };
        let limit = Duration::from_millis(600);
        let reader = backend.lock(&tasks(), Mode::Shared, &patience()).expect("free");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let short = Patience { limit, notice: &notice };
                drop(backend.lock(&tasks(), Mode::Shared, &short).expect("shared"));
                drop(backend.lock(&mail(), Mode::Exclusive, &short).expect("another scope"));
                let busy = backend.lock(&tasks(), Mode::Exclusive, &short).err();
                assert!(matches!(busy, Some(StoreError::Busy { .. })), "{busy:?}");
            });
        });
        assert_eq!(calls.load(Ordering::Relaxed), 1, "told once");
        drop(reader);

        let writer = backend.lock(&tasks(), Mode::Exclusive, &patience()).expect("free");
        let (refused, was_refused) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let short = Patience { limit, notice: &notice };
                let busy = backend.lock(&tasks(), Mode::Shared, &short).err();
                assert!(matches!(busy, Some(StoreError::Busy { .. })), "{busy:?}");
                refused.send(()).expect("somebody listens");
                let long = Patience { limit: DEADLINE, notice: &|_| {} };
                backend.lock(&tasks(), Mode::Shared, &long).map(drop)
            });
            was_refused.recv_timeout(DEADLINE).expect("refused in time");
            drop(writer);
            waiting.join().expect("no panic").expect("the writer has gone");
        });
    });
}

#[test]
fn a_change_wakes_who_waits_for_it() {
    everywhere(|backend| {
        backend.create_dir(&inbox("ann")).expect("works");
        let mut changes = backend.watch(&[inbox("ann")]).expect("watched");
        let began = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| send(&*backend, "msg-1"));
            while backend.queue(&inbox("ann")).expect("listed").is_empty() {
                assert!(began.elapsed() < DEADLINE, "nobody woke us");
                changes.wait(DEADLINE);
            }
        });
    });
}

#[test]
fn a_wait_without_a_change_ends_at_its_limit() {
    everywhere(|backend| {
        backend.create_dir(&inbox("ann")).expect("works");
        let mut changes = backend.watch(&[inbox("ann")]).expect("watched");
        let began = Instant::now();
        assert!(!changes.wait(Duration::from_millis(100)), "nothing has changed");
        assert!(began.elapsed() >= Duration::from_millis(90), "it did not wait");
    });
}

#[test]
fn a_retired_team_is_in_the_trash() {
    everywhere(|backend| {
        let backend = &*backend;
        let config = Key::team(&team());
        for round in ["1", "2"] {
            let both = vec![
                put("a", round, Expect::Any),
                Put::new(config.clone(), b"{}".to_vec(), Expect::Any),
            ];
            commit(backend, &tasks(), &puts(both)).expect("works");
            let dirs = [Dir::tasks(&team()), Dir::team(&team())];
            let label = format!("t-{round}");
            assert_eq!(backend.retire(&dirs, &config, &label).expect("works"), 2);
            assert_eq!(text(backend, &task("a")), None);
            assert_eq!(text(backend, &config), None);
            let trash = Dir::top().child("trash").child(&label).child("tasks").child("t");
            assert_eq!(text(backend, &trash.entry("task-a.json")).as_deref(), Some(round));
            assert_eq!(backend.retire(&dirs, &config, &label).expect("works"), 0);
        }
    });
}

#[test]
fn lines_are_appended() {
    everywhere(|backend| {
        let key = Key::exit_journal(&team());
        backend.append(&key, b"1").expect("works");
        backend.append(&key, b"2").expect("works");
        assert_eq!(text(&*backend, &key).as_deref(), Some("1\n2\n"));
    });
}

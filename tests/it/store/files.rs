//! What is true of documents as files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clawteam::store::{Backend, Commit, Expect, FsBackend, Mode, Notice, Put, Store, StoreError};

use super::scenarios::{A, B, C, change, doc, task, tasks, team};
use super::sim::{Fault, SimFs};
use super::steps::{ROOT, Step, commit, look, patience};

fn one(name: &str, text: &str) -> Commit {
    let put = Put::new(task(name), text.as_bytes().to_vec(), Expect::Any);
    Commit { puts: vec![put], ..Commit::default() }
}

/// A change that ends with its journal in place and nothing else done.
fn half_done(step: &Step, before: &Step) -> SimFs {
    let fs = SimFs::new();
    before.run(&FsBackend::on(ROOT, Arc::new(fs.clone()), true)).expect("works");
    for moment in 0.. {
        let fs = fs.without_programs();
        fs.set_fault(Fault::StopAfter(moment));
        let _ = step.run(&FsBackend::on(ROOT, Arc::new(fs.clone()), true));
        assert!(fs.is_stopped(), "the journal was never seen");
        if !look(&fs).journals.is_empty() {
            return fs.without_programs();
        }
    }
    unreachable!("the moments end")
}

#[test]
fn a_document_that_somebody_else_changed_is_not_written_over_in_recovery() {
    let before = change(vec![doc("old", A), doc("other", A)], &[]);
    let fs = half_done(&change(vec![doc("old", B), doc("other", B)], &[]), &before);
    fs.plant(&format!("{ROOT}/tasks/t/task-old.json"), C.as_bytes());
    let backend = FsBackend::on(ROOT, Arc::new(fs.clone()), true);
    drop(backend.lock(&tasks(), Mode::Exclusive, &patience()).expect("free"));
    let found = look(&fs);
    assert_eq!(found.docs["tasks/t/task-old.json"], C.as_bytes(), "somebody else's");
    assert_eq!(found.docs["tasks/t/task-other.json"], B.as_bytes(), "ours");
    assert_eq!(found.docs["quarantine/tasks__t__task-old.json"], B.as_bytes(), "kept");
    assert!(found.journals.is_empty());
}

#[test]
fn a_reader_finishes_what_a_killed_writer_left() {
    let before = change(vec![doc("old", A), doc("other", A)], &[]);
    let fs = half_done(&change(vec![doc("old", B), doc("other", B)], &[]), &before);
    let backend = FsBackend::on(ROOT, Arc::new(fs.clone()), true);
    let _shared = backend.lock(&tasks(), Mode::Shared, &patience()).expect("free");
    assert_eq!(look(&fs).docs["tasks/t/task-other.json"], B.as_bytes());
}

#[test]
fn an_unreadable_journal_stops_writers_but_not_readers() {
    let fs =
        half_done(&change(vec![doc("a", B), doc("b", B)], &[]), &change(vec![doc("a", A)], &[]));
    fs.plant(&format!("{ROOT}/journal/tasks-t.json"), b"{\"schema\": \"claw");
    let backend = Arc::new(FsBackend::on(ROOT, Arc::new(fs), true));
    let notices = Arc::new(Mutex::new(Vec::new()));
    let heard = notices.clone();
    let listener = Arc::new(move |notice: &Notice| {
        heard.lock().expect("one thread").push(notice.clone());
    });
    let store = Store::new(backend, Duration::from_secs(1), listener);
    let refused = store.lock(&tasks()).err();
    assert!(matches!(refused, Some(StoreError::Unreadable { .. })), "{refused:?}");
    let read = store.read(&tasks(), || store.load::<serde_json::Value>(&task("a")));
    assert!(read.expect("read all the same").expect("readable").is_some());
    let notices = notices.lock().expect("one thread");
    assert!(matches!(notices[..], [Notice::PassedOver { .. }]), "{notices:?}");
}

/// A relative root is made from the current directory, which is this package's in tests.
#[test]
fn a_relative_data_directory_is_made() {
    let dir = tempfile::tempdir_in(".").expect("a temporary directory");
    let relative = dir.path().file_name().expect("a name");
    let backend = FsBackend::new(std::path::Path::new(relative).join("new/data"), true);
    commit(&backend, &tasks(), &one("a", "1")).expect("works");
    assert!(dir.path().join("new/data/tasks/t/task-a.json").exists());
}

#[test]
fn no_link_leads_out_of_the_data_directory() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (data, outside) = (dir.path().join("data"), dir.path().join("outside"));
    fs::create_dir_all(data.join("teams")).expect("made");
    fs::create_dir_all(&outside).expect("made");
    std::os::unix::fs::symlink(&outside, data.join("teams/t")).expect("linked");
    let backend = FsBackend::new(&data, true);
    // The inbox does not exist, but the link above it does.
    let put = Put::new(super::scenarios::inbox("ann").entry("x.json"), vec![], Expect::Any);
    let refused = backend.create(&put);
    assert!(matches!(refused, Err(StoreError::Escapes { .. })), "{refused:?}");
    assert_eq!(fs::read_dir(&outside).expect("listed").count(), 0);
}

#[test]
fn secrets_are_private_and_the_rest_follows_the_umask() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let backend = FsBackend::new(dir.path(), true);
    let open = Put::new(task("open"), vec![], Expect::Any);
    let secret = Put { secret: true, ..Put::new(task("secret"), vec![], Expect::Any) };
    let both = Commit { puts: vec![open, secret], ..Commit::default() };
    commit(&backend, &tasks(), &both).expect("works");
    let mode = |name: &str| {
        let path = dir.path().join(task(name).as_str());
        fs::metadata(path).expect("is there").permissions().mode() & 0o777
    };
    let plain = dir.path().join("plain");
    fs::write(&plain, "").expect("written");
    assert_eq!(mode("secret"), 0o600);
    assert_eq!(mode("open"), fs::metadata(plain).expect("there").permissions().mode() & 0o777);
}

#[test]
fn many_documents_are_read_in_the_order_asked_for() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let backend = FsBackend::new(dir.path(), false);
    let names: Vec<String> = (0..600).map(|number| format!("task-{number}.json")).collect();
    for number in 0..600 {
        commit(&backend, &tasks(), &one(&number.to_string(), "{}")).expect("works");
    }
    let mut read = Vec::new();
    let tasks = clawteam::store::Dir::tasks(&team());
    backend.read_each(&tasks, &names, &mut |name, _| read.push(name.to_owned()));
    assert_eq!(read, names);
}

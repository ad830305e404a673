//! The check of a whole data directory, and its repairs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clawteam::store::check::{Doctor, Finding, Fix, Report, Severity};
use clawteam::store::{Backend, FsBackend, Mode, StoreError};

use super::scenarios::{A, B, change, doc, inbox, message, task, tasks};
use super::sim::{Fault, SimFs};
use super::steps::{ROOT, Step, look, patience};

/// The number of a process that does not run, and of one that does.
const DEAD: u32 = 4_000_001;
const ALIVE: u32 = 4_000_002;

fn is_alive(pid: u32) -> bool {
    pid == ALIVE
}

/// A time at which everything that is written now is old.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(120)
}

fn check(backend: &FsBackend) -> Report {
    Doctor::new(backend, &is_alive, later()).check()
}

fn repair(backend: &FsBackend, fix: &Fix) -> Result<Option<String>, StoreError> {
    Doctor::new(backend, &is_alive, later()).apply(fix, &patience())
}

/// Every file below `dir` with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).expect("a file"));
            }
        }
    }
    found
}

/// A copy of the data directory that Python's ClawTeam 0.3.0 left.
fn python_data() -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clawteam-0.3.0");
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (path, bytes) in files(&from) {
        let to = dir.path().join(path.strip_prefix(&from).expect("below"));
        fs::create_dir_all(to.parent().expect("a parent")).expect("made");
        fs::write(to, bytes).expect("written");
    }
    dir
}

fn codes(report: &Report) -> Vec<(&'static str, String)> {
    let name = |finding: &Finding| {
        let name = finding.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        (finding.code, name.to_owned())
    };
    report.findings.iter().map(name).collect()
}

#[test]
fn what_python_left_is_known_and_whole() {
    let dir = python_data();
    let before = files(dir.path());
    let backend = FsBackend::new(dir.path(), true);
    let report = check(&backend);
    let found: Vec<_> =
        report.findings.iter().filter(|finding| finding.code != "disk_space").collect();
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(report.teams, 2);
    assert_eq!(report.files, before.len());
    assert_eq!(files(dir.path()), before, "the check changed something");
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, text).expect("written");
}

/// The Python data directory with damage of every kind.
fn damaged() -> tempfile::TempDir {
    let dir = python_data();
    let root = dir.path();
    write(root, "tasks/atlas/task-00000bad.json", "{\"id\": \"00000bad\", \"subj");
    write(root, "tasks/atlas/task-000list1.json", "[1, 2]");
    write(root, "tasks/atlas/notes.txt", "mine");
    write(root, "tasks/atlas/task-0e651d0a-abcdefgh.tmp", "{\"id\"");
    write(root, &format!("tasks/atlas/.tmp-{DEAD}-0a1b2c3d"), "{\"id\": \"whole\"}");
    write(root, &format!("tasks/atlas/.tmp-{ALIVE}-0a1b2c3d"), "{");
    write(root, "teams/atlas/config.tmp", "");
    write(root, "teams/atlas/inboxes/alice/.tmp-0a1b2c3d.json", "{}");
    write(
        root,
        "tasks/atlas/task-000dang1.json",
        "{\"id\": \"000dang1\", \"owner\": \"nobody\", \"blockedBy\": [\"gone\"]}",
    );
    write(root, "tasks/ghost/task-00000001.json", "{\"id\": \"00000001\"}");
    write(root, "teams/broken/spawn_registry.json", "{\"eve\": {}}");
    write(root, "teams/duo/spawn_registry.json", "{\"eve\": {}}");
    write(root, "teams/duo/inboxes/eve/msg-1-00000001.json", "{\"type\": \"message\"}");
    write(root, "teams/duo/inboxes/eve/msg-2-00000002.consumed", "{\"type\": \"idle\"}");
    write(root, "teams/duo/inboxes/eve/msg-3-00000003.json", "nonsense");
    write(root, "journal/tasks-atlas.json", "{\"schema\": \"clawteam.journal/1\", \"sco");
    write(
        root,
        "journal/team-atlas.json",
        "{\"schema\": \"clawteam.journal/9\", \"scope\": \"\", \
         \"checksum\": \"\", \"records\": []}",
    );
    write(root, "harness/atlas/exit-journal.jsonl", "{\"a\": 1}\n{\"b\":\n{\"c\": 3}\n");
    write(root, "backup/old.tar", "");
    dir
}

#[test]
fn damage_of_every_kind_is_found() {
    let dir = damaged();
    let report = check(&FsBackend::new(dir.path(), true));
    let mut found = codes(&report);
    found.retain(|(code, _)| *code != "disk_space");
    found.sort();
    let mut expected = [
        ("abandoned_message", "msg-2-00000002.consumed"),
        ("dangling_blocker", "task-000dang1.json"),
        ("foreign_directory", "backup"),
        ("foreign_file", "notes.txt"),
        ("message_without_history", "msg-1-00000001.json"),
        ("message_without_history", "msg-2-00000002.consumed"),
        ("newer_format", "team-atlas.json"),
        ("not_a_member", "spawn_registry.json"),
        ("not_a_member", "task-000dang1.json"),
        ("stray_temporary_file", ".tmp-0a1b2c3d.json"),
        ("stray_temporary_file", ".tmp-4000001-0a1b2c3d"),
        ("stray_temporary_file", "config.tmp"),
        ("stray_temporary_file", "task-0e651d0a-abcdefgh.tmp"),
        ("tasks_of_unknown_team", "ghost"),
        ("team_without_config", "broken"),
        ("torn_line", "exit-journal.jsonl"),
        ("unreadable_document", "task-00000bad.json"),
        ("unreadable_document", "task-000list1.json"),
        ("unreadable_journal", "tasks-atlas.json"),
        ("unreadable_message", "msg-3-00000003.json"),
    ]
    .map(|(code, name)| (code, name.to_owned()));
    expected.sort();
    assert_eq!(found, expected);
    assert!(!report.is_clean());
    let severities: Vec<Severity> = report.findings.iter().map(|f| f.severity).collect();
    assert!(severities.is_sorted_by(|a, b| a >= b), "worst first: {severities:?}");
    let dangling = report.findings.iter().find(|finding| finding.code == "dangling_blocker");
    let dangling = dangling.expect("found above");
    assert!(dangling.remedy.contains("clawteam task update atlas 000dang1"), "{dangling:?}");
    assert_eq!(dangling.fix, None, "whose task it is decides");
}

#[test]
fn repairs_lose_nothing_and_leave_the_rest_alone() {
    let dir = damaged();
    let before = files(dir.path());
    let backend = FsBackend::new(dir.path(), true);
    let report = check(&backend);
    let fixes: Vec<&Fix> =
        report.findings.iter().filter_map(|finding| finding.fix.as_ref()).collect();
    assert_eq!(fixes.len(), 9);
    for fix in &fixes {
        let done = repair(&backend, fix).unwrap_or_else(|error| panic!("{fix:?}: {error}"));
        assert!(done.is_some(), "{fix:?} was not needed");
    }
    let after = files(dir.path());
    for (path, bytes) in &before {
        let kept = after.get(path) == Some(bytes)
            || after
                .iter()
                .any(|(to, now)| to.starts_with(dir.path().join("quarantine")) && now == bytes);
        // A lock file holds the name of its last holder.
        let is_lock = path.extension().is_some_and(|extension| extension == "lock");
        assert!(kept || is_lock, "{} is lost", path.display());
    }
    let again = check(&backend);
    let left: Vec<_> = again.findings.iter().filter(|finding| finding.fix.is_some()).collect();
    assert!(left.is_empty(), "{left:#?}");
    for fix in fixes {
        assert_eq!(repair(&backend, fix).expect("no error"), None, "{fix:?} done twice");
    }
    assert!(dir.path().join("tasks/atlas/notes.txt").exists());
    assert!(dir.path().join(format!("tasks/atlas/.tmp-{ALIVE}-0a1b2c3d")).exists());
    assert!(dir.path().join("teams/duo/events/evt-1-00000001.json").exists());
}

#[test]
fn a_temporary_file_that_is_new_is_left_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write(dir.path(), &format!("tasks/t/.tmp-{DEAD}-0a1b2c3d"), "{");
    let backend = FsBackend::new(dir.path(), true);
    let report = Doctor::new(&backend, &is_alive, SystemTime::now()).check();
    let stray = report.findings.iter().find(|finding| finding.code == "stray_temporary_file");
    assert_eq!(stray.expect("told").fix, None);
}

#[test]
fn what_was_repaired_meanwhile_is_not_touched() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write(dir.path(), task("a").as_str(), "{");
    let backend = FsBackend::new(dir.path(), true);
    let report = check(&backend);
    let fix = report.findings.iter().find_map(|finding| finding.fix.clone()).expect("unreadable");
    write(dir.path(), task("a").as_str(), "{}");
    assert_eq!(repair(&backend, &fix).expect("no error"), None);
    assert!(dir.path().join(task("a").as_str()).exists());
}

#[test]
fn a_held_lock_and_a_held_message_are_told_and_left_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let backend = FsBackend::new(dir.path(), true);
    Step::Create(message("ann", "msg-1", "{}")).run(&backend).expect("works");
    let _guard = backend.lock(&tasks(), Mode::Exclusive, &patience()).expect("free");
    let entries = backend.queue(&inbox("ann")).expect("listed");
    let _claim = backend.claim(&inbox("ann"), &entries[0]).expect("works").expect("free");
    let report = check(&backend);
    let held: Vec<_> = report.findings.iter().filter(|f| f.code == "lock_held").collect();
    assert_eq!(held.len(), 1);
    assert!(held[0].message.contains(&format!("process {}", std::process::id())), "{held:?}");
    assert!(report.findings.iter().all(|finding| finding.code != "abandoned_message"));
}

#[test]
fn an_unfinished_commit_is_finished() {
    let fs = SimFs::new();
    let before = change(vec![doc("old", A), doc("other", A)], &[]);
    before.run(&FsBackend::on(ROOT, std::sync::Arc::new(fs.clone()), true)).expect("works");
    let mut unfinished = 0;
    for moment in 0.. {
        let fs = fs.without_programs();
        fs.set_fault(Fault::StopAfter(moment));
        let step = change(vec![doc("old", B), doc("other", B)], &[]);
        let _ = step.run(&FsBackend::on(ROOT, std::sync::Arc::new(fs.clone()), true));
        let next = fs.without_programs();
        let backend = FsBackend::on(ROOT, std::sync::Arc::new(next.clone()), true);
        let report = check(&backend);
        let found = report.findings.iter().find(|finding| finding.code == "unfinished_commit");
        assert_eq!(found.is_some(), !look(&next).journals.is_empty(), "after {moment}");
        if let Some(fix) = found.and_then(|finding| finding.fix.as_ref()) {
            unfinished += 1;
            assert!(repair(&backend, fix).expect("works").is_some());
            assert_eq!(look(&next).docs["tasks/t/task-other.json"], B.as_bytes());
            assert!(look(&next).journals.is_empty());
        }
        if !fs.is_stopped() {
            break;
        }
    }
    assert!(unfinished > 3, "only {unfinished} journals were seen");
}

#[test]
fn a_directory_that_is_not_there_is_no_fault() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let report = check(&FsBackend::new(dir.path().join("none"), true));
    assert_eq!(codes(&report), [("no_data_directory", "none".to_owned())]);
    assert!(report.is_clean());
}

#[test]
fn a_disk_that_cannot_be_written_to_is_told() {
    let fs = SimFs::new();
    let backend = FsBackend::on(ROOT, std::sync::Arc::new(fs.clone()), true);
    backend.create_dir(&inbox("ann")).expect("works");
    fs.set_fault(Fault::Fail(1, std::io::ErrorKind::StorageFull));
    let report = check(&backend);
    assert!(report.findings.iter().any(|f| f.code == "not_writable"), "{report:?}");
}

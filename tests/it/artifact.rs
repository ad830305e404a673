//! `clawteam artifact`: versions that never change, kept by their content.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{World, names, tree};

/// A team with a task, and files to add.
struct Bench {
    world: World,
    task: String,
}

impl Bench {
    fn new() -> Self {
        let world = World::new();
        world.team(&["w1"]);
        let task = world.task(&["Dig"]);
        Self { world, task }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.world.cwd().join(name);
        fs::write(&path, content).expect("it can be written");
        path.display().to_string()
    }

    fn add(&self, name: &str, content: impl AsRef<[u8]>) -> Value {
        let path = self.write(name, content);
        self.world.json(&["artifact", "add", "t", "--task", &self.task, &path])
    }

    fn line<'a>(&'a self, verb: &'a str, name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["artifact", verb, "t", "--task", &self.task, name], more].concat()
    }

    fn blobs(&self) -> Vec<PathBuf> {
        let found = tree(&self.world.data().join("blobs"));
        found.into_iter().filter(|(_, held)| held.is_some()).map(|(path, _)| path).collect()
    }
}

#[test]
fn other_content_is_another_version_and_the_first_stays_as_it_was() {
    let bench = Bench::new();
    let first = bench.add("report.md", "one\ntwo\n");
    assert_eq!((&first["version"]["version"], &first["new"]), (&json!(1), &json!(true)));
    assert_eq!(first["version"]["mediaType"], "text/markdown");
    let again = bench.add("report.md", "one\ntwo\n");
    assert_eq!((&again["version"], &again["new"]), (&first["version"], &json!(false)));
    let second = bench.add("report.md", "one\n2\n");
    assert_eq!((&second["version"]["version"], &second["new"]), (&json!(2), &json!(true)));

    let manifest = bench.world.document(&format!("artifacts/t/task-{}/report.md.json", bench.task));
    assert_eq!(manifest["schema"], "clawteam.artifact/1");
    assert_eq!(manifest["versions"][0], first["version"]);
    assert_eq!(manifest["versions"].as_array().map(Vec::len), Some(2));
    let get = |more: &[&str]| bench.world.run(&bench.line("get", "report.md", more));
    assert_eq!(get(&["--version", "1"]).succeeds().stdout, "one\ntwo\n");
    assert_eq!(get(&[]).succeeds().stdout, "one\n2\n");
    let to = bench.world.cwd().join("out");
    get(&["--version", "1", "--out", &to.display().to_string()]).succeeds();
    assert_eq!(fs::read_to_string(to).expect("it was written"), "one\ntwo\n");
    let diff = bench.world.run(&bench.line("diff", "report.md", &[]));
    assert!(diff.succeeds().stdout.contains("-two\n+2"), "{diff}");
}

#[test]
fn the_same_content_is_kept_once_for_all() {
    let bench = Bench::new();
    bench.add("a.txt", "same");
    bench.add("b.txt", "same");
    bench.world.run(&["team", "spawn-team", "u", "-n", "lead"]).succeeds();
    let other = bench.world.json(&["task", "create", "u", "x"])["id"].clone();
    let other = other.as_str().expect("an identifier");
    let path = bench.write("c.txt", "same");
    bench.world.run(&["artifact", "add", "u", "--task", other, &path]).succeeds();
    assert_eq!(bench.blobs().len(), 1);
    let listed = bench.world.json(&["artifact", "list", "t"]);
    let found: Vec<&Value> =
        listed.as_array().expect("a list").iter().map(|a| &a["name"]).collect();
    assert_eq!(found, ["a.txt", "b.txt"]);
    assert_eq!(bench.world.json(&["artifact", "list", "u"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn damaged_and_missing_content_is_told_by_its_name_and_can_be_repaired() {
    let bench = Bench::new();
    bench.add("a.txt", "whole");
    let blob = bench.blobs().remove(0);
    fs::write(&blob, "whola").expect("it can be damaged");
    let told = bench.world.run(&[&["--json"][..], &bench.line("get", "a.txt", &[])].concat());
    let told = told.fails_with(4, "blob_damaged");
    let error = told["error"].as_str().expect("a text");
    assert!(error.contains(&blob.display().to_string()), "{error}");
    let found = bench.world.run(&["--json", "doctor"]).exits(1).json();
    assert_eq!(found["findings"][0]["code"], "damaged_blob");

    let path = bench.write("a.txt", "whole");
    let added = bench.world.run(&["artifact", "add", "t", "--task", &bench.task, &path]);
    added.warns("was damaged and is replaced");
    assert_eq!(bench.world.run(&bench.line("get", "a.txt", &[])).succeeds().stdout, "whole");
    assert_eq!(names(&bench.world.data().join("quarantine")).len(), 1, "it was thrown away");
    assert_eq!(bench.world.json(&["doctor"])["clean"], true);

    fs::remove_file(&blob).expect("it can be removed");
    let told = bench.world.run(&[&["--json"][..], &bench.line("get", "a.txt", &[])].concat());
    told.fails_with(4, "blob_missing");
    let found = bench.world.run(&["--json", "doctor"]).exits(1).json();
    assert_eq!(found["findings"][0]["code"], "missing_blob");
}

#[test]
fn what_is_no_text_is_kept_as_it_is_and_not_compared_by_lines() {
    let bench = Bench::new();
    let bytes: Vec<u8> = (0..=255).collect();
    bench.add("x.bin", &bytes);
    bench.add("x.bin", [&bytes[..], b"more"].concat());
    let to = bench.world.cwd().join("out");
    let out = to.display().to_string();
    bench.world.run(&bench.line("get", "x.bin", &["--version", "1", "-o", &out])).succeeds();
    assert_eq!(fs::read(&to).expect("it was written"), bytes);
    let diff = bench.world.run(&bench.line("diff", "x.bin", &[]));
    assert_eq!(diff.succeeds().stdout, "binary versions 1 (256 bytes) and 2 (260 bytes) differ\n");
    let told = bench.world.json(&bench.line("diff", "x.bin", &["--from", "1", "--to", "1"]));
    assert_eq!((&told["same"], &told["binary"]), (&json!(true), &json!(true)));
}

#[test]
fn what_does_not_exist_is_told_apart() {
    let bench = Bench::new();
    bench.add("a.txt", "x");
    let json = |line: &[&str]| bench.world.run(&[&["--json"][..], line].concat());
    json(&bench.line("get", "b.txt", &[])).fails_with(3, "artifact_not_found");
    json(&bench.line("get", "a.txt", &["--version", "2"])).fails_with(3, "version_not_found");
    let path = bench.write("a.txt", "x");
    json(&["artifact", "add", "t", "--task", "nope", &path]).refuses_with("task_not_found");
    json(&["artifact", "add", "t", "--run", "nope", &path]).fails_with(3, "run_not_found");
    json(&["artifact", "add", "t", "--task", &bench.task, "/nowhere/x"])
        .refuses_with("unreadable_file");
    bench.world.run(&["artifact", "add", "t", &path]).is_misused();
    let odd = bench.write("two words", "x");
    let told = json(&["artifact", "add", "t", "--task", &bench.task, &odd]);
    assert!(
        told.fails_with(2, "invalid_name")["hint"].as_str().is_some_and(|h| h.contains("--name"))
    );
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let bench = Bench::new();
    let path = bench.write("huge", "");
    let file = fs::OpenOptions::new().write(true).open(&path).expect("it is there");
    // A hole: no disk holds it.
    file.set_len(256 * 1024 * 1024 + 1).expect("a long file");
    let line = ["--json", "artifact", "add", "t", "--task", &bench.task, &path];
    bench.world.run(&line).fails_with(4, "artifact_too_large");
    assert!(bench.blobs().is_empty());
}

#[test]
fn many_at_once_get_a_version_each_and_a_killed_one_leaves_nothing_broken() {
    let bench = Bench::new();
    let number = 12;
    let calls: Vec<_> = (0..number)
        .map(|n| {
            let path = bench.write(&format!("f{n}"), format!("content {n}"));
            let line = ["artifact", "add", "t", "--task", &bench.task, "--name", "shared", &path];
            let call = bench.world.call(&line).start();
            if n % 4 == 3 {
                std::thread::sleep(std::time::Duration::from_millis(n % 7));
                call.signal(Signal::KILL);
            }
            call
        })
        .collect();
    let ended: Vec<i32> = calls.into_iter().map(|call| call.finish().status).collect();
    assert!(ended.iter().all(|status| matches!(status, 0 | 137)), "{ended:?}");
    let listed = bench.world.json(&["artifact", "list", "t", "--task", &bench.task]);
    let versions = listed[0]["versions"].as_array().expect("versions");
    let acknowledged = ended.iter().filter(|status| **status == 0).count();
    assert!((acknowledged..=ended.len()).contains(&versions.len()), "{versions:?}");
    for (at, version) in versions.iter().enumerate() {
        assert_eq!(version["version"], at + 1);
        let wanted = (at + 1).to_string();
        let got = bench.world.run(&bench.line("get", "shared", &["--version", &wanted]));
        assert!(got.succeeds().stdout.starts_with("content "), "{got}");
    }
}

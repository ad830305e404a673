//! A secret input is where it must be and nowhere else.

use std::fs;

use super::flows::{define, open_tasks, start, word, world};
use crate::support::{Ran, tree};

const SECRET: &str = "hunter2-and-more";

const FLOW: &str = r#"
[inputs.token]
required = true
secret = true

[nodes.use]
type = "command"
run = ["sh", "-c", "tee used; cat used >&2"]
stdin = "{{ inputs.token }}"

[nodes.fails]
type = "command"
run = ["sh", "-c", "cat >&2; exit 3"]
stdin = "failed with {{ inputs.token }}"
onFailure = "continue"

[nodes.then]
type = "task"
assign = { agent = "w1" }
prompt = "It said {{ nodes.use.output }}"

[[edges]]
from = "use"
to = "fails"

[[edges]]
from = "fails"
to = "then"
"#;

#[test]
fn a_secret_input_is_kept_in_one_file_and_told_to_nobody() {
    let world = world();
    define(&world, "flow", FLOW);
    let told = world.run(&["workflow", "run", "t", "flow", "--input", &format!("token={SECRET}")]);
    told.exits(0);
    let found = world.json(&["workflow", "history", "t"]);
    let run = super::flows::text(&found[0]["run"]);
    let driven = world.run(&["workflow", "drive", "t", &run, "--until", "waiting"]);
    driven.exits(0);
    assert_eq!(
        fs::read_to_string(world.cwd().join("used")).expect("it was used").trim(),
        SECRET,
        "the program had it"
    );
    let id = open_tasks(&world).pop().expect("a task");
    let line = ["task", "update", "t", &id, "--status", "completed", "--result", "done"];
    let mut shown: Vec<Ran> = vec![told, driven, world.run_as("w1", &line)];
    assert_eq!(word(&world, &run), "completed");
    let looks: [&[&str]; 11] = [
        &["workflow", "status", "t", &run],
        &["workflow", "log", "t", &run, "--raw"],
        &["workflow", "outputs", "t", &run, "use"],
        &["workflow", "outputs", "t", &run, "fails"],
        &["workflow", "replay", "t", &run],
        &["workflow", "explain", "t", &run],
        &["workflow", "history", "t"],
        &["queue", "list", "t", "--all"],
        &["task", "list", "t"],
        &["inbox", "log", "t"],
        &["notify", "list", "t"],
    ];
    for line in looks {
        let ran = world.run(&[&["--json"], line].concat());
        assert!([0, 2].contains(&ran.status), "{ran}");
        shown.push(ran);
    }
    for ran in &shown {
        assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{ran}");
    }
    let holds = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    let all = tree(&world.data());
    let held: Vec<String> = all
        .iter()
        .filter(|(_, bytes)| bytes.as_ref().is_some_and(|bytes| holds(bytes)))
        .map(|(path, _)| path.strip_prefix(world.data()).expect("below").display().to_string())
        .collect();
    assert_eq!(held, [format!("runs/t/{run}/secrets.json")]);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &fs::metadata(world.data().join(&held[0])).expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o077, 0, "others can read it: {mode:o}");
}

#[test]
fn a_fork_has_the_secrets_of_the_run_that_it_comes_from() {
    let world = world();
    define(&world, "flow", FLOW);
    let run = start(&world, "flow", &["--manual", "--input", &format!("token={SECRET}")]);
    let made = world.json(&["workflow", "fork", "t", &run, "--at", "0"]);
    let fork = super::flows::text(&made["run"]);
    world.run(&["workflow", "drive", "t", &fork, "--until", "waiting"]).exits(0);
    let used = fs::read_to_string(world.cwd().join("used")).expect("it was used");
    assert_eq!(used.trim(), SECRET);
    super::flows::sound(&world, &fork);
}

//! Making, changing and looking at workflows.

use std::fs;

use super::refused;
use crate::support::{Ran, World, keys};

const RELEASE: &str = r#"
schema = "clawteam.workflow/1"
name = "release"
title = "Ship it"
tags = ["ci"]

[nodes.plan]
assign = { lead = true }
prompt = "Plan {{ inputs.tag }}"

[nodes.ok]
type = "condition"
expr = "last.text != ''"

[nodes.ship]
type = "command"
run = ["make", "ship"]

[nodes.stop]
type = "end"
status = "failed"

[inputs.tag]
required = true

[[edges]]
from = "plan"
to = "ok"

[[edges]]
from = "ok"
to = "ship"
port = true

[[edges]]
from = "ok"
to = "stop"
port = "no"
"#;

/// It succeeded, and this is part of what it wrote.
#[track_caller]
fn tells(ran: &Ran, part: &str) {
    ran.succeeds();
    assert!(ran.stdout.contains(part), "not `{part}` in {ran}");
}

fn world() -> World {
    let world = World::new();
    world.team(&[]);
    fs::write(world.cwd().join("release.toml"), RELEASE).expect("a file can be written");
    world
}

#[test]
fn a_workflow_is_made_shown_and_put_into_use() {
    let world = world();
    let made = world.json(&["workflow", "create", "t", "--file", "release.toml", "-m", "first"]);
    assert_eq!(keys(&made), "name version digest status unchanged problems");
    assert_eq!((&made["name"], &made["version"]), (&"release".into(), &1.into()));
    let shown = world.json(&["workflow", "show", "t", "release"]);
    assert_eq!(shown["definition"]["nodes"]["ok"]["type"], "condition");
    assert_eq!(shown["status"], "draft");
    world.run(&["workflow", "activate", "t", "release"]).succeeds();
    let listed = world.json(&["workflow", "list", "t", "--status", "active", "--tag", "ci"]);
    assert_eq!(listed[0]["active"], 1);
    tells(&world.run(&["workflow", "show", "t", "release"]), "Begins with: plan");
    world.run(&["workflow", "archive", "t", "release"]).succeeds();
    assert_eq!(world.json(&["workflow", "list", "t", "--status", "active"]), serde_json::json!([]));
    // The name on the command line counts.
    world.run(&["workflow", "create", "t", "other", "--file", "release.toml"]).succeeds();
    let ran = world.run(&["--json", "workflow", "create", "t", "--file", "release.toml"]);
    refused(&ran, 9, "workflow_exists");
    let ran = world.run(&["--json", "workflow", "show", "t", "none"]);
    refused(&ran, 3, "workflow_not_found");
    let ran = world.run(&["--json", "workflow", "create", "u", "--file", "release.toml"]);
    assert_eq!(ran.exits(1).json()["code"], "team_not_found");
}

#[test]
fn versions_never_change_and_an_edit_makes_a_new_one() {
    let world = world();
    world.run(&["workflow", "create", "t", "--file", "release.toml", "--activate"]).succeeds();
    let path = world.data().join("workflows/t/release/v1.json");
    let first = fs::read(&path).expect("the first version");
    let edited = world.json(&[
        "workflow",
        "edit",
        "t",
        "release",
        "--set",
        "nodes.ship.timeout=5m",
        "--set",
        "nodes.ship.run=[\"make\", \"all\"]",
        "--unset",
        "title",
        "-m",
        "slower",
    ]);
    assert_eq!((&edited["version"], &edited["active"]), (&2.into(), &1.into()));
    assert_eq!(fs::read(&path).expect("the first version"), first);
    let same =
        world.json(&["workflow", "edit", "t", "release", "--set", "nodes.ship.timeout=300s"]);
    assert_eq!((&same["version"], &same["unchanged"]), (&2.into(), &true.into()));
    let versions = world.json(&["workflow", "versions", "t", "release"]);
    assert_eq!(versions[1]["note"], "slower");
    let told = world.json(&["workflow", "diff", "t", "release"]);
    let paths: Vec<&str> = told["difference"]["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .filter_map(|change| change["path"].as_str())
        .collect();
    assert_eq!(paths, ["title", "nodes.ship.run", "nodes.ship.timeout"]);
    let text = world.run(&["workflow", "diff", "t", "release", "1", "2"]);
    tells(&text, "~ nodes.ship.timeout: (none) -> \"5m\"");
    // Whoever edits what is no longer the latest is told.
    let late =
        ["--json", "workflow", "edit", "t", "release", "--if-version", "1", "--set", "title=x"];
    refused(&world.run(&late), 9, "version_conflict");
    // The version that is in use is what is shown.
    let shown = world.json(&["workflow", "show", "t", "release"]);
    assert_eq!(shown["version"], 1);
    let shown = world.json(&["workflow", "show", "t", "release", "--version", "2"]);
    assert_eq!(shown["definition"]["nodes"]["ship"]["timeout"], "5m");
    // One that somebody changed by hand is not used.
    fs::write(&path, b"{}").expect("a file can be written");
    let ran = world.run(&["--json", "workflow", "show", "t", "release"]);
    refused(&ran, 4, "version_changed");
}

#[test]
fn a_workflow_is_edited_in_the_users_editor() {
    let world = world();
    world.run(&["workflow", "create", "t", "--file", "release.toml"]).succeeds();
    let editor = "sed -i s/make/gmake/";
    let edit = world.call(&["--json", "workflow", "edit", "t", "release"]).env("EDITOR", editor);
    assert_eq!(edit.run().succeeds().json()["version"], 2);
    let shown = world.json(&["workflow", "show", "t", "release"]);
    assert_eq!(shown["definition"]["nodes"]["ship"]["run"][0], "gmake");
    let fails = world.call(&["--json", "workflow", "edit", "t", "release"]).env("EDITOR", "false");
    refused(&fails.run(), 7, "editor");
}

#[test]
fn everything_that_is_wrong_is_told_and_nothing_is_written() {
    let world = world();
    let bad = r#"{"schema": "clawteam.workflow/1", "name": "bad", "nodes": {
        "a": {"type": "tsk"}, "b": {"prompt": "{{ nope }}"}, "b": {"type": "end"}},
        "edges": [{"from": "a", "to": "zz"}]}"#;
    let ran = world.call(&["--json", "workflow", "create", "t", "--stdin"]).stdin(bad).run();
    let told = refused(&ran, 4, "invalid_workflow");
    let text = told["error"].as_str().expect("a text");
    for code in
        ["unknown_node_type", "duplicate_key", "no_assignment", "unknown_variable", "unknown_node"]
    {
        assert!(text.contains(&format!("[{code}]")), "no {code} in {text}");
    }
    assert!(world.names("workflows/t").is_empty());
    let checked = world.call(&["--json", "workflow", "validate", "--file", "-"]).stdin(bad).run();
    let told = checked.exits(4).json();
    assert_eq!(keys(&told), "ok problems stats");
    assert_eq!(keys(&told["problems"][0]), "level code path message hint");
    assert_eq!(told["ok"], false);
    let good = world.json(&["workflow", "validate", "--file", "release.toml"]);
    assert_eq!(good["ok"], true);
    assert_eq!(good["stats"]["starts"], serde_json::json!(["plan"]));
    world.run(&["workflow", "validate"]).is_misused();
}

#[test]
fn a_dangling_edge_and_an_unknown_type_are_refused_at_once() {
    // T14: what would end in silence is refused when the workflow is made.
    let world = world();
    for (text, code) in [
        (
            r#"{"schema":"clawteam.workflow/1","name":"w","nodes":{"a":{"type":"notify"}},"edges":[{"from":"a","to":"b"}]}"#,
            "unknown_node",
        ),
        (
            r#"{"schema":"clawteam.workflow/1","name":"w","nodes":{"a":{"type":"magic"}},"edges":[]}"#,
            "unknown_node_type",
        ),
        // T33: what could take for ever is refused, too.
        (
            r#"{"schema":"clawteam.workflow/1","name":"w","vars":{"l":[]},"nodes":{"a":{"type":"notify","when":"vars.l.all(x, vars.l.all(y, vars.l.all(z, x + y + z > 0)))"}}}"#,
            "expr_too_nested",
        ),
    ] {
        let ran = world.call(&["--json", "workflow", "create", "t", "--stdin"]).stdin(text).run();
        let told = refused(&ran, 4, "invalid_workflow");
        assert!(told["error"].as_str().is_some_and(|text| text.contains(code)), "{told}");
    }
}

#[test]
fn a_workflow_is_drawn_and_written_in_other_formats() {
    let world = world();
    world.run(&["workflow", "create", "t", "--file", "release.toml"]).succeeds();
    let drawn = world.run(&["workflow", "graph", "t", "release"]);
    tells(&drawn, "│ plan │");
    tells(&drawn, "▼ yes");
    let graph = world.json(&["workflow", "graph", "t", "release", "--format", "json"]);
    assert_eq!(graph["nodes"][1]["type"], "condition");
    let toml = world.run(&["workflow", "export", "t", "release", "--format", "toml"]);
    let again = world.call(&["--json", "workflow", "create", "t", "again", "--stdin"]);
    again.stdin(toml.succeeds().stdout.clone()).run().succeeds();
    let nodes = |name| world.json(&["workflow", "export", "t", name])["nodes"].clone();
    assert_eq!(nodes("again"), nodes("release"));
    for (format, part) in [("mermaid", "flowchart TD"), ("dot", "digraph \"release\"")] {
        let shown = world.run(&["workflow", "export", "t", "release", "--format", format]);
        tells(&shown, part);
        let to = ["workflow", "export", "t", "release", "--format", format, "-o", "out.txt"];
        world.run(&to).succeeds();
        let written = fs::read_to_string(world.cwd().join("out.txt")).expect("a file");
        assert!(written.starts_with(part), "{written}");
    }
}

#[test]
fn a_deleted_workflow_is_kept_in_the_trash() {
    let world = world();
    world.run(&["workflow", "create", "t", "--file", "release.toml"]).succeeds();
    let start = ["workflow", "run", "t", "release", "--input", "tag=v1", "--draft"];
    let run = world.json(&start)["run"].as_str().expect("a run").to_owned();
    let ran = world.run(&["--json", "workflow", "delete", "t", "release"]);
    let told = refused(&ran, 5, "workflow_has_runs");
    assert!(told["error"].as_str().is_some_and(|text| text.contains(&run)), "{told}");
    let gone = world.json(&["workflow", "delete", "t", "release", "--force"]);
    assert_eq!(gone["liveRuns"], serde_json::json!([run]));
    let kept = gone["keptIn"].as_str().expect("a path");
    assert!(fs::metadata(format!("{kept}/workflows/t/release/v1.json")).is_ok(), "{kept}");
    assert_eq!(world.json(&["workflow", "list", "t"]), serde_json::json!([]));
    let made = world.json(&["workflow", "create", "t", "--file", "release.toml"]);
    assert_eq!(made["version"], 1);
}

#[test]
fn templates_of_the_user_make_workflows() {
    let world = world();
    let directory = world.home().join(".clawteam/workflows");
    fs::create_dir_all(&directory).expect("a directory can be made");
    fs::write(directory.join("mine.toml"), RELEASE).expect("a file can be written");
    let listed = world.json(&["workflow", "templates"]);
    let mine = listed.as_array().expect("a list").iter().find(|one| one["name"] == "mine");
    assert_eq!(mine.expect("the template")["source"], "user");
    world.run(&["workflow", "create", "t", "ours", "--from-template", "mine"]).succeeds();
    assert_eq!(world.json(&["workflow", "show", "t", "ours"])["definition"]["name"], "ours");
    let ran = world.run(&["--json", "workflow", "create", "t", "--from-template", "none"]);
    refused(&ran, 3, "template_not_found");
}

#[test]
fn many_edits_at_once_are_many_versions() {
    let world = world();
    world.run(&["workflow", "create", "t", "--file", "release.toml"]).succeeds();
    let texts: Vec<String> =
        (0..6).map(|n| RELEASE.replace("Ship it", &format!("Ship {n}"))).collect();
    let running: Vec<_> = texts
        .iter()
        .map(|text| {
            let edit = ["--json", "workflow", "edit", "t", "release", "--file", "-"];
            world.call(&edit).stdin(text.as_str()).start()
        })
        .collect();
    let mut versions: Vec<u64> = running
        .into_iter()
        .map(|running| running.finish().succeeds().json()["version"].as_u64().expect("a number"))
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, [2, 3, 4, 5, 6, 7]);
    assert_eq!(world.json(&["workflow", "show", "t", "release"])["latest"], 7);
}

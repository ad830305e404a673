//! Documents that cannot be understood: they are told, kept, and do not block the rest.

use serde_json::json;

use crate::support::World;

const BAD: [&[u8]; 6] =
    [b"", b"{\"id\": \"x\",", b"[]", b"null", b"\xff\xfe{}", b"{\"subject\": 5, \"name\": []}"];

#[test]
fn one_bad_task_does_not_block_the_others() {
    let world = World::new();
    world.team(&["w1"]);
    let good = world.task(&["good"]);
    let waits = world.task(&["waits", "--blocked-by", &good]);
    for (n, bad) in BAD.iter().enumerate() {
        world.put(&format!("tasks/t/task-bad{n}.json"), bad);
    }
    let listed = world.run(&["--json", "task", "list", "t"]);
    assert_eq!(listed.warns("task-bad0.json").json().as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(listed.stderr.matches("passed over").count(), BAD.len(), "{listed}");
    assert!(!listed.stderr.contains('\u{fffd}'), "{listed}");
    world.run(&["task", "list", "t"]).warns("passed over");
    world.run(&["--json", "board", "show", "t"]).warns("passed over");
    assert_eq!(
        world.run(&["--json", "task", "stats", "t"]).warns("passed over").json()["total"],
        2
    );
    world.run(&["task", "create", "t", "new", "--blocked-by", &good]).exits(0);
    world.run_as("w1", &["task", "claim", "t"]).warns("passed over");
    world.run_as("w1", &["task", "update", "t", &good, "-s", "completed"]).warns("passed over");
    assert_eq!(world.json(&["task", "get", "t", &waits])["status"], "pending");
    let told =
        world.run(&["--json", "task", "get", "t", "bad0"]).refuses_with("unreadable_document");
    assert!(told["error"].as_str().expect("text").contains("tasks/t/task-bad0.json"), "{told}");
    world
        .run(&["--json", "task", "update", "t", "bad1", "-s", "completed"])
        .refuses_with("unreadable_document");
    for (n, bad) in BAD.iter().enumerate() {
        let path = world.data().join(format!("tasks/t/task-bad{n}.json"));
        assert_eq!(std::fs::read(path).expect("it is kept"), *bad);
    }
}

#[test]
fn one_bad_message_is_put_aside_and_the_others_come() {
    let world = World::new();
    world.team(&["w1"]);
    for (n, bad) in BAD.iter().enumerate() {
        world.put(&format!("teams/t/inboxes/w1/msg-100000000000{n}-00000000.json"), bad);
    }
    world.run(&["inbox", "send", "t", "w1", "good"]).succeeds();
    world.run(&["--json", "inbox", "peek", "t", "-a", "w1"]).exits(0);
    let got = world.run(&["--json", "inbox", "receive", "t", "-a", "w1", "-l", "1"]);
    assert_eq!(got.warns("could not be understood").json()[0]["content"], "good");
    let aside = world.names("teams/t/dead_letters/w1");
    assert_eq!(aside.len(), 2 * BAD.len(), "{aside:?}");
    let note = world.document(&format!("teams/t/dead_letters/w1/{}", aside[1]));
    let keys = crate::support::keys(&note);
    assert_eq!(keys, "team agent sourceName error quarantinedAtMs");
    assert_eq!(
        std::fs::read(world.data().join("teams/t/dead_letters/w1").join(&aside[2])).expect("kept"),
        BAD[1]
    );
    assert_eq!(world.json(&["inbox", "receive", "t", "-a", "w1"]), json!([]));
}

#[test]
fn one_bad_team_does_not_hide_the_others() {
    let world = World::new();
    world.team(&["w1"]);
    world.put("teams/bad/config.json", "{\"name\": \"bad\", ");
    world.put("teams/empty/inboxes/x/msg-1000000000000-00000000.json", "{\"from\": \"a\"}");
    let listed = world.run(&["--json", "team", "discover"]);
    assert_eq!(listed.warns("teams/bad/config.json").json().as_array().map(Vec::len), Some(1));
    let boards = world.run(&["--json", "board", "overview"]);
    assert_eq!(boards.warns("teams/bad/config.json").json()[0]["name"], "t");
    for line in [
        &["--json", "team", "status", "bad"][..],
        &["--json", "team", "add-member", "bad", "x"],
        &["--json", "board", "show", "bad"],
        &["--json", "board", "update", "bad"],
    ] {
        world.run(line).refuses_with("unreadable_document");
    }
    world.run(&["--json", "team", "spawn-team", "bad"]).exits(1);
    let kept = std::fs::read_to_string(world.data().join("teams/bad/config.json"));
    assert_eq!(kept.expect("it is kept"), "{\"name\": \"bad\", ");
    world.run(&["--json", "team", "cleanup", "bad"]).exits(0);
    assert!(!world.data().join("teams/bad/config.json").exists());
}

#[test]
fn bad_registries_and_costs_do_not_block() {
    let world = World::new();
    world.team(&["w1"]);
    let id = world.task(&["x"]);
    world.put("teams/t/spawn_registry.json", "{");
    world.put("costs/t/cost-bad.json", "{");
    world.put("costs/t/cost-nan.json", "{\"agentName\": \"w1\", \"costCents\": \"nan\"}");
    world.put("costs/t/cost-good.json", "{\"agentName\": \"w1\", \"costCents\": 2.5}");
    world.run(&["team", "status", "t"]).warns("spawn_registry.json");
    let board = world.run(&["--json", "board", "show", "t"]);
    assert_eq!(board.warns("cost-bad.json").json()["cost"]["totalCostCents"], json!(2.5));
    world.run_as("w1", &["task", "update", "t", &id, "-s", "in_progress"]).exits(0);
    world.run(&["lifecycle", "on-exit", "-t", "t", "-n", "w1"]).exits(0);
    world.run(&["lifecycle", "check-zombies", "-t", "t"]).exits(0);
    world.put("workspaces/t/workspace-registry.json", "[]x");
    world.run(&["--json", "workspace", "list", "t"]).refuses_with("unreadable_document");
    assert_eq!(
        std::fs::read_to_string(world.data().join("teams/t/spawn_registry.json")).expect("kept"),
        "{"
    );
}

#[test]
fn things_that_are_no_files_do_not_block() {
    let world = World::new();
    world.team(&["w1"]);
    let id = world.task(&["good"]);
    for odd in [
        "tasks/t/task-dir.json",
        "teams/t/inboxes/w1/msg-1000000000000-00000000.json",
        "teams/x/config.json",
    ] {
        std::fs::create_dir_all(world.data().join(odd)).expect("a directory can be made");
    }
    world.put("tasks/stray", "x");
    world.put("teams/stray", "x");
    world.put("teams/t/inboxes/stray", "x");
    world.put("tasks/t/.tmp-1-00000000", "half");
    world.put("tasks/t/notes.txt", "mine");
    assert_eq!(world.json(&["task", "list", "t"])[0]["id"], json!(id));
    world.run(&["inbox", "send", "t", "w1", "x"]).succeeds();
    world.run(&["inbox", "broadcast", "t", "y"]).succeeds();
    let got = world.run(&["--json", "inbox", "receive", "t", "-a", "w1"]).exits(0).json();
    assert_eq!(got.as_array().map(Vec::len), Some(2));
    world.run(&["--json", "board", "overview"]).exits(0);
    let link = world.data().join("tasks/t/task-loop.json");
    std::os::unix::fs::symlink("task-loop.json", link).expect("a link can be made");
    world.run(&["--json", "task", "list", "t"]).exits(0);
}

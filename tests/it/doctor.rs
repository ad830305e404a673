//! `clawteam doctor` on a damaged data directory.

use super::support::World;

#[test]
fn a_healthy_directory_is_said_to_be_well() {
    let world = World::new();
    world.team(&["w"]);
    world.task(&["Dig"]);
    let found = world.json(&["doctor"]);
    assert_eq!(found["clean"], true);
    assert_eq!(found["teams"], 1);
}

#[test]
fn what_is_damaged_is_told_and_put_aside_but_never_deleted() {
    let world = World::new();
    world.team(&["w"]);
    let good = world.task(&["Dig"]);
    world.put("tasks/t/task-bad.json", "{ half a docu");

    let told = world.run(&["--json", "doctor"]);
    let found = told.exits(1).json();
    assert_eq!(found["clean"], false);
    assert_eq!(found["findings"][0]["code"], "unreadable_document");
    assert!(found["findings"][0]["path"].as_str().is_some_and(|p| p.ends_with("task-bad.json")));
    assert!(world.data().join("tasks/t/task-bad.json").exists(), "a check changes nothing");
    world.run(&["task", "list", "t"]).warns("task-bad.json");

    let repaired = world.json(&["doctor", "--fix"]);
    assert_eq!(repaired["clean"], true);
    let kept = world.names("quarantine");
    let text = std::fs::read_to_string(world.data().join("quarantine").join(&kept[0]));
    assert_eq!(text.expect("it is kept"), "{ half a docu");
    let tasks = world.json(&["task", "list", "t"]);
    assert_eq!(tasks[0]["id"], good.as_str());
}

#[test]
fn what_the_old_tool_wrote_is_known() {
    let world = World::of_python();
    let found = world.call(&["--json", "doctor"]).without_env("CLAWTEAM_DATA_DIR").run();
    assert_eq!(found.exits(0).json()["clean"], true);
}

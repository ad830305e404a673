//! `session save`, `show`, `list` and `clear`: what is written down.

use serde_json::json;

use super::Place;
use crate::support::World;

#[test]
fn what_is_saved_is_shown_listed_and_cleared() {
    let world = World::new();
    world.team(&["w1"]);
    let saved = world.json(&[
        "session",
        "save",
        "t",
        "-s",
        "abc",
        "--last-task",
        "t1",
        "-a",
        "w1",
        "--client",
        "claude",
        "--cwd",
        "/w",
    ]);
    assert_eq!(saved["sessionId"], "abc");
    assert_eq!(
        saved["state"],
        json!({"client": "claude", "source": "manual", "cwd": "/w", "confidence": "exact"})
    );
    world.json_as("lead", &["session", "save", "t"]);
    let all = world.json(&["session", "show", "t"]);
    let names: Vec<_> = all.as_array().expect("a list").iter().map(|s| &s["agentName"]).collect();
    assert_eq!(names, ["lead", "w1"]);
    assert_eq!(all, world.json(&["session", "list", "t"]));
    assert_eq!(all[0]["state"]["confidence"], "");
    let text = world.run(&["session", "show", "t", "-a", "w1"]).succeeds().stdout.clone();
    for line in
        ["Session: w1", "  Session ID: abc", "  Source:     manual (exact)", "  Last task:  t1"]
    {
        assert!(text.lines().any(|known| known == line), "{line} is missing in\n{text}");
    }
    assert_eq!(
        world.json(&["session", "clear", "t", "-a", "w1"]),
        json!({"status": "cleared", "agent": "w1"})
    );
    assert_eq!(
        world.json(&["session", "clear", "t", "-a", "w1"]),
        json!({"status": "not_found", "agent": "w1"})
    );
    assert_eq!(world.json(&["session", "clear", "t"]), json!({"status": "cleared", "count": 1}));
    assert_eq!(
        world.json(&["session", "show", "t", "-a", "w1"]),
        json!({"error": "No session for 'w1'"})
    );
    assert_eq!(world.run(&["session", "show", "t"]).succeeds().stdout, "No saved sessions\n");
}

#[test]
fn what_python_wrote_keeps_its_unknown_fields() {
    let world = World::new();
    world.team(&["w1"]);
    world.put(
        "sessions/t/w1.json",
        r#"{"agentName":"w1","teamName":"t","sessionId":"s","state":{"client":"codex","odd":1},"more":[2]}"#,
    );
    let shown = world.json(&["session", "show", "t", "-a", "w1"]);
    assert_eq!((&shown["state"]["odd"], &shown["more"]), (&json!(1), &json!([2])));
}

#[test]
fn a_leader_who_makes_a_team_keeps_the_session_that_its_program_names() {
    let world = World::new();
    let made = world
        .call(&["--json", "team", "spawn-team", "t", "-n", "lead"])
        .env("CODEX_THREAD_ID", "th-1")
        .run();
    assert_eq!(made.succeeds().json()["sessionId"], "th-1");
    let session = world.json(&["session", "show", "t", "-a", "lead"]);
    assert_eq!(session["state"]["client"], "codex");
    assert_eq!(session["state"]["source"], "environment");
    let plain = world.json(&["team", "spawn-team", "u", "-n", "lead"]);
    assert!(plain.get("sessionId").is_none(), "{plain}");
}

#[test]
fn the_transcript_of_a_session_that_somebody_named_is_found() {
    let world = World::new();
    world.team(&["w1"]);
    let file = world.home().join(".claude/projects/-w/abc.jsonl");
    std::fs::create_dir_all(file.parent().expect("it has one")).expect("a directory can be made");
    let line =
        json!({"type": "user", "message": {"role": "user", "content": "hello"}, "cwd": "/w"});
    std::fs::write(&file, format!("{line}\n")).expect("a file can be written");
    world.json(&["session", "save", "t", "-s", "abc", "-a", "w1", "--client", "claude"]);
    let told = world.json(&["session", "transcript", "t", "w1"]);
    assert_eq!((&told["entries"][0]["text"], &told["sessionId"]), (&json!("hello"), &json!("abc")));
}

#[test]
fn a_transcript_that_is_not_there_is_said_to_be_missing() {
    let place = Place::new();
    place.world.team(&["w1"]);
    let words = ["--json", "session", "transcript", "t", "w1"];
    place.world.run(&words).refuses_with("transcript_not_found");
    place.world.run(&["--json", "session", "transcript", "nobody"]).refuses_with("team_unclear");
    place.world.json(&["session", "save", "t", "-s", "abc", "-a", "w1", "--client", "claude"]);
    let refused = place.world.run(&words).refuses_with("transcript_not_found");
    assert!(refused["error"].as_str().expect("text").contains("abc"), "{refused}");
}

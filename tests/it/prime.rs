//! `clawteam prime`: what an agent is told after a start or a compaction.

use serde_json::json;

use super::support::{Call, World};

fn as_agent(world: &World, agent: &str, arguments: &[&str]) -> Call {
    let call = world.call(&[&["prime"], arguments].concat());
    call.env("CLAWTEAM_AGENT_NAME", agent).env("CLAWTEAM_TEAM_NAME", "t")
}

#[test]
fn an_agent_hears_who_it_is_and_what_waits_for_it() {
    let world = World::new();
    world.team(&["w"]);
    let own = world.task(&["Build the thing", "-o", "w", "-p", "high"]);
    world.task(&["Done before", "-o", "lead"]);
    world.run_as("lead", &["inbox", "send", "t", "w", "begin\x1b[31m now"]).succeeds();
    let told = as_agent(&world, "w", &[]).run().succeeds().stdout.clone();
    for part in [
        "You are 'w' (general-purpose) in the clawteam team 't'; 'lead' leads it.",
        &format!("- {own} [pending, high] Build the thing"),
        "1 unread message for you, from other agents",
        "- from lead: begin\\x1b[31m now",
        "- clawteam task claim t next: ",
        "- clawteam inbox send t lead ",
    ] {
        assert!(told.contains(part), "not `{part}` in\n{told}");
    }
    assert!(!told.contains("Done before"), "{told}");
    let again = as_agent(&world, "w", &["--json"]).run().succeeds().json();
    assert_eq!(
        (&again["team"], &again["unread"], &again["tasks"], &again["text"]),
        (&json!("t"), &json!(1), &json!(1), &json!(told))
    );
    let leader = as_agent(&world, "lead", &[]).run().succeeds().stdout.clone();
    assert!(leader.contains(", and you lead it") && leader.contains("clawteam board show t"));
}

#[test]
fn it_fits_into_its_budget() {
    let world = World::new();
    world.team(&["w"]);
    for number in 0..30 {
        world.task(&[&format!("{number} {}", "long ".repeat(40)), "-o", "w"]);
        world.run(&["inbox", "send", "t", "w", &"ö".repeat(500)]).succeeds();
    }
    for budget in [0, 1, 80, 900, 4000, 100_000] {
        let told = as_agent(&world, "w", &["--budget", &budget.to_string()]).run();
        assert!(told.succeeds().stdout.len() <= budget, "{budget}");
    }
    let told = as_agent(&world, "w", &[]).run().succeeds().stdout.clone();
    assert!(told.len() > 3000, "the room is used: {}", told.len());
    assert!(told.contains(" more: clawteam task list t --owner w"), "{told}");
}

#[test]
fn a_hook_gets_what_its_program_understands() {
    let world = World::new();
    world.team(&["w"]);
    let plain = as_agent(&world, "w", &[]).run().succeeds().stdout.clone();
    for program in ["claude", "codex", "gemini", "qwen"] {
        let told = as_agent(&world, "w", &["--for", program]).stdin("{}").run().succeeds().json();
        assert_eq!(
            told,
            json!({
                "hookSpecificOutput": {
                    "hookEventName": "SessionStart", "additionalContext": plain
                }
            })
        );
    }
    let other = as_agent(&world, "w", &["--for", "hermes"]).run().succeeds().stdout.clone();
    assert_eq!(other, plain);
    // Whatever is wrong, an agent is not held up.
    let lost = as_agent(&world, "w", &["--for", "claude"]).env("CLAWTEAM_TEAM_NAME", "no").run();
    assert_eq!((lost.status, lost.stdout.as_str()), (0, ""));
    assert!(lost.stderr.contains("Team 'no' not found"), "{lost}");
}

#[test]
fn outside_of_a_team_people_get_a_note_and_hooks_nothing() {
    let world = World::new();
    let told = world.run(&["prime"]).succeeds().stdout.clone();
    assert!(told.starts_with("You are in no team") && told.contains("clawteam launch"), "{told}");
    assert_eq!(world.run(&["prime", "--for", "claude"]).succeeds().stdout, "");
    assert_eq!(world.json(&["prime"])["team"], json!(null));
    as_agent(&world, "w", &[]).run().refuses("Team 't' not found");
}

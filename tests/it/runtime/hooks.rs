//! What the hooks of agent programs tell, and what they are answered.

use std::fs;

use serde_json::{Value, json};

use super::Stage;
use crate::support::tree;

#[test]
fn a_turn_of_claude_is_followed_by_its_hooks() {
    let stage = Stage::new();
    stage.world.run(&["team", "add-member", "t", "w"]).succeeds();
    for (event, state) in [
        ("SessionStart", "ready"),
        ("UserPromptSubmit", "working"),
        ("PreToolUse", "working"),
        ("PostToolUse", "working"),
        ("SubagentStop", "working"),
        ("Stop", "idle"),
        ("PreCompact", "working"),
        ("SessionEnd", "finished"),
    ] {
        stage.event("w", event).succeeds();
        let member = stage.member("w");
        assert_eq!(member["state"], state, "{event}");
        assert_eq!((&member["stateSource"], &member["alive"]), (&json!("hook"), &Value::Null));
    }
    let board = stage.world.json(&["board", "show", "t"]);
    assert_eq!(board["members"][1]["state"], "finished");
    let text = stage.world.run(&["board", "show", "t"]);
    assert!(text.succeeds().stdout.contains("finished"), "{text}");
}

#[test]
fn a_question_is_shown_with_the_exact_command_and_told_once() {
    let stage = Stage::new();
    stage.world.run(&["team", "add-member", "t", "w"]).succeeds();
    let asks = json!({
        "hook_event_name": "PermissionRequest", "session_id": "s", "tool_name": "Bash",
        "tool_input": {"command": "rm -rf build && make", "description": "Build anew"}
    });
    let reminds = json!({
        "hook_event_name": "Notification", "notification_type": "permission_prompt",
        "message": "Claude needs your permission to use Bash"
    });
    for payload in [&asks, &reminds, &asks] {
        stage.hook("w", "claude", payload).succeeds();
        let member = stage.member("w");
        assert_eq!(member["state"], "waiting_permission");
        assert_eq!(member["question"]["text"], "Bash: rm -rf build && make");
    }
    let told = stage.world.json(&["notify", "list", "t"]);
    let told = told.as_array().or_else(|| told["notifications"].as_array()).expect("a list");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0]["body"].as_str().is_some_and(|body| body.contains("rm -rf build && make")));
    stage.event("w", "PostToolUse").succeeds();
    assert_eq!(stage.member("w")["question"], Value::Null);
}

#[test]
fn other_programs_are_understood() {
    let stage = Stage::new();
    stage.world.run(&["team", "add-member", "t", "w"]).succeeds();
    let call = |words: &[&str], input: &str| {
        let call = stage.world.call(&[&["hook-event"], words].concat());
        let call = call.env("CLAWTEAM_AGENT_NAME", "w").env("CLAWTEAM_TEAM_NAME", "t");
        call.stdin(input).run().succeeds();
        stage.member("w")["state"].clone()
    };
    let turn = r#"{"type":"agent-turn-complete","thread-id":"th-1","cwd":"/w"}"#;
    assert_eq!(call(&["codex", turn], ""), "idle");
    // Codex also tells of a thread of its own, in which it makes up a title.
    stage.event("w", "UserPromptSubmit").succeeds();
    let title = r#"{"type":"agent-turn-complete","thread-id":"th-2","input-messages":["Generate a concise, single-line task title. Task: x"]}"#;
    assert_eq!(call(&["codex", title], ""), "working");
    assert_eq!(call(&["gemini"], r#"{"hook_event_name":"BeforeAgent"}"#), "working");
    assert_eq!(call(&["gemini"], r#"{"hook_event_name":"AfterAgent"}"#), "idle");
    assert_eq!(call(&["openclaw", "before_tool_call"], "{}"), "working");
    assert_eq!(call(&["openclaw", "agent_end"], ""), "idle");
    assert_eq!(call(&["generic", "working"], ""), "working");
    assert_eq!(
        call(&["generic", "waiting_permission", r#"{"question":"May I?"}"#], ""),
        "waiting_permission"
    );
    assert_eq!(stage.member("w")["question"]["text"], "May I?");
    assert_eq!(call(&["generic", "idle"], "no JSON"), "idle");
}

#[test]
fn the_session_is_written_down_as_the_program_names_it() {
    let stage = Stage::new();
    stage.fake("w", &[], "ready");
    let transcript = stage.program("0c-1.jsonl", "{}\n");
    let first = json!({
        "hook_event_name": "SessionStart", "session_id": "0c-1",
        "transcript_path": transcript, "cwd": "/w"
    });
    stage.hook("w", "claude", &first).succeeds();
    let session = stage.world.document("sessions/t/w.json");
    assert_eq!(session["sessionId"], "0c-1");
    assert_eq!(session["state"]["confidence"], "exact");
    assert_eq!(session["state"]["source"], "hook");
    assert_eq!(stage.world.document("agents/t/w.state.json")["transcript"], transcript.as_str());
}

#[test]
fn a_hook_never_gets_in_the_way() {
    let stage = Stage::new();
    let before = tree(&stage.world.data());
    let quiet = |words: &[&str], env: &[(&str, &str)], input: &str| {
        let call = stage.world.call(words).stdin(input);
        let ran = env.iter().fold(call, |call, (k, v)| call.env(k, v)).run();
        assert_eq!((ran.status, ran.stdout.as_str()), (0, ""), "{ran}");
    };
    let agent = [("CLAWTEAM_AGENT_NAME", "w"), ("CLAWTEAM_TEAM_NAME", "t")];
    let gone = [("CLAWTEAM_AGENT_NAME", "w"), ("CLAWTEAM_TEAM_NAME", "gone")];
    let bad = [("CLAWTEAM_AGENT_NAME", "../w"), ("CLAWTEAM_TEAM_NAME", "t")];
    let stop = r#"{"hook_event_name":"Stop"}"#;
    quiet(&["hook-event", "claude"], &[], stop);
    quiet(&["hook-event", "claude"], &gone, stop);
    quiet(&["hook-event", "claude"], &bad, stop);
    quiet(&["hook-event"], &agent, stop);
    quiet(&["hook-event", "claude"], &agent, "");
    quiet(&["hook-event", "claude"], &agent, "{broken");
    quiet(&["hook-event", "claude", "--what", "-x"], &agent, "[1,2]");
    quiet(&["hook-event", "claude"], &agent, r#"{"hook_event_name":"FromTheFuture"}"#);
    assert_eq!(tree(&stage.world.data()), before, "something was written");
    // Settings that cannot be read stop every other command.
    let settings = stage.world.home().join(".clawteam");
    fs::create_dir_all(&settings).expect("a directory can be made");
    fs::write(settings.join("config.json"), "{").expect("a file can be written");
    quiet(&["hook-event", "claude"], &agent, stop);
}

#[test]
fn messages_are_given_at_the_end_of_a_turn_once_and_in_order() {
    let stage = Stage::new();
    stage.world.run(&["team", "add-member", "t", "w"]).succeeds();
    for text in ["first <b>", "second"] {
        stage.world.run(&["inbox", "send", "t", "w", text, "-f", "lead"]).succeeds();
    }
    let stop = stage.event("w", "Stop").succeeds().json();
    assert_eq!(stop["decision"], "block");
    let reason = stop["reason"].as_str().expect("a reason");
    let (first, second) = (reason.find("first &lt;b&gt;"), reason.find("second"));
    assert!(first.is_some() && first < second, "{reason}");
    assert!(reason.contains("not from your user") && reason.contains("source=\"lead\""));
    assert_eq!(stage.member("w")["state"], "working", "its turn goes on");
    assert_eq!(stage.waiting("w"), Vec::<Value>::new());
    let log = stage.world.json(&["inbox", "log", "t"]);
    assert_eq!(log["count"], 2);
    assert_eq!(stage.event("w", "Stop").succeeds().stdout, "");
    assert_eq!(stage.member("w")["state"], "idle");
}

#[test]
fn messages_are_given_beside_a_prompt_and_to_gemini() {
    let stage = Stage::new();
    stage.world.run(&["team", "add-member", "t", "w"]).succeeds();
    for event in ["UserPromptSubmit", "SessionStart"] {
        stage.world.run(&["inbox", "send", "t", "w", "hello"]).succeeds();
        let answer = stage.event("w", event).succeeds().json();
        let output = &answer["hookSpecificOutput"];
        assert_eq!(output["hookEventName"], event);
        assert!(output["additionalContext"].as_str().is_some_and(|text| text.contains("hello")));
    }
    stage.world.run(&["inbox", "send", "t", "w", "hello"]).succeeds();
    let after = json!({"hook_event_name": "AfterAgent", "session_id": "g"});
    let answer = stage.hook("w", "gemini", &after).succeeds().json();
    assert_eq!(answer["decision"], "deny");
    assert!(answer["reason"].as_str().is_some_and(|text| text.contains("hello")));
    // Tools are not disturbed.
    stage.world.run(&["inbox", "send", "t", "w", "later"]).succeeds();
    assert_eq!(stage.event("w", "PreToolUse").succeeds().stdout, "");
    assert_eq!(stage.waiting("w").len(), 1);
}

#[test]
fn two_agents_that_answer_each_other_do_not_go_on_for_ever() {
    let stage = Stage::new();
    stage.world.run(&["team", "add-member", "t", "w"]).succeeds();
    let mut turns = 0;
    loop {
        stage.world.run(&["inbox", "send", "t", "w", "and?"]).succeeds();
        if stage.event("w", "Stop").succeeds().stdout.is_empty() {
            break;
        }
        turns += 1;
        assert!(turns < 20, "it never ends");
    }
    assert_eq!((turns, stage.waiting("w").len()), (5, 1));
    assert_eq!(stage.member("w")["state"], "idle");
    // Somebody spoke to it: it may go on again.
    stage.event("w", "UserPromptSubmit").succeeds();
    stage.world.run(&["inbox", "send", "t", "w", "and?"]).succeeds();
    assert!(stage.event("w", "Stop").succeeds().stdout.contains("block"));
}

#[test]
fn a_message_that_is_too_long_stays_in_the_inbox_and_is_told_of() {
    let stage = Stage::new();
    stage.world.run(&["team", "add-member", "t", "w"]).succeeds();
    stage.world.run(&["inbox", "send", "t", "w", "short"]).succeeds();
    stage.world.run(&["inbox", "send", "t", "w", &"long ".repeat(4000)]).succeeds();
    let stop = stage.event("w", "Stop").succeeds().json();
    let reason = stop["reason"].as_str().expect("a reason");
    assert!(reason.contains("short") && reason.contains("clawteam inbox receive t"), "{reason}");
    assert!(reason.len() < 10_000);
    assert_eq!(stage.waiting("w").len(), 1);
}

//! Sessions that are found by what the programs of agents write.

use std::collections::HashSet;
use std::fs;

use super::{CLAUDE, CODEX, COMPOSER, Place};
use crate::until;

#[test]
fn claude_gets_a_session_of_its_own_in_a_terminal_and_in_the_background() {
    let place = Place::new();
    let claude = place.claude();
    let mut ids = HashSet::new();
    for (backend, agent) in [("tmux", "w1"), ("subprocess", "w2")] {
        place.spawn(backend, agent, &["--task", "Dig"], &[&claude]);
        let session = place.until_verified(agent);
        let id = session["sessionId"].as_str().expect("an id").to_owned();
        assert_eq!(session["state"]["client"], "claude");
        assert_eq!(session["state"]["confidence"], "exact");
        let call = place.calls().into_iter().find(|call| call.starts_with(agent));
        assert!(call.expect("it was called").contains(&format!("--session-id {id}")), "{backend}");
        ids.insert(id);
    }
    assert_eq!(ids.len(), 2);
}

#[test]
fn a_session_that_was_only_made_up_is_not_taken_for_one_that_exists() {
    let place = Place::new();
    // Without a prompt, Claude writes nothing.
    let claude = place.claude();
    place.spawn("tmux", "w", &[], &[&claude]);
    until("it is noted", || place.session("w")["sessionId"].is_string());
    let session = place.session("w");
    assert_eq!(session["state"]["source"], "generated");
    assert_eq!(session["state"]["verified"], false);
    assert_eq!(session["state"]["confidence"], "generated");
    let shown = place.world.run(&["session", "list", "t"]).succeeds().stdout.clone();
    assert!(shown.contains("unverified"), "{shown}");
}

#[test]
fn two_codex_in_one_directory_keep_their_own_sessions() {
    let place = Place::new();
    let codex = place.codex();
    for agent in ["w1", "w2", "w3"] {
        place.spawn("subprocess", agent, &["--task", "Dig"], &[&codex]);
    }
    let mut ids = HashSet::new();
    for agent in ["w1", "w2", "w3"] {
        let session = place.until_verified(agent);
        let path = session["state"]["transcript"].as_str().expect("a file");
        let text = fs::read_to_string(path).expect("the transcript");
        assert!(text.contains(&format!("- Name: {agent}\\n")), "{agent} has that of another");
        ids.insert(session["sessionId"].to_string());
    }
    assert_eq!(ids.len(), 3);
}

#[test]
fn of_two_that_were_told_nothing_neither_gets_the_others_session() {
    let place = Place::new();
    // One of them writes by itself; nothing in it says whose it is, and its file is not open.
    let codex = place.program("codex", &[CODEX, "write unprompted", COMPOSER]);
    let quiet = place.program("codex-cli", &[CODEX, COMPOSER]);
    place.spawn("subprocess", "quiet", &[], &[&quiet]);
    place.spawn("subprocess", "loud", &[], &[&codex]);
    until("it has written", || place.world.home().join(".codex/sessions/2026/11/21").exists());
    place.world.json(&["team", "stop", "t"]);
    for agent in ["quiet", "loud"] {
        place.until_state(agent, "exited");
        let known = place.session(agent);
        assert!(known.get("sessionId").is_none(), "{agent}: {known}");
    }
}

#[test]
fn a_transcript_that_an_agent_has_open_is_its_own() {
    let place = Place::new();
    let codex = place.program("codex", &[CODEX, "write unprompted; exec 9>>\"$file\"", COMPOSER]);
    place.spawn("subprocess", "w1", &[], &[&codex]);
    place.spawn("subprocess", "w2", &[], &[&codex]);
    let ids: HashSet<String> = ["w1", "w2"]
        .map(|agent| {
            let session = place.until_verified(agent);
            assert_eq!(session["state"]["confidence"], "exact");
            session["sessionId"].to_string()
        })
        .into();
    assert_eq!(ids.len(), 2);
}

#[test]
fn the_one_transcript_that_it_can_be_is_taken_for_the_latest() {
    let place = Place::new();
    let codex = place.program("codex", &[CODEX, "write unprompted", COMPOSER]);
    place.spawn("subprocess", "w", &[], &[&codex]);
    let session = place.until_verified("w");
    assert_eq!(session["state"]["confidence"], "latest");
}

#[test]
fn gemini_openclaw_and_nanobot_are_found_where_they_keep_things() {
    let place = Place::new();
    let gemini = place.program(
        "gemini",
        &[
            "while [ $# -gt 0 ]; do case \"$1\" in -p) prompt=$2; shift ;; esac; shift; done\n",
            "d=\"$HOME/.gemini/tmp/proj\"; mkdir -p \"$d/chats\"; printf '%s' \"$PWD\" > \"$d/.project_root\"\n",
            "printf '{\"sessionId\":\"g-1\",\"startTime\":\"%s\",\"kind\":\"main\"}\\n{\"id\":\"1\",\"type\":\"user\",\"content\":[{\"text\":\"%s\"}]}\\n{\"id\":\"2\",\"type\":\"gemini\",\"content\":\"hm\"}\\n' \"$(now)\" \"$(json \"$prompt\")\" > \"$d/chats/session-x.jsonl\"\n",
            COMPOSER,
        ],
    );
    place.spawn("subprocess", "g", &["--task", "Dig"], &[&gemini]);
    assert_eq!(place.until_verified("g")["sessionId"], "g-1");
    let said = place.world.json(&["session", "transcript", "t", "g", "--tail", "1"]);
    assert_eq!(said["entries"][0]["text"], "hm");

    let openclaw = place.program(
        "openclaw",
        &[
            "while [ $# -gt 0 ]; do case \"$1\" in --session-id|--session-key) id=$2; shift ;; esac; shift; done\n",
            "d=\"${OPENCLAW_STATE_DIR:-$HOME/.openclaw}/agents/main/sessions\"; mkdir -p \"$d\"\n",
            "printf '{\"type\":\"session\",\"id\":\"u-1\",\"cwd\":\"/elsewhere\"}\\n' > \"$d/u-1.jsonl\"\n",
            "printf '{\"agent:main:%s\":{\"sessionId\":\"u-1\"}}' \"$id\" > \"$d/sessions.json\"\n",
            COMPOSER,
        ],
    );
    place.spawn("subprocess", "o", &["--task", "Dig"], &[&openclaw]);
    let session = place.until_verified("o");
    assert_eq!(session["sessionId"], "clawteam-t-o");
    assert!(session["state"]["transcript"].as_str().expect("a file").ends_with("/u-1.jsonl"));

    let nanobot = place.program(
        "nanobot",
        &[
            "while [ $# -gt 0 ]; do case \"$1\" in -m) prompt=$2; shift ;; esac; shift; done\n",
            "d=\"$HOME/.nanobot/workspace/sessions\"; mkdir -p \"$d\"\n",
            "printf '{\"role\":\"user\",\"content\":\"%s\"}\\n' \"$(json \"$prompt\")\" > \"$d/cli_direct.jsonl\"\n",
            COMPOSER,
        ],
    );
    place.spawn("subprocess", "n", &["--task", "Dig"], &[&nanobot]);
    assert_eq!(place.until_verified("n")["sessionId"], "cli_direct");
}

#[test]
fn a_program_that_hangs_while_it_lists_its_sessions_holds_nobody_up() {
    let place = Place::new();
    let hang = "case \"$*\" in *list*) sleep 600 ;; esac; exit 0\n";
    let opencode = place.program("opencode", &[hang]);
    let began = std::time::Instant::now();
    place.spawn("subprocess", "w", &[], &[&opencode]);
    place.until_state("w", "exited");
    assert!(began.elapsed().as_secs() < 25, "it was waited for");
    assert!(place.session("w").get("sessionId").is_none());
}

#[test]
fn a_transcript_is_shown_with_its_control_characters_visible() {
    let place = Place::new();
    let claude = place.program("claude", &[CLAUDE, "write 'a\\u001b[2Jb'", COMPOSER]);
    place.spawn("subprocess", "w", &["--task", "Dig"], &[&claude]);
    place.until_verified("w");
    // The team is the only one with such an agent.
    let shown = place.world.run(&["session", "transcript", "w"]).succeeds().stdout.clone();
    assert!(shown.contains("On it.") && shown.contains("> Bash {\"command\":\"ls\"}"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let data = place.world.json(&["session", "transcript", "t", "w", "--tail", "2"]);
    assert_eq!(data["entries"].as_array().expect("entries").len(), 2);
    assert_eq!(data["entries"][1]["kind"], "tool_call");
    assert_eq!(data["client"], "claude");
    // It stays when the agent is gone.
    place.world.json(&["team", "stop", "t"]);
    place.until_state("w", "exited");
    assert_eq!(place.world.json(&["session", "transcript", "t", "w", "--tail", "2"]), data);
}

//! Questions of agents, and answers to them.

use serde_json::Value;

use super::Stage;
use crate::until;

impl Stage {
    fn asked(&self, agent: &str) -> Value {
        self.world.json(&["permission", "show", "t", agent])
    }

    fn answer(&self, agent: &str, word: &str, digest: &Value) -> crate::support::Ran {
        let digest = digest.as_str().expect("a digest");
        self.world.run(&["--json", "permission", "answer", "t", agent, word, "--digest", digest])
    }
}

#[test]
fn every_agent_that_waits_is_listed_with_what_it_asks() {
    let stage = Stage::new();
    stage.fake("idle", &[], "ready");
    stage.fake("a", &[("FAKE_START", "ask"), ("FAKE_HOOKS", "1")], "waiting_permission");
    stage.fake("b", &[("FAKE_START", "ask")], "waiting_permission");
    until("both dialogs are drawn", || {
        let list = stage.world.json(&["permission", "list", "t"]);
        let list = list.as_array().expect("a list");
        list.len() == 2 && list.iter().all(|one| one["answerable"] == true)
    });
    let list = stage.world.json(&["permission", "list", "t"]);
    assert_eq!((&list[0]["agent"], &list[1]["agent"]), (&"a".into(), &"b".into()));
    assert_eq!(list[0]["text"], "Bash: rm -rf build-1");
    assert!(list[1]["text"].as_str().is_some_and(|text| text.contains("rm -rf build-1")));
    assert_eq!(list[1]["options"].as_array().map(Vec::len), Some(3));
    stage.world.run(&["team", "spawn-team", "quiet", "-n", "lead"]).succeeds();
    assert_eq!(stage.world.json(&["permission", "list"]), list, "of all teams");
    assert_eq!(stage.world.json(&["permission", "list", "quiet"]), Value::Array(Vec::new()));
    stage.world.put("teams/broken/config.json", "{");
    let all = stage.world.run(&["--json", "permission", "list"]);
    assert_eq!(all.warns("broken").json(), list);
    let text = stage.world.run(&["permission", "list", "t"]);
    assert!(text.succeeds().stdout.contains("rm -rf build-1"), "{text}");
    let page = stage.world.run(&["permission", "show", "t", "a"]);
    assert!(page.succeeds().stdout.contains("2. Yes, and don't ask again for rm"), "{page}");
    stage
        .world
        .run(&["--json", "permission", "show", "t", "idle"])
        .fails_with(3, "no_permission_request");
}

#[test]
fn an_answer_chooses_the_option_that_it_names_and_is_written_down() {
    let stage = Stage::new();
    for (agent, word, chosen) in
        [("a", "allow", "1"), ("b", "allow-always", "2"), ("c", "deny", "3"), ("d", "2", "2")]
    {
        stage.fake(agent, &[("FAKE_START", "ask")], "waiting_permission");
        let asked = stage.asked(agent);
        let done = stage.answer(agent, word, &asked["digest"]).succeeds().json();
        assert_eq!(done["by"], "human:local");
        assert_eq!(stage.file(&format!("{agent}.answers")).trim(), chosen, "{word}");
        stage.answer(agent, word, &asked["digest"]).fails_with(3, "no_permission_request");
        assert_eq!(stage.file(&format!("{agent}.answers")).trim(), chosen, "answered once");
    }
    let journal = std::fs::read_to_string(stage.world.data().join("agents/t/permissions.jsonl"));
    let journal = journal.expect("a journal");
    assert_eq!(journal.lines().count(), 4);
    let last: Value = serde_json::from_str(journal.lines().last().expect("a line")).expect("JSON");
    assert_eq!(
        (&last["agent"], &last["answer"], &last["by"]),
        (&"d".into(), &"2".into(), &"human:local".into())
    );
    assert!(last["text"].as_str().is_some_and(|text| text.contains("rm -rf build-1")));
    assert!(last["at"].is_string() && last["digest"].is_string());
    assert!(stage.world.run(&["doctor"]).exits(0).stdout.contains("All is well"));
}

/// Claude Code, for one, takes no key in the moment after a question has come up.
#[test]
fn an_answer_that_was_not_taken_is_given_once_more_and_told_if_that_does_not_help() {
    let stage = Stage::new();
    stage.fake("a", &[("FAKE_START", "ask"), ("FAKE_SHY", "1")], "waiting_permission");
    let asked = stage.asked("a");
    stage.answer("a", "deny", &asked["digest"]).succeeds();
    assert_eq!(stage.file("a.answers").trim(), "3");

    stage.fake("b", &[("FAKE_START", "ask"), ("FAKE_SHY", "99")], "waiting_permission");
    let asked = stage.asked("b");
    stage.answer("b", "allow", &asked["digest"]).fails_with(12, "stalled");
    assert_eq!(stage.file("b.answers"), "");
}

#[test]
fn an_answer_to_another_question_presses_nothing() {
    let stage = Stage::new();
    stage.fake("w", &[("FAKE_START", "ask"), ("FAKE_ASK", "1")], "waiting_permission");
    let first = stage.asked("w");
    stage.answer("w", "allow", &first["digest"]).succeeds();
    stage.until_state("w", "ready");
    stage.inject("w", "go on", &["--mode", "now"]).succeeds();
    stage.until_state("w", "waiting_permission");
    let second = stage.asked("w");
    assert!(second["text"].as_str().is_some_and(|text| text.contains("build-2")), "{second}");
    stage.answer("w", "allow", &first["digest"]).fails_with(9, "permission_changed");
    let unbound = stage.world.run(&["--json", "permission", "answer", "t", "w", "allow"]);
    unbound.fails_with(2, "digest_required");
    for bad in ["maybe", "0", "4"] {
        stage.answer("w", bad, &second["digest"]).fails_with(2, "no_such_option");
    }
    assert_eq!(stage.file("w.answers").trim(), "1", "only the first was answered");
    stage.answer("w", "deny", &second["digest"]).succeeds();
    assert_eq!(stage.file("w.answers"), "1\n3\n");
}

#[test]
fn agents_do_not_answer_for_themselves_or_for_others() {
    let stage = Stage::new();
    stage.fake("w", &[("FAKE_START", "ask")], "waiting_permission");
    let asked = stage.asked("w");
    let digest = asked["digest"].as_str().expect("a digest");
    for agent in ["w", "other"] {
        let words = ["--json", "permission", "answer", "t", "w", "allow", "--digest", digest];
        stage.world.run_as(agent, &words).fails_with(6, "human_required");
    }
    assert_eq!(stage.file("w.answers"), "");
}

#[test]
fn a_watch_tells_of_each_question_once() {
    let stage = Stage::new();
    stage.fake("w", &[("FAKE_START", "ask")], "waiting_permission");
    let notify = "printf '%s|%s\\n' \"$CLAWTEAM_PERMISSION_AGENT\" \"$CLAWTEAM_PERMISSION_TEXT\" \
                  | head -n 3 | tr '\\n' ' ' >> notified; echo >> notified";
    let words = ["--json", "permission", "watch", "t", "--notify", notify, "-i", "0.1"];
    let mut watching = stage.world.call(&words).start();
    let told: Value = serde_json::from_str(&watching.line()).expect("a line of JSON");
    assert_eq!(told["agent"], "w");
    stage.fake("x", &[("FAKE_START", "ask")], "waiting_permission");
    assert!(watching.line().contains("\"x\""));
    until("both were told", || stage.file("notified").lines().count() == 2);
    watching.signal(rustix::process::Signal::TERM);
    watching.finish().exits(0);
    let notified = stage.file("notified");
    assert!(notified.starts_with("w|Bash command") && notified.contains("rm -rf build-1"));
    let listed = stage.world.json(&["notify", "list", "t"]).to_string();
    assert!(listed.contains("w waits for an answer") && listed.contains("x waits for an answer"));
}

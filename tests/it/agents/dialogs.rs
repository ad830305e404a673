//! What programs ask at their start.

use std::time::{Duration, Instant};

use super::Place;
use crate::until;

const TASK: [&str; 2] = ["--task", "Count the files"];

#[test]
fn questions_in_any_order_are_answered_as_allowed_whatever_is_chosen_at_first() {
    for (asked, answered) in [
        ("trust key bypass", ["trust: Yes, I trust", "key: No", "bypass: Yes, I accept"]),
        ("bypass trust-no key", ["bypass: Yes, I accept", "trust: Yes, proceed", "key: No"]),
        ("key bypass trust", ["key: No", "bypass: Yes, I accept", "trust: Yes, I trust"]),
    ] {
        let place = Place::new(&["claude"], &[("FAKE", asked)]);
        let told = place.spawn("claude", &TASK);
        assert_eq!(told["prompt"], "delivered", "{asked}: {told}");
        assert!(matches!(told["stage"].as_str(), Some("prompted" | "working")), "{told}");
        let log = place.log();
        let lines: Vec<&str> = log.lines().skip(1).collect();
        assert_eq!(lines.len(), 3, "{asked}: {log}");
        for (line, expected) in lines.iter().zip(answered) {
            assert!(line.starts_with(expected), "{asked}: {log}");
        }
        assert!(place.told().contains("Count the files"), "{asked}");
        assert_eq!(told["answered"].as_array().map(Vec::len), Some(3), "{told}");
    }
}

#[test]
fn a_question_that_nobody_allowed_is_left_and_told_and_keeps_the_prompt_back() {
    for (asked, options, name) in [
        ("trust bypass", &["--permissions", "edit"][..], "bypass-mode"),
        ("colour", &[], "unnamed"),
    ] {
        let place = Place::new(&["claude"], &[("FAKE", asked)]);
        let (told, stderr) = place.spawn_in_vain("claude", &[options, &TASK].concat());
        assert_eq!(told["stage"], "waiting_permission", "{told}");
        assert_eq!(told["status"], "spawned");
        assert_eq!(told["dialog"]["name"], name, "{told}");
        assert_eq!(told["prompt"], "not_ready");
        assert!(stderr.contains("nobody allowed"), "{stderr}");
        assert_eq!(place.told(), "", "it was typed to");
        let log = place.log();
        assert!(!log.contains("bypass:") && !log.contains("colour:"), "{log}");

        // Once a person has answered, the prompt follows.
        let list = place.json(&["permission", "list", "t"]);
        let digest = list.to_string();
        let digest = digest.split("\"digest\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let digest = digest.expect("a digest");
        let answer = ["permission", "answer", "t", "w", "2", "--digest", digest];
        place.world.run(&answer).exits(0);
        until("the prompt is there", || place.told().contains("Count the files"));
    }
}

#[test]
fn what_the_user_names_is_answered_with_yes() {
    let place = Place::new(&["claude"], &[("FAKE", "key")]);
    place.spawn("claude", &["--allow", "api-key"]);
    assert!(place.log().contains("key: Yes"), "{}", place.log());

    let place = Place::new(&["codex"], &[("FAKE", "update hooks"), ("FAKE_MARK", "›")]);
    place.world.run(&["config", "set", "allow_dialogs", "hooks-review"]).exits(0);
    place.spawn("codex", &TASK);
    let log = place.log();
    assert!(log.contains("update: Skip\n") && log.contains("hooks: Trust all"), "{log}");
}

#[test]
fn a_question_under_a_logo_that_moves_is_answered() {
    let place =
        Place::new(&["codex"], &[("FAKE", "trust"), ("FAKE_MOVES", "1"), ("FAKE_MARK", "›")]);
    let told = place.spawn("codex", &TASK);
    assert_eq!(told["prompt"], "delivered", "{told}");
    assert!(place.log().contains("trust: Yes, I trust"), "{}", place.log());
}

#[test]
fn a_program_that_takes_no_key_at_first_is_answered_nevertheless() {
    let place = Place::new(&["claude"], &[("FAKE", "bypass"), ("FAKE_DEAF", "0.8")]);
    let told = place.spawn("claude", &TASK);
    assert_eq!(told["prompt"], "delivered", "{told}");
    assert!(place.log().contains("bypass: Yes, I accept"), "{}", place.log());
}

#[test]
fn a_slow_program_is_waited_for_and_a_fast_one_is_not() {
    let place =
        Place::new(&["gemini"], &[("FAKE_SLOW", "2"), ("FAKE", "trust-no"), ("FAKE_MARK", ">")]);
    let row = "[[dialog]]\nname = 'trust-folder'\nyes = ['yes, proceed']\n";
    place.row("gemini", row);
    assert_eq!(place.spawn("gemini", &TASK)["prompt"], "delivered");

    let place = Place::new(&["claude"], &[]);
    let begun = Instant::now();
    let told = place.spawn("claude", &[]);
    assert_eq!(told["stage"], "ready", "{told}");
    assert!(begun.elapsed() < Duration::from_secs(20), "it waited for a dialog");
}

#[test]
fn a_program_that_ends_after_its_questions_has_failed_with_its_last_lines() {
    for variables in [&[("FAKE", "trust"), ("FAKE_DIES", "1")][..], &[("FAKE_DIES", "1")]] {
        let place = Place::new(&["claude"], variables);
        let failed = place.world.run(&["spawn", "tmux", "--team", "t", "-n", "w", "--", "claude"]);
        failed.exits(1);
        assert!(failed.stderr.contains("no credentials were found"), "{failed}");
        assert!(place.world.names("teams/t").iter().all(|name| name != "config.json"));
    }
}

#[test]
fn waiting_for_an_agent_to_be_ready_ends_in_time() {
    let place = Place::new(&["claude"], &[("FAKE_SLOW", "30")]);
    let begun = Instant::now();
    let (told, stderr) = place.spawn_in_vain("claude", &["--wait-ready", "2"]);
    assert_eq!(told["stage"], "started", "{told}");
    assert!(stderr.contains("was not seen to become ready"), "{stderr}");
    assert!(begun.elapsed() < Duration::from_secs(25), "it waited longer than it was told");
    let place = Place::new(&["claude"], &[("FAKE_SLOW", "1")]);
    assert_eq!(place.spawn("claude", &["--wait-ready"])["stage"], "ready");
}

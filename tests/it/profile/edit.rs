//! Making, changing and removing profiles.

use super::Place;
use crate::support::keys;

#[test]
fn a_profile_is_made_changed_shown_and_removed() {
    let place = Place::new();
    let world = &place.world;
    assert_eq!(world.json(&["profile", "list"]), serde_json::json!({}));
    let made = world.json(&[
        "profile",
        "set",
        "work",
        "--agent",
        "claude",
        "--model",
        "sonnet",
        "--env",
        "A=1=2",
        "--env",
        "B=env:B",
        "--env-map",
        "C=D",
        "--arg",
        "--verbose",
        "--api-key-env",
        "MY_KEY",
    ]);
    assert_eq!(made, serde_json::json!({"status": "saved", "profile": "work"}));
    let shown = place.profile("work");
    assert_eq!(
        keys(&shown),
        "description agent command model base_url base_url_env api_key_env api_key_target_env env \
         env_map args"
    );
    assert_eq!(shown["env"], serde_json::json!({"A": "1=2", "B": "env:B"}));
    assert_eq!(shown["args"], serde_json::json!(["--verbose"]));
    world
        .run(&["profile", "set", "work", "--command", "claude --x 'a b'", "--env", "Z=1"])
        .succeeds();
    let shown = place.profile("work");
    assert_eq!(shown["command"], serde_json::json!(["claude", "--x", "a b"]));
    assert_eq!(shown["env"], serde_json::json!({"Z": "1"}), "maps are replaced");
    assert_eq!(shown["model"], "sonnet", "the rest stays");
    let listed = world.json(&["profile", "list"]);
    assert_eq!(listed["work"], shown);
    assert!(world.run(&["profile", "list"]).succeeds().stdout.contains("work"));
    let gone = world.json(&["profile", "remove", "work"]);
    assert_eq!(gone, serde_json::json!({"status": "removed", "profile": "work"}));
    world.run(&["profile", "remove", "work"]).refuses("Unknown profile 'work'");
    world.run(&["profile", "show", "work"]).refuses("Unknown profile 'work'");
}

#[test]
fn what_cannot_be_meant_is_refused_and_changes_nothing() {
    let place = Place::new();
    for (options, why) in [
        (vec!["--model", "m"], "Profile must define either --agent or --command."),
        (vec!["--agent", "a", "--env", "A"], "Invalid env 'A'. Expected KEY=VALUE."),
        (vec!["--agent", "a", "--env-map", "A"], "Invalid env-map 'A'. Expected DEST=SOURCE."),
        (vec!["--agent", "a", "--permissions", "all"], "ask, edit, full"),
        (vec!["--agent", "a", "--api-key-env", "sk-ant-123"], "not the key itself"),
        (vec!["--agent", "a", "--env", "A=cmd:"], "env:NAME or cmd:COMMAND"),
        (vec!["--command", "a 'b"], "quote"),
    ] {
        let line = [&["profile", "set", "p"][..], &options].concat();
        let told = place.world.run(&line);
        told.refuses(why);
        assert!(!told.stderr.contains("sk-ant"), "{told}");
    }
    place.world.run(&["profile", "set", "../x", "--agent", "a"]).refuses("Invalid profile name");
    assert!(!place.settings().exists());
}

#[test]
fn a_secret_in_the_open_is_kept_but_told_and_not_shown_to_people() {
    let place = Place::new();
    let set = ["profile", "set", "p", "--agent", "claude", "--env", "X_TOKEN=hush-hush"];
    place.world.run(&set).warns("X_TOKEN");
    let shown = place.world.run(&["profile", "show", "p"]);
    assert!(shown.succeeds().stdout.contains("X_TOKEN=***"), "{shown}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &place.settings().metadata().expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

/// Values of a wrong kind once made all settings read as defaults, and the next save wrote these.
#[test]
fn texts_in_the_place_of_lists_lose_nothing() {
    let place = Place::new();
    place.write_settings(
        r#"{"user": "alice", "hooks": "x", "plugins": "y", "model_tiers": "z", "spawn_prompt_delay": "abc",
            "profiles": {"bad": {"agent": "claude", "args": "--x"}, "good": {"agent": "codex"}},
            "presets": {"bad": [], "mine": {"auth_env": "K"}}, "future": {"a": 1}}"#,
    );
    let world = &place.world;
    let listed = world.run(&["--json", "profile", "list"]);
    assert!(listed.stderr.contains("profile 'bad' cannot be understood"), "{listed}");
    assert_eq!(keys(&listed.json()), "good");
    world.run(&["config", "set", "timezone", "Europe/Berlin"]).exits(0);
    world.run(&["profile", "set", "new", "--agent", "kimi"]).exits(0);
    world.run(&["preset", "set", "mine", "--base-url", "http://x"]).exits(0);
    let text = std::fs::read_to_string(place.settings()).expect("the settings");
    let kept: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(kept["user"], "alice");
    assert_eq!(kept["hooks"], "x");
    assert_eq!(kept["future"]["a"], 1);
    assert_eq!(keys(&kept["profiles"]), "bad good new");
    assert_eq!(kept["profiles"]["bad"]["args"], "--x");
    assert_eq!(kept["presets"]["mine"]["auth_env"], "K");
    world.run(&["profile", "remove", "bad"]).succeeds();
    assert_eq!(keys(&world.json(&["profile", "list"])), "good new");
}

#[test]
fn many_at_once_lose_nothing() {
    let place = Place::new();
    let calls: Vec<_> = (0..8)
        .map(|n| {
            let name = format!("p{n}");
            place.world.call(&["profile", "set", &name, "--agent", "claude"]).start()
        })
        .collect();
    for call in calls {
        call.finish().succeeds();
    }
    assert_eq!(place.world.json(&["profile", "list"]).as_object().expect("a map").len(), 8);
}

#[test]
fn the_first_questions_of_claude_are_answered_without_losing_its_settings() {
    let place = Place::new();
    let file = place.world.home().join(".claude.json");
    let told = place.world.json(&["profile", "doctor", "claude"]);
    assert_eq!(keys(&told), "client path created hasCompletedOnboarding");
    assert_eq!(told["created"], true);
    std::fs::write(&file, r#"{"numStartups": 3, "hasCompletedOnboarding": false}"#).expect("ours");
    let told = place.world.json(&["profile", "doctor", "claude-code"]);
    assert_eq!(told["created"], false);
    let text = std::fs::read_to_string(&file).expect("it is there");
    let kept: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&kept["numStartups"], &kept["hasCompletedOnboarding"]), (&3.into(), &true.into()));
    std::fs::write(&file, "not json").expect("ours");
    place.world.run(&["profile", "doctor", "claude"]).refuses("nothing was changed");
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "not json");
    place.world.run(&["profile", "doctor", "codex"]).refuses("codex");
}

#[test]
fn the_wizard_makes_a_profile_of_answers() {
    let place = Place::new();
    // Program, provider, name, model, address, key, permissions, save, first questions.
    let answers = "1\nmoonshot-cn\nmoon\n\n\ncmd:pass moon\nedit\ny\ny\n";
    let told = place.world.call(&["--json", "profile", "wizard"]).stdin(answers).run();
    told.exits(0);
    assert_eq!(told.json(), serde_json::json!({"status": "saved", "profile": "moon"}));
    let made = place.profile("moon");
    assert_eq!((&made["agent"], &made["model"]), (&"claude".into(), &"kimi-k2.5".into()));
    assert_eq!(
        (&made["api_key_env"], &made["permissions"]),
        (&"cmd:pass moon".into(), &"edit".into())
    );
    assert!(place.world.home().join(".claude.json").exists());
    let told = place.world.call(&["profile", "wizard"]).stdin("1\n").run();
    told.exits(1);
    assert!(told.stderr.contains("cancelled"), "{told}");
    let told =
        place.world.call(&["profile", "wizard"]).stdin("codex\ncustom\nmine\n\n\n\n\nn\n").run();
    told.exits(1);
    assert_eq!(keys(&place.world.json(&["profile", "list"])), "moon");
}

//! `clawteam config`.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{World, keys};

const KEYS: &str = "data_dir user default_team default_profile transport task_store workspace \
                    default_backend skip_permissions spawn_prompt_delay spawn_ready_timeout \
                    default_model model_tiers timezone gource_path gource_resolution \
                    gource_seconds_per_day hooks plugins durability approval_proof allow_dialogs \
                    probe_reminder";

#[test]
fn show_tells_every_setting_and_where_it_comes_from() {
    let world = World::new();
    world.run(&["config", "set", "user", "alice"]).succeeds();
    let shown = world.call(&["--json", "config", "show"]).env("CLAWTEAM_TIMEZONE", "Asia/Tokyo");
    let shown = shown.run().succeeds().json();
    assert_eq!(keys(&shown), KEYS);
    assert!(shown.as_object().expect("an object").values().all(|v| keys(v) == "value source"));
    assert_eq!(shown["user"], json!({"value": "alice", "source": "file"}));
    assert_eq!(shown["timezone"], json!({"value": "Asia/Tokyo", "source": "env"}));
    assert_eq!(shown["skip_permissions"], json!({"value": "True", "source": "default"}));
    assert_eq!(shown["data_dir"]["source"], "env");

    let text = world.run(&["config", "show"]);
    let text = &text.succeeds().stdout;
    assert!(text.trim_start().starts_with("Configuration\n┏"), "{text}");
    assert!(text.contains("┃ Key ") && text.contains("┃ Value ") && text.contains("┃ Source "));
    assert!(text.contains("│ default_team           │ (empty)"), "{text}");
}

#[test]
fn get_tells_one_setting() {
    let world = World::new();
    world.run(&["config", "get", "user"]).shows("user = (empty)  (default)");
    assert_eq!(
        world.run(&["--json", "config", "get", "spawn_prompt_delay"]).stdout,
        "{\n  \"key\": \"spawn_prompt_delay\",\n  \"value\": \"2.0\",\n  \"source\": \"default\"\n}\n"
    );
    let option = world.json(&["--data-dir", "/elsewhere", "config", "get", "data_dir"]);
    assert_eq!(option, json!({"key": "data_dir", "value": "/elsewhere", "source": "env"}));
    world.run(&["config", "get", "nope"]).refuses(
        "Invalid key 'nope'. Valid: allow_dialogs, approval_proof, data_dir, default_backend, default_model, ",
    );
    world.run(&["--json", "config", "get", "nope"]).refuses_with("unknown_setting");
}

#[test]
fn set_keeps_what_it_does_not_know_and_is_readable_by_its_owner_alone() {
    let world = World::new();
    let file = world.home().join(".clawteam/config.json");
    std::fs::create_dir(world.home().join(".clawteam")).expect("a directory can be made");
    std::fs::write(&file, r#"{"future": {"a": [1, 2]}, "profiles": {"p": {"x": 1}}, "user": "b"}"#)
        .expect("a file can be written");
    world.run(&["config", "set", "user", "al [/x] :bug:"]).shows("OK user = al [/x] :bug:");
    let saved = world.json(&["config", "set", "skip_permissions", "no"]);
    assert_eq!(saved, json!({"status": "saved", "key": "skip_permissions", "value": "no"}));
    let text = std::fs::read_to_string(&file).expect("it was written");
    let document: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(document["future"], json!({"a": [1, 2]}));
    assert_eq!(document["profiles"], json!({"p": {"x": 1}}));
    assert_eq!(
        (&document["user"], &document["skip_permissions"]),
        (&json!("al [/x] :bug:"), &json!(false))
    );
    let mode = file.metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!world.data().exists(), "the settings are in the home, not in the data directory");
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_lost() {
    let world = World::new();
    world.run(&["config", "set", "user", "alice"]).succeeds();
    for (key, value) in [
        ("spawn_prompt_delay", "abc"),
        ("spawn_prompt_delay", "nan"),
        ("spawn_ready_timeout", "inf"),
        ("timezone", "Mars/Base"),
        ("default_backend", "screen"),
        ("workspace", "maybe"),
        ("durability", "none"),
        ("hooks", "[]x"),
    ] {
        world.run(&["--json", "config", "set", key, value]).refuses_with("invalid_setting");
    }
    world.run(&["config", "set", "--", "spawn_prompt_delay", "-1"]).refuses("spawn_prompt_delay");
    world.run(&["config", "set", "nope", "1"]).refuses("Invalid key 'nope'");
    world.run(&["config", "get", "user"]).shows("user = alice  (file)");
}

#[test]
fn a_settings_file_that_cannot_be_read_is_never_overwritten() {
    let world = World::new();
    let file = world.home().join(".clawteam/config.json");
    std::fs::create_dir(world.home().join(".clawteam")).expect("a directory can be made");
    for bad in ["{\"user\": \"alice\",", "[1]", "", "\u{0}\u{1}"] {
        std::fs::write(&file, bad).expect("a file can be written");
        world.run(&["config", "get", "user"]).warns("passed over");
        world.run(&["--json", "config", "set", "user", "bob"]).exits(1);
        world.run(&["config", "set", "user", "bob"]).exits(1);
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), bad);
        // Everything else goes on with the defaults.
        world.run(&["team", "discover"]).warns("passed over");
    }
}

#[test]
fn health_tries_the_data_directory() {
    let world = World::new();
    world.team(&[]);
    let health = world.json(&["config", "health"]);
    assert_eq!(
        keys(&health),
        "data_dir data_dir_source exists writable latency_ms is_mount teams_count user user_source"
    );
    assert_eq!(health["data_dir"], world.data().display().to_string());
    assert_eq!((&health["exists"], &health["writable"]), (&json!(true), &json!(true)));
    assert_eq!((&health["teams_count"], &health["is_mount"]), (&json!(1), &json!(false)));
    assert!(health["latency_ms"].as_f64().expect("a number") >= 0.0);
    assert_eq!(world.names(""), ["tasks", "teams"], "the trial left something behind");

    let text = world.run(&["config", "health"]);
    let text = &text.succeeds().stdout;
    for line in ["  Exists: yes", "  Writable: yes", "  Teams: 1", "  User: (not set) (default)"] {
        assert!(text.contains(line), "{text}");
    }
    world.put("file", "");
    let nowhere = world.data().join("file/below");
    let nowhere = nowhere.to_str().expect("a plain path");
    let health = world.json(&["--data-dir", nowhere, "config", "health"]);
    assert_eq!((&health["writable"], &health["latency_ms"]), (&json!(false), &json!(-1.0)));
    assert!(health["write_error"].as_str().expect("a reason").contains("below"));
}

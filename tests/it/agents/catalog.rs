//! What is known of programs, and what is learned of them.

use std::fs;

use super::Place;
use crate::support::changes;
use crate::support::tree;
use crate::until;

#[test]
fn the_documented_form_names_the_program_first() {
    let place = Place::new(&["claude"], &[]);
    let told = place.json(&["spawn", "claude", "--team", "t", "-n", "w"]);
    assert_eq!(told["backend"], "tmux");
    assert_eq!(told["stage"], "ready");
}

#[test]
fn a_missing_default_names_what_is_installed() {
    let place = Place::new(&["codex", "pi"], &[]);
    let bin = place.world.top().join("bin");
    let call = place.world.call(&["--json", "spawn", "--team", "t"]);
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let ran = call.env("PATH", path).run();
    ran.exits(1);
    let error = ran.json();
    assert_eq!(error["code"], "command_not_found", "{error}");
    let hint = error["hint"].as_str().expect("a hint");
    // Besides what else this machine has.
    assert!(hint.contains("codex") && hint.contains("pi"), "{hint}");
}

#[test]
fn a_dry_run_shows_the_plan_without_secrets_and_does_nothing() {
    let place = Place::new(&["claude"], &[("MY_API_KEY", "hush-hush")]);
    place.world.team(&["other"]);
    let before = tree(&place.world.top());
    let plan =
        place.json(&["spawn", "claude", "--team", "t", "-n", "w", "--task", "Dig", "--dry-run"]);
    assert_eq!(plan["dryRun"], true);
    let plan = &plan["plan"];
    assert_eq!(plan["promptBy"], "typed");
    assert!(plan["prompt"].as_str().expect("a prompt").contains("Dig"));
    assert!(plan["env"].to_string().contains("CLAWTEAM_TEAM_NAME=t"), "{plan}");
    assert!(plan["env"].to_string().contains("CLAWTEAM_AGENT_ID=(new)"), "{plan}");
    assert!(!plan.to_string().contains("hush-hush"), "{plan}");
    let answer = |name: &str| {
        let dialogs = plan["dialogs"].as_array().expect("dialogs");
        let found = dialogs.iter().find(|dialog| dialog["name"] == name);
        found.expect("it is known")["answer"].as_str().expect("a word").to_owned()
    };
    assert_eq!((&*answer("trust-folder"), &*answer("api-key")), ("yes", "no"));
    assert_eq!((&*answer("bypass-mode"), &*answer("login")), ("yes", "left to you"));
    let made = changes(&place.world.top(), &before);
    let probes = |path: &String| !path.contains("/data/probes") && !path.ends_with("/data");
    assert_eq!(made.into_iter().filter(probes).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_row_of_the_user_is_enough_for_a_new_program_and_a_bad_one_stops_nothing() {
    let place = Place::new(&["helper"], &[("FAKE_MARK", "⟫")]);
    place.row("broken", "title = 'x'\nmodle = ['--model']\n");
    let words = [
        "agent",
        "add",
        "helper",
        "--title",
        "My helper",
        "--model",
        "--llm {}",
        "--composer",
        "⟫",
        "--working",
        "esc to interrupt",
        "--full",
        "--no-questions",
    ];
    place.world.run(&words).exits(0);
    place.world.run(&words).refuses("has a row of yours already");
    let listed = place.world.run(&["--json", "agent", "list"]);
    listed.exits(0);
    assert!(listed.stderr.contains("broken.toml:2: unknown field `modle`"), "{listed}");
    let rows = listed.json();
    let row = rows.as_array().expect("rows").iter().find(|row| row["name"] == "helper");
    assert_eq!(row.expect("it is listed")["installed"], true);
    let told = place.spawn("helper", &["--task", "Dig", "--model", "M"]);
    assert_eq!(told["prompt"], "delivered", "{told}");
    assert_eq!(told["stage"], "working", "{told}");
    assert!(place.log().contains("argv --no-questions --llm M"), "{}", place.log());

    // The project's word counts more than the user's.
    let rows = place.world.cwd().join(".clawteam/agents");
    fs::create_dir_all(&rows).expect("a directory can be made");
    fs::write(rows.join("helper.toml"), "model = ['--brain', '{}']\n").expect("a file");
    let plan = place.json(&["spawn", "helper", "--dry-run", "--model", "M"]);
    assert!(plan["plan"]["argv"].to_string().contains("--brain"), "{plan}");
    let shown = place.world.run(&["agent", "show", "helper"]);
    shown.exits(0);
    assert!(shown.stdout.contains("brain") && shown.stdout.contains("--no-questions"), "{shown}");
}

/// Gemini CLI, for one, takes no notice of its window being closed.
#[test]
fn a_program_that_outlives_its_window_is_ended_when_it_was_probed() {
    let place = Place::new(&[], &[]);
    let pids = place.world.top().join("pids");
    let body = format!(
        "#!/bin/sh\ncase $1 in --*) exit;; esac\ntrap '' HUP TERM\n\
         sleep 600 & echo $$ $! > {}\nprintf 'loading'\nwhile :; do sleep 1; done\n",
        pids.display()
    );
    place.program("gemini", &body);
    place.world.run(&["agent", "probe", "gemini", "--timeout", "2"]).exits(1);
    let pids = fs::read_to_string(pids).expect("it ran");
    assert_eq!(pids.split_whitespace().count(), 2);
    for pid in pids.split_whitespace() {
        until("it is gone", || !std::path::Path::new("/proc").join(pid).exists());
    }
}

#[test]
fn a_probe_learns_what_a_program_does_and_ends_the_reminder() {
    let variables = [
        ("FAKE", "trust"),
        ("FAKE_HELP", "  --model M   --session-id ID"),
        ("CLAWTEAM_PROBE_REMINDER", "true"),
    ];
    let place = Place::new(&["claude"], &variables);
    let plan = ["spawn", "claude", "--dry-run"];
    let first = place.world.run(&plan);
    first.exits(0);
    assert!(first.stderr.contains("agent probe claude"), "{first}");
    let second = place.world.run(&plan);
    second.exits(0);
    assert!(!second.stderr.contains("agent probe claude"), "it was told twice: {second}");

    let probed = place.json(&["agent", "probe", "claude", "--send", "hello"]);
    let release = &probed[0]["release"];
    assert_eq!(release["version"], "fake 1.2.3");
    let seen = &release["screen"];
    assert_eq!(seen["ready"], true, "{probed}");
    assert_eq!(seen["answered"][0]["name"], "trust-folder");
    assert_eq!((&seen["bracketedPaste"], &seen["submit"]), (&true.into(), &"Enter".into()));
    assert_eq!(release["flags"][""], serde_json::json!(["--model", "--session-id"]));
    assert_eq!(place.world.tmux(&["list-sessions"]), "", "it was started among the teams' windows");

    // The help does not show what is about to be passed.
    let after = place.world.run(&plan);
    after.exits(0);
    assert!(after.stderr.contains("does not show --dangerously-skip-permissions"), "{after}");
    assert!(!after.stderr.contains("agent probe"), "{after}");
    let listed = place.json(&["agent", "list"]);
    let row = listed.as_array().expect("rows").iter().find(|row| row["name"] == "claude");
    assert_eq!(row.expect("it is listed")["probed"], true);
}

#[test]
fn a_probe_leaves_a_key_alone_whose_refusal_would_be_remembered() {
    let place = Place::new(&["claude"], &[("FAKE", "key")]);
    let ran = place.world.run(&["--json", "agent", "probe", "claude"]);
    ran.exits(1);
    assert_eq!(ran.json()[0]["release"]["screen"]["left_at"]["name"], serde_json::Value::Null);
    assert_eq!(ran.json()[0]["release"]["screen"]["leftAt"]["name"], "api-key");
    assert!(!place.log().contains("key:"), "{}", place.log());
}

#[test]
fn an_option_that_only_newer_releases_have_is_passed_to_those() {
    for (help, passed) in [("--model --no-daemon", true), ("--model", false), ("", false)] {
        let place = Place::new(&["codex"], &[("FAKE_HELP", help)]);
        let plan = place.json(&["spawn", "codex", "--dry-run"]);
        assert_eq!(plan["plan"]["argv"].to_string().contains("--no-daemon"), passed, "{help}");
    }
}

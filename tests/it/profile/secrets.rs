//! Secrets reach agents and nothing else.

use std::fs;

use super::{Place, leaks};
use crate::until;

/// Writes what it was given to a file that its profile names, outside of the data directory.
const AGENT: &str = r#"printf '%s|%s|%s|%s' "$ANTHROPIC_AUTH_TOKEN" "$FROM_CMD" "$OPEN_TOKEN" "$GITHUB_TOKEN" > "$OUT.tmp"
mv "$OUT.tmp" "$OUT"
printf 'ready> '
read -r line
exit 3"#;

const SECRETS: [&str; 4] =
    ["sk-by-name-1234", "by-command-1234", "in-the-open-1234", "inherited-1234"];

fn place() -> Place {
    let place = Place::with(&[("WORK_KEY", SECRETS[0]), ("GITHUB_TOKEN", SECRETS[3])]);
    let agent = place.script("agent", AGENT);
    let out = format!("OUT={}", place.world.top().join("out").display());
    fs::write(place.world.top().join("cmd"), SECRETS[1]).expect("ours");
    let by_command = format!("FROM_CMD=cmd:cat {}", place.world.top().join("cmd").display());
    let set = [
        "profile",
        "set",
        "p",
        "--command",
        &agent,
        "--api-key-env",
        "WORK_KEY",
        "--api-key-target-env",
        "ANTHROPIC_AUTH_TOKEN",
        "--env",
        &out,
        "--env",
        &by_command,
        "--env",
        "OPEN_TOKEN=in-the-open-1234",
    ];
    place.world.run(&set).warns("OPEN_TOKEN");
    place
}

fn got(place: &Place) -> Vec<String> {
    let out = place.world.top().join("out");
    until("the agent has started", || out.exists());
    let text = fs::read_to_string(&out).expect("it is there");
    fs::remove_file(&out).expect("ours");
    text.split('|').map(str::to_owned).collect()
}

fn assert_no_leaks(place: &Place) {
    for secret in SECRETS {
        assert_eq!(
            leaks(&place.world.data(), secret),
            Vec::<std::path::PathBuf>::new(),
            "{secret}"
        );
    }
}

#[test]
fn an_agent_has_them_at_its_start_and_at_each_later_one_and_no_file_has() {
    let place = place();
    // The server's own environment has none of them.
    let spawn = ["spawn", "tmux", "-t", "t", "-n", "w", "--no-workspace", "--profile", "p"];
    place.world.run(&["team", "spawn-team", "t", "-n", "lead"]).succeeds();
    let task = place.world.task(&["Begun", "--owner", "w"]);
    place.world.json(&spawn);
    assert_eq!(got(&place), SECRETS);
    assert_no_leaks(&place);
    let plan = place.world.document("agents/t/w.plan.json");
    assert_eq!(plan["secrets"]["ANTHROPIC_AUTH_TOKEN"], "env:WORK_KEY");
    assert_eq!(plan["secrets"]["OPEN_TOKEN"], "profile:p/OPEN_TOKEN");
    assert_eq!(plan["profile"], "p");
    let begin = ["task", "update", "t", &task, "--status", "in_progress"];
    place.world.run_as("w", &begin).succeeds();
    // It ends with an error and work is left: its runner starts it again.
    let window = place.world.document("agents/t/w.json")["window"]["window"].clone();
    let mut tmux = std::process::Command::new("tmux");
    tmux.arg("-S").arg(place.world.top().join("tmux.socket")).env_remove("TMUX");
    tmux.args(["send-keys", "-t", window.as_str().expect("a window"), "Enter"]);
    assert!(tmux.status().expect("tmux runs").success());
    assert_eq!(got(&place), SECRETS, "after a respawn");
    assert_no_leaks(&place);
}

#[test]
fn an_agent_in_the_background_has_them_too() {
    let place = place();
    let spawn = ["spawn", "subprocess", "-t", "t", "-n", "w", "--no-workspace", "--profile", "p"];
    // It reads nothing and ends at once; what it was given is what counts.
    let _ = place.world.run(&spawn);
    assert_eq!(got(&place), SECRETS);
    assert_no_leaks(&place);
}

#[test]
fn one_that_is_not_to_be_had_is_told_at_once_and_nothing_is_left() {
    let place = Place::new();
    let agent = place.script("agent", "sleep 600");
    let set = |env: &str| {
        place.world.run(&["profile", "set", "p", "--command", &agent, "--env", env]).exits(0);
    };
    let spawn = ["spawn", "-t", "t", "-n", "w", "--no-workspace", "--profile", "p"];
    set("A=env:NOT_SET_HERE");
    let told = place.world.run(&spawn);
    told.refuses("$NOT_SET_HERE");
    assert!(told.stderr.contains("export NOT_SET_HERE"), "{told}");
    set("A=cmd:echo no luck >&2; exit 4");
    let told = place.world.run(&spawn);
    told.refuses("status 4: no luck");
    assert_eq!(place.world.json(&["team", "discover"]), serde_json::json!([]), "{told}");
}

//! `clawteam setup <program>`: clawteam in the settings of agent programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Value, json};

use super::support::{Ran, World, changes, tree};

/// Every program that can be set up.
const AGENTS: [&str; 11] = [
    "claude", "codex", "gemini", "openclaw", "cursor", "opencode", "qwen", "kimi", "hermes",
    "nanobot", "pi",
];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
    fs::write(path, text).expect("a file can be written");
}

fn json_in(path: &Path) -> Value {
    serde_json::from_str(&read(path)).expect("JSON")
}

/// A world with an `openclaw` that writes down how it is called.
fn world() -> World {
    let world = World::new();
    let bin = world.top().join("bin");
    write(&bin.join("openclaw"), "#!/bin/sh\necho \"$@\" >> \"$HOME/openclaw.calls\"\n");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(bin.join("openclaw"), mode).expect("it is ours");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    world.env("PATH", path)
}

fn setup(world: &World, agent: &str, more: &[&str]) -> Ran {
    world.run(&[&["setup", agent], more].concat())
}

/// The home without what clawteam keeps for itself.
fn home(world: &World) -> Vec<(String, Option<Vec<u8>>)> {
    let top = world.home();
    let own = top.join(".clawteam");
    tree(&top)
        .into_iter()
        .filter(|(path, _)| !path.starts_with(&own) && !path.ends_with("openclaw.calls"))
        .map(|(path, held)| (path.display().to_string(), held))
        .collect()
}

const CLAUDE_SETTINGS: &str = r#"{
  "model": "opus",
  "hooks": {
    "Stop": [{"hooks": [{"type": "command", "command": "mine"}]}]
  },
  "permissions": {"allow": ["Bash(ls:*)"], "deny": []}
}
"#;

/// What a user of all programs may have.
fn furnish(world: &World) {
    let home = world.home();
    write(&home.join(".claude/settings.json"), CLAUDE_SETTINGS);
    write(&home.join(".claude.json"), "{\"numStartups\": 3, \"mcpServers\": {}}");
    write(
        &home.join(".codex/config.toml"),
        "# mine\nmodel = \"gpt\" # the best\n\n[projects.\"/p\"]\ntrust_level = \"trusted\"\n",
    );
    write(
        &home.join(".gemini/settings.json"),
        "{\n  // comments are allowed here\n  \"ui\": {},\n}\n",
    );
    write(&home.join(".openclaw/openclaw.json"), "{agents: {defaults: {workspace: '~/w'}}}\n");
    write(
        &home.join(".config/opencode/opencode.jsonc"),
        "{\n  \"permission\": \"allow\" /* all */\n}",
    );
    write(&home.join(".nanobot/config.json"), "{\"tools\": {}}");
}

#[test]
fn every_program_is_set_up_once_and_undone_to_the_byte() {
    for full in [false, true] {
        let world = world();
        if full {
            furnish(&world);
        }
        let before = home(&world);
        for agent in AGENTS {
            let untouched = home(&world);
            let shown = setup(&world, agent, &["--dry-run"]);
            assert!(shown.succeeds().stdout.contains("+++ "), "{shown}");
            assert_eq!(home(&world), untouched, "{agent}: a dry run changes nothing");
            setup(&world, agent, &["--yes"]).succeeds();
            let done = home(&world);
            assert_ne!(done, untouched, "{agent}");
            let again = setup(&world, agent, &["--yes"]);
            assert!(again.succeeds().stdout.starts_with("Nothing to do"), "{again}");
            assert_eq!(home(&world), done, "{agent}");
            let skill = done.iter().any(|(path, _)| path.ends_with("skills/clawteam/SKILL.md"));
            assert!(skill, "{agent}");
        }
        for agent in AGENTS {
            setup(&world, agent, &["--undo", "--yes"]).succeeds();
            setup(&world, agent, &["--undo", "--yes"]).refuses("was not set up");
        }
        assert_eq!(home(&world), before, "full: {full}");
    }
}

#[test]
fn claude_gets_hooks_server_permissions_and_skill() {
    let world = world();
    furnish(&world);
    setup(&world, "claude", &["--yes"]).succeeds();
    let program = env!("CARGO_BIN_EXE_clawteam");
    let settings = json_in(&world.home().join(".claude/settings.json"));
    let stop = settings["hooks"]["Stop"].as_array().expect("a list");
    assert_eq!(stop[0]["hooks"][0]["command"], "mine", "the user's own comes first");
    assert_eq!(
        stop[1],
        json!({"hooks": [{
            "type": "command", "command": format!("{program} hook-event claude"), "timeout": 5
        }]})
    );
    let start = settings["hooks"]["SessionStart"].as_array().expect("a list");
    assert_eq!(start[1]["hooks"][0]["command"], format!("{program} prime --for claude"));
    for event in ["UserPromptSubmit", "PermissionRequest", "PostToolUse", "Notification"] {
        assert!(settings["hooks"][event].is_array(), "{event}");
    }
    assert_eq!(
        settings["permissions"]["allow"],
        json!(["Bash(ls:*)", "Bash(clawteam:*)", "mcp__clawteam"])
    );
    let servers = json_in(&world.home().join(".claude.json"));
    assert_eq!(
        servers["mcpServers"]["clawteam"],
        json!({"type": "stdio", "command": program, "args": ["mcp"]})
    );
    // The server that stands there answers.
    let said = world.call(&["mcp"]).stdin("").run();
    assert_eq!(said.status, 0, "{said}");
    setup(&world, "claude", &["--yes", "--git"]).succeeds();
    let allowed = json_in(&world.home().join(".claude/settings.json"));
    let allowed = allowed["permissions"]["allow"].as_array().expect("a list").clone();
    assert!(allowed.contains(&json!("Bash(git commit:*)")), "{allowed:?}");
    setup(&world, "claude", &["--undo", "--yes"]).succeeds();
    assert_eq!(read(&world.home().join(".claude/settings.json")), CLAUDE_SETTINGS);
}

#[test]
fn codex_keeps_the_comments_and_the_notifier_of_its_user() {
    let world = world();
    let config = world.home().join(".codex/config.toml");
    let mine = "# mine\nnotify = [\"beep\"]\n\n[mcp_servers.other] # keep\ncommand = \"o\"\n";
    write(&config, mine);
    setup(&world, "codex", &["--yes"]).succeeds();
    let text = read(&config);
    assert!(text.starts_with(mine), "{text}");
    let table: toml::Table = text.parse().expect("TOML");
    let server = &table["mcp_servers"]["clawteam"];
    assert_eq!(server["args"][0].as_str(), Some("mcp"));
    let passed_on = server["env_vars"].as_array().expect("a list");
    assert!(passed_on.iter().any(|name| name.as_str() == Some("CLAWTEAM_AGENT_NAME")));
    assert_eq!(table["notify"][0].as_str(), Some("beep"));
    let hooks = json_in(&world.home().join(".codex/hooks.json"));
    assert_eq!(hooks["hooks"]["SessionStart"].as_array().map(Vec::len), Some(2));
    let rules = read(&world.home().join(".codex/rules/clawteam.rules"));
    assert_eq!(rules, "prefix_rule(pattern=[\"clawteam\"], decision=\"allow\")\n");
    setup(&world, "codex", &["--undo", "--yes"]).succeeds();
    assert_eq!(read(&config), mine);
    // Without one of the user's, Codex notifies clawteam.
    write(&config, "model = \"m\"\n[a]\nb = 1\n");
    setup(&world, "codex", &["--yes"]).succeeds();
    let table: toml::Table = read(&config).parse().expect("TOML");
    assert_eq!(table["notify"][1].as_str(), Some("hook-event"));
}

#[test]
fn openclaw_gets_exec_approvals_by_its_own_command() {
    let world = world();
    furnish(&world);
    setup(&world, "openclaw", &["--yes"]).succeeds();
    let calls = world.home().join("openclaw.calls");
    let program = env!("CARGO_BIN_EXE_clawteam");
    let added = format!("approvals allowlist add --agent * {program}\n");
    assert_eq!(read(&calls), added);
    let config = read(&world.home().join(".openclaw/openclaw.json"));
    assert!(config.contains("workspace: '~/w'") && config.contains("\"clawteam\""), "{config}");
    setup(&world, "openclaw", &["--yes"]).succeeds();
    assert_eq!(read(&calls), added, "once is enough");
    setup(&world, "openclaw", &["--undo", "--yes"]).succeeds();
    assert_eq!(read(&calls), format!("{added}approvals allowlist remove --agent * {program}\n"));
}

#[test]
fn a_program_that_is_missing_is_told_and_made_up_for_later() {
    let bare = World::new();
    let told = bare.call(&["setup", "openclaw", "--yes"]).env("PATH", "/nowhere").run();
    told.exits(1);
    assert!(told.stderr.contains("openclaw is not installed; when it is, run: openclaw approvals"));
    assert!(bare.home().join(".openclaw/skills/clawteam/SKILL.md").is_file());
    let again = bare.call(&["setup", "openclaw", "--yes"]).env("PATH", "/nowhere").run();
    again.exits(1);
}

#[test]
fn what_the_user_does_afterwards_stays() {
    let world = world();
    furnish(&world);
    setup(&world, "claude", &["--yes"]).succeeds();
    let settings = world.home().join(".claude/settings.json");
    let edited = read(&settings).replace("\"model\": \"opus\"", "\"model\": \"haiku\"");
    write(&settings, &edited.replace("\"mcp__clawteam\"", "\"mcp__clawteam\",\n      \"Bash(x)\""));
    let skill = world.home().join(".claude/skills/clawteam/SKILL.md");
    write(&skill, "mine now");
    setup(&world, "claude", &["--yes"]).succeeds();
    assert_eq!(read(&skill), "mine now", "setting up again leaves it, too");
    let undone = setup(&world, "claude", &["--undo", "--yes"]);
    assert!(undone.succeeds().stdout.contains("you have changed"), "{undone}");
    assert_eq!(read(&skill), "mine now");
    let mut wanted: Value = serde_json::from_str(CLAUDE_SETTINGS).expect("JSON");
    wanted["model"] = json!("haiku");
    wanted["permissions"]["allow"] = json!(["Bash(ls:*)", "Bash(x)"]);
    assert_eq!(json_in(&settings), wanted);
}

#[test]
fn nothing_happens_without_a_yes() {
    let world = world();
    furnish(&world);
    let before = tree(&world.home());
    let asked = world.call(&["setup", "claude"]).stdin("n\n").run();
    asked.exits(1);
    assert!(
        asked.stderr.contains("+++ ") && asked.stderr.contains("nothing was changed"),
        "{asked}"
    );
    let json = world.run(&["--json", "setup", "claude"]);
    json.exits(1);
    assert_eq!(json.json()["code"], "not_confirmed");
    let planned = world.json(&["setup", "claude", "--dry-run"]);
    assert_eq!(
        (&planned["status"], &planned["files"][0]["status"]),
        (&json!("planned"), &json!("changed"))
    );
    assert_eq!(changes(&world.home(), &before), Vec::<String>::new());
    let agreed = world.call(&["setup", "claude"]).stdin("y\n").run();
    agreed.exits(0);
}

#[test]
fn files_that_cannot_be_understood_are_left_alone() {
    for (agent, file, text, told) in [
        ("claude", ".claude/settings.json", "{\n\"a\": [1,\n", "settings.json: line "),
        ("claude", ".claude/settings.json", "{\"hooks\": []}", "'hooks' is not an object"),
        ("claude", ".claude.json", "[]", "is not an object"),
        ("codex", ".codex/config.toml", "a = 1\nb = = 2\n", "config.toml: line 2 "),
        ("codex", ".codex/config.toml", "mcp_servers = 3\n", "'mcp_servers' is not a table"),
    ] {
        let world = world();
        write(&world.home().join(file), text);
        let before = tree(&world.home());
        setup(&world, agent, &["--yes"]).refuses(told);
        assert_eq!(changes(&world.home(), &before), Vec::<String>::new(), "{agent} {text}");
    }
}

#[test]
fn links_stay_links_and_modes_stay_modes() {
    let world = world();
    let kept = world.top().join("dotfiles/settings.json");
    write(&kept, "{}\n");
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let link = world.home().join(".claude/settings.json");
    fs::create_dir_all(world.home().join(".claude")).expect("it can be made");
    symlink(&kept, &link).expect("a link can be made");
    setup(&world, "claude", &["--yes"]).succeeds();
    assert!(link.is_symlink());
    assert!(read(&kept).contains("hook-event claude"));
    assert_eq!(fs::metadata(&kept).expect("it is there").permissions().mode() & 0o777, 0o600);
    let backup = world.home().join(".clawteam/setup/claude.before/0");
    assert_eq!(read(&backup), "{}\n");
    assert_eq!(fs::metadata(&backup).expect("it is there").permissions().mode() & 0o777, 0o600);
    setup(&world, "claude", &["--undo", "--yes"]).succeeds();
    assert!(link.is_symlink());
    assert_eq!(read(&kept), "{}\n");
}

#[test]
fn a_project_has_settings_of_its_own() {
    let world = world();
    let before = home(&world);
    setup(&world, "claude", &["--project", "--yes"]).succeeds();
    assert_eq!(home(&world), before, "the user's own stay as they are");
    let project = world.cwd();
    assert_eq!(
        json_in(&project.join(".mcp.json"))["mcpServers"]["clawteam"]["command"],
        "clawteam",
        "for everybody who works on it"
    );
    assert!(read(&project.join(".claude/settings.json")).contains("clawteam hook-event claude"));
    setup(&world, "hermes", &["--project", "--yes"]).exits(2);
    setup(&world, "claude", &["--undo", "--yes"]).refuses("was not set up");
    let path = project.display().to_string();
    setup(&world, "claude", &["--project", &path, "--undo", "--yes"]).succeeds();
    assert_eq!(tree(&project).len(), 0);
}

#[test]
fn the_environment_says_where_the_settings_are() {
    let world = world();
    let elsewhere = world.top().join("elsewhere");
    for (agent, variable, file) in [
        ("claude", "CLAUDE_CONFIG_DIR", "settings.json"),
        ("claude", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("codex", "CODEX_HOME", "config.toml"),
        ("gemini", "GEMINI_CLI_HOME", ".gemini/settings.json"),
    ] {
        let call = world.call(&["setup", agent, "--yes"]).env(variable, &elsewhere);
        call.run().exits(0);
        assert!(elsewhere.join(file).is_file(), "{agent}");
        let undo = world.call(&["setup", agent, "--yes", "--undo"]).env(variable, &elsewhere);
        undo.run().exits(0);
        assert!(!elsewhere.exists(), "{agent}");
    }
    assert_eq!(home(&world), Vec::new());
    // Two places are two setups.
    setup(&world, "claude", &["--yes"]).succeeds();
    let call = world.call(&["setup", "claude", "--yes"]).env("CLAUDE_CONFIG_DIR", &elsewhere);
    call.run().exits(0);
    setup(&world, "claude", &["--undo", "--yes"]).succeeds();
    assert!(elsewhere.join("settings.json").is_file() && home(&world).is_empty());
}

#[test]
fn secrets_beside_a_change_are_not_shown() {
    let world = world();
    write(&world.home().join(".claude.json"), "{\n  \"primaryApiKey\": \"sk-secret\"\n}\n");
    let shown = setup(&world, "claude", &["--dry-run"]);
    assert!(!shown.succeeds().stdout.contains("sk-secret"), "{shown}");
    let told = world.json(&["setup", "claude", "--dry-run"]).to_string();
    assert!(!told.contains("sk-secret"), "{told}");
}

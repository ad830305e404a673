//! How prompts reach programs, and what is on their command lines.

use std::fs;
use std::net::TcpListener;

use super::Place;
use crate::support::tree;
use crate::until;

/// Writes its arguments down, one a line, and waits.
const ARGUMENTS: &str = "#!/bin/sh\n[ \"$1\" = --help ] || [ \"$2\" = --help ] && { echo \"$FAKE_HELP\"; exit; }\n\
                         printf '%s\\n' \"$@\" > \"$FAKE_LOG.tmp\"; env | sort > \"$FAKE_LOG.env\"\n\
                         mv \"$FAKE_LOG.tmp\" \"$FAKE_LOG\"; exec sleep 600\n";

/// Everything that could be taken for a key, a mark or an option.
const HOSTILE: &str =
    "-x Enter\nC-c C-d \u{1b}[201~ rm -rf ; $HOME `id` 'quoted' \"twice\"\n\n\t#{pid} ü 漢";

#[test]
fn a_prompt_arrives_as_it_is_with_and_without_marks_of_a_paste() {
    for plain in [false, true] {
        let mut variables = vec![("FAKE", "trust"), ("FAKE_MARK", "›")];
        if plain {
            variables.push(("FAKE_PLAIN", "1"));
        }
        let place = Place::new(&["codex"], &variables);
        let told = place.spawn("codex", &["--task", HOSTILE]);
        assert_eq!(told["prompt"], "delivered", "{told}");
        until("the prompt is there", || place.told().contains("漢"));
        let got = place.told();
        let expected = HOSTILE.replace('\u{1b}', "\\x1b");
        assert!(got.contains(&expected), "plain {plain}: {got}");
        assert_eq!(got.matches("-x Enter").count(), 1, "it was sent twice");
    }
}

#[test]
fn a_prompt_that_is_typed_is_on_no_command_line_and_in_no_registry() {
    let place = Place::new(&["codex"], &[("FAKE_MARK", "›")]);
    place.spawn("codex", &["--task", "the word is swordfish"]);
    let registry = place.world.document("teams/t/spawn_registry.json").to_string();
    let windows =
        place.world.tmux(&["list-panes", "-a", "-F", "#{pane_start_command} #{pane_pid}"]);
    let mut lines = String::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        // This test's own words are not the agent's.
        if line.contains("codex") {
            lines.push_str(&line);
        }
    }
    for text in [&registry, &windows, &lines, &place.log()] {
        assert!(!text.contains("swordfish"), "{text}");
    }
    assert!(place.told().contains("swordfish"));
}

#[test]
fn a_key_of_its_own_submits() {
    let place = Place::new(&["notes"], &[("FAKE_KEY", "\u{7}")]);
    place.row(
        "notes",
        "[screen]\nsubmit = 'C-g'\ncomposer = { prefix = ['❯'] }\nworking = ['esc to interrupt']\n",
    );
    let told = place.spawn("notes", &["--task", "one\ntwo"]);
    assert_eq!(told["prompt"], "delivered", "{told}");
    until("it was sent", || place.told().contains("one\ntwo"));
}

#[test]
fn a_prompt_that_is_too_long_for_a_command_line_is_read_from_its_file() {
    let place = Place::new(&[], &[]);
    place.program("qwen", ARGUMENTS);
    let task = "word ".repeat(25_000);
    place.spawn("qwen", &["--task", &task]);
    until("it runs", || place.log().contains("-p"));
    let log = place.log();
    assert!(
        log.len() < 10_000 && log.contains("Your instructions are in the file"),
        "{}",
        log.len()
    );
    let file = log.split("in the file ").nth(1).and_then(|rest| rest.split(". Read").next());
    let prompt = fs::read_to_string(file.expect("a file")).expect("it is there");
    assert!(prompt.contains(&task));
}

#[test]
fn a_model_and_a_level_reach_each_program_in_its_own_way() {
    for (program, level, words) in [
        ("claude", "full", "--dangerously-skip-permissions --model M"),
        ("claude", "edit", "--permission-mode acceptEdits --model M"),
        (
            "codex",
            "edit",
            "--sandbox workspace-write --ask-for-approval on-request --add-dir DATA --model M",
        ),
        ("gemini", "edit", "--approval-mode auto_edit --model M"),
        ("kimi", "full", "--yolo -w DIR --model M"),
        ("qwen", "ask", "--model M"),
        ("opencode", "full", "--yolo --model M"),
        ("hermes", "full", "chat --yolo --source tool -m M"),
        ("cursor-agent", "full", "--force --model M"),
        ("pi", "full", "--model M"),
    ] {
        let place = Place::new(&[], &[("FAKE_HELP", "")]);
        place.program(program, ARGUMENTS);
        let plan = place.json(&[
            "spawn",
            "tmux",
            "--team",
            "t",
            "-n",
            "w",
            "--dry-run",
            "--model",
            "M",
            "--permissions",
            level,
            "--",
            program,
        ]);
        let argv: Vec<&str> = plan["plan"]["argv"]
            .as_array()
            .expect("words")
            .iter()
            .filter_map(|w| w.as_str())
            .collect();
        let line = argv.join(" ").replace(place.world.cwd().to_str().expect("text"), "DIR");
        let line = line.replace(place.world.data().to_str().expect("text"), "DATA");
        assert!(line.ends_with(words), "{program}: {line}");
    }
}

#[test]
fn what_shows_where_the_caller_is_does_not_reach_an_agent() {
    let variables = [
        ("CLAUDECODE", "1"),
        ("CLAUDE_CODE_SESSION_ID", "s"),
        ("TMUX", "/x,1,0"),
        ("TMUX_PANE", "%9"),
    ];
    let place = Place::new(&[], &variables);
    place.program("claude", ARGUMENTS);
    place.json(&["spawn", "subprocess", "--team", "t", "-n", "w", "--task", "x", "--", "claude"]);
    until("it runs", || !place.log().is_empty());
    let environment =
        fs::read_to_string(place.world.top().join("log.env")).expect("its environment");
    for (name, _) in variables {
        assert!(!environment.contains(&format!("\n{name}=")), "{name} in {environment}");
    }
    let arguments = place.log();
    assert!(arguments.contains("--session-id\n") && arguments.contains("-p\n"), "{arguments}");
}

#[test]
fn root_is_told_that_claude_will_ask_unless_it_is_in_a_sandbox() {
    let place = Place::new(&["claude"], &[]);
    let plan = place.json(&["spawn", "claude", "--dry-run"]);
    assert!(plan.to_string().contains("--dangerously-skip-permissions"), "{plan}");
    let call = place.world.call(&["spawn", "claude", "--dry-run"]).without_env("IS_SANDBOX");
    let ran = call.run();
    ran.exits(0);
    let root = ran.stderr.contains("refuses --dangerously-skip-permissions for root");
    assert_eq!(root, !ran.stdout.contains("--dangerously-skip-permissions"), "{ran}");
    let (level, bypass) = if root { ("ask", "left to you") } else { ("full", "yes") };
    for line in [format!("Permissions: {level}\n"), format!("bypass-mode: {bypass}\n")] {
        assert!(ran.stdout.contains(&line), "no {line:?}: {ran}");
    }
}

#[test]
fn openclaw_runs_with_and_without_its_gateway_and_in_its_directory() {
    let gateway = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = gateway.local_addr().expect("an address").port();
    let help = "--local --session <key> --message <text>";
    let plan = |port: u16| {
        let place = Place::new(&[], &[("FAKE_HELP", help)]);
        place.program("openclaw", ARGUMENTS);
        let port = port.to_string();
        let words = ["--json", "spawn", "openclaw", "--dry-run", "--model", "M"];
        let ran = place.world.call(&words).env("OPENCLAW_GATEWAY_PORT", &port).run();
        ran.exits(0);
        let plan = ran.json()["plan"].clone();
        let cwd = place.world.cwd().display().to_string();
        let env = plan["env"].to_string();
        assert!(env.contains(&format!("OPENCLAW_WORKSPACE_DIR={cwd}")), "{env}");
        assert!(ran.stderr.contains("has no --model"), "{ran}");
        let argv = plan["argv"].as_array().expect("words").iter().filter_map(|w| w.as_str());
        argv.map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    let line = plan(port);
    assert!(line.contains("tui --session") && !line.contains("--local"), "{line}");
    drop(gateway);
    let line = plan(port);
    assert!(line.contains("--local") && !line.contains("--model"), "{line}");
}

#[test]
fn openclaw_agents_without_a_gateway_do_not_share_a_state() {
    let place = Place::new(&[], &[("FAKE_HELP", "--local"), ("OPENCLAW_GATEWAY_PORT", "1")]);
    place.program("openclaw", ARGUMENTS);
    let own = place.world.home().join(".openclaw");
    fs::create_dir(&own).expect("a directory can be made");
    fs::write(own.join("openclaw.json"), "{\"models\": {}}").expect("a file can be written");
    place.json(&["spawn", "openclaw", "--team", "t", "-n", "w"]);
    let environment = || fs::read_to_string(place.world.top().join("log.env")).unwrap_or_default();
    until("it runs", || !environment().is_empty() && !place.log().is_empty());
    let state = place.world.data().join("agents/t/w.state");
    let environment = environment();
    assert!(
        environment.contains(&format!("OPENCLAW_STATE_DIR={}\n", state.display())),
        "{environment}"
    );
    let settings = place.world.document("agents/t/w.state/openclaw.json");
    assert_eq!(settings["$include"], own.join("openclaw.json").display().to_string());
    assert_eq!(settings["agents"]["defaults"]["cwd"], place.world.cwd().display().to_string());
    place.world.run(&["doctor"]).exits(0);
}

#[test]
fn openclaw_gets_the_key_of_its_gateway_and_nobody_else_does() {
    let settings =
        |token: &str| format!("{{\"gateway\": {{\"auth\": {{\"token\": \"{token}\"}}}}}}");
    let got = |token: &str, own: Option<&str>, backend: &str| {
        let place = Place::new(&[], &[("FAKE_HELP", "--local"), ("OPENCLAW_GATEWAY_PORT", "1")]);
        place.program("openclaw", ARGUMENTS);
        let dir = place.world.home().join(".openclaw");
        fs::create_dir(&dir).expect("a directory can be made");
        fs::write(dir.join("openclaw.json"), settings(token)).expect("a file can be written");
        let words = ["spawn", backend, "openclaw", "--team", "t", "-n", "w"];
        let call = place.world.call(&words);
        let call = own.iter().fold(call, |call, own| call.env("OPENCLAW_GATEWAY_TOKEN", own));
        call.run();
        let environment =
            || fs::read_to_string(place.world.top().join("log.env")).unwrap_or_default();
        until("it runs", || !environment().is_empty() && !place.log().is_empty());
        place.world.run(&["team", "stop", "t"]);
        for (path, text) in tree(&place.world.data()) {
            let text = String::from_utf8_lossy(text.as_deref().unwrap_or_default()).into_owned();
            assert!(!text.contains("hush-hush"), "it is written down in {}", path.display());
        }
        let line = |line: &str| line.strip_prefix("OPENCLAW_GATEWAY_TOKEN=").map(str::to_owned);
        environment().lines().find_map(line)
    };
    for backend in ["tmux", "subprocess"] {
        assert_eq!(got("hush-hush", None, backend).as_deref(), Some("hush-hush"));
    }
    assert_eq!(got("hush-hush", Some("mine"), "tmux").as_deref(), Some("mine"));
    assert_eq!(got("${ELSEWHERE}", None, "tmux"), None, "only OpenClaw knows what that means");
}

#[test]
fn releases_that_are_called_otherwise_are_called_as_they_want() {
    let called = |help: &str, backend: &str| {
        let place = Place::new(&[], &[("FAKE_HELP", help)]);
        place.program("opencode", ARGUMENTS);
        let words = ["spawn", backend, "opencode", "--task", "Dig", "--dry-run"];
        let plan = place.json(&words)["plan"].clone();
        let argv = plan["argv"].as_array().expect("words").iter().filter_map(|word| word.as_str());
        (argv.skip(1).collect::<Vec<_>>().join(" "), plan["promptBy"].clone())
    };
    let new = "--prompt --session --auto";
    assert_eq!(called("nothing", "tmux"), ("--yolo -p <prompt>".into(), "argument".into()));
    assert_eq!(called(new, "tmux"), ("--auto".into(), "typed".into()));
    assert_eq!(called(new, "subprocess"), ("run --auto <prompt>".into(), "argument".into()));
    assert_eq!(called("--prompt", "tmux"), (String::new(), "typed".into()));
}

//! What the README tells people to type works as it stands there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::support::World;

const README: &str = include_str!("../../README.md");

/// The commands of all `console` blocks, in order.
fn commands() -> Vec<&'static str> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in README.lines() {
        match line.strip_prefix("```") {
            Some(language) => inside = language == "console",
            None if inside => found.extend(line.strip_prefix("$ ")),
            None => {}
        }
    }
    found
}

/// Splits a command line into words; only double quotes are used in the README.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().expect("there is always a word").push(c),
        }
    }
    words
}

fn git(directory: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(directory).env("GIT_CONFIG_GLOBAL", "/dev/null");
    assert!(git.status().expect("git runs").success(), "{arguments:?}");
}

#[test]
fn it_begins_with_the_two_commands() {
    assert_eq!(commands()[..2], ["./install.sh demo", "./install.sh test"]);
    for command in ["demo", "test", "--uninstall"] {
        assert!(include_str!("../../install.sh").contains(command), "{command}");
    }
}

#[test]
fn the_team_of_your_own_works_line_by_line() {
    let bare = World::new();
    let bin = bare.top().join("bin");
    fs::create_dir(&bin).expect("a directory can be made");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let world = bare.env("PATH", path);
    // In the place of the real program: reads its terminal, and adds a file to its worktree.
    let claude = bin.join("claude");
    let script = "#!/bin/sh\necho work > work\nwhile IFS= read -r line; do :; done\n";
    fs::write(&claude, script).expect("a file can be written");
    fs::set_permissions(&claude, fs::Permissions::from_mode(0o755)).expect("it is ours");
    git(&world.cwd(), &["init", "-q", "-b", "main"]);
    let who = ["-c", "user.name=u", "-c", "user.email=u@h"];
    git(&world.cwd(), &[&who[..], &["commit", "-q", "--allow-empty", "-m", "Start"]].concat());

    let mut ran = 0;
    for line in commands().into_iter().filter(|line| line.starts_with("clawteam ")) {
        let mut words = words(line);
        words.remove(0);
        if words[..2] == ["board", "attach"] {
            // It takes over the terminal; tried with a terminal in the tests of tmux.
            words.push("--help".into());
        }
        if words[..2] == ["team", "cleanup"] {
            words.push("--force".into());
        }
        let done = world.call(&words).run();
        assert_eq!(done.status, 0, "{done}");
        ran += 1;
    }
    assert!(ran >= 10, "only {ran} commands were found");
    assert!(world.cwd().join("work").exists(), "the work was merged");
    let socket = world.top().join("tmux.socket");
    let _ = Command::new("tmux").arg("-S").arg(socket).arg("kill-server").output();
}

#[test]
fn the_commands_that_agents_are_told_exist() {
    let world = World::new();
    for line in README.lines().filter(|line| line.starts_with("| `clawteam ")) {
        let command = line.split('`').nth(1).expect("a command in the first column");
        let words: Vec<&str> = command.split(' ').skip(1).take(2).collect();
        world.run(&[&words[..], &["--help"]].concat()).exits(0);
    }
}

//! `install.sh` on machines that lack this or that. Nothing is fetched or really built, and nothing
//! outside a test's own directory is written.

mod machine;

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use machine::{CARGO, Machine, outcome, script, which};

const FILES: [&str; 5] = [
    "bin/clawteam",
    "bin/clawteam-mcp",
    "share/bash-completion/completions/clawteam",
    "share/fish/vendor_completions.d/clawteam.fish",
    "share/zsh/site-functions/_clawteam",
];

#[test]
fn scripts_parse() {
    for (shell, file) in [("sh", "install.sh"), ("bash", "install.sh"), ("bash", ".ci/run")] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        if let Some(shell) = which(shell) {
            outcome(Command::new(shell).arg("-n").arg(file)).ok();
        }
    }
}

#[test]
fn installs_again_and_again_in_every_shell() {
    for shell in ["sh", "dash", "bash"].into_iter().filter_map(which) {
        let mut machine = Machine::new();
        machine.shell = shell;
        for build in ["first", "second"] {
            outcome(machine.command(&[]).env("FAKE_BUILD", build)).ok();
            assert_eq!(machine.installed(), FILES);
            assert!(fs::read_to_string(machine.program()).unwrap().contains(build));
            let zsh = machine.path("home/.local/share/zsh/site-functions/_clawteam");
            assert_eq!(fs::read_to_string(zsh).unwrap(), "clawteam completions zsh\n");
        }
        let said = outcome(Command::new(machine.program()).arg("hello")).ok();
        assert_eq!(said, "clawteam hello\n");
        assert_eq!(fs::read_dir(machine.path("tmp")).unwrap().count(), 0, "left in TMPDIR");
    }
}

#[test]
fn replaces_the_program_whole_or_not_at_all() {
    let machine = Machine::new();
    machine.run(&[]).ok();
    let mut running = fs::File::open(machine.program()).unwrap();
    outcome(machine.command(&[]).env("FAKE_BUILD", "second")).ok();
    let mut old = String::new();
    running.read_to_string(&mut old).unwrap();
    assert!(old.contains("first"), "written over in place: {old}");

    // The step before the rename fails: the old program stays, and nothing lies beside it.
    machine.stub("mv", "exit 1");
    let failed = outcome(machine.command(&[]).env("FAKE_BUILD", "third"));
    assert_eq!(failed.code, Some(1));
    assert!(failed.err.contains("cannot write"), "{}", failed.err);
    assert!(fs::read_to_string(machine.program()).unwrap().contains("second"));
    assert_eq!(machine.installed(), FILES);
}

#[test]
fn a_failed_build_changes_nothing() {
    let machine = Machine::new();
    machine.run(&[]).ok();
    let clone = fs::canonicalize(machine.path("a clone")).unwrap();
    let err = outcome(machine.command(&[]).env("FAKE_BROKEN", "1"))
        .asks_to_type(&format!("cd '{}' && cargo build --release --locked", clone.display()));
    assert!(err.starts_with("error: it does not compile\n"), "{err}");
    assert_eq!(machine.installed(), FILES);
}

#[test]
fn says_whether_path_is_right() {
    let machine = Machine::new();
    let bin = machine.path("home/.local/bin");
    let quoted = format!("'{}'", bin.display());
    for (shell, file, line) in [
        ("/bin/bash", "~/.bashrc", format!("export PATH={quoted}:\"$PATH\"")),
        ("/usr/bin/zsh", "~/.zshrc", format!("export PATH={quoted}:\"$PATH\"")),
        ("/usr/bin/fish", "~/.config/fish/config.fish", format!("fish_add_path {quoted}")),
        ("/bin/ksh", "~/.profile", format!("export PATH={quoted}:\"$PATH\"")),
    ] {
        let out = outcome(machine.command(&[]).env("SHELL", shell)).ok();
        let advice = format!("Add this line to {file}, then open a new terminal:\n    {line}\n");
        assert!(out.contains(&advice), "{out}");
        assert_eq!(out.contains("fpath=("), shell.ends_with("zsh"));
    }

    let path = |dirs: [&Path; 2]| std::env::join_paths(dirs).unwrap();
    let right = path([&bin, &machine.path("bin")]);
    let out = outcome(machine.command(&[]).env("PATH", right)).ok();
    assert!(out.contains("PATH is right"), "{out}");

    machine.stub("clawteam", "echo another");
    let late = path([&machine.path("bin"), &bin]);
    let out = outcome(machine.command(&[]).env("PATH", late)).ok();
    assert!(out.contains("PATH finds another clawteam first"), "{out}");
}

#[test]
fn the_line_for_path_works() {
    let machine = Machine::new();
    let out = machine.run(&[]).ok();
    let line = out.lines().last().unwrap().trim();
    let typed = format!("{line}; clawteam hello");
    let mut shell = Command::new("/bin/sh");
    assert_eq!(outcome(shell.args(["-c", &typed])).ok(), "clawteam hello\n");
}

#[test]
fn uninstalls_and_keeps_the_teams() {
    let machine = Machine::new();
    fs::create_dir_all(machine.path("home/.clawteam/teams")).unwrap();
    machine.run(&[]).ok();
    let machine = machine.without("cargo");
    let out = machine.run(&["--uninstall"]).ok();
    assert_eq!(out.matches("removed ").count(), FILES.len(), "{out}");
    assert_eq!(machine.installed(), Vec::<String>::new());
    assert!(machine.path("home/.clawteam/teams").is_dir());
    assert!(out.contains("/.clawteam, your teams"), "{out}");
    assert!(machine.run(&["--uninstall"]).ok().contains("nothing to remove"));
}

#[test]
fn keeps_the_python_program_under_another_name() {
    let machine = Machine::new();
    fs::create_dir_all(machine.path("home/.local/bin")).unwrap();
    script(&machine.program(), "'''exec' /opt/venv/bin/python \"$0\" \"$@\"");
    assert!(machine.run(&["--uninstall"]).ok().contains("is the Python clawteam"));
    assert!(machine.program().exists());

    machine.run(&[]).ok();
    let kept = machine.path("home/.local/bin/clawteam-python");
    assert!(fs::read_to_string(&kept).unwrap().contains("/opt/venv"));
    machine.run(&[]).ok();
    assert!(fs::read_to_string(&kept).unwrap().contains("/opt/venv"));
    assert!(machine.run(&["--uninstall"]).ok().contains("to have the Python clawteam back"));
    assert!(kept.exists() && !machine.program().exists());
}

#[test]
fn passes_arguments_on() {
    let machine = Machine::new();
    let out = machine.run(&["demo", "--fast", "--dir", "x"]).ok();
    assert_eq!(out.lines().last(), Some("clawteam demo --fast --dir x"));
    let clone = fs::canonicalize(machine.path("a clone")).unwrap();
    let out = machine.run(&["test"]).ok();
    let wanted = format!("cargo test --locked in {}", clone.display());
    assert_eq!(out.lines().last(), Some(wanted.as_str()));
}

#[test]
fn refuses_what_it_does_not_know() {
    let machine = Machine::new();
    for args in [&["--frobnicate"][..], &["install"], &["--uninstall", "now"], &["deps", "x"]] {
        let told = machine.run(args);
        assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
        assert!(told.err.contains(&format!("argument: {}", args.last().unwrap())));
        assert!(told.err.contains("usage: ./install.sh"), "{}", told.err);
    }
    for help in ["-h", "--help"] {
        assert!(machine.run(&[help]).ok().starts_with("usage: ./install.sh"));
    }
    assert_eq!(machine.installed(), Vec::<String>::new());
}

#[test]
fn says_what_to_type_without_a_usable_cargo() {
    let machine = Machine::new();
    let clone = fs::canonicalize(machine.path("a clone")).unwrap();
    let again = format!("'{}/install.sh'", clone.display());
    let old = outcome(machine.command(&[]).env("FAKE_VERSION", "1.88.9")).asks_to_type(&again);
    assert!(old.contains("cargo 1.88.9 is too old: version 1.89 or newer"), "{old}");
    machine.stub("rustup", ":");
    outcome(machine.command(&[]).env("FAKE_VERSION", "0.99.0"))
        .asks_to_type("rustup update stable");
    for new_enough in ["1.89.0-nightly", "1.89", "1.100.0", "2.0.0"] {
        outcome(machine.command(&[]).env("FAKE_VERSION", new_enough)).ok();
    }
    outcome(machine.command(&[]).env("CARGO", "/nowhere/cargo")).asks_to_type("unset CARGO");

    let machine = machine.without("cargo");
    let err = machine.run(&[]).err;
    assert!(err.contains("Install Rust from https://rustup.rs"), "{err}");

    // Just installed: not on PATH before a new shell is opened.
    fs::create_dir_all(machine.path("home/.cargo/bin")).unwrap();
    script(&machine.path("home/.cargo/bin/cargo"), CARGO);
    machine.run(&[]).ok();
}

#[test]
fn says_what_to_type_when_tmux_is_missing_and_root_is_not_to_be_had() {
    let apt = "apt-get update; apt-get install -y --no-install-recommends tmux";
    let machine = Machine::new().without("tmux");
    let err = machine.run(&[]).err;
    assert!(err.contains("no package manager") && err.ends_with(": tmux\n"), "{err}");
    machine.manager("apt-get");
    machine.run(&[]).asks_to_type(&format!("su -c '{apt}'"));
    // A sudo that would ask for a password, with nobody there to type it.
    machine.stub("sudo", "[ \"$1\" != -n ] || exit 1; sleep 60");
    machine.run(&[]).asks_to_type(&format!("sudo sh -c '{apt}'"));
    assert!(!machine.path("asked").exists() && machine.installed().is_empty());
}

#[test]
fn installs_what_is_missing() {
    for (system, manager, asked) in [
        ("Linux", "apt-get", "apt-get update\napt-get install -y --no-install-recommends tmux\n"),
        ("Linux", "dnf", "dnf install -y tmux\n"),
        ("Linux", "pacman", "pacman -S --needed --noconfirm tmux\n"),
        ("Linux", "apk", "apk add tmux\n"),
        ("Darwin", "brew", "brew install tmux\n"),
    ] {
        let machine = Machine::new().without("tmux");
        machine.manager(manager);
        machine.stub("uname", &format!("echo {system}"));
        machine.stub("xcode-select", ":");
        // brew works for anybody; the others by a sudo that does not ask.
        machine.stub("sudo", "[ \"$1\" != -n ] || shift; exec \"$@\"");
        machine.stub("true", ":");
        machine.run(&[]).ok();
        assert_eq!(fs::read_to_string(machine.path("asked")).unwrap(), asked);
        machine.run(&["deps"]).ok();
        assert_eq!(fs::read_to_string(machine.path("asked")).unwrap(), asked, "asked again");
    }
}

#[test]
fn a_compiler_that_cannot_compile_is_missing() {
    let machine = Machine::new();
    machine.stub("cc", "exit 1");
    machine.stub("id", "echo 0");
    machine.manager("apt-get");
    let command = "apt-get update; apt-get install -y --no-install-recommends gcc libc6-dev";
    let err = machine.run(&["deps"]).asks_to_type(command);
    assert!(err.contains("still missing after that: cc"), "{err}");
    machine.stub("uname", "echo Darwin");
    machine.run(&[]).asks_to_type("xcode-select --install");
}

#[test]
fn places_are_taken_from_the_environment() {
    let machine = Machine::new();
    let mut homeless = machine.command(&[]);
    let told = outcome(homeless.env_remove("HOME"));
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("HOME is not set"), "{}", told.err);
    assert!(told.err.contains("PREFIX=/usr/local '"), "{}", told.err);

    let mut relative = machine.command(&[]);
    relative.env_remove("HOME").env("PREFIX", "some where/").env("CARGO_TARGET_DIR", "built");
    outcome(&mut relative).ok();
    assert!(machine.path("some where/bin/clawteam").is_file());
    assert!(machine.path("built/release/clawteam").is_file());
    assert!(!machine.path("a clone/target").exists());
}

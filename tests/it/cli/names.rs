//! Names that become parts of paths, on every argument that takes one.

use crate::support::{World, changes, tree};

const BAD: [&str; 11] =
    ["", ".", "..", "../x", "a/b", "a\\b", "a b", "é", "a\nb", "[/foo]", "x\u{1b}[31m"];

/// Every command with a name; `@` stands for the bad one.
const LINES: &[&[&str]] = &[
    &["team", "spawn-team", "@"],
    &["team", "spawn-team", "new", "-n=@"],
    &["team", "status", "@"],
    &["team", "add-member", "@", "w"],
    &["team", "add-member", "t", "@"],
    &["team", "cleanup", "@", "-f"],
    &["inbox", "send", "@", "w1", "x"],
    &["inbox", "send", "t", "@", "x"],
    &["inbox", "broadcast", "@", "x"],
    &["inbox", "receive", "@"],
    &["inbox", "receive", "t", "-a=@"],
    &["inbox", "peek", "@"],
    &["inbox", "peek", "t", "-a=@"],
    &["inbox", "log", "@"],
    &["inbox", "watch", "@"],
    &["inbox", "watch", "t", "-a=@"],
    &["task", "create", "@", "x"],
    &["task", "get", "@", "x"],
    &["task", "get", "t", "@"],
    &["task", "update", "@", "x"],
    &["task", "update", "t", "@"],
    &["task", "list", "@"],
    &["task", "ready", "@"],
    &["task", "claim", "@"],
    &["task", "claim", "t", "@"],
    &["task", "stats", "@"],
    &["task", "wait", "@"],
    &["task", "wait", "t", "-a=@"],
    &["task", "start", "@", "x"],
    &["task", "start", "t", "@"],
    &["task", "fail", "@", "x", "--error=e"],
    &["task", "fail", "t", "@", "--error=e"],
    &["task", "result", "@", "x"],
    &["task", "result", "t", "@"],
    &["artifact", "add", "@", "/dev/null", "--task=x", "--name=n"],
    &["artifact", "add", "t", "/dev/null", "--task=@", "--name=n"],
    &["artifact", "add", "t", "/dev/null", "--run=@", "--name=n"],
    &["artifact", "add", "t", "/dev/null", "--task=x", "--name=@"],
    &["artifact", "list", "@"],
    &["artifact", "list", "t", "--task=@"],
    &["artifact", "list", "t", "--run=@"],
    &["artifact", "get", "@", "n", "--task=x"],
    &["artifact", "get", "t", "@", "--task=x"],
    &["artifact", "get", "t", "n", "--task=@"],
    &["artifact", "diff", "@", "n", "--task=x"],
    &["artifact", "diff", "t", "@", "--task=x"],
    &["artifact", "diff", "t", "n", "--run=@"],
    &["notify", "list", "@"],
    &["notify", "count", "@"],
    &["notify", "read", "@", "--all"],
    &["notify", "read", "t", "@"],
    &["notify", "watch", "@"],
    &["notify", "send", "@", "--title=x"],
    &["notify", "deliver", "@"],
    &["notify", "rules", "list", "@"],
    &["notify", "rules", "add", "@", "--channel=tmux"],
    &["notify", "rules", "add", "t", "--name=@", "--channel=tmux"],
    &["notify", "rules", "remove", "@", "x"],
    &["notify", "rules", "remove", "t", "@"],
    &["notify", "rules", "test", "@"],
    &["plan", "submit", "@", "w1", "x"],
    &["plan", "submit", "t", "@", "x"],
    &["plan", "approve", "@", "p", "w1"],
    &["plan", "approve", "t", "@", "w1"],
    &["plan", "reject", "t", "p", "@"],
    &["lifecycle", "idle", "@"],
    &["lifecycle", "on-exit", "-t=@", "-n=w1"],
    &["lifecycle", "on-exit", "-t=t", "-n=@"],
    &["lifecycle", "check-zombies", "-t=@"],
    &["workspace", "list", "@"],
    &["workspace", "status", "@", "w1"],
    &["workspace", "status", "t", "@"],
    &["workspace", "checkpoint", "@", "w1"],
    &["workspace", "checkpoint", "t", "-a=@"],
    &["workspace", "merge", "@", "w1"],
    &["workspace", "merge", "t", "@"],
    &["workspace", "cleanup", "@"],
    &["workspace", "cleanup", "t", "-a=@"],
    &["workspace", "salvage", "list", "@"],
    &["workspace", "salvage", "list", "t", "-a=@"],
    &["workspace", "salvage", "show", "@"],
    &["workspace", "salvage", "restore", "@"],
    &["board", "show", "@"],
    &["board", "live", "@"],
    &["board", "attach", "@"],
    &["board", "update", "@"],
];

#[test]
fn names_that_are_no_names_are_refused_everywhere() {
    let world = World::new();
    world.team(&["w1"]);
    let before = tree(&world.top());
    for line in LINES {
        for bad in BAD {
            // Elsewhere an empty name is one that was not given.
            if bad.is_empty() && line.contains(&"-n=@") && line.contains(&"new") {
                continue;
            }
            let words: Vec<String> = line.iter().map(|word| word.replace('@', bad)).collect();
            let words: Vec<&str> =
                ["--json"].into_iter().chain(words.iter().map(String::as_str)).collect();
            world.run(&words).refuses_with("invalid_name");
        }
    }
    assert_eq!(changes(&world.top(), &before), [""; 0], "something was made");
}

#[test]
fn the_message_says_what_is_wrong() {
    let world = World::new();
    let told = "Invalid team name: only letters, digits, '.', '_' and '-' are allowed";
    world.run(&["team", "status", "a b"]).refuses(told);
    world.run(&["team", "status", ".."]).refuses("Invalid team name: '.' and '..' are not allowed");
    world
        .run(&["inbox", "send", "t", "../x", "hi"])
        .refuses("Invalid recipient name: only letters");
    let long = "x".repeat(121);
    world.run(&["task", "get", "t", &long]).refuses("Invalid task id: 121 bytes are too long");
    let user = world.call(&["--json", "team", "spawn-team", "t"]).env("CLAWTEAM_USER", "../u");
    user.run().refuses_with("invalid_name");
    assert!(!world.data().exists());
}

#[test]
fn odd_names_are_names() {
    let world = World::new();
    let longest = "x".repeat(120);
    for name in ["-x", ".hidden", "...", "A.b_c-9", "con", &longest] {
        world.run(&["team", "spawn-team", "-n", "lead", "--", name]).succeeds();
        world.run(&["team", "add-member", "--", name, name]).succeeds();
        world.run(&["inbox", "send", "--", name, name, "hello"]).succeeds();
        let got =
            world.run(&["--json", "inbox", "receive", &format!("--agent={name}"), "--", name]);
        assert_eq!(got.succeeds().json()[0]["content"], "hello");
        world.run(&["task", "create", "--", name, "x"]).succeeds();
        world.run(&["--json", "board", "show", "--", name]).succeeds();
    }
}

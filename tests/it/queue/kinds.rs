//! What items of each kind do.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};

use serde_json::{Value, json};

use super::{show, text, work, world};
use crate::crew::git;
use crate::support::{World, tree};

/// Pushes an item that is tried once, does it, and returns it.
fn done(world: &World, kind: &str, payload: &Value) -> Value {
    let payload = payload.to_string();
    let line = ["queue", "push", "t", kind, "--max-attempts", "1", "-p", &payload];
    let id = text(&world.json(&line)["id"]);
    work(world);
    show(world, &id)
}

fn outcome(item: &Value) -> Value {
    json!([item["state"], item["result"]["error"]["code"]])
}

#[test]
fn commands_have_input_output_and_limits() {
    let world = world();
    let told = |payload: Value| done(&world, "command", &payload);
    let cat = told(json!({"argv": ["cat"], "stdin": "{\"a\":[1]}", "parse": "json"}));
    assert_eq!(cat["result"]["output"], json!({"a": [1]}));
    let lines = told(json!({"argv": "printf 'a\\nb\\n'", "shell": true, "parse": "lines"}));
    assert_eq!(lines["result"]["output"], json!(["a", "b"]));
    let env = told(json!({"argv": ["sh", "-c", "echo $X; pwd"], "env": {"X": "y"}, "cwd": "/"}));
    assert_eq!(env["result"]["text"], "y\n/\n");
    let odd = told(json!({"argv": ["sh", "-c", "exit 3"], "okExit": [0, 3]}));
    assert_eq!((&odd["state"], &odd["result"]["exitCode"]), (&json!("done"), &json!(3)));
    let much = told(json!({"argv": ["sh", "-c", "yes | head -c 100000"], "outputMax": 10}));
    assert_eq!(much["result"]["text"], "y\ny\ny\ny\ny\n");
    assert_eq!(much["result"]["truncated"], true);
    let bad = told(json!({"argv": ["echo", "x"], "parse": "json"}));
    assert_eq!(outcome(&bad), json!(["dead", "bad_output"]));
    let missing = told(json!({"argv": ["no-such-program"]}));
    assert_eq!(outcome(&missing), json!(["dead", "program_not_found"]));
    let nowhere = told(json!({"argv": ["true"], "cwd": "/no/such/place"}));
    assert_eq!(outcome(&nowhere), json!(["dead", "no_such_directory"]));
    // What a program leaves running does not keep its item from ending.
    let left = told(json!({"argv": ["sh", "-c", "sleep 300 & echo left"]}));
    assert_eq!(left["result"]["text"], "left\n");
}

/// A service that gives these answers one after the other, and tells what it was asked.
fn service(answers: Vec<String>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap_or(0) == 0 {
                    return;
                }
            }
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let mut body = vec![0; length.unwrap_or(0)];
            let _ = reader.read_exact(&mut body);
            let _ = sender.send(head + &String::from_utf8_lossy(&body));
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

fn reply(status: &str, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_service_is_called_with_a_secret_that_is_written_nowhere() {
    let world = world().env("TOKEN", "hunter2").env("NO_PROXY", "*");
    let (address, asked) = service(vec![
        reply("200 OK", "application/json", "{\"a\":1}"),
        reply("404 Not Found", "text/plain", "gone"),
    ]);
    let payload = json!({
        "url": format!("{address}/hook"), "method": "POST", "body": {"b": 2},
        "headers": {"x-own": "1"}, "auth": "env:TOKEN",
    });
    let item = done(&world, "http", &payload);
    let output = &item["result"]["output"];
    assert_eq!(json!([output["status"], output["body"]]), json!([200, {"a": 1}]), "{item}");
    let request = asked.recv().expect("it was called").to_lowercase();
    for part in ["post /hook", "x-own: 1", "authorization: bearer hunter2", "{\"b\":2}"] {
        assert!(request.contains(part), "no `{part}` in {request}");
    }
    let payload = json!({
        "url": address, "auth": {"secret": "cmd:printenv TOKEN", "header": "x-key", "prefix": "k "},
    });
    let refused = done(&world, "http", &payload);
    assert_eq!(outcome(&refused), json!(["dead", "http_status"]));
    assert_eq!(refused["result"]["output"]["body"], "gone");
    assert!(asked.recv().expect("it was called").contains("x-key: k hunter2"));
    for (path, held) in tree(&world.data()) {
        let held = String::from_utf8_lossy(held.as_deref().unwrap_or_default()).into_owned();
        assert!(!held.contains("hunter2"), "{} holds the secret", path.display());
    }
    let missing = done(&world, "http", &json!({"url": "http://127.0.0.1:9", "auth": "env:NONE"}));
    assert_eq!(outcome(&missing), json!(["dead", "secret_missing"]));
}

#[test]
fn a_service_that_fails_again_and_again_is_left_alone() {
    let world = world().env("NO_PROXY", "*");
    let broken = reply("500 Internal Server Error", "text/plain", "no");
    let (address, asked) = service(vec![broken; 9]);
    for _ in 0..5 {
        let item = done(&world, "http", &json!({"url": address}));
        assert_eq!(outcome(&item), json!(["dead", "http_status"]), "{item}");
    }
    let item = done(&world, "http", &json!({"url": address}));
    assert_eq!(outcome(&item), json!(["dead", "circuit_open"]));
    assert_eq!(asked.try_iter().count(), 5, "it was called all the same");
    // Its time is over: one call shows that it works again.
    let name = world.names("breakers").into_iter().find(|name| !name.contains("lock"));
    let path = format!("breakers/{}", name.expect("there is one"));
    let mut breaker = world.document(&path);
    breaker["failedAt"] = json!("2026-01-01T00:00:00+00:00");
    world.put(&path, breaker.to_string());
    assert_eq!(outcome(&done(&world, "http", &json!({"url": address})))[1], "http_status");
    assert_eq!(outcome(&done(&world, "http", &json!({"url": address})))[1], "circuit_open");
    assert_eq!(asked.try_iter().count(), 1);
}

fn plugin(world: &World, name: &str, manifest: &str, script: &str) {
    let directory = world.home().join(".clawteam/plugins").join(name);
    fs::create_dir_all(&directory).expect("a directory can be made");
    fs::write(directory.join("plugin.toml"), manifest).expect("it can be written");
    let program = directory.join("run.sh");
    fs::write(&program, script).expect("it can be written");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn a_plugin_answers_in_json() {
    let world = world();
    let manifest = "name = 'p'\nversion = '1'\nentry = 'run.sh'\npermissions = ['net']\n";
    plugin(&world, "p", manifest, "#!/bin/sh\nread r; echo \"{\\\"result\\\":$r}\"\n");
    let item = done(&world, "plugin", &json!({"name": "p", "input": 1, "config": {"c": 2}}));
    assert_eq!(
        item["result"]["output"],
        json!({"method": "execute", "params": {"input": 1, "config": {"c": 2}}}),
        "{item}"
    );
    let error = "#!/bin/sh\necho '{\"error\":{\"code\":\"sad\",\"message\":\"no\"}}'; exit 1\n";
    plugin(&world, "e", manifest, error);
    let item = done(&world, "plugin", &json!({"name": "e"}));
    assert_eq!(outcome(&item), json!(["dead", "sad"]));
    plugin(&world, "odd", manifest, "#!/bin/sh\necho hello\n");
    let item = done(&world, "plugin", &json!({"name": "odd"}));
    assert_eq!(outcome(&item), json!(["dead", "bad_output"]));
    plugin(&world, "new", "name='n'\nentry='run.sh'\nprotocol=2\n", "#!/bin/sh\n");
    assert_eq!(outcome(&done(&world, "plugin", &json!({"name": "new"})))[1], "bad_plugin");
    assert_eq!(outcome(&done(&world, "plugin", &json!({"name": "none"})))[1], "plugin_not_found");
}

/// Makes the working directory a repository with the branches `main`, `same` and `other`, of which
/// `other` contradicts `main`.
fn repository(world: &World) {
    let at = |arguments: &[&str]| git(&world.cwd(), arguments);
    let commit = |file: &str, content: &str| {
        fs::write(world.cwd().join(file), content).expect("it can be written");
        at(&["add", "-A"]);
        at(&["-c", "user.name=u", "-c", "user.email=u@h", "commit", "-q", "-m", content]);
    };
    at(&["init", "-q", "-b", "main"]);
    commit("f", "start");
    for (branch, file) in [("same", "g"), ("more", "h"), ("other", "f")] {
        at(&["checkout", "-q", "-b", branch, "main"]);
        commit(file, branch);
    }
    at(&["checkout", "-q", "main"]);
    commit("f", "changed");
}

fn parents(directory: &Path, commit: &Value) -> usize {
    git(directory, &["rev-list", "--parents", "-n1", &text(commit)]).split(' ').count() - 1
}

#[test]
fn branches_are_merged_and_a_conflict_leaves_nothing_behind() {
    let world = world();
    repository(&world);
    let here = world.cwd();
    let merge = |branch: &str, strategy: &str| {
        let payload =
            json!({"branches": branch, "into": "main", "repo": here, "strategy": strategy});
        done(&world, "merge", &payload)
    };
    let merged = merge("same", "merge");
    let commit = &merged["result"]["output"]["merged"][0]["commit"];
    assert_eq!((&merged["state"], parents(&here, commit)), (&json!("done"), 2), "{merged}");
    let squashed = merge("more", "squash");
    let commit = &squashed["result"]["output"]["merged"][0]["commit"];
    assert_eq!((&squashed["state"], parents(&here, commit)), (&json!("done"), 1), "{squashed}");
    assert_eq!(fs::read_to_string(here.join("h")).expect("it was merged"), "more");
    let again = merge("more", "squash");
    assert_eq!(again["state"], "done");
    assert!(again["result"]["output"]["merged"][0].get("commit").is_none(), "{again}");
    let before = git(&here, &["rev-parse", "main"]);
    let refused = merge("other", "merge");
    assert_eq!(outcome(&refused), json!(["dead", "merge_conflict"]));
    assert_eq!(refused["result"]["output"]["conflicts"], json!(["f"]));
    assert_eq!(git(&here, &["rev-parse", "main"]), before);
    assert_eq!(git(&here, &["status", "--porcelain"]), "");
    assert_eq!(git(&here, &["worktree", "list"]).lines().count(), 1);
}

#[test]
fn checkpoints_checks_and_merges_are_about_an_agents_worktree() {
    let world = world();
    repository(&world);
    world
        .run(&["spawn", "subprocess", "-t", "t", "-n", "w1", "--workspace", "--", "true"])
        .exits(0);
    crate::until("the agent has ended", || {
        let status = world.json(&["team", "status", "t"]);
        let members = status["members"].as_array().expect("a list").clone();
        members.iter().any(|member| member["name"] == "w1" && member["alive"] == json!(false))
    });
    let tree = world.data().join("workspaces/t/w1");
    fs::write(tree.join("new"), "x").expect("it can be written");
    let dirty = done(&world, "verify", &json!({"agent": "w1", "argv": ["test", "-e", "new"]}));
    assert_eq!(json!([dirty["state"], dirty["result"]["output"]["dirty"]]), json!(["done", true]));
    let made = done(&world, "checkpoint", &json!({"agents": ["w1"], "tag": "v1", "message": "m"}));
    let told = &made["result"]["output"]["agents"]["w1"];
    assert_eq!(told["changed"], true, "{made}");
    assert_eq!(git(&world.cwd(), &["rev-parse", "v1"]), text(&told["commit"]));
    let commit = text(&told["commit"]);
    let payload = json!({"agent": "w1", "argv": "pwd; exit 1", "shell": true, "commit": commit});
    let failed = done(&world, "verify", &payload);
    assert_eq!(outcome(&failed), json!(["dead", "exit_status"]));
    assert_eq!(failed["result"]["text"], format!("{}\n", tree.display()));
    assert_eq!(failed["result"]["output"]["commit"], json!(commit));
    fs::write(tree.join("new"), "y").expect("it can be written");
    let moved = done(&world, "verify", &payload);
    assert_eq!(outcome(&moved), json!(["dead", "commit_moved"]));
    let merged = done(&world, "merge", &json!({"agents": ["w1"], "into": "main"}));
    assert_eq!(merged["state"], "done", "{merged}");
    assert_eq!(fs::read_to_string(world.cwd().join("new")).expect("it was merged"), "y");
    assert!(text(&merged["serialKey"]).ends_with(&world.cwd().display().to_string()));
    let nobody = done(&world, "checkpoint", &json!({"agents": ["nobody"]}));
    assert_eq!(outcome(&nobody), json!(["dead", "workspace_not_found"]));
}

//! Rules: how notifications are told besides being listed.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;
use std::time::Duration;

use clawteam::app::notify;
use clawteam::domain::notification::{Kind, NewNotification, Severity};
use serde_json::{Value, json};

use super::{send, team, titles, world};
use crate::support::World;
use crate::support::app::{TestClock, app};

/// Adds a rule whose program appends what it reads to a file.
fn rule(world: &World, more: &[&str]) {
    let script = format!("cat >> '{}'", world.cwd().join("told").display());
    let line = ["notify", "rules", "add", "t", "-c", "command"];
    world.run(&[&line[..], more, &["--", "/bin/sh", "-c", &script]].concat()).succeeds();
}

/// What the program was told.
fn told(world: &World) -> Vec<Value> {
    let text = fs::read_to_string(world.cwd().join("told")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect()
}

fn work(world: &World) {
    world.run(&["queue", "work", "t", "--until-idle"]).exits(0);
}

fn channel(world: &World, title: &str, name: &str) -> Value {
    let list = world.json(&["notify", "list", "t"]);
    let found = list.as_array().expect("a list").iter().find(|one| one["title"] == title);
    found.expect("it is listed")["channels"][name].clone()
}

#[test]
fn a_program_is_told_once_of_what_its_rule_is_about() {
    let world = world();
    rule(&world, &["--name", "mine", "--type", "run_*", "--min-severity", "warning"]);
    send(&world, &["--title", "yes", "--type", "run_failed", "--severity", "critical"]);
    send(&world, &["--title", "too little", "--type", "run_failed"]);
    send(&world, &["--title", "other", "--severity", "critical"]);
    assert!(told(&world).is_empty(), "sending is quick");
    work(&world);
    world.run(&["notify", "deliver", "t"]).succeeds();
    let told = told(&world);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["title"], &told[0]["severity"]), (&json!("yes"), &json!("critical")));
    assert_eq!(channel(&world, "yes", "command:mine")["state"], "delivered");
    assert_eq!(channel(&world, "other", "command:mine"), Value::Null);
}

#[test]
fn what_did_not_get_into_the_queue_is_told_all_the_same() {
    let world = world();
    rule(&world, &[]);
    send(&world, &["--title", "lost"]);
    fs::remove_dir_all(world.data().join("queue")).expect("there is a queue");
    let done = world.json(&["notify", "deliver", "t"]);
    assert_eq!(done, json!({"delivered": 1, "failed": 0, "waiting": 0}));
    assert_eq!(titles(&json!(told(&world))), ["lost"]);
}

#[test]
fn posting_again_under_a_key_puts_a_lost_errand_back_into_the_queue() {
    let world = world();
    rule(&world, &[]);
    for _ in 0..2 {
        send(&world, &["--title", "once", "--key", "k"]);
    }
    fs::remove_dir_all(world.data().join("queue")).expect("there is a queue");
    send(&world, &["--title", "once", "--key", "k"]);
    work(&world);
    send(&world, &["--title", "once", "--key", "k"]);
    work(&world);
    assert_eq!(titles(&json!(told(&world))), ["once"]);
}

#[test]
fn a_program_that_fails_is_written_down_with_what_it_said() {
    let world = world();
    let line = ["notify", "rules", "add", "t", "-n", "bad", "-c", "command", "--"];
    let script = ["/bin/sh", "-c", "echo no such luck >&2; exit 3"];
    world.run(&[&line[..], &script].concat()).succeeds();
    send(&world, &["--title", "x"]);
    let ran = world.run(&["--json", "notify", "deliver", "t"]);
    assert_eq!(ran.exits(1).json(), json!({"delivered": 0, "failed": 1, "waiting": 0}));
    let state = channel(&world, "x", "command:bad");
    assert_eq!(state["state"], "failed");
    assert_eq!(state["error"], "/bin/sh ended with status 3: no such luck");
    world.run(&["notify", "rules", "remove", "t", "bad"]).succeeds();
    assert_eq!(titles(&world.json(&["notify", "list", "t"])), ["x"], "it is listed anyway");
}

#[test]
fn what_is_collected_is_told_together() {
    let world = world();
    rule(&world, &["--digest", "1h"]);
    for title in ["a", "b", "c"] {
        send(&world, &["--title", title]);
    }
    let clock = TestClock::default();
    let app = app(&world, "lead", &clock);
    let urgent = NewNotification::new(Kind::Custom, Severity::Critical, "now");
    notify::post(&app, &team(), &urgent).expect("it is posted");
    let open = world.json(&["queue", "list", "t"]);
    // All three in one item, unless the hour ended between them.
    let items = open.as_array().map_or(0, Vec::len);
    assert!((2..=3).contains(&items), "{open}");
    let due = notify::deliver::deliver_due(&app, &team()).expect("what is due is told");
    assert_eq!((due.delivered, due.waiting), (1, 3));
    clock.forward(2 * 3600);
    let due = notify::deliver::deliver_due(&app, &team()).expect("what is due is told");
    assert_eq!((due.delivered, due.waiting), (3, 0));
    let told = told(&world);
    assert_eq!(told[0]["title"], "now");
    let together = told.iter().skip(1).flat_map(|one| match one.get("digest") {
        Some(digest) => titles(digest).into_iter().map(str::to_owned).collect::<Vec<_>>(),
        None => vec![one["title"].as_str().expect("a title").to_owned()],
    });
    assert_eq!(together.collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn the_desktop_is_told_by_its_own_program() {
    let world = world();
    let bin = world.cwd().join("bin");
    fs::create_dir(&bin).expect("a directory");
    let program = bin.join("notify-send");
    let out = world.cwd().join("shown");
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}'\n", out.display());
    fs::write(&program, script).expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it can be run");
    world.run(&["notify", "rules", "add", "t", "-c", "desktop"]).succeeds();
    send(&world, &["--title", "-x $(id)", "--body", "more", "--severity", "critical"]);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a path"));
    world.call(&["notify", "deliver", "t"]).env("PATH", path).run().succeeds();
    let shown = fs::read_to_string(out).expect("it was shown");
    assert_eq!(
        shown.lines().collect::<Vec<_>>(),
        ["--app-name=clawteam", "--urgency", "critical", "--", "t: -x $(id)", "more"]
    );
}

#[test]
fn whoever_has_seen_it_is_not_disturbed_any_more() {
    let world = world();
    world.run(&["notify", "rules", "add", "t", "-c", "desktop"]).succeeds();
    send(&world, &["--title", "x"]);
    world.run(&["notify", "read", "t", "--all"]).succeeds();
    // No desktop could be told here.
    world.call(&["notify", "deliver", "t"]).env("PATH", "/nowhere").run().succeeds();
    assert_eq!(channel(&world, "x", "desktop")["state"], "delivered");
}

/// Answers one request, and returns it.
fn serve(listener: TcpListener) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        let mut request = Vec::new();
        let mut part = [0; 4096];
        // The body is an object, and the headers hold none.
        while !request.ends_with(b"}") {
            let read = stream.read(&mut part).expect("the rest of the request");
            assert!(read > 0, "the request ended early");
            request.extend_from_slice(&part[..read]);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("it is answered");
        String::from_utf8(request).expect("text")
    })
}

#[test]
fn a_web_address_is_told_by_an_item_of_the_queue() {
    let world = world();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let server = serve(listener);
    world.run(&["notify", "rules", "add", "t", "-c", "webhook", "--url", &url]).succeeds();
    send(&world, &["--title", "x"]);
    work(&world);
    let request = server.join().expect("it was asked");
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("content-type: application/json"), "{request}");
    let body = request.split_once("\r\n\r\n").expect("a body").1;
    let body: Value = serde_json::from_str(body).expect("a document");
    assert_eq!((&body["title"], body.get("channels")), (&json!("x"), None));
    let state = channel(&world, "x", "webhook:rule-1");
    assert_eq!(state["state"], "handed");
    let item = world.json(&["queue", "show", "t", state["item"].as_str().expect("an item")]);
    assert_eq!((&item["kind"], &item["state"]), (&json!("http"), &json!("done")));
}

#[test]
fn rules_are_listed_checked_and_removed() {
    let world = world();
    let quiet = ["--quiet", "22:00-07:00", "--zone", "Europe/Berlin", "--dedupe", "1h"];
    let line = ["notify", "rules", "add", "t", "--channel", "tmux,desktop,tmux"];
    let added = world.json(&[&line[..], &quiet].concat());
    assert_eq!((&added["id"], &added["channels"]), (&json!("rule-1"), &json!(["tmux", "desktop"])));
    let listed = world.json(&["notify", "rules", "list", "t"]);
    assert_eq!(listed, json!([added]));
    let bad = |more: &[&str]| {
        let line = ["--json", "notify", "rules", "add", "t"];
        world.run(&[&line[..], more].concat())
    };
    bad(&["-c", "webhook"]).fails_with(2, "invalid_rule");
    bad(&["-c", "tmux", "--url", "http://x"]).fails_with(2, "invalid_rule");
    bad(&["-c", "pigeon"]).fails_with(2, "invalid_value");
    bad(&["-c", "tmux", "--quiet", "22-7"]).fails_with(2, "invalid_rule");
    bad(&["-c", "tmux", "--name", "rule-1"]).fails_with(5, "rule_exists");
    bad(&[]).is_misused();
    let planned = world.json(&["notify", "rules", "test", "t", "--severity", "critical"]);
    let channels: Vec<_> =
        planned.as_array().expect("a list").iter().map(|p| &p["channel"]).collect();
    assert_eq!(channels, ["tmux", "desktop"]);
    assert!(world.json(&["notify", "list", "t"]).as_array().is_some_and(Vec::is_empty));
    world.run(&["notify", "rules", "remove", "t", "rule-1"]).succeeds();
    world
        .run(&["--json", "notify", "rules", "remove", "t", "rule-1"])
        .fails_with(3, "rule_not_found");
    world.put("notifications/t/rules.json", "{ torn");
    let sent = world.run(&["notify", "send", "t", "--title", "x"]);
    sent.warns("the notification rules are passed over");
    assert_eq!(titles(&world.json(&["notify", "list", "t"])), ["x"]);
}

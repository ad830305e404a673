//! `clawteam inbox`.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{World, keys};

fn contents(messages: &Value) -> Vec<&str> {
    messages.as_array().expect("a list").iter().filter_map(|m| m["content"].as_str()).collect()
}

fn send(world: &World, texts: &[&str]) {
    for text in texts {
        world.run(&["inbox", "send", "t", "w1", text, "--from", "lead"]).succeeds();
    }
}

fn waiting(world: &World) -> u64 {
    world.json(&["inbox", "peek", "t", "-a", "w1"])["count"].as_u64().expect("a number")
}

#[test]
fn send_puts_a_message_into_the_inbox_and_the_log() {
    let world = World::new();
    world.team(&["w1"]);
    let sent = world.json_as("lead", &["inbox", "send", "t", "w1", "hello", "-k", "k1"]);
    assert_eq!(keys(&sent), "type from to content requestId timestamp key");
    assert_eq!(
        (&sent["from"], &sent["to"], &sent["content"]),
        (&json!("lead"), &json!("w1"), &json!("hello"))
    );
    let names = world.names("teams/t/inboxes/w1");
    assert_eq!(names.len(), 1);
    let (millis, rest) =
        names[0].strip_prefix("msg-").and_then(|n| n.split_once('-')).expect("a name");
    assert!(millis.len() == 13 && rest.len() == "00000000.json".len(), "{names:?}");
    assert_eq!(world.document(&format!("teams/t/inboxes/w1/{}", names[0])), sent);
    assert_eq!(world.json(&["inbox", "log", "t"])["messages"], json!([sent]));
    world.run(&["inbox", "send", "t", "w1", "x"]).shows("OK Message sent to 'w1'");
    let typed = world.json(&["inbox", "send", "t", "w1", "x", "--type", "idle", "-f", "somebody"]);
    assert_eq!((&typed["type"], &typed["from"]), (&json!("idle"), &json!("somebody")));
    let ghost = world.run(&["inbox", "send", "t", "ghost", "x"]);
    ghost.warns("'ghost' is not a member of team 't'");
    world.run(&["inbox", "send", "nope", "w1", "x"]).warns("Team 'nope' not found");
}

#[test]
fn text_comes_from_standard_input_without_its_last_newline() {
    let world = World::new();
    world.team(&["w1"]);
    for (input, content) in [("two\nlines\n", "two\nlines"), ("", ""), ("\n\n", "\n"), ("x", "x")] {
        let sent = world.call(&["--json", "inbox", "send", "t", "w1"]).stdin(input).run();
        assert_eq!(sent.succeeds().json()["content"], content);
    }
    let bad =
        world.call(&["--json", "inbox", "send", "t", "w1"]).stdin(b"a\xff\xfe".to_vec()).run();
    assert_eq!(bad.refuses_with("input")["hint"], "it must be UTF-8 text");
    assert_eq!(waiting(&world), 4, "a refused message was sent");
}

#[test]
fn any_text_arrives_as_it_was_and_shows_literally() {
    let world = World::new();
    world.team(&["w1"]);
    let long = "long ".repeat(200_000);
    let texts =
        ["[/foo]", ":bug: [red]x[/red]", "a\u{1b}[31mb\u{7}\u{9b}", "Überprüfung 日本語 💥", &long];
    for text in texts {
        world.call(&["inbox", "send", "t", "w1"]).stdin(text).run().succeeds();
    }
    let peeked = world.json(&["inbox", "peek", "t", "-a", "w1"]);
    assert_eq!(contents(&peeked["messages"]), texts);
    let shown = world.run(&["inbox", "peek", "t", "-a", "w1"]);
    let shown = &shown.succeeds().stdout;
    assert!(shown.contains(": [/foo]\n") && shown.contains(": :bug: [red]x[/red]\n"), "{shown}");
    assert!(shown.contains("a\\x1b[31mb\\x07\\x9b\n"), "{shown}");
    let received = world.json(&["inbox", "receive", "t", "-a", "w1"]);
    assert_eq!(contents(&received), texts);
}

#[test]
fn broadcast_reaches_everybody_else() {
    let world = World::new();
    world.team(&["w1"]);
    world.call(&["team", "add-member", "t", "w2"]).env("CLAWTEAM_USER", "bob").run().succeeds();
    let sent = world.json_as("lead", &["inbox", "broadcast", "t", "all hands"]);
    assert_eq!(sent, json!({"count": 2, "recipients": ["w1", "bob_w2"]}));
    let got =
        world.call(&["--json", "inbox", "receive", "t", "-a", "w2"]).env("CLAWTEAM_USER", "bob");
    let got = got.run().succeeds().json();
    assert_eq!(keys(&got[0]), "type from to content timestamp");
    assert_eq!((&got[0]["type"], &got[0]["to"]), (&json!("broadcast"), &json!("bob_w2")));
    world
        .run(&["inbox", "broadcast", "t", "x", "-f", "w1", "-k", "k"])
        .shows("OK Broadcast to 2 agents");
    let nobody = world.run(&["--json", "inbox", "broadcast", "nope", "x"]);
    assert_eq!(nobody.warns("Team 'nope' not found").json(), json!({"count": 0, "recipients": []}));
    world.run(&["inbox", "broadcast", "t"]).is_misused();
    world
        .run(&["--json", "inbox", "broadcast", "t", "x", "--type", "no"])
        .refuses_with("unknown_message_type");
    world
        .run(&["inbox", "send", "t", "w1", "x", "--type", "bogus"])
        .refuses("'bogus' is not a valid MessageType");
}

#[test]
fn receive_takes_the_oldest_first() {
    let world = World::new();
    world.team(&["w1"]);
    assert_eq!(world.json(&["inbox", "receive", "t", "-a", "w1"]), json!([]));
    world.run_as("w1", &["inbox", "receive", "t"]).shows("No messages");
    send(&world, &["a", "b", "c", "d"]);
    let some = world.json_as("w1", &["inbox", "receive", "t", "-l", "2"]);
    assert_eq!(contents(&some), ["a", "b"]);
    assert_eq!(keys(&some[0]), "type from to content requestId timestamp");
    world.run_as("w1", &["inbox", "receive", "t"]).shows(
        "
[0000-00-00T00:00:00] message from=lead : c
[0000-00-00T00:00:00] message from=lead : d",
    );
    assert_eq!(waiting(&world), 0);
    assert_eq!(world.names("teams/t/inboxes/w1"), [""; 0]);
    assert_eq!(contents(&world.json(&["inbox", "log", "t"])["messages"]), ["a", "b", "c", "d"]);
}

#[test]
fn limits_count_from_either_end() {
    let world = World::new();
    world.team(&["w1"]);
    let texts: Vec<String> = (0..12).map(|n| format!("m{n}")).collect();
    send(&world, &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let receive =
        |limit: &str| world.json(&["inbox", "receive", "t", "-a", "w1", "--limit", limit]);
    assert_eq!(receive("0"), json!([]));
    assert_eq!(waiting(&world), 12);
    let peeked = world.json(&["inbox", "peek", "t", "-a", "w1"]);
    assert_eq!(peeked["messages"].as_array().map(Vec::len), Some(10));
    assert_eq!(contents(&receive("-10")), ["m0", "m1"], "all but the last ten");
    assert_eq!(receive("-99"), json!([]));
    assert_eq!(receive("-9223372036854775808"), json!([]));
    assert_eq!(contents(&receive("9223372036854775807")).len(), 10);
    world.run(&["inbox", "receive", "t", "-l", "many"]).is_misused();
    world.run(&["inbox", "log", "t", "-l", "-1"]).is_misused();
    assert_eq!(world.json(&["inbox", "log", "t", "-l", "0"])["count"], 0);
}

#[test]
fn peek_looks_and_leaves_everything_there() {
    let world = World::new();
    world.team(&["w1"]);
    send(&world, &[&"x".repeat(100)]);
    let before = crate::support::tree(&world.data());
    let peeked = world.json_as("w1", &["inbox", "peek", "t"]);
    assert_eq!(keys(&peeked), "count messages");
    let shown = world.run_as("w1", &["inbox", "peek", "t"]);
    shown.shows(&format!(
        "Pending messages: 1\n  [0000-00-00T00:00:00] message from=lead : {}",
        "x".repeat(80)
    ));
    world.run(&["inbox", "peek", "t", "-a", "ghost"]).warns("'ghost' is not a member");
    world.run(&["inbox", "peek", "nope", "-a", "w1"]).warns("Team 'nope' not found");
    world.run(&["inbox", "log", "nope"]).exits(0);
    assert_eq!(
        crate::support::changes(&world.data(), &before),
        [""; 0],
        "looking changed something"
    );
}

#[test]
fn the_log_tells_the_newest_oldest_first() {
    let world = World::new();
    world.team(&["w1"]);
    send(&world, &["a", "b", "c"]);
    world.run(&["inbox", "send", "t", "lead", "d", "-f", "w1"]).succeeds();
    assert_eq!(contents(&world.json(&["inbox", "log", "t", "-l", "2"])["messages"]), ["c", "d"]);
    let of_lead = world.json(&["inbox", "log", "t", "-l", "2", "-a", "lead"]);
    assert_eq!(contents(&of_lead["messages"]), ["b", "c"], "the sender counts before the limit");
    world.run(&["inbox", "log", "t", "-a", "w1"]).shows(
        "
Message history: 1 message(s)
  [0000-00-00T00:00:00] w1 → lead (message): d",
    );
}

#[test]
fn what_could_not_be_shown_is_not_gone() {
    let world = World::new();
    world.team(&["w1"]);
    send(&world, &["precious"]);
    for arguments in [
        &["--json", "inbox", "receive", "t", "-a", "w1"][..],
        &["inbox", "receive", "t", "-a", "w1"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full");
        // Only Linux has such a device.
        let Ok(full) = full else { return };
        let ran = world.call(arguments).stdout(full).run();
        ran.exits(1);
        assert_eq!(waiting(&world), 1, "{ran}");
    }
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    world.call(&["inbox", "receive", "t", "-a", "w1"]).stdout(Stdio::from(writer)).run().exits(0);
    assert_eq!(waiting(&world), 1, "nobody read it");
    let file = world.top().join("out");
    let out = File::create(&file).expect("a file");
    world.call(&["--json", "inbox", "receive", "t", "-a", "w1"]).stdout(out).run().succeeds();
    let mut text = String::new();
    File::open(&file).and_then(|mut f| f.read_to_string(&mut text)).expect("it was written");
    assert!(text.contains("precious"));
    assert_eq!(waiting(&world), 0);
}

#[test]
fn names_of_several_users_are_told_apart() {
    let world = World::new();
    world.team(&[]);
    for user in ["ann", "bob"] {
        world.call(&["team", "add-member", "t", "w"]).env("CLAWTEAM_USER", user).run().succeeds();
    }
    let told =
        world.run(&["--json", "inbox", "send", "t", "w", "x"]).refuses_with("ambiguous_recipient");
    assert_eq!(told["hint"], "name one of the inboxes: ann_w, bob_w");
    world.run(&["--json", "inbox", "receive", "t", "-a", "w"]).refuses_with("ambiguous_recipient");
    world.run(&["inbox", "send", "t", "bob_w", "for bob"]).succeeds();
    let bob =
        world.call(&["--json", "inbox", "receive", "t", "-a", "w"]).env("CLAWTEAM_USER", "bob");
    assert_eq!(contents(&bob.run().succeeds().json()), ["for bob"]);
}

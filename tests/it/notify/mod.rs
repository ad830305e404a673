//! `clawteam notify`: what people and agents must know.

mod rules;

use std::time::Duration;

use clawteam::app::notify;
use clawteam::core::TeamName;
use clawteam::domain::notification::{Kind, NewNotification, Severity};
use serde_json::{Value, json};

use crate::support::app::{TestClock, app};
use crate::support::{World, keys};

fn team() -> TeamName {
    TeamName::parse("t").expect("a name")
}

fn send(world: &World, more: &[&str]) -> Value {
    world.json(&[&["notify", "send", "t"], more].concat())
}

fn titles(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().filter_map(|one| one["title"].as_str()).collect()
}

fn world() -> World {
    let world = World::new();
    world.team(&["w1"]);
    world
}

#[test]
fn a_notification_is_listed_until_it_was_seen() {
    let world = world();
    let options = ["--body", "at length", "--type", "run_failed", "--severity", "critical"];
    let sent = send(&world, &[&["--title", "It broke", "--run", "r1"][..], &options].concat());
    let id = sent["id"].as_str().expect("an identifier");
    let document = world.document(&format!("notifications/t/human/{id}.json"));
    assert_eq!(
        keys(&document),
        "schema id type severity title body team to refs status createdAt channels"
    );
    assert_eq!(
        (&document["type"], &document["refs"]),
        (&json!("run_failed"), &json!({"run": "r1"}))
    );
    send(&world, &["--title", "By the way"]);
    assert_eq!(titles(&world.json(&["notify", "list", "t"])), ["It broke", "By the way"]);
    let count = |world: &World| world.json(&["notify", "count", "t"]);
    assert_eq!(count(&world), json!({"unread": 2, "critical": 1, "total": 2}));

    let read = world.json(&["notify", "read", "t", id]);
    assert_eq!(read["status"], "read");
    let again = world.json(&["notify", "read", "t", id]);
    assert_eq!(again["readAt"], read["readAt"], "it was seen the first time");
    assert_eq!(titles(&world.json(&["notify", "list", "t", "--unread"])), ["By the way"]);
    assert_eq!(titles(&world.json(&["notify", "list", "t", "--type", "run_*"])), ["It broke"]);
    assert_eq!(titles(&world.json(&["notify", "list", "t", "--since", "1h"])).len(), 2);
    assert!(
        titles(&world.json(&["notify", "list", "t", "--since", "2100-01-01T00:00:00Z"])).is_empty()
    );
    assert_eq!(titles(&world.json(&["notify", "read", "t", "--all"])), ["By the way"]);
    assert_eq!(count(&world)["unread"], 0);
    world.run(&["--json", "notify", "read", "t", "nope"]).fails_with(3, "notification_not_found");
    world
        .run(&["--json", "notify", "list", "t", "--since", "soon"])
        .fails_with(2, "invalid_duration");
}

#[test]
fn everybody_sees_what_is_theirs() {
    let world = world();
    send(&world, &["--title", "all"]);
    send(&world, &["--title", "ann", "--to", "human:ann"]);
    send(&world, &["--title", "w1", "--to", "agent:w1"]);
    let list = ["--json", "notify", "list", "t"];
    assert_eq!(titles(&world.run(&list).succeeds().json()), ["all"]);
    let ann = world.call(&list).env("CLAWTEAM_USER", "ann").run();
    assert_eq!(titles(&ann.succeeds().json()), ["all", "ann"]);
    assert_eq!(titles(&world.run_as("w1", &list).succeeds().json()), ["w1"]);
    let of = |who| world.json(&["notify", "list", "t", "--to", who]);
    assert_eq!(titles(&of("agent:w1")), ["w1"]);
    assert_eq!(titles(&of("all")), ["all", "ann", "w1"]);
    world
        .run(&["--json", "notify", "send", "t", "--title", "x", "--to", "bob"])
        .fails_with(2, "invalid_value");
    world.run(&["team", "spawn-team", "u", "-n", "lead"]).succeeds();
    world.run(&["notify", "send", "u", "--title", "else"]).succeeds();
    assert_eq!(titles(&world.json(&["notify", "list", "--all-teams"])), ["all", "else"]);
}

#[test]
fn a_key_posts_once_however_often_and_from_however_many() {
    let world = world();
    let app = app(&world, "lead", &TestClock::default());
    let new = NewNotification {
        key: Some("run:r1:failed".into()),
        ..NewNotification::new(Kind::RunFailed, Severity::Warning, "It broke")
    };
    let post = || notify::post(&app, &team(), &new).expect("it is posted");
    let ids = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(post)).collect();
        let all = all.into_iter().map(|one| one.join().expect("no panic"));
        all.collect::<std::collections::BTreeSet<_>>()
    });
    assert_eq!(ids.len(), 1, "{ids:?}");
    world.run(&["notify", "read", "t", "--all"]).succeeds();
    assert!(ids.contains(&post()));
    assert_eq!(
        world.json(&["notify", "count", "t"]),
        json!({"unread": 0, "critical": 0, "total": 1})
    );
}

#[test]
fn a_repetition_is_kept_quiet_for_some_time() {
    let world = world();
    let clock = TestClock::default();
    let app = app(&world, "lead", &clock);
    let post = |title: &str, to: &str| {
        let new = NewNotification {
            dedupe_key: Some("stuck:w1".into()),
            to: to.parse().expect("a principal"),
            ..NewNotification::new(Kind::AgentStuck, Severity::Warning, title)
        };
        notify::post(&app, &team(), &new).expect("it is posted or not").is_some()
    };
    assert!(post("first", "human"));
    assert!(!post("again", "human"));
    assert!(post("for another", "agent:lead"));
    clock.forward(9 * 60);
    assert!(!post("still", "human"));
    clock.forward(61);
    assert!(post("ten minutes later", "human"));
    std::fs::write(world.data().join("notifications/t/recent.json"), "{ torn").expect("written");
    assert!(post("nobody knows any more", "human"));
    assert_eq!(
        titles(&world.json(&["notify", "list", "t"])),
        ["first", "ten minutes later", "nobody knows any more"]
    );
}

#[test]
fn watch_tells_what_comes_and_ends_when_it_should() {
    let world = world();
    send(&world, &["--title", "before"]);
    let mut watch = world.call(&["notify", "watch", "t", "--count", "2"]).start();
    watch.line_with("Watching");
    send(&world, &["--title", "not for people", "--to", "agent:w1"]);
    send(&world, &["--title", "first", "--severity", "critical"]);
    assert!(watch.line().contains("!! custom: first"));
    send(&world, &["--title", "second"]);
    assert!(watch.line().contains("custom: second"));
    watch.finish_within(Duration::from_secs(5)).succeeds();

    let line = ["--json", "notify", "watch", "t", "--unread", "--timeout", "100ms"];
    let told = world.run(&line).succeeds().json_lines();
    let titles: Vec<_> = told.iter().map(|one| one["title"].clone()).collect();
    assert_eq!(titles, ["before", "first", "second"]);
    let mut watch = world.call(&["notify", "watch", "t"]).start();
    // Only from then on is it sure to hear it, wherever the test was started.
    watch.line_with("Watching");
    watch.signal(rustix::process::Signal::INT);
    watch.finish_within(Duration::from_secs(5));
}

#[test]
fn a_newer_or_broken_document_does_not_hide_the_others() {
    let world = world();
    send(&world, &["--title", "good"]);
    world.put("notifications/t/human/bad.json", "{ half");
    let newer = json!({"schema": "clawteam.notification/2", "id": "new", "type": "from_the_future",
                       "title": "later", "team": "t", "to": "human", "createdAt": "2000-01-01T00:00:00Z",
                       "colour": "red"});
    world.put("notifications/t/human/new.json", newer.to_string());
    let list = world.run(&["--json", "notify", "list", "t"]);
    list.warns("bad.json");
    assert_eq!(titles(&list.json()), ["later", "good"]);
    assert_eq!(list.json()[0]["colour"], "red");
    world.run(&["--json", "notify", "read", "t", "new"]).refuses_with("newer_format");
}

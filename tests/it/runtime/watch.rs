//! Passing messages on to agents as they come.

use rustix::process::Signal;
use serde_json::Value;

use super::Stage;
use crate::support::STAY;
use crate::until;

impl Stage {
    fn send(&self, to: &str, text: &str) {
        self.world.run(&["inbox", "send", "t", to, text, "-f", "lead"]).succeeds();
    }

    fn watching(&self, agent: &str) -> crate::support::Running {
        self.world.call(&["runtime", "watch", "t", "-a", agent, "-p", "0.1"]).start()
    }

    fn route(&self) -> Value {
        let path = self.world.data().join("teams/t/runtime_state.json");
        if !path.exists() {
            return Value::Null;
        }
        self.world.document("teams/t/runtime_state.json")["routes"]["lead->w"].clone()
    }
}

#[test]
fn the_first_message_is_passed_on_and_those_that_follow_wait_in_the_inbox() {
    let stage = Stage::new();
    stage.fake("w", &[], "ready");
    let mut watching = stage.watching("w");
    assert!(watching.line().starts_with("Watching runtime routes for 'w'"));
    stage.send("w", "one");
    assert!(watching.line().contains("one"));
    until("it is there", || stage.file("w.got").contains("\none\n"));
    stage.until_state("w", "idle");
    stage.send("w", "two");
    stage.send("w", "three");
    until("they wait", || stage.route()["pendingCount"] == 2);
    assert_eq!(stage.waiting("w").len(), 2, "not passed on is not gone");
    let route = stage.route();
    assert_eq!(route["lastDispatchStatus"], "aggregated");
    assert_eq!(route["pendingSummaries"][1], "three");
    // The time is over.
    let mut kept = stage.world.document("teams/t/runtime_state.json");
    for field in ["lastInjectedAt", "flushAfter"] {
        kept["routes"]["lead->w"][field] = "2026-01-01T00:00:00+00:00".into();
    }
    stage.world.put("teams/t/runtime_state.json", kept.to_string());
    until("they were passed on as one", || {
        stage.file("w.got").contains("2 queued runtime updates from lead.")
    });
    let got = stage.file("w.got");
    assert!(got.contains("- two") && got.contains("- three"), "{got}");
    until("the inbox is empty", || stage.waiting("w").is_empty());
    until("it is written down", || stage.route()["lastDispatchStatus"] == "flushed");
    watching.signal(Signal::TERM);
    watching.finish().exits(0);
    let shown = stage.world.run(&["runtime", "state", "t"]);
    assert!(shown.succeeds().stdout.contains("lead -> w pending=0 status=flushed flushAfter=-"));
}

#[test]
fn what_cannot_be_passed_on_stays_in_the_inbox_until_it_can() {
    let stage = Stage::new();
    stage.fake("w", &[("FAKE_START", "ask")], "waiting_permission");
    stage.send("w", "precious");
    let mut watching = stage.watching("w");
    watching.line();
    let asked = stage.world.json(&["permission", "show", "t", "w"]);
    assert_eq!(stage.waiting("w").len(), 1);
    let digest = asked["digest"].as_str().expect("a digest");
    stage.world.run(&["permission", "answer", "t", "w", "deny", "--digest", digest]).succeeds();
    until("it was passed on", || stage.file("w.got").contains("precious"));
    until("that is written down", || stage.route()["lastDispatchStatus"] == "injected");
    // Killed at any time, it has lost nothing.
    stage.send("w", "later");
    watching.signal(Signal::KILL);
    watching.finish();
    until("it waits", || stage.waiting("w").len() == 1);
    assert!(!stage.file("w.got").contains("later"));
}

#[test]
fn a_watch_ends_with_its_agent_and_is_refused_where_there_is_no_terminal() {
    let stage = Stage::new();
    let program = stage.program("long", &format!("#!/bin/sh\n{STAY}\n"));
    stage.world.json(&[
        "spawn",
        "subprocess",
        "--team",
        "t",
        "-n",
        "s",
        "--no-workspace",
        "--",
        &program,
    ]);
    stage
        .world
        .run(&["runtime", "watch", "t", "-a", "s"])
        .refuses("not supported for subprocess agents");
    stage.fake("w", &[], "ready");
    stage.send("w", "one");
    let mut watching = stage.watching("w");
    watching.line_with("one");
    let pid = stage.world.document("agents/t/w.json")["process"]["pid"].to_string();
    super::shell(&format!("kill -9 {pid}"), "");
    stage.until_state("w", "dead");
    stage.send("w", "two");
    let ended = watching.finish();
    ended.exits(1);
    assert!(ended.stderr.contains("has ended"), "{ended}");
    assert_eq!(stage.waiting("w").len(), 1);
    let kept = stage.world.json(&["runtime", "state", "t"]);
    assert_eq!((&kept["team"], &kept["throttleSeconds"]), (&"t".into(), &30.into()));
}

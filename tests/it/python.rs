//! Working in one data directory with Python's ClawTeam.

use super::support::World;

const SENT_BY_PYTHON: &str = r#"{
  "type": "message",
  "from": "agent",
  "to": "w",
  "content": "py to rs",
  "requestId": "0123456789ab",
  "timestamp": "2026-11-20T21:03:18.500000+00:00"
}"#;

/// Python gives the entry in the log a number of its own.
#[test]
fn a_message_that_python_sent_is_in_the_log_once() {
    let world = World::new();
    world.team(&["w"]);
    world.put("teams/t/inboxes/w/msg-1795208598500-0a0a0a0a.json", SENT_BY_PYTHON);
    world.put("teams/t/events/evt-1795208598502-9413bbb1.json", SENT_BY_PYTHON);
    world.put("teams/t/events/evt-restored-000000.json", SENT_BY_PYTHON);
    let before = world.names("teams/t/events");
    assert_eq!(world.json(&["inbox", "log", "t"])["count"], 2);
    let received = world.json(&["inbox", "receive", "t", "-a", "w"]);
    assert_eq!(received[0]["content"], "py to rs");
    assert_eq!(world.names("teams/t/events"), before);
}

/// Python died between the two: receiving the message files it.
#[test]
fn a_message_that_python_did_not_log_is_logged_when_it_is_received() {
    let world = World::new();
    world.team(&["w"]);
    world.put("teams/t/inboxes/w/msg-1795208598500-0a0a0a0a.json", SENT_BY_PYTHON);
    assert_eq!(world.json(&["inbox", "log", "t"])["count"], 1);
    world.json(&["inbox", "receive", "t", "-a", "w"]);
    assert_eq!(world.json(&["inbox", "log", "t"])["count"], 1);
    assert_eq!(world.names("teams/t/inboxes/w"), Vec::<String>::new());
}

//! `clawteam team`.

use serde_json::{Value, json};

use crate::support::{World, keys};

#[test]
fn a_team_is_made_with_its_leader() {
    let world = World::new();
    let made = world.json(&["team", "spawn-team", "demo", "-d", "Demo team", "-n", "lead"]);
    assert_eq!(keys(&made), "status team leadAgentId leaderName");
    assert_eq!((&made["status"], &made["leaderName"]), (&json!("created"), &json!("lead")));
    let team = world.document("teams/demo/config.json");
    assert_eq!(keys(&team), "name description leadAgentId createdAt members budgetCents");
    assert_eq!(keys(&team["members"][0]), "name user agentId agentType joinedAt modelName");
    assert_eq!((&team["budgetCents"], &team["leadAgentId"]), (&json!(0.0), &made["leadAgentId"]));
    assert_eq!(world.names("teams/demo/inboxes"), ["lead"]);
    assert!(world.data().join("tasks/demo").is_dir());

    let again = world.run(&["--json", "team", "spawn-team", "demo"]);
    assert_eq!(
        again.exits(1).stdout,
        "{\"error\": \"Team 'demo' already exists\", \"code\": \"team_exists\"}\n"
    );
    world.run(&["team", "spawn-team", "demo"]).refuses("Team 'demo' already exists");
    world
        .run(&["team", "spawn-team", "two"])
        .shows("OK Team 'two' created\n  Leader: leader (id: xxxxxxxxxxxx)");
    let named = world.call(&["--json", "team", "spawn-team", "three", "-n", ""]);
    let named = named.env("CLAWTEAM_AGENT_NAME", "me").env("CLAWTEAM_USER", "alice").run();
    let named = named.succeeds().json();
    assert_eq!((&named["leaderName"], &named["user"]), (&json!("me"), &json!("alice")));
    assert_eq!(world.names("teams/three/inboxes"), ["alice_me"]);
}

#[test]
fn teams_are_listed_by_name() {
    let world = World::new();
    world.run(&["team", "discover"]).shows("No teams found");
    assert_eq!(world.json(&["team", "discover"]), json!([]));
    assert!(!world.data().exists(), "looking made a directory");
    world.run(&["team", "spawn-team", "b", "-d", "[red] :bug: [/foo]"]).succeeds();
    world.run(&["team", "spawn-team", "a"]).succeeds();
    let teams = world.json(&["team", "discover"]);
    assert_eq!(keys(&teams[0]), "name description leadAgentId memberCount");
    assert_eq!((&teams[0]["name"], &teams[1]["memberCount"]), (&json!("a"), &json!(1)));
    world.run(&["team", "discover"]).shows(
        "
                 Teams
┏━━━━━━┳━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━┓
┃ Name ┃ Description        ┃ Members ┃
┡━━━━━━╇━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━┩
│ a    │                    │       1 │
│ b    │ [red] :bug: [/foo] │       1 │
└──────┴────────────────────┴─────────┘",
    );
}

#[test]
fn status_tells_of_the_members() {
    let world = World::new();
    world.run(&["team", "spawn-team", "t", "-d", "What for", "-n", "lead"]).succeeds();
    let added = world.call(&["--json", "team", "add-member", "t", "w1"]);
    let added = added.env("CLAWTEAM_USER", "bob").run().succeeds().json();
    assert_eq!(keys(&added), "status team member");
    assert_eq!(keys(&added["member"]), "name user agentId agentType joinedAt modelName");
    let status = world.json(&["team", "status", "t"]);
    assert_eq!(keys(&status), "name description leadAgentId createdAt members");
    let member = &status["members"][1];
    assert_eq!(keys(member), "name user agentId agentType joinedAt modelName alive state");
    assert_eq!((&member["user"], &member["alive"]), (&json!("bob"), &Value::Null));
    world.run(&["team", "status", "t"]).shows(
        "

Team: t
  What for
  Created: 0000-00-00T00:00:00
                                         Members
┏━━━━━━┳━━━━━━┳━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━┓
┃ Name ┃ User ┃ ID           ┃ Type            ┃ Alive   ┃ State   ┃ Joined              ┃
┡━━━━━━╇━━━━━━╇━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━┩
│ lead │      │ xxxxxxxxxxxx │ leader          │ unknown │ unknown │ 0000-00-00T00:00:00 │
│ w1   │ bob  │ xxxxxxxxxxxx │ general-purpose │ unknown │ unknown │ 0000-00-00T00:00:00 │
└──────┴──────┴──────────────┴─────────────────┴─────────┴─────────┴─────────────────────┘",
    );
    world.run(&["team", "status", "nope"]).refuses("Team 'nope' not found");
    let told = world.run(&["--json", "team", "status", "nope"]).refuses_with("team_not_found");
    assert_eq!(told["error"], "Team 'nope' not found");
}

#[test]
fn members_join_once_and_keep_apart() {
    let world = World::new();
    world.team(&[]);
    let options = ["--agent-type", "coder", "--agent-id", "abc"];
    let added = world.json(&[&["team", "add-member", "t", "w1"][..], &options].concat());
    assert_eq!(
        (&added["member"]["agentType"], &added["member"]["agentId"]),
        (&json!("coder"), &json!("abc"))
    );
    world.run(&["team", "add-member", "t", "w2"]).shows("OK Added member 'w2' to team 't'");
    assert_eq!(world.names("teams/t/inboxes"), ["lead", "w1", "w2"]);
    world
        .run(&["team", "add-member", "t", "w1"])
        .refuses("Agent 'w1' (user=(none)) already in team");
    world.run(&["--json", "team", "add-member", "t", "w1"]).refuses_with("member_exists");
    world.run(&["--json", "team", "add-member", "nope", "w"]).refuses_with("team_not_found");
    assert!(!world.data().join("teams/nope").exists());
    world.run(&["team", "add-member", "t", "bob_x"]).succeeds();
    let taken = world.call(&["--json", "team", "add-member", "t", "x"]).env("CLAWTEAM_USER", "bob");
    taken.run().refuses_with("inbox_taken");
    let other = world.call(&["team", "add-member", "t", "w1"]).env("CLAWTEAM_USER", "bob");
    other.run().succeeds();
}

#[test]
fn what_a_team_holds_besides_survives_a_change() {
    let world = World::new();
    world.team(&["w1"]);
    let mut team = world.document("teams/t/config.json");
    team["future"] = json!({"deep": [1, {"x": null}]});
    team["members"][1]["colour"] = json!("red");
    team["budgetCents"] = json!(12.5);
    world.put("teams/t/config.json", team.to_string());
    world.run(&["team", "add-member", "t", "w2"]).succeeds();
    let after = world.document("teams/t/config.json");
    assert_eq!(after["future"], team["future"]);
    assert_eq!(after["members"][1], team["members"][1]);
    assert_eq!(after["budgetCents"], 12.5);
    assert_eq!(after["members"].as_array().map(Vec::len), Some(3));
}

#[test]
fn cleanup_asks_first_and_deletes_nothing_for_good() {
    let world = World::new();
    world.team(&["w1"]);
    let id = world.task(&["keep me"]);
    world.run(&["inbox", "send", "t", "w1", "hello"]).succeeds();
    for answer in ["n\n", "", "\n", "maybe\n"] {
        let asked = world.call(&["team", "cleanup", "t"]).stdin(answer).run();
        asked.exits(1);
        assert!(asked.stderr.contains("Delete team 't' and all its data? [y/N]:"), "{asked}");
        assert!(asked.stderr.contains("Aborted."), "{asked}");
    }
    world.run(&["team", "status", "t"]).succeeds();
    let yes = world.call(&["team", "cleanup", "t"]).stdin("y\n").run();
    assert!(yes.exits(0).stdout.starts_with("OK Team 't' deleted"), "{yes}");
    world.run(&["team", "discover"]).shows("No teams found");
    assert_eq!(
        world.run(&["--json", "task", "list", "t"]).warns("'t' not found").json(),
        json!([])
    );
    let label = world.names("trash").pop().expect("the documents were kept");
    assert!(world.data().join(format!("trash/{label}/tasks/t/task-{id}.json")).is_file());

    world.run(&["team", "cleanup", "t", "-f"]).shows("Team 't' not found");
    let gone = world.json(&["team", "cleanup", "t"]);
    assert_eq!(gone, json!({"status": "not_found", "team": "t"}));
    world.team(&[]);
    let cleaned = world.json(&["team", "cleanup", "t"]);
    assert_eq!((&cleaned["status"], &cleaned["team"]), (&json!("cleaned"), &json!("t")));
    world.team(&[]);
}

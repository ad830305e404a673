//! How people show who they are.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{agent, fails, person, request, status, world};
use crate::support::{Ran, World, names};

fn with_token(world: &World, token: &str, line: &[&str]) -> Ran {
    world.call(&[&["--json"], line].concat()).env("CLAWTEAM_TOKEN", token).run()
}

#[test]
fn a_token_shows_who_decides_and_can_be_taken_back() {
    let world = world();
    let made = world.json(&["approval", "token", "new", "ann"]);
    let (token, key) = (made["token"].as_str().expect("text"), made["id"].as_str().expect("text"));
    let file = world.data().join(format!("auth/tokens/{key}.json"));
    let rights = std::fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(rights & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&file).expect("text").contains(token), "only its digest");

    let id = request(&world, &["--approver", "human:ann"]);
    let line = ["approval", "approve", "t", &id];
    fails(&with_token(&world, "ctk_wrong", &line), 6, "invalid_token");
    let decided = with_token(&world, token, &line).succeeds().json();
    assert_eq!(
        json!([decided["decisions"][0]["actor"], decided["decisions"][0]["proof"]]),
        json!(["human:ann", "token"])
    );
    // An agent that has found it is still an agent.
    let id = request(&world, &[]);
    let call = world.call(&["--json", "approval", "approve", "t", &id]);
    let call = call.env("CLAWTEAM_TOKEN", token).env("CLAWTEAM_AGENT_NAME", "w2");
    fails(&call.run(), 6, "human_required");
    fails(&world.run_as("w2", &["--json", "approval", "token", "new", "x"]), 6, "human_required");

    world.run(&["approval", "token", "revoke", key]).succeeds();
    fails(&with_token(&world, token, &["approval", "approve", "t", &id]), 6, "invalid_token");
    assert_eq!(status(&world, &id), "pending");
    assert!(!world.json(&["approval", "token", "list"])[0]["revokedAt"].is_null());
    assert_eq!(world.json(&["doctor"])["clean"], true);
}

#[test]
fn a_team_can_demand_a_better_proof() {
    let world = world();
    let id = request(&world, &[]);
    world.run(&["config", "set", "approval_proof", "token"]).succeeds();
    fails(&person(&world, "approve", &id, &[]), 6, "weak_proof");
    let token = world.json(&["approval", "token", "new", "ann"])["token"].clone();
    let token = token.as_str().expect("text");
    with_token(&world, token, &["approval", "approve", "t", &id]).succeeds();
    // Agents who were asked are not people.
    let id = request(&world, &["--approver", "w2"]);
    agent(&world, "w2", "approve", &id, &[]).succeeds();
}

#[test]
fn a_signature_is_checked_when_it_is_given_and_when_it_is_used() {
    let world = world();
    let made = world.json(&["approval", "key", "new", "ann.key", "--user", "ann"]);
    let file = world.cwd().join("ann.key");
    let rights = std::fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!(rights & 0o777, 0o600);
    world.run(&["approval", "key", "new", "ann.key"]).refuses("cannot make");

    let signed = ["--require-signature", "--approver", "human,w2"];
    let id = request(&world, &signed);
    fails(&person(&world, "approve", &id, &[]), 6, "weak_proof");
    fails(&agent(&world, "w2", "approve", &id, &[]), 6, "human_required");
    fails(&agent(&world, "w2", "approve", &id, &["--sign", "ann.key"]), 6, "human_required");
    let decided = person(&world, "approve", &id, &["--sign", "ann.key"]).succeeds().json();
    let decision = &decided["decisions"][0];
    assert_eq!(
        json!([decision["actor"], decision["proof"], decision["sig"]["key"]]),
        json!(["human:ann", "signature", made["id"]])
    );
    person(&world, "consume", &id, &["--by", "x"]).succeeds();

    let id = request(&world, &signed);
    person(&world, "approve", &id, &["--sign", "ann.key"]).succeeds();
    let key = made["id"].as_str().expect("text");
    world.run(&["approval", "key", "revoke", key]).succeeds();
    fails(&person(&world, "consume", &id, &["--by", "x"]), 6, "untrusted_key");
    let other = request(&world, &signed);
    let refused = person(&world, "approve", &other, &["--sign", "ann.key"]);
    fails(&refused, 6, "untrusted_key");
    let public = made["publicKey"].as_str().expect("text");
    world.run(&["approval", "key", "trust", public, "--user", "ann"]).succeeds();
    person(&world, "consume", &id, &["--by", "x"]).succeeds();
}

#[test]
fn a_signature_fits_nothing_else() {
    let world = world();
    world.run(&["approval", "key", "new", "k", "--user", "ann"]).succeeds();
    let signed = ["--require-signature"];
    let (one, two) = (request(&world, &signed), request(&world, &signed));
    for id in [&one, &two] {
        person(&world, "approve", id, &["--sign", "k"]).succeeds();
    }
    // The whole journal is made anew around the signature of the other one.
    let journal = |id: &str| {
        let file = world.data().join(format!("approvals/t/{id}.jsonl"));
        let text = std::fs::read_to_string(file).expect("it is there");
        let records = text.lines().map(|line| serde_json::from_str(line).expect("a record"));
        records.collect::<Vec<serde_json::Value>>()
    };
    let (mut records, others) = (journal(&one), journal(&two));
    records[1]["decision"]["sig"] = others[1]["decision"]["sig"].clone();
    let (mut head, mut text) = (None, Vec::new());
    for mut record in records {
        record.as_object_mut().expect("an object").retain(|k, _| k != "prev" && k != "hash");
        let link = clawteam::domain::chain::link(head.as_ref(), &record);
        head = Some(link.hash);
        text.extend([&link.line[..], b"\n"].concat());
    }
    world.put(&format!("approvals/t/{one}.jsonl"), text);
    fails(&person(&world, "consume", &one, &["--by", "x"]), 6, "bad_signature");
    person(&world, "consume", &two, &["--by", "x"]).succeeds();
    let told = world.run(&["--json", "doctor"]).exits(1).json();
    assert_eq!(told["findings"][0]["code"], "bad_signature");
}

#[test]
fn doctor_says_what_could_be_forged() {
    let world = world();
    let id = request(&world, &[]);
    person(&world, "approve", &id, &[]).succeeds();
    let told = world.json(&["doctor"]);
    let proofs = told["approvals"]["proofs"].as_array().expect("a list");
    let shell = proofs.iter().find(|proof| proof["proof"] == "shell").expect("it is told of");
    assert_eq!(shell["used"], 1);
    assert!(shell["worth"].as_str().is_some_and(|text| text.contains("any process of this user")));
    let text = world.run(&["doctor"]).succeeds().stdout.clone();
    assert!(text.contains("shell (1 decision): any process of this user"), "{text}");
}

#[test]
fn a_token_never_reaches_an_agent() {
    let world = world().env("CLAWTEAM_TOKEN", "ctk_secret");
    let line = ["spawn", "subprocess", "true", "-t", "t", "-n", "w9", "--task", "x"];
    let ran = world.call(&[&line[..], &["--no-workspace"]].concat()).run();
    ran.exits(0);
    let plan = world.data().join("agents/t/w9.plan.json");
    let text = std::fs::read_to_string(&plan).unwrap_or_else(|error| {
        panic!("{error}: {:?}\n{ran}", names(&world.data().join("agents/t")))
    });
    assert!(!text.contains("ctk_secret"), "{text}");
}

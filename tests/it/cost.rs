//! What agents report to have spent.

use std::fs;

use serde_json::json;

use super::support::{World, keys};

#[test]
fn reports_are_kept_and_added_up() {
    let world = World::new();
    world.team(&["w1"]);
    let report = [
        "cost",
        "report",
        "t",
        "--input-tokens",
        "100",
        "--output-tokens",
        "50",
        "--cost-cents",
        "1.5",
        "--provider",
        "p",
        "--model",
        "opus",
        "-a",
        "w1",
        "--task-id",
        "T1",
    ];
    let told = world.json(&report);
    assert_eq!(
        keys(&told),
        "id agentName provider model inputTokens outputTokens costCents reportedAt taskId"
    );
    let name = &world.names("costs/t")[0];
    let stamp = told["reportedAt"].as_str().expect("a stamp").replace(':', "-").replace('+', "p");
    assert_eq!(*name, format!("cost-{stamp}-{}.json", told["id"].as_str().expect("an id")));
    assert_eq!(world.document(&format!("costs/t/{name}")), told);
    world.json_as("w2", &["cost", "report", "t", "--cost-cents", "250"]);

    let shown = world.json(&["cost", "show", "t"]);
    assert_eq!(keys(&shown), "summary budget_cents cost_rate_per_min events");
    assert_eq!(
        shown["summary"],
        json!({
            "teamName": "t", "totalCostCents": 251.5, "totalInputTokens": 100,
            "totalOutputTokens": 50, "byAgent": {"w1": 1.5, "w2": 250.0},
            "byModel": {"opus": 1.5}, "byTask": {"T1": 1.5}, "eventCount": 2
        })
    );
    assert_eq!((&shown["cost_rate_per_min"], &shown["events"][0]), (&json!(50.3), &told));
    let of_agent = world.json(&["cost", "show", "t", "-a", "w2"]);
    assert_eq!(of_agent["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(of_agent["summary"]["eventCount"], 2, "the sums are those of all");
    let text = world.run(&["cost", "show", "t", "--by", "model"]).succeeds().stdout.clone();
    for part in
        ["Cost Summary — t", "Total: $2.5150", "Rate: $0.5030/min", "By model:", "opus: $0.0150"]
    {
        assert!(text.contains(part), "not `{part}` in\n{text}");
    }
}

#[test]
fn a_budget_that_is_exceeded_is_told_to_people_and_programs() {
    let world = World::new();
    world.team(&[]);
    let set = world.json(&["cost", "budget", "t", "1.5"]);
    assert_eq!(set, json!({"status": "set", "team": "t", "budgetDollars": 1.5}));
    assert_eq!(world.document("teams/t/config.json")["budgetCents"], 150.0);
    let within = world.json(&["cost", "report", "t", "--cost-cents", "150"]);
    assert_eq!(within["budgetExceeded"], false);
    let beyond = world.json(&["cost", "report", "t", "--cost-cents", "2"]);
    assert_eq!(
        (&beyond["budgetExceeded"], &beyond["totalCostCents"], &beyond["budgetCents"]),
        (&json!(true), &json!(152.0), &json!(150.0))
    );
    let told = world.run(&["cost", "report", "t", "--cost-cents", "100"]).succeeds().stdout.clone();
    assert_eq!(told, "OK Cost reported: $1.0000\nWARNING: Budget exceeded! Spent $2.52 / $1.50\n");
    let removed = world.run(&["cost", "budget", "t", "-3"]).succeeds().stdout.clone();
    assert_eq!(removed, "OK Budget removed (unlimited)\n");
    world.run(&["cost", "budget", "nope", "1"]).refuses("Team 'nope' not found");
    world.run(&["cost", "budget", "t", "x"]).exits(2);
}

#[test]
fn what_is_no_number_poisons_nothing() {
    let world = World::new();
    world.team(&[]);
    for amount in ["nan", "inf", "-inf"] {
        world.run(&["cost", "report", "t", "--cost-cents", amount]).exits(2);
        world.run(&["cost", "budget", "t", amount]).exits(2);
    }
    assert!(world.names("costs/t").is_empty());
    world.run(&["cost", "report", "t", "--cost-cents", "-1.5", "--input-tokens", "-2"]).succeeds();
    world.put("costs/t/cost-bad.json", "{");
    let shown = world.run(&["--json", "cost", "show", "t"]);
    shown.warns("cost-bad.json");
    assert_eq!(shown.json()["summary"]["totalInputTokens"], -2);
}

#[test]
fn many_reports_at_once_are_all_counted_exactly() {
    let world = World::new();
    world.team(&[]);
    let calls: Vec<_> = (0..20)
        .map(|_| world.call(&["cost", "report", "t", "--cost-cents", "0.1"]).start())
        .collect();
    for call in calls {
        call.finish().succeeds();
    }
    let summary = &world.json(&["cost", "show", "t"])["summary"];
    assert_eq!((&summary["totalCostCents"], &summary["eventCount"]), (&json!(2.0), &json!(20)));
}

#[test]
fn reports_of_python_and_of_others_are_counted() {
    let world = World::of_python();
    let shown = world.json(&["cost", "show", "atlas"]);
    assert_eq!(shown["summary"]["byModel"], json!({"claude-sonnet": 12.5}));
    let costs = world.home().join(".clawteam/costs/atlas");
    let external = r#"{"id":"x","agent_name":"g","cost_cents":"2.5","later":{"kept":1}}"#;
    fs::write(costs.join("cost-ext-gateway-2026-x.json"), external).expect("it is ours");
    let before = fs::read(costs.join("summary.json")).expect("Python's cache");
    let shown = world.json(&["cost", "show", "atlas"]);
    assert_eq!(shown["summary"]["totalCostCents"], 15.0);
    assert_eq!(shown["events"][1]["later"], json!({"kept": 1}));
    assert_eq!(fs::read(costs.join("summary.json")).expect("it is still there"), before);
}

//! Finding, reading and filling in templates.

use clawteam::domain::template::{Retry, TemplateError, Values, fill, parse};
use proptest::prelude::*;

use super::crew::Crew;
use super::support::keys;

const BROKEN: &str = r#"
[template]
backend = "screen"
command = []
max_agents = "many"

[template.leader]
name = "a b"
model_tier = "huge"

[[template.agents]]
type = 7

[[template.agents]]
name = "w"

[[template.agents]]
name = "w"
retry = { max_retries = -1 }

[[template.tasks]]
subject = "One"
priority = "soon"
blocked_by = ["Two"]

[[template.tasks]]
subject = "Two"
blocked_by = ["One", "Nine"]

[[template.tasks]]
description = "no subject"
"#;

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let TemplateError { errors, .. } = parse(BROKEN, "x.toml", "x").expect_err("it is wrong");
    let problems: Vec<String> = errors.iter().map(|error| error.message.clone()).collect();
    for part in [
        "template.backend must be tmux or subprocess, not 'screen'",
        "template.command must be a program",
        "template.max_agents must be a whole number",
        "template.leader.model_tier must be strong or balanced or cheap, not 'huge'",
        "template.agents[1].type must be text",
        "template.agents[1].name is missing",
        "template.agents[3].retry.max_retries must be a whole number",
        "two agents are called 'w'",
        "agent 'a b': Invalid agent name",
        "template.tasks[1].priority must be low, medium, high or urgent, not 'soon'",
        "task 'Two' waits for 'Nine', which no task has as its subject",
        "tasks wait for each other: One -> Two -> One",
        "template.tasks[3].subject is missing",
    ] {
        assert!(problems.iter().any(|p| p.contains(part)), "not `{part}` in {problems:#?}");
    }
    assert_eq!(problems.len(), 13, "{problems:#?}");
}

#[test]
fn what_nobody_knows_is_noted_and_has_no_effect() {
    let text = "[template]\ncolour = 1\n[template.leader]\nname = \"l\"\nshoe = 2\n[extra]\n\
                [[template.tasks]]\nsubject = \"s\"\nowner = \"stranger\"\n";
    let parsed = parse(text, "x.toml", "x").expect("a template");
    assert_eq!(parsed.template.name, "x");
    assert_eq!(parsed.template.command, ["openclaw"]);
    let places: Vec<(usize, usize)> =
        parsed.warnings.iter().map(|warning| (warning.line, warning.column)).collect();
    assert_eq!(places, [(2, 1), (5, 1), (6, 2), (7, 1)], "{:#?}", parsed.warnings);
}

#[test]
fn a_pause_doubles_up_to_its_limit() {
    let retry = Retry { max_retries: 9, backoff_base_seconds: 0.5, backoff_max_seconds: 3.0 };
    let pauses: Vec<f64> = (1..6).map(|n| retry.pause(n).as_secs_f64()).collect();
    assert_eq!(pauses, [0.5, 1.0, 2.0, 3.0, 3.0]);
}

const VALUES: Values<'_> = Values { goal: "a {team_name}", team_name: "t", agent_name: "w" };

#[test]
fn only_the_three_fields_are_replaced() {
    let text = r#"{goal} {team_name}/{agent_name} {"json": {}} ${x} {{goal}} {goal"#;
    assert_eq!(fill(text, &VALUES), r#"a {team_name} t/w {"json": {}} ${x} {a {team_name}} {goal"#);
}

proptest! {
    #[test]
    fn text_around_a_field_stays_as_it_is(a in "[{}a-z ]*", b in "[{}a-z ]*") {
        let around = |field: &str| fill(&format!("{a}{field}{b}"), &VALUES);
        let (left, right) = (fill(&a, &VALUES), fill(&b, &VALUES));
        prop_assert_eq!(around("{goal}"), format!("{left}a {{team_name}}{right}"));
        prop_assert_eq!(around("{agent_name}"), format!("{left}w{right}"));
    }

    #[test]
    fn text_without_fields_is_not_changed(text in "\\PC*") {
        prop_assume!(!["{goal}", "{team_name}", "{agent_name}"].iter().any(|f| text.contains(f)));
        prop_assert_eq!(fill(&text, &VALUES), text);
    }
}

#[test]
fn templates_are_listed_and_the_users_come_first() {
    let crew = Crew::new();
    let names = |listed: &serde_json::Value| {
        let listed = listed.as_array().expect("a list").clone();
        listed.into_iter().map(|one| format!("{} {}", one["name"], one["source"])).collect()
    };
    let built_in: Vec<String> = names(&crew.world.json(&["template", "list"]));
    assert!(built_in.contains(&r#""demo" "builtin""#.to_owned()), "{built_in:?}");
    crew.template("demo", "[template]\ndescription = \"mine\"\n[template.leader]\nname = \"l\"\n");
    crew.template("mine", "[template]\nname = \"ours\"\n[template.leader]\nname = \"l\"\n");
    let listed: Vec<String> = names(&crew.world.json(&["template", "list"]));
    assert_eq!(listed.len(), built_in.len() + 1);
    assert!(listed.contains(&r#""demo" "user""#.to_owned()), "{listed:?}");
    assert_eq!(crew.world.json(&["template", "show", "demo"])["description"], "mine");
    for name in ["mine", "ours"] {
        assert_eq!(crew.world.json(&["template", "show", name])["name"], "ours");
    }
}

#[test]
fn a_broken_template_is_told_with_its_line_and_hides_no_other() {
    let crew = Crew::new();
    crew.template("bad", "[template]\nname = \"bad\"\nharness = = true\n");
    crew.template("good", "[template.leader]\nname = \"l\"\n");
    let listed = crew.world.run(&["--json", "template", "list"]);
    listed.warns("bad.toml, line 3, column 11: ");
    assert!(listed.stdout.contains("good"), "{listed}");
    crew.world.run(&["template", "show", "bad"]).refuses("bad.toml, line 3, column 11: ");
    crew.world.run(&["--json", "template", "show", "bad"]).refuses_with("invalid_template");
    crew.world.run(&["--json", "template", "show", "none"]).refuses_with("template_not_found");
    crew.world.run(&["--json", "template", "show", "../x"]).refuses_with("invalid_name");
}

#[test]
fn a_template_is_shown_whole() {
    let crew = Crew::new();
    let shown = crew.world.json(&["template", "show", "demo"]);
    assert_eq!(
        keys(&shown),
        "name description command backend model model_strategy leader agents tasks max_agents workflow"
    );
    assert_eq!(
        keys(&shown["leader"]),
        "name type task command task_type intent end_state constraints model model_tier retry"
    );
    assert_eq!(keys(&shown["tasks"][0]), "subject description owner priority blocked_by");
    crew.world.run(&["template", "show", "demo"]).succeeds();
}

/// The templates that the first version had, and what `launch` can do without them.
const PROMISED: [&str; 6] = [
    "code-review",
    "hedge-fund",
    "research-paper",
    "strategy-room",
    "software-dev",
    "harness-default",
];

#[test]
fn every_built_in_template_is_sound_and_tells_agents_commands_that_exist() {
    let crew = Crew::new();
    let listed = crew.world.json(&["template", "list"]);
    let names: Vec<&str> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["name"].as_str().expect("a name"))
        .collect();
    assert!(PROMISED.iter().all(|name| names.contains(name)), "{names:?}");
    for name in names {
        crew.world.run(&["template", "show", name]).succeeds();
        let checked = crew.world.run(&["template", "validate", name, "--strict"]);
        checked.exits(0);
        assert!(checked.stdout.ends_with("has no problems\n"), "{checked}");
        let plan = crew.world.json(&[
            "launch",
            name,
            "--dry-run",
            "--goal",
            "tea",
            "--command",
            "sh",
            "--backend",
            "subprocess",
        ]);
        assert_eq!(plan["status"], "planned", "{plan}");
    }
    assert_eq!(crew.world.names("teams"), [""; 0]);
}

/// Tells an agent what it should not be told.
const MISLED: &str = r#"[template]
[template.leader]
name = "lead"
task = """
Wait with sleep 45 && clawteam board show.
Merge with `clawteam workspace merge {team_name} --onto ann`, then
`clawteam msg send
{team_name} hello`."""
[[template.agents]]
name = "ann"
colour = "red"
task = "`clawteam task update {team_name} --status completed`"
"#;

#[test]
fn what_cannot_be_typed_is_found_in_what_agents_are_told() {
    let crew = Crew::new();
    let file = crew.template("misled", MISLED);
    let checked = crew.world.run(&["--json", "template", "validate", "misled"]);
    checked.exits(0);
    let told = checked.json();
    assert_eq!(keys(&told), "ok file name problems");
    let problems = told["problems"].as_array().expect("problems");
    let found: Vec<String> = problems
        .iter()
        .map(|one| format!("{} {}:{}", one["level"], one["line"], one["column"]))
        .collect();
    let expected = ["5:11", "6:13", "7:2", "11:1", "12:10"].map(|at| format!("\"warning\" {at}"));
    assert_eq!(found, expected, "{problems:#?}");
    let file = file.display().to_string();
    let strict = crew.world.run(&["template", "validate", &file, "--strict"]);
    strict.exits(1);
    for line in [
        ":5:11: warning: the task of 'lead': an agent that sleeps pays for each look",
        ":6:13: warning: the task of 'lead': `clawteam workspace merge {team_name} --onto ann` cannot",
        ":11:1: warning: template.agents[1].colour is not known and has no effect",
    ] {
        assert!(strict.stdout.contains(&format!("{file}{line}")), "no {line} in {strict}");
    }
}

#[test]
fn mistakes_are_told_with_their_places() {
    let crew = Crew::new();
    let text = "[template]\nbackend = \"tmux\"\n  permissions = \"some\"\n[template.leader]\n\
                name = \"l\"\nmodell = \"opus\"\n";
    let checked = crew.world.call(&["--json", "template", "validate", "-"]).stdin(text).run();
    checked.exits(1);
    let problems = checked.json()["problems"].clone();
    assert_eq!(
        problems[0]["message"],
        "template.permissions must be ask or edit or full, not 'some'"
    );
    assert_eq!((problems[0]["line"].as_u64(), problems[0]["column"].as_u64()), (Some(3), Some(17)));
    let message = problems[1]["message"].as_str().expect("a message");
    assert!(message.ends_with("has no effect; did you mean 'model'?"), "{message}");
    crew.template("bad", text);
    let refused = crew.world.run(&["--json", "launch", "bad"]);
    refused.refuses_with("invalid_template");
    crew.world.run(&["--json", "template", "validate", "none"]).refuses_with("template_not_found");
    crew.world.run(&["--json", "template", "validate", "no/x"]).refuses_with("unreadable_file");
}

#[test]
fn a_template_of_ones_own_is_begun_from_another_or_from_an_example() {
    let crew = Crew::new();
    let made = crew.world.json(&["template", "new", "mine"]);
    assert_eq!(keys(&made), "status name file from");
    let file = made["file"].as_str().expect("a file").to_owned();
    crew.world.run(&["template", "validate", &file, "--strict"]).exits(0);
    assert_eq!(crew.world.json(&["template", "show", "mine"])["name"], "mine");
    // Every key that the example explains can be put in force.
    let example = std::fs::read_to_string(&file).expect("it was written");
    let all = example.lines().map(|line| {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let key = bare.split([' ', '=']).next().unwrap_or_default();
        let is_key = bare.starts_with('[') || bare[key.len()..].trim_start().starts_with('=');
        if is_key { format!("{bare}\n") } else { format!("{line}\n") }
    });
    let all: String = all.collect();
    assert!(all.contains("\nmodel_tier = ") && all.contains("\n[template.workspace]"), "{all}");
    let checked = crew.world.call(&["template", "validate", "-", "--strict"]).stdin(all).run();
    checked.exits(0);

    crew.world.run(&["--json", "template", "new", "mine"]).refuses_with("template_exists");
    crew.world.run(&["--json", "template", "new", "a/b"]).refuses_with("invalid_name");
    let nowhere = ["--json", "template", "new", "x", "--from", "none"];
    crew.world.run(&nowhere).refuses_with("template_not_found");
    crew.world.run(&["template", "new", "fund", "--from", "hedge-fund"]).exits(0);
    let mut fund = crew.world.json(&["template", "show", "fund"]);
    assert_eq!(fund["name"], "fund");
    fund["name"] = "hedge-fund".into();
    assert_eq!(fund, crew.world.json(&["template", "show", "hedge-fund"]));
}

#[test]
fn the_documented_template_is_sound() {
    let text = include_str!("../../docs/templates.md");
    let example = clawteam::domain::fence::block(text, "toml").expect("an example");
    let parsed = parse(&example, "docs/templates.md", "pair").expect("a template");
    assert_eq!(parsed.warnings, []);
    assert_eq!(parsed.template.tasks[1].blocked_by, ["Write the parser"]);
}

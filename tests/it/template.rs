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
    let Err(TemplateError::Invalid { problems, .. }) = parse(BROKEN, "x.toml", "x") else {
        panic!("it was taken");
    };
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
    assert_eq!(parsed.notes.len(), 4, "{:#?}", parsed.notes);
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
    listed.warns("bad.toml, line 3: ");
    assert!(listed.stdout.contains("good"), "{listed}");
    crew.world.run(&["template", "show", "bad"]).refuses("bad.toml, line 3: ");
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

#[test]
fn every_built_in_template_is_sound() {
    let crew = Crew::new();
    let listed = crew.world.json(&["template", "list"]);
    for one in listed.as_array().expect("a list") {
        let name = one["name"].as_str().expect("a name");
        crew.world.run(&["template", "show", name]).succeeds();
    }
}

#[test]
fn the_documented_template_is_sound() {
    let text = include_str!("../../docs/templates.md");
    let example = clawteam::domain::fence::block(text, "toml").expect("an example");
    let parsed = parse(&example, "docs/templates.md", "pair").expect("a template");
    assert_eq!(parsed.notes, [""; 0]);
    assert_eq!(parsed.template.tasks[1].blocked_by, ["Write the parser"]);
}

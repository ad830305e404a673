use serde_json::Value;

use super::*;

/// Every kind of node with every field, and every other field.
const ALL: &str = include_str!("all-fields.json");

fn good(text: &str, format: Format) -> Definition {
    let reading = read(text, format, Options::default());
    assert_eq!(reading.problems, [], "{text}");
    reading.definition.expect("a definition")
}

#[test]
fn every_field_is_read_and_written_back() {
    let wanted: Value = serde_json::from_str(ALL).expect("JSON");
    let definition = good(ALL, Format::Json);
    let written = serde_json::to_value(&definition).expect("JSON");
    assert_eq!(written, wanted);
    assert_eq!(check(&definition, &World::default()), []);
    // Nothing that can be written is missing here.
    let kinds: Vec<&str> = definition.nodes.values().map(|node| node.kind.word()).collect();
    for (kind, fields) in schema::KINDS {
        assert!(kinds.contains(kind), "there is no {kind}");
        let nodes = wanted["nodes"].as_object().expect("nodes").values();
        let nodes: Vec<&Value> = nodes.filter(|node| node["type"] == *kind).collect();
        for field in fields.iter().filter(|field| field.name != "type") {
            let found = nodes.iter().any(|node| node.get(field.name).is_some());
            assert!(found, "no {kind} has {}", field.name);
        }
    }
    for field in schema::NODE {
        let mut nodes = wanted["nodes"].as_object().expect("nodes").values();
        assert!(nodes.any(|node| node.get(field.name).is_some()), "no node has {}", field.name);
    }
    for field in schema::DEFINITION {
        assert!(wanted.get(field.name).is_some(), "{} is not there", field.name);
    }
}

#[test]
fn toml_says_the_same_and_keeps_the_order() {
    let definition = good(
        r#"
        schema = "clawteam.workflow/1"
        name = "release"
        start = "plan"
        [inputs.tag]
        required = true
        pattern = "^v[0-9]"
        [nodes.plan]
        assign.agent = "lead"
        prompt = "Plan release {{ inputs.tag }}"
        [nodes.build]
        assign.role = "builder"
        link_task = "t1"
        retry = { max = 1, delay = "30s", for = "failure" }
        [nodes.a]
        type = "condition"
        expr = true
        on_error = false
        [[edges]]
        from = "plan"
        to = "build"
        [[edges]]
        from = "build"
        to = "a"
        [[edges]]
        from = "a"
        to = "plan"
        port = true
        "#,
        Format::Toml,
    );
    let ids: Vec<&str> = definition.nodes.keys().map(String::as_str).collect();
    assert_eq!(ids, ["plan", "build", "a"]);
    assert_eq!(definition.edges[2].port(), "yes");
    let Kind::Condition(condition) = &definition.nodes["a"].kind else { panic!("a condition") };
    assert_eq!((condition.expr.as_str(), &condition.on_error), ("true", &OnError::False));
    let Kind::Task(task) = &definition.nodes["build"].kind else { panic!("a task") };
    assert_eq!(task.link_task.as_deref(), Some("t1"));
}

#[test]
fn json_keys_that_are_there_twice_are_told_wherever_they_are() {
    let text = r#"{"schema": "clawteam.workflow/1", "name": "w", "nodes": {
        "a": {"type": "notify", "ui": {"x": 1, "x": 2}}, "a": {"type": "end"}}, "edges": []}"#;
    let reading = read(text, Format::Json, Options::default());
    let found: Vec<_> = reading.problems.iter().map(|p| (p.code, p.path.as_str())).collect();
    assert_eq!(found, [("duplicate_key", "nodes.a.ui.x"), ("duplicate_key", "nodes.a")]);
    assert_eq!(reading.definition.expect("a definition").nodes["a"].kind.word(), "notify");
}

#[test]
fn unknown_fields_are_warnings_for_the_lenient() {
    let text = r#"{"schema": "clawteam.workflow/1", "nodes": {"a": {"type": "end", "x": 1}}}"#;
    let reading = read(text, Format::Json, Options { name: Some("given"), lenient: true });
    assert!(!any_error(&reading.problems), "{:?}", reading.problems);
    assert_eq!(reading.problems[0].code, "unknown_field");
    assert_eq!(reading.definition.expect("a definition").name, "given");
}

#[test]
fn the_format_is_told_by_the_name_or_the_text() {
    assert_eq!(Format::guess(Some("x.toml"), "{"), Format::Toml);
    assert_eq!(Format::guess(Some("x.json"), "a = 1"), Format::Json);
    assert_eq!(Format::guess(None, " {\"a\": 1}"), Format::Json);
    assert_eq!(Format::guess(None, "[nodes.a]\n"), Format::Toml);
    assert_eq!(Format::guess(None, "name = 'x'"), Format::Toml);
}

proptest::proptest! {
    #[test]
    fn no_text_is_a_panic(text in "[\\PC\n]{0,200}") {
        for format in [Format::Json, Format::Toml] {
            let reading = read(&text, format, Options::default());
            let _ = check_reading(&reading, &World::default());
        }
    }
}

#[test]
fn a_definition_is_written_as_toml_and_reads_back() {
    let definition = good(ALL, Format::Json);
    let text = toml(&definition).expect("TOML");
    let again = good(&text, Format::Toml);
    assert_eq!(again, definition);
    assert!(again.nodes.keys().eq(definition.nodes.keys()), "the order of nodes is lost");
    let mut with_null = definition;
    with_null.vars.insert("n".into(), Value::Null);
    assert_eq!(toml(&with_null), Err("vars.n is null".into()));
}

#[test]
fn a_graph_is_drawn_from_top_to_bottom() {
    let definition = good(
        r#"
        schema = "clawteam.workflow/1"
        name = "release"
        start = ["plan"]
        nodes.plan = { assign = { lead = true }, prompt = "p" }
        nodes.build = { assign = { lead = true }, prompt = "p" }
        nodes.test = { type = "command", run = ["make"] }
        nodes.all = { type = "join" }
        nodes.ok = { type = "condition", expr = "true" }
        nodes.ship = { type = "end" }
        edges = [
          { from = "plan", to = "build" }, { from = "plan", to = "test" },
          { from = "build", to = "all" }, { from = "test", to = "all" },
          { from = "all", to = "ok" }, { from = "ok", to = "ship", port = "yes" },
          { from = "ok", to = "plan", port = "no" },
        ]
        "#,
        Format::Toml,
    );
    let drawn = draw(&definition, &|id| (id == "test").then(|| "running".to_owned()));
    assert!(drawn.contains("running") && drawn.contains("▼"), "{drawn}");
    assert!(drawn.contains("↺ ok → plan (no)"), "{drawn}");
    assert!(drawn.lines().all(|line| line.chars().count() < 60), "{drawn}");
    let rows: Vec<&str> = drawn.lines().map(str::trim_end).collect();
    let row = |text: &str| rows.iter().position(|row| row.contains(text)).expect(text);
    assert!(row("plan") < row("build") && row("build") == row("test"), "{drawn}");
    assert!(row("│ all") < row("│ ok") && row("│ ok") < row("▼ yes"), "{drawn}");
    assert!(rows.iter().any(|row| row.contains("┌─────┴") || row.contains("├─────")), "{drawn}");
    for (text, parts) in [
        (mermaid(&definition, &|_| None), ["flowchart TD", "n4 -->|\"yes\"| n5"]),
        (
            dot(&definition, &|_| None),
            ["digraph \"release\"", "\"ok\" -> \"ship\" [label=\"yes\"]"],
        ),
    ] {
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn what_differs_is_told_by_place() {
    let before = good(ALL, Format::Json);
    let mut after = before.clone();
    after.title = "Other".into();
    after.nodes.shift_remove("end");
    after.edges.remove(0);
    let told = difference(&before, &after);
    assert_eq!(told.nodes_removed, ["end"]);
    assert_eq!(told.edges_removed, ["task -> condition"]);
    assert_eq!(told.changes.len(), 1, "{:?}", told.changes);
    assert_eq!(told.changes[0].path, "title");
    assert!(told.text.contains("-  \"title\": \"Everything\""), "{}", told.text);
    assert_eq!(difference(&before, &before), Difference::default());
}

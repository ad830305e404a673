use serde_json::{Value, json};

use super::expr::{segments, translate};
use super::*;
use crate::domain::expr::Expr;
use crate::domain::workflow::definition::{World, any_error, check_reading};

#[test]
fn expressions_are_translated() {
    let cel = |text: &str| translate(text, "last.text").cel;
    for (there, here) in [
        ("contains: Ready ", r#"contains_ci(last.text, "Ready")"#),
        ("Done & \"dusted\"", r#"contains_ci(last.text, "Done & \"dusted\"")"#),
        ("regex:^ok\\s+\\d+", r#"matches_ci(last.text, "^ok\\s+\\d+")"#),
        ("json:status=ok", r#"string(get(json(last.text), "status", "")) == "ok""#),
        (
            "a && contains:b || regex:c",
            r#"contains_ci(last.text, "a") && contains_ci(last.text, "b") || matches_ci(last.text, "c")"#,
        ),
        ("true", "true"),
        ("Always", "true"),
        ("never", "false"),
        ("0", "false"),
        ("", "false"),
        ("score >= 8", r#"contains_ci(last.text, "score >= 8")"#),
    ] {
        assert_eq!(cel(there), here, "{there}");
        Expr::compile(here).expect(here);
    }
    for (there, note) in [("true", "constant"), ("score >= 8", "comparison"), ("json:a=b", "JSON")]
    {
        let notes = translate(there, "last.text").notes;
        assert!(notes.iter().any(|text| text.contains(note)), "{there}: {notes:?}");
    }
    assert!(translate("contains:x", "last.text").notes.is_empty());
    let told = segments("big=contains:large;; small = contains:tiny ;;").expect("segments");
    let wanted = [("big", "contains:large"), ("small", "contains:tiny")];
    assert!(told.iter().map(|(a, b)| (&**a, &**b)).eq(wanted), "{told:?}");
    assert_eq!(segments("a=b"), None);
}

#[test]
fn a_translated_condition_decides_as_there() {
    let holds = |expr: &str, text: &str| {
        let cel = translate(expr, "last.text").cel;
        let vars = json!({"last": {"text": text}});
        Expr::compile(&cel).and_then(|expr| expr.eval_bool(&vars))
    };
    for (expr, text, answer) in [
        ("contains:READY", "we are ready", true),
        ("regex:fail(ed|ure)", "It FAILED", true),
        ("json:status=ok", "{\"status\": \"ok\"}", true),
        ("json:n=3", "{\"n\": 3}", true),
        ("json:status=ok", "{}", false),
        ("a && b || c", "c", true),
        ("a && b || c", "a", false),
    ] {
        assert_eq!(holds(expr, text), Ok(answer), "{expr} of {text}");
    }
}

fn imported(row: &Value) -> (Value, Vec<Problem>) {
    let reading = orchestrator(&row.to_string(), None);
    let problems = check_reading(&reading, &World::default());
    (serde_json::to_value(reading.definition).expect("JSON"), problems)
}

/// As the editor there stores it: every kind of node, a way back, and what the engine ignores.
fn everything() -> Value {
    json!({"id": "5f1c", "team_id": "t", "name": "Feature flow 2", "status": "draft", "definition": {
        "nodes": {
            "plan": {"type": "task", "label": "Plan", "agentId": "pm", "task": "Plan {{it}}", "teamContext": "Be brief",
                "timeoutSeconds": 90, "maxRetries": 2, "retryDelayMs": 500, "position": {"x": 1, "y": 2}, "riskLevel": "L2"},
            "1-build": {"agentId": "dev", "task": "Build", "requireArtifacts": true, "successPattern": "built", "minOutputLength": 9},
            "docs": {"type": "task", "agentId": "writer", "task": "Write", "timeoutSeconds": 60, "taskId": "t-9"},
            "both": {"type": "parallel", "label": "Both", "joinMode": "and", "waitForAll": true},
            "ok": {"type": "condition", "expression": "contains:pass && regex:\\bok\\b", "branches": {"yes": "talk", "no": "plan"}},
            "talk": {"type": "meeting", "meetingType": "review", "topic": "Ship?", "topicDescription": "All of it",
                "participants": ["pm", "dev"], "leadAgentId": "pm"},
            "argue": {"type": "debate", "topic": "When", "participants": ["pm", "dev"], "judgeAgentId": "boss", "maxRounds": 9},
            "size": {"type": "condition", "expression": "big=contains:large;;small=json:size=small", "branches": {"big": "gate", "small": "last"}},
            "gate": {"type": "approval", "title": "Go", "description": "Sure?", "approver": "@boss", "timeoutMinutes": 30, "onTimeout": "reject"},
            "last": {"type": "task", "agentId": "dev", "task": "Finish", "timeoutSeconds": 60},
            "pick": {"type": "join", "joinMode": "xor", "preferredSourceNodeId": "gate"}
        },
        "edges": [
            {"from": "plan", "to": "1-build"}, {"from": "plan", "to": "docs"},
            {"from": "1-build", "to": "both"}, {"from": "docs", "to": "both"}, {"from": "both", "to": "ok"},
            {"from": "ok", "to": "talk", "condition": "yes"}, {"from": "ok", "to": "plan", "condition": "no"},
            {"from": "talk", "to": "argue", "condition": "then"}, {"from": "argue", "to": "size"},
            {"from": "gate", "to": "pick"}, {"from": "last", "to": "pick"}
        ],
        "maxIterations": 40,
        "schedule": {"cron": "0 9 * * 1", "timezone": "Europe/Berlin"}
    }})
}

#[test]
fn everything_is_translated_with_a_warning_for_each_difference() {
    let (made, problems) = imported(&everything());
    // Nothing but the approval's rework is unclear: two tasks are as near.
    let errors: Vec<&Problem> = problems.iter().filter(|problem| problem.is_error()).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0].code, "import_ambiguous_rework");
    assert!(errors[0].message.contains("'n_1-build' or 'docs'"), "{:?}", errors[0]);
    assert_eq!(made["name"], "feature-flow-2");
    assert_eq!(made["title"], "Feature flow 2");
    assert_eq!(made["limits"], json!({"maxVisits": 40}));
    assert_eq!(made["start"], json!(["plan"]));
    assert_eq!(made["nodes"]["plan"]["prompt"], "Plan \\{{it}}\n\nBe brief");
    assert_eq!(made["nodes"]["plan"]["timeout"], "1m30s");
    let retry = json!({"max": 2, "delay": "500ms", "factor": 1.0, "jitter": 0.0});
    assert_eq!(made["nodes"]["plan"]["retry"], retry);
    assert_eq!(made["nodes"]["plan"]["position"], json!({"x": 1, "y": 2}));
    let checks = json!({"minOutputLength": 9, "requireArtifacts": true, "successPattern": "built"});
    assert_eq!(made["nodes"]["n_1-build"]["checks"], checks);
    assert_eq!(made["nodes"]["docs"]["linkTask"], "t-9");
    assert_eq!(made["nodes"]["both"]["type"], "join");
    let expr = made["nodes"]["ok"]["expr"].as_str().expect("a text");
    assert!(expr.contains("get(nodes, \"n_1-build\", {})") && expr.contains("\\\\bok"), "{expr}");
    assert_eq!(made["nodes"]["size"]["type"], "switch");
    assert_eq!(made["nodes"]["size"]["cases"][0]["when"], "contains_ci(last.text, \"large\")");
    assert_eq!(made["nodes"]["size"]["default"], "no");
    assert_eq!(made["nodes"]["size"]["onError"], "false");
    assert_eq!(made["nodes"]["size-no"]["type"], "end");
    assert_eq!(made["nodes"]["gate"]["approvers"], json!(["agent:boss"]));
    assert_eq!(made["nodes"]["gate"]["timeout"], "30m");
    assert_eq!(made["nodes"]["argue"]["rounds"], 5);
    assert_eq!(made["nodes"]["argue"]["lead"], "boss");
    assert_eq!(made["nodes"]["pick"]["prefer"], "gate");
    let back = json!({"from": "ok", "to": "plan", "port": "no"});
    assert!(made["edges"].as_array().expect("edges").contains(&back), "{}", made["edges"]);
    let told = |code: &str, path: &str| {
        assert!(
            problems.iter().any(|p| p.code == code && p.path == path),
            "{code} {path} {problems:#?}"
        );
    };
    for (code, path) in [
        ("import_schedule", "schedule"),
        ("import_renamed", "nodes.n_1-build"),
        ("import_retry", "nodes.plan"),
        ("import_left_out", "nodes.plan"),
        ("import_timeout", "nodes.n_1-build"),
        ("import_linked_task", "nodes.docs"),
        ("import_edge_label", "nodes.talk"),
        ("import_meeting", "nodes.talk"),
        ("import_debate", "nodes.argue"),
        ("import_expression", "nodes.size"),
        ("import_on_error", "nodes.size"),
        ("import_end", "nodes.size"),
        ("import_join", "nodes.pick"),
    ] {
        told(code, path);
    }
}

#[test]
fn a_rejection_leads_back_to_the_nearest_task() {
    let (made, problems) = imported(&json!({"nodes": [
        {"id": "a", "type": "task", "agentId": "x", "task": "do"},
        {"id": "q", "type": "approval", "approver": {"agentId": "boss"}},
        {"id": "z", "type": "task", "agentId": "x", "task": "more"}
    ], "edges": [{"source": "a", "target": "q"}, {"source": "q", "target": "z"}]}));
    assert!(!any_error(&problems), "{problems:#?}");
    assert_eq!(made["nodes"]["q"]["rework"], json!(["a"]));
    assert_eq!(made["nodes"]["q"]["approvers"], json!(["agent:boss"]));
    assert_eq!(made["nodes"]["q"]["timeout"], "5m");
    assert_eq!(made["name"], "imported");
}

#[test]
fn what_ended_in_silence_there_is_told_here() {
    let codes = |row: Value| -> Vec<(&'static str, String)> {
        let (_, problems) = imported(&row);
        let errors = problems.into_iter().filter(Problem::is_error);
        errors.map(|problem| (problem.code, problem.path)).collect()
    };
    let task = json!({"type": "task", "agentId": "x", "task": "do"});
    // An unknown type, and an edge to nowhere.
    assert_eq!(
        codes(
            json!({"nodes": {"a": task, "b": {"type": "magic"}}, "edges": [{"from": "a", "to": "b"}, {"from": "a", "to": "c"}]})
        ),
        [("unknown_node_type", "nodes.b.type".into()), ("unknown_node", "edges[1].to".into())]
    );
    // A debate of three, a meeting of none, a task of nobody.
    assert_eq!(
        codes(
            json!({"nodes": {"a": {"type": "debate", "participants": ["x", "y", "z"]}, "b": {"type": "meeting", "participants": []},
            "c": {"type": "task", "task": "do"}}, "edges": []})
        ),
        [
            ("import_debate_sides", "nodes.a.participants".into()),
            ("no_participants", "nodes.b.participants".into()),
            ("no_assignment", "nodes.c.assign".into()),
        ]
    );
    // A pattern that only tries its way through.
    let look = json!({"type": "condition", "expression": "regex:(?=x)y", "branches": {"yes": "a", "no": "a"}});
    assert_eq!(
        codes(
            json!({"nodes": {"s": task, "q": look, "a": task}, "edges": [{"from": "s", "to": "q"}]})
        ),
        [("expr_bad_pattern", "nodes.q.expr".into())]
    );
}

#[test]
fn a_loop_to_the_first_node_begins_there() {
    let (made, problems) = imported(&json!({"nodes": {
        "a": {"type": "task", "agentId": "x", "task": "do"},
        "q": {"type": "condition", "expression": "contains:done", "branches": {"true": "", "false": "a"}}
    }, "edges": [{"from": "a", "to": "q"}]}));
    assert!(!any_error(&problems), "{problems:#?}");
    assert_eq!(made["start"], json!(["a"]));
    assert_eq!(made["nodes"]["q"]["expr"], "contains_ci(last.text, \"done\")");
    assert_eq!(made["nodes"]["q-yes"]["type"], "end");
}

#[test]
fn what_it_is_can_be_seen() {
    assert!(is_orchestrator(&everything().to_string()));
    assert!(is_orchestrator(r#"{"nodes": {}, "edges": []}"#));
    let own = r#"{"schema": "clawteam.workflow/1", "name": "w", "nodes": {}}"#;
    assert!(!is_orchestrator(own) && !is_orchestrator("name = 'x'") && !is_orchestrator("[]"));
    for text in ["{\"nodes\": 1}", "{\"definition\": \"{\"}", "{\"definition\": 7}", "7", "{}"] {
        assert!(any_error(&orchestrator(text, None).problems) || text.contains("nodes"), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,80}", word in "[a-z:=;|& ]{0,30}") {
        let _ = orchestrator(&text, None);
        let cel = translate(&word, "last.text").cel;
        // Whatever it is, it becomes an expression, unless it is too long.
        let made = Expr::compile(&cel);
        proptest::prop_assert!(made.is_ok() || word.contains("regex:"), "{} {:?}", cel, made);
    }
}

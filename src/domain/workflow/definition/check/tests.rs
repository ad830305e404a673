use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::domain::workflow::definition::{Definition, Format, Options, check_reading, read};

/// A definition around `body`. In it, `TASK`, `NOTE` and `CMD` stand for nodes without a problem.
fn text(body: &str) -> String {
    let body = body
        .replace("TASK", r#"{ assign = { lead = true }, prompt = "p" }"#)
        .replace("NOTE", r#"{ type = "notify" }"#)
        .replace("CMD", r#"{ type = "command", run = ["true"] }"#);
    format!("schema = \"clawteam.workflow/1\"\nname = \"w\"\n{body}")
}

fn child(body: &str) -> Arc<Definition> {
    let reading = read(&text(body), Format::Toml, Options::default());
    Arc::new(reading.definition.unwrap_or_else(|| panic!("{:#?}", reading.problems)))
}

fn workflow(name: &str, _version: Option<u32>) -> Option<Arc<Definition>> {
    let body = match name {
        "child" => "inputs = { need = { required = true } }\nnodes = { a = NOTE }",
        "calls-w" => "nodes = { a = { type = \"subworkflow\", workflow = \"w\" } }",
        "asks-first" => {
            "nodes = { q = { type = \"condition\", expr = \"true\" }, e = { type = \"end\" }, \
             a = { type = \"subworkflow\", workflow = \"w\" } }\n\
             edges = [{ from = \"q\", to = \"a\", port = \"yes\" }, \
             { from = \"q\", to = \"e\", port = \"no\" }]"
        }
        deep if deep.starts_with('d') => {
            let n: usize = deep[1..].parse().ok()?;
            let body = format!(
                "nodes = {{ a = {{ type = \"subworkflow\", workflow = \"d{}\" }} }}",
                n + 1
            );
            let mut made = Arc::unwrap_or_clone(child(&body));
            made.name = deep.to_owned();
            return (n < 12).then(|| Arc::new(made));
        }
        _ => return None,
    };
    let mut made = Arc::unwrap_or_clone(child(body));
    made.name = name.to_owned();
    Some(Arc::new(made))
}

fn problems(body: &str) -> Vec<Problem> {
    let reading = read(&text(body), Format::Toml, Options::default());
    let agent = |name: &str| name == "dev-1";
    check_reading(&reading, &World { agent: Some(&agent), workflow: Some(&workflow) })
}

/// Each code with a definition that has this problem and no other, and one without it.
const CASES: &[(&str, &str, &str)] = &[
    (
        "unclear_start",
        "nodes = { s = NOTE, a = { type = \"approval\", timeout = \"1h\", rework = [\"f\"] }, f = NOTE }\nedges = [{ from = \"s\", to = \"a\" }, { from = \"f\", to = \"a\" }]",
        "nodes = { s = NOTE, a = { type = \"approval\", timeout = \"1h\", rework = [\"s\"] } }\nedges = [{ from = \"s\", to = \"a\" }]",
    ),
    ("syntax", "nodes = {", "nodes = { a = NOTE }"),
    ("duplicate_key", "nodes = { a = NOTE, a = NOTE }", "nodes = { a = NOTE, b = NOTE }"),
    (
        "missing_field",
        "nodes = { a = { type = \"set\" } }",
        "nodes = { a = { type = \"set\", vars = { x = 1 } } }",
    ),
    (
        "unknown_field",
        "nodes = { a = { type = \"notify\", tile = \"x\" } }",
        "nodes = { a = { type = \"notify\", title = \"x\" } }",
    ),
    (
        "wrong_type",
        "nodes = { a = { type = \"notify\", title = 7 } }",
        "nodes = { a = { type = \"notify\", title = \"7\" } }",
    ),
    (
        "unknown_word",
        "advance = \"never\"\nnodes = { a = NOTE }",
        "advance = \"manual\"\nnodes = { a = NOTE }",
    ),
    ("unknown_node_type", "nodes = { a = { type = \"tsk\" } }", "nodes = { a = TASK }"),
    (
        "out_of_range",
        "nodes = { a = { type = \"notify\", priority = 9 } }",
        "nodes = { a = { type = \"notify\", priority = 4 } }",
    ),
    (
        "out_of_range",
        "nodes = { a = { type = \"command\", run = [\"x\"], timeout = 0 } }",
        "nodes = { a = { type = \"command\", run = [\"x\"], timeout = \"1m\" } }",
    ),
    (
        "out_of_range",
        "nodes = { a = { type = \"command\", run = [\"x\"], retry = { max = 101 } } }",
        "nodes = { a = { type = \"command\", run = [\"x\"], retry = { max = 100 } } }",
    ),
    (
        "out_of_range",
        "nodes = { a = { type = \"command\", run = [\"x\"], retry = { jitter = 1.5 } } }",
        "nodes = { a = { type = \"command\", run = [\"x\"], retry = { jitter = 1 } } }",
    ),
    (
        "bad_duration",
        "nodes = { a = { type = \"notify\", timeout = \"5x\" } }",
        "nodes = { a = { type = \"notify\", timeout = \"5m\" } }",
    ),
    (
        "command_line",
        "nodes = { a = { type = \"command\", run = \"ls -l\" } }",
        "nodes = { a = { type = \"command\", run = \"ls -l\", shell = true } }",
    ),
    ("empty_command", "nodes = { a = { type = \"command\", run = [] } }", "nodes = { a = CMD }"),
    ("bad_id", "nodes = { \"a b\" = NOTE }", "nodes = { a-b = NOTE }"),
    (
        "bad_id",
        "inputs = { in = {} }\nnodes = { a = NOTE }",
        "inputs = { into = {} }\nnodes = { a = NOTE }",
    ),
    (
        "duplicate_id",
        "nodes = { a = NOTE, b = NOTE, c = NOTE }\nedges = [{ id = \"x\", from = \"a\", to = \"b\" }, { id = \"x\", from = \"b\", to = \"c\" }]",
        "nodes = { a = NOTE, b = NOTE, c = NOTE }\nedges = [{ id = \"x\", from = \"a\", to = \"b\" }, { id = \"y\", from = \"b\", to = \"c\" }]",
    ),
    (
        "duplicate_edge",
        "nodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\" }, { from = \"a\", to = \"b\", port = \"success\" }]",
        "nodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\" }, { from = \"a\", to = \"b\", port = \"failure\" }]",
    ),
    (
        "unknown_node",
        "nodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\" }, { from = \"a\", to = \"c\" }]",
        "nodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\" }]",
    ),
    (
        "unknown_node",
        "require = [\"x\"]\nnodes = { a = NOTE }",
        "require = [\"a\"]\nnodes = { a = NOTE }",
    ),
    (
        "unknown_node",
        "nodes = { a = { type = \"notify\", onFailure = \"route:x\" } }",
        "nodes = { a = { type = \"notify\", onFailure = \"continue\" } }",
    ),
    (
        "unknown_port",
        "nodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\", port = \"yes\" }]\nstart = [\"a\"]",
        "nodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\" }]",
    ),
    (
        "else_with_when",
        "nodes = { a = NOTE, b = NOTE, c = NOTE }\nedges = [{ from = \"a\", to = \"b\", when = \"true\", else = true }, { from = \"a\", to = \"c\" }]",
        "nodes = { a = NOTE, b = NOTE, c = NOTE }\nedges = [{ from = \"a\", to = \"b\", when = \"true\" }, { from = \"a\", to = \"c\", else = true }]",
    ),
    (
        "duplicate_else",
        "nodes = { a = NOTE, b = NOTE, c = NOTE, d = NOTE }\nedges = [{ from = \"a\", to = \"b\", when = \"true\" }, { from = \"a\", to = \"c\", else = true }, { from = \"a\", to = \"d\", else = true }]",
        "nodes = { a = NOTE, b = NOTE, c = NOTE }\nedges = [{ from = \"a\", to = \"b\", when = \"true\" }, { from = \"a\", to = \"c\", else = true }]",
    ),
    (
        "else_alone",
        "nodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\", else = true }]",
        "nodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\" }]",
    ),
    (
        "guards_without_else",
        "nodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\", when = \"true\" }]",
        "nodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\" }]",
    ),
    ("no_nodes", "nodes = {}", "nodes = { a = NOTE }"),
    (
        "no_start",
        "nodes = { a = NOTE, q = { type = \"condition\", expr = \"true\", maxVisits = 3 }, e = { type = \"end\" } }\nedges = [{ from = \"a\", to = \"q\" }, { from = \"q\", to = \"a\", port = true }, { from = \"q\", to = \"e\", port = false }]",
        "start = [\"a\"]\nnodes = { a = NOTE, q = { type = \"condition\", expr = \"true\", maxVisits = 3 }, e = { type = \"end\" } }\nedges = [{ from = \"a\", to = \"q\" }, { from = \"q\", to = \"a\", port = true }, { from = \"q\", to = \"e\", port = false }]",
    ),
    (
        "unknown_start",
        "start = [\"a\", \"b\"]\nnodes = { a = NOTE }",
        "start = [\"a\"]\nnodes = { a = NOTE }",
    ),
    (
        "duplicate_start",
        "start = [\"a\", \"a\"]\nnodes = { a = NOTE }",
        "start = [\"a\"]\nnodes = { a = NOTE }",
    ),
    (
        "unreachable",
        "start = [\"a\"]\nnodes = { a = NOTE, b = NOTE }",
        "start = [\"a\", \"b\"]\nnodes = { a = NOTE, b = NOTE }",
    ),
    (
        "required_unreachable",
        "start = [\"a\"]\nrequire = [\"b\"]\nnodes = { a = NOTE, b = NOTE }",
        "start = [\"a\", \"b\"]\nrequire = [\"b\"]\nnodes = { a = NOTE, b = NOTE }",
    ),
    (
        "skip_leads_nowhere",
        "nodes = { q = { type = \"parallel\", branches = [\"x\"], when = \"true\" }, a = NOTE }\nedges = [{ from = \"q\", to = \"a\", port = \"x\" }]",
        "nodes = { q = { type = \"parallel\", branches = [\"x\"], when = \"true\", skipPolicy = \"stop\" }, a = NOTE }\nedges = [{ from = \"q\", to = \"a\", port = \"x\" }]",
    ),
    (
        "no_assignment",
        "nodes = { a = { prompt = \"p\" } }",
        "defaults = { assign = { role = \"dev\" } }\nnodes = { a = { prompt = \"p\" } }",
    ),
    (
        "several_assignments",
        "nodes = { a = { prompt = \"p\", assign = { lead = true, role = \"dev\" } } }",
        "nodes = { a = TASK }",
    ),
    (
        "several_assignments",
        "nodes = { a = { prompt = \"p\", assign = { agent = \"dev-1\", role = \"dev\" } } }",
        "inputs = { who = {} }\nnodes = { a = { prompt = \"p\", assign = { agent = \"{{ inputs.who }}\", role = \"dev\" } } }",
    ),
    (
        "unknown_agent",
        "nodes = { a = { prompt = \"p\", assign = { agent = \"dev-2\" } } }",
        "nodes = { a = { prompt = \"p\", assign = { agent = \"dev-1\" } } }",
    ),
    (
        "unknown_agent",
        "nodes = { a = { type = \"meeting\", participants = [\"dev-1\", \"x\"] } }",
        "nodes = { a = { type = \"meeting\", participants = [\"dev-1\"] } }",
    ),
    ("empty_task", "nodes = { a = { assign = { lead = true } } }", "nodes = { a = TASK }"),
    (
        "not_upstream",
        "nodes = { a = { assign = { lead = true }, prompt = \"p\", context = { from = [\"b\"] } }, b = NOTE }\nedges = [{ from = \"a\", to = \"b\" }]",
        "nodes = { a = { assign = { lead = true }, prompt = \"p\", context = { from = [\"b\"] } }, b = NOTE }\nedges = [{ from = \"b\", to = \"a\" }]",
    ),
    (
        "bad_pattern",
        "nodes = { a = { assign = { lead = true }, prompt = \"p\", checks = { pattern = \"(\" } } }",
        "nodes = { a = { assign = { lead = true }, prompt = \"p\", checks = { pattern = \"(a)\" } } }",
    ),
    (
        "no_participants",
        "nodes = { a = { type = \"meeting\", participants = [] } }",
        "nodes = { a = { type = \"meeting\", participants = [\"dev-1\"] } }",
    ),
    (
        "no_participants",
        "nodes = { a = { type = \"merge\", agent = [] } }",
        "nodes = { a = { type = \"merge\", agent = \"dev-1\" } }",
    ),
    (
        "conflicting_fields",
        "nodes = { a = { type = \"delay\", for = \"1s\", until = \"now\" } }",
        "nodes = { a = { type = \"delay\", for = \"1s\" } }",
    ),
    (
        "conflicting_fields",
        "nodes = { a = { type = \"wait\", signal = \"s\", event = \"e\" } }",
        "nodes = { a = { type = \"wait\", signal = \"s\" } }",
    ),
    (
        "switch_without_default",
        "nodes = { q = { type = \"switch\", expr = \"'x'\" }, a = NOTE }\nedges = [{ from = \"q\", to = \"a\", port = \"x\" }]",
        "nodes = { q = { type = \"switch\", expr = \"'x'\", default = \"x\" }, a = NOTE }\nedges = [{ from = \"q\", to = \"a\", port = \"x\" }]",
    ),
    (
        "missing_branch",
        "nodes = { q = { type = \"condition\", expr = \"true\" }, a = NOTE }\nedges = [{ from = \"q\", to = \"a\", port = \"yes\" }]",
        "nodes = { q = { type = \"condition\", expr = \"true\" }, a = NOTE, e = { type = \"end\" } }\nedges = [{ from = \"q\", to = \"a\", port = \"yes\" }, { from = \"q\", to = \"e\", port = \"no\" }]",
    ),
    (
        "missing_branch",
        "nodes = { q = { type = \"switch\", cases = [{ when = \"true\", branch = \"x\" }, { when = \"true\", branch = \"y\" }] }, a = NOTE }\nedges = [{ from = \"q\", to = \"a\", port = \"x\" }]",
        "nodes = { q = { type = \"switch\", cases = [{ when = \"true\", branch = \"x\" }], default = \"x\" }, a = NOTE }\nedges = [{ from = \"q\", to = \"a\", port = \"x\" }]",
    ),
    (
        "duplicate_branch",
        "nodes = { q = { type = \"parallel\", branches = [\"x\", \"x\"] }, a = NOTE }\nedges = [{ from = \"q\", to = \"a\", port = \"x\" }]",
        "nodes = { q = { type = \"parallel\", branches = [\"x\"] }, a = NOTE }\nedges = [{ from = \"q\", to = \"a\", port = \"x\" }]",
    ),
    (
        "rework_not_upstream",
        "nodes = { a = { type = \"approval\", timeout = \"1h\", rework = [\"b\"] }, b = NOTE }\nedges = [{ from = \"a\", to = \"b\" }]",
        "nodes = { b = NOTE, a = { type = \"approval\", timeout = \"1h\", rework = [\"b\"] } }\nstart = [\"b\"]\nedges = [{ from = \"b\", to = \"a\" }]",
    ),
    (
        "approval_without_timeout",
        "nodes = { a = { type = \"approval\" } }",
        "nodes = { a = { type = \"approval\", timeout = \"1h\" } }",
    ),
    (
        "quorum_too_large",
        "nodes = { a = { type = \"approval\", timeout = \"1h\", approvers = [\"lead\"], quorum = 2 } }",
        "nodes = { a = { type = \"approval\", timeout = \"1h\", approvers = [\"lead\", \"human\"], quorum = 2 } }",
    ),
    (
        "quorum_too_large",
        "nodes = { a = NOTE, b = NOTE, j = { type = \"join\", mode = \"quorum\", n = 3 } }\nedges = [{ from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }]",
        "nodes = { a = NOTE, b = NOTE, j = { type = \"join\", mode = \"quorum\", n = 2 } }\nedges = [{ from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }]",
    ),
    (
        "join_single_input",
        "nodes = { a = NOTE, j = { type = \"join\" } }\nedges = [{ from = \"a\", to = \"j\" }]",
        "nodes = { a = NOTE, b = NOTE, j = { type = \"join\" } }\nedges = [{ from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }]",
    ),
    (
        "prefer_not_a_source",
        "nodes = { a = NOTE, b = NOTE, c = NOTE, j = { type = \"join\", mode = \"xor\", prefer = \"c\" } }\nedges = [{ from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }]",
        "nodes = { a = NOTE, b = NOTE, j = { type = \"join\", mode = \"xor\", prefer = \"a\" } }\nedges = [{ from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }]",
    ),
    (
        "no_effect",
        "nodes = { a = NOTE, b = NOTE, j = { type = \"join\", n = 2 } }\nedges = [{ from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }]",
        "nodes = { a = NOTE, b = NOTE, j = { type = \"join\" } }\nedges = [{ from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }]",
    ),
    (
        "join_behind_branch",
        "nodes = { s = NOTE, q = { type = \"condition\", expr = \"true\" }, a = NOTE, e = NOTE, b = NOTE, j = { type = \"join\" } }\nedges = [{ from = \"s\", to = \"q\" }, { from = \"s\", to = \"b\" }, { from = \"q\", to = \"a\", port = \"yes\" }, { from = \"q\", to = \"e\", port = \"no\" }, { from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }]",
        "nodes = { s = NOTE, q = { type = \"condition\", expr = \"true\" }, a = NOTE, b = NOTE, j = { type = \"join\" } }\nedges = [{ from = \"s\", to = \"q\" }, { from = \"s\", to = \"b\" }, { from = \"q\", to = \"a\", port = \"yes\" }, { from = \"q\", to = \"a\", port = \"no\" }, { from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }]",
    ),
    (
        "not_cancelled",
        "nodes = { s = NOTE, a = NOTE, b = NOTE, c = NOTE, j = { type = \"join\", mode = \"or\", cancelRemaining = true } }\nedges = [{ from = \"s\", to = \"a\" }, { from = \"s\", to = \"b\" }, { from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }, { from = \"b\", to = \"c\" }]",
        "nodes = { s = NOTE, a = NOTE, b = NOTE, j = { type = \"join\", mode = \"or\", cancelRemaining = true } }\nedges = [{ from = \"s\", to = \"a\" }, { from = \"s\", to = \"b\" }, { from = \"a\", to = \"j\" }, { from = \"b\", to = \"j\" }]",
    ),
    (
        "endless_cycle",
        "start = [\"a\"]\nnodes = { a = NOTE, b = NOTE }\nedges = [{ from = \"a\", to = \"b\" }, { from = \"b\", to = \"a\" }]",
        "start = [\"a\"]\nnodes = { a = NOTE, b = { type = \"condition\", expr = \"true\", maxVisits = 9 }, e = { type = \"end\" } }\nedges = [{ from = \"a\", to = \"b\" }, { from = \"b\", to = \"a\", port = \"yes\" }, { from = \"b\", to = \"e\", port = \"no\" }]",
    ),
    (
        "cycle_without_exit",
        "start = [\"a\"]\nnodes = { a = NOTE, b = { type = \"condition\", expr = \"true\" }, c = NOTE }\nedges = [{ from = \"a\", to = \"b\" }, { from = \"b\", to = \"a\", port = \"yes\" }, { from = \"b\", to = \"c\", port = \"no\" }, { from = \"c\", to = \"a\" }]",
        "start = [\"a\"]\nlimits = { maxVisits = 20 }\nnodes = { a = NOTE, b = { type = \"condition\", expr = \"true\" }, c = NOTE }\nedges = [{ from = \"a\", to = \"b\" }, { from = \"b\", to = \"a\", port = \"yes\" }, { from = \"b\", to = \"c\", port = \"no\" }]",
    ),
    (
        "unbounded_cycle",
        "start = [\"a\"]\nnodes = { a = NOTE, b = { type = \"condition\", expr = \"true\" }, c = NOTE }\nedges = [{ from = \"a\", to = \"b\" }, { from = \"b\", to = \"a\", port = \"yes\" }, { from = \"b\", to = \"c\", port = \"no\" }]",
        "start = [\"a\"]\nnodes = { a = NOTE, b = { type = \"condition\", expr = \"true\", maxVisits = 5 }, c = NOTE }\nedges = [{ from = \"a\", to = \"b\" }, { from = \"b\", to = \"a\", port = \"yes\" }, { from = \"b\", to = \"c\", port = \"no\" }]",
    ),
    (
        "loop_not_closed",
        "nodes = { l = { type = \"loop\", while = \"true\" }, a = NOTE, b = NOTE }\nedges = [{ from = \"l\", to = \"a\", port = \"body\" }, { from = \"l\", to = \"b\", port = \"done\" }]",
        "start = [\"l\"]\nnodes = { l = { type = \"loop\", while = \"true\" }, a = NOTE, b = NOTE }\nedges = [{ from = \"l\", to = \"a\", port = \"body\" }, { from = \"a\", to = \"l\" }, { from = \"l\", to = \"b\", port = \"done\" }]",
    ),
    (
        "loop_entered",
        "start = [\"l\", \"x\"]\nnodes = { x = NOTE, l = { type = \"loop\", while = \"true\", body = \"a\" }, a = NOTE }\nedges = [{ from = \"x\", to = \"a\" }, { from = \"a\", to = \"l\" }]",
        "start = [\"x\"]\nnodes = { x = NOTE, l = { type = \"loop\", while = \"true\", body = \"a\" }, a = NOTE }\nedges = [{ from = \"x\", to = \"l\" }, { from = \"a\", to = \"l\" }]",
    ),
    (
        "bad_url",
        "nodes = { a = { type = \"http\", url = \"ftp://x\" } }",
        "nodes = { a = { type = \"webhook\", url = \"https://x\" } }",
    ),
    (
        "bad_auth",
        "nodes = { a = { type = \"http\", url = \"http://x\", auth = \"s3cret\" } }",
        "nodes = { a = { type = \"http\", url = \"http://x\", auth = \"env:TOKEN\" } }",
    ),
    (
        "bad_default",
        "inputs = { n = { type = \"int\", default = \"x\" } }\nnodes = { a = NOTE }",
        "inputs = { n = { type = \"int\", default = 1 } }\nnodes = { a = NOTE }",
    ),
    (
        "secret_default",
        "inputs = { n = { secret = true, default = \"x\" } }\nnodes = { a = NOTE }",
        "inputs = { n = { secret = true } }\nnodes = { a = NOTE }",
    ),
    (
        "secret_shown",
        "inputs = { n = { secret = true } }\nnodes = { a = { type = \"notify\", title = \"{{ inputs.n }}\" } }",
        "inputs = { n = {} }\nnodes = { a = { type = \"notify\", title = \"{{ inputs.n }}\" } }",
    ),
    (
        "secret_shown",
        "inputs = { n = { secret = true } }\noutputs = { all = \"inputs\" }\nnodes = { a = NOTE }",
        "inputs = { n = { secret = true } }\nnodes = { a = NOTE }",
    ),
    (
        "secret_shown",
        "inputs = { n = { secret = true } }\nnodes = { a = { type = \"notify\", when = \"inputs.n == 'x'\" } }",
        "inputs = { n = {} }\nnodes = { a = { type = \"notify\", when = \"inputs.n == 'x'\" } }",
    ),
    (
        "secret_shown",
        "inputs = { n = { secret = true } }\nnodes = { a = { type = \"command\", run = [\"{{ inputs.n }}\"] } }",
        "inputs = { n = { secret = true } }\nnodes = { a = { type = \"command\", run = [\"x\"], stdin = \"{{ inputs.n }}\", env = { T = \"{{ inputs.n }}\" } } }",
    ),
    (
        "expr_syntax",
        "nodes = { a = { type = \"notify\", when = \"1 +\" } }",
        "nodes = { a = { type = \"notify\", when = \"1 > 0\" } }",
    ),
    (
        "expr_unknown_function",
        "nodes = { a = { type = \"notify\", when = \"f(1)\" } }",
        "nodes = { a = { type = \"notify\", when = \"len('x') == 1\" } }",
    ),
    (
        "expr_wrong_call",
        "nodes = { a = { type = \"notify\", when = \"len() == 1\" } }",
        "nodes = { a = { type = \"notify\", when = \"len('x') == 1\" } }",
    ),
    (
        "expr_bad_pattern",
        "nodes = { a = { type = \"notify\", when = \"'a'.matches('(?!x)')\" } }",
        "nodes = { a = { type = \"notify\", when = \"'a'.matches('x')\" } }",
    ),
    (
        "expr_too_nested",
        "vars = { l = [] }\nnodes = { a = { type = \"notify\", when = \"vars.l.all(x, vars.l.all(y, vars.l.all(z, true)))\" } }",
        "vars = { l = [] }\nnodes = { a = { type = \"notify\", when = \"vars.l.all(x, vars.l.all(y, true))\" } }",
    ),
    (
        "template_syntax",
        "nodes = { a = { type = \"notify\", title = \"{{ 1\" } }",
        "nodes = { a = { type = \"notify\", title = \"{{ 1 }}\" } }",
    ),
    (
        "unknown_variable",
        "vars = { n = 1 }\nnodes = { a = { type = \"notify\", when = \"n == 1\" } }",
        "vars = { n = 1 }\nnodes = { a = { type = \"notify\", when = \"vars.n == 1\" } }",
    ),
    (
        "undefined_variable",
        "nodes = { a = { type = \"notify\", title = \"{{ vars.n }}\" } }",
        "nodes = { s = { type = \"set\", vars = { n = 1 } }, a = { type = \"notify\", title = \"{{ vars.n }}\" } }",
    ),
    (
        "unknown_workflow",
        "nodes = { a = { type = \"subworkflow\", workflow = \"none\" } }",
        "nodes = { a = { type = \"subworkflow\", workflow = \"child\", inputs = { need = 1 } } }",
    ),
    (
        "missing_input",
        "nodes = { a = { type = \"subworkflow\", workflow = \"child\" } }",
        "nodes = { a = { type = \"map\", items = \"[1]\", as = \"need\", body = \"child\" } }",
    ),
    (
        "undefined_input",
        "nodes = { a = { type = \"subworkflow\", workflow = \"child\", inputs = { need = 1, x = 2 } } }",
        "nodes = { a = { type = \"subworkflow\", workflow = \"child\", inputs = { need = 1 } } }",
    ),
    (
        "endless_recursion",
        "nodes = { a = { type = \"subworkflow\", workflow = \"w\" } }",
        "nodes = { q = { type = \"condition\", expr = \"true\" }, e = { type = \"end\" }, a = { type = \"subworkflow\", workflow = \"w\" } }\nedges = [{ from = \"q\", to = \"a\", port = \"yes\" }, { from = \"q\", to = \"e\", port = \"no\" }]",
    ),
    (
        "endless_recursion",
        "nodes = { a = { type = \"subworkflow\", workflow = \"calls-w\" } }",
        "nodes = { a = { type = \"subworkflow\", workflow = \"asks-first\" } }",
    ),
    (
        "too_deep",
        "nodes = { a = { type = \"subworkflow\", workflow = \"d1\" } }",
        "nodes = { a = { type = \"subworkflow\", workflow = \"d9\" } }",
    ),
];

#[test]
fn every_rule_finds_its_problem_and_nothing_else() {
    let codes = |body: &str| -> Vec<&'static str> {
        problems(body).iter().map(|problem| problem.code).collect()
    };
    let mut failures = Vec::new();
    for (code, bad, good) in CASES {
        if codes(bad) != [*code] {
            failures.push(format!("{code}: {bad}\n  {:#?}", problems(bad)));
        }
        // What lies beyond the deepest workflow is not there.
        let rest: Vec<_> = problems(good);
        if rest.iter().any(|problem| problem.code != "unknown_workflow") {
            failures.push(format!("without {code}: {good}\n  {rest:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn definitions_that_are_too_large_are_refused() {
    let mut nodes: Vec<String> = (0..=NODES_MAX).map(|n| format!("n{n} = NOTE")).collect();
    let code = |body: &str| problems(body).into_iter().map(|p| p.code).collect::<BTreeSet<_>>();
    assert_eq!(code(&format!("nodes = {{ {} }}", nodes.join(", "))), BTreeSet::from(["too_large"]));
    nodes.pop();
    assert!(code(&format!("nodes = {{ {} }}", nodes.join(", "))).is_empty());
    let long = format!("description = \"{}\"\nnodes = {{ a = NOTE }}", "x".repeat(256 * 1024));
    assert_eq!(code(&long), BTreeSet::from(["too_large"]));
    let other = "schema = \"clawteam.workflow/2\"\nname = \"w\"\nnodes = { a = {} }";
    let reading = read(other, Format::Toml, Options::default());
    assert_eq!(reading.problems[0].code, "unknown_schema");
}

#[test]
fn every_problem_is_told_at_once_and_once() {
    let found = problems(
        "nodes = { a = { type = \"tsk\", timeout = \"soon\" }, b = { prompt = \"{{ inputs.x\" }, \
         c = { type = \"http\", url = \"x\", okStatus = [7] } }\n\
         edges = [{ from = \"a\", to = \"b\", port = \"odd\" }, { from = \"b\", to = \"z\" }, { to = \"c\" }]",
    );
    let told: Vec<_> = found.iter().map(|p| (p.code, p.path.as_str())).collect();
    assert_eq!(
        told,
        [
            ("unknown_node_type", "nodes.a.type"),
            ("out_of_range", "nodes.c.okStatus[0]"),
            ("missing_field", "edges[2].from"),
            ("unknown_node", "edges[1].to"),
            ("no_assignment", "nodes.b.assign"),
            ("template_syntax", "nodes.b.prompt"),
        ],
        "{found:#?}"
    );
    assert!(found[0].hint.as_deref().is_some_and(|hint| hint.contains("'task'")), "{found:#?}");
}

#[test]
fn a_definition_within_another_is_checked_too() {
    let found = problems(
        "nodes = { m = { type = \"map\", items = \"[1]\", body = { nodes = { a = { type = \"delay\" } } } } }",
    );
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].path, "nodes.m.body.nodes.a.for");
}

#[test]
fn a_large_definition_is_checked_in_a_moment() {
    let mut body = String::from("[nodes.n0]\ntype = \"notify\"\n");
    let mut edges = String::new();
    for n in 1..NODES_MAX {
        let kind = match n % 5 {
            0 => "type = \"condition\"\nexpr = \"nodes.n1.output.x == 1\"\nmaxVisits = 3",
            1 => "type = \"join\"",
            _ => "assign = { lead = true }\nprompt = \"see {{ nodes.n0.text }}\"",
        };
        body.push_str(&format!("[nodes.n{n}]\n{kind}\n"));
        let from = n - 1;
        if from % 5 == 0 && from > 0 {
            for port in ["yes", "no"] {
                edges.push_str(&format!(
                    "[[edges]]\nfrom = \"n{from}\"\nto = \"n{n}\"\nport = \"{port}\"\n"
                ));
            }
        } else {
            edges.push_str(&format!("[[edges]]\nfrom = \"n{from}\"\nto = \"n{n}\"\n"));
        }
    }
    let text = text(&format!("{body}{edges}"));
    let begin = std::time::Instant::now();
    let reading = read(&text, Format::Toml, Options::default());
    let read_in = begin.elapsed();
    let found = check_reading(&reading, &World::default());
    let all = begin.elapsed();
    assert!(!any_error(&found), "{found:#?}");
    // Without optimization; the bound is far above what it takes and far below what is bad.
    assert!(all.as_millis() < 3000, "read in {read_in:?}, all in {all:?}");
}

use crate::domain::workflow::definition::any_error;

#[test]
fn the_shape_is_told_in_figures() {
    let made = child(
        "start = [\"a\"]\nnodes = { a = NOTE, b = { type = \"condition\", expr = \"true\" }, c = NOTE }\n\
         edges = [{ from = \"a\", to = \"b\" }, { from = \"b\", to = \"a\", port = \"yes\" }, { from = \"b\", to = \"c\", port = \"no\" }]",
    );
    let shape = stats(&made);
    assert_eq!((shape.nodes, shape.edges), (3, 3));
    assert_eq!(shape.loops, [["a", "b"]]);
    assert_eq!((shape.starts, shape.ends), (vec!["a".to_owned()], vec!["c".to_owned()]));
}

#[test]
fn every_code_has_a_case() {
    let sources = [
        include_str!("flow.rs"),
        include_str!("inputs.rs"),
        include_str!("joins.rs"),
        include_str!("loops.rs"),
        include_str!("names.rs"),
        include_str!("nested.rs"),
        include_str!("nodes.rs"),
        include_str!("texts.rs"),
        include_str!("../parse.rs"),
        include_str!("../read.rs"),
    ];
    let made = r#"(?:Problem::(?:error|warning)|at\.(?:error|hinted|warning))\(\s*"([a-z_]+)""#;
    let made = regex::Regex::new(made).expect("a pattern");
    let mut codes: BTreeSet<&str> = BTreeSet::new();
    for source in sources {
        codes.extend(made.captures_iter(source).filter_map(|found| Some(found.get(1)?.as_str())));
    }
    assert!(codes.len() > 50, "{codes:?}");
    for (code, ..) in CASES {
        codes.remove(code);
    }
    // Shown by tests of their own.
    assert_eq!(codes, BTreeSet::from(["too_large", "unknown_schema"]));
}

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::core::Diagnose;

fn eval(expr: &str, vars: &Value) -> Result<Value, ExprError> {
    Expr::compile(expr).and_then(|expr| expr.eval(vars))
}

fn good(expr: &str, vars: &Value) -> Value {
    eval(expr, vars).unwrap_or_else(|error| panic!("{expr}: {error}"))
}

fn code(expr: &str, vars: &Value) -> &'static str {
    eval(expr, vars).map_or_else(|error| error.code(), |value| panic!("{expr} is {value}"))
}

#[test]
fn expressions_have_values() {
    let vars = json!({
        "inputs": {"tag": "v1.2", "n": 3}, "vars": {"n": 41, "big": 18_446_744_073_709_551_615_u64},
        "nodes": {"test": {"output": {"failed": 0, "issues": [{"severity": "high"}]}}},
        "last": {"text": "All Good\nline two", "at": "2026-01-01T00:00:00Z"},
        "now": "2026-01-01T00:01:40Z", "o": {"b": 1, "a": 2}, "f": 1.5, "none": null,
    });
    for (expr, value) in [
        ("vars.n + 1", json!(42)),
        ("inputs.n * 2 == 6 ? 'six' : 'other'", json!("six")),
        ("nodes[\"test\"].output.failed == 0", json!(true)),
        ("nodes.test.output.issues.exists(i, i.severity == \"high\")", json!(true)),
        ("has(inputs.tag) && inputs.tag.startsWith('v')", json!(true)),
        ("has(inputs.none)", json!(false)),
        ("get(inputs, 'x', 7) + 1", json!(8)),
        ("get(none, 'x', 'd')", json!("d")),
        ("get([1, 2], 5, 0)", json!(0)),
        ("json('{\"a\": [1, 2.5, null]}').a", json!([1, 2.5, null])),
        ("contains_ci(last.text, 'GOOD')", json!(true)),
        ("matches_ci(last.text, '^all')", json!(true)),
        ("last.text.matches('^all')", json!(false)),
        ("lines(last.text)", json!(["All Good", "line two"])),
        ("num(' 12 ') + 1", json!(13)),
        ("num('1.5')", json!(1.5)),
        ("len('äöü') + len([1]) + len(o)", json!(6)),
        ("semver_gte(inputs.tag, '1.2.0-rc.1')", json!(true)),
        ("semver_gte('1.2.0-rc.2', '1.2.0-rc.10')", json!(false)),
        ("glob('src/a/b.rs', 'src/**/*.rs')", json!(true)),
        ("age(last.at)", json!(100)),
        ("o.map(k, k)", json!(["a", "b"])),
        ("{'z': 1, 'a': [true]}", json!({"a": [true], "z": 1})),
        ("vars.big > uint(5)", json!(true)),
        ("f * 2.0", json!(3.0)),
        ("type(1) == int", json!(true)),
        ("1 in [1, 2] && 'a' in o", json!(true)),
    ] {
        assert_eq!(good(expr, &vars), value, "{expr}");
    }
}

#[test]
fn what_cannot_be_evaluated_is_told_by_name() {
    let vars = json!({"vars": {"n": 1, "secret": "hunter2"}});
    let error = eval("vars.missing == 1", &vars).expect_err("no such key");
    assert_eq!(error.code(), "cond_error");
    let told = error.to_string();
    assert!(told.contains("vars.missing == 1") && told.contains("'missing'"), "{told}");
    assert!(error.hint().is_some_and(|hint| hint.contains("has(")), "{error:?}");
    for (expr, part) in [
        ("nothing", "no variable 'nothing'"),
        ("vars.n / 0 == 1", "division by zero"),
        ("vars.secret + 1", "does not go with"),
        ("vars.secret < 1", "wrong type"),
        ("9223372036854775807 + 1", "too large"),
        ("[1][4]", "no such place"),
        ("json('{')", "no JSON"),
        ("num('x')", "no number"),
        ("'a' && true", "wrong type"),
    ] {
        let error = eval(expr, &vars).expect_err(expr);
        assert_eq!(error.code(), "cond_error", "{expr}");
        let told = error.to_string();
        assert!(told.contains(expr), "{told}");
        assert!(told.contains(part) || part == "wrong type", "{told}");
        assert!(!told.contains("hunter2"), "a value is shown: {told}");
    }
}

#[test]
fn an_answer_must_be_of_the_type_that_is_needed() {
    let none = json!({});
    let expr = |text| Expr::compile(text).expect("an expression");
    assert_eq!(expr("1 < 2").eval_bool(&none), Ok(true));
    assert_eq!(expr("'a'").eval_text(&none), Ok("a".into()));
    assert_eq!(expr("7").eval_text(&none), Ok("7".into()));
    assert_eq!(expr("[1]").eval_list(&none), Ok(vec![json!(1)]));
    for wrong in [
        expr("1").eval_bool(&none).map(|_| ()),
        expr("null").eval_bool(&none).map(|_| ()),
        expr("true").eval_text(&none).map(|_| ()),
        expr("1.5").eval_text(&none).map(|_| ()),
        expr("{}").eval_list(&none).map(|_| ()),
    ] {
        assert_eq!(wrong.expect_err("a wrong type").code(), "cond_wrong_type");
    }
}

#[test]
fn bad_expressions_are_refused_before_they_run() {
    for (expr, code) in [
        ("", "expr_syntax"),
        ("a ==", "expr_syntax"),
        ("(a", "expr_syntax"),
        ("f(a)", "expr_unknown_function"),
        ("a.lowerAscii()", "expr_unknown_function"),
        ("Foo{a: 1}", "expr_unknown_function"),
        ("get(a, 'b')", "expr_wrong_call"),
        ("'a'.len()", "expr_wrong_call"),
        ("a.matches('(?=x)')", "expr_bad_pattern"),
        ("matches_ci(a, '(')", "expr_bad_pattern"),
        ("a.matches('(a)\\\\1')", "expr_bad_pattern"),
        ("a.all(x, a.all(y, a.all(z, x + y + z > 0)))", "expr_too_nested"),
    ] {
        let error = Expr::compile(expr).expect_err(expr);
        assert_eq!(error.code(), code, "{expr}: {error}");
    }
    let long = format!("'{}' == a", "x".repeat(TEXT_BYTES_MAX));
    assert_eq!(Expr::compile(&long).expect_err("too long").code(), "expr_too_long");
    Expr::compile("a.all(x, a.all(y, x != y))").expect("two levels are allowed");
}

#[test]
fn deep_expressions_are_refused_and_do_not_exhaust_the_stack() {
    let worst = [
        "(".repeat(2000),
        format!("{}1{}", "(".repeat(2000), ")".repeat(2000)),
        format!("{}1{}", "[".repeat(2000), "]".repeat(2000)),
        format!("1{}", "+1".repeat(2000)),
        format!("a{}", ".a".repeat(2000)),
        format!("a{}", "[0]".repeat(1300)),
        "-".repeat(4000),
        "!".repeat(4000),
        format!("{}1", "true?".repeat(800)),
        format!("true{}", "&&true".repeat(680)),
        "{".repeat(4000),
        "a in ".repeat(800) + "a",
        "a ? b : ".repeat(400) + "c",
    ];
    for text in worst {
        assert_eq!(Expr::compile(&text).expect_err("too deep").code(), "expr_syntax");
    }
    let wide = format!("1{}", "+1".repeat(150));
    assert_eq!(good(&wide, &json!({})), json!(151));
}

#[test]
fn what_an_expression_looks_at_is_bounded() {
    let list = json!({"l": vec![1; LIST_ITEMS_MAX + 1], "s": "x".repeat(STRING_BYTES_MAX + 1),
        "m": vec!["x".repeat(50_000); 30], "ok": vec![1; LIST_ITEMS_MAX],
        "n": {"log": {"text": "x".repeat(STRING_BYTES_MAX + 1)}, "small": {"v": 1}}});
    for expr in [
        "l.all(x, x == 1)",
        "s == ''",
        "m.size() == 1",
        "(ok + ok).size() > 0",
        "['x'].map(x, x)[0] + m[0] + m[1]",
        "n.log.text == ''",
        "n.size() == 2",
    ] {
        assert_eq!(code(expr, &list), "cond_too_large", "{expr}");
    }
    // Only what it looks at counts.
    assert_eq!(good("n.small.v + 1", &list), json!(2));
    assert_eq!(good("ok.all(x, x == 1)", &list), json!(true));
}

#[test]
fn an_expression_cannot_grow_without_bound() {
    let texts = format!("['{}']{}", "x".repeat(100), ".map(x, x + x)".repeat(30));
    assert_eq!(code(&texts, &json!({})), "cond_too_large");
    let lists = format!("[1]{}", ".map(x, [x, x])".repeat(60));
    assert_eq!(code(&lists, &json!({})), "cond_too_large");
    let often = ["a.all(x, a.all(y, true))"; 5].join(" && ");
    assert_eq!(code(&often, &json!({"a": vec![1; 1000]})), "cond_too_large");
}

#[test]
fn patterns_take_time_in_proportion_to_the_text() {
    let vars = json!({"t": format!("{}!", "a".repeat(60_000))});
    let begin = std::time::Instant::now();
    assert_eq!(good("t.matches('^(a+)+$')", &vars), json!(false));
    assert_eq!(good("matches_ci(t, '^(a|a)*$')", &vars), json!(false));
    // A pattern that tries every way would take longer than the world has existed.
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

#[test]
fn variables_are_those_from_outside() {
    let expr = Expr::compile("a.b.exists(x, x == c && nodes['n'].output.k > 1) && age(d) > 1");
    let expr = expr.expect("an expression");
    assert_eq!(expr.variables(), ["a", "c", "nodes", "d", "now"]);
    let paths: Vec<String> = expr.paths().iter().map(|path| path.join("/")).collect();
    assert_eq!(paths, ["a/b", "c", "nodes/n/output/k", "d", "now"]);
    let masked = Expr::compile("x.map(x, x.y)").expect("an expression");
    assert_eq!(masked.paths(), [["x"]]);
}

#[test]
fn texts_hold_expressions() {
    let vars = json!({"inputs": {"tag": "v1"}, "n": 3, "o": {"a": "}}"}});
    for (text, made) in [
        ("plain", "plain"),
        ("Release {{ inputs.tag }}!", "Release v1!"),
        ("{{n}}{{ n + 1 }}", "34"),
        ("{{ {'a': {'b': n}} }}", r#"{"a":{"b":3}}"#),
        ("{{ o.a + '}}' }}", "}}}}"),
        (r"\{{ n }} and {{ n }}", "{{ n }} and 3"),
        ("a } b }} c { d", "a } b }} c { d"),
        ("{{ [1, 'x'] }}", r#"[1,"x"]"#),
        ("", ""),
    ] {
        let template = Template::compile(text).expect(text);
        assert_eq!(template.render(&vars).expect(text), made);
    }
    let template = Template::compile("{{ a.b }} {{ c + a.d }}").expect("a text");
    assert_eq!(template.variables(), ["a", "c"]);
    let error = template.render(&vars).expect_err("no such variable");
    assert!(error.to_string().contains("`a.b`"), "{error}");
    for (text, code) in [
        ("{{ a", "template_syntax"),
        ("{{ }}", "expr_syntax"),
        ("{{ f(1) }}", "expr_unknown_function"),
    ] {
        assert_eq!(Template::compile(text).expect_err(text).code(), code);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[abc]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Texts that are more often than not expressions.
fn any_expression() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "b",
        ".c",
        "['a']",
        "[0]",
        "1",
        "2.5",
        "'x'",
        "true",
        "null",
        " + ",
        " - ",
        " * ",
        " / ",
        " % ",
        " == ",
        " < ",
        " && ",
        " || ",
        " in ",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ": ",
        " ? ",
        "!",
        "-",
        "size(",
        "get(",
        "json(",
        "lines(",
        "num(",
        "len(",
        "age(",
        "glob(",
        "semver_gte(",
        "string(",
        "int(",
        ".map(x, ",
        ".exists(x, ",
        ".filter(x, ",
        "x",
        "has(",
        "matches_ci(",
        "contains_ci(",
        "b'x'",
        "1u",
        "@",
        "`",
        "\\",
        "é",
        "\"",
        "now",
    ]);
    prop::collection::vec(word, 0..14).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_and_no_value_is_a_panic(text in any_expression(), vars in any_json()) {
        let _ = eval(&text, &json!({"a": vars.clone(), "b": vars, "now": 5}));
    }

    #[test]
    fn no_text_at_all_is_a_panic(text in "\\PC{0,60}") {
        let _ = eval(&text, &json!({}));
        let _ = Template::compile(&text).and_then(|template| template.render(&json!({})));
    }

    #[test]
    fn a_value_passes_through_as_it_is(value in any_json()) {
        let seen = good("a", &json!({"a": value.clone()}));
        // Objects have no order.
        prop_assert_eq!(seen, value);
    }
}

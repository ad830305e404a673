//! Conditions of openclaw-orchestrator as CEL.

/// A condition in CEL, and what is different about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Translated {
    /// The expression.
    pub(super) cel: String,
    /// Differences, as sentences.
    pub(super) notes: Vec<&'static str>,
    /// Whether it can fail where it was false there.
    pub(super) may_fail: bool,
}

const LITERAL: &str =
    "a constant is true or false here; there it was looked for in the text of earlier results";
const JSON: &str = "there the first flat object anywhere in the text was looked at, whatever its \
                    case; here the text must be JSON, and must hold exactly this value";
const NUMBER: &str = "a comparison was looked for as a text there, and so it is here: write it in \
                      CEL if numbers were meant";
const EMPTY: &str = "it is empty, which is always `no`";

/// A text of CEL.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

/// Translates an expression without branches of its own. `text`: CEL for what it looks at.
pub(super) fn translate(expression: &str, text: &str) -> Translated {
    let expression = expression.trim();
    let mut made = Translated::default();
    if expression.is_empty() {
        made.notes.push(EMPTY);
        made.cel.push_str("false");
        return made;
    }
    if let Some(answer) = literal(expression) {
        made.notes.push(LITERAL);
        made.cel = answer.to_string();
        return made;
    }
    // Either is split first, then both; there are no brackets.
    let either: Vec<String> = expression
        .split("||")
        .map(|part| {
            let both: Vec<String> =
                part.split("&&").map(|atom| atom_of(atom.trim(), text, &mut made)).collect();
            both.join(" && ")
        })
        .collect();
    made.cel = either.join(" || ");
    made.notes.sort_unstable();
    made.notes.dedup();
    made
}

fn literal(expression: &str) -> Option<bool> {
    match expression.to_lowercase().as_str() {
        "true" | "yes" | "1" | "always" => Some(true),
        "false" | "no" | "0" | "never" => Some(false),
        _ => None,
    }
}

fn atom_of(atom: &str, text: &str, made: &mut Translated) -> String {
    let after = |prefix: &str| {
        let start = atom.get(..prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then(|| atom[prefix.len()..].trim())
    };
    if let Some(part) = after("contains:") {
        return format!("contains_ci({text}, {})", quoted(part));
    }
    if let Some(pattern) = after("regex:") {
        return format!("matches_ci({text}, {})", quoted(pattern));
    }
    if let Some(pair) = after("json:") {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.trim().trim_matches(['"', '\'']);
        made.notes.push(JSON);
        made.may_fail = true;
        let key = quoted(key.trim());
        return format!("string(get(json({text}), {key}, \"\")) == {}", quoted(value));
    }
    if literal(atom).is_some() {
        made.notes.push(LITERAL);
    }
    if atom.contains(['<', '>']) || atom.contains("==") || atom.contains("!=") {
        made.notes.push(NUMBER);
    }
    if atom.is_empty() {
        made.notes.push(EMPTY);
        return "false".to_owned();
    }
    format!("contains_ci({text}, {})", quoted(atom))
}

/// The branches of `a=x;;b=y` with their expressions; none if it has no such form.
pub(super) fn segments(expression: &str) -> Option<Vec<(String, String)>> {
    if !expression.contains(";;") {
        return None;
    }
    let parts = expression.split(";;").map(str::trim).filter(|part| !part.is_empty());
    let split = |part: &str| {
        let (branch, condition) = part.split_once('=')?;
        Some((branch.trim().to_owned(), condition.trim().to_owned()))
    };
    Some(parts.filter_map(split).collect())
}

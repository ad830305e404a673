//! What was said in a session, out of the file that the agent's program wrote.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::Client;
use crate::core::text;

/// One thing that was said or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When, as the program wrote it; empty if it did not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timestamp: String,
    /// `user`, `assistant` or `system`.
    pub role: String,
    /// `text`, `thinking`, `tool_call` or `tool_result`.
    pub kind: &'static str,
    /// The tool.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The text, the arguments or the output.
    pub text: String,
}

/// Reads a transcript. Lines that are not understood are passed over: formats change, and the
/// last line may be half written.
pub fn read(client: Client, bytes: &[u8]) -> Vec<Entry> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<Value> = match serde_json::from_str::<Value>(&text) {
        // One document: Gemini until 2026.
        Ok(Value::Object(mut whole)) if whole.get("messages").is_some_and(Value::is_array) => {
            match whole.remove("messages") {
                Some(Value::Array(messages)) => messages,
                _ => Vec::new(),
            }
        }
        _ => text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(),
    };
    let lines: Vec<Value> = lines.into_iter().flat_map(unfold).collect();
    let mut found = Entries::default();
    match client {
        Client::Codex => lines.iter().for_each(|line| codex(line, &mut found)),
        Client::Gemini | Client::Qwen => latest(&lines).for_each(|line| gemini(line, &mut found)),
        _ => lines.iter().for_each(|line| message(line, &mut found)),
    }
    found.0
}

/// Gemini sets several messages in one line.
fn unfold(mut line: Value) -> Vec<Value> {
    match line.pointer_mut("/$set/messages").map(Value::take) {
        Some(Value::Array(messages)) => messages,
        _ => vec![line],
    }
}

#[derive(Default)]
struct Entries(Vec<Entry>);

impl Entries {
    fn add(&mut self, at: &Value, role: &str, kind: &'static str, name: &str, text: String) {
        if text.trim().is_empty() && kind != "tool_call" {
            return;
        }
        let timestamp = match at {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let (role, name) = (role.to_owned(), name.to_owned());
        self.0.push(Entry { timestamp, role, kind, name, text });
    }
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

/// A value as people read it: text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(parts) if parts.iter().all(|part| part["text"].is_string()) => {
            let parts: Vec<&str> = parts.iter().map(|part| word(part, "text")).collect();
            parts.join("\n")
        }
        other => other.to_string(),
    }
}

/// A line of Claude Code, OpenClaw, Pi, or of one that keeps plain messages: the message is the
/// line itself or its member `message`.
fn message(line: &Value, found: &mut Entries) {
    let kind = word(line, "type");
    if line["isMeta"] == true || line["isSidechain"] == true {
        return;
    }
    let inner = if line["message"].is_object() { &line["message"] } else { line };
    let at = if line["timestamp"].is_null() { &inner["timestamp"] } else { &line["timestamp"] };
    let role = match word(inner, "role") {
        "" if matches!(kind, "user" | "assistant" | "system") => kind,
        "toolResult" | "tool" => "tool",
        role => role,
    };
    if role.is_empty() || role.starts_with('_') {
        return;
    }
    if role == "tool" {
        let name =
            [word(inner, "toolName"), word(inner, "name")].into_iter().find(|n| !n.is_empty());
        let text = plain(&inner["content"]);
        return found.add(at, "user", "tool_result", name.unwrap_or_default(), text);
    }
    content(&inner["content"], at, role, found);
    for call in inner["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        found.add(at, role, "tool_call", word(function, "name"), plain(&function["arguments"]));
    }
}

fn content(content: &Value, at: &Value, role: &str, found: &mut Entries) {
    let Value::Array(parts) = content else {
        return found.add(at, role, "text", "", plain(content));
    };
    for part in parts {
        match word(part, "type") {
            "thinking" => found.add(at, role, "thinking", "", plain(&part["thinking"])),
            "tool_use" => {
                found.add(at, role, "tool_call", word(part, "name"), plain(&part["input"]));
            }
            "toolCall" => {
                found.add(at, role, "tool_call", word(part, "name"), plain(&part["arguments"]));
            }
            "tool_result" => found.add(at, role, "tool_result", "", plain(&part["content"])),
            "image" => found.add(at, role, "text", "", "[image]".into()),
            _ => found.add(at, role, "text", "", plain(&part["text"])),
        }
    }
}

/// A line of Codex. It keeps two logs in one file: what the model sees (`response_item`) and what
/// people saw (`event_msg`); the first has everything.
fn codex(line: &Value, found: &mut Entries) {
    // Before September 2025 the items stood in the file by themselves.
    let item = match word(line, "type") {
        "response_item" => &line["payload"],
        "message" | "function_call" | "function_call_output" | "reasoning" => line,
        _ => return,
    };
    let at = &line["timestamp"];
    match word(item, "type") {
        "message" => {
            let role = word(item, "role");
            let text = plain(&item["content"]);
            // What Codex itself puts before the user's first words.
            let own = ["<environment_context>", "<user_instructions>", "# AGENTS.md instructions"];
            let role = match role {
                "developer" => "system",
                "user" if own.iter().any(|own| text.starts_with(own)) => "system",
                role => role,
            };
            found.add(at, role, "text", "", text);
        }
        "reasoning" => found.add(at, "assistant", "thinking", "", plain(&item["summary"])),
        "function_call" => {
            found.add(at, "assistant", "tool_call", word(item, "name"), plain(&item["arguments"]));
        }
        "custom_tool_call" => {
            found.add(at, "assistant", "tool_call", word(item, "name"), plain(&item["input"]));
        }
        "local_shell_call" => {
            found.add(at, "assistant", "tool_call", "shell", plain(&item["action"]));
        }
        "web_search_call" => {
            found.add(at, "assistant", "tool_call", "web_search", plain(&item["action"]));
        }
        "function_call_output" | "custom_tool_call_output" => {
            found.add(at, "user", "tool_result", "", plain(&item["output"]));
        }
        _ => {}
    }
}

/// Lines of Gemini: a message that changed is written again, with the same identifier.
fn latest(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().enumerate().filter_map(|(number, line)| {
        let id = word(line, "id");
        let again =
            !id.is_empty() && lines[number + 1..].iter().any(|later| word(later, "id") == id);
        (!again).then_some(line)
    })
}

fn gemini(line: &Value, found: &mut Entries) {
    let at = &line["timestamp"];
    let role = match word(line, "type") {
        "user" => "user",
        "gemini" | "assistant" => "assistant",
        "info" | "warning" | "error" | "system" => "system",
        _ => return,
    };
    // Qwen, which is made from Gemini, keeps the parts of each message in `message`.
    if let Some(parts) = line["message"]["parts"].as_array() {
        for part in parts {
            let (call, result) = (&part["functionCall"], &part["functionResponse"]);
            if call.is_object() {
                found.add(at, role, "tool_call", word(call, "name"), plain(&call["args"]));
            } else if result.is_object() {
                let text = plain(&result["response"]);
                found.add(at, role, "tool_result", word(result, "name"), text);
            } else {
                let kind = if part["thought"] == true { "thinking" } else { "text" };
                found.add(at, role, kind, "", plain(&part["text"]));
            }
        }
        return;
    }
    for thought in line["thoughts"].as_array().into_iter().flatten() {
        let text = format!("{}: {}", word(thought, "subject"), word(thought, "description"));
        found.add(at, role, "thinking", "", text);
    }
    found.add(at, role, "text", "", plain(&line["content"]));
    for call in line["toolCalls"].as_array().into_iter().flatten() {
        found.add(at, role, "tool_call", word(call, "name"), plain(&call["args"]));
        let shown = match &call["resultDisplay"] {
            Value::String(text) => text.clone(),
            _ => plain(&call["result"]),
        };
        found.add(at, "user", "tool_result", word(call, "name"), shown);
    }
}

/// Characters of a tool's arguments or output that are shown.
const TOOL_TEXT_MAX: usize = 1_000;

/// A conversation for people. Control characters in it are shown, not obeyed.
pub fn render(entries: &[Entry]) -> String {
    let mut text = String::new();
    let mut speaker = "";
    for entry in entries {
        let shown = text::printable(&entry.text, true);
        match entry.kind {
            "tool_call" => {
                let _ = writeln!(text, "  > {} {}", entry.name, shorten(&shown));
            }
            "tool_result" => {
                let _ = writeln!(text, "  < {}", shorten(&shown));
            }
            kind => {
                if speaker != entry.role {
                    let at = text::printable(&entry.timestamp, false);
                    let _ = writeln!(text, "\n--- {} {at}", text::printable(&entry.role, false));
                }
                let mark = if kind == "thinking" { "(thinking) " } else { "" };
                let _ = writeln!(text, "{mark}{}", shown.trim_end());
            }
        }
        speaker = if entry.kind == "tool_result" { speaker } else { &entry.role };
    }
    text.trim_matches('\n').to_owned()
}

/// The beginning of a text, on indented lines.
fn shorten(shown: &str) -> String {
    let cut = text::cut(shown.trim_end(), TOOL_TEXT_MAX);
    let more = if cut.len() < shown.trim_end().len() { " …" } else { "" };
    format!("{}{more}", cut.replace('\n', "\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(client: Client, text: &str) -> Vec<String> {
        let all = read(client, text.as_bytes());
        all.iter().map(|e| format!("{} {} {} {}", e.role, e.kind, e.name, e.text)).collect()
    }

    #[test]
    fn claude_is_understood() {
        let text = r#"{"type":"summary","summary":"x"}
{"type":"user","timestamp":"T1","message":{"role":"user","content":"do it"}}
{"type":"user","isMeta":true,"message":{"role":"user","content":"hidden"}}
{"type":"assistant","message":{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"ok"},{"type":"tool_use","name":"Bash","input":{"command":"ls"}}]}}
{"type":"user","message":{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"a\nb"}]}]}}
{"type":"assistant","mess"#;
        assert_eq!(
            short(Client::Claude, text),
            [
                "user text  do it",
                "assistant thinking  hm",
                "assistant text  ok",
                "assistant tool_call Bash {\"command\":\"ls\"}",
                "user tool_result  a\nb",
            ]
        );
    }

    #[test]
    fn codex_is_understood() {
        let text = r#"{"timestamp":"T","type":"session_meta","payload":{"id":"u"}}
{"timestamp":"T","type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"<environment_context>"}]}}
{"timestamp":"T","type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"go"}]}}
{"timestamp":"T","type":"event_msg","payload":{"type":"user_message","message":"go"}}
{"timestamp":"T","type":"response_item","payload":{"type":"function_call","name":"shell","arguments":"{\"command\":[\"ls\"]}"}}
{"timestamp":"T","type":"response_item","payload":{"type":"function_call_output","output":"done"}}
{"timestamp":"T","type":"response_item","payload":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"there"}]}}"#;
        assert_eq!(
            short(Client::Codex, text),
            [
                "system text  <environment_context>",
                "user text  go",
                "assistant tool_call shell {\"command\":[\"ls\"]}",
                "user tool_result  done",
                "assistant text  there",
            ]
        );
    }

    #[test]
    fn gemini_is_understood_as_document_and_as_lines() {
        let message = r#"{"id":"1","type":"user","content":[{"text":"hi"}]}"#;
        let half = r#"{"id":"2","type":"gemini","content":""}"#;
        let whole = r#"{"id":"2","type":"gemini","content":"ho","toolCalls":[{"name":"ls","args":{},"resultDisplay":"f"}]}"#;
        let expected = [
            "user text  hi",
            "assistant text  ho",
            "assistant tool_call ls {}",
            "user tool_result ls f",
        ];
        let document = format!(r#"{{"sessionId":"s","messages":[{message},{whole}]}}"#);
        assert_eq!(short(Client::Gemini, &document), expected);
        let lines = format!(
            "{{\"sessionId\":\"s\"}}\n{message}\n{half}\n{{\"$set\":{{\"messages\":[{message}]}}}}\n{whole}\n"
        );
        assert_eq!(short(Client::Gemini, &lines), expected);
    }

    #[test]
    fn openclaw_and_plain_messages_are_understood() {
        let text = r#"{"type":"session","version":3,"id":"u","cwd":"/w"}
{"type":"message","timestamp":"T","message":{"role":"user","content":[{"type":"text","text":"hi"}]}}
{"type":"message","message":{"role":"assistant","content":[{"type":"toolCall","name":"exec","arguments":{"a":1}}]}}
{"type":"message","message":{"role":"toolResult","toolName":"exec","content":[{"type":"text","text":"out"}]}}"#;
        assert_eq!(
            short(Client::Openclaw, text),
            ["user text  hi", "assistant tool_call exec {\"a\":1}", "user tool_result exec out"]
        );
        let text = "{\"_type\":\"metadata\"}\n{\"role\":\"user\",\"content\":\"hi\"}\n{\"role\":\"tool\",\"name\":\"ls\",\"content\":\"f\"}";
        assert_eq!(short(Client::Nanobot, text), ["user text  hi", "user tool_result ls f"]);
    }

    #[test]
    fn nothing_in_a_transcript_reaches_the_terminal_as_a_command() {
        let entries = read(
            Client::Claude,
            b"{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"a\\u001b[2Jb\\nc\"}}",
        );
        let text = render(&entries);
        assert!(!text.contains('\u{1b}') && text.contains("b\nc"), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn whatever_stands_in_the_file_is_survived(bytes: Vec<u8>) {
            for client in crate::domain::session::client::ALL {
                let _ = render(&read(client, &bytes));
            }
        }
    }
}

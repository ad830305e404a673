//! OpenAI's Responses API, as Codex and OpenClaw call it.

use serde_json::{Value, json};

use super::http::Answer;
use super::{Said, Script, next};

/// How messages begin that the program adds to those of the user.
const ADDED: [&str; 4] = [
    "<environment_context>",
    "<user_instructions>",
    "<permissions",
    "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>",
];

pub(super) fn answer(script: &Script, body: &Value, number: usize) -> Answer {
    let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    let (message, done) = turn(body);
    let said = next(script, &message, done, |command| shell(&names, command));
    let item = match said {
        Said::Text(text) => json!({
            "type": "message", "role": "assistant", "id": format!("msg_{number:06}"),
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }),
        Said::Call { name, input } => json!({
            "type": "function_call", "id": format!("fc_{number:06}"),
            "call_id": format!("call_{number:06}"), "name": name, "arguments": input.to_string(),
        }),
    };
    let id = format!("resp_{number:06}");
    let usage = json!({
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 10, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 110,
    });
    let whole = json!({
        "id": id, "object": "response", "status": "completed", "model": body["model"],
        "output": [item], "usage": usage,
    });
    if body["stream"] != true {
        return Answer::json(&whole);
    }
    Answer::events(&[
        json!({"type": "response.created", "response": {"id": id, "status": "in_progress"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": whole}),
    ])
}

/// The call of the tool that runs a command; releases of Codex differ in it.
fn shell(names: &[&str], command: &str) -> Said {
    let (name, input) = if names.contains(&"exec_command") {
        ("exec_command", json!({"cmd": command}))
    } else if names.contains(&"shell_command") {
        ("shell_command", json!({"command": command}))
    } else if names.contains(&"exec") {
        ("exec", json!({"command": command}))
    } else if names.contains(&"shell") {
        ("shell", json!({"command": ["bash", "-lc", command]}))
    } else {
        // Titles of sessions and the like.
        return Said::Text("a scripted agent".into());
    };
    Said::Call { name: name.into(), input }
}

/// What the user said last, and how many tools have been called since.
fn turn(body: &Value) -> (String, usize) {
    let items = body["input"].as_array().map_or(&[][..], Vec::as_slice);
    let mut done = 0;
    for item in items.iter().rev() {
        match item["type"].as_str() {
            Some("function_call" | "custom_tool_call" | "local_shell_call") => done += 1,
            Some("message") | None if item["role"] == "user" => {
                let text = said(item);
                if !text.is_empty() {
                    return (text, done);
                }
            }
            _ => {}
        }
    }
    (body["input"].as_str().unwrap_or_default().to_owned(), done)
}

/// What the user said in a message, without what the program added to it.
fn said(item: &Value) -> String {
    if let Some(text) = item["content"].as_str() {
        return text.to_owned();
    }
    let parts = item["content"].as_array().into_iter().flatten();
    let texts = parts.filter_map(|part| part["text"].as_str());
    let added = |text: &&str| ADDED.iter().any(|tag| text.trim_start().starts_with(tag));
    texts.filter(|text| !added(text)).collect::<Vec<_>>().join("\n")
}

//! Anthropic's Messages API, as Claude Code calls it.

use serde_json::{Value, json};

use super::http::Answer;
use super::{Said, Script, next};

/// The tool that runs a command.
const SHELL: &str = "Bash";

pub(super) fn answer(script: &Script, body: &Value, number: usize) -> Answer {
    let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
    let shell = tools.iter().filter_map(|tool| tool["name"].as_str());
    let shell = shell
        .into_iter()
        .find(|name| matches!(*name, SHELL | "exec" | "bash" | "run_shell_command"));
    let said = match shell {
        Some(name) => {
            let (message, done) = turn(body);
            next(script, &message, done, |command| Said::Call {
                name: name.to_owned(),
                input: json!({"command": command, "description": "a step of the script"}),
            })
        }
        // Titles of sessions and the like.
        None => Said::Text("a scripted agent".into()),
    };
    let (block, delta, reason) = match said {
        Said::Text(text) => (
            json!({"type": "text", "text": ""}),
            json!({"type": "text_delta", "text": text}),
            "end_turn",
        ),
        Said::Call { name, input } => (
            json!({"type": "tool_use", "id": format!("toolu_{number:06}"), "name": name, "input": {}}),
            json!({"type": "input_json_delta", "partial_json": input.to_string()}),
            "tool_use",
        ),
    };
    let usage = json!({"input_tokens": 100, "output_tokens": 10});
    let mut message = json!({
        "id": format!("msg_{number:06}"), "type": "message", "role": "assistant",
        "model": body["model"], "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": usage,
    });
    if body["stream"] != true {
        message["content"] = json!([whole(block, &delta)]);
        message["stop_reason"] = reason.into();
        return Answer::json(&message);
    }
    Answer::events(&[
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
               "usage": usage}),
        json!({"type": "message_stop"}),
    ])
}

/// A block as it is where nothing is streamed.
fn whole(mut block: Value, delta: &Value) -> Value {
    if let Some(text) = delta["text"].as_str() {
        block["text"] = text.into();
    }
    if let Some(input) = delta["partial_json"].as_str() {
        block["input"] = serde_json::from_str(input).unwrap_or(Value::Null);
    }
    block
}

/// What the user said last, and how many tools have been called since.
fn turn(body: &Value) -> (String, usize) {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let mut done = 0;
    for message in messages.iter().rev() {
        if message["role"] == "assistant" {
            done += blocks(message).filter(|block| block["type"] == "tool_use").count();
        } else if message["role"] == "user" {
            let text = said(message);
            if !text.is_empty() {
                return (text, done);
            }
        }
    }
    (String::new(), done)
}

/// What the user said in a message, without what the program added to it.
fn said(message: &Value) -> String {
    if let Some(text) = message["content"].as_str() {
        return text.to_owned();
    }
    if blocks(message).any(|block| block["type"] == "tool_result") {
        return String::new();
    }
    let texts = blocks(message).filter_map(|block| block["text"].as_str());
    let typed = texts.filter(|text| !text.trim_start().starts_with("<system-reminder>"));
    typed.collect::<Vec<_>>().join("\n")
}

fn blocks(message: &Value) -> impl Iterator<Item = &Value> {
    message["content"].as_array().into_iter().flatten()
}

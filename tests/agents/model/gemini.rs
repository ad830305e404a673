//! Google's Gemini API, as Gemini CLI calls it.

use serde_json::{Value, json};

use super::http::Answer;
use super::{Said, Script, next};

/// The tool that runs a command.
const SHELL: &str = "run_shell_command";

/// Answers `call`, the end of the path: `models/NAME:METHOD`.
pub(super) fn answer(script: &Script, call: &str, body: &Value) -> Answer {
    let method = call.rsplit(':').next().unwrap_or_default();
    if method == "countTokens" {
        return Answer::json(&json!({"totalTokens": 10}));
    }
    let said = if has_shell(body) {
        let (message, done) = turn(body);
        next(script, &message, done, |command| Said::Call {
            name: SHELL.into(),
            input: json!({"command": command, "description": "a step of the script"}),
        })
    } else {
        // Which model to use, who speaks next: asked for as JSON.
        let choice =
            json!({"reasoning": "scripted", "next_speaker": "user", "model_choice": "pro"});
        Said::Text(choice.to_string())
    };
    let part = match said {
        Said::Text(text) => json!({"text": text}),
        Said::Call { name, input } => json!({"functionCall": {"name": name, "args": input}}),
    };
    let whole = json!({
        "candidates": [{
            "content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0,
        }],
        "usageMetadata": {
            "promptTokenCount": 100, "candidatesTokenCount": 10, "totalTokenCount": 110,
        },
    });
    if method == "streamGenerateContent" { Answer::data(&whole) } else { Answer::json(&whole) }
}

fn has_shell(body: &Value) -> bool {
    let tools = body["tools"].as_array().into_iter().flatten();
    let names = tools.filter_map(|tool| tool["functionDeclarations"].as_array()).flatten();
    names.into_iter().any(|tool| tool["name"] == SHELL)
}

/// What the user said last, and how many tools have been called since.
fn turn(body: &Value) -> (String, usize) {
    let contents = body["contents"].as_array().map_or(&[][..], Vec::as_slice);
    let mut done = 0;
    for content in contents.iter().rev() {
        let parts = || content["parts"].as_array().into_iter().flatten();
        if content["role"] == "model" {
            done += parts().filter(|part| part["functionCall"].is_object()).count();
        } else if !parts().any(|part| part["functionResponse"].is_object()) {
            let texts = parts().filter_map(|part| part["text"].as_str());
            return (texts.collect::<Vec<_>>().join("\n"), done);
        }
    }
    (String::new(), done)
}

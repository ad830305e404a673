//! Understanding what the hooks of agent programs tell.
//!
//! Facts about the events are from the documentation of the programs: Claude Code's hooks
//! reference, Codex's `notify` and hooks, Gemini CLI's hooks reference, OpenClaw's plugin hooks.

use serde_json::{Value, json};

use super::{Question, State};
use crate::core::text::cut;

/// How much of a tool's input is kept as the text of a question: enough to decide on, and little
/// enough for a document that is rewritten at every turn.
const QUESTION_CHARS_MAX: usize = 4000;

/// How Codex 0.169 begins when it asks its model for a title.
const TITLE: &str = "Generate a concise, single-line task title";

/// What an event says about the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It does this now.
    Is(State),
    /// It asks this.
    Asks(Question),
    /// It still asks, if it asked; nothing new besides.
    StillAsks(Question),
    /// Nothing about what it does.
    Nothing,
}

/// How a program takes what its hook answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Its turn goes on, with the answer as what to do next.
    Continue,
    /// The answer is put beside what its user said.
    Context,
}

/// How an answer to a hook is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What becomes of it.
    pub way: Way,
    /// The event as the program named it.
    event: String,
    /// The word that keeps a turn going.
    word: &'static str,
}

impl Answer {
    /// The answer as the program reads it from the hook's standard output.
    pub fn render(&self, text: &str) -> Value {
        match self.way {
            Way::Continue => json!({"decision": self.word, "reason": text}),
            Way::Context => json!({
                "hookSpecificOutput": {
                    "hookEventName": self.event,
                    "additionalContext": text,
                }
            }),
        }
    }
}

/// What was understood of a call of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The event, in the program's own words.
    pub event: String,
    /// What it says about the agent.
    pub news: News,
    /// The session, if the program names it.
    pub session_id: Option<String>,
    /// Where its transcript lies.
    pub transcript: Option<String>,
    /// Where the program works.
    pub cwd: Option<String>,
    /// How messages can be given to the agent in answer, if at all.
    pub answer: Option<Answer>,
    /// Whether this begins a turn that somebody asked for.
    pub fresh_turn: bool,
}

/// Understands one call of a hook: `program` as in the catalog, the event as it was given on the
/// command line (if it was), and the JSON that the program passed. `None` if it says nothing that
/// is known.
pub fn understand(program: &str, event: Option<&str>, payload: &Value) -> Option<Heard> {
    let text = |name: &str| {
        let value = payload.get(name)?.as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    let event = event.filter(|event| !event.is_empty()).map(str::to_owned).or_else(|| {
        ["hook_event_name", "hookEventName", "type", "event"].into_iter().find_map(text)
    })?;
    let (news, answer) = match program {
        "generic" => (generic(&event, payload)?, None),
        "gemini" => gemini(&event, payload)?,
        "openclaw" => (openclaw(&event, payload)?, None),
        "codex" => codex(&event, payload)?,
        "claude" => claude(&event, payload)?,
        // Qwen Code and others took over the hooks of one of the two.
        _ => claude(&event, payload).or_else(|| gemini(&event, payload))?,
    };
    let fresh_turn =
        matches!(event.as_str(), "UserPromptSubmit" | "BeforeAgent" | "message_received");
    let ids = ["session_id", "sessionId", "thread-id", "thread_id", "conversation-id"];
    Some(Heard {
        news,
        answer,
        fresh_turn,
        session_id: ids.into_iter().find_map(text),
        transcript: ["transcript_path", "transcriptPath"].into_iter().find_map(text),
        cwd: text("cwd"),
        event,
    })
}

fn is(state: State) -> News {
    News::Is(state)
}

fn answer(way: Way, event: &str, word: &'static str) -> Answer {
    Answer { way, event: event.to_owned(), word }
}

fn claude(event: &str, payload: &Value) -> Option<(News, Option<Answer>)> {
    let word = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(match event {
        // After a compaction the turn goes on.
        "SessionStart" if word("source") == "compact" => (News::Nothing, None),
        "SessionStart" => (is(State::Ready), Some(answer(Way::Context, event, ""))),
        "UserPromptSubmit" => (is(State::Working), Some(answer(Way::Context, event, ""))),
        "PreToolUse" | "PostToolUse" | "PostToolUseFailure" | "PermissionDenied" | "PreCompact"
        | "PostCompact" | "SubagentStart" => (is(State::Working), None),
        "PermissionRequest" | "Elicitation" => (News::Asks(tool_question(payload)), None),
        "Notification" => (notification(word("notification_type"), word("message")), None),
        "Stop" => (is(State::Idle), Some(answer(Way::Continue, event, "block"))),
        // The turn ended with an error of the service; nothing can be said to it.
        "StopFailure" => (is(State::Idle), None),
        "SessionEnd" => (is(State::Finished), None),
        "SubagentStop" | "TeammateIdle" | "TaskCompleted" => (News::Nothing, None),
        _ => return None,
    })
}

fn codex(event: &str, payload: &Value) -> Option<(News, Option<Answer>)> {
    match event {
        "agent-turn-complete" if makes_title(payload) => None,
        "agent-turn-complete" => Some((is(State::Idle), None)),
        "approval-requested" => Some((News::Asks(tool_question(payload)), None)),
        _ => claude(event, payload),
    }
}

/// Codex tells of the end of a turn also for a thread of its own, in which it thinks of a title; that
/// says nothing about the agent.
fn makes_title(payload: &Value) -> bool {
    let first = payload.get("input-messages").and_then(|messages| messages.get(0));
    first.and_then(Value::as_str).is_some_and(|text| text.starts_with(TITLE))
}

fn gemini(event: &str, payload: &Value) -> Option<(News, Option<Answer>)> {
    let word = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(match event {
        "SessionStart" => (is(State::Ready), Some(answer(Way::Context, event, ""))),
        "BeforeAgent" => (is(State::Working), Some(answer(Way::Context, event, ""))),
        "BeforeModel"
        | "AfterModel"
        | "BeforeToolSelection"
        | "BeforeTool"
        | "AfterTool"
        | "PreCompress" => (is(State::Working), None),
        "Notification" if word("notification_type") == "ToolPermission" => {
            let mut question = tool_question(payload.get("details").unwrap_or(&Value::Null));
            if question.text.is_empty() {
                word("message").clone_into(&mut question.text);
            }
            (News::Asks(question), None)
        }
        "Notification" => (notification(word("notification_type"), word("message")), None),
        "AfterAgent" => (is(State::Idle), Some(answer(Way::Continue, event, "deny"))),
        "SessionEnd" => (is(State::Finished), None),
        _ => return None,
    })
}

fn openclaw(event: &str, payload: &Value) -> Option<News> {
    Some(match event {
        "session_start" | "gateway_start" | "gateway:startup" => is(State::Ready),
        "message_received"
        | "message:received"
        | "before_agent_start"
        | "before_agent_run"
        | "before_prompt_build"
        | "before_model_resolve"
        | "llm_input"
        | "before_tool_call"
        | "after_tool_call"
        | "agent:bootstrap" => is(State::Working),
        "exec_approval_requested" | "exec.approval.requested" => News::Asks(tool_question(payload)),
        "agent_end" | "message:sent" => is(State::Idle),
        "session_end" => is(State::Finished),
        "command:new" | "command:reset" | "message_sent" | "llm_output" => News::Nothing,
        _ => return None,
    })
}

/// The form for everything else: the event is the state itself.
fn generic(event: &str, payload: &Value) -> Option<News> {
    let told = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(match event {
        "starting" => is(State::Starting),
        "ready" => is(State::Ready),
        "working" => is(State::Working),
        "idle" => is(State::Idle),
        "finished" => is(State::Finished),
        "waiting_permission" | "permission" => {
            let mut question = tool_question(payload);
            if question.text.is_empty() {
                told("question").clone_into(&mut question.text);
            }
            News::Asks(question)
        }
        _ => return None,
    })
}

fn notification(kind: &str, message: &str) -> News {
    let asks = || {
        News::StillAsks(Question {
            kind: "permission".into(),
            text: cut(message, QUESTION_CHARS_MAX).to_owned(),
            ..Question::default()
        })
    };
    match kind {
        "permission_prompt" | "elicitation_dialog" => asks(),
        "idle_prompt" => is(State::Idle),
        // Releases before 2.0.37 do not tell kinds apart.
        "" if message.contains("needs your permission")
            || message.contains("needs your approval") =>
        {
            asks()
        }
        "" if message.contains("waiting for your input") => is(State::Idle),
        _ => News::Nothing,
    }
}

/// What a tool is to be used for, in full as far as there is room.
fn tool_question(payload: &Value) -> Question {
    let tool = ["tool_name", "toolName", "tool"]
        .into_iter()
        .find_map(|name| payload.get(name)?.as_str())
        .map(str::to_owned);
    let input = ["tool_input", "toolInput", "input", "params"]
        .into_iter()
        .find_map(|name| payload.get(name));
    let told = ["command", "message", "title", "description"];
    let shown = match input {
        Some(input) => describe(input),
        None => {
            told.into_iter().find_map(|name| payload.get(name).map(describe)).unwrap_or_default()
        }
    };
    let text = match &tool {
        Some(tool) if shown.is_empty() => tool.clone(),
        Some(tool) => format!("{tool}: {shown}"),
        None => shown,
    };
    Question {
        kind: "permission".into(),
        text: cut(&text, QUESTION_CHARS_MAX).to_owned(),
        tool,
        ..Question::default()
    }
}

/// A command as it is; of anything else the fields, each in a line.
fn describe(input: &Value) -> String {
    match input {
        Value::String(text) => text.clone(),
        Value::Array(words) => words.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => match (fields.get("command"), fields.len()) {
            (Some(command), _) => describe(command),
            (None, _) => fields
                .iter()
                .map(|(name, value)| format!("{name}: {}", plain(value)))
                .collect::<Vec<_>>()
                .join("\n"),
        },
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(program: &str, payload: &Value) -> Heard {
        understand(program, None, payload).expect("it is understood")
    }

    fn news(program: &str, payload: &Value) -> News {
        heard(program, payload).news
    }

    #[test]
    fn a_turn_of_claude_is_followed() {
        let at = |event: &str| json!({"hook_event_name": event, "session_id": "s", "cwd": "/w"});
        for (event, state) in [
            ("SessionStart", State::Ready),
            ("UserPromptSubmit", State::Working),
            ("PreToolUse", State::Working),
            ("PostToolUse", State::Working),
            ("PreCompact", State::Working),
            ("Stop", State::Idle),
            ("SessionEnd", State::Finished),
        ] {
            assert_eq!(news("claude", &at(event)), News::Is(state), "{event}");
            assert_eq!(news("codex", &at(event)), News::Is(state), "{event}");
        }
        assert_eq!(news("claude", &at("SubagentStop")), News::Nothing);
        let compacted = json!({"hook_event_name": "SessionStart", "source": "compact"});
        assert_eq!(news("claude", &compacted), News::Nothing);
        assert_eq!(understand("claude", None, &at("Other")), None);
        assert_eq!(understand("claude", None, &Value::Null), None);
        let first = heard("claude", &at("SessionStart"));
        assert_eq!((first.session_id.as_deref(), first.cwd.as_deref()), (Some("s"), Some("/w")));
    }

    #[test]
    fn a_question_has_the_exact_command() {
        let request = json!({
            "hook_event_name": "PermissionRequest",
            "tool_name": "Bash",
            "tool_input": {"command": "rm -rf build", "description": "Clean"}
        });
        let News::Asks(question) = news("claude", &request) else { panic!("it asks") };
        assert_eq!(question.text, "Bash: rm -rf build");
        assert_eq!(question.tool.as_deref(), Some("Bash"));
        let edit = json!({
            "hook_event_name": "PermissionRequest",
            "tool_name": "Edit",
            "tool_input": {"file_path": "a.rs", "old_string": "x", "new_string": "y"}
        });
        let News::Asks(question) = news("claude", &edit) else { panic!("it asks") };
        assert_eq!(question.text, "Edit: file_path: a.rs\nold_string: x\nnew_string: y");
        let codex = json!({"type": "approval-requested", "command": ["rm", "x"]});
        let News::Asks(question) = news("codex", &codex) else { panic!("it asks") };
        assert_eq!(question.text, "rm x");
    }

    #[test]
    fn notifications_say_what_is_waited_for() {
        let of = |kind: &str, message: &str| {
            let payload = json!({
                "hook_event_name": "Notification",
                "notification_type": kind,
                "message": message,
            });
            news("claude", &payload)
        };
        assert!(matches!(of("permission_prompt", "Claude needs…"), News::StillAsks(_)));
        assert!(matches!(of("", "Claude needs your permission to use Bash"), News::StillAsks(_)));
        assert_eq!(of("idle_prompt", ""), News::Is(State::Idle));
        assert_eq!(of("", "Claude is waiting for your input"), News::Is(State::Idle));
        assert_eq!(of("auth_success", "fine"), News::Nothing);
    }

    #[test]
    fn codex_gemini_openclaw_and_others_are_understood() {
        let codex = json!({"type": "agent-turn-complete", "thread-id": "th", "cwd": "/w"});
        let first = heard("codex", &codex);
        assert_eq!((first.news, first.session_id.as_deref()), (News::Is(State::Idle), Some("th")));
        let title = json!({
            "type": "agent-turn-complete", "thread-id": "other",
            "input-messages": ["Generate a concise, single-line task title for: x"]
        });
        assert_eq!(understand("codex", None, &title), None);
        let gemini = |event: &str| news("gemini", &json!({"hook_event_name": event}));
        assert_eq!(gemini("BeforeAgent"), News::Is(State::Working));
        assert_eq!(gemini("AfterTool"), News::Is(State::Working));
        assert_eq!(gemini("AfterAgent"), News::Is(State::Idle));
        let asks = json!({
            "hook_event_name": "Notification", "notification_type": "ToolPermission",
            "message": "Run it?", "details": {"type": "exec", "title": "t", "command": "ls -l"}
        });
        let News::Asks(question) = news("gemini", &asks) else { panic!("it asks") };
        assert_eq!(question.text, "ls -l");
        let openclaw = |event: &str| understand("openclaw", Some(event), &Value::Null);
        assert_eq!(openclaw("agent_end").map(|heard| heard.news), Some(News::Is(State::Idle)));
        for state in ["starting", "ready", "working", "idle", "finished"] {
            let told = understand("generic", Some(state), &Value::Null).expect("understood").news;
            assert!(matches!(told, News::Is(found) if found.as_str() == state));
        }
        let asked = json!({"question": "May I?"});
        let told = understand("generic", Some("waiting_permission"), &asked).expect("understood");
        assert!(matches!(told.news, News::Asks(question) if question.text == "May I?"));
    }

    #[test]
    fn answers_are_written_as_each_program_reads_them() {
        let answer =
            |program: &str, event: &str| heard(program, &json!({"hook_event_name": event})).answer;
        let stop = answer("claude", "Stop").expect("it can be answered");
        assert_eq!(stop.render("m"), json!({"decision": "block", "reason": "m"}));
        let prompt = answer("claude", "UserPromptSubmit").expect("it can be answered");
        assert_eq!(prompt.render("m")["hookSpecificOutput"]["hookEventName"], "UserPromptSubmit");
        assert_eq!(prompt.render("m")["hookSpecificOutput"]["additionalContext"], "m");
        let after = answer("gemini", "AfterAgent").expect("it can be answered");
        assert_eq!(after.render("m")["decision"], "deny");
        assert_eq!(answer("claude", "PreToolUse"), None);
        assert_eq!(
            understand("codex", Some("agent-turn-complete"), &Value::Null).and_then(|h| h.answer),
            None
        );
    }
}

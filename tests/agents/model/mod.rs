//! A model endpoint on loopback that says what a script tells it to: enough of Anthropic's Messages
//! API, of OpenAI's Responses API and of Google's Gemini API for the real Claude Code, Codex,
//! OpenClaw and Gemini CLI to do their work.
//!
//! The path before `/v1` names the script, so that each agent can have its own. What is said next
//! follows from the conversation in the request alone; the endpoint itself remembers nothing.

mod anthropic;
mod gemini;
mod http;
mod responses;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use http::{Answer, Request};

/// What one agent's model says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    /// The first turn whose `when` is found in the user's newest message is played.
    #[serde(default)]
    pub(crate) turns: Vec<Turn>,
}

/// What is said to one message of the user.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Turn {
    /// A part of the message.
    pub(crate) when: String,
    /// What is done, one step a request.
    pub(crate) steps: Vec<Step>,
}

/// One answer of the model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Step {
    /// A command for the agent's shell tool.
    pub(crate) shell: Option<String>,
    /// Another tool of the agent, and what it is called with.
    pub(crate) tool: Option<String>,
    /// The input of `tool`.
    pub(crate) input: Value,
    /// What is said.
    pub(crate) say: Option<String>,
    /// Milliseconds before the answer.
    pub(crate) delay: u64,
}

/// What the model says next.
#[derive(Debug, Clone)]
enum Said {
    Text(String),
    Call { name: String, input: Value },
}

/// The endpoint while it serves.
pub(crate) struct Model {
    address: SocketAddr,
    served: Arc<Served>,
}

struct Served {
    scripts: Mutex<BTreeMap<String, Script>>,
    /// Where requests are written to.
    log: Option<PathBuf>,
    count: AtomicUsize,
}

impl Model {
    /// Serves on a free port, or on `port`, until the process ends.
    pub(crate) fn serve(
        port: u16,
        scripts: BTreeMap<String, Script>,
        log: Option<PathBuf>,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let address = listener.local_addr()?;
        let served =
            Arc::new(Served { scripts: Mutex::new(scripts), log, count: AtomicUsize::new(0) });
        let all = Arc::clone(&served);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&all);
                thread::spawn(move || served.connection(&stream));
            }
        });
        Ok(Self { address, served })
    }

    /// What the agent that plays `script` is given as its base address, without `/v1`.
    pub(crate) fn url(&self, script: &str) -> String {
        format!("http://{}/{script}", self.address)
    }

    /// Gives `name` another script.
    pub(crate) fn script(&self, name: &str, script: Script) {
        let mut scripts = self.served.scripts.lock().expect("nobody panics with it");
        scripts.insert(name.to_owned(), script);
    }

    /// How many answers have been asked of it.
    pub(crate) fn requests(&self) -> usize {
        self.served.count.load(Ordering::SeqCst)
    }
}

impl Served {
    fn connection(&self, stream: &TcpStream) {
        let Ok(request) = Request::read(stream) else { return };
        let answer = self.answer(&request);
        // A client that went away has no use for its answer.
        let _ = answer.write(stream);
    }

    fn script(&self, name: &str) -> Script {
        let scripts = self.scripts.lock().expect("nobody panics with it");
        scripts.get(name).cloned().unwrap_or_default()
    }

    fn answer(&self, request: &Request) -> Answer {
        let path = request.path.split('?').next().unwrap_or_default();
        let (name, call) = match path.trim_start_matches('/').split_once('/') {
            Some((name, call)) => (name, call),
            None => (path.trim_start_matches('/'), ""),
        };
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        if let Some(log) = &self.log {
            let text = format!("{} {}\n{}", request.method, request.path, request.body);
            let _ = std::fs::write(log.join(format!("{number:04}.txt")), text);
        }
        let script = self.script(name);
        let body: Value = serde_json::from_str(&request.body).unwrap_or(Value::Null);
        match call.trim_start_matches("v1/") {
            "messages" => anthropic::answer(&script, &body, number),
            "messages/count_tokens" => Answer::json(&json!({"input_tokens": 10})),
            "responses" => responses::answer(&script, &body, number),
            "models" => Answer::json(&json!({"object": "list", "data": [], "models": []})),
            "" => Answer::json(&json!({})),
            other if other.contains("models/") => gemini::answer(&script, other, &body),
            _ => Answer::missing(),
        }
    }
}

/// What comes after `done` calls of tools since the user said `message`.
fn next(script: &Script, message: &str, done: usize, shell: impl Fn(&str) -> Said) -> Said {
    let turn = script.turns.iter().find(|turn| message.contains(&turn.when));
    let Some(step) = turn.and_then(|turn| turn.steps.get(done)) else {
        return Said::Text("There is nothing more to do.".into());
    };
    thread::sleep(Duration::from_millis(step.delay));
    match (&step.shell, &step.tool, &step.say) {
        (Some(command), ..) => shell(command),
        (_, Some(name), _) => Said::Call { name: name.clone(), input: step.input.clone() },
        (_, _, Some(text)) => Said::Text(text.clone()),
        _ => Said::Text("This step is empty.".into()),
    }
}

//! A client of the MCP server that speaks JSON-RPC over pipes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Call, World};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server and the pipes to it; it is ended with the test.
pub(super) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
    last: u64,
}

impl Client {
    /// Starts a server that nobody has greeted yet.
    pub(super) fn open(call: Call) -> Self {
        let mut child = call.open();
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("it is piped");
        let mut stderr = child.stderr.take().expect("it is piped");
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
        Self { child, stdin, answers, last: 0 }
    }

    /// Starts a server and greets it.
    pub(super) fn new(world: &World) -> Self {
        Self::greeted(world.call(&["mcp"]))
    }

    /// The same as an agent.
    pub(super) fn of_agent(world: &World, agent: &str) -> Self {
        Self::greeted(world.call(&["mcp"]).env("CLAWTEAM_AGENT_NAME", agent))
    }

    pub(super) fn greeted(call: Call) -> Self {
        let mut client = Self::open(call);
        let hello = client.request("initialize", hello());
        assert_eq!(hello["result"]["serverInfo"]["name"], "clawteam", "{hello}");
        client.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    /// Writes a line as it is.
    pub(super) fn raw(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("the server reads");
    }

    pub(super) fn write(&mut self, message: &Value) {
        self.raw(&message.to_string());
    }

    /// The next message of the server, which must be one of the protocol.
    #[track_caller]
    pub(super) fn read(&mut self) -> Value {
        let line = self.answers.recv_timeout(PATIENCE).expect("the server answers");
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("not a message ({error}): {line}");
        });
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        message
    }

    /// Asks without waiting. Returns the number of the request.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.last += 1;
        let id = self.last;
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    /// Asks and waits for the answer.
    #[track_caller]
    pub(super) fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params);
        let answer = self.read();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Calls a tool, whatever comes of it.
    #[track_caller]
    pub(super) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        self.request("tools/call", params)["result"].clone()
    }

    /// Calls a tool, which must succeed. What it says in its texts and in its structured content
    /// must be the same.
    #[track_caller]
    pub(super) fn tool(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.call(tool, arguments);
        assert_eq!(answer["isError"], false, "{tool}: {answer}");
        let result = answer["structuredContent"]["result"].clone();
        let texts = answer["content"].as_array().expect("a list").iter();
        let read = texts.map(|item| {
            assert_eq!(item["type"], "text");
            let text = item["text"].as_str().expect("text");
            serde_json::from_str(text).unwrap_or_else(|_| text.into())
        });
        let said: Vec<Value> = read.collect();
        match &result {
            Value::Array(list) => assert_eq!(&said, list, "{tool}"),
            Value::String(_) => assert_eq!(said.len(), 1, "{tool}"),
            one => assert_eq!(said, std::slice::from_ref(one), "{tool}"),
        }
        result
    }

    /// Calls a tool, which must be refused: the code and the text.
    #[track_caller]
    pub(super) fn refused(&mut self, tool: &str, arguments: Value) -> (String, String) {
        let answer = self.call(tool, arguments);
        assert_eq!(answer["isError"], true, "{tool}: {answer}");
        let text = answer["content"][0]["text"].as_str().expect("text");
        let code = answer["structuredContent"]["code"].as_str().expect("a code");
        let begin = format!("Error executing tool {tool}: ");
        let text = text.strip_prefix(&begin).expect("it says which tool");
        (code.to_owned(), text.to_owned())
    }

    /// Closes the pipe to the server, which then ends. Returns what it still had to say.
    pub(super) fn close(mut self) -> Vec<Value> {
        self.stdin = None;
        let mut rest = Vec::new();
        while let Ok(line) = self.answers.recv_timeout(PATIENCE) {
            rest.push(serde_json::from_str(&line).expect("a message"));
        }
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
        rest
    }

    /// Ends the server as a power failure would.
    pub(super) fn kill(mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it ends");
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a client says first.
pub(super) fn hello() -> Value {
    json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}
    })
}

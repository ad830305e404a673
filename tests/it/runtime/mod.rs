//! Knowing what agents do, talking to them and answering them, with fake programs in real tmux.

mod hooks;
mod inject;
mod permission;
mod state;
mod watch;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::support::{Ran, World};
use super::until;

/// A place with a tmux server of its own and a program called `claude` that behaves as its
/// environment says (see `claude.sh`).
struct Stage {
    world: World,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.world.clear();
    }
}

impl Stage {
    fn new() -> Self {
        let world = World::new().env("FAKE_CLAWTEAM", env!("CARGO_BIN_EXE_clawteam"));
        let bin = world.top().join("bin");
        fs::create_dir(&bin).expect("a directory can be made");
        let old = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&old)));
        let stage = Self { world: world.env("PATH", path.expect("good paths")) };
        stage.program("bin/claude", include_str!("claude.sh"));
        stage.world.team(&[]);
        stage
    }

    /// Writes a program.
    fn program(&self, name: &str, text: &str) -> String {
        let path = self.world.top().join(name);
        fs::write(&path, text).expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        path.display().to_string()
    }

    /// What the window of an agent shows.
    fn screen(&self, agent: &str) -> String {
        let target = format!("clawteam-t:{agent}");
        self.world.tmux(&["capture-pane", "-p", "-t", &target])
    }

    /// Starts a program as an agent of team `t` in tmux.
    fn start(&self, agent: &str, program: &str, env: &[(&str, &str)]) {
        let words = ["spawn", "tmux", "--team", "t", "-n", agent, "--no-workspace", "--", program];
        let call = env.iter().fold(self.world.call(&words), |call, (k, v)| call.env(k, v));
        let ran = call.run();
        // One that asks something at once is told so; it runs all the same.
        assert!(ran.status == 0 || ran.stdout.contains("waiting_permission"), "{ran}");
    }

    /// Starts the fake program and waits until it is in `state`.
    fn fake(&self, agent: &str, env: &[(&str, &str)], state: &str) {
        self.start(agent, "claude", env);
        self.until_state(agent, state);
    }

    /// What `team status` says of an agent.
    fn member(&self, agent: &str) -> Value {
        let status = self.world.json(&["team", "status", "t"]);
        let members = status["members"].as_array().expect("members").clone();
        members.into_iter().find(|member| member["name"] == agent).expect("it is a member")
    }

    fn until_state(&self, agent: &str, state: &str) -> Value {
        until(&format!("{agent} is {state}"), || self.member(agent)["state"] == state);
        self.member(agent)
    }

    /// What the program of an agent wrote down in one of its files.
    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.world.cwd().join(name)).unwrap_or_default()
    }

    /// Calls a hook as the agent's program does.
    fn hook(&self, agent: &str, program: &str, payload: &Value) -> Ran {
        self.world
            .call(&["hook-event", program])
            .env("CLAWTEAM_AGENT_NAME", agent)
            .env("CLAWTEAM_TEAM_NAME", "t")
            .stdin(payload.to_string())
            .run()
    }

    /// The same for an event that has no fields of its own.
    fn event(&self, agent: &str, event: &str) -> Ran {
        self.hook(agent, "claude", &json!({"hook_event_name": event, "session_id": "s1"}))
    }

    fn inject(&self, agent: &str, summary: &str, options: &[&str]) -> Ran {
        let words = ["--json", "runtime", "inject", "t", agent, "--summary", summary];
        self.world.run(&[&words[..], options].concat())
    }

    /// What waits in an inbox.
    fn waiting(&self, agent: &str) -> Vec<Value> {
        let peeked = self.world.json(&["inbox", "peek", "t", "-a", agent]);
        peeked["messages"].as_array().expect("messages").clone()
    }

    /// Holds the lock file of the data directory called `name` until dropped.
    fn hold(&self, name: &str) -> Held {
        let path = self.world.data().join(name);
        fs::create_dir_all(path.parent().expect("it is below")).expect("a directory can be made");
        Held::of(path)
    }
}

/// A lock that another process holds.
struct Held {
    _file: fs::File,
}

impl Held {
    fn of(path: PathBuf) -> Self {
        let file = fs::OpenOptions::new().create(true).append(true).open(path).expect("it opens");
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("it is free");
        Self { _file: file }
    }
}

/// Runs a shell command to its end with something to read.
fn shell(line: &str, input: &str) {
    let mut child =
        Command::new("sh").args(["-c", line]).stdin(Stdio::piped()).spawn().expect("sh runs");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "{line}");
}

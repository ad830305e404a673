//! A home, a repository, a team and a tmux server that only one check knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Result;
use crate::model::{Model, Script};
use crate::programs::Programs;

/// The team of every check.
pub(crate) const TEAM: &str = "crew";
/// The agent of every check.
pub(crate) const AGENT: &str = "worker";
/// How long a program may take for what it does within seconds on a slow machine.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) struct World {
    dir: TempDir,
    program: String,
    env: BTreeMap<String, String>,
    model: Model,
}

impl World {
    /// For one program, whose model has nothing to say yet.
    pub(crate) fn new(programs: &Programs, program: &str) -> Result<Self> {
        let told = |error: std::io::Error| error.to_string();
        let dir = tempfile::Builder::new()
            .prefix(program)
            .tempdir_in(programs.scratch()?)
            .map_err(told)?;
        let log = dir.path().join("model");
        std::fs::create_dir(&log).map_err(told)?;
        let model = Model::serve(0, BTreeMap::new(), Some(log)).map_err(told)?;
        let mut world = Self { dir, program: program.into(), env: BTreeMap::new(), model };
        for (name, value) in [
            ("PATH", programs.path().to_owned()),
            ("HOME", world.home().display().to_string()),
            ("CLAWTEAM_DATA_DIR", world.path("data").display().to_string()),
            // The path of a socket is short.
            ("CLAWTEAM_TMUX_SOCKET", world.socket().display().to_string()),
            ("CLAWTEAM_USER", String::new()),
            ("TERM", "xterm-256color".into()),
            ("LANG", "C.UTF-8".into()),
            ("SHELL", "/bin/bash".into()),
            // Without it, Claude Code refuses to act without asking as root.
            ("IS_SANDBOX", "1".into()),
        ] {
            world.env.insert(name.into(), value);
        }
        world.furnish(program)?;
        world.install()?;
        world.repository()?;
        world.run(&["team", "spawn-team", TEAM, "-n", "lead"])?;
        Ok(world)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    fn socket(&self) -> PathBuf {
        let name = self.dir.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        std::env::temp_dir().join(format!("clawteam-{name}.sock"))
    }

    pub(crate) fn program(&self) -> &str {
        &self.program
    }

    /// Whether the model was asked anything that holds all of `texts`.
    pub(crate) fn was_asked(&self, texts: &[&str]) -> bool {
        let files = std::fs::read_dir(self.path("model")).into_iter().flatten().flatten();
        let mut asked = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
        asked.any(|request| texts.iter().all(|text| request.contains(text)))
    }

    /// Tells the model what to say.
    pub(crate) fn script(&self, script: Script) {
        self.model.script(&self.program, script);
    }

    /// Starts the agent, and returns what clawteam says about it.
    pub(crate) fn spawn(&self, backend: &str, task: &str, options: &[&str]) -> Result<Value> {
        let agent = ["spawn", backend, &self.program, "--team", TEAM, "-n", AGENT, "--task", task];
        self.json(&[&agent[..], options].concat())
            .map_err(|error| format!("{error}{}", self.evidence()))
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.into(), value.into());
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.env.remove(name);
    }

    /// Settles the program in its home: it is told of the model, and is past what only a person
    /// with a browser could do. Everything else it asks as on its first day.
    fn furnish(&mut self, program: &str) -> Result<()> {
        let url = self.model.url(program);
        match program {
            "claude" => {
                self.write("home/.claude.json", &json!({"hasCompletedOnboarding": true}))?;
                self.set("ANTHROPIC_BASE_URL", &url);
                self.set("ANTHROPIC_AUTH_TOKEN", "scripted");
                self.set("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
                Ok(())
            }
            "gemini" => {
                let auth = json!({"security": {"auth": {"selectedType": "gemini-api-key"}}});
                self.write("home/.gemini/settings.json", &auth)?;
                self.set("GEMINI_API_KEY", "scripted");
                self.set("GOOGLE_GEMINI_BASE_URL", &url);
                Ok(())
            }
            "codex" => self.write_text(
                "home/.codex/config.toml",
                &format!(
                    "model = \"scripted\"\nmodel_provider = \"scripted\"\n\
                     [model_providers.scripted]\nname = \"scripted\"\n\
                     base_url = \"{url}/v1\"\nwire_api = \"responses\"\n"
                ),
            ),
            _ => self.write(
                "home/.openclaw/openclaw.json",
                &json!({
                    "agents": {"defaults": {
                        "workspace": self.path("home/.openclaw/workspace"),
                        "model": {"primary": "scripted/scripted"},
                    }},
                    "gateway": {"mode": "local"},
                    "models": {"mode": "merge", "providers": {"scripted": {
                        "baseUrl": format!("{url}/v1"), "api": "openai-responses", "apiKey": "k",
                        "models": [{
                            "id": "scripted", "name": "scripted", "contextWindow": 128_000,
                            "maxTokens": 4096, "input": ["text"], "reasoning": false,
                            "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
                        }],
                    }}},
                }),
            ),
        }
    }

    /// Puts clawteam where only PATH says: /etc/profile of many systems does not know of it.
    fn install(&mut self) -> Result<()> {
        let bin = self.path("bin");
        std::fs::create_dir_all(&bin)
            .and_then(|()| {
                let program = env!("CARGO_BIN_EXE_clawteam");
                std::os::unix::fs::symlink(program, bin.join("clawteam"))
            })
            .map_err(|error| format!("{}: {error}", bin.display()))?;
        let path = format!("{}:{}", bin.display(), self.env["PATH"]);
        self.set("PATH", &path);
        Ok(())
    }

    /// Keeps what was left behind, for those who look into a failure.
    pub(crate) fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }

    pub(crate) fn write(&self, path: &str, value: &Value) -> Result<()> {
        self.write_text(path, &format!("{value:#}\n"))
    }

    pub(crate) fn write_text(&self, path: &str, text: &str) -> Result<()> {
        let file = self.path(path);
        let parent = file.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&file, text))
            .map_err(|error| format!("{}: {error}", file.display()))
    }

    fn repository(&self) -> Result<()> {
        self.write_text("repo/README.md", "A repository for agents.\n")?;
        self.git(&["init", "-q", "-b", "main"])?;
        self.git(&["config", "user.name", "A Person"])?;
        self.git(&["config", "user.email", "person@example.org"])?;
        self.git(&["add", "."])?;
        self.git(&["commit", "-qm", "Start"])?;
        Ok(())
    }

    pub(crate) fn git(&self, args: &[&str]) -> Result<String> {
        succeeded(self.command("git").args(args), "git", args)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.env).current_dir(self.repo()).stdin(Stdio::null());
        command
    }

    /// What clawteam did, whether it went well or not.
    pub(crate) fn call(&self, args: &[&str]) -> Result<Output> {
        let mut command = self.command(env!("CARGO_BIN_EXE_clawteam"));
        command.args(args).output().map_err(|error| error.to_string())
    }

    /// Runs clawteam, which must succeed.
    pub(crate) fn run(&self, args: &[&str]) -> Result<String> {
        succeeded(self.command(env!("CARGO_BIN_EXE_clawteam")).args(args), "clawteam", args)
    }

    /// What clawteam answers in JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Result<Value> {
        let text = self.run(&[&["--json"], args].concat())?;
        serde_json::from_str(&text).map_err(|error| format!("{args:?}: {error}: {text}"))
    }

    /// Makes a task for the agent, and returns its identifier.
    pub(crate) fn task(&self, subject: &str) -> Result<String> {
        let made = self.json(&["task", "create", TEAM, subject, "-o", AGENT])?;
        made["id"].as_str().map(str::to_owned).ok_or_else(|| format!("no id: {made}"))
    }

    /// What the agent's terminal shows.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-t", &format!("=clawteam-{TEAM}:")])
    }

    /// What tmux answers on this world's socket; nothing if there is no server.
    pub(crate) fn tmux(&self, args: &[&str]) -> String {
        let mut tmux = self.command("tmux");
        tmux.arg("-u").arg("-S").arg(self.socket()).args(args).env_remove("TMUX");
        let output = tmux.output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    }

    /// Waits until `look` finds something.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                return Err(format!("not within {PATIENCE:?}: {what}{}", self.evidence()));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What helps to see why something did not happen.
    pub(crate) fn evidence(&self) -> String {
        let log = std::fs::read_to_string(self.path(&format!("data/agents/{TEAM}/{AGENT}.log")));
        let screen = self.screen();
        let lines: Vec<&str> = screen.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(25)..].join("\n");
        format!(
            "; the model was asked {} times\nscreen:\n{last}\nlog:\n{}",
            self.model.requests(),
            log.unwrap_or_default()
        )
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever a failed check left running.
        let _ = self.call(&["team", "cleanup", TEAM, "--force"]);
        let _ = self.tmux(&["kill-server"]);
        let _ = std::fs::remove_file(self.socket());
    }
}

fn succeeded(command: &mut Command, program: &str, args: &[&str]) -> Result<String> {
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!(
        "{program} {}: {}\n{}{}",
        args.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

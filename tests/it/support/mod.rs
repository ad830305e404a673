//! The built program in a place of its own: nothing of the user's environment reaches it.

pub(crate) mod app;
mod outside;
mod programs;
mod ran;
mod running;
mod scrub;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use programs::{REGISTERED, STAY, exists, kill};
pub(crate) use ran::{Ran, keys};
pub(crate) use running::Running;
pub(crate) use scrub::scrub;

/// The data directory that Python's ClawTeam 0.3.0 wrote.
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/clawteam-0.3.0");

/// A home, a data directory and a working directory that only one test knows.
pub(crate) struct World {
    directory: TempDir,
    env: Vec<(OsString, OsString)>,
}

impl World {
    /// With an empty data directory apart from the home.
    pub(crate) fn new() -> Self {
        let world = Self::bare();
        let data = world.data();
        world.env("CLAWTEAM_DATA_DIR", data)
    }

    /// With what Python's ClawTeam wrote, in the home.
    pub(crate) fn of_python() -> Self {
        let world = Self::bare();
        copy(Path::new(FIXTURE), &world.home().join(".clawteam"));
        for empty in ["duo/inboxes/ana_lead", "duo/inboxes/ben_worker", "atlas/inboxes/bob"] {
            fs::create_dir_all(world.home().join(".clawteam/teams").join(empty))
                .expect("a directory can be made");
        }
        world
    }

    fn bare() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let world = Self { directory, env: Vec::new() };
        for made in [world.home(), world.cwd()] {
            fs::create_dir(made).expect("a directory can be made");
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let (home, socket) = (world.home(), world.top().join("tmux.socket"));
        world
            .env("PATH", path)
            .env("HOME", home)
            .env("CLAWTEAM_TMUX_SOCKET", socket)
            .env("TEST_PROCESS", std::process::id().to_string())
            // Tests run programs that nobody probed.
            .env("CLAWTEAM_PROBE_REMINDER", "false")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
    }

    /// The same with one more environment variable for everything that runs in it.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The directory that holds all of it.
    pub(crate) fn top(&self) -> PathBuf {
        self.directory.path().canonicalize().expect("the directory is there")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.top().join("home")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.top().join("data")
    }

    pub(crate) fn cwd(&self) -> PathBuf {
        self.top().join("cwd")
    }

    /// A call of the program that is still to be made.
    pub(crate) fn call<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Call {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clawteam"));
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        command.args(arguments).current_dir(self.cwd());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let arguments: Vec<OsString> = arguments.iter().map(|a| a.as_ref().to_owned()).collect();
        Call { command, arguments, stdin: None }
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.call(arguments).run()
    }

    /// Runs the program as an agent.
    pub(crate) fn run_as(&self, agent: &str, arguments: &[&str]) -> Ran {
        self.call(arguments).env("CLAWTEAM_AGENT_NAME", agent).run()
    }

    /// What the program answers in JSON; it must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[&["--json"], arguments].concat()).succeeds().json()
    }

    /// The same as an agent.
    pub(crate) fn json_as(&self, agent: &str, arguments: &[&str]) -> Value {
        self.run_as(agent, &[&["--json"], arguments].concat()).succeeds().json()
    }

    /// Makes the team `t` led by `lead`, with further members.
    pub(crate) fn team(&self, members: &[&str]) {
        self.run(&["team", "spawn-team", "t", "-n", "lead"]).succeeds();
        for member in members {
            self.run(&["team", "add-member", "t", member]).succeeds();
        }
    }

    /// Makes a task of team `t` and returns its identifier.
    pub(crate) fn task(&self, arguments: &[&str]) -> String {
        let made = self.json(&[&["task", "create", "t"], arguments].concat());
        made["id"].as_str().expect("a task has an identifier").to_owned()
    }

    /// Writes a file of the data directory by hand.
    pub(crate) fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let file = self.data().join(path);
        fs::create_dir_all(file.parent().expect("it is below the data directory"))
            .expect("a directory can be made");
        fs::write(file, content).expect("a file can be written");
    }

    /// A document of the data directory.
    pub(crate) fn document(&self, path: &str) -> Value {
        let text = fs::read_to_string(self.data().join(path)).expect(path);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"))
    }

    /// The names in a directory of the data directory, sorted; none if it is missing.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        names(&self.data().join(path))
    }
}

/// The names in a directory, sorted; none if it is missing.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Every file and directory below `top`, with what the files hold.
pub(crate) fn tree(top: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![top.to_owned()];
    while let Some(directory) = pending.pop() {
        for name in names(&directory) {
            let path = directory.join(name);
            let kind = path.symlink_metadata().expect("it was listed");
            if kind.is_dir() {
                pending.push(path.clone());
            }
            found.insert(path.clone(), kind.is_file().then(|| fs::read(&path).expect("a file")));
        }
    }
    found
}

/// What is not as it was `before` below `top`.
pub(crate) fn changes(top: &Path, before: &BTreeMap<PathBuf, Option<Vec<u8>>>) -> Vec<String> {
    let after = tree(top);
    let gone = before.keys().filter(|path| !after.contains_key(*path));
    let other = after.iter().filter(|(path, held)| before.get(*path) != Some(held));
    gone.chain(other.map(|(path, _)| path)).map(|path| path.display().to_string()).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory can be made");
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a file can be copied");
        }
    }
}

/// A call of the program that is still to be made.
pub(crate) struct Call {
    command: Command,
    arguments: Vec<OsString>,
    stdin: Option<Vec<u8>>,
}

impl Call {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn at(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.command.stdin(Stdio::piped());
        self.stdin = Some(bytes.into());
        self
    }

    pub(crate) fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self
    }

    /// Runs it to its end, within a time that no command needs.
    pub(crate) fn run(self) -> Ran {
        self.start().finish()
    }

    /// Starts it with a pipe at each of its streams.
    pub(crate) fn open(mut self) -> std::process::Child {
        self.command.stdin(Stdio::piped()).spawn().expect("the program starts")
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        let mut child = self.command.spawn().expect("the program starts");
        if let Some(bytes) = self.stdin {
            let mut stdin = child.stdin.take().expect("it is piped");
            // Whether the program reads it is the program's choice.
            std::thread::spawn(move || stdin.write_all(&bytes));
        }
        Running::new(child, &self.arguments)
    }
}

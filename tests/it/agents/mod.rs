//! Agent programs: what they ask at their start, how they get their prompt, and what is known of
//! them. The programs are scripts that act like those of the catalog, in real tmux.

mod catalog;
mod dialogs;
mod prompts;
mod screens;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::World;

/// An agent program without a model. What it does is said by its environment; see the script.
const FAKE: &str = include_str!("../support/fake-agent.sh");

/// A place with a tmux server of its own and directories for programs.
struct Place {
    world: World,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.world.clear();
    }
}

impl Place {
    /// With fake programs of these names, and variables that say what they do.
    fn new(programs: &[&str], variables: &[(&str, &str)]) -> Self {
        let world = World::new();
        let bin = world.top().join("bin");
        fs::create_dir(&bin).expect("a directory can be made");
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
        let log = world.top().join("log");
        let mut world = world.env("PATH", path).env("FAKE_LOG", log).env("IS_SANDBOX", "1");
        for (name, value) in variables {
            world = world.env(name, value);
        }
        let place = Self { world };
        for program in programs {
            place.program(program, FAKE);
        }
        place
    }

    /// Installs a program.
    fn program(&self, name: &str, text: &str) {
        let path = self.world.top().join("bin").join(name);
        fs::write(&path, text).expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    /// Writes a row of the user.
    fn row(&self, name: &str, text: &str) {
        let rows = self.world.home().join(".clawteam/agents");
        fs::create_dir_all(&rows).expect("a directory can be made");
        fs::write(rows.join(format!("{name}.toml")), text).expect("a file can be written");
    }

    /// What the programs wrote about what happened to them.
    fn log(&self) -> String {
        fs::read_to_string(self.world.top().join("log")).unwrap_or_default()
    }

    /// What the programs were told.
    fn told(&self) -> String {
        fs::read_to_string(self.world.top().join("log.prompt")).unwrap_or_default()
    }

    /// What the program answers in JSON; it must succeed, with whatever notices.
    fn json(&self, words: &[&str]) -> Value {
        let ran = self.world.run(&[&["--json"], words].concat());
        ran.exits(0);
        ran.json()
    }

    /// Starts the agent `w` of team `t` in a terminal; it must come to run.
    fn spawn(&self, program: &str, options: &[&str]) -> Value {
        let words = ["spawn", "tmux", "--team", "t", "-n", "w"];
        self.json(&[&words[..], options, &["--", program]].concat())
    }

    /// The same for a start that ends with status 1.
    fn spawn_in_vain(&self, program: &str, options: &[&str]) -> (Value, String) {
        let words = ["--json", "spawn", "tmux", "--team", "t", "-n", "w"];
        let ran = self.world.run(&[&words[..], options, &["--", program]].concat());
        ran.exits(1);
        (ran.json(), ran.stderr.clone())
    }
}

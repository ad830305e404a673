//! A place to launch teams in, with a tmux server of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{World, names};

/// A world with templates, a repository and a tmux server, which ends with the test.
pub(crate) struct Crew {
    pub(crate) world: World,
}

impl Drop for Crew {
    fn drop(&mut self) {
        // Whatever a failed test left running.
        for team in self.world.names("teams") {
            let _ = self.world.run(&["team", "cleanup", &team, "--force"]);
        }
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.world.top().join("tmux.socket")).arg("kill-server");
        let _ = tmux.output();
    }
}

impl Crew {
    pub(crate) fn new() -> Self {
        Self { world: World::new() }
    }

    /// The same where tmux is not installed.
    pub(crate) fn without_tmux() -> Self {
        let world = World::new();
        let bin = world.top().join("bin");
        fs::create_dir(&bin).expect("a directory can be made");
        let path = std::env::var_os("PATH").unwrap_or_default();
        for directory in std::env::split_paths(&path) {
            for name in names(&directory).iter().filter(|name| *name != "tmux") {
                // The first of a name counts, as on every PATH.
                let _ = symlink(directory.join(name), bin.join(name));
            }
        }
        Self { world: world.env("PATH", bin) }
    }

    /// Makes the working directory a repository with one commit.
    pub(crate) fn repository(self) -> Self {
        self.git(&["init", "-q"]);
        self.git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
        let who = ["-c", "user.name=u", "-c", "user.email=u@h"];
        self.git(&[&who[..], &["commit", "-q", "--allow-empty", "-m", "Start"]].concat());
        self
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.world.cwd(), arguments)
    }

    /// Writes a template of the user.
    pub(crate) fn template(&self, name: &str, text: &str) -> PathBuf {
        let directory = self.world.home().join(".clawteam/templates");
        fs::create_dir_all(&directory).expect("a directory can be made");
        let file = directory.join(format!("{name}.toml"));
        fs::write(&file, text).expect("a file can be written");
        file
    }

    /// The runners of agents of this place that run at the moment.
    pub(crate) fn runners(&self) -> Vec<String> {
        let listed = Command::new("ps").args(["-A", "-o", "args"]).output().expect("ps runs");
        let here = self.world.top().display().to_string();
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let ours = |line: &&str| line.contains(&here) && line.contains(" agent-runner ");
        // The tmux server's own command line holds that of its first window.
        let ours = text.lines().filter(ours).filter(|line| !line.contains("new-session"));
        ours.map(str::to_owned).collect()
    }
}

/// Runs git in a directory.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(arguments).current_dir(directory).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let done = git.output().expect("git runs");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

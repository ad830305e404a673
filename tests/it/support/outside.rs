//! The git and the tmux of a place.

use std::fs;
use std::process::Command;

use super::World;

impl World {
    /// Calls git in the working directory and returns what it says.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(arguments).current_dir(self.cwd()).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let done = git.output().expect("git runs");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// Makes the working directory a repository with one file and one commit.
    pub(crate) fn commit_a_file(&self) {
        self.git(&["init", "-q", "-b", "main"]);
        fs::write(self.cwd().join("file"), "one\n").expect("a file can be written");
        self.git(&["add", "."]);
        self.git(&["-c", "user.name=u", "-c", "user.email=u@h", "commit", "-qm", "Start"]);
    }

    /// Calls tmux on the server of this place and returns what it says.
    pub(crate) fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.top().join("tmux.socket")).args(arguments).env_remove("TMUX");
        let done = tmux.output().expect("tmux runs");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Ends whatever a failed test left running.
    pub(crate) fn clear(&self) {
        for team in self.names("teams") {
            let _ = self.run(&["team", "cleanup", &team, "--force"]);
        }
        self.tmux(&["kill-server"]);
    }
}

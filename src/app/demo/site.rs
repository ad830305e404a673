//! The repository of the demo.

#![expect(
    clippy::disallowed_methods,
    reason = "the program that the demo is about is its own to make"
)]

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::DemoError;
use crate::app::App;
use crate::core::Outcome;

/// The directory that is made here unless another is named.
const DIRECTORY: &str = "clawteam-demo";

/// A file of the program: its path, what it holds, and whether it can be run.
type SourceFile = (&'static str, &'static str, bool);

macro_rules! file {
    ($path:literal, $runs:literal) => {
        ($path, include_str!(concat!("../../../templates/demo/", $path)), $runs)
    };
}

const FILES: [SourceFile; 11] = [
    file!("README.md", false),
    file!("bin/tally", true),
    file!("lib/words.sh", false),
    file!("lib/rank.sh", false),
    file!("lib/bar.sh", false),
    file!("lib/report.sh", false),
    file!("tests/run.sh", true),
    file!("tests/words.test.sh", false),
    file!("tests/rank.test.sh", false),
    file!("tests/bar.test.sh", false),
    file!("tests/report.test.sh", false),
];

/// The repository.
#[derive(Debug)]
pub struct Site {
    /// Its top.
    pub root: PathBuf,
}

/// A run of the program's tests.
#[derive(Debug, Clone)]
pub struct TestRun {
    /// How many passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// What was printed.
    pub output: String,
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DemoError {
    let path = path.to_owned();
    move |source| DemoError::Io { path, source }
}

/// The directory for the repository, as an absolute path: the one that is asked for, which must be
/// empty or missing, or one that does not exist yet. Makes nothing.
pub(super) fn choose(asked: Option<&Path>) -> Outcome<PathBuf> {
    let Some(asked) = asked else {
        let numbered = (2..).map(|n| format!("{DIRECTORY}-{n}"));
        let mut names = std::iter::once(DIRECTORY.to_owned()).chain(numbered);
        let free = names.find(|name| fs::symlink_metadata(name).is_err());
        let free = PathBuf::from(free.unwrap_or_else(|| DIRECTORY.to_owned()));
        return Ok(std::path::absolute(&free).map_err(io_error(&free))?);
    };
    match fs::read_dir(asked).map(Iterator::count) {
        Ok(0) => {}
        Ok(_) => return Err(DemoError::NotEmpty(asked.to_owned()).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(DemoError::NotEmpty(asked.to_owned()).into());
        }
        Err(error) => return Err(io_error(asked)(error).into()),
    }
    Ok(std::path::absolute(asked).map_err(io_error(asked))?)
}

impl Site {
    /// Makes the repository at `root`, with the unfinished program as its first commit.
    pub(super) fn make(app: &App, root: &Path) -> Outcome<Self> {
        fs::create_dir_all(root).map_err(io_error(root))?;
        let identity = ("clawteam demo", "demo@clawteam.invalid");
        if let Err(error) = app.git.init(root, "main", identity) {
            // Without git there is no demo: leave no empty directory. One with something in it
            // stays.
            let _ = fs::remove_dir(root);
            return Err(error.into());
        }
        for (name, text, runs) in FILES {
            let path = root.join(name);
            if let Some(above) = path.parent() {
                fs::create_dir_all(above).map_err(io_error(above))?;
            }
            fs::write(&path, text).map_err(io_error(&path))?;
            if runs {
                let modes = fs::Permissions::from_mode(0o755);
                fs::set_permissions(&path, modes).map_err(io_error(&path))?;
            }
        }
        app.git.commit_all(root, "tally: tests, and modules still to be written")?;
        Ok(Self { root: root.to_owned() })
    }

    /// Runs the program's tests.
    pub(super) fn test(&self) -> Outcome<TestRun> {
        let output = Command::new("/bin/sh")
            .arg("tests/run.sh")
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .output()
            .map_err(io_error(Path::new("/bin/sh")))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let count = |mark: &str| text.lines().filter(|line| line.starts_with(mark)).count();
        let (passed, failed) = (count("ok "), count("not ok "));
        // A run that broke off is no success, however much had passed by then.
        let failed = if output.status.success() { failed } else { failed.max(1) };
        Ok(TestRun { passed, failed, output: text.trim_end().to_owned() })
    }
}

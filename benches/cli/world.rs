//! What the measurements need: homes of their own, programs to compare with, and many tasks.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::{Result, run};

/// The team that everything happens in.
pub(crate) const TEAM: &str = "bench";

/// A clawteam, ours or the Python one, with a home and a data directory of its own.
pub(crate) struct World {
    program: PathBuf,
    home: PathBuf,
}

impl World {
    /// A new world with one team of a leader alone: Python 0.2.0 cannot simply add a member.
    pub(crate) fn new(program: &Path, parent: &Path, name: &str) -> Result<Self> {
        let world = Self { program: program.into(), home: parent.join(name) };
        make_dir(&world.home)?;
        run(&mut world.command(&["team", "spawn-team", TEAM, "-n", "leader"]))?;
        Ok(world)
    }

    /// The program with these arguments, and nothing of the caller's own settings.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().current_dir(&self.home);
        command.env("HOME", &self.home).env("CLAWTEAM_DATA_DIR", self.home.join("data"));
        command.env("PATH", env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8");
        command
    }

    /// A file of its home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// Puts `count` tasks on disk, as the contract has them and the Python program writes them.
    pub(crate) fn write_tasks(&self, count: u32) -> Result<()> {
        let dir = self.home.join("data/tasks").join(TEAM);
        make_dir(&dir)?;
        for number in 0..count {
            let path = dir.join(format!("task-{}.json", id(number)));
            fs::write(&path, task(number))
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}

pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))
}

/// Eight hexadecimal digits, different for every number (the factor is odd) and in no order.
fn id(number: u32) -> String {
    format!("{:08x}", number.wrapping_mul(0x9e37_79b1))
}

fn task(number: u32) -> String {
    let (hour, minute, second) = (number / 3600, number / 60 % 60, number % 60);
    let at = format!("2026-01-01T{hour:02}:{minute:02}:{second:02}.000000+00:00");
    // One in eight waits for the task before it.
    let blocked = number % 8 == 7;
    let status = match number % 8 {
        7 => "blocked",
        0..=2 => "completed",
        3 => "in_progress",
        _ => "pending",
    };
    let priority = ["low", "medium", "high", "urgent"][(number / 8 % 4) as usize];
    let value = serde_json::json!({
        "id": id(number),
        "subject": format!("Task {number}: a subject of the usual length"),
        "description": "What is to be done, in a sentence or two, as agents write it.",
        "status": status,
        "priority": priority,
        "owner": "leader",
        "lockedBy": "",
        "lockedAt": "",
        "blocks": [],
        "blockedBy": if blocked { vec![id(number - 1)] } else { Vec::new() },
        "startedAt": "",
        "createdAt": at,
        "updatedAt": at,
        "metadata": {},
        "idempotencyKey": null,
    });
    format!("{value:#}")
}

/// Compiles one of the programs in `benches/programs`, as the release profile would.
pub(crate) fn compile(name: &str, into: &Path) -> Result<PathBuf> {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/programs").join(format!("{name}.rs"));
    let program = into.join(name);
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition", "2024", "-C", "opt-level=3", "-C", "lto=thin"]);
    rustc.args(["-C", "codegen-units=1", "-C", "strip=symbols", "-o"]);
    run(rustc.arg(&program).arg(source))?;
    Ok(program)
}

/// The Python program: what `CLAWTEAM_BENCH_PYTHON` names, else one that pip installs below
/// `target`, once. An error here says why there is none; the rest can be measured without it.
pub(crate) fn python(target: &Path) -> Result<PathBuf> {
    if let Some(program) = env::var_os("CLAWTEAM_BENCH_PYTHON") {
        return Ok(program.into());
    }
    let venv = target.join("bench-venv");
    let program = venv.join("bin/clawteam");
    if run(Command::new(&program).arg("--version")).is_err() {
        eprintln!("installing the Python clawteam 0.2.0 into {}", venv.display());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "clawteam==0.2.0"]))?;
    }
    Ok(program)
}

//! Processes of this machine, told apart from later ones with the same number.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

pub use crate::core::ProcessId;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; 128 and the number of the signal that killed it.
    pub exit_code: i32,
    /// Whether it was ended because this process was asked to end.
    pub stopped: bool,
}

/// How a program ended that was given something to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fed {
    /// Its exit status, 128 and the number of the signal that killed it; `None` if it took too
    /// long and was ended.
    pub exit_code: Option<i32>,
    /// What it wrote to its standard error, at most the first few thousand bytes.
    pub complaint: String,
}

/// Starting, looking at and ending processes.
pub trait Processes: Send + Sync {
    /// The process that runs under `pid` now, if any. A process that has ended but was not yet
    /// collected by its parent does not run.
    fn identify(&self, pid: u32) -> Option<ProcessId>;

    /// Whether exactly this process still runs.
    fn is_alive(&self, process: ProcessId) -> bool {
        self.identify(process.pid) == Some(process)
    }

    /// The command line of a running process, for messages.
    fn command_line(&self, pid: u32) -> Option<String>;

    /// Ends the process group that `leader` leads: SIGTERM, then SIGKILL after `grace`.
    /// Returns whether the leader is gone. Does nothing if `leader` is not the process it was.
    fn end_group(&self, leader: ProcessId, grace: Duration) -> bool;

    /// Asks one process to end with SIGTERM. Does nothing if it is not the process it was.
    fn terminate(&self, process: ProcessId);

    /// This process.
    fn own(&self) -> ProcessId;

    /// Whether this process runs as root.
    fn is_root(&self) -> bool;

    /// The program that this process runs, as an absolute path.
    fn own_program(&self) -> io::Result<std::path::PathBuf>;

    /// Runs a program to its end, in a process group of its own that has the terminal if this
    /// process has one. `started` hears its process as soon as it runs. If this process is asked
    /// to end (SIGTERM, SIGHUP, SIGINT), the group is ended, with `grace` between SIGTERM and
    /// SIGKILL.
    fn run(
        &self,
        argv: &[String],
        cwd: &Path,
        grace: Duration,
        started: &mut dyn FnMut(ProcessId),
    ) -> io::Result<Ended>;

    /// Runs a program with `input` as its standard input and without output, in a process group of
    /// its own that is killed if it takes longer than `limit`.
    fn feed(&self, argv: &[String], cwd: &Path, input: &[u8], limit: Duration) -> io::Result<Fed>;

    /// Starts a program in the background, without input and with its output in the file `log`.
    /// Returns its process number. The program should [`detach`](Self::detach) itself.
    fn start_in_background(&self, argv: &[String], cwd: &Path, log: &Path) -> io::Result<u32>;

    /// Leaves the session of whoever started this process: the end of their terminal is not ours.
    fn detach(&self);

    /// Waits until this process's group has the terminal, if it has one and is to get it (see
    /// [`run`](Self::run)). A program that reads its terminal before that is refused.
    fn await_terminal(&self);

    /// Becomes another program, with the environment of this process. Returns only if that fails.
    fn exec(&self, argv: &[String]) -> io::Error;

    /// Becomes another program with exactly this environment. Returns only if that fails.
    fn become_program(&self, argv: &[String], env: &BTreeMap<String, String>) -> io::Error;

    /// The file that runs when `program` is called from `cwd` with this `PATH`.
    fn find_program(&self, program: &str, cwd: &Path, path: &str) -> Option<std::path::PathBuf>;
}

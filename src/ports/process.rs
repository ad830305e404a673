//! Processes of this machine, told apart from later ones with the same number.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
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

/// A program that is run for its output.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub cwd: PathBuf,
    /// Variables of its environment besides those of this process.
    pub env: BTreeMap<String, String>,
    /// Variables of this process that it does not get.
    pub env_without: Vec<String>,
    /// What it reads.
    pub stdin: Vec<u8>,
    /// How many bytes of its standard output are kept, from the first on.
    pub stdout_max: usize,
    /// How many bytes of its standard error are kept, up to the last.
    pub stderr_max: usize,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// The time between SIGTERM and SIGKILL when it is ended.
    pub grace: Duration,
}

/// Why a program was ended before its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It took too long.
    TimedOut,
    /// Somebody did not want it any more.
    Cancelled,
}

/// What came of a program that was run for its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// Its exit status; 128 and the number of the signal that killed it.
    pub exit_code: i32,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// Whether it wrote more than that.
    pub truncated: bool,
    /// The last of what it wrote to standard error.
    pub stderr: Vec<u8>,
    /// Why it was ended, if it was.
    pub cut: Option<Cut>,
    /// How long it ran.
    pub took: Duration,
}

/// A machine, and which of its starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name in the network.
    pub name: String,
    /// Something that differs from start to start; empty if that cannot be found out.
    pub boot_id: String,
}

/// Something that is offered to another process.
pub trait Handover: Send {
    /// Where it can be taken.
    fn path(&self) -> &Path;
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

    /// When a running process started, in seconds since the epoch, to about a second.
    fn started_at(&self, pid: u32) -> Option<f64>;

    /// The files that the processes of the group `leader` have open, as far as that can be seen
    /// (on Linux).
    fn open_files(&self, leader: ProcessId) -> Vec<PathBuf>;

    /// The running processes of the group that `leader` leads or has led. None if the number
    /// belongs to another process by now.
    fn group(&self, leader: ProcessId) -> Vec<ProcessId>;

    /// Ends what is left of a group whose `leader` has ended: SIGTERM, then SIGKILL after `grace`.
    /// Does nothing if the number belongs to another process by now.
    fn end_rest(&self, leader: ProcessId, grace: Duration);

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
    fn own_program(&self) -> io::Result<PathBuf>;

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

    /// Runs a program to its end for its output, in a process group of its own without a terminal.
    /// `started` hears its process as soon as it runs. If it takes too long, or once `cancelled`
    /// says so, the group is ended: SIGTERM, then SIGKILL after the grace. What it left running
    /// in its group goes with it. Fails only if it cannot be started.
    fn capture(
        &self,
        program: &Program,
        cancelled: &dyn Fn() -> bool,
        started: &mut dyn FnMut(ProcessId),
    ) -> io::Result<Captured>;

    /// Whether nobody on this machine listens on a TCP port at the moment.
    fn is_port_free(&self, port: u16) -> bool;

    /// This machine.
    fn host(&self) -> Host;

    /// Starts a program in the background, without input and with its output in the file `log`.
    /// Returns its process number. The program should [`detach`](Self::detach) itself.
    fn start_in_background(&self, argv: &[String], cwd: &Path, log: &Path) -> io::Result<u32>;

    /// Starts a program with these variables besides those of this process, in a process group of
    /// its own, without input and output. Nobody waits for it.
    fn start_detached(&self, argv: &[String], env: &BTreeMap<String, String>) -> io::Result<()>;

    /// Offers bytes to one process of this user that is told where ([`Handover::path`]). They are
    /// written to no file, and the offer ends with what is returned.
    fn hand_over(&self, secret: Vec<u8>) -> io::Result<Box<dyn Handover>>;

    /// Takes what another process of this user offers at `path`.
    fn take_over(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Leaves the session of whoever started this process: the end of their terminal is not ours.
    fn detach(&self);

    /// Runs programs to their end, each of which reads what the one before writes. The first reads
    /// what `next` gives, until that is `None` or a program has ended. Returns the exit status of
    /// the last that did not succeed, or 0.
    fn feed(
        &self,
        chain: &[Vec<String>],
        next: &mut dyn FnMut() -> Option<Vec<u8>>,
    ) -> io::Result<i32>;

    /// Waits until this process's group has the terminal, if it has one and is to get it (see
    /// [`run`](Self::run)). A program that reads its terminal before that is refused.
    fn await_terminal(&self);

    /// Becomes another program, with the environment of this process. Returns only if that fails.
    fn exec(&self, argv: &[String]) -> io::Error;

    /// Becomes another program with exactly this environment. Returns only if that fails.
    fn become_program(&self, argv: &[String], env: &BTreeMap<String, String>) -> io::Error;

    /// The file that runs when `program` is called from `cwd` with this `PATH`.
    fn find_program(&self, program: &str, cwd: &Path, path: &str) -> Option<PathBuf>;
}

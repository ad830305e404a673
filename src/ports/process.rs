//! Processes of this machine, told apart from later ones with the same number.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A process: its number and when it started, so that a recycled number is not mistaken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process number.
    pub pid: u32,
    /// When it started, in an unit that only the system that made it understands (Linux: clock
    /// ticks since boot; macOS: seconds since the epoch). Equal means the same process.
    pub start: u64,
}

/// Looking at and ending processes.
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
}

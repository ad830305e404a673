//! Processes, through `/proc` on Linux and `ps` elsewhere.

#![expect(
    clippy::disallowed_methods,
    reason = "an adapter: it starts programs and looks at processes"
)]

mod capture;
mod feed;
mod group;
mod handover;
mod linux;
mod ps;
mod run;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::core::text;
use crate::ports::process::Ended;
use crate::ports::{Captured, Handover, Host, ProcessId, Processes, Program};

/// The processes of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemProcesses;

impl Processes for SystemProcesses {
    fn identify(&self, pid: u32) -> Option<ProcessId> {
        let start = if cfg!(target_os = "linux") { linux::start(pid) } else { ps::start(pid) }?;
        Some(ProcessId { pid, start })
    }

    fn command_line(&self, pid: u32) -> Option<String> {
        let line = if cfg!(target_os = "linux") {
            linux::command_line(pid)
        } else {
            ps::command_line(pid)
        }?;
        Some(text::printable(&line, false))
    }

    fn started_at(&self, pid: u32) -> Option<f64> {
        if cfg!(target_os = "linux") { linux::started_at(pid) } else { ps::started_at(pid) }
    }

    fn open_files(&self, leader: ProcessId) -> Vec<PathBuf> {
        let members = self.group(leader);
        members.iter().flat_map(|member| linux::open_files(member.pid)).collect()
    }

    fn group(&self, leader: ProcessId) -> Vec<ProcessId> {
        let Some(group) = signalable(leader.pid) else { return Vec::new() };
        // While a group has members, its number is given to no other process.
        if self.identify(leader.pid).is_some_and(|now| now != leader) {
            return Vec::new();
        }
        let found = group::members(group).into_iter().filter_map(|pid| self.identify(pid));
        // A group of the same number, made after the first was gone, has only younger members
        // than its own leader; that leader was looked for above.
        found.filter(|member| member.start >= leader.start).collect()
    }

    fn end_rest(&self, leader: ProcessId, grace: Duration) {
        if !self.group(leader).is_empty()
            && let Some(group) = signalable(leader.pid)
        {
            group::end(group, grace);
        }
    }

    fn end_group(&self, leader: ProcessId, grace: Duration) -> bool {
        if !self.is_alive(leader) {
            return true;
        }
        let Some(pid) = signalable(leader.pid) else { return false };
        group::end(pid, grace);
        !self.is_alive(leader)
    }

    fn terminate(&self, process: ProcessId) {
        if self.is_alive(process)
            && let Some(pid) = signalable(process.pid)
        {
            // An error says that it ended by itself or is not ours; neither is ours to report.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    fn own(&self) -> ProcessId {
        let pid = std::process::id();
        // A running process can always be identified; 0 is no start time of any other.
        self.identify(pid).unwrap_or(ProcessId { pid, start: 0 })
    }

    fn is_root(&self) -> bool {
        rustix::process::geteuid().is_root()
    }

    fn is_port_free(&self, port: u16) -> bool {
        std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).is_ok()
    }

    fn own_program(&self) -> io::Result<PathBuf> {
        std::env::current_exe()
    }

    fn run(
        &self,
        argv: &[String],
        cwd: &Path,
        grace: Duration,
        started: &mut dyn FnMut(ProcessId),
    ) -> io::Result<Ended> {
        run::to_the_end(argv, cwd, grace, &mut |pid| {
            started(self.identify(pid).unwrap_or(ProcessId { pid, start: 0 }));
        })
    }

    fn capture(
        &self,
        program: &Program,
        cancelled: &dyn Fn() -> bool,
        started: &mut dyn FnMut(ProcessId),
    ) -> io::Result<Captured> {
        capture::to_the_end(program, cancelled, &mut |pid| {
            started(self.identify(pid).unwrap_or(ProcessId { pid, start: 0 }));
        })
    }

    fn host(&self) -> Host {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let boot_id = if cfg!(target_os = "linux") { linux::boot_id() } else { ps::boot_id() };
        Host { name, boot_id: boot_id.unwrap_or_default() }
    }

    fn start_in_background(&self, argv: &[String], cwd: &Path, log: &Path) -> io::Result<u32> {
        run::in_background(argv, cwd, log)
    }

    fn start_detached(&self, argv: &[String], env: &BTreeMap<String, String>) -> io::Result<()> {
        run::detached(argv, env)
    }

    fn hand_over(&self, secret: Vec<u8>) -> io::Result<Box<dyn Handover>> {
        Ok(Box::new(handover::offer(secret)?))
    }

    fn take_over(&self, path: &Path) -> io::Result<Vec<u8>> {
        handover::take(path)
    }

    fn detach(&self) {
        // Fails only for who leads a group already, and then there is nothing to leave.
        let _ = rustix::process::setsid();
    }

    fn feed(
        &self,
        chain: &[Vec<String>],
        next: &mut dyn FnMut() -> Option<Vec<u8>>,
    ) -> io::Result<i32> {
        feed::feed(chain, next)
    }

    fn await_terminal(&self) {
        run::await_terminal();
    }

    fn exec(&self, argv: &[String]) -> io::Error {
        run::exec(argv)
    }

    fn become_program(&self, argv: &[String], env: &BTreeMap<String, String>) -> io::Error {
        run::become_program(argv, env)
    }

    fn find_program(&self, program: &str, cwd: &Path, path: &str) -> Option<PathBuf> {
        run::find_program(program, cwd, path)
    }
}

/// `pid` for kill(2), unless the number means something else there: 0 is the caller's own group
/// and 1, negated, is every process of the machine.
fn signalable(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_a_special_meaning_are_never_signalled() {
        for pid in [0, 1, u32::MAX, 1 << 31] {
            assert_eq!(signalable(pid), None, "{pid}");
        }
        assert_eq!(signalable(2), Pid::from_raw(2));
    }
}

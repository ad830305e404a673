//! Running programs: in the foreground of a terminal, in the background, or in our place.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, waitpid};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::group;
use crate::ports::process::Ended;

fn command(argv: &[String]) -> io::Result<Command> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// Runs a program to its end; see [`crate::ports::Processes::run`].
pub(super) fn to_the_end(
    argv: &[String],
    cwd: &Path,
    grace: Duration,
    started: &mut dyn FnMut(u32),
) -> io::Result<Ended> {
    // Before the start, so that no end goes unnoticed.
    let mut signals = Signals::new([SIGCHLD, SIGTERM, SIGHUP, SIGINT])?;
    let agent = command(argv)?.current_dir(cwd).process_group(0).spawn()?;
    let pid = Pid::from_child(&agent);
    give_terminal(pid);
    started(agent.id());
    let mut ending: Option<thread::JoinHandle<()>> = None;
    loop {
        match look(pid)? {
            Look::Ended(exit_code) => {
                // Whoever asked us to end wants the whole group gone, not only its leader.
                let stopped = ending.is_some();
                if let Some(ending) = ending {
                    let _ = ending.join();
                }
                return Ok(Ended { exit_code, stopped });
            }
            Look::Stopped => {
                // It was still in the background when it asked for the terminal.
                give_terminal(pid);
                continue;
            }
            Look::Runs => {}
        }
        for signal in signals.wait() {
            if signal != SIGCHLD && ending.is_none() {
                ending = Some(thread::spawn(move || group::end(pid, grace)));
            }
        }
    }
}

enum Look {
    Runs,
    Stopped,
    Ended(i32),
}

fn look(pid: Pid) -> io::Result<Look> {
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
    let Some((_, status)) = waitpid(Some(pid), options)? else { return Ok(Look::Runs) };
    Ok(meaning(status))
}

fn meaning(status: WaitStatus) -> Look {
    if let Some(code) = status.exit_status() {
        Look::Ended(code)
    } else if let Some(signal) = status.terminating_signal() {
        Look::Ended(128 + signal)
    } else if status.stopped() {
        Look::Stopped
    } else {
        Look::Runs
    }
}

/// Makes the group of `pid` the one that reads our terminal, if we have one and it is ours to
/// give; then lets it go on if it had to stop for want of it. Otherwise somebody stopped it on
/// purpose, and will let it go on.
fn give_terminal(pid: Pid) {
    let stdin = io::stdin();
    if tcgetpgrp(&stdin).is_ok() && tcsetpgrp(&stdin, pid).is_ok() {
        let _ = kill_process_group(pid, Signal::CONT);
    }
}

/// Starts a program in the background; see [`crate::ports::Processes::start_in_background`].
pub(super) fn in_background(argv: &[String], cwd: &Path, log: &Path) -> io::Result<u32> {
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(log)?;
    let child = command(argv)?
        .current_dir(cwd)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    Ok(child.id())
}

/// Starts a program that nobody waits for; see [`crate::ports::Processes::start_detached`].
pub(super) fn detached(argv: &[String], env: &BTreeMap<String, String>) -> io::Result<()> {
    let mut command = command(argv)?;
    command.envs(env).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Its own group from the start: neither Ctrl-C nor the end of our group is meant for it.
    let mut child = command.process_group(0).spawn()?;
    // A process that goes on for long collects it; of one that ends, init does.
    thread::spawn(move || child.wait());
    Ok(())
}

/// How long the terminal may take to be handed over.
const TERMINAL_WAIT: Duration = Duration::from_secs(2);

/// Waits for the terminal; see [`crate::ports::Processes::await_terminal`].
pub(super) fn await_terminal() {
    let deadline = Instant::now() + TERMINAL_WAIT;
    // The runner starts what it runs as the leader of a group of its own.
    let ours = getpid();
    let stdin = io::stdin();
    while tcgetpgrp(&stdin).is_ok_and(|group| group != ours) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Becomes another program; see [`crate::ports::Processes::exec`].
pub(super) fn exec(argv: &[String]) -> io::Error {
    match command(argv) {
        Ok(mut command) => command.exec(),
        Err(error) => error,
    }
}

/// Becomes another program; see [`crate::ports::Processes::become_program`].
pub(super) fn become_program(argv: &[String], env: &BTreeMap<String, String>) -> io::Error {
    match command(argv) {
        Ok(mut command) => command.env_clear().envs(env).exec(),
        Err(error) => error,
    }
}

/// The file that runs; see [`crate::ports::Processes::find_program`].
pub(super) fn find_program(program: &str, cwd: &Path, path: &str) -> Option<PathBuf> {
    let runs = |file: &Path| {
        std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        let file = cwd.join(program);
        return runs(&file).then_some(file);
    }
    std::env::split_paths(path).map(|dir| cwd.join(dir).join(program)).find(|file| runs(file))
}

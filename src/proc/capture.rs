//! Running a program for its output.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::group;
use crate::ports::process::{Captured, Cut, Program};

/// The first pause between two looks at the program, doubled up to `PAUSE_MAX`.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// The longest pause between two looks: how late an end is noticed.
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// How long output may still come when every process that we know of has ended.
const DRAIN: Duration = Duration::from_secs(1);

/// Runs a program for its output; see [`crate::ports::Processes::capture`].
pub(super) fn to_the_end(
    program: &Program,
    cancelled: &dyn Fn() -> bool,
    started: &mut dyn FnMut(u32),
) -> io::Result<Captured> {
    let began = Instant::now();
    let mut child = start(program)?;
    let pid = Pid::from_child(&child);
    // Listening begins first: whoever hears of the process may take a while.
    let output = Output::of(&mut child, program);
    started(child.id());
    let mut pause = PAUSE_MIN;
    let mut writes = true;
    let mut cut = None;
    // It is looked at without being collected: until then its number is its own.
    while !has_ended(pid)? {
        if cut.is_none() {
            cut = if cancelled() {
                Some(Cut::Cancelled)
            } else if program.timeout.is_some_and(|limit| began.elapsed() >= limit) {
                Some(Cut::TimedOut)
            } else {
                None
            };
            if cut.is_some() {
                group::end(pid, program.grace);
                continue;
            }
        }
        if writes {
            // The end of its output most often is its own.
            writes = output.is_open_after(pause);
            pause = if writes { pause * 2 } else { PAUSE_MIN };
        } else {
            thread::sleep(pause);
            pause *= 2;
        }
        pause = pause.min(PAUSE_MAX);
    }
    output.wait_after_end(pid, program.grace);
    let status = child.wait()?;
    let exit_code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    let (stdout, truncated, stderr) = output.take();
    Ok(Captured { exit_code, stdout, truncated, stderr, cut, took: began.elapsed() })
}

fn start(program: &Program) -> io::Result<Child> {
    let (name, arguments) =
        program.argv.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut command = Command::new(name);
    command.args(arguments).current_dir(&program.cwd).process_group(0);
    for name in &program.env_without {
        command.env_remove(name);
    }
    command.envs(&program.env);
    command.stdin(if program.stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn has_ended(pid: Pid) -> io::Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

/// What was written so far.
#[derive(Default)]
struct Kept {
    stdout: Vec<u8>,
    truncated: bool,
    stderr: VecDeque<u8>,
}

/// The output of a program while it runs. Threads that read it are not waited for: a process that
/// left the group may hold the other end for ever.
struct Output {
    kept: Arc<Mutex<Kept>>,
    /// Closed when all is read.
    open: Receiver<()>,
}

impl Output {
    fn of(child: &mut Child, program: &Program) -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let (sender, open) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            let max = program.stdout_max;
            read(stdout, &kept, &sender, move |kept, bytes| {
                let room = max.saturating_sub(kept.stdout.len());
                kept.truncated |= bytes.len() > room;
                kept.stdout.extend_from_slice(&bytes[..bytes.len().min(room)]);
            });
        }
        if let Some(stderr) = child.stderr.take() {
            let max = program.stderr_max;
            read(stderr, &kept, &sender, move |kept, bytes| {
                kept.stderr.extend(bytes);
                let excess = kept.stderr.len().saturating_sub(max);
                kept.stderr.drain(..excess);
            });
        }
        if let Some(mut stdin) = child.stdin.take() {
            let bytes = program.stdin.clone();
            // Whether the program reads it is the program's choice.
            thread::spawn(move || stdin.write_all(&bytes));
        }
        Self { kept, open }
    }

    /// Takes what is still on its way when the leader of the group `pid` has ended, and ends what
    /// it left running.
    fn wait_after_end(&self, pid: Pid, grace: Duration) {
        let _ = kill_process_group(pid, Signal::TERM);
        let _ = kill_process_group(pid, Signal::CONT);
        if self.is_open_after(grace) {
            let _ = kill_process_group(pid, Signal::KILL);
            self.is_open_after(DRAIN);
        }
    }

    fn is_open_after(&self, limit: Duration) -> bool {
        matches!(self.open.recv_timeout(limit), Err(RecvTimeoutError::Timeout))
    }

    fn take(self) -> (Vec<u8>, bool, Vec<u8>) {
        let mut kept = self.kept.lock().expect("readers do not panic");
        let kept = std::mem::take(&mut *kept);
        (kept.stdout, kept.truncated, kept.stderr.into())
    }
}

/// Reads to the end in a thread. `sender` lives as long as it reads.
fn read(
    mut from: impl Read + Send + 'static,
    kept: &Arc<Mutex<Kept>>,
    sender: &mpsc::Sender<()>,
    keep: impl Fn(&mut Kept, &[u8]) + Send + 'static,
) {
    let (kept, sender) = (Arc::clone(kept), sender.clone());
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    keep(&mut kept.lock().expect("readers do not panic"), &buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(sender);
    });
}

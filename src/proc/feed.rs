//! Giving a program something to read, and waiting for its end for some time.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::run::command;
use crate::ports::process::Fed;

/// How much of a program's complaint is kept.
const COMPLAINT_MAX: u64 = 4096;
/// How long a complaint may take to arrive after the program has ended: a child of its own may
/// keep the pipe open for ever.
const COMPLAINT_WAIT: Duration = Duration::from_millis(200);

/// See [`crate::ports::Processes::feed`].
pub(super) fn feed(argv: &[String], cwd: &Path, input: &[u8], limit: Duration) -> io::Result<Fed> {
    let mut program = command(argv)?;
    program.current_dir(cwd).process_group(0);
    program.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = program.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        // Whether the program reads it is the program's choice.
        thread::spawn(move || stdin.write_all(&input));
    }
    let (sender, complaint) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        thread::spawn(move || {
            let mut stderr = stderr;
            let mut start = Vec::new();
            let _ = stderr.by_ref().take(COMPLAINT_MAX).read_to_end(&mut start);
            let _ = sender.send(String::from_utf8_lossy(&start).into_owned());
            // The rest must be read, or the program waits for us.
            let _ = io::copy(&mut stderr, &mut io::sink());
        });
    }
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    let exit_code = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
        }
        if Instant::now() >= deadline {
            // It leads its group until it is collected, below.
            let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
            child.wait()?;
            break None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    let complaint = complaint.recv_timeout(COMPLAINT_WAIT).unwrap_or_default();
    Ok(Fed { exit_code, complaint })
}

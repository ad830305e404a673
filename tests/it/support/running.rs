//! A call of the program that is under way.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Ran;

/// No command takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call of the program that is under way; it is ended with the test.
pub(crate) struct Running {
    child: Child,
    line: String,
    lines: Receiver<Vec<u8>>,
    /// What came on standard output by now.
    stdout: Vec<u8>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    pub(super) fn new(mut child: Child, arguments: &[OsString]) -> Self {
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                let mut stdout = BufReader::new(stdout);
                let mut line = Vec::new();
                while stdout.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    if sender.send(std::mem::take(&mut line)).is_err() {
                        break;
                    }
                }
            });
        }
        let stderr = child.stderr.take().map(|mut stderr| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = stderr.read_to_end(&mut bytes);
                bytes
            })
        });
        let words: Vec<String> =
            arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let line = format!("clawteam {}", words.join(" "));
        Self { child, line, lines, stdout: Vec::new(), stderr }
    }

    /// The next line of standard output.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
            panic!("{} said nothing more", self.line)
        };
        self.stdout.extend_from_slice(&line);
        String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned()
    }

    /// Reads lines up to one that holds `text`.
    #[track_caller]
    pub(crate) fn line_with(&mut self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = kill_process(pid.expect("a child has a number"), signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(self) -> Ran {
        self.finish_within(PATIENCE)
    }

    /// Waits for its end, which must come soon.
    #[track_caller]
    pub(crate) fn finish_within(mut self, limit: Duration) -> Ran {
        let deadline = Instant::now() + limit;
        let status = loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    panic!("{} did not end within {limit:?}", self.line)
                }
                // Output must be taken meanwhile, or the program waits for us.
                None => match self.lines.recv_timeout(Duration::from_millis(2)) {
                    Ok(line) => self.stdout.extend_from_slice(&line),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => {
                        thread::sleep(Duration::from_millis(1));
                    }
                },
            }
        };
        for line in &self.lines {
            self.stdout.extend_from_slice(&line);
        }
        let stderr = self.stderr.take().map(|reader| reader.join().expect("it only reads"));
        Ran {
            line: self.line.clone(),
            status: number(status),
            stdout: String::from_utf8_lossy(&self.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr.unwrap_or_default()).into_owned(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

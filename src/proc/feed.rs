//! Programs that read what this process gives them, one after the other.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

/// See [`crate::ports::Processes::feed`].
pub(super) fn feed(
    chain: &[Vec<String>],
    next: &mut dyn FnMut() -> Option<Vec<u8>>,
) -> io::Result<i32> {
    let mut children = start(chain)?;
    let mut input = children.first_mut().and_then(|first| first.stdin.take());
    while let Some(pipe) = &mut input {
        if children.iter_mut().any(|child| !matches!(child.try_wait(), Ok(None))) {
            break;
        }
        let Some(bytes) = next() else { break };
        // A program that has closed its input has seen enough.
        if pipe.write_all(&bytes).and_then(|()| pipe.flush()).is_err() {
            break;
        }
    }
    drop(input);
    let mut code = 0;
    for child in &mut children {
        let status = child.wait()?;
        let ended = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        code = if ended == 0 { code } else { ended };
    }
    Ok(code)
}

/// Starts the programs; if one cannot be started, those before it are ended.
fn start(chain: &[Vec<String>]) -> io::Result<Vec<Child>> {
    let mut children: Vec<Child> = Vec::new();
    for (place, argv) in chain.iter().enumerate() {
        let (program, arguments) =
            argv.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let before = children.last_mut().and_then(|child| child.stdout.take());
        let mut command = Command::new(program);
        command.args(arguments).stdin(before.map_or_else(Stdio::piped, Stdio::from));
        // What the last one says is no result of ours.
        let last = place + 1 == chain.len();
        command.stdout(if last { Stdio::null() } else { Stdio::piped() });
        match command.spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                for mut child in children {
                    let _ = child.kill();
                    let _ = child.wait();
                }
                return Err(io::Error::new(error.kind(), format!("{program}: {error}")));
            }
        }
    }
    Ok(children)
}

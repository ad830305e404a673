//! Running the tmux program.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{io, thread};

use rustix::process::{Pid, Signal, kill_process};
use tmux_interface::{TmuxCommand, TmuxCommands};

use crate::ports::TerminalError;

/// The longest time that a tmux server may take to answer. One that is stopped never would.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// The way to one tmux server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    socket: Option<PathBuf>,
}

/// What tmux said.
#[derive(Debug)]
pub(super) struct Reply {
    command: String,
    succeeded: bool,
    /// What it wrote to its standard output.
    pub(super) output: String,
    /// What it wrote to its standard error, without surrounding blanks.
    pub(super) complaint: String,
}

impl Reply {
    /// The output, or the failure as an error.
    pub(super) fn ok(self) -> Result<String, TerminalError> {
        if self.succeeded { Ok(self.output) } else { Err(self.into_error()) }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.succeeded
    }

    /// Whether the failure says that no server answers at the socket.
    pub(super) fn no_server(&self) -> bool {
        !self.succeeded && says_no_server(&self.complaint)
    }

    /// Whether the failure says that a session, window or pane does not exist.
    pub(super) fn no_target(&self) -> bool {
        !self.succeeded && says_no_target(&self.complaint)
    }

    /// Whether the failure says that somebody else was faster in making a session.
    pub(super) fn duplicate(&self) -> bool {
        !self.succeeded && self.complaint.contains("duplicate session")
    }

    pub(super) fn into_error(self) -> TerminalError {
        TerminalError::Failed { command: self.command, output: self.complaint }
    }
}

fn says_no_server(complaint: &str) -> bool {
    let unreachable = complaint.contains("error connecting to")
        && (complaint.contains("No such file") || complaint.contains("Connection refused"));
    unreachable
        || ["no server running", "server exited", "lost server"]
            .iter()
            .any(|text| complaint.contains(text))
}

fn says_no_target(complaint: &str) -> bool {
    // The last of them is said for an exact name while the server has no session at all.
    ["can't find session", "can't find window", "can't find pane", "no such session", "no current"]
        .iter()
        .any(|text| complaint.contains(text))
}

impl Server {
    /// `None` is the default server. A name without `/` is looked up among the user's sockets.
    pub(super) fn new(socket: Option<PathBuf>) -> Self {
        // Commands run in other directories, where a relative path would mean something else.
        let socket = socket.map(|socket| match std::path::absolute(&socket) {
            Ok(absolute) if !is_bare(&socket) => absolute,
            _ => socket,
        });
        Self { socket }
    }

    /// A `Command` for this server, whatever tmux this process itself may run in.
    pub(super) fn program(&self) -> Command {
        let mut program = Command::new("tmux");
        // Without -u a client in a plain locale would get tabs and non-ASCII characters as `_`.
        program.arg("-u").env_remove("TMUX").env_remove("TMUX_PANE");
        if let Some(socket) = &self.socket {
            let flag = if is_bare(socket) { "-L" } else { "-S" };
            program.args([OsStr::new(flag), socket.as_os_str()]);
        }
        program
    }

    /// Runs `commands` as one client, in their order; a failure ends the sequence.
    pub(super) fn run(&self, commands: TmuxCommands<'_>) -> Result<Reply, TerminalError> {
        finish(self.program(), &commands, None)
    }

    /// The same with `input` as standard input.
    pub(super) fn run_with_input(
        &self,
        commands: TmuxCommands<'_>,
        input: &[u8],
    ) -> Result<Reply, TerminalError> {
        finish(self.program(), &commands, Some(input))
    }

    /// The same in the directory `cwd`, which windows made by `commands` start in.
    pub(super) fn run_in(
        &self,
        cwd: &Path,
        commands: TmuxCommands<'_>,
    ) -> Result<Reply, TerminalError> {
        let mut program = self.program();
        program.current_dir(cwd);
        finish(program, &commands, None)
    }
}

/// Whether `socket` is only a name.
fn is_bare(socket: &Path) -> bool {
    socket.parent().is_some_and(|parent| parent.as_os_str().is_empty())
}

/// An argument that tmux takes as it is. tmux ends a command at an argument that ends with `;`.
pub(super) fn literal(argument: &str) -> Cow<'_, str> {
    match argument.strip_suffix(';') {
        Some(start) => format!("{start}\\;").into(),
        None => argument.into(),
    }
}

/// `arguments` appended to `command`, each taken as it is.
pub(super) fn push_literals<'a>(
    mut command: TmuxCommand<'a>,
    arguments: impl IntoIterator<Item = &'a str>,
) -> TmuxCommand<'a> {
    for argument in arguments {
        command.push_param(literal(argument));
    }
    command
}

/// The commands as one sequence.
pub(super) fn sequence<'a>(
    commands: impl IntoIterator<Item = TmuxCommand<'a>>,
) -> TmuxCommands<'a> {
    commands.into_iter().fold(TmuxCommands::new(), TmuxCommands::add_command)
}

fn finish(
    mut program: Command,
    commands: &TmuxCommands<'_>,
    input: Option<&[u8]>,
) -> Result<Reply, TerminalError> {
    program.args(commands.to_vec().iter().map(AsRef::as_ref));
    program.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    program.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = program.spawn().map_err(cannot_start)?;
    let (succeeded, output, complaint, timed_out) = converse(child, input)?;
    let command =
        commands.commands.first().and_then(|first| first.name.as_deref()).unwrap_or("").to_owned();
    let complaint = if timed_out {
        format!("no answer within {} s", ANSWER_MAX.as_secs())
    } else {
        complaint.trim().to_owned()
    };
    Ok(Reply { command, succeeded: succeeded && !timed_out, output, complaint })
}

/// The error for a tmux that could not be started.
pub(super) fn cannot_start(error: io::Error) -> TerminalError {
    if error.kind() == ErrorKind::NotFound {
        TerminalError::Missing
    } else {
        TerminalError::Io(error)
    }
}

/// Feeds the child and collects what it says: whether it succeeded, its output, its complaints,
/// and whether it was ended because it took too long.
fn converse(
    mut child: Child,
    input: Option<&[u8]>,
) -> Result<(bool, String, String, bool), TerminalError> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (finished, alarm) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        let late = alarm.recv_timeout(ANSWER_MAX) == Err(mpsc::RecvTimeoutError::Timeout);
        if late && let Some(pid) = pid {
            // The child is collected only after this thread was told, so the number is still its.
            let _ = kill_process(pid, Signal::KILL);
        }
        late
    });
    let mut stderr = child.stderr.take();
    let complaints = thread::spawn(move || read_all(stderr.as_mut()));
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // A client that ended early closes the pipe; it says why on its standard error.
        let _ = stdin.write_all(input);
    }
    let output = read_all(child.stdout.take().as_mut());
    let complaint = complaints.join().unwrap_or_default();
    drop(finished);
    let late = watch.join().unwrap_or_default();
    let status = child.wait()?;
    Ok((status.success(), output, complaint, late))
}

/// What can be read until the end. Bytes that are no text become replacement characters.
fn read_all(source: Option<&mut impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        // A broken pipe ends the output like its end does; the exit status tells the rest.
        let _ = source.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_at_the_end_is_no_separator() {
        assert_eq!(literal(";"), "\\;");
        assert_eq!(literal("a\\;"), "a\\\\;");
        assert_eq!(literal("a;b"), "a;b");
        assert_eq!(literal(""), "");
    }

    #[test]
    fn a_missing_server_is_told_from_other_failures() {
        for complaint in [
            "no server running on /tmp/tmux-0/default",
            "error connecting to /tmp/x (No such file or directory)",
            "error connecting to /tmp/x (Connection refused)",
            "server exited unexpectedly",
            "lost server",
        ] {
            assert!(says_no_server(complaint), "{complaint}");
        }
        for complaint in ["error connecting to /tmp/x (Permission denied)", "can't find pane: %1"] {
            assert!(!says_no_server(complaint), "{complaint}");
        }
    }

    #[test]
    fn a_missing_target_is_told_from_other_failures() {
        assert!(says_no_target("can't find pane: %7"));
        assert!(says_no_target("no such session: =x"));
        assert!(says_no_target("no current target"));
        assert!(!says_no_target("duplicate session: x"));
    }

    #[test]
    fn names_and_paths_address_the_server_differently() {
        let arguments = |socket: Option<&str>| {
            let program = Server::new(socket.map(PathBuf::from)).program();
            program.get_args().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(arguments(None), ["-u"]);
        assert_eq!(arguments(Some("work")), ["-u", "-L", "work"]);
        assert_eq!(arguments(Some("/tmp/s")), ["-u", "-S", "/tmp/s"]);
        let relative = std::path::absolute("./s").expect("there is a current directory");
        assert_eq!(arguments(Some("./s"))[1..], ["-S".into(), relative.display().to_string()]);
    }
}

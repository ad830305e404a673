//! What `/proc` says about processes.

use std::fs::{self, File};
use std::io::Read;

use rustix::process::Pid;

/// No line of `/proc/<pid>/stat` is longer: about fifty numbers and a short name.
const LINE_MAX: usize = 2048;

/// What is needed of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    group: i32,
    start: u64,
}

impl Stat {
    fn runs(&self) -> bool {
        // Z: ended, not collected yet. X, x: being removed.
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Reads the line of `/proc/<pid>/stat`. Its second field is the program's name in parentheses
/// and may itself hold spaces and parentheses, so that counting starts after the last one.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let group = fields.nth(1)?.parse().ok()?;
    let start = fields.nth(16)?.parse().ok()?;
    Some(Stat { state, group, start })
}

fn stat(pid: &str) -> Option<Stat> {
    // The kernel hands the whole line to one read; files of /proc do not say how long they are, and
    // `fs::read` would feel its way in many small ones.
    let mut line = [0; LINE_MAX];
    let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut line).ok()?;
    parse_stat(&String::from_utf8_lossy(&line[..length]))
}

/// When the process started, if it runs.
pub(super) fn start(pid: u32) -> Option<u64> {
    stat(&pid.to_string()).filter(Stat::runs).map(|stat| stat.start)
}

/// The command line of a process that runs.
pub(super) fn command_line(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    join_arguments(&bytes)
}

/// Which start of the machine this is.
pub(super) fn boot_id() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

/// Joins NUL-terminated arguments with spaces; `None` without any.
fn join_arguments(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).replace('\0', " "))
}

/// When the process started, in seconds since the epoch.
pub(super) fn started_at(pid: u32) -> Option<f64> {
    let ticks = start(pid)?;
    let text = fs::read_to_string("/proc/stat").ok()?;
    let boot = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    let boot: f64 = boot.trim().parse().ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(boot + ticks as f64 / per_second as f64)
}

/// The files that a process has open. None where that may not be seen.
pub(super) fn open_files(pid: u32) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|target| target.is_absolute()).collect()
}

/// The processes of a group that run.
pub(super) fn members(leader: Pid) -> Vec<u32> {
    let group = leader.as_raw_nonzero().get();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_member =
        |pid: &u32| stat(&pid.to_string()).is_some_and(|stat| stat.group == group && stat.runs());
    named.filter(is_member).collect()
}

/// Whether a process of the group runs. Says yes where `/proc` cannot be listed.
pub(super) fn group_runs(leader: Pid) -> bool {
    let group = leader.as_raw_nonzero().get();
    let Ok(entries) = fs::read_dir("/proc") else { return true };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_str()
            .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
            .and_then(stat)
            .is_some_and(|stat| stat.group == group && stat.runs())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, state: char) -> String {
        format!(
            "4242 ({name}) {state} 1 77 78 34816 79 4194304 5 6 7 8 9 10 11 12 20 0 1 0 987654 \
             2408448 224 18446744073709551615"
        )
    }

    #[test]
    fn fields_are_found_whatever_the_program_is_called() {
        for name in ["cat", "a b", "x) R 1 2 3", "((", ") Z (", ""] {
            assert_eq!(
                parse_stat(&line(name, 'S')),
                Some(Stat { state: 'S', group: 77, start: 987_654 }),
                "{name:?}"
            );
        }
    }

    #[test]
    fn what_has_ended_does_not_run() {
        for (state, runs) in [('R', true), ('S', true), ('T', true), ('Z', false), ('X', false)] {
            assert_eq!(parse_stat(&line("sh", state)).map(|s| s.runs()), Some(runs), "{state}");
        }
    }

    #[test]
    fn broken_lines_say_nothing() {
        for bad in ["", "1 (x", "1 (x) S", "1 (x) S 1 2 3", "1 (x) S a b c"] {
            assert_eq!(parse_stat(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn arguments_are_joined_with_spaces() {
        assert_eq!(join_arguments(b"sh\0-c\0exit 1\0"), Some("sh -c exit 1".into()));
        assert_eq!(join_arguments(b"sh"), Some("sh".into()));
        assert_eq!(join_arguments(b"\0"), None);
        assert_eq!(join_arguments(b""), None);
    }
}

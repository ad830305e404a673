//! What `ps` says about processes, for systems without `/proc`.

use std::process::{Command, Stdio};

use chrono::NaiveDateTime;
use rustix::process::Pid;

/// Runs `ps` with names of days and months in English and times in UTC, so that the same start
/// reads the same in every environment.
fn ps(arguments: &[&str]) -> Option<String> {
    let output = Command::new("ps")
        .args(arguments)
        .env("LC_ALL", "C")
        .env("TZ", "UTC0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// When the process started, if it runs.
pub(super) fn start(pid: u32) -> Option<u64> {
    parse_start(&ps(&["-o", "lstart=,stat=", "-p", &pid.to_string()])?)
}

/// Reads `Thu Sep 12 10:00:00 2024 Ss`.
fn parse_start(output: &str) -> Option<u64> {
    let fields: Vec<&str> = output.lines().next()?.split_ascii_whitespace().collect();
    let [_day, month, day, time, year, state] = fields[..] else { return None };
    if state.starts_with(['Z', 'X']) {
        return None;
    }
    let text = format!("{day} {month} {year} {time}");
    let start = NaiveDateTime::parse_from_str(&text, "%d %b %Y %H:%M:%S").ok()?;
    u64::try_from(start.and_utc().timestamp()).ok()
}

/// The command line of a process that runs.
pub(super) fn command_line(pid: u32) -> Option<String> {
    let output = ps(&["-o", "args=", "-p", &pid.to_string()])?;
    let line = output.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// Which start of the machine this is: when its first process began.
pub(super) fn boot_id() -> Option<String> {
    start(1).map(|start| start.to_string())
}

/// When the process started, in seconds since the epoch.
pub(super) fn started_at(pid: u32) -> Option<f64> {
    start(pid).map(|seconds| seconds as f64)
}

/// The processes of a group that run.
pub(super) fn members(leader: Pid) -> Vec<u32> {
    let group = leader.as_raw_nonzero().get();
    parse_members(&ps(&["-A", "-o", "pid=,pgid=,stat="]).unwrap_or_default(), group)
}

/// Reads lines such as `78 77 Ss` and picks the processes of `group`.
fn parse_members(output: &str, group: i32) -> Vec<u32> {
    let lines = output.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (pid, of) = (fields.next()?.parse().ok()?, fields.next()?.parse::<i32>().ok()?);
        (of == group && !fields.next()?.starts_with(['Z', 'X'])).then_some(pid)
    });
    lines.collect()
}

/// Whether a process of the group runs. Says yes where `ps` cannot be run.
pub(super) fn group_runs(leader: Pid) -> bool {
    let group = leader.as_raw_nonzero().get();
    ps(&["-A", "-o", "pgid=,stat="]).is_none_or(|output| parse_group(&output, group))
}

/// Reads lines such as `77 Ss` and looks for `group`.
fn parse_group(output: &str, group: i32) -> bool {
    output.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace();
        fields.next().and_then(|field| field.parse().ok()) == Some(group)
            && fields.next().is_some_and(|state| !state.starts_with(['Z', 'X']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_as_seconds_since_the_epoch() {
        assert_eq!(parse_start("Thu Sep 12 10:00:00 2024 Ss+\n"), Some(1_726_135_200));
        assert_eq!(parse_start("Sun Sep  1 00:00:01 2024     R\n"), Some(1_725_148_801));
    }

    #[test]
    fn nothing_and_the_ended_have_no_start() {
        for output in ["", "\n", "Thu Sep 12 10:00:00 2024 Z+\n", "Thu Sep 12 Ss", "a b c d e f"] {
            assert_eq!(parse_start(output), None, "{output:?}");
        }
    }

    #[test]
    fn a_group_runs_while_one_member_does() {
        let output = "    1 Ss\n   77 Z+\n  770 S\n   77 S\n   99 Z\n";
        assert!(parse_group(output, 77));
        assert!(!parse_group(output, 99), "only an ended process is left in it");
        assert!(!parse_group(output, 7));
    }

    #[test]
    fn the_members_of_a_group_are_those_that_run() {
        assert_eq!(parse_members("  1 1 Ss\n 78 77 S\n 79 77 Z\n x y\n 80 7 S\n", 77), [78]);
    }

    #[test]
    fn the_ps_of_this_machine_is_understood() {
        let own = std::process::id();
        if ps(&["-o", "pid="]).is_none() {
            return; // no ps here, and none needed on Linux
        }
        let now = chrono::Utc::now().timestamp();
        let start = start(own).and_then(|start| i64::try_from(start).ok()).expect("this runs");
        assert!((now - 86_400..=now + 5).contains(&start), "{start} is not close before {now}");
    }
}

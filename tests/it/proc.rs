//! Ending and recognising real processes.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clawteam::ports::{ProcessId, Processes};
use clawteam::proc::SystemProcesses;

use crate::until;

const LONG: Duration = Duration::from_secs(20);

/// A shell that leads a group of its own, ended with its group when the test is over.
struct Group {
    child: Child,
    /// What the shell and its children reported, one number each.
    pids: Vec<u32>,
}

impl Group {
    /// Runs `script`, which prints `reports` process numbers once it is set up.
    fn start(script: &str, reports: usize) -> Self {
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let pids = lines
            .take(reports)
            .map(|line| line.expect("text").trim().parse().expect("a number"))
            .collect();
        Self { child, pids }
    }

    fn leader(&self) -> ProcessId {
        SystemProcesses.identify(self.child.id()).expect("the shell runs")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let group = group.expect("a child has a number");
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }
}

fn runs(pid: u32) -> bool {
    SystemProcesses.identify(pid).is_some()
}

/// Ends the group while its leader is collected, as whoever started it would do.
fn end(group: &mut Group, grace: Duration) -> (bool, Duration) {
    let leader = group.leader();
    let start = Instant::now();
    let gone = std::thread::scope(|scope| {
        let ending = scope.spawn(|| SystemProcesses.end_group(leader, grace));
        until("the group has ended", || {
            let _ = group.child.try_wait();
            ending.is_finished()
        });
        ending.join().expect("no panic")
    });
    (gone, start.elapsed())
}

#[test]
fn the_same_process_is_recognised_and_a_recycled_number_is_not() {
    let own = SystemProcesses.identify(std::process::id()).expect("this runs");
    assert_eq!(SystemProcesses.identify(std::process::id()), Some(own));
    assert!(SystemProcesses.is_alive(own));
    let other = ProcessId { start: own.start + 1, ..own };
    assert!(!SystemProcesses.is_alive(other));

    let mut group = Group::start("echo $$; exec sleep 600", 1);
    let real = group.leader();
    let recycled = ProcessId { start: real.start - 1, ..real };
    assert!(SystemProcesses.end_group(recycled, Duration::ZERO), "that one is gone");
    assert!(group.child.try_wait().expect("a child").is_none(), "a stranger was ended");
    assert!(SystemProcesses.is_alive(real));

    SystemProcesses.terminate(real);
    let status = group.child.wait().expect("a child");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    assert!(!SystemProcesses.is_alive(real));
}

#[test]
fn a_recycled_number_gets_no_signal() {
    // Signals that are pending together are handled in the order of their numbers, and WINCH
    // has a higher one than TERM: what was sent is told before it.
    let script = "trap 'echo TERM' TERM; trap 'echo WINCH; exit' WINCH; echo set
                  while :; do sleep 0.05; done";
    let mut child = Command::new("/bin/sh")
        .args(["-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), "set");
    let real = SystemProcesses.identify(child.id()).expect("it runs");
    SystemProcesses.terminate(ProcessId { start: real.start - 1, ..real });
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.expect("a child has a number");
    rustix::process::kill_process(pid, rustix::process::Signal::WINCH).expect("it runs");
    assert_eq!(lines.next().expect("a line").expect("text"), "WINCH");
    assert!(child.wait().expect("a child").success());
}

#[test]
fn what_has_ended_but_was_not_collected_does_not_run() {
    let mut child = Command::new("/bin/sh").args(["-c", "exit 3"]).spawn().expect("sh starts");
    until("it has ended", || !runs(child.id()));
    if cfg!(target_os = "linux") {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id()));
        assert!(stat.expect("still listed").contains(") Z "));
    }
    assert_eq!(child.wait().expect("a child").code(), Some(3));
}

#[test]
fn a_group_ends_on_the_first_request() {
    let mut group = Group::start("sleep 600 & echo $!; echo $$; wait", 2);
    let (gone, took) = end(&mut group, LONG);
    assert!(gone);
    assert!(took < LONG / 2, "waited for the whole grace: {took:?}");
    assert!(group.pids.iter().all(|pid| !runs(*pid)), "{:?}", group.pids);
}

#[test]
fn a_group_that_ignores_the_request_is_killed_after_the_grace() {
    let script = "trap '' TERM; sleep 600 & echo $!; echo $$; while :; do wait; done";
    let mut group = Group::start(script, 2);
    let grace = Duration::from_millis(300);
    let (gone, took) = end(&mut group, grace);
    assert!(gone);
    assert!(took >= grace, "killed before the grace was over: {took:?}");
    assert!(group.pids.iter().all(|pid| !runs(*pid)), "{:?}", group.pids);
}

#[test]
fn children_that_outlive_their_leader_are_ended_too() {
    // The child ignores SIGTERM, the leader does not: it is gone at once.
    let script = "(trap '' TERM; exec sleep 600) & echo $!; exec sleep 600";
    let mut group = Group::start(script, 1);
    let child = group.pids[0];
    until("the child ignores SIGTERM", || {
        SystemProcesses.command_line(child).is_some_and(|line| line.starts_with("sleep"))
    });
    let (gone, _) = end(&mut group, Duration::from_millis(200));
    assert!(gone);
    assert!(!runs(child), "the child outlived its group");
}

#[test]
fn a_stopped_group_is_ended_without_waiting_for_the_grace() {
    let mut group = Group::start("echo $$; kill -STOP $$; sleep 600", 1);
    let pid = group.pids[0];
    until("it is stopped", || {
        let line = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
        line.is_ok_and(|output| output.stdout.starts_with(b"T"))
    });
    let (gone, took) = end(&mut group, LONG);
    assert!(gone && took < LONG / 2, "{took:?}");
}

#[test]
fn numbers_with_a_special_meaning_are_left_alone() {
    for pid in [0, 1] {
        let start = SystemProcesses.identify(pid).map_or(0, |process| process.start);
        let process = ProcessId { pid, start };
        let gone = SystemProcesses.end_group(process, Duration::ZERO);
        assert_eq!(gone, !SystemProcesses.is_alive(process));
    }
    let own = SystemProcesses.identify(std::process::id()).expect("this runs");
    assert!(!SystemProcesses.end_group(own, Duration::ZERO), "this test still runs");
}

#[test]
fn a_command_line_is_told_in_one_line() {
    let group = Group::start("echo $$; sleep 600; : 'a\nb'", 1);
    let line = SystemProcesses.command_line(group.pids[0]).expect("it runs");
    assert!(line.starts_with("/bin/sh -c echo $$; sleep 600"), "{line}");
    assert!(!line.contains('\n'), "{line}");
    assert_eq!(SystemProcesses.command_line(u32::MAX), None);
}

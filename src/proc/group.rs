//! Ending a process group.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::{linux, ps};

/// The first pause between two looks at the group, doubled up to `PAUSE_MAX`.
const PAUSE_MIN: Duration = Duration::from_millis(2);
/// The longest pause between two looks.
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// How long the kernel may take to end processes that got SIGKILL.
const KILL_WAIT: Duration = Duration::from_secs(2);

/// Ends every process of the group `leader`: SIGTERM, and SIGKILL for what remains after `grace`.
///
/// The caller has verified who leads the group. From then on the number cannot be given to
/// another process for as long as the group has members, so members that outlive their leader
/// are still the right ones.
pub(super) fn end(leader: Pid, grace: Duration) {
    // Ending the group of this very process would leave the caller's work half done. Not asked of
    // getpgrp(2): in a PID namespace that was entered without a new session, our group has no
    // number.
    if members(leader).contains(&std::process::id()) {
        return;
    }
    if kill_process_group(leader, Signal::TERM).is_err() {
        return;
    }
    // A stopped process would otherwise keep the SIGTERM pending until somebody continues it.
    let _ = kill_process_group(leader, Signal::CONT);
    if !wait_until_empty(leader, grace) {
        let _ = kill_process_group(leader, Signal::KILL);
        wait_until_empty(leader, KILL_WAIT);
    }
}

/// The processes of a group that run.
pub(super) fn members(leader: Pid) -> Vec<u32> {
    if cfg!(target_os = "linux") { linux::members(leader) } else { ps::members(leader) }
}

fn wait_until_empty(leader: Pid, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let mut pause = PAUSE_MIN;
    while runs(leader) {
        let now = Instant::now();
        if now >= deadline {
            return false;
        }
        thread::sleep(pause.min(deadline - now));
        pause = (pause * 2).min(PAUSE_MAX);
    }
    true
}

/// Whether a member of the group still runs. kill(2) also finds members that have ended and
/// only wait to be collected, so its yes needs a closer look.
fn runs(leader: Pid) -> bool {
    if test_kill_process_group(leader).is_err() {
        return false;
    }
    if cfg!(target_os = "linux") { linux::group_runs(leader) } else { ps::group_runs(leader) }
}

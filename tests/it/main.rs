//! Behaviour of the built program.

#![allow(clippy::disallowed_methods, reason = "tests set up and look at everything themselves")]

mod agents;
mod approval;
mod artifact;
mod cli;
mod concurrency;
mod context;
mod cost;
mod crew;
mod demo;
mod doctor;
mod extend;
mod git;
mod harness;
mod install;
mod launch;
mod life;
mod mcp;
mod notify;
mod prime;
mod proc;
mod profile;
mod prompt;
mod provision;
mod python;
mod queue;
mod readme;
mod run;
mod runtime;
mod schedule;
mod scripted_agent;
mod setup;
mod spawn;
mod store;
mod support;
mod template;
mod tidy;
mod tmux;
mod watch;
mod workflow;

use std::time::{Duration, Instant};

/// Waits until `holds`, and fails the test if that takes too long.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

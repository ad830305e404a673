//! Every kind of commit, ended at every moment.

use std::io::ErrorKind;
use std::sync::Arc;

use clawteam::core::AgentName;
use clawteam::store::{Backend, Claim, Commit, Dir, Expect, FsBackend, Mode, Put, StoreError};

use super::explore::{Scenario, Tally, Wrap, explore, explore_errors};
use super::scenarios::{
    A, B, all, broadcast, commits, inbox, interrupted, mail, message, messages, named, others,
    sequences, task, tasks, team,
};
use super::sim::{Fault, SimFs};
use super::steps::{ROOT, Step, commit, log_key, look, patience};

const HONEST: &Wrap = &|fs| fs;

/// Explores the scenarios of these names.
fn hold(names: &[&str]) {
    for name in names {
        explore(&named(name), HONEST).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

/// Lets every change of the scenarios of these names fail.
fn hold_if_it_fails(names: &[&str]) {
    for name in names {
        let scenario = named(name);
        for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
            explore_errors(&scenario, Some(kind)).unwrap_or_else(|wrong| panic!("{wrong}"));
        }
    }
}

#[test]
fn a_change_that_is_seen_is_never_told_to_have_changed_nothing() {
    hold_if_it_fails(&[
        "one new document",
        "one replaced document",
        "one removed document",
        "created, then removed",
        "next message",
        "broadcast to one",
    ]);
}

#[test]
fn a_commit_after_an_unfinished_one_finishes_it_first() {
    let commit = |texts: &[(&str, &str)]| Commit {
        puts: texts
            .iter()
            .map(|(name, text)| Put::new(task(name), text.as_bytes().into(), Expect::Any))
            .collect(),
        ..Commit::default()
    };
    for at in 1.. {
        let fs = SimFs::new();
        let backend = FsBackend::on(ROOT, Arc::new(fs.clone()), true);
        let mut guard =
            backend.lock(&tasks(), Mode::Exclusive, &patience()).expect("nobody else has it");
        fs.set_fault(Fault::Fail(at, ErrorKind::Other));
        let first = guard.commit(&commit(&[("a", A), ("b", A)]));
        let done = fs.changes();
        fs.set_fault(Fault::None);
        guard.commit(&commit(&[("b", B), ("c", B)])).expect("only one operation fails");
        let text = |name: &str| {
            let read = backend.read(&task(name)).expect("the file system works");
            read.map(|blob| String::from_utf8_lossy(&blob.bytes).into_owned())
        };
        let happened = !matches!(first, Err(StoreError::Io { .. }));
        assert_eq!(text("a").as_deref(), happened.then_some(A), "failure {at}: {first:?}");
        assert_eq!(text("b").as_deref(), Some(B), "failure {at}");
        if done < at {
            break;
        }
    }
}

/// Receives all that waits in an inbox.
fn receive(backend: &FsBackend, inbox: &Dir) -> Vec<String> {
    let entries = backend.queue(inbox).expect("the file system works");
    let claim = |entry| backend.claim(inbox, entry).expect("the file system works");
    let claims: Vec<Claim> = entries.iter().filter_map(claim).collect();
    let names = claims.iter().map(|claim| claim.name.clone()).collect();
    let settled = claims.into_iter().map(|claim| {
        let log = log_key(&claim.name);
        (claim, Some(log))
    });
    backend.settle(settled.collect()).expect("the file system works");
    names
}

#[test]
fn a_message_received_before_the_recovery_is_not_delivered_again() {
    let inboxes = ["ann", "bob", "eve"].map(inbox);
    for moment in 0.. {
        let fs = SimFs::new();
        fs.set_fault(Fault::StopAfter(moment));
        let sent = broadcast("msg-2", B).run(&FsBackend::on(ROOT, Arc::new(fs.clone()), true));
        let next = fs.without_programs();
        let backend = FsBackend::on(ROOT, Arc::new(next.clone()), true);
        // A receiver needs no lock: it comes before whoever recovers.
        let early: Vec<String> =
            inboxes.iter().flat_map(|inbox| receive(&backend, inbox)).collect();
        drop(backend.lock(&mail(), Mode::Exclusive, &patience()).expect("nobody has it"));
        let late: Vec<String> = inboxes.iter().flat_map(|inbox| receive(&backend, inbox)).collect();
        let twice = early.iter().find(|name| late.contains(name));
        assert_eq!(twice, None, "delivered again, stopped after {moment}\n{}", fs.trace());
        let all = early.len() + late.len();
        assert!(all == 3 || (all == 0 && sent.is_err()), "{all} delivered, after {moment}");
        if !fs.is_stopped() {
            break;
        }
    }
}

#[test]
fn a_message_claimed_before_the_recovery_is_not_lost_with_the_power() {
    let inboxes = ["ann", "bob", "eve"].map(inbox);
    for moment in 0.. {
        let fs = SimFs::new();
        fs.set_fault(Fault::StopAfter(moment));
        let sent = broadcast("msg-2", B).run(&FsBackend::on(ROOT, Arc::new(fs.clone()), true));
        let next = fs.without_programs();
        let backend = FsBackend::on(ROOT, Arc::new(next.clone()), true);
        for inbox in &inboxes {
            for entry in backend.queue(inbox).expect("the file system works") {
                drop(backend.claim(inbox, &entry).expect("the file system works"));
            }
        }
        drop(backend.lock(&mail(), Mode::Exclusive, &patience()).expect("nobody has it"));
        for remains in next.after_power_loss() {
            let backend = FsBackend::on(ROOT, Arc::new(remains.clone()), true);
            drop(backend.lock(&mail(), Mode::Exclusive, &patience()).expect("nobody has it"));
            let all = inboxes.iter().flat_map(|inbox| receive(&backend, inbox)).count();
            assert!(all == 3 || (all == 0 && sent.is_err()), "{all} delivered, after {moment}");
        }
        if !fs.is_stopped() {
            break;
        }
    }
}

#[test]
fn a_directory_that_was_there_is_durable_before_it_is_used() {
    hold(&[
        "one document in a new data directory",
        "first message",
        "a document in a collection that is not durable",
        "a message into an inbox that is not durable",
    ]);
    hold_if_it_fails(&["one document in a new data directory", "first message"]);
}

#[test]
fn a_line_is_neither_lost_nor_mixed_with_a_torn_one() {
    hold(&["first line", "two lines", "next line", "a line after a line that is not durable"]);
    hold_if_it_fails(&["first line", "two lines", "next line"]);
}

#[test]
fn a_journal_does_not_come_back_after_the_next_commit() {
    hold(&["one document after half a commit"]);
    hold_if_it_fails(&["several, then one of them alone"]);
}

#[test]
fn a_commit_does_not_build_upon_what_power_can_take_away() {
    hold(&[
        "several documents after a document that is not durable",
        "several documents after a removal that is not durable",
    ]);
}

#[test]
fn a_secret_is_private_in_the_journal_too() {
    let fs = SimFs::new();
    let backend = FsBackend::on(ROOT, Arc::new(fs.clone()), true);
    let open = Put::new(task("open"), A.into(), Expect::Any);
    let secret = Put { secret: true, ..Put::new(task("secret"), B.into(), Expect::Any) };
    let both = Commit { puts: vec![open, secret], ..Commit::default() };
    commit(&backend, &tasks(), &both).expect("the file system works");
    let created = fs.trace();
    let private = |line: &&str| line.contains("create secret /home/data/journal/");
    assert!(created.lines().any(|line| private(&line)), "{created}");
}

#[test]
fn an_entry_can_be_put_aside_after_an_attempt_that_was_killed() {
    let aside = Step::PutAside {
        dir: inbox("ann"),
        name: "msg-1",
        to: Dir::dead_letters(&team(), &AgentName::parse("ann").expect("a name")),
    };
    for moment in 0.. {
        let fs = SimFs::new();
        let backend = FsBackend::on(ROOT, Arc::new(fs.clone()), true);
        Step::Create(message("ann", "msg-1", A)).run(&backend).expect("the file system works");
        fs.set_fault(Fault::StopAfter(moment));
        let _ = aside.run(&backend);
        let next = fs.without_programs();
        let again = aside.run(&FsBackend::on(ROOT, Arc::new(next.clone()), true));
        again.unwrap_or_else(|error| panic!("killed after {moment}: {error:?}"));
        let found = look(&next);
        assert!(found.docs.contains_key("teams/t/dead_letters/ann/msg-1.json"), "{found:?}");
        if !fs.is_stopped() {
            break;
        }
    }
}

#[test]
fn a_recovery_makes_the_journal_durable_before_it_relies_on_it() {
    hold(&["several documents", "documents written and removed", "broadcast"]);
}

fn explore_all(scenarios: &[Scenario], at_least: usize) {
    let mut total = Tally::default();
    let mut wrong = Vec::new();
    for scenario in scenarios {
        let tally = explore(scenario, HONEST).unwrap_or_else(|found| {
            wrong.push(found);
            Tally::default()
        });
        println!("{:6} states, {:4} moments: {}", tally.states, tally.moments, scenario.name);
        total += tally;
    }
    println!("{:6} states, {:4} moments in all", total.states, total.moments);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(total.states >= at_least, "only {} states were checked", total.states);
}

#[test]
fn a_commit_is_whole_whenever_it_ends() {
    explore_all(&commits(), 1500);
}

#[test]
fn a_sequence_of_commits_ends_between_two_of_them() {
    explore_all(&sequences(), 950);
}

#[test]
fn no_message_is_lost_whenever_it_ends() {
    explore_all(&messages(), 1500);
}

#[test]
fn moves_and_lines_are_whole_whenever_they_end() {
    explore_all(&others(), 850);
}

#[test]
fn what_a_killed_program_left_carries_what_comes_after() {
    explore_all(&interrupted(), 5000);
}

fn fail_all(kind: Option<ErrorKind>, at_least: usize) {
    let mut total = Tally::default();
    let mut wrong = Vec::new();
    for scenario in all().into_iter().filter(|scenario| scenario.interrupted.is_none()) {
        total += explore_errors(&scenario, kind).unwrap_or_else(|found| {
            wrong.push(found);
            Tally::default()
        });
    }
    println!("{:6} states, {:4} failures {kind:?} in all", total.states, total.moments);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(total.moments >= at_least, "only {} failures were tried", total.moments);
}

#[test]
fn a_full_disk_changes_nothing() {
    fail_all(Some(ErrorKind::StorageFull), 450);
}

#[test]
fn a_failing_disk_changes_nothing() {
    fail_all(Some(ErrorKind::Other), 450);
}

#[test]
fn an_unreadable_disk_changes_nothing() {
    fail_all(None, 150);
}

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::json;

use super::payload;
use super::rules::{self, Cancelled, Claimant, Holder};
use super::*;
use crate::core::{Name, ProcessId, Span, Stamp};

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000 + millis).expect("a date")
}

fn who(worker: &str) -> Claimant {
    let machine = Machine { host: "h".into(), boot_id: "b".into() };
    let process = ProcessId { pid: 7, start: 7 };
    Claimant { worker: worker.into(), machine, process, length: Span::seconds(60) }
}

fn item(id: &str, change: impl FnOnce(&mut NewItem)) -> Item {
    let mut new = NewItem::new("command", json!({"argv": ["true"]}));
    change(&mut new);
    rules::create(new, id.to_owned(), 1, at(0))
}

fn claimed(item: Item, token: &str, now: DateTime<Utc>) -> Entry {
    let entry = Entry { item, lease: None };
    let lease = rules::claim(&entry, &who("w"), token.into(), [], now).expect("it is ready");
    Entry { lease: Some(lease), ..entry }
}

fn failed(code: &str) -> Report {
    Report::failed(at(0), code, "no")
}

fn done() -> Report {
    Report { ok: true, ..Report::default() }
}

#[test]
fn names_sort_in_the_order_in_which_items_are_taken() {
    let slot = |priority, due_millis, sequence| Slot {
        priority,
        due_millis,
        sequence,
        id: "0a1b2c3d4e5f".into(),
    };
    let order = [
        slot(Priority::Critical, 9_000_000_000_000, 9),
        slot(Priority::High, 1, 2),
        slot(Priority::Normal, 1, 3),
        slot(Priority::Normal, 1, 10),
        slot(Priority::Normal, 20, 1),
        slot(Priority::Low, 0, 0),
    ];
    let files: Vec<String> = order.iter().map(Slot::file).collect();
    assert!(files.is_sorted(), "{files:?}");
    for (slot, file) in order.iter().zip(&files) {
        assert_eq!(Slot::parse(file).as_ref(), Some(slot));
    }
    for other in ["queue.lock", "9-1-1-a.json", "x.json", ".tmp-1-2", "1-1-1.json"] {
        assert_eq!(Slot::parse(other), None, "{other}");
    }
}

#[test]
fn a_failed_item_waits_longer_each_time_and_keeps_its_priority() {
    let mut one = item("a", |new| {
        new.priority = Priority::High;
        new.max_attempts = 9;
        new.backoff = Backoff { base: Span::seconds(10), factor: 3.0, max: Span::seconds(200) };
    });
    let mut now = at(0);
    for base in [10, 30, 90, 200, 200] {
        one = rules::finish(&claimed(one, "t", now), "t", failed("x"), now).expect("held");
        let wait = (one.due_at.instant().expect("a date") - now).num_milliseconds();
        let (least, most) = (base * 1000, base * 1100);
        assert!((least..=most).contains(&wait), "{wait} is not about {least}");
        assert_eq!(one.priority, Priority::High);
        let early = Entry { item: one.clone(), lease: None };
        assert!(rules::claim(&early, &who("w"), "u".into(), [], now).is_err(), "not due yet");
        now += TimeDelta::milliseconds(wait);
    }
    assert_eq!(one.errors.len(), 5);
    let again = item("a", |new| new.max_attempts = 9);
    assert_eq!(rules::delay(&again), rules::delay(&again), "jitter is no chance");
}

#[test]
fn what_fails_as_often_as_it_may_is_dead_and_can_be_retried() {
    let one = item("a", |new| new.max_attempts = 1);
    let dead = rules::finish(&claimed(one, "t", at(0)), "t", failed("x"), at(1)).expect("held");
    assert_eq!((dead.status, dead.attempt), (Status::Dead, 1));
    let entry = Entry { item: dead, lease: None };
    let again = rules::retry(&entry, 5, at(9)).expect("it is dead");
    assert_eq!((again.status, again.attempt, again.sequence), (Status::Open, 0, 5));
    assert_eq!(again.errors.len(), 1, "what went wrong is still known");
    let hopeless = item("b", |_| ());
    let hopeless = rules::bury(&claimed(hopeless, "t", at(0)), "t", failed("x"), at(1));
    let hopeless = hopeless.expect("held");
    assert_eq!((hopeless.status, hopeless.max_attempts), (Status::Dead, 4));
    let ended = rules::finish(&claimed(item("c", |_| ()), "t", at(0)), "t", done(), at(1));
    let ended = Entry { item: ended.expect("held"), lease: None };
    assert!(rules::retry(&ended, 5, at(9)).is_err(), "it was done");
}

#[test]
fn only_who_holds_the_lease_may_finish() {
    let entry = claimed(item("a", |new| new.idempotent = Some(true)), "first", at(0));
    let lost = rules::reclaim(&entry, "first", "lost", at(70_000)).expect("held");
    let again = claimed(lost, "second", at(70_000));
    for stale in [
        rules::finish(&again, "first", done(), at(80_000)).map(drop),
        rules::renew(&again, "first", at(80_000)).map(drop),
        rules::reclaim(&again, "first", "lost", at(80_000)).map(drop),
        rules::bury(&again, "first", failed("x"), at(80_000)).map(drop),
    ] {
        assert_eq!(stale, Err(QueueError::Fenced { id: "a".into() }));
    }
    let done = rules::finish(&again, "second", done(), at(80_000)).expect("held");
    let over = Entry { item: done, lease: again.lease };
    let twice = rules::finish(&over, "second", Report::default(), at(90_000));
    assert_eq!(twice, Err(QueueError::Fenced { id: "a".into() }));
}

#[test]
fn what_may_not_be_done_twice_is_dead_when_its_worker_is_lost() {
    let once = claimed(item("a", |_| ()), "t", at(0));
    let lost = rules::reclaim(&once, "t", "lost", at(1)).expect("held");
    assert_eq!(lost.status, Status::Dead);
    assert_eq!(lost.result.and_then(|report| report.error).expect("why").code, "lost");
    let often = claimed(item("b", |new| new.idempotent = Some(true)), "t", at(0));
    let ready = rules::reclaim(&often, "t", "lost", at(1)).expect("held");
    assert_eq!((ready.status, ready.attempt, ready.losses), (Status::Open, 0, 1));
}

#[test]
fn an_item_that_its_workers_die_of_ends() {
    let mut one = item("a", |new| new.idempotent = Some(true));
    let mut lost = 0;
    while !one.has_ended() {
        one = rules::reclaim(&claimed(one, "t", at(0)), "t", "lost", at(0)).expect("held");
        lost += 1;
        assert!(lost <= rules::LOSSES_MAX + 1, "it goes on for ever");
    }
    assert_eq!(lost, rules::LOSSES_MAX + 1);
}

#[test]
fn a_lease_is_lost_with_its_worker_or_its_time() {
    let lease = claimed(item("a", |_| ()), "t", at(0)).lease.expect("it was taken");
    for (holder, millis, lost) in [
        (Holder::Gone, 1, true),
        (Holder::Elsewhere, 59_999, false),
        (Holder::Elsewhere, 60_000, true),
        (Holder::Alive, 119_999, false),
        (Holder::Alive, 120_000, true),
    ] {
        assert_eq!(rules::is_lost(&lease, holder, at(millis)), lost, "{holder:?} {millis}");
    }
}

#[test]
fn one_item_of_a_serial_key_at_a_time() {
    let serial = |id| item(id, |new| new.serial_key = Some("repo".into()));
    let first = claimed(serial("a"), "t", at(0));
    let second = Entry { item: serial("b"), lease: None };
    let other = Entry { item: item("c", |_| ()), lease: None };
    assert!(rules::claim(&second, &who("w"), "u".into(), &first.lease, at(0)).is_err());
    assert!(rules::claim(&other, &who("w"), "u".into(), &first.lease, at(0)).is_ok());
    assert!(rules::claim(&second, &who("w"), "u".into(), [], at(0)).is_ok());
}

#[test]
fn cancelling_ends_what_waits_and_asks_who_works() {
    let waiting = Entry { item: item("a", |_| ()), lease: None };
    let Cancelled::Now(ended) = rules::cancel(&waiting, at(1)) else { panic!("nobody has it") };
    assert_eq!(ended.status, Status::Cancelled);
    let worked = claimed(item("b", |_| ()), "t", at(0));
    let Cancelled::Asked(lease) = rules::cancel(&worked, at(1)) else { panic!("somebody has it") };
    let asked = Entry { lease: Some(*lease), ..worked };
    let stopped = rules::finish(&asked, "t", failed("cancelled"), at(2)).expect("held");
    assert_eq!(stopped.status, Status::Cancelled);
    let faster = rules::finish(&asked, "t", done(), at(2)).expect("held");
    assert_eq!(faster.status, Status::Done);
    let over = Entry { item: faster, lease: None };
    assert_eq!(rules::cancel(&over, at(3)), Cancelled::Too(State::Done));
}

#[test]
fn results_of_different_attempts_have_different_names() {
    let name = |act: &str, attempt| {
        let run = Name::parse("r").expect("a name");
        RunRef { run, act: act.into(), attempt }.result_file()
    };
    assert_eq!(name("build#2", 1), "build~2-a1.json");
    let all = [
        name("a#1", 1),
        name("a#1", 2),
        name("a/1", 1),
        name("a~1", 1),
        name("a+1", 1),
        name("a=7e=1", 1),
        name("../x", 1),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    assert!(all.iter().all(|name| !name.contains('/')), "{all:?}");
}

#[test]
fn payloads_are_checked_when_they_are_pushed() {
    let check = |kind: &str, payload| (payload::kind(kind).expect("known").check)(&payload);
    for kind in &payload::KINDS {
        let example = serde_json::from_str(kind.example).expect("JSON");
        assert!((kind.check)(&example).is_ok(), "{}", kind.name);
    }
    for (kind, payload) in [
        ("command", json!({})),
        ("command", json!({"argv": []})),
        ("command", json!({"argv": "ls | wc"})),
        ("command", json!({"argv": ["ls"], "shell": true})),
        ("command", json!({"argv": ["ls"], "tiemout": 3})),
        ("http", json!({"url": "file:///etc/passwd"})),
        ("http", json!({"url": "http://h", "auth": "hunter2"})),
        ("plugin", json!({"name": "../x"})),
        ("merge", json!({})),
        ("merge", json!({"branches": ["b"]})),
        ("checkpoint", json!({"agents": []})),
        ("verify", json!({"argv": ["true"]})),
    ] {
        let told = check(kind, payload.clone());
        let Err(QueueError::BadPayload { reason, .. }) = &told else {
            panic!("{kind} {payload}: {told:?}")
        };
        assert!(!reason.contains("hunter2"), "a secret is told: {reason}");
    }
    let post = json!({"url": "http://h", "method": "post"});
    assert!(!check("http", post).expect("good").idempotent);
    assert!(check("http", json!({"url": "http://h"})).expect("good").idempotent);
}

/// Something that happens to a queue.
#[derive(Debug, Clone)]
enum Step {
    Push { priority: usize, delay: u64, attempts: u32, idempotent: bool, serial: Option<u8> },
    Claim,
    Finish { holder: usize, ok: bool },
    Renew { holder: usize },
    Reclaim { gone: bool },
    Cancel { item: usize },
    Retry { item: usize },
    Clock { millis: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0usize..4, 0u64..5000, 1u32..4, any::<bool>(), prop::option::of(0u8..2)).prop_map(
            |(priority, delay, attempts, idempotent, serial)| Step::Push {
                priority, delay, attempts, idempotent, serial
            }
        ),
        4 => Just(Step::Claim),
        4 => (0usize..9, any::<bool>()).prop_map(|(holder, ok)| Step::Finish { holder, ok }),
        1 => (0usize..9).prop_map(|holder| Step::Renew { holder }),
        1 => any::<bool>().prop_map(|gone| Step::Reclaim { gone }),
        1 => (0usize..9).prop_map(|item| Step::Cancel { item }),
        1 => (0usize..9).prop_map(|item| Step::Retry { item }),
        3 => (-90_000i64..200_000).prop_map(|millis| Step::Clock { millis }),
    ]
}

/// A queue as the application keeps it, with everything that must never happen written down.
#[derive(Default)]
struct Queue {
    entries: BTreeMap<String, Entry>,
    priorities: BTreeMap<String, Priority>,
    /// Tokens that were ever given out, with their items: what a worker still believes in.
    holders: Vec<(String, String)>,
    finished: BTreeSet<String>,
    now: i64,
}

impl Queue {
    fn pick(&self, number: usize) -> Option<Entry> {
        self.entries.values().nth(number % self.entries.len().max(1)).cloned()
    }

    fn sequence(&self) -> u64 {
        self.entries.values().map(|entry| entry.item.sequence).max().unwrap_or(0) + 1
    }

    fn store(&mut self, item: Item) {
        self.entries.insert(item.id.clone(), Entry { item, lease: None });
    }

    fn claim(&mut self) {
        let now = at(self.now);
        let mut order: Vec<&Entry> = self.entries.values().collect();
        order.retain(|entry| entry.state(now) == State::Ready);
        order.sort_by_key(|entry| Slot::of(&entry.item));
        let leases: Vec<&Lease> =
            self.entries.values().filter_map(|entry| entry.lease.as_ref()).collect();
        let token = format!("t{}", self.holders.len());
        let first = order.iter().find_map(|entry| {
            let lease = rules::claim(entry, &who("w"), token.clone(), leases.clone(), now).ok()?;
            Some((entry.item.id.clone(), lease))
        });
        if let Some((id, lease)) = first {
            self.holders.push((token, id.clone()));
            self.entries.get_mut(&id).expect("it was found").lease = Some(lease);
        }
    }

    fn finish(&mut self, number: usize, ok: bool) {
        let Some((token, id)) = self.holders.get(number % self.holders.len().max(1)).cloned()
        else {
            return;
        };
        let entry = &self.entries[&id];
        let report = if ok { done() } else { failed("x") };
        let holds = entry.lease.as_ref().is_some_and(|lease| lease.token == token);
        match rules::finish(entry, &token, report, at(self.now)) {
            Ok(item) => {
                assert!(holds, "{id} was finished by somebody who does not hold it");
                if item.status == Status::Done {
                    assert!(self.finished.insert(id.clone()), "{id} was finished twice");
                }
                self.store(item);
            }
            Err(error) => {
                assert!(!holds, "{error}");
                assert_eq!(error, QueueError::Fenced { id });
            }
        }
    }

    fn take(&mut self, step: Step) {
        let now = at(self.now);
        match step {
            Step::Push { priority, delay, attempts, idempotent, serial } => {
                let mut new = NewItem::new("command", json!({}));
                new.priority = Priority::ALL[priority];
                new.delay = Span::millis(delay);
                new.max_attempts = attempts;
                new.idempotent = Some(idempotent);
                new.serial_key = serial.map(|key| key.to_string());
                let id = format!("i{}", self.entries.len());
                self.priorities.insert(id.clone(), new.priority);
                self.store(rules::create(new, id, self.sequence(), now));
            }
            Step::Claim => self.claim(),
            Step::Finish { holder, ok } => self.finish(holder, ok),
            Step::Renew { holder } => {
                let Some((token, id)) = self.holders.get(holder).cloned() else { return };
                let entry = self.entries.get_mut(&id).expect("nothing is lost");
                if let Ok(lease) = rules::renew(entry, &token, now) {
                    let before = entry.lease.replace(lease.clone()).expect("it was held");
                    assert!(lease.until >= before.until, "a renewal took time away");
                }
            }
            Step::Reclaim { gone } => {
                let holder = if gone { Holder::Gone } else { Holder::Alive };
                for entry in self.entries.clone().into_values() {
                    let Some(lease) = &entry.lease else { continue };
                    if rules::is_lost(lease, holder, now) {
                        let item = rules::reclaim(&entry, &lease.token, "lost", now);
                        self.store(item.expect("it is held"));
                    }
                }
            }
            Step::Cancel { item } => match self.pick(item).map(|e| rules::cancel(&e, now)) {
                Some(Cancelled::Now(item)) => self.store(*item),
                Some(Cancelled::Asked(lease)) => {
                    let of = |entry: &&mut Entry| {
                        entry.lease.as_ref().is_some_and(|held| held.token == lease.token)
                    };
                    let entry = self.entries.values_mut().find(of).expect("somebody has it");
                    entry.lease = Some(*lease);
                }
                _ => {}
            },
            Step::Retry { item } => {
                let Some(entry) = self.pick(item) else { return };
                if let Ok(item) = rules::retry(&entry, self.sequence(), now) {
                    assert_ne!(entry.item.status, Status::Done, "what was done is done again");
                    self.store(item);
                }
            }
            Step::Clock { millis } => self.now = (self.now + millis).max(0),
        }
    }

    fn check(&self) {
        assert_eq!(self.entries.len(), self.priorities.len(), "an item is lost");
        let mut serial = BTreeSet::new();
        for (id, entry) in &self.entries {
            assert_eq!(entry.item.priority, self.priorities[id], "{id} has another priority");
            if let Some(lease) = &entry.lease {
                assert!(!entry.item.has_ended(), "{id} has ended and is held");
                if let Some(key) = &lease.serial_key {
                    assert!(serial.insert(key.clone()), "two hold {key}");
                }
            }
            if entry.item.status == Status::Dead {
                let used = entry.item.attempt >= entry.item.max_attempts;
                assert!(used || entry.item.losses > 0, "{id} died early");
            }
            assert_eq!(entry.item.status == Status::Done, self.finished.contains(id), "{id}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_no_item_is_lost_or_done_twice(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut queue = Queue::default();
        for step in steps {
            queue.take(step);
            queue.check();
        }
        // In the end all of it can be done.
        queue.now += 100_000_000;
        queue.take(Step::Reclaim { gone: true });
        for _ in 0..500 {
            queue.now += 10_000_000;
            queue.claim();
            queue.finish(queue.holders.len().saturating_sub(1), true);
            queue.check();
        }
        let open = queue.entries.values().find(|entry| !entry.item.has_ended());
        prop_assert!(open.is_none(), "it is never done: {open:?}");
    }
}

#[test]
fn an_item_that_never_was_due_is_due_now() {
    let broken = Item { due_at: Stamp::from("soon".to_owned()), ..item("a", |_| ()) };
    assert!(broken.is_due(at(0)));
}

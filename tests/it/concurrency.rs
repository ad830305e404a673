//! Many real processes at once on one data directory, some of them killed at any moment.

#![allow(clippy::print_stdout)] // The seed, for a failure to be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Ran, World, tree};

const ROUNDS: u64 = 20;
/// Processes of each of the four kinds that run at the same time.
const EACH: usize = 4;
const TASKS: usize = 5;
const MESSAGES: usize = 7;

/// Random numbers that can be had again (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

/// A seed that differs from run to run, or the one of the environment.
fn seed() -> u64 {
    let given = std::env::var("CLAWTEAM_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos();
    given.unwrap_or_else(|| u64::try_from(now % 1_000_000_007).expect("it is small"))
}

/// Runs the program, and in one of five cases kills it at some moment.
fn run(world: &World, told: &Told, random: &mut Random, line: &[&str]) -> Ran {
    let running = world.call(line).start();
    if random.below(5) == 0 {
        thread::sleep(Duration::from_micros(random.below(20_000)));
        running.signal(Signal::KILL);
    }
    let ran = running.finish();
    if ran.status == 137 {
        told.killed.fetch_add(1, Ordering::SeqCst);
    }
    // Killed, or not hurt at all.
    assert!(matches!(ran.status, 0 | 1 | 137), "{ran}");
    assert!(!ran.stderr.contains("panicked"), "{ran}");
    ran
}

/// What the processes of a round were told.
#[derive(Default)]
struct Told {
    created: Mutex<Vec<String>>,
    /// Who claimed which task.
    claimed: Mutex<Vec<(String, String)>>,
    completed: Mutex<Vec<String>>,
    sent: Mutex<Vec<String>>,
    /// What was received by processes that ended well.
    received: Mutex<Vec<Vec<String>>>,
    /// What others showed before they were killed.
    half_shown: Mutex<String>,
    /// How many were killed.
    killed: AtomicUsize,
}

fn push<T>(list: &Mutex<Vec<T>>, item: T) {
    list.lock().expect("no panic while pushing").push(item);
}

fn create(world: &World, told: &Told, random: &mut Random, number: usize) {
    for n in 0..TASKS {
        let subject = format!("c{number}-{n}");
        let ran = run(world, told, random, &["--json", "task", "create", "t", &subject]);
        if ran.status == 0 {
            push(&told.created, subject);
        }
    }
}

fn claim(world: &World, told: &Told, random: &mut Random, number: usize, left: &AtomicUsize) {
    let agent = format!("a{number}");
    loop {
        let over = left.load(Ordering::SeqCst) == 0;
        let ran = run(world, told, random, &["--json", "task", "claim", "t", "-a", &agent]);
        if ran.status == 0 {
            let id = ran.json()["id"].as_str().expect("text").to_owned();
            push(&told.claimed, (id.clone(), agent.clone()));
            let done = ["--json", "task", "update", "t", &id, "-s", "completed"];
            if random.below(2) == 0 && run(world, told, random, &done).status == 0 {
                push(&told.completed, id);
            }
        } else if over && ran.status == 1 {
            ran.refuses_with("nothing_ready");
            return;
        }
    }
}

fn send(world: &World, told: &Told, random: &mut Random, number: usize) {
    for n in 0..MESSAGES {
        let (from, text) = (format!("s{number}"), format!("m{number}-{n};"));
        let ran =
            run(world, told, random, &["--json", "inbox", "send", "t", "r", &text, "-f", &from]);
        if ran.status == 0 {
            push(&told.sent, text);
        }
    }
}

fn texts(ran: &Ran) -> Vec<String> {
    let messages = ran.json();
    let messages = messages.as_array().expect("a list").iter();
    messages.map(|m| m["content"].as_str().expect("text").to_owned()).collect()
}

fn receive(world: &World, told: &Told, random: &mut Random, left: &AtomicUsize) {
    while left.load(Ordering::SeqCst) > 0 {
        let ran =
            run(world, told, random, &["--json", "inbox", "receive", "t", "-a", "r", "-l", "3"]);
        if ran.status == 0 {
            push(&told.received, texts(&ran));
        } else {
            told.half_shown.lock().expect("no panic while adding").push_str(&ran.stdout);
        }
    }
}

/// Lets sixteen processes at a time work, and some of them die.
fn work(world: &World, seed: u64) -> Told {
    let told = Told::default();
    let makers = AtomicUsize::new(2 * EACH);
    let (told_ref, makers_ref) = (&told, &makers);
    thread::scope(|scope| {
        for number in 0..EACH {
            let random =
                move |kind: u64| Random::new(seed.wrapping_mul(64) + kind * 16 + number as u64);
            scope.spawn(move || {
                create(world, told_ref, &mut random(0), number);
                makers_ref.fetch_sub(1, Ordering::SeqCst);
            });
            scope.spawn(move || claim(world, told_ref, &mut random(1), number, makers_ref));
            scope.spawn(move || {
                send(world, told_ref, &mut random(2), number);
                makers_ref.fetch_sub(1, Ordering::SeqCst);
            });
            scope.spawn(move || receive(world, told_ref, &mut random(3), makers_ref));
        }
    });
    told
}

fn inner<T>(list: Mutex<T>) -> T {
    list.into_inner().expect("nobody panicked")
}

fn check_tasks(world: &World, created: &[String], claimed: &[(String, String)], done: &[String]) {
    let tasks = world.json(&["task", "list", "t"]);
    let tasks = tasks.as_array().expect("a list");
    let mut subjects: BTreeMap<&str, usize> = BTreeMap::new();
    for task in tasks {
        *subjects.entry(task["subject"].as_str().expect("text")).or_default() += 1;
    }
    for subject in created {
        assert_eq!(subjects.get(subject.as_str()), Some(&1), "'{subject}' was acknowledged");
    }
    assert!(subjects.values().all(|count| *count == 1), "made twice: {subjects:?}");
    let ids: BTreeSet<&String> = claimed.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), claimed.len(), "claimed by two: {claimed:?}");
    for (id, agent) in claimed {
        let task = tasks.iter().find(|task| task["id"] == **id).expect("it was claimed");
        assert_eq!(task["owner"], **agent, "{task}");
        assert!(task["lockedBy"] == **agent || task["status"] == "completed", "{task}");
    }
    for id in done {
        let task = tasks.iter().find(|task| task["id"] == **id).expect("it was completed");
        assert_eq!(task["status"], "completed", "{task}");
    }
}

/// Sender and number of a message.
fn parts(text: &str) -> (usize, usize) {
    let text = text.strip_prefix('m').and_then(|t| t.strip_suffix(';')).expect("our message");
    let (sender, number) = text.split_once('-').expect("our message");
    (sender.parse().expect("a number"), number.parse().expect("a number"))
}

fn assert_in_order<'t>(messages: impl Iterator<Item = &'t String>) {
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    for (sender, number) in messages.map(|text| parts(text)) {
        let before = last.insert(sender, number);
        assert!(before < Some(number), "of sender {sender}: {before:?} before {number}");
    }
}

fn check_messages(world: &World, sent: &[String], mut received: Vec<Vec<String>>, half: &str) {
    loop {
        let ran = world.run(&["--json", "inbox", "receive", "t", "-a", "r"]);
        let last = texts(&ran);
        ran.exits(0);
        if last.is_empty() {
            break;
        }
        received.push(last);
    }
    for batch in &received {
        assert_in_order(batch.iter());
    }
    let mut once = BTreeSet::new();
    for text in received.iter().flatten() {
        assert!(once.insert(text), "'{text}' was received twice");
    }
    for text in sent {
        assert!(once.contains(text) || half.contains(text), "'{text}' was lost");
    }
    let log = world.run(&["--json", "inbox", "log", "t", "-l", "1000"]).exits(0).json();
    let log: Vec<String> = log["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|message| message["content"].as_str().expect("text").to_owned())
        .collect();
    assert_in_order(log.iter());
    for text in sent.iter().chain(once) {
        assert!(log.contains(text), "'{text}' was not logged");
    }
}

/// Every document is whole.
fn check_documents(world: &World) {
    for (path, bytes) in tree(&world.data()) {
        let ends = |suffix: &str| path.to_string_lossy().ends_with(suffix);
        if let Some(bytes) = bytes.filter(|_| ends(".json") || ends(".consumed")) {
            let parsed = serde_json::from_slice::<Value>(&bytes);
            assert!(parsed.is_ok(), "{}: {parsed:?}", path.display());
        }
    }
    assert_eq!(world.names("journal"), [""; 0], "a commit was left unfinished");
    assert_eq!(world.names("quarantine"), [""; 0]);
    assert_eq!(world.names("teams/t/dead_letters"), [""; 0]);
}

/// All at once want the same task: one gets it.
fn check_claim_of_one(world: &World) {
    let id = world.task(&["only one", "-p", "urgent"]);
    let claims: Vec<_> = (0..4 * EACH)
        .map(|n| world.call(&["--json", "task", "claim", "t", &id, "-a", &format!("b{n}")]).start())
        .collect();
    let ran: Vec<Ran> = claims.into_iter().map(crate::support::Running::finish).collect();
    let winners = ran.iter().filter(|ran| ran.status == 0).count();
    assert_eq!(winners, 1, "{ran:#?}");
    for loser in ran.iter().filter(|ran| ran.status != 0) {
        loser.refuses_with("task_not_ready");
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    let seed = seed();
    println!("CLAWTEAM_TEST_SEED={seed}");
    let mut killed = 0;
    for round in 0..ROUNDS {
        println!("round {round}");
        let world = World::new();
        world.team(&["r"]);
        let told = work(&world, seed.wrapping_add(round));
        killed += told.killed.into_inner();
        let claimed = inner(told.claimed);
        check_claim_of_one(&world);
        check_tasks(&world, &inner(told.created), &claimed, &inner(told.completed));
        let half = inner(told.half_shown);
        check_messages(&world, &inner(told.sent), inner(told.received), &half);
        check_documents(&world);
    }
    assert!(killed > 100, "only {killed} processes were killed");
}

#[test]
fn members_who_join_at_once_all_join() {
    let world = World::new();
    world.team(&[]);
    let names: Vec<String> = (0..20).map(|n| format!("w{n}")).collect();
    let joins: Vec<_> =
        names.iter().map(|name| world.call(&["team", "add-member", "t", name]).start()).collect();
    for join in joins {
        join.finish().exits(0);
    }
    let team = world.json(&["team", "status", "t"]);
    let members = team["members"].as_array().expect("a list").iter();
    let joined: BTreeSet<&str> = members.filter_map(|member| member["name"].as_str()).collect();
    assert_eq!(joined.len(), 21);
    assert!(names.iter().all(|name| joined.contains(name.as_str())), "{joined:?}");
    assert_eq!(world.names("teams/t/inboxes").len(), 21);
}

#[test]
fn settings_that_change_at_once_all_change() {
    let world = World::new();
    let settings = [
        ("user", "alice"),
        ("default_team", "t"),
        ("timezone", "Asia/Tokyo"),
        ("default_model", "m"),
        ("workspace", "never"),
        ("skip_permissions", "false"),
        ("spawn_prompt_delay", "0.5"),
        ("gource_path", "/x"),
    ];
    let sets: Vec<_> = settings
        .iter()
        .map(|(key, value)| world.call(&["config", "set", key, value]).start())
        .collect();
    for set in sets {
        set.finish().exits(0);
    }
    let shown = world.json(&["config", "show"]);
    for (key, value) in settings {
        let found = shown[key]["value"].as_str().expect("text").to_lowercase();
        assert_eq!(
            (found.as_str(), &shown[key]["source"]),
            (&*value.to_lowercase(), &"file".into())
        );
    }
}

#[test]
fn one_team_is_made_of_many_that_are_made_at_once() {
    let world = World::new();
    let makes: Vec<_> =
        (0..8).map(|_| world.call(&["--json", "team", "spawn-team", "t"]).start()).collect();
    let made: Vec<Ran> = makes.into_iter().map(crate::support::Running::finish).collect();
    assert_eq!(made.iter().filter(|ran| ran.status == 0).count(), 1, "{made:#?}");
}

#[test]
fn blockers_done_at_once_release_what_waits_for_all() {
    let world = World::new();
    world.team(&[]);
    let blockers: Vec<String> = (0..10).map(|n| world.task(&[&format!("b{n}")])).collect();
    let waits = world.task(&["waits", "--blocked-by", &blockers.join(",")]);
    let done: Vec<_> = blockers
        .iter()
        .map(|id| world.call(&["task", "update", "t", id, "-s", "completed"]).start())
        .collect();
    for done in done {
        done.finish().exits(0);
    }
    let task = world.json(&["task", "get", "t", &waits]);
    assert_eq!(task["status"], "pending", "{task}");
    assert_eq!(task["blockedBy"].as_array().map(Vec::len), Some(0), "{task}");
}

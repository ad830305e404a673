//! Workers: they lease an item, do it outside of any lock, and finish it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::records::{Found, Records};
use super::run::{self, Answer, Job};
use super::wake;
use crate::app::App;
use crate::app::wait::Stop;
use crate::core::{self, ProcessId, Span, TeamName, limits};
use crate::domain::queue::rules::{self, Claimant, Holder};
use crate::domain::queue::{Entry, Item, Lease, Machine, QueueError, Status};
use crate::store::{Commit, Scope, StoreError};

/// For how long an item is taken before the worker has to say that it is still there.
const LEASE: Span = Span::seconds(60);
/// How often a worker looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(200);
/// How long a program that a lost worker left has between SIGTERM and SIGKILL.
const ORPHAN_GRACE: Duration = Duration::from_secs(2);
/// How long a worker waits after something went wrong with the queue itself.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

/// Who takes items.
#[derive(Clone)]
pub struct Worker {
    who: Claimant,
    /// The first request: take no further item. The second: end what is under way.
    stop: Stop,
}

impl Worker {
    /// This process as a worker. `lease`: for how long it takes an item each time.
    pub fn new(app: &App, stop: Stop, lease: Option<Span>) -> Self {
        let machine = machine(app);
        let process = app.processes.own();
        let worker = format!("{}:{}", machine.host, process.pid);
        let length = lease.unwrap_or(LEASE);
        Self { who: Claimant { worker, machine, process, length }, stop }
    }
}

fn machine(app: &App) -> Machine {
    let host = app.processes.host();
    Machine { host: host.name, boot_id: host.boot_id }
}

/// Which items a worker takes.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of these kinds; empty is all. `notify.*` is every kind that begins so.
    pub kinds: Vec<String>,
}

impl Filter {
    fn takes(&self, kind: &str) -> bool {
        self.kinds.is_empty()
            || self.kinds.iter().any(|wanted| match wanted.strip_suffix('*') {
                Some(prefix) => kind.starts_with(prefix),
                None => wanted == kind,
            })
    }
}

/// How the work on an item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is done.
    Done,
    /// It failed and will be tried again.
    Retry,
    /// It failed for good.
    Dead,
    /// It was cancelled.
    Cancelled,
    /// The worker had to stop, and gave it back.
    GivenBack,
    /// Somebody else has it by now: what this worker found out does not count.
    Fenced,
}

impl Outcome {
    fn of(item: &Item) -> Self {
        match item.status {
            Status::Done => Self::Done,
            Status::Cancelled => Self::Cancelled,
            Status::Dead => Self::Dead,
            Status::Open => Self::Retry,
        }
    }
}

/// An item that a worker is through with.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    /// The item, as the worker left it.
    #[serde(flatten)]
    pub item: Item,
    /// How it ended.
    pub outcome: Outcome,
}

/// Takes the first item that is due and does it. `None` if there is none.
pub fn work_once(
    app: &App,
    team: &TeamName,
    worker: &Worker,
    filter: &Filter,
) -> core::Outcome<Option<Done>> {
    let Some((entry, lease)) = claim(app, team, worker, filter)? else { return Ok(None) };
    let id = entry.item.id.clone();
    let watch = Watch::default();
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| keep(app, team, &id, &lease.token, worker, &watch));
        let _ended = EndOnDrop(&watch);
        let started = |program: ProcessId| note_program(app, team, &id, &lease.token, program);
        let cancelled = || watch.why() != Why::Nothing;
        run::execute(&Job {
            app,
            team,
            item: &entry.item,
            cancelled: &cancelled,
            started: &started,
        })
    });
    settle(app, team, &id, &lease.token, answer, watch.why()).map(Some)
}

/// Leases the first item that can be had.
fn claim(
    app: &App,
    team: &TeamName,
    worker: &Worker,
    filter: &Filter,
) -> core::Outcome<Option<(Entry, Lease)>> {
    let records = Records::of(app, team);
    // Most often there is nothing to do, which needs no lock.
    if !records.slots()?.iter().any(|slot| slot.is_due(app.now())) {
        return Ok(None);
    }
    let mut locked = app.store.lock(&Scope::Queue(team.clone()))?;
    let (now, taken) = (app.now(), records.leased()?);
    let mut leases: Option<Vec<Lease>> = None;
    for slot in records.slots()? {
        if !slot.is_due(now) || taken.contains(&slot.id) {
            continue;
        }
        let found = match records.open(&slot).and_then(|found| {
            found.as_ref().map_or(Ok(()), |found| found.check_format(app)).map(|()| found)
        }) {
            Ok(Some(found)) if filter.takes(&found.entry.item.kind) => found,
            Ok(_) => continue,
            Err(error) => {
                records.pass_over(&error);
                continue;
            }
        };
        if found.entry.item.serial_key.is_some() && leases.is_none() {
            leases = Some(records.leases()?.into_iter().map(|(_, lease)| lease).collect());
        }
        let others = leases.iter().flatten();
        let Ok(lease) = rules::claim(&found.entry, &worker.who, app.ids.hex(16), others, now)
        else {
            continue;
        };
        let put = records.lease_put(&slot.id, &lease, None);
        locked.commit(&Commit { puts: vec![put], ..Commit::default() })?;
        return Ok(Some((found.entry, lease)));
    }
    Ok(None)
}

/// Why the work on an item shall end before its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Nothing,
    Cancelled,
    Lost,
    Stopped,
}

/// What the thread that does an item and the one that keeps it tell each other.
#[derive(Default)]
struct Watch {
    why: AtomicU8,
    ended: Mutex<bool>,
    bell: Condvar,
}

impl Watch {
    fn why(&self) -> Why {
        match self.why.load(Ordering::SeqCst) {
            0 => Why::Nothing,
            1 => Why::Cancelled,
            2 => Why::Lost,
            _ => Why::Stopped,
        }
    }

    fn end_because(&self, why: Why) {
        let number = match why {
            Why::Nothing => 0,
            Why::Cancelled => 1,
            Why::Lost => 2,
            Why::Stopped => 3,
        };
        // The first reason counts.
        let _ = self.why.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Waits a little. Whether the work has ended.
    fn has_ended_after(&self, limit: Duration) -> bool {
        let ended = self.ended.lock().expect("nobody panics with it");
        let waited = self.bell.wait_timeout_while(ended, limit, |ended| !*ended);
        *waited.expect("nobody panics with it").0
    }
}

/// Rings when the work is over, even if it panics.
struct EndOnDrop<'w>(&'w Watch);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        if let Ok(mut ended) = self.0.ended.lock() {
            *ended = true;
        }
        self.0.bell.notify_all();
    }
}

/// Renews the lease while the item is done, and notices when the work shall end.
fn keep(app: &App, team: &TeamName, id: &str, token: &str, worker: &Worker, watch: &Watch) {
    let records = Records::of(app, team);
    let third = worker.who.length.duration() / 3;
    let mut renewed = Instant::now();
    while !watch.has_ended_after(LOOK.min(third)) {
        if worker.stop.is_urgent() {
            watch.end_because(Why::Stopped);
        }
        let lease = match records.lease(id) {
            Ok(doc) => doc.map(|doc| doc.value).filter(|lease| lease.token == token),
            // Whoever cannot read it for a moment still has it.
            Err(_) => continue,
        };
        match lease {
            None => watch.end_because(Why::Lost),
            Some(lease) if lease.cancel_requested => watch.end_because(Why::Cancelled),
            Some(_) => {}
        }
        if renewed.elapsed() >= third {
            let done =
                change_lease(app, team, id, token, |entry| rules::renew(entry, token, app.now()));
            match done {
                Ok(()) => renewed = Instant::now(),
                Err(failure) if failure.downcast::<QueueError>().is_some() => {
                    watch.end_because(Why::Lost);
                }
                Err(failure) => {
                    app.warn(format!("item '{id}' is not renewed: {}", failure.message()));
                }
            }
        }
    }
}

/// Changes the lease `token` of an open item.
fn change_lease(
    app: &App,
    team: &TeamName,
    id: &str,
    token: &str,
    rule: impl FnOnce(&Entry) -> Result<Lease, QueueError>,
) -> core::Outcome<()> {
    let mut locked = app.store.lock(&Scope::Queue(team.clone()))?;
    let records = Records::of(app, team);
    let found = held(&records, id, token)?;
    let lease = rule(&found.entry)?;
    let put = records.lease_put(id, &lease, found.lease_revision);
    Ok(locked.commit(&Commit { puts: vec![put], ..Commit::default() })?)
}

/// The item, if the lease `token` still holds it.
fn held(records: &Records<'_>, id: &str, token: &str) -> core::Outcome<Found> {
    let fenced = || QueueError::Fenced { id: id.to_owned() };
    let found = records.find(id)?.ok_or_else(fenced)?;
    let holds = found.entry.lease.as_ref().is_some_and(|lease| lease.token == token);
    if holds { Ok(found) } else { Err(fenced().into()) }
}

/// Writes down which program does the item, so that it can be ended if the worker is lost.
fn note_program(app: &App, team: &TeamName, id: &str, token: &str, program: ProcessId) {
    let noted = change_lease(app, team, id, token, |entry| {
        let mut lease = rules::renew(entry, token, app.now())?;
        lease.program = Some(program);
        Ok(lease)
    });
    if let Err(failure) = noted {
        app.warn(format!("the program of item '{id}' is not written down: {}", failure.message()));
    }
}

/// Writes down what came of an item.
fn settle(
    app: &App,
    team: &TeamName,
    id: &str,
    token: &str,
    answer: Answer,
    why: Why,
) -> core::Outcome<Done> {
    let mut locked = app.store.lock(&Scope::Queue(team.clone()))?;
    let records = Records::of(app, team);
    let found = match held(&records, id, token) {
        Ok(found) => found,
        Err(failure) if failure.downcast::<QueueError>().is_some() => {
            drop(locked);
            return fenced(&records, team, id);
        }
        Err(failure) => return Err(failure),
    };
    let now = app.now();
    // What came to its own end before it was noticed that it shall end counts.
    let stopped = why == Why::Stopped && answer.was_cut;
    let item = if stopped {
        rules::reclaim(&found.entry, token, "interrupted", now)?
    } else if answer.permanent {
        rules::bury(&found.entry, token, answer.report, now)?
    } else {
        rules::finish(&found.entry, token, answer.report, now)?
    };
    locked.commit(&records.change(&found, &item))?;
    drop(locked);
    conclude(app, team, &item, token)?;
    let outcome =
        if stopped && !item.has_ended() { Outcome::GivenBack } else { Outcome::of(&item) };
    Ok(Done { item, outcome })
}

/// Wakes the run of an item that came to its end; only then the last trace of the work goes.
fn conclude(app: &App, team: &TeamName, item: &Item, token: &str) -> Result<(), StoreError> {
    if item.run.is_none() || !item.has_ended() {
        return Ok(());
    }
    wake(app, team, item);
    Records::of(app, team).forget_lease(&item.id, token)
}

fn fenced(records: &Records<'_>, team: &TeamName, id: &str) -> core::Outcome<Done> {
    let missing = || QueueError::NotFound { id: id.to_owned(), team: team.to_string() };
    let found = records.find(id)?.ok_or_else(missing)?;
    Ok(Done { item: found.entry.item, outcome: Outcome::Fenced })
}

/// Takes items from workers that are gone: what may be done again is ready at once, anything else
/// is dead. Their programs are ended first. Returns how many there were.
pub fn reclaim_lost(app: &App, team: &TeamName) -> core::Outcome<usize> {
    let records = Records::of(app, team);
    if records.leased()?.is_empty() {
        return Ok(0);
    }
    let here = machine(app);
    let mut reclaimed = 0;
    for (id, lease) in records.leases()? {
        let holder = holder(app, &here, &lease);
        if !rules::is_lost(&lease, holder, app.now()) {
            continue;
        }
        if let Some(program) = lease.program.filter(|_| lease.machine == here) {
            app.processes.end_group(program, ORPHAN_GRACE);
        }
        reclaimed += usize::from(reclaim(app, team, &id, &lease.token)?);
    }
    Ok(reclaimed)
}

fn holder(app: &App, here: &Machine, lease: &Lease) -> Holder {
    if lease.machine.host != here.host {
        return Holder::Elsewhere;
    }
    let runs = lease.machine.boot_id == here.boot_id && app.processes.is_alive(lease.process);
    if runs { Holder::Alive } else { Holder::Gone }
}

/// Takes back one item. False if somebody was faster.
fn reclaim(app: &App, team: &TeamName, id: &str, token: &str) -> core::Outcome<bool> {
    let mut locked = app.store.lock(&Scope::Queue(team.clone()))?;
    let records = Records::of(app, team);
    let found = records.find(id)?;
    match &found {
        Some(found) if !found.entry.item.has_ended() => {
            if found.entry.lease.as_ref().is_none_or(|lease| lease.token != token) {
                return Ok(false);
            }
            found.check_format(app)?;
            let item = rules::reclaim(&found.entry, token, "lost", app.now())?;
            locked.commit(&records.change(found, &item))?;
            drop(locked);
            conclude(app, team, &item, token)?;
            Ok(true)
        }
        ended => {
            // Its worker died between finishing it and waking its run.
            drop(locked);
            if let Some(found) = ended {
                wake(app, team, &found.entry.item);
            }
            records.forget_lease(id, token)?;
            Ok(false)
        }
    }
}

/// How to work through a queue.
#[derive(Clone, Default)]
pub struct Options {
    /// How many items at once; at least one.
    pub jobs: usize,
    /// Which items.
    pub filter: Filter,
    /// Whether to end when nothing is ready, rather than to wait for more.
    pub until_idle: bool,
    /// At most so many items.
    pub most: Option<usize>,
    /// After this no further item is begun.
    pub until: Option<Instant>,
    /// For how long an item is taken each time.
    pub lease: Option<Span>,
    /// A request to end: the first lets what is under way come to its end, the second ends it.
    pub stop: Stop,
}

/// Works through a queue with several threads. `tell` hears of each item. Returns how many items
/// were worked on.
pub fn work(
    app: &App,
    team: &TeamName,
    options: &Options,
    tell: &(dyn Fn(&Done) + Sync),
) -> core::Outcome<usize> {
    let worker = Worker::new(app, options.stop.clone(), options.lease);
    let count = std::sync::atomic::AtomicUsize::new(0);
    let begun = std::sync::atomic::AtomicUsize::new(0);
    let one = || -> core::Outcome<()> {
        loop {
            let over = options.until.is_some_and(|until| Instant::now() >= until);
            let full = |begun| options.most.is_none_or(|most| begun < most).then_some(begun + 1);
            if over || options.stop.is_requested() {
                return Ok(());
            }
            if begun.fetch_update(Ordering::SeqCst, Ordering::SeqCst, full).is_err() {
                return Ok(());
            }
            match attempt(app, team, &worker, &options.filter) {
                Ok(Some(done)) => {
                    count.fetch_add(1, Ordering::SeqCst);
                    tell(&done);
                    continue;
                }
                Ok(None) => {}
                Err(failure) if options.until_idle => return Err(failure),
                Err(failure) => {
                    app.warn(format!("the queue of team '{team}': {}", failure.message()));
                    pause(&options.stop, TROUBLE_PAUSE);
                }
            }
            begun.fetch_sub(1, Ordering::SeqCst);
            if options.until_idle {
                return Ok(());
            }
            wait(app, team, &options.stop)?;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.jobs.max(1)).map(|_| scope.spawn(one)).collect();
        let mut joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.try_for_each(|ended| ended.expect("a worker does not panic"))
    })?;
    Ok(count.into_inner())
}

fn attempt(
    app: &App,
    team: &TeamName,
    worker: &Worker,
    filter: &Filter,
) -> core::Outcome<Option<Done>> {
    reclaim_lost(app, team)?;
    work_once(app, team, worker, filter)
}

fn pause(stop: &Stop, limit: Duration) {
    let deadline = Instant::now() + limit;
    while !stop.is_requested() && Instant::now() < deadline {
        std::thread::sleep(LOOK);
    }
}

/// Waits until something is pushed or falls due.
fn wait(app: &App, team: &TeamName, stop: &Stop) -> core::Outcome<()> {
    let open = Records::of(app, team).dir("open");
    app.store.backend().create_dir(&open)?;
    let mut changes = app.store.backend().watch(&[open])?;
    stop.wakes(&*changes);
    let (slots, now) = (Records::of(app, team).slots()?, app.now());
    if slots.iter().any(|slot| slot.is_due(now)) && !stop.is_requested() {
        // It was pushed just now, or it waits for another item, or it is of another kind.
        changes.wait(LOOK);
        return Ok(());
    }
    let now_millis = app.now_millis();
    let next = slots.iter().map(|slot| slot.due_millis.saturating_sub(now_millis)).min();
    let limit = next.map_or(limits::POLL_INTERVAL, Duration::from_millis);
    if !stop.is_requested() {
        changes.wait(limit.min(limits::POLL_INTERVAL));
    }
    Ok(())
}

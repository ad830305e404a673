//! What may happen to an item. Nothing here knows where items are kept.

use chrono::{DateTime, TimeDelta, Utc};

use super::model::{
    Entry, Fault, Item, LEASE_SCHEMA, Lease, Machine, NewItem, QueueError, Report, SCHEMA, State,
    Status,
};
use crate::core::{Digest, ProcessId, Span, Stamp};
use crate::domain::Extra;

/// How often an item is done again because its worker was lost. More often, and the item itself
/// is what its workers die of.
pub const LOSSES_MAX: u32 = 20;

/// The errors that are kept, the latest.
const ERRORS_KEPT: usize = 20;

/// How long a wait varies at most, as a part of it: items that failed together shall not all come
/// back at once.
const JITTER_PERCENT: u64 = 10;

/// Who asks for an item.
#[derive(Debug, Clone)]
pub struct Claimant {
    /// The worker's name.
    pub worker: String,
    /// Where it runs.
    pub machine: Machine,
    /// Its process.
    pub process: ProcessId,
    /// For how long it takes an item before it has to say that it is still there.
    pub length: Span,
}

fn after(now: DateTime<Utc>, span: Span) -> DateTime<Utc> {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    TimeDelta::try_milliseconds(millis)
        .and_then(|delta| now.checked_add_signed(delta))
        .unwrap_or(now)
}

/// Makes an item. `sequence` must be greater than that of every open item.
pub fn create(new: NewItem, id: String, sequence: u64, now: DateTime<Utc>) -> Item {
    Item {
        schema: SCHEMA.into(),
        id,
        key: new.key,
        kind: new.kind,
        priority: new.priority,
        payload: new.payload,
        sequence,
        due_at: Stamp::at(after(now, new.delay)),
        created_at: Stamp::at(now),
        attempt: 0,
        max_attempts: new.max_attempts.max(1),
        losses: 0,
        backoff: new.backoff,
        timeout: new.timeout,
        idempotent: new.idempotent.unwrap_or(false),
        serial_key: new.serial_key,
        run: new.run,
        status: Status::Open,
        errors: Vec::new(),
        result: None,
        ended_at: None,
        extra: Extra::new(),
    }
}

/// Takes an item that is ready. `leased` are the leases of all others.
pub fn claim<'l>(
    entry: &Entry,
    who: &Claimant,
    token: String,
    leased: impl IntoIterator<Item = &'l Lease>,
    now: DateTime<Utc>,
) -> Result<Lease, QueueError> {
    let state = entry.state(now);
    if state != State::Ready {
        return Err(wrong(&entry.item, state, "only what is ready can be taken"));
    }
    let serial = &entry.item.serial_key;
    if serial.is_some() && leased.into_iter().any(|other| other.serial_key == *serial) {
        return Err(wrong(&entry.item, state, "another item works on the same thing"));
    }
    Ok(Lease {
        schema: LEASE_SCHEMA.into(),
        token,
        worker: who.worker.clone(),
        machine: who.machine.clone(),
        process: who.process,
        since: Stamp::at(now),
        until: Stamp::at(after(now, who.length)),
        length: who.length,
        serial_key: serial.clone(),
        program: None,
        cancel_requested: false,
        extra: Extra::new(),
    })
}

fn wrong(item: &Item, state: State, wanted: &'static str) -> QueueError {
    QueueError::WrongState { id: item.id.clone(), state: state.as_str(), wanted }
}

/// Whether `token` is that of the lease.
fn fence(entry: &Entry, token: &str) -> Result<(), QueueError> {
    let held =
        !entry.item.has_ended() && entry.lease.as_ref().is_some_and(|lease| lease.token == token);
    if held { Ok(()) } else { Err(QueueError::Fenced { id: entry.item.id.clone() }) }
}

/// Holds the item for longer.
pub fn renew(entry: &Entry, token: &str, now: DateTime<Utc>) -> Result<Lease, QueueError> {
    fence(entry, token)?;
    let fenced = || QueueError::Fenced { id: entry.item.id.clone() };
    let mut lease = entry.lease.clone().ok_or_else(fenced)?;
    let until = after(now, lease.length);
    // A clock that was set back takes nothing away.
    if lease.until.instant().is_none_or(|already| already < until) {
        lease.until = Stamp::at(until);
    }
    Ok(lease)
}

/// What became of an item that a worker let go of. Its lease is gone in any case.
pub fn finish(
    entry: &Entry,
    token: &str,
    report: Report,
    now: DateTime<Utc>,
) -> Result<Item, QueueError> {
    fence(entry, token)?;
    let mut item = entry.item.clone();
    item.attempt += 1;
    let cancelled = entry.lease.as_ref().is_some_and(|lease| lease.cancel_requested);
    if report.ok {
        end(&mut item, Status::Done, report, now);
        return Ok(item);
    }
    if let Some(fault) = &report.error {
        note(&mut item, fault.clone());
    }
    if cancelled {
        end(&mut item, Status::Cancelled, report, now);
    } else if item.attempt >= item.max_attempts {
        end(&mut item, Status::Dead, report, now);
    } else {
        item.due_at = Stamp::at(after(now, delay(&item)));
    }
    Ok(item)
}

/// The same for work that failed in a way that no further attempt can mend.
pub fn bury(
    entry: &Entry,
    token: &str,
    report: Report,
    now: DateTime<Utc>,
) -> Result<Item, QueueError> {
    let mut last = entry.clone();
    last.item.max_attempts = last.item.attempt + 1;
    let mut item = finish(&last, token, report, now)?;
    item.max_attempts = entry.item.max_attempts;
    Ok(item)
}

fn end(item: &mut Item, status: Status, report: Report, now: DateTime<Utc>) {
    item.status = status;
    item.ended_at = Some(Stamp::at(now));
    item.result = Some(report);
}

fn note(item: &mut Item, fault: Fault) {
    item.errors.push(fault);
    let excess = item.errors.len().saturating_sub(ERRORS_KEPT);
    item.errors.drain(..excess);
}

/// How long an item that has just failed waits. The same item waits as long on every machine.
pub fn delay(item: &Item) -> Span {
    let max = item.backoff.max.as_millis();
    let exponent = i32::try_from(item.attempt.saturating_sub(1)).unwrap_or(i32::MAX);
    let grown = item.backoff.base.as_millis() as f64 * item.backoff.factor.max(1.0).powi(exponent);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "neither negative nor greater than `max`"
    )]
    let wait = if grown < max as f64 { grown as u64 } else { max };
    let seed = format!("{}:{}", item.id, item.attempt);
    let spread = wait / 100 * JITTER_PERCENT;
    let jitter = if spread == 0 { 0 } else { Digest::of(seed.as_bytes()).number() % (spread + 1) };
    Span::millis(wait.saturating_add(jitter))
}

/// What is known of the worker of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Its process runs.
    Alive,
    /// Its process is gone.
    Gone,
    /// It runs on another machine: nobody here can tell.
    Elsewhere,
}

/// Whether a lease does not protect its item any more. A worker whose process runs but which did
/// not renew its lease (a machine that slept, a clock that jumped) has twice the time.
pub fn is_lost(lease: &Lease, holder: Holder, now: DateTime<Utc>) -> bool {
    let until = lease.until.instant();
    match holder {
        Holder::Gone => true,
        Holder::Elsewhere => until.is_none_or(|until| until <= now),
        Holder::Alive => until.is_none_or(|until| after(until, lease.length) <= now),
    }
}

/// What becomes of an item whose worker was lost or had to stop in the middle of it: it is done
/// again if that does no harm.
pub fn reclaim(
    entry: &Entry,
    token: &str,
    code: &str,
    now: DateTime<Utc>,
) -> Result<Item, QueueError> {
    fence(entry, token)?;
    let mut item = entry.item.clone();
    let lease = entry.lease.as_ref();
    item.losses += 1;
    let worker = lease.map_or("", |lease| lease.worker.as_str());
    let message = format!("worker '{worker}' ended in the middle of it");
    let report = Report::failed(now, code, message);
    if let Some(fault) = &report.error {
        note(&mut item, fault.clone());
    }
    if lease.is_some_and(|lease| lease.cancel_requested) {
        end(&mut item, Status::Cancelled, report, now);
    } else if !item.idempotent || item.losses > LOSSES_MAX {
        end(&mut item, Status::Dead, report, now);
    } else {
        item.due_at = Stamp::at(now);
    }
    Ok(item)
}

/// What a cancellation comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// The item will not be done.
    Now(Box<Item>),
    /// A worker is at it and is asked to stop.
    Asked(Box<Lease>),
    /// It had come to its end before.
    Too(State),
}

/// Cancels an item.
pub fn cancel(entry: &Entry, now: DateTime<Utc>) -> Cancelled {
    match (entry.state(now), &entry.lease) {
        (State::Leased, Some(lease)) => {
            Cancelled::Asked(Box::new(Lease { cancel_requested: true, ..lease.clone() }))
        }
        (State::Ready | State::Delayed, _) => {
            let mut item = entry.item.clone();
            let report = Report::failed(now, "cancelled", "it was cancelled");
            end(&mut item, Status::Cancelled, report, now);
            Cancelled::Now(Box::new(item))
        }
        (state, _) => Cancelled::Too(state),
    }
}

/// Gives an item that failed or was cancelled all its attempts again.
pub fn retry(entry: &Entry, sequence: u64, now: DateTime<Utc>) -> Result<Item, QueueError> {
    let state = entry.state(now);
    if !matches!(state, State::Dead | State::Cancelled | State::Delayed) {
        return Err(wrong(
            &entry.item,
            state,
            "only what failed, was cancelled or waits can be tried again",
        ));
    }
    let mut item = entry.item.clone();
    if state != State::Delayed {
        item.attempt = 0;
        item.losses = 0;
        item.sequence = sequence;
    }
    item.status = Status::Open;
    item.due_at = Stamp::at(now);
    item.result = None;
    item.ended_at = None;
    Ok(item)
}

/// Whether an item may be removed from the records.
pub fn may_drop(entry: &Entry, now: DateTime<Utc>) -> Result<(), QueueError> {
    if entry.item.has_ended() {
        return Ok(());
    }
    Err(wrong(&entry.item, entry.state(now), "cancel it first"))
}

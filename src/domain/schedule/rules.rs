//! What is to be done about the slots that are over.

use chrono::{DateTime, TimeDelta, Utc};

use super::clock::{jitter, slots_between};
use super::model::{Fired, Misfire, Overlap, Schedule, ScheduleError, Timing};
use crate::core::{Span, Stamp};

/// What a schedule has to do now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Due {
    /// The slots that shall start something, oldest first.
    pub fire: Vec<DateTime<Utc>>,
    /// How many other slots are over. They count as missed.
    pub missed: u64,
    /// The latest slot that is over.
    pub over: Option<DateTime<Utc>>,
}

/// What is due at `now`. A clock that was set back makes nothing due again.
pub fn due(schedule: &Schedule, now: DateTime<Utc>) -> Result<Due, ScheduleError> {
    if !schedule.enabled {
        return Ok(Due::default());
    }
    let over = schedule.state.last_slot.as_ref().and_then(Stamp::instant);
    let from = over.unwrap_or(DateTime::<Utc>::MIN_UTC);
    let most = match schedule.misfire {
        Misfire::Skip | Misfire::RunOnce => 1,
        Misfire::CatchUp(most) => usize::try_from(most).unwrap_or(usize::MAX).saturating_add(1),
    };
    let (mut fire, count) = slots_between(schedule, from, now, most)?;
    let Some(latest) = fire.last().copied() else { return Ok(Due::default()) };
    let in_time = now - (latest + jitter(schedule, latest)) <= delta(schedule.misfire_grace);
    match schedule.misfire {
        Misfire::Skip if !in_time => fire.clear(),
        // The latest is not made up for if it is in time: it happens in its own right.
        Misfire::CatchUp(_) if !in_time && fire.len() == most => {
            fire.remove(0);
        }
        _ => {}
    }
    let begun = schedule.state.fires.saturating_add(schedule.state.pending.len() as u64);
    if let Some(left) = schedule.max_runs.map(|most| most.saturating_sub(begun)) {
        fire.truncate(usize::try_from(left).unwrap_or(usize::MAX));
    }
    let missed = u64::try_from(count.saturating_sub(fire.len())).unwrap_or(u64::MAX);
    Ok(Due { fire, missed, over: Some(latest) })
}

fn delta(span: Span) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4))
}

/// What makes starting the same slot twice one start.
pub fn key(schedule: &Schedule, slot: DateTime<Utc>) -> String {
    format!("schedule:{}:{}", schedule.id, slot.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

/// Notes what is due at `now` as pending. `goes_on`: whether what the schedule started last has
/// not come to its end. Returns whether anything changed.
pub fn plan(
    schedule: &mut Schedule,
    now: DateTime<Utc>,
    goes_on: bool,
) -> Result<bool, ScheduleError> {
    let due = due(schedule, now)?;
    let Some(over) = due.over else { return Ok(false) };
    skip_until(schedule, over);
    let mut missed = due.missed;
    let busy = goes_on || !schedule.state.pending.is_empty();
    if schedule.overlap == Overlap::Forbid && busy {
        missed += due.fire.len() as u64;
        schedule.state.last = due.fire.last().map(|slot| Fired {
            slot: Some(Stamp::at(*slot)),
            at: Stamp::at(now),
            started: None,
            problem: Some("what it started last still goes on".into()),
        });
    } else {
        let pending = &mut schedule.state.pending;
        pending.extend(due.fire.into_iter().map(Stamp::at));
        // Who is always too slow shall not fall behind for ever.
        let most = match schedule.misfire {
            Misfire::Skip | Misfire::RunOnce => 1,
            Misfire::CatchUp(most) => usize::try_from(most).unwrap_or(usize::MAX).saturating_add(1),
        };
        let excess = pending.len().saturating_sub(most);
        pending.drain(..excess);
        missed += excess as u64;
    }
    schedule.state.missed = schedule.state.missed.saturating_add(missed);
    end_if_done(schedule);
    Ok(true)
}

/// Every slot up to `over` is over. It only rises, whatever another process wrote meanwhile.
pub fn skip_until(schedule: &mut Schedule, over: DateTime<Utc>) {
    let known = schedule.state.last_slot.as_ref().and_then(Stamp::instant);
    if known.is_none_or(|known| known < over) {
        schedule.state.last_slot = Some(Stamp::at(over));
    }
}

/// Writes down what a pending slot, or somebody by hand, started. False if another process did
/// that before.
pub fn settle(schedule: &mut Schedule, fired: Fired) -> bool {
    if let Some(slot) = &fired.slot {
        let before = schedule.state.pending.len();
        schedule.state.pending.retain(|pending| pending != slot);
        if schedule.state.pending.len() == before {
            return false;
        }
    }
    let state = &mut schedule.state;
    if let Some(started) = &fired.started {
        state.fires += 1;
        state.last_started = Some(started.clone());
    } else {
        state.missed += 1;
    }
    state.last = Some(fired);
    end_if_done(schedule);
    true
}

/// Turns off what will never start anything again.
fn end_if_done(schedule: &mut Schedule) {
    let state = &schedule.state;
    let reached = schedule.max_runs.is_some_and(|most| state.fires >= most);
    let once = matches!(schedule.timing, Timing { at: Some(_), .. }) && state.last_slot.is_some();
    if schedule.enabled && state.pending.is_empty() && (reached || once) {
        schedule.enabled = false;
        let why = if reached { "it has started as often as it should" } else { "its time is over" };
        schedule.disabled_reason = Some(why.into());
    }
}

//! What is to be done about the slots that are over.

use chrono::{DateTime, TimeDelta, Utc};

use super::clock::{jitter, slots_between};
use super::model::{Fired, Misfire, Schedule, ScheduleError, Timing};
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
    if let Some(left) = schedule.max_runs.map(|most| most.saturating_sub(schedule.state.fires)) {
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

/// Writes down that every slot up to `over` is over, and what was done about one of them.
pub fn record(
    schedule: &mut Schedule,
    over: Option<DateTime<Utc>>,
    fired: Option<Fired>,
    missed: u64,
) {
    let state = &mut schedule.state;
    if let Some(over) = over {
        let known = state.last_slot.as_ref().and_then(Stamp::instant);
        // It only rises, whatever another process wrote meanwhile.
        if known.is_none_or(|known| known < over) {
            state.last_slot = Some(Stamp::at(over));
        }
    }
    state.missed = state.missed.saturating_add(missed);
    if let Some(fired) = fired {
        if let Some(started) = &fired.started {
            state.fires += 1;
            state.last_started = Some(started.clone());
        }
        state.last = Some(fired);
    }
    let reached = schedule.max_runs.is_some_and(|most| schedule.state.fires >= most);
    let once =
        matches!(schedule.timing, Timing { at: Some(_), .. }) && schedule.state.last_slot.is_some();
    if schedule.enabled && (reached || once) {
        schedule.enabled = false;
        let why = if reached { "it has started as often as it should" } else { "its time is over" };
        schedule.disabled_reason = Some(why.into());
    }
}

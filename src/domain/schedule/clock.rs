//! Which slots a schedule has.
//!
//! A cron expression is evaluated on the wall clock alone; then each wall time becomes an instant.
//! One that a clock change skips is seen to at the first instant after the gap, and one that it
//! repeats only the first time.

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::model::{Schedule, ScheduleError, Timing, Weekday, Window};
use crate::core::{Digest, Span, Stamp};

/// How many slots outside of the window are passed over before there is said to be none: those of
/// every second for two weeks.
const PASSED_OVER_MAX: usize = 1_300_000;
/// The longest gap that any zone ever had, and more.
const GAP_MAX: TimeDelta = TimeDelta::hours(30);

/// What of a schedule decides on its slots, understood.
struct Clock<'s> {
    schedule: &'s Schedule,
    source: Source,
    zone: Tz,
    /// Slots are later than this.
    begin: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
    window: Option<(chrono::NaiveTime, chrono::NaiveTime, &'s [Weekday])>,
}

enum Source {
    Cron(Box<Cron>),
    Every { anchor: DateTime<Utc>, millis: i64 },
    At(DateTime<Utc>),
}

fn instant(what: &'static str, stamp: &Stamp) -> Result<DateTime<Utc>, ScheduleError> {
    stamp.instant().ok_or_else(|| ScheduleError::Bad {
        what,
        text: stamp.to_string(),
        hint: "write it as 2026-12-24T18:00:00+00:00",
    })
}

fn cron(pattern: &str) -> Result<Cron, ScheduleError> {
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    parser.parse(pattern.trim()).map_err(|error| ScheduleError::Cron {
        pattern: pattern.to_owned(),
        reason: error.to_string(),
    })
}

impl<'s> Clock<'s> {
    fn of(schedule: &'s Schedule) -> Result<Self, ScheduleError> {
        let created = instant("date", &schedule.created_at)?;
        let from = schedule.active_from.as_ref().map(|at| instant("date", at)).transpose()?;
        let end = schedule.active_until.as_ref().map(|at| instant("date", at)).transpose()?;
        // A slot at the very beginning of the active range counts.
        let from = from.map(|from| from - TimeDelta::milliseconds(1));
        let begin = from.map_or(created, |from| from.max(created));
        let source = match &schedule.timing {
            Timing { cron: Some(pattern), every: None, at: None } => {
                Source::Cron(Box::new(cron(pattern)?))
            }
            Timing { cron: None, every: Some(every), at: None } => {
                let millis = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
                if millis < 1000 {
                    return Err(ScheduleError::Bad {
                        what: "time between two slots",
                        text: every.to_string(),
                        hint: "at least a second",
                    });
                }
                Source::Every { anchor: created, millis }
            }
            Timing { cron: None, every: None, at: Some(at) } => Source::At(instant("date", at)?),
            _ => return Err(ScheduleError::NoTiming),
        };
        let zone = schedule.timezone.parse().map_err(|_| ScheduleError::Bad {
            what: "time zone",
            text: schedule.timezone.clone(),
            hint: "write it as Europe/Berlin",
        })?;
        let window = schedule.window.as_ref();
        let window = window
            .map(|window: &Window| window.times().map(|(a, b)| (a, b, window.days.as_slice())))
            .transpose()?;
        Ok(Self { schedule, source, zone, begin, end, window })
    }

    /// The first slot after `after`.
    fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut at = after.max(self.begin);
        for _ in 0..PASSED_OVER_MAX {
            at = self.next_of_source(at)?;
            if self.end.is_some_and(|end| at > end) {
                return None;
            }
            if self.is_in_window(at) {
                return Some(at);
            }
        }
        None
    }

    fn next_of_source(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.source {
            Source::At(at) => (*at > after).then_some(*at),
            Source::Every { anchor, millis } => {
                let passed = (after - *anchor).num_milliseconds().max(0);
                let number = passed / millis + 1;
                anchor
                    .checked_add_signed(TimeDelta::try_milliseconds(number.checked_mul(*millis)?)?)
            }
            Source::Cron(cron) => {
                let mut wall = after.with_timezone(&self.zone).naive_local();
                // In the hour that is repeated, what is later on the wall was earlier in truth.
                loop {
                    wall = cron.find_next_occurrence(&wall, false).ok()?;
                    let at = self.instant_of(wall)?;
                    if at > after {
                        return Some(at);
                    }
                }
            }
        }
    }

    /// When the wall clock shows `wall` first, or would have if it had not been put forward.
    fn instant_of(&self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.zone.from_local_datetime(&wall) {
            MappedLocalTime::Single(at) => Some(at.to_utc()),
            MappedLocalTime::Ambiguous(first, _) => Some(first.to_utc()),
            MappedLocalTime::None => self.end_of_gap(wall),
        }
    }

    /// The first instant after the gap that `wall` is in.
    fn end_of_gap(&self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        // Somewhere between these two the wall clock jumps over `wall`.
        let shows = |at: DateTime<Utc>| at.with_timezone(&self.zone).naive_local();
        let (mut before, mut behind) = (wall.and_utc() - GAP_MAX, wall.and_utc() + GAP_MAX);
        if shows(before) >= wall || shows(behind) < wall {
            return None;
        }
        while behind - before > TimeDelta::seconds(1) {
            let middle = before + (behind - before) / 2;
            if shows(middle) < wall { before = middle } else { behind = middle }
        }
        // Clocks change at whole seconds.
        DateTime::from_timestamp(behind.timestamp(), 0)
    }

    fn is_in_window(&self, at: DateTime<Utc>) -> bool {
        let Some((start, end, days)) = self.window else { return true };
        let wall = at.with_timezone(&self.zone).naive_local();
        // Whole minutes: a window that ends at 17:00 holds all of that minute.
        let time = wall.time();
        let minute = time - TimeDelta::seconds(i64::from(chrono::Timelike::second(&time)));
        let minute = chrono::Timelike::with_nanosecond(&minute, 0).unwrap_or(minute);
        let (inside, day) = if start <= end {
            (start <= minute && minute <= end, wall.date())
        } else if minute >= start {
            (true, wall.date())
        } else {
            // It began the day before.
            (minute <= end, wall.date().pred_opt().unwrap_or(wall.date()))
        };
        let number = usize::try_from(day.weekday().num_days_from_monday()).unwrap_or(0);
        inside && (days.is_empty() || days.contains(&Weekday::ALL[number]))
    }
}

/// The first slot after `after`, if there is one.
pub fn next(
    schedule: &Schedule,
    after: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, ScheduleError> {
    Ok(Clock::of(schedule)?.next(after))
}

/// Whether the schedule can be understood, and has a slot after `now`.
pub fn check(schedule: &Schedule, now: DateTime<Utc>) -> Result<(), ScheduleError> {
    next(schedule, now)?.map(drop).ok_or(ScheduleError::Never)
}

/// How much later than its instant a slot is seen to: always the same for the same slot.
pub fn jitter(schedule: &Schedule, slot: DateTime<Utc>) -> TimeDelta {
    let most = schedule.jitter.as_millis();
    if most == 0 {
        return TimeDelta::zero();
    }
    let seed = format!("{}:{}", schedule.id, slot.timestamp_millis());
    let millis = Digest::of(seed.as_bytes()).number() % (most + 1);
    TimeDelta::milliseconds(i64::try_from(millis).unwrap_or(0))
}

/// More slots than this are not looked at one by one.
const SLOTS_MAX: usize = 2000;

/// The slots after `from` that are to be seen to by `now`, at most the latest `most`, and how many
/// there are in all; of very many only a part is counted.
pub fn slots_between(
    schedule: &Schedule,
    from: DateTime<Utc>,
    now: DateTime<Utc>,
    most: usize,
) -> Result<(Vec<DateTime<Utc>>, usize), ScheduleError> {
    let clock = Clock::of(schedule)?;
    let from = from.max(clock.begin);
    let collect = |from: DateTime<Utc>, limit: usize| {
        let mut slots = Vec::new();
        let mut at = from;
        while let Some(slot) = clock.next(at) {
            if slot + jitter(clock.schedule, slot) > now || slots.len() == limit {
                return (slots, slot + jitter(clock.schedule, slot) > now);
            }
            slots.push(slot);
            at = slot;
        }
        (slots, true)
    };
    let (mut slots, complete) = collect(from, SLOTS_MAX);
    let mut count = slots.len();
    if !complete {
        // From near the end, ever further back.
        let mut back = Span::seconds(60).as_millis();
        loop {
            let back_delta = i64::try_from(back).ok().and_then(TimeDelta::try_milliseconds);
            let start = back_delta.and_then(|back| now.checked_sub_signed(back)).unwrap_or(from);
            (slots, _) = collect(start.max(from), usize::MAX);
            if slots.len() > most || start <= from {
                break;
            }
            back *= 2;
        }
        count = count.max(slots.len());
    }
    let skip = slots.len().saturating_sub(most);
    slots.drain(..skip);
    Ok((slots, count))
}

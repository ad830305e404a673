use chrono::{DateTime, Datelike, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::core::{Name, Span, Stamp};

fn utc(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect("a date").to_utc()
}

fn schedule(timing: Timing, zone: &str, created: &str) -> Schedule {
    let name = |text: &str| Name::parse(text).expect("a name");
    let target = Target::Workflow { name: name("w"), inputs: serde_json::Map::new(), repo: None };
    Schedule { timezone: zone.into(), ..Schedule::new(name("s"), target, timing, utc(created)) }
}

fn cron(pattern: &str, zone: &str, created: &str) -> Schedule {
    schedule(Timing { cron: Some(pattern.into()), ..Timing::default() }, zone, created)
}

fn slots(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let mut at = utc(from);
    let mut found = Vec::new();
    while found.len() < count
        && let Some(slot) = next(schedule, at).expect("it can be understood")
    {
        found.push(slot.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        at = slot;
    }
    found
}

#[test]
fn a_skipped_time_is_seen_to_when_the_gap_ends() {
    // Berlin went from 02:00 CET to 03:00 CEST on 2026-03-29 at 01:00 UTC.
    let nightly = cron("30 2 * * *", "Europe/Berlin", "2026-03-01T00:00:00Z");
    assert_eq!(
        slots(&nightly, "2026-03-28T00:00:00Z", 3),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    // Several times in the gap are one slot.
    let often = cron("*/15 2 * * *", "Europe/Berlin", "2026-03-01T00:00:00Z");
    assert_eq!(
        slots(&often, "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"]
    );
}

#[test]
fn a_repeated_time_is_seen_to_once() {
    // Berlin went from 03:00 CEST to 02:00 CET on 2026-10-25 at 01:00 UTC.
    let nightly = cron("30 2 * * *", "Europe/Berlin", "2026-10-01T00:00:00Z");
    assert_eq!(
        slots(&nightly, "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    // The same asked from within the second pass.
    assert_eq!(slots(&nightly, "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30:00Z"]);
}

#[test]
fn gaps_of_half_an_hour_and_of_a_whole_day_are_no_trouble() {
    // Lord Howe Island goes from 02:00 to 02:30 on 2026-10-04 at 15:30 UTC of the day before.
    let howe = cron("15 2 * * *", "Australia/Lord_Howe", "2026-09-01T00:00:00Z");
    assert_eq!(
        slots(&howe, "2026-10-02T20:00:00Z", 2),
        ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]
    );
    // Samoa had no 30 December 2011: at 10:00 UTC it became the 31st.
    let samoa = cron("0 12 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z");
    assert_eq!(slots(&samoa, "2011-12-01T00:00:00Z", 1), ["2011-12-30T10:00:00Z"]);
}

/// What a wall clock shows each minute of a year tells which slots there must be.
#[test]
fn over_a_year_every_wall_time_has_one_slot_whatever_the_clocks_do() {
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
        let tz: Tz = zone.parse().expect("a zone");
        let patterns = [(2, 30), (1, 59), (2, 0), (2, 15), (3, 0), (0, 0), (1, 30)];
        for (hour, minute) in patterns {
            let pattern = format!("{minute} {hour} * * *");
            let daily = cron(&pattern, zone, "2025-12-31T00:00:00Z");
            let mut expected = Vec::new();
            let mut seen: Option<chrono::NaiveDate> = None;
            let begin = utc("2026-01-01T12:00:00Z");
            let mut before = begin.with_timezone(&tz).naive_local();
            for step in 1..=(60 * 24 * 360) {
                let at = begin + TimeDelta::minutes(step);
                let wall = at.with_timezone(&tz).naive_local();
                let wanted = wall.date().and_hms_opt(hour, minute, 0).expect("a time");
                let shown = wall == wanted;
                let jumped_over = before < wanted && wanted < wall;
                if (shown || jumped_over) && seen != Some(wall.date()) {
                    seen = Some(wall.date());
                    expected.push(at);
                }
                before = wall;
            }
            let mut found = Vec::new();
            let mut at = begin;
            while found.len() < expected.len() {
                at = next(&daily, at).expect("understood").expect("daily");
                found.push(at);
            }
            assert_eq!(found, expected, "{zone} {pattern}");
        }
    }
}

#[test]
fn all_forms_of_cron_are_understood_and_the_rest_is_refused() {
    let from = "2026-01-01T00:00:00Z";
    for (pattern, first) in [
        ("@hourly", "2026-01-01T01:00:00Z"),
        ("@daily", "2026-01-02T00:00:00Z"),
        ("@weekly", "2026-01-04T00:00:00Z"),
        ("@monthly", "2026-02-01T00:00:00Z"),
        ("*/20 * * * * *", "2026-01-01T00:00:20Z"),
        ("0 9 * * mon-fri", "2026-01-01T09:00:00Z"),
        ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
        ("0 0 L * *", "2026-01-31T00:00:00Z"),
    ] {
        assert_eq!(slots(&cron(pattern, "UTC", from), from, 1), [first], "{pattern}");
    }
    let now = utc(from);
    for pattern in ["", "* * * *", "60 * * * *", "0 0 1 1 * 2030 1", "x", "* * * * * * 2030"] {
        let told = check(&cron(pattern, "UTC", from), now);
        assert!(matches!(told, Err(ScheduleError::Cron { .. })), "{pattern:?}: {told:?}");
    }
    assert_eq!(check(&cron("0 0 30 2 *", "UTC", from), now), Err(ScheduleError::Never));
    let nowhere = check(&cron("@daily", "Nowhere/Else", from), now);
    assert!(matches!(nowhere, Err(ScheduleError::Bad { what: "time zone", .. })));
    assert_eq!(check(&schedule(Timing::default(), "UTC", from), now), Err(ScheduleError::NoTiming));
}

#[test]
fn intervals_and_single_instants_have_their_slots() {
    let from = "2026-01-01T00:00:00Z";
    let every = Timing { every: Some(Span::seconds(5400)), ..Timing::default() };
    let every = schedule(every, "Europe/Berlin", from);
    assert_eq!(
        slots(&every, "2026-01-01T02:00:00Z", 2),
        ["2026-01-01T03:00:00Z", "2026-01-01T04:30:00Z"]
    );
    let at = Timing { at: Some(Stamp::at(utc("2026-02-01T10:00:00Z"))), ..Timing::default() };
    assert_eq!(slots(&schedule(at, "UTC", from), from, 3), ["2026-02-01T10:00:00Z"]);
}

#[test]
fn a_window_and_an_active_range_leave_slots_out() {
    let from = "2026-01-01T00:00:00Z";
    let mut hourly = cron("0 * * * *", "Asia/Tokyo", from);
    let window = |start: &str, end: &str, days: &[Weekday]| {
        Some(Window { start: start.into(), end: end.into(), days: days.to_vec() })
    };
    hourly.window = window("09:00", "10:00", &[]);
    assert_eq!(
        slots(&hourly, from, 3),
        ["2026-01-01T01:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T01:00:00Z"]
    );
    // From Friday 23:00 to Saturday 01:00, in Tokyo.
    hourly.window = window("23:00", "01:00", &[Weekday::Fri]);
    assert_eq!(
        slots(&hourly, from, 4),
        [
            "2026-01-02T14:00:00Z",
            "2026-01-02T15:00:00Z",
            "2026-01-02T16:00:00Z",
            "2026-01-09T14:00:00Z"
        ]
    );
    hourly.window = None;
    hourly.active_from = Some(Stamp::at(utc("2026-03-01T05:00:00Z")));
    hourly.active_until = Some(Stamp::at(utc("2026-03-01T06:00:00Z")));
    assert_eq!(slots(&hourly, from, 9), ["2026-03-01T05:00:00Z", "2026-03-01T06:00:00Z"]);
}

#[test]
fn what_goes_on_decides_what_becomes_of_the_next_slot() {
    let planned = |overlap, misfire, goes_on, now: &str| {
        let mut hourly = cron("0 * * * *", "UTC", "2026-01-01T00:00:00Z");
        (hourly.overlap, hourly.misfire) = (overlap, misfire);
        plan(&mut hourly, utc("2026-01-01T01:00:00Z"), goes_on).expect("understood");
        plan(&mut hourly, utc(now), goes_on).expect("understood");
        (hourly.state.pending.len(), hourly.state.missed)
    };
    let at = "2026-01-01T04:00:00Z";
    assert_eq!(planned(Overlap::Forbid, Misfire::RunOnce, true, at), (0, 4));
    assert_eq!(planned(Overlap::Queue, Misfire::RunOnce, true, at), (1, 3));
    assert_eq!(planned(Overlap::Queue, Misfire::CatchUp(2), true, at), (3, 1));
    assert_eq!(planned(Overlap::Forbid, Misfire::CatchUp(9), false, at), (1, 3));
    assert_eq!(planned(Overlap::Allow, Misfire::CatchUp(9), true, at), (4, 0));
}

/// What fires at `now` when nobody looked since `since`.
fn fires(misfire: Misfire, since: &str, now: &str) -> (Vec<String>, u64) {
    let mut hourly = cron("0 * * * *", "UTC", "2026-01-01T00:00:00Z");
    hourly.misfire = misfire;
    hourly.misfire_grace = Span::seconds(600);
    hourly.state.last_slot = Some(Stamp::at(utc(since)));
    let due = due(&hourly, utc(now)).expect("understood");
    (due.fire.iter().map(|slot| slot.format("%H:%M").to_string()).collect(), due.missed)
}

#[test]
fn each_misfire_policy_does_what_it_says() {
    let since = "2026-01-05T03:00:00Z";
    let (late, in_time) = ("2026-01-05T09:20:00Z", "2026-01-05T09:05:00Z");
    let told = |slots: &[&str], missed| (slots.iter().map(|s| (*s).to_owned()).collect(), missed);
    assert_eq!(fires(Misfire::Skip, since, late), told(&[], 6));
    assert_eq!(fires(Misfire::Skip, since, in_time), told(&["09:00"], 5));
    assert_eq!(fires(Misfire::RunOnce, since, late), told(&["09:00"], 5));
    assert_eq!(fires(Misfire::RunOnce, since, in_time), told(&["09:00"], 5));
    assert_eq!(fires(Misfire::CatchUp(2), since, late), told(&["08:00", "09:00"], 4));
    assert_eq!(fires(Misfire::CatchUp(2), since, in_time), told(&["07:00", "08:00", "09:00"], 3));
    assert_eq!(fires(Misfire::CatchUp(100), "2026-01-05T08:00:00Z", in_time), told(&["09:00"], 0));
    assert_eq!(fires(Misfire::CatchUp(9), in_time, in_time), told(&[], 0));
}

#[test]
fn years_without_anybody_looking_are_no_trouble() {
    let mut often = cron("* * * * * *", "UTC", "2020-01-01T00:00:00Z");
    let now = utc("2026-01-01T00:00:00Z");
    assert_eq!(due(&often, now).expect("understood").fire, [now]);
    often.misfire = Misfire::CatchUp(3);
    let fire = due(&often, now).expect("understood").fire;
    assert_eq!(fire.len(), 4);
    assert_eq!(fire[0], now - TimeDelta::seconds(3));
}

#[test]
fn a_schedule_ends_when_it_has_done_enough() {
    let mut hourly = cron("0 * * * *", "UTC", "2026-01-01T00:00:00Z");
    hourly.max_runs = Some(1);
    let slot = due(&hourly, utc("2026-01-01T01:00:00Z")).expect("understood").fire[0];
    let started = Fired {
        slot: Some(Stamp::at(slot)),
        at: Stamp::at(slot),
        started: Some("r".into()),
        problem: None,
    };
    assert!(plan(&mut hourly, slot, false).expect("understood"));
    assert!(settle(&mut hourly, started.clone()));
    assert!(!settle(&mut hourly, started), "it counts once");
    assert!(!hourly.enabled && hourly.disabled_reason.is_some());
    assert_eq!(due(&hourly, utc("2026-01-01T05:00:00Z")), Ok(Due::default()));
}

#[test]
fn jitter_puts_a_slot_off_but_does_not_move_it() {
    let mut daily = cron("0 0 * * *", "UTC", "2026-01-01T00:00:00Z");
    daily.jitter = Span::seconds(3600);
    let slot = utc("2026-01-02T00:00:00Z");
    let put_off = jitter(&daily, slot);
    assert!(put_off > TimeDelta::zero() && put_off <= TimeDelta::hours(1), "{put_off}");
    let early = slot + put_off - TimeDelta::milliseconds(1);
    assert!(due(&daily, early).expect("understood").fire.is_empty());
    assert_eq!(due(&daily, slot + put_off).expect("understood").fire, [slot]);
    let others: std::collections::BTreeSet<i64> =
        (1..30).map(|day| jitter(&daily, slot + TimeDelta::days(day)).num_milliseconds()).collect();
    assert!(others.len() > 20, "it is the same for most days");
}

proptest! {
    /// Whoever looks, whenever, and however the clock jumps: no slot starts anything twice, and
    /// the slots that start something are slots.
    #[test]
    fn no_slot_fires_twice(
        steps in prop::collection::vec(-5_000i64..9_000, 1..60),
        misfire in prop_oneof![
            Just(Misfire::Skip), Just(Misfire::RunOnce), (1u32..5).prop_map(Misfire::CatchUp)
        ],
        zone in prop_oneof![Just("Europe/Berlin"), Just("America/New_York")],
        jitter_seconds in 0u64..300,
    ) {
        let created = "2026-03-28T20:00:00Z";
        let mut one = cron("*/10 * * * *", zone, created);
        one.misfire = misfire;
        one.jitter = Span::seconds(jitter_seconds);
        let tz: Tz = zone.parse().expect("a zone");
        let mut now = utc(created);
        let mut fired = Vec::new();
        for step in steps {
            now += TimeDelta::seconds(step);
            let due = due(&one, now).expect("understood");
            for slot in &due.fire {
                prop_assert!(*slot <= now);
                prop_assert_eq!(slot.with_timezone(&tz).minute() % 10, 0);
                prop_assert!(!fired.contains(slot), "{} twice", slot);
                fired.push(*slot);
            }
            one.state.pending.clear();
            plan(&mut one, now, false).expect("understood");
            let pending: Vec<_> = one.state.pending.iter().filter_map(Stamp::instant).collect();
            prop_assert_eq!(pending, due.fire);
        }
        prop_assert!(fired.is_sorted());
    }

    /// The next slot does not depend on where one looks from.
    #[test]
    fn the_next_slot_is_the_first_of_all_later_ones(
        from in 0i64..(400 * 86_400),
        later in 0i64..86_400,
    ) {
        let one = cron("17 */3 * * *", "America/New_York", "2025-12-01T00:00:00Z");
        let at = Utc.timestamp_opt(1_767_225_600 + from, 0).single().expect("a date");
        let slot = next(&one, at).expect("understood").expect("always");
        prop_assert!(slot > at);
        let between = at + TimeDelta::seconds(later);
        let again = next(&one, between).expect("understood").expect("always");
        if between < slot {
            prop_assert_eq!(again, slot);
        } else {
            prop_assert!(again > slot);
        }
        prop_assert!(again.year() >= 2025);
    }
}

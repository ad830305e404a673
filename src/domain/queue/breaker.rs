//! A circuit breaker: after several failures in a row a service is left alone for a while.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::core::{Span, Stamp};
use crate::domain::Extra;

/// The schema of [`Breaker`].
pub const SCHEMA: &str = "clawteam.breaker/1";
/// How many failures in a row open it.
const FAILURES_MAX: u32 = 5;
/// For how long it stays open.
const OPEN: TimeDelta = TimeDelta::seconds(30);

/// What is known of a service that failed: `breakers/<digest>.json`, shared by all processes.
/// A service that works has no such document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Breaker {
    /// What this document is.
    pub schema: String,
    /// The service.
    pub host: String,
    /// Failures in a row.
    pub failures: u32,
    /// When the last of them was.
    pub failed_at: Stamp,
    /// Until when somebody tries whether it works again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_until: Option<Stamp>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Whether a call may be made.
#[derive(Debug, Clone, PartialEq)]
pub enum Admission {
    /// It may.
    Free,
    /// It may, and shows whether the service works again: nobody else may meanwhile.
    Probe(Box<Breaker>),
    /// Not before then.
    Open(DateTime<Utc>),
}

/// Whether the instant has passed. A clock that was set back makes nobody wait longer than `most`.
fn passed(until: DateTime<Utc>, most: TimeDelta, now: DateTime<Utc>) -> bool {
    until <= now || until - now > most
}

/// Asks for a call that takes at most `timeout`.
pub fn admit(breaker: Option<&Breaker>, timeout: Span, now: DateTime<Utc>) -> Admission {
    let Some(breaker) = breaker.filter(|breaker| breaker.failures >= FAILURES_MAX) else {
        return Admission::Free;
    };
    let open = breaker.failed_at.instant().map_or(now, |failed| failed + OPEN);
    if !passed(open, OPEN, now) {
        return Admission::Open(open);
    }
    let probing = breaker.probe_until.as_ref().and_then(Stamp::instant);
    let longest =
        TimeDelta::milliseconds(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX / 2));
    match probing {
        Some(until) if !passed(until, longest.max(OPEN), now) => Admission::Open(until),
        _ => Admission::Probe(Box::new(Breaker {
            probe_until: Some(Stamp::at(now + longest)),
            ..breaker.clone()
        })),
    }
}

/// The breaker after one more failure.
pub fn failed(breaker: Option<&Breaker>, host: &str, now: DateTime<Utc>) -> Breaker {
    let extra = breaker.map(|breaker| breaker.extra.clone()).unwrap_or_default();
    Breaker {
        schema: SCHEMA.into(),
        host: host.to_owned(),
        failures: breaker.map_or(0, |breaker| breaker.failures).saturating_add(1),
        failed_at: Stamp::at(now),
        probe_until: None,
        extra,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a date")
    }

    fn broken(failures: u32) -> Breaker {
        (0..failures)
            .fold(None, |known: Option<Breaker>, _| Some(failed(known.as_ref(), "h", at(0))))
            .expect("at least one failure")
    }

    #[test]
    fn a_few_failures_keep_nobody_away() {
        assert_eq!(admit(None, Span::seconds(5), at(0)), Admission::Free);
        assert_eq!(admit(Some(&broken(4)), Span::seconds(5), at(0)), Admission::Free);
    }

    #[test]
    fn an_open_breaker_lets_one_probe_through_after_its_time() {
        let open = broken(5);
        assert_eq!(admit(Some(&open), Span::seconds(5), at(29)), Admission::Open(at(30)));
        let Admission::Probe(probing) = admit(Some(&open), Span::seconds(5), at(30)) else {
            panic!("its time is over")
        };
        assert_eq!(admit(Some(&probing), Span::seconds(5), at(34)), Admission::Open(at(35)));
        let again = admit(Some(&probing), Span::seconds(5), at(36));
        assert!(matches!(again, Admission::Probe(_)), "the first probe was lost");
        let reopened = failed(Some(&probing), "h", at(31));
        assert_eq!(admit(Some(&reopened), Span::seconds(5), at(32)), Admission::Open(at(61)));
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_it_open_no_longer() {
        let open = broken(5);
        assert!(matches!(admit(Some(&open), Span::seconds(5), at(-3600)), Admission::Probe(_)));
    }
}

//! Instants as documents hold them, and as people read them.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// An instant as it stands in a document: ISO 8601 text.
///
/// The text is kept as it was read, so that a rewrite never changes what another program wrote.
/// New stamps have the form that Python's `datetime.isoformat` gives: UTC with microseconds and
/// `+00:00`, the fraction left out when it is zero.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(String);

impl Stamp {
    /// The stamp of an instant.
    pub fn at(instant: DateTime<Utc>) -> Self {
        let precision = if instant.timestamp_subsec_micros() == 0 {
            SecondsFormat::Secs
        } else {
            SecondsFormat::Micros
        };
        Self(instant.to_rfc3339_opts(precision, false))
    }

    /// A stamp that stands for "never".
    pub fn empty() -> Self {
        Self(String::new())
    }

    /// Whether this stamp stands for "never".
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text as it stands in the document.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The instant, unless the text is not a date. A time without a zone is taken as UTC.
    pub fn instant(&self) -> Option<DateTime<Utc>> {
        if let Ok(with_zone) = DateTime::parse_from_rfc3339(&self.0) {
            return Some(with_zone.with_timezone(&Utc));
        }
        self.0.parse::<NaiveDateTime>().ok().map(|naive| naive.and_utc())
    }

    /// For people: in UTC as `2026-11-20T17:34:19`, in another zone as
    /// `2026-11-21 02:34:19 JST`; what is not a date is cut to its first 19 characters.
    pub fn display_in(&self, zone: &str) -> String {
        let Some(instant) = self.instant() else {
            return self.0.chars().take(19).collect();
        };
        match chrono_tz::Tz::from_str(zone) {
            Ok(tz) if !zone.eq_ignore_ascii_case("utc") => {
                instant.with_timezone(&tz).format("%Y-%m-%d %H:%M:%S %Z").to_string()
            }
            _ => instant.format("%Y-%m-%dT%H:%M:%S").to_string(),
        }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<String> for Stamp {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Where the present comes from.
pub trait Clock: Send + Sync {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;

    /// The present instant as a document holds it.
    fn stamp(&self) -> Stamp {
        Stamp::at(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn stamps_look_like_python_writes_them() {
        let whole = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).single().expect("a date");
        assert_eq!(Stamp::at(whole).as_str(), "2026-01-01T00:00:00+00:00");
        let fraction = whole + chrono::TimeDelta::microseconds(213_068);
        assert_eq!(Stamp::at(fraction).as_str(), "2026-01-01T00:00:00.213068+00:00");
    }

    #[test]
    fn people_see_their_own_zone() {
        let stamp = Stamp::from("2026-11-20T18:00:55.5+00:00".to_owned());
        assert_eq!(stamp.display_in("UTC"), "2026-11-20T18:00:55");
        assert_eq!(stamp.display_in("utc"), "2026-11-20T18:00:55");
        assert_eq!(stamp.display_in("Bogus/Zone"), "2026-11-20T18:00:55");
        assert_eq!(stamp.display_in("Asia/Tokyo"), "2026-11-21 03:00:55 JST");
    }

    #[test]
    fn odd_texts_are_shown_rather_than_refused() {
        assert_eq!(
            Stamp::from("2026-11-20T18:00:55Z".to_owned()).display_in("UTC"),
            "2026-11-20T18:00:55"
        );
        assert_eq!(
            Stamp::from("2026-11-20T18:00:55".to_owned()).display_in("UTC"),
            "2026-11-20T18:00:55"
        );
        assert_eq!(
            Stamp::from("yesterday, about noon, I think".to_owned()).display_in("UTC"),
            "yesterday, about no"
        );
        assert_eq!(Stamp::empty().display_in("UTC"), "");
    }
}

//! Lengths of time as people write them: `30s`, `5m`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::diagnose::{Diagnose, Exit};

/// A length of time, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

/// A text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a length of time")]
pub struct NotASpan(pub String);

impl Diagnose for NotASpan {
    fn code(&self) -> &'static str {
        "invalid_duration"
    }

    fn hint(&self) -> Option<String> {
        Some("write it like 500ms, 30s, 5m, 1h30m or 2d; a bare number is seconds".into())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// The units, the longest first.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// About three thousand years: no sum of two overflows anything.
const MILLIS_MAX: u64 = 100_000_000_000_000;

impl Span {
    /// So many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(millis)
    }

    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// The length in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The length as the standard library has it.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let bad = || NotASpan(text.to_owned());
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(bad());
        }
        let mut total: f64 = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
            let after = &rest[digits..];
            let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
            let unit = match &after[..letters] {
                "" if total == 0.0 && after.is_empty() => 1000,
                unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?.1,
            };
            total += number * unit as f64;
            rest = after[letters..].trim_start();
        }
        if !total.is_finite() || total > MILLIS_MAX as f64 {
            return Err(bad());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        Ok(Self(total.round() as u64))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("0s");
        }
        let mut text = String::new();
        let mut left = self.0;
        for (name, millis) in UNITS {
            if left >= millis {
                text.push_str(&format!("{}{name}", left / millis));
                left %= millis;
            }
        }
        f.pad(&text)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Seconds(u64),
            Fraction(f64),
            Text(String),
        }
        let text = match Raw::deserialize(deserializer)? {
            Raw::Seconds(seconds) => seconds.to_string(),
            Raw::Fraction(seconds) => seconds.to_string(),
            Raw::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_times_in_many_ways() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5", 5000),
            ("0.5", 500),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("2d", 172_800_000),
            ("1.5m", 90_000),
            ("0s", 0),
        ] {
            assert_eq!(text.parse::<Span>().map(Span::as_millis), Ok(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", " ", "s", "5x", "-5s", "1h30", "5 5", "1e9", "99999999999d", "5m5", "∞"]
        {
            assert!(text.parse::<Span>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_time_is_written_so_that_it_reads_back() {
        for millis in [0, 1, 999, 1000, 61_000, 3_600_001, 90_061_001] {
            let span = Span::millis(millis);
            assert_eq!(span.to_string().parse(), Ok(span), "{span}");
        }
    }
}

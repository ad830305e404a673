//! Deciding, from looks at a pane in a row, that its program reads what is typed.

use std::time::{Duration, Instant};

use super::reader::Waiting;

/// Looks in a row that must be the same where the system shows that the program waits.
const SAME_LOOKS: u32 = 2;
/// How long nothing may change where less is known.
const QUIET: Duration = Duration::from_secs(1);
/// The same for a program that waits for keys but has not drawn anything: it may be about to
/// draw, and to tell the terminal how pasted text is to be marked.
const QUIET_BLANK: Duration = Duration::from_millis(500);
/// The same for a program in canonical mode on a system that does not tell what it does.
const QUIET_DOUBTFUL: Duration = Duration::from_secs(3);
/// After this time a program that never stops changing its screen (a clock, a spinner) is taken
/// to be reading, if the rest of the evidence says so.
const RESTLESS: Duration = Duration::from_millis(1500);

/// One look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen<'a> {
    pub(super) canonical: bool,
    pub(super) waiting: Waiting,
    pub(super) screen: &'a str,
    pub(super) cursor: &'a str,
}

impl Seen<'_> {
    /// Whether the program has written anything.
    fn painted(&self) -> bool {
        !self.screen.trim().is_empty() || self.cursor != "0,0"
    }
}

/// Counts for how long a picture stays the same.
#[derive(Debug, Default)]
pub(super) struct Stillness {
    last: Option<(String, String, bool)>,
    since: Option<Instant>,
    same: u32,
}

impl Stillness {
    /// Takes one more look; returns how many looks in a row were the same as the one before, and
    /// for how long.
    pub(super) fn observe(&mut self, seen: &Seen<'_>, now: Instant) -> (u32, Duration) {
        let picture = (seen.screen.to_owned(), seen.cursor.to_owned(), seen.canonical);
        if self.last.as_ref() == Some(&picture) {
            self.same += 1;
        } else {
            self.last = Some(picture);
            self.since = Some(now);
            self.same = 0;
        }
        (self.same, self.since.map_or(Duration::ZERO, |since| now - since))
    }
}

/// The evidence gathered so far.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    still: Stillness,
    inviting_since: Option<Instant>,
}

impl Readiness {
    /// Takes one more look and says whether the program reads its input.
    pub(super) fn observe(&mut self, seen: &Seen<'_>, now: Instant) -> bool {
        let (same, quiet) = self.still.observe(seen, now);
        let painted = seen.painted();
        let settled = match (seen.waiting, seen.canonical) {
            (Waiting::Yes, false) if !painted => quiet >= QUIET_BLANK,
            (Waiting::Yes, _) => same >= SAME_LOOKS,
            (Waiting::Maybe | Waiting::Unknown, false) => painted && same > SAME_LOOKS,
            // Busy with something else now, or waiting in a way that is not known here.
            (Waiting::No, false) => painted && quiet >= QUIET,
            (Waiting::Unknown, true) => painted && quiet >= QUIET_DOUBTFUL,
            // A program that loads waits for much. Lines typed meanwhile would reach it without
            // the marks of a paste and with another submit key.
            (Waiting::Maybe | Waiting::No, true) => false,
        };
        let inviting = painted
            && (seen.waiting == Waiting::Yes || !seen.canonical && seen.waiting != Waiting::No);
        if inviting {
            let since = *self.inviting_since.get_or_insert(now);
            settled || now - since >= RESTLESS
        } else {
            self.inviting_since = None;
            settled
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(30);

    fn seen(canonical: bool, waiting: Waiting, screen: &str) -> Seen<'_> {
        Seen { canonical, waiting, screen, cursor: "0,0" }
    }

    /// After how many equal looks, if within 200, the program counts as reading.
    fn looks_until_ready(look: Seen<'_>) -> Option<u32> {
        let start = Instant::now();
        let mut readiness = Readiness::default();
        (1..=200).find(|n| readiness.observe(&look, start + STEP * *n))
    }

    #[test]
    fn a_program_seen_waiting_is_ready_when_the_screen_rests() {
        assert_eq!(looks_until_ready(seen(true, Waiting::Yes, "")), Some(3));
        assert_eq!(looks_until_ready(seen(true, Waiting::Yes, "$")), Some(3));
        assert_eq!(looks_until_ready(seen(false, Waiting::Yes, "> ")), Some(3));
    }

    #[test]
    fn a_blank_screen_gets_time_to_be_drawn() {
        let looks = looks_until_ready(seen(false, Waiting::Yes, "")).expect("ready at last");
        assert!(STEP * (looks - 1) >= QUIET_BLANK, "{looks}");
    }

    #[test]
    fn a_program_that_waits_for_something_else_is_not_ready() {
        assert_eq!(looks_until_ready(seen(true, Waiting::No, "loading")), None);
        assert_eq!(looks_until_ready(seen(true, Waiting::No, "")), None);
        assert_eq!(looks_until_ready(seen(true, Waiting::Maybe, "loading")), None);
        assert_eq!(looks_until_ready(seen(false, Waiting::No, "")), None);
    }

    #[test]
    fn without_word_from_the_system_the_screen_decides() {
        assert_eq!(looks_until_ready(seen(false, Waiting::Unknown, "> ")), Some(4));
        assert_eq!(looks_until_ready(seen(false, Waiting::Unknown, " \n ")), None);
        assert_eq!(looks_until_ready(seen(true, Waiting::Unknown, "")), None);
        let looks = looks_until_ready(seen(true, Waiting::Unknown, "$")).expect("ready at last");
        assert!(STEP * (looks - 1) >= QUIET_DOUBTFUL, "{looks}");
        let looks = looks_until_ready(seen(false, Waiting::No, "> ")).expect("ready at last");
        assert!(STEP * (looks - 1) >= QUIET, "{looks}");
    }

    #[test]
    fn a_moved_cursor_counts_as_drawn() {
        let look = Seen { cursor: "2,0", ..seen(false, Waiting::Unknown, "") };
        assert_eq!(looks_until_ready(look), Some(4));
    }

    #[test]
    fn a_change_starts_the_count_again() {
        let start = Instant::now();
        let mut readiness = Readiness::default();
        let mut at = |n: u32, screen: &str| {
            readiness.observe(&seen(true, Waiting::Yes, screen), start + STEP * n)
        };
        assert!(!at(0, "a") && !at(1, "a") && !at(2, "b") && !at(3, "b"));
        assert!(at(4, "b"));
    }

    #[test]
    fn a_restless_screen_is_accepted_in_the_end_only_from_a_reader() {
        let first_ready = |canonical, waiting| {
            let start = Instant::now();
            let mut readiness = Readiness::default();
            (0..200).find(|n: &u32| {
                let screen = format!("spin {n}");
                readiness.observe(&seen(canonical, waiting, &screen), start + STEP * *n)
            })
        };
        let looks = first_ready(false, Waiting::Yes).expect("ready at last");
        assert!(STEP * looks >= RESTLESS, "{looks}");
        assert!(first_ready(false, Waiting::Unknown).is_some());
        assert_eq!(first_ready(true, Waiting::Unknown), None);
        assert_eq!(first_ready(false, Waiting::No), None);
    }
}

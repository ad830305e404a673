//! What an agent's program asks at its start, and when it is ready for its prompt.
//!
//! Several questions may come, in any order, each with another answer chosen at first. Each is
//! answered by what the user allowed; the answer is chosen by looking at what is highlighted and
//! moving there. One that is not allowed is left on the screen and told.

use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::core::{Delivery, Outcome, Window};
use crate::domain::agent_cli::screen::{self, Dialog, Reading};
use crate::domain::agent_cli::{AgentCli, Answer, DialogKind, Permit, answer};
use crate::ports::Terminal;
use crate::ports::terminal::Reads;

/// The pause between two looks.
const POLL: Duration = Duration::from_millis(50);
/// How long a question, and a composer, must stand before it counts.
const STANDS: Duration = Duration::from_millis(120);
/// How long a key may take to move the highlight.
const MOVE_MAX: Duration = Duration::from_millis(1500);
/// How long an answer may take to make the question go away.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// More questions than this are not answered: something goes in a circle.
const QUESTIONS_MAX: usize = 12;
/// How long nothing may change on a screen that says nothing known, before its program counts as
/// ready: one that reads lines, one that reads keys, one of which the system tells nothing.
const QUIET: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(1500), Duration::from_secs(3)];
/// The same where it is known how the composer looks and none is there: the real programs need
/// many seconds to draw it on a busy machine, and what is typed before that is lost.
const QUIET_WITHOUT_COMPOSER: Duration = Duration::from_secs(15);
/// The same for a blank screen of a program that reads keys: it may be about to draw.
const QUIET_BLANK: Duration = Duration::from_secs(8);
/// How long a blank screen of a program that does not read is looked at if nothing is to be typed.
const BLANK_MAX: Duration = Duration::from_secs(5);

/// A question that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The dialog's name.
    pub name: String,
    /// What was chosen.
    pub answer: String,
    /// Whether that is no, as nobody allowed more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// What a program showed in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shows {
    /// That it can be typed to.
    Ready,
    /// A question that is not ours to answer.
    Asks(Dialog),
    /// Neither, within the time allowed.
    Nothing,
    /// Its window is gone, or its program has ended.
    Gone,
}

/// How a program's start went.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) shows: Shows,
    pub(super) answered: Vec<Answered>,
}

/// A program that is being started in a window.
pub(super) struct Starter<'a> {
    pub(super) terminal: &'a dyn Terminal,
    pub(super) window: &'a Window,
    pub(super) row: &'a AgentCli,
    pub(super) permit: Permit<'a>,
    /// Whether a prompt is to follow, for which it is worth waiting.
    pub(super) waits: bool,
    /// Whether what would be refused is left instead, as the program remembers the answer.
    pub(super) careful: bool,
}

/// What has been seen so far.
struct Watch {
    screen: String,
    changed_at: Instant,
    reading: Option<Reading>,
    read_at: Instant,
    begun_at: Instant,
}

impl Watch {
    fn new(now: Instant) -> Self {
        Self { screen: String::new(), changed_at: now, reading: None, read_at: now, begun_at: now }
    }

    fn see(&mut self, row: &AgentCli, screen: String, now: Instant) {
        let reading = screen::read(row, &screen);
        if self.screen != screen {
            self.screen = screen;
            self.changed_at = now;
        }
        let same = match (&self.reading, &reading) {
            // Something may move above a question: a logo, a clock.
            (Some(Reading::Dialog(before)), Reading::Dialog(dialog)) => {
                is_same(Some(dialog), before) && dialog.highlighted == before.highlighted
            }
            (before, reading) => before.as_ref() == Some(reading),
        };
        self.reading = Some(reading);
        if !same {
            self.read_at = now;
        }
    }

    /// Whether the present reading has stood long enough to be believed.
    fn stands(&self, now: Instant) -> bool {
        now - self.read_at >= STANDS
    }
}

impl Starter<'_> {
    /// Answers what is asked until the program is ready, or a question is left, or `deadline`.
    pub(super) fn settle(&self, deadline: Instant) -> Outcome<Settled> {
        let mut answered: Vec<Answered> = Vec::new();
        let mut watch = Watch::new(Instant::now());
        loop {
            let Some(screen) = self.screen()? else {
                return Ok(Settled { shows: Shows::Gone, answered });
            };
            let now = Instant::now();
            watch.see(self.row, screen, now);
            let settled = match &watch.reading {
                Some(Reading::Dialog(dialog)) if watch.stands(now) => {
                    let dialog = dialog.clone();
                    if answered.len() < QUESTIONS_MAX
                        && let Some(given) = self.give(&dialog)?
                    {
                        answered.push(given);
                        watch = Watch::new(Instant::now());
                        None
                    } else {
                        Some(Shows::Asks(dialog))
                    }
                }
                Some(Reading::Ready | Reading::Draft { .. } | Reading::Working { .. })
                    if watch.stands(now) =>
                {
                    Some(Shows::Ready)
                }
                Some(Reading::Unknown | Reading::Starting) => self.without_marks(&watch, now),
                _ => None,
            };
            if let Some(shows) = settled {
                return Ok(Settled { shows, answered });
            }
            if now >= deadline {
                return Ok(Settled { shows: Shows::Nothing, answered });
            }
            thread::sleep(POLL);
        }
    }

    /// What a screen comes to that shows nothing known: its program may be one that only has the
    /// name of a known one, or a release that looks different.
    fn without_marks(&self, watch: &Watch, now: Instant) -> Option<Shows> {
        let quiet = now - watch.changed_at;
        if quiet < QUIET[0] {
            return None;
        }
        let blank = watch.screen.trim().is_empty();
        let starting = watch.reading == Some(Reading::Starting) && !blank;
        let composer = &self.row.screen.composer;
        let composer = composer.ruled || !composer.prefix.is_empty();
        let needed = match self.terminal.reads(self.window) {
            Ok(Reads::Lines) => QUIET[0],
            Ok(Reads::Keys) if composer => QUIET_WITHOUT_COMPOSER,
            Ok(Reads::Keys) if blank => QUIET_BLANK,
            Ok(Reads::Keys) if starting => QUIET[2] * 2,
            Ok(Reads::Keys) => QUIET[1],
            Ok(Reads::Unknown) if !blank && !starting => QUIET[2],
            Ok(_) if !self.waits && blank && now - watch.begun_at >= BLANK_MAX => {
                return Some(Shows::Nothing);
            }
            Ok(_) => return None,
            Err(_) => return Some(Shows::Gone),
        };
        (quiet >= needed).then_some(Shows::Ready)
    }

    /// What the window shows; `None` if its program has ended.
    fn screen(&self) -> Outcome<Option<String>> {
        let shown = self.terminal.screens(std::slice::from_ref(self.window))?;
        Ok(shown.into_iter().flatten().next().filter(|s| !s.ended).map(|s| s.screen))
    }

    fn read(&self) -> Outcome<Option<Reading>> {
        Ok(self.screen()?.map(|screen| screen::read(self.row, &screen)))
    }

    /// Answers a question as the user allowed. `None` if it is left, or the answer did not work.
    fn give(&self, dialog: &Dialog) -> Outcome<Option<Answered>> {
        let name = dialog.name.clone();
        let said = match answer(self.row, dialog, self.permit) {
            Answer::Leave => return Ok(None),
            _ if self.careful && dialog.kind == DialogKind::ApiKey => return Ok(None),
            Answer::Press(keys) => {
                let said = keys.join(" ");
                self.press(&keys)?;
                said
            }
            Answer::Choose(at) => {
                if !self.move_to(dialog, at)? {
                    return Ok(None);
                }
                self.press(&["Enter".to_owned()])?;
                dialog.options[at].clone()
            }
        };
        let gone = self.wait(ANSWER_MAX, |reading| !is_same(reading.dialog(), dialog))?;
        let spec = self.row.dialogs.iter().find(|spec| spec.name == name);
        let is = |texts: &[String]| texts.iter().any(|text| screen::says(&said, text));
        let refused = spec.is_some_and(|spec| is(&spec.no) && !is(&spec.yes));
        Ok(gone.then_some(Answered { name, answer: said, refused }))
    }

    /// Moves the highlight to an option, one key at a time, watching it move.
    fn move_to(&self, dialog: &Dialog, wanted: usize) -> Outcome<bool> {
        let mut dialog = dialog.clone();
        // A program may need a moment until it takes keys; then the first of them is lost.
        for _ in 0..dialog.options.len() * 2 + 2 {
            let Some(at) = dialog.highlighted else { return Ok(false) };
            if at == wanted {
                return Ok(true);
            }
            let key = if at < wanted { "Down" } else { "Up" };
            self.press(&[key.to_owned()])?;
            let asked = dialog.clone();
            let moved = |reading: &Reading| {
                let now = reading.dialog();
                !is_same(now, &asked) || now.is_some_and(|now| now.highlighted != Some(at))
            };
            self.wait(MOVE_MAX, moved)?;
            match self.read()? {
                Some(Reading::Dialog(now)) if is_same(Some(&now), &dialog) => dialog = now,
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    fn press(&self, keys: &[String]) -> Outcome<bool> {
        Ok(self.terminal.press(self.window, keys)?)
    }

    /// Waits until the screen reads as wanted; a program that has ended reads as anything.
    fn wait(&self, most: Duration, wanted: impl Fn(&Reading) -> bool) -> Outcome<bool> {
        let deadline = Instant::now() + most;
        loop {
            match self.read()? {
                None => return Ok(true),
                Some(reading) if wanted(&reading) => return Ok(true),
                Some(_) if Instant::now() >= deadline => return Ok(false),
                Some(_) => thread::sleep(POLL),
            }
        }
    }

    /// Waits until the program shows that it took the prompt: its composer is empty again, or it
    /// works. A submit key that came too soon after the text is pressed again.
    pub(super) fn confirm(&self, most: Duration) -> Outcome<Taken> {
        let begun = Instant::now();
        let mut again = [Duration::from_millis(700), Duration::from_secs(2)].into_iter().peekable();
        loop {
            let Some(reading) = self.read()? else { return Ok(Taken::Prompted) };
            let late = begun.elapsed() >= most;
            match reading {
                Reading::Working { draft: None } => return Ok(Taken::Working),
                Reading::Dialog(_) => return Ok(Taken::Prompted),
                Reading::Draft { .. } | Reading::Working { .. } if late => {
                    return Ok(Taken::Stalled);
                }
                Reading::Draft { .. } | Reading::Working { .. }
                    if again.next_if(|after| begun.elapsed() >= *after).is_some() =>
                {
                    self.press(std::slice::from_ref(&self.row.screen.submit))?;
                }
                Reading::Draft { .. } | Reading::Working { .. } => {}
                // Work may be over before it is seen, or begin a moment later.
                _ if begun.elapsed() >= Duration::from_secs(1) => return Ok(Taken::Prompted),
                _ => {}
            }
            thread::sleep(POLL);
        }
    }

    /// Types a prompt into a program whose submit key is not Enter.
    pub(super) fn type_with_own_key(&self, text: &str) -> Outcome<Delivery> {
        if !self.terminal.paste(self.window, text)? {
            return Ok(Delivery::NotReady);
        }
        self.wait(Duration::from_secs(2), |reading| matches!(reading, Reading::Draft { .. }))?;
        let pressed = self.press(std::slice::from_ref(&self.row.screen.submit))?;
        Ok(if pressed { Delivery::Delivered } else { Delivery::NotTaken })
    }
}

/// What became of a prompt that was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is not in the composer any more.
    Prompted,
    /// The program works.
    Working,
    /// It still stands in the composer.
    Stalled,
}

/// Whether a question is the same, whatever is highlighted.
fn is_same(now: Option<&Dialog>, before: &Dialog) -> bool {
    now.is_some_and(|now| now.name == before.name && now.options == before.options)
}

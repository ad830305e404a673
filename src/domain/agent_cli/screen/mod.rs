//! What the screen of an agent program shows.
//!
//! A screen is the last source that is asked, as programs change how they look: what does not fit
//! anything known is [`Reading::Unknown`], never a guess.

mod marks;
mod menu;
mod text;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use self::menu::Menu;
use self::text::Line;
use super::row::{AgentCli, DialogKind, DialogSpec};

/// How many written lines above a menu belong to what is asked.
const QUESTION_LINES: usize = 25;
/// In how many of the last written lines marks of a program at work are looked for.
const STATUS_LINES: usize = 14;
/// How many written lines may follow the composer where the row does not say.
const BELOW_COMPOSER: usize = 6;
/// The name of a dialog that no row describes.
const UNNAMED: &str = "unnamed";

/// What a screen shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shows", rename_all = "snake_case")]
pub enum Reading {
    /// Nothing yet, or that the program is being loaded.
    Starting,
    /// A question that has to be answered before anything else.
    Dialog(Dialog),
    /// That the program works.
    Working {
        /// What stands in its composer meanwhile.
        draft: Option<String>,
    },
    /// An empty composer, and nothing that runs.
    Ready,
    /// A composer that holds a text that was not sent.
    Draft {
        /// The text, as far as it can be seen.
        text: String,
    },
    /// Nothing that is known.
    Unknown,
}

impl Reading {
    /// Whether the program can take a prompt: its composer is there and empty.
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }

    /// The dialog, if there is one.
    pub fn dialog(&self) -> Option<&Dialog> {
        match self {
            Self::Dialog(dialog) => Some(dialog),
            _ => None,
        }
    }
}

/// A question on a screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// Its name in the row; `unnamed` if the row has none for it.
    pub name: String,
    /// What it is about.
    pub kind: DialogKind,
    /// What is asked, without the options: lines as they stand on the screen.
    pub text: String,
    /// The answers to choose from; none if keys answer it.
    pub options: Vec<String>,
    /// The place in `options` of the one that the submit key would choose now.
    pub highlighted: Option<usize>,
}

/// Reads a screen: lines of text, with or without the escape sequences of colours (`capture-pane
/// -e`). With them a text that is only shown as an example is told from one that was typed.
pub fn read(row: &AgentCli, screen: &str) -> Reading {
    let lines = text::lines(screen);
    if lines.iter().all(|line| line.text.trim().is_empty()) {
        return Reading::Starting;
    }
    if let Some(dialog) = dialog(row, &lines) {
        return Reading::Dialog(dialog);
    }
    let composer = composer(row, &lines);
    let tail = text::written_tail(&lines, STATUS_LINES);
    if marks::any(&row.screen.working, tail) {
        return Reading::Working { draft: composer.filter(|text| !text.is_empty()) };
    }
    let marked = |marks: &[String]| marks::any(marks, tail);
    match composer {
        // Some show their composer before they are there.
        _ if marked(&row.screen.starting) => Reading::Starting,
        Some(text) if !text.is_empty() => Reading::Draft { text },
        Some(_) => Reading::Ready,
        None if marked(&row.screen.idle) || marked(&row.screen.ready) => Reading::Ready,
        None => Reading::Unknown,
    }
}

/// The dialog that the screen ends with.
fn dialog(row: &AgentCli, lines: &[Line]) -> Option<Dialog> {
    let menu = menu::last(lines);
    if let Some(menu) = &menu {
        let first = question_start(lines, menu.first);
        let own = own_words(&lines[first..]);
        let found = row.dialogs.iter().find(|spec| has_options(spec) && fits(spec, &own));
        if let Some(spec) = found.filter(|spec| names_an_option(spec, menu)) {
            return Some(with_menu(&spec.name, spec.kind, lines, first, menu));
        }
        // Something typed in a composer can look like a menu without numbers.
        if menu.numbered && menu.options.len() > 1 {
            return Some(with_menu(UNNAMED, DialogKind::Other, lines, first, menu));
        }
    }
    let tail = text::written_tail(lines, QUESTION_LINES);
    let spec = row.dialogs.iter().find(|spec| !has_options(spec) && fits(spec, tail))?;
    Some(Dialog {
        name: spec.name.clone(),
        kind: spec.kind,
        text: text::block(tail),
        options: Vec::new(),
        highlighted: None,
    })
}

fn with_menu(name: &str, kind: DialogKind, lines: &[Line], first: usize, menu: &Menu) -> Dialog {
    Dialog {
        name: name.to_owned(),
        kind,
        text: text::block(&lines[first..menu.first]),
        options: menu.options.clone(),
        highlighted: menu.highlighted,
    }
}

/// Whether a dialog is answered by choosing an option.
fn has_options(spec: &DialogSpec) -> bool {
    spec.yes_keys.is_empty() && spec.no_keys.is_empty()
}

fn fits(spec: &DialogSpec, lines: &[Line]) -> bool {
    let seen = marks::Seen::of(lines);
    spec.all.iter().all(|mark| seen.has(mark))
        && (spec.any.is_empty() || spec.any.iter().any(|mark| seen.has(mark)))
}

/// Whether the menu has one of the answers that the row knows. A row may know none.
fn names_an_option(spec: &DialogSpec, menu: &Menu) -> bool {
    let known = || spec.yes.iter().chain(&spec.no);
    known().next().is_none()
        || menu.options.iter().any(|option| known().any(|answer| says(option, answer)))
}

/// Whether an option says `answer`, which is a piece of it in lower case.
pub fn says(option: &str, answer: &str) -> bool {
    option.to_lowercase().contains(answer)
}

/// The first line of what is asked above a menu: up to a rule, and not more than can belong to it.
/// What stands between two edges belongs to it however long it is.
fn question_start(lines: &[Line], menu: usize) -> usize {
    let mut written = 0;
    let mut shown = false;
    for at in (0..menu).rev() {
        if lines[at].is_edge() {
            shown = !shown;
        } else if lines[at].is_rule() {
            return at + 1;
        } else if !lines[at].text.trim().is_empty() && !shown {
            written += 1;
        }
        if written > QUESTION_LINES {
            return at + 1;
        }
    }
    0
}

/// What the program itself says: without what it shows between edges, which can say anything.
fn own_words(lines: &[Line]) -> Vec<Line> {
    // From below: the upper edge may be off the screen.
    let mut shown = false;
    let own = lines.iter().rev().filter(|line| {
        shown ^= line.is_edge();
        !shown && !line.is_edge()
    });
    let mut own: Vec<Line> = own.cloned().collect();
    own.reverse();
    own
}

/// What stands in the composer, `None` if there is no composer.
fn composer(row: &AgentCli, lines: &[Line]) -> Option<String> {
    let spec = &row.screen.composer;
    if spec.ruled {
        return ruled(lines, spec.below.unwrap_or(0));
    }
    if !spec.foot.is_empty() {
        let text = barred(lines, &spec.foot)?;
        return Some(if marks::any_in(&spec.placeholder, &text) { String::new() } else { text });
    }
    let at = lines.iter().rposition(|line| line.after_prefix(&spec.prefix).is_some())?;
    let below = spec.below.unwrap_or(BELOW_COMPOSER);
    let first = lines[at].after_prefix(&spec.prefix)?;
    let more = lines[at + 1..].iter().take_while(|line| line.belongs_to_draft());
    let more: Vec<&Line> = more.collect();
    let rest = &lines[at + 1 + more.len()..];
    let written = rest.iter().filter(|line| !line.is_rule() && !line.is_blank()).count();
    if written > below {
        return None;
    }
    let typed = lines[at].typed_after(&spec.prefix);
    let placeholder = marks::any_in(&spec.placeholder, first);
    let mut text = if placeholder { String::new() } else { typed };
    for line in more {
        text.push('\n');
        text.push_str(&line.typed());
    }
    Some(text.trim().to_owned())
}

/// A composer without a prefix: the lines with a bar above the last line that begins with `foot`,
/// but for the last written one.
fn barred(lines: &[Line], foot: &str) -> Option<String> {
    let end = lines.iter().rposition(|line| line.text.trim_start().starts_with(foot))?;
    let bars = lines[..end].iter().rev().map_while(Line::beside_bar);
    let mut typed: Vec<String> = bars.skip_while(String::is_empty).skip(1).collect();
    typed.reverse();
    Some(typed.join("\n").trim().to_owned())
}

/// A composer without a prefix: what stands between the last two rules, if at most `below` lines
/// follow them.
fn ruled(lines: &[Line], below: usize) -> Option<String> {
    let last = lines.iter().rposition(Line::is_rule)?;
    let first = lines[..last].iter().rposition(Line::is_rule)?;
    if lines[last + 1..].iter().filter(|line| !line.is_blank()).count() > below {
        return None;
    }
    let typed: Vec<String> = lines[first + 1..last].iter().map(Line::typed).collect();
    Some(typed.join("\n").trim().to_owned())
}

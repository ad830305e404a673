//! Finding marks: pieces of text in lower case, in which `*` stands for anything on the line.

use super::text::Line;

/// A screen or a part of it, made ready for looking for marks.
pub(super) struct Seen {
    /// The lines in lower case, frames and runs of blanks left out.
    lines: Vec<String>,
    /// All of it as one line, as a text that was broken to fit the screen.
    joined: String,
}

impl Seen {
    pub(super) fn of(lines: &[Line]) -> Self {
        let lines: Vec<String> = lines.iter().map(|line| line.plain().to_lowercase()).collect();
        let joined = lines.iter().filter(|line| !line.is_empty()).map(String::as_str);
        Self { joined: joined.collect::<Vec<_>>().join(" "), lines }
    }

    /// Whether the mark is there. One without `*` may be broken over lines.
    pub(super) fn has(&self, mark: &str) -> bool {
        if mark.contains('*') {
            self.lines.iter().any(|line| fits(mark, line))
        } else {
            self.joined.contains(mark)
        }
    }
}

/// Whether the pieces of a mark are in `line` in their order.
fn fits(mark: &str, line: &str) -> bool {
    let mut rest = line;
    mark.split('*').all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

/// Whether one of the marks is in the lines.
pub(super) fn any(marks: &[String], lines: &[Line]) -> bool {
    if marks.is_empty() {
        return false;
    }
    let seen = Seen::of(lines);
    marks.iter().any(|mark| seen.has(mark))
}

/// Whether one of the marks is in one text.
pub(super) fn any_in(marks: &[String], text: &str) -> bool {
    let text = text.to_lowercase();
    marks.iter().any(|mark| fits(mark, &text))
}

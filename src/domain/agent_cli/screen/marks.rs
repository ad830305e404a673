//! Finding marks: pieces of text in lower case, in which `*` stands for anything on the line and
//! `^` and `$` for its ends.

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
        if mark.contains('*') || mark.starts_with('^') || mark.ends_with('$') {
            self.lines.iter().any(|line| fits(mark, line))
        } else {
            self.joined.contains(mark)
        }
    }
}

/// Whether the pieces of a mark are in `line` in their order.
fn fits(mark: &str, line: &str) -> bool {
    let (mark, from_start) = mark.strip_prefix('^').map_or((mark, false), |rest| (rest, true));
    let (mark, to_end) = mark.strip_suffix('$').map_or((mark, false), |rest| (rest, true));
    let pieces = pieces(mark);
    let mut rest = line;
    for (number, piece) in pieces.iter().enumerate() {
        let last = number + 1 == pieces.len();
        let found = if number == 0 && from_start {
            rest.starts_with(piece.as_str()).then_some(0)
        } else if last && to_end {
            rest.len().checked_sub(piece.len()).filter(|_| rest.ends_with(piece.as_str()))
        } else {
            rest.find(piece.as_str())
        };
        let Some(at) = found else { return false };
        rest = &rest[at + piece.len()..];
        if last && to_end && !rest.is_empty() {
            return false;
        }
    }
    true
}

/// The parts of a mark between its stars. A star after a backslash is the star itself.
fn pieces(mark: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut chars = mark.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = c == '\\' && chars.peek() == Some(&'*');
        if c == '*' {
            pieces.push(String::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push(if escaped { '*' } else { c });
        }
        if escaped {
            chars.next();
        }
    }
    pieces
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_pieces_of_lines() {
        for (mark, line, found) in [
            ("esc to", "press esc to end", true),
            ("a*c", "xabcx", true),
            ("c*a", "abc", false),
            ("^? for shortcuts$", "? for shortcuts", true),
            ("^? for shortcuts$", "? for shortcuts 100% left", false),
            ("^\\* *…", "* thinking… (3s)", true),
            ("^\\* *…", "a * thinking…", false),
            ("^a*b$", "a x b", true),
            ("^a*b$", "a b x", false),
            ("", "x", true),
        ] {
            assert_eq!(fits(mark, line), found, "{mark:?} in {line:?}");
        }
    }
}

//! Tables in box-drawing characters.

use unicode_width::UnicodeWidthStr;

use crate::core::text::printable;

/// A table with a title and a heading.
#[derive(Debug, Clone, Default)]
pub struct Table {
    title: String,
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug, Clone)]
struct Column {
    heading: String,
    right: bool,
    /// Whether its cells may be broken into lines when the table is too wide.
    breaks: bool,
}

impl Table {
    /// A table without columns.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds a column whose cells stay on one line: names and identifiers, which people copy.
    #[must_use]
    pub fn column(self, heading: &str) -> Self {
        self.with(heading, false, false)
    }

    /// Adds a column of numbers.
    #[must_use]
    pub fn number(self, heading: &str) -> Self {
        self.with(heading, true, false)
    }

    /// Adds a column of prose, broken into lines if need be.
    #[must_use]
    pub fn prose(self, heading: &str) -> Self {
        self.with(heading, false, true)
    }

    fn with(mut self, heading: &str, right: bool, breaks: bool) -> Self {
        self.columns.push(Column { heading: heading.to_owned(), right, breaks });
        self
    }

    /// Adds a row with a cell for each column.
    pub fn row<I: IntoIterator<Item = S>, S: Into<String>>(&mut self, cells: I) {
        let cells: Vec<String> =
            cells.into_iter().map(|cell| printable(&cell.into(), false)).collect();
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells);
    }

    /// The table as text, at most `width` columns wide if its prose can be broken so.
    pub fn render(&self, width: usize) -> String {
        let widths = self.widths(width);
        let total = widths.iter().sum::<usize>() + 3 * widths.len() + 1;
        let mut out = String::new();
        if !self.title.is_empty() {
            let title = printable(&self.title, false);
            let indent = total.saturating_sub(title.width()) / 2;
            out.push_str(&" ".repeat(indent));
            out.push_str(&title);
            out.push('\n');
        }
        rule(&mut out, &widths, ['┏', '━', '┳', '┓']);
        let headings: Vec<String> = self.columns.iter().map(|c| c.heading.clone()).collect();
        self.lines(&mut out, &headings, &widths, '┃');
        rule(&mut out, &widths, ['┡', '━', '╇', '┩']);
        for row in &self.rows {
            self.lines(&mut out, row, &widths, '│');
        }
        rule(&mut out, &widths, ['└', '─', '┴', '┘']);
        out.pop();
        out
    }

    fn widths(&self, width: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = self.columns.iter().map(|c| c.heading.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let borders = 3 * widths.len() + 1;
        // Narrower than this, words fall apart; then the table is rather too wide.
        let least = 20;
        loop {
            let excess = (widths.iter().sum::<usize>() + borders).saturating_sub(width);
            let widest = widths
                .iter()
                .enumerate()
                .filter(|(n, width)| self.columns[*n].breaks && **width > least)
                .max_by_key(|(_, width)| **width)
                .map(|(n, _)| n);
            match widest {
                Some(n) if excess > 0 => widths[n] = widths[n].saturating_sub(excess).max(least),
                _ => return widths,
            }
        }
    }

    fn lines(&self, out: &mut String, cells: &[String], widths: &[usize], bar: char) {
        let broken: Vec<Vec<String>> =
            cells.iter().zip(widths).map(|(cell, width)| break_lines(cell, *width)).collect();
        let height = broken.iter().map(Vec::len).max().unwrap_or(1);
        for line in 0..height {
            out.push(bar);
            for ((column, parts), width) in self.columns.iter().zip(&broken).zip(widths) {
                let part = parts.get(line).map_or("", String::as_str);
                let space = " ".repeat(width.saturating_sub(part.width()));
                let (left, right) =
                    if column.right { (space.as_str(), "") } else { ("", space.as_str()) };
                out.push(' ');
                out.push_str(left);
                out.push_str(part);
                out.push_str(right);
                out.push(' ');
                out.push(bar);
            }
            out.push('\n');
        }
    }
}

fn rule(out: &mut String, widths: &[usize], [left, line, cross, right]: [char; 4]) {
    out.push(left);
    for (n, width) in widths.iter().enumerate() {
        if n > 0 {
            out.push(cross);
        }
        out.extend(std::iter::repeat_n(line, width + 2));
    }
    out.push(right);
    out.push('\n');
}

/// Breaks `text` into lines of at most `width` columns, between words where that is possible.
pub(super) fn break_lines(text: &str, width: usize) -> Vec<String> {
    if text.width() <= width {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let line = lines.last_mut().expect("there is always a line");
            let space = usize::from(!line.is_empty());
            if line.width() + space + word.width() <= width {
                if space == 1 {
                    line.push(' ');
                }
                line.push_str(word);
                break;
            }
            if line.is_empty() {
                let end = fitting(word, width);
                line.push_str(&word[..end]);
                word = &word[end..];
                if word.is_empty() {
                    break;
                }
            }
            lines.push(String::new());
        }
    }
    lines
}

/// How many bytes of `word` fit into `width` columns; at least one character.
fn fitting(word: &str, width: usize) -> usize {
    let mut used = 0;
    for (at, c) in word.char_indices() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used > width && at > 0 {
            return at;
        }
    }
    word.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let mut table = Table::new("Tasks - t").column("ID").prose("Subject").number("Inbox");
        table.row(["1097af77", "First", "1"]);
        table.row(["87ad95d7", "[red] :bug: [/x] and\x1b[31m more", "12"]);
        table
    }

    #[test]
    fn user_text_is_shown_literally() {
        let text = sample().render(80);
        assert!(
            text.contains("│ 87ad95d7 │ [red] :bug: [/x] and\\x1b[31m more │    12 │"),
            "{text}"
        );
        assert!(text.starts_with(&format!("{:>32}\n┏━━", "Tasks - t")), "{text}");
    }

    #[test]
    fn wide_prose_is_broken_between_words() {
        let text = sample().render(45);
        assert!(text.lines().skip(1).all(|line| line.width() <= 45), "{text}");
        assert!(text.contains("1097af77"));
    }

    #[test]
    fn words_longer_than_a_line_are_cut() {
        assert_eq!(break_lines("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(break_lines("漢字漢字", 4), ["漢字", "漢字"]);
        assert_eq!(break_lines("", 4), [""]);
    }
}

//! Boxes with a title, side by side if there is room.

use unicode_width::UnicodeWidthStr;

use super::table::break_lines;
use crate::core::text::printable;

/// A box with a title and lines in it.
#[derive(Debug, Clone)]
pub struct Panel {
    title: String,
    lines: Vec<String>,
}

impl Panel {
    /// A box around `lines`; control characters in them are shown.
    pub fn new(title: &str, lines: impl IntoIterator<Item = String>) -> Self {
        let lines = lines.into_iter().map(|line| printable(&line, false)).collect();
        Self { title: printable(title, false), lines }
    }

    /// The box as lines, `width` columns wide.
    pub fn render(&self, width: usize) -> Vec<String> {
        let inner = width.saturating_sub(4);
        let title = format!(" {} ", self.title);
        let fill = width.saturating_sub(2).saturating_sub(title.width());
        let (left, right) = (fill / 2, fill - fill / 2);
        let mut out = vec![format!("╭{}{title}{}╮", "─".repeat(left), "─".repeat(right))];
        for line in &self.lines {
            for part in break_lines(line, inner) {
                let space = " ".repeat(inner.saturating_sub(part.width()));
                out.push(format!("│ {part}{space} │"));
            }
        }
        out.push(format!("╰{}╯", "─".repeat(width.saturating_sub(2))));
        out
    }
}

/// Puts two boxes side by side, each as lines.
pub fn columns(left: &[String], right: &[String], gap: usize) -> Vec<String> {
    let width = left.iter().map(|line| line.width()).max().unwrap_or(0);
    let height = left.len().max(right.len());
    (0..height)
        .map(|n| {
            let (l, r) = (left.get(n).map_or("", |l| l), right.get(n).map_or("", |r| r));
            let space = " ".repeat(width.saturating_sub(l.width()) + gap);
            format!("{l}{space}{r}").trim_end().to_owned()
        })
        .collect()
}

//! A list of answers to choose from.

use super::text::Line;

/// What stands before the option that the submit key would choose.
const POINTERS: [char; 8] = ['❯', '›', '>', '●', '▶', '→', '▸', '◉'];
/// What may stand before the others.
const OTHERS: [char; 2] = ['○', '◯'];
/// What frames are made of.
const FRAME: [char; 4] = ['│', '┃', '║', '|'];
/// Written lines that may follow a menu (what to press, a status line).
const BELOW: usize = 7;

/// A menu on a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Menu {
    /// The line of its first option.
    pub(super) first: usize,
    /// Its options, without numbers.
    pub(super) options: Vec<String>,
    /// Which of them is chosen now.
    pub(super) highlighted: Option<usize>,
    /// Whether its options have numbers.
    pub(super) numbered: bool,
}

/// A line as one of a menu.
#[derive(Debug)]
struct Row {
    pointer: bool,
    number: Option<usize>,
    /// The column that the text begins in.
    column: usize,
    text: String,
}

impl Row {
    fn of(line: &Line) -> Option<Self> {
        let mut chars = line.text.chars().peekable();
        let mut column = 0;
        let mut pointer = false;
        let mut marked = false;
        while let Some(c) = chars.peek().copied() {
            let mark = POINTERS.contains(&c) || OTHERS.contains(&c);
            if mark && marked || !mark && !c.is_whitespace() && !FRAME.contains(&c) {
                break;
            }
            marked |= mark;
            pointer |= POINTERS.contains(&c);
            column += 1;
            chars.next();
        }
        let rest: String = chars.collect();
        let rest = rest.trim_end().trim_end_matches(FRAME).trim_end();
        if rest.is_empty() {
            return None;
        }
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        let after = &rest[digits..];
        let numbered =
            digits > 0 && digits < 3 && (after.starts_with(". ") || after.starts_with(") "));
        let (number, text) =
            if numbered { (rest[..digits].parse().ok(), after[2..].trim()) } else { (None, rest) };
        Some(Self { pointer, number, column, text: text.to_owned() })
    }
}

/// The last menu of the screen, if nothing but hints follows it and one of its options is chosen.
pub(super) fn last(lines: &[Line]) -> Option<Menu> {
    let rows: Vec<Option<Row>> =
        lines.iter().map(|line| if line.is_rule() { None } else { Row::of(line) }).collect();
    numbered(lines, &rows).or_else(|| unnumbered(lines, &rows))
}

/// Whether only hints follow a menu, and no composer: then it would be a text with numbers.
fn only_hints_below(lines: &[Line], last: usize) -> bool {
    let written = || lines[last + 1..].iter().filter(|line| !line.is_blank() && !line.is_rule());
    let composer = |line: &Line| line.plain().starts_with(['❯', '›', '>']);
    written().count() <= BELOW && !written().any(composer)
}

/// A menu of the numbers 1, 2, … in which lines without number go on with an option.
fn numbered(lines: &[Line], rows: &[Option<Row>]) -> Option<Menu> {
    let number = |at: usize| rows[at].as_ref().and_then(|row| row.number);
    let first = (0..rows.len()).rev().find(|at| number(*at) == Some(1))?;
    let mut menu = Menu { first, options: Vec::new(), highlighted: None, numbered: true };
    let mut last = first;
    for (at, row) in rows.iter().enumerate().skip(first) {
        let Some(row) = row else {
            if lines[at].is_rule() {
                break;
            }
            continue;
        };
        let expected = menu.options.len() + 1;
        if row.number == Some(expected) {
            if row.pointer {
                menu.highlighted = Some(expected - 1);
            }
            menu.options.push(row.text.clone());
            last = at;
        } else if row.number.is_none()
            && !row.pointer
            && at == last + 1
            && is_deeper(rows, first, row)
        {
            if let Some(option) = menu.options.last_mut() {
                option.push(' ');
                option.push_str(&row.text);
            }
            last = at;
        } else if row.pointer {
            // Another menu, or a composer under something that only looks like a menu.
            return None;
        }
    }
    (menu.highlighted.is_some() && only_hints_below(lines, last)).then_some(menu)
}

/// Whether a line is set in under the text of the options.
fn is_deeper(rows: &[Option<Row>], first: usize, row: &Row) -> bool {
    rows[first].as_ref().is_some_and(|option| row.column > option.column)
}

/// A menu without numbers: lines one under the other, one of them with a pointer.
fn unnumbered(lines: &[Line], rows: &[Option<Row>]) -> Option<Menu> {
    let at = rows.iter().rposition(|row| row.as_ref().is_some_and(|row| row.pointer))?;
    let column = rows[at].as_ref()?.column;
    let same = |at: usize| rows[at].as_ref().is_some_and(|row| row.column == column);
    let first = (0..at).rev().take_while(|at| same(*at)).last().unwrap_or(at);
    let last = (at + 1..rows.len()).take_while(|at| same(*at)).last().unwrap_or(at);
    if first == last || !only_hints_below(lines, last) {
        return None;
    }
    let options = rows[first..=last].iter().flatten().map(|row| row.text.clone()).collect();
    Some(Menu { first, options, highlighted: Some(at - first), numbered: false })
}

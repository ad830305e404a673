//! The lines of a screen, and which of their characters somebody typed.

/// Characters of frames around what matters.
const FRAME: [char; 6] = ['│', '┃', '║', '▌', '▐', '|'];
/// Characters that rules and the upper and lower edges of frames are made of.
const RULE: [char; 17] =
    ['─', '━', '═', '╌', '┄', '▔', '▁', '▀', '▄', '╭', '╮', '╰', '╯', '┌', '┐', '└', '┘'];
/// Those of broken rules.
const EDGE: [char; 2] = ['╌', '┄'];
/// Blanks between a composer and a panel to the right of it.
const GAP: &str = "        ";
/// The shortest row of such characters that counts as a rule.
const RULE_MIN: usize = 8;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The line without escape sequences and blanks at its end.
    pub(super) text: String,
    /// For each character, whether it is shown as an example (faint) or as the cursor (inverse).
    hints: Vec<bool>,
}

/// How characters are shown.
#[derive(Debug, Clone, Copy, Default)]
struct Style {
    faint: bool,
    inverse: bool,
}

impl Style {
    /// Takes the parameters of an SGR sequence.
    fn apply(&mut self, parameters: &str) {
        let mut numbers = parameters.split([';', ':']).map(|n| n.parse::<u16>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                2 => self.faint = true,
                22 => self.faint = false,
                7 => self.inverse = true,
                27 => self.inverse = false,
                38 | 48 | 58 => match numbers.next() {
                    Some(5) => drop(numbers.next()),
                    Some(2) => drop((numbers.next(), numbers.next(), numbers.next())),
                    _ => {}
                },
                _ => {}
            }
        }
    }
}

/// The lines of a screen.
pub(super) fn lines(screen: &str) -> Vec<Line> {
    // tmux writes a style once, and it holds over the ends of lines.
    let mut style = Style::default();
    screen.split('\n').map(|line| read(line, &mut style)).collect()
}

fn read(line: &str, style: &mut Style) -> Line {
    let mut text = String::new();
    let mut hints = Vec::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => escape(&mut rest, style),
            '\r' => {}
            c => {
                text.push(if c == '\u{a0}' { ' ' } else { c });
                hints.push(style.faint || style.inverse);
            }
        }
    }
    let text = text.trim_end().to_owned();
    hints.truncate(text.chars().count());
    Line { text, hints }
}

/// Takes an escape sequence from the text after its first character.
fn escape(rest: &mut std::str::Chars<'_>, style: &mut Style) {
    match rest.next() {
        Some('[') => {
            let mut parameters = String::new();
            for c in rest.by_ref() {
                if ('\x40'..='\x7e').contains(&c) {
                    if c == 'm' {
                        style.apply(&parameters);
                    }
                    return;
                }
                parameters.push(c);
            }
        }
        // A title or a link, up to its end: BEL, or ESC and a backslash.
        Some(']') => {
            while let Some(c) = rest.next() {
                if c == '\x07' || c == '\x1b' && rest.next().is_some() {
                    return;
                }
            }
        }
        _ => {}
    }
}

impl Line {
    /// The line without its frame.
    pub(super) fn plain(&self) -> String {
        let inner = self.text.trim().trim_matches(FRAME).trim();
        inner.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether it holds nothing, apart from a frame.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim_matches(|c: char| c.is_whitespace() || FRAME.contains(&c)).is_empty()
    }

    /// Whether it is a rule, or the upper or lower edge of a frame. A title may be set into it.
    pub(super) fn is_rule(&self) -> bool {
        let line = self.text.trim();
        let first = line.chars().next();
        first.is_some_and(|first| RULE.contains(&first))
            && line.chars().filter(|c| RULE.contains(c)).count() >= RULE_MIN
    }

    /// Whether it is a broken rule: the edge of what a question shows (a command, a change).
    pub(super) fn is_edge(&self) -> bool {
        self.is_rule() && self.text.trim_start().starts_with(EDGE)
    }

    /// Whether it can be a further line of what is being typed.
    pub(super) fn belongs_to_draft(&self) -> bool {
        !self.is_rule() && !self.is_blank()
    }

    /// Where in the line what follows a prefix begins, counted in characters.
    fn start_after(&self, prefixes: &[String]) -> Option<usize> {
        let edge = |c: &char| c.is_whitespace() || FRAME.contains(c);
        let indent = self.text.chars().take_while(edge).count();
        let inner: String = self.text.chars().skip(indent).collect();
        let prefix = prefixes.iter().find(|prefix| {
            let rest = inner.strip_prefix(prefix.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })?;
        Some(indent + prefix.chars().count())
    }

    /// What follows one of the prefixes, without blanks and frame.
    pub(super) fn after_prefix(&self, prefixes: &[String]) -> Option<&str> {
        let start = self.start_after(prefixes)?;
        let at = self.text.char_indices().nth(start).map_or(self.text.len(), |(at, _)| at);
        Some(self.text[at..].trim().trim_end_matches(FRAME).trim_end())
    }

    /// The same, without what is only shown as an example.
    pub(super) fn typed_after(&self, prefixes: &[String]) -> String {
        self.typed_from(self.start_after(prefixes).unwrap_or(0))
    }

    /// The line, without what is only shown as an example.
    pub(super) fn typed(&self) -> String {
        self.typed_from(0)
    }

    /// What stands beside the bar that the line begins with, without what is only shown as an
    /// example, and without what a panel to the right of it shows.
    pub(super) fn beside_bar(&self) -> Option<String> {
        let bar = self.text.chars().take_while(|c| c.is_whitespace()).count();
        self.text.chars().nth(bar).filter(|c| FRAME.contains(c))?;
        let typed = self.text.chars().zip(&self.hints).skip(bar + 1);
        let typed: String = typed.filter(|(_, hint)| !**hint).map(|(c, _)| c).collect();
        Some(typed.split(GAP).next().unwrap_or_default().trim().to_owned())
    }

    fn typed_from(&self, start: usize) -> String {
        let typed = self.text.chars().zip(&self.hints).skip(start);
        let typed: String = typed.filter(|(_, hint)| !**hint).map(|(c, _)| c).collect();
        typed.trim().trim_matches(FRAME).trim().to_owned()
    }
}

/// The last lines, from the one that has `count` written lines from it on.
pub(super) fn written_tail(lines: &[Line], count: usize) -> &[Line] {
    let mut written = 0;
    let mut first = lines.len();
    while first > 0 && written < count {
        first -= 1;
        written += usize::from(!lines[first].is_blank());
    }
    &lines[first..]
}

/// The lines as one text, frames and blank lines at both ends left out.
pub(super) fn block(lines: &[Line]) -> String {
    let plain = |line: &Line| {
        let inner = line.text.trim_end().trim_end_matches(FRAME).trim_end();
        inner.trim_start_matches(FRAME).to_owned()
    };
    let kept: Vec<String> = lines.iter().filter(|line| !line.is_rule()).map(plain).collect();
    let first = kept.iter().position(|line| !line.trim().is_empty()).unwrap_or(kept.len());
    let last = kept.iter().rposition(|line| !line.trim().is_empty()).map_or(first, |at| at + 1);
    let indent = |line: &String| line.len() - line.trim_start().len();
    let kept = &kept[first..last.max(first)];
    let common = kept.iter().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let cut = |line: &String| line.get(common..).unwrap_or("").to_owned();
    kept.iter().map(cut).collect::<Vec<_>>().join("\n")
}

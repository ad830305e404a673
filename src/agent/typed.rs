//! What a person or a paste types, byte by byte.

/// What begins pasted text.
const PASTE_BEGIN: &[u8] = b"\x1b[200~";
/// What ends it.
const PASTE_END: &[u8] = b"\x1b[201~";

/// What has come of the bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing to show.
    Silent,
    /// A character that was typed by hand.
    Typed,
    /// A typed character was taken back.
    Erased,
    /// A paste of so many lines has ended.
    Pasted(usize),
    /// The text is complete.
    Done,
    /// Ctrl-C, or Ctrl-D with nothing typed.
    Interrupted,
}

/// A text being typed. Enter ends it, but not inside of a paste.
#[derive(Debug, Default)]
pub(super) struct Typed {
    text: Vec<u8>,
    /// Where in `text` the paste under way began.
    paste: Option<usize>,
}

impl Typed {
    /// Takes one byte.
    pub(super) fn take(&mut self, byte: u8) -> Step {
        match (self.paste, byte) {
            (None, b'\r' | b'\n') if self.text.is_empty() => Step::Silent,
            (None, 0x03) => Step::Interrupted,
            (None, 0x04) if self.text.is_empty() => Step::Interrupted,
            (None, b'\r' | b'\n' | 0x04) => Step::Done,
            (None, 0x7f | 0x08) => match self.text.pop() {
                Some(_) => Step::Erased,
                None => Step::Silent,
            },
            (None, _) => {
                self.text.push(byte);
                if self.text.ends_with(PASTE_BEGIN) {
                    self.text.truncate(self.text.len() - PASTE_BEGIN.len());
                    self.paste = Some(self.text.len());
                }
                let shown = byte >= b' ' && self.paste.is_none() && !self.in_escape();
                if shown { Step::Typed } else { Step::Silent }
            }
            (Some(begin), _) => {
                self.text.push(if byte == b'\r' { b'\n' } else { byte });
                if !self.text[begin..].ends_with(PASTE_END) {
                    return Step::Silent;
                }
                self.text.truncate(self.text.len() - PASTE_END.len());
                self.paste = None;
                Step::Pasted(self.text[begin..].split(|byte| *byte == b'\n').count())
            }
        }
    }

    /// Whether the last bytes may be the beginning of a mark.
    fn in_escape(&self) -> bool {
        let tail = self.text.iter().rposition(|byte| *byte == 0x1b).map(|at| &self.text[at..]);
        tail.is_some_and(|tail| PASTE_BEGIN.starts_with(tail))
    }

    /// The text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(bytes: &[u8]) -> (String, Vec<Step>) {
        let mut typed = Typed::default();
        let mut steps = Vec::new();
        for byte in bytes {
            let step = typed.take(*byte);
            if !matches!(step, Step::Silent | Step::Typed) {
                steps.push(step);
            }
        }
        (typed.text(), steps)
    }

    #[test]
    fn enter_submits_but_not_inside_a_paste() {
        let (text, steps) = feed(b"\x1b[200~one\rtwo\nthree\x1b[201~\r");
        assert_eq!(text, "one\ntwo\nthree");
        assert_eq!(steps, [Step::Pasted(3), Step::Done]);
    }

    #[test]
    fn typing_by_hand_works_too() {
        assert_eq!(feed(b"\r\rhix\x7f\r"), ("hi".into(), vec![Step::Erased, Step::Done]));
        assert_eq!(feed(b"a\x1b[200~b\x1b[201~c\r").0, "abc");
        assert_eq!(feed(b"a\x03").1, [Step::Interrupted]);
    }

    #[test]
    fn marks_inside_a_paste_do_not_begin_another() {
        assert_eq!(feed(b"\x1b[200~a\x1b[200~b\x1b[201~\r").0, "a\u{1b}[200~b");
    }
}

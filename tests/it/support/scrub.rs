//! What differs from run to run, made equal.

/// Replaces times by zeros and fresh identifiers (8 or 12 hexadecimal digits) by `x`, each at its
/// width, so that tables keep their form.
pub(crate) fn scrub(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let taken = if before.is_ascii_alphanumeric() { None } else { special(rest) };
        let (length, shown) = taken.unwrap_or_else(|| (c.len_utf8(), c.to_string()));
        before = rest[..length].chars().next_back().unwrap_or(' ');
        out.push_str(&shown);
        rest = &rest[length..];
    }
    out
}

/// A time or an identifier at the start of `text`: its length, and what to show for it.
fn special(text: &str) -> Option<(usize, String)> {
    time(text).or_else(|| identifier(text))
}

fn time(text: &str) -> Option<(usize, String)> {
    let head = text.get(..19)?;
    let form = "0000-00-00T00:00:00";
    let fits = head
        .chars()
        .zip(form.chars())
        .all(|(c, f)| if f == '0' { c.is_ascii_digit() } else { c == f });
    if !fits {
        return None;
    }
    let mut length = 19;
    let digits = text[19..]
        .strip_prefix('.')
        .map(|rest| rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    let mut shown = form.to_owned();
    if let Some(digits) = digits.filter(|digits| *digits > 0) {
        length += 1 + digits;
        shown.push_str(".000000");
    }
    if text[length..].starts_with("+00:00") {
        length += 6;
        shown.push_str("+00:00");
    }
    Some((length, shown))
}

fn identifier(text: &str) -> Option<(usize, String)> {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let length = text.find(|c| !is_hex(c)).unwrap_or(text.len());
    let ends = !text[length..].starts_with(|c: char| c.is_ascii_alphanumeric());
    (matches!(length, 8 | 12) && ends).then(|| (length, "x".repeat(length)))
}

#[test]
fn times_and_identifiers_are_made_equal() {
    assert_eq!(
        scrub("[2026-11-20T20:00:01] 1097af77 (id: 01fce9a27bdc) at 2026-11-20T20:00:01.5+00:00"),
        "[0000-00-00T00:00:00] xxxxxxxx (id: xxxxxxxxxxxx) at 0000-00-00T00:00:00.000000+00:00"
    );
    assert_eq!(scrub("a cafe x1097af77 2026"), "a cafe x1097af77 2026");
}

//! Patterns of paths: `*` within a component, `**` across them, `?`, and `[a-z]`.

/// Whether the whole of `path` matches `pattern`. Takes time in proportion to both lengths.
pub fn matches(pattern: &str, path: &str) -> bool {
    let mut expression = String::from("^(?s:");
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.peek() == Some(&'*') => {
                rest.next();
                if rest.peek() == Some(&'/') {
                    rest.next();
                    expression.push_str("(?:.*/)?");
                } else {
                    expression.push_str(".*");
                }
            }
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            '[' => match class(&mut rest) {
                Some(class) => expression.push_str(&class),
                None => expression.push_str("\\["),
            },
            c => expression.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push_str(")$");
    // A range that runs backwards is none: such a pattern matches nothing.
    regex::Regex::new(&expression).is_ok_and(|regex| regex.is_match(path))
}

/// The set of characters whose `[` was just read, or nothing if it does not end.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut ahead = rest.clone();
    let mut class = String::from("[");
    if matches!(ahead.peek(), Some('!' | '^')) {
        ahead.next();
        class.push('^');
    }
    let mut first = true;
    loop {
        let c = ahead.next()?;
        match c {
            ']' if !first => break,
            '-' => class.push('-'),
            c => class.push_str(&format!("\\x{{{:x}}}", u32::from(c))),
        }
        first = false;
    }
    class.push(']');
    *rest = ahead;
    Some(class)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_paths() {
        for (pattern, path, wanted) in [
            ("*.rs", "a.rs", true),
            ("*.rs", "src/a.rs", false),
            ("**/*.rs", "src/x/a.rs", true),
            ("**/*.rs", "a.rs", true),
            ("src/**", "src/a/b", true),
            ("src/**", "lib/a", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c].txt", "b.txt", true),
            ("[!a-c].txt", "b.txt", false),
            ("[z-a]", "m", false),
            ("[", "[", true),
            ("a.b", "axb", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, path), wanted, "{pattern} {path}");
        }
    }
}

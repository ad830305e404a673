//! Fenced blocks in a text, as in Markdown.

/// The lines of the first block that is marked with `mark`: from a line of three or more
/// backticks and the mark to the next line of at least as many backticks, or to the end.
///
/// The indentation of the first fence is taken off every line.
pub fn block(text: &str, mark: &str) -> Option<String> {
    let mut lines = text.lines();
    let (indent, ticks) = lines.by_ref().find_map(|line| opening(line, mark))?;
    let mut found = String::new();
    for line in lines {
        let bare = line.trim();
        if bare.len() >= ticks && bare.bytes().all(|byte| byte == b'`') {
            break;
        }
        let blanks = line.len() - line.trim_start_matches(' ').len();
        found.push_str(&line[blanks.min(indent)..]);
        found.push('\n');
    }
    Some(found)
}

/// How far a line that opens such a block is indented, and how many backticks it has.
fn opening(line: &str, mark: &str) -> Option<(usize, usize)> {
    let bare = line.trim_start_matches(' ');
    let rest = bare.trim_start_matches('`');
    let ticks = bare.len() - rest.len();
    (ticks >= 3 && rest.trim() == mark).then_some((line.len() - bare.len(), ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_block_of_the_kind_is_found() {
        let text = "Do:\n```text\nno\n```\n```sh\na\n  b\n```\n```sh\nc\n```\n";
        assert_eq!(block(text, "sh").as_deref(), Some("a\n  b\n"));
        assert_eq!(block(text, "text").as_deref(), Some("no\n"));
        assert_eq!(block(text, "s"), None);
        assert_eq!(block("```\nx\n```", "sh"), None);
    }

    #[test]
    fn fences_may_be_longer_indented_or_open() {
        assert_eq!(block("````sh\n```\nx\n````\n", "sh").as_deref(), Some("```\nx\n"));
        assert_eq!(block("  ```sh\n  a\n    b\n c\n  ```", "sh").as_deref(), Some("a\n  b\nc\n"));
        assert_eq!(block("``` sh\na", "sh").as_deref(), Some("a\n"));
    }
}

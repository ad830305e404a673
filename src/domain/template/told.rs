//! What a text tells an agent to type.

/// A command that a text tells somebody to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The words after the program's name. Stand-ins such as `<task-id>` are as they were written.
    pub words: Vec<String>,
    /// The command as it stands in the text, on one line.
    pub shown: String,
    /// At which byte of the text it begins.
    pub at: usize,
}

/// How a text calls the program.
const PROGRAMS: [&str; 4] = ["clawteam", "$CLAWTEAM_BIN", "\"$CLAWTEAM_BIN\"", "${CLAWTEAM_BIN}"];

/// The `clawteam` commands in a text: between backticks, and on lines of their own.
pub fn commands(text: &str) -> Vec<Told> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut fenced = false;
    // What lies between two backticks may go over a line end.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            open = None;
        } else if fenced || open.is_none() && is_call(line.trim_start()) {
            let indent = line.len() - line.trim_start().len();
            found.extend(told(line.trim(), at + indent));
        } else {
            for (tick, _) in line.match_indices('`') {
                open = match open {
                    Some(begin) => {
                        found.extend(told(&text[begin..at + tick], begin));
                        None
                    }
                    None => Some(at + tick + 1),
                };
            }
            // Nobody writes a command over a whole paragraph.
            if line.trim().is_empty() {
                open = None;
            }
        }
        at += line.len();
    }
    found
}

/// Whether a text begins with a call of the program.
fn is_call(text: &str) -> bool {
    PROGRAMS.iter().any(|program| {
        text.strip_prefix(program).is_some_and(|rest| rest.starts_with(char::is_whitespace))
    })
}

/// The command that a piece of text is, if it is one. Whatever a shell does with its output is
/// left out.
fn told(text: &str, at: usize) -> Option<Told> {
    let shown = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if !is_call(&format!("{shown} ")) {
        return None;
    }
    let mut words = words(&shown);
    words.remove(0);
    let end = words.iter().position(|(word, quoted)| !quoted && is_operator(word));
    words.truncate(end.unwrap_or(words.len()));
    let words: Vec<String> = words.into_iter().map(|(word, _)| word).collect();
    // The name alone is a name.
    (!words.is_empty()).then_some(Told { words, shown, at })
}

fn is_operator(word: &str) -> bool {
    matches!(word, "|" | "||" | "&&" | "&" | ";" | "done" | "\\") || word.starts_with("2>") || {
        word.starts_with('>') || word.starts_with("<<")
    }
}

/// The words of a command line, and whether any part of each was quoted.
fn words(line: &str) -> Vec<(String, bool)> {
    let mut words: Vec<(String, bool)> = Vec::new();
    let mut word: Option<(String, bool)> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default().1 = true;
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().0.push(c),
        }
    }
    words.extend(word);
    words
}

/// Whether a text tells somebody to wait by sleeping for a time that it names: whoever pays for
/// each turn pays for waiting then.
pub fn sleeps(text: &str) -> Option<usize> {
    text.match_indices("sleep ").map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + "sleep ".len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && after.is_some_and(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        commands(text).into_iter().map(|told| told.words.join(" ")).collect()
    }

    #[test]
    fn commands_are_found_wherever_they_stand() {
        let text = "Say `clawteam inbox send t\nlead \"a | b\"`, not `claws`.\n\n  clawteam team \
                    status t\n\n```sh\nfor a in b; do\n    \"$CLAWTEAM_BIN\" task list t 2>&1 | \
                    cat\ndone\necho clawteam\n```\nclawteams are `clawteam`-ish.\n";
        assert_eq!(shown(text), ["inbox send t lead a | b", "team status t", "task list t"]);
        assert_eq!(&text[commands(text)[1].at..][..8], "clawteam");
    }

    #[test]
    fn an_open_backtick_hides_no_later_command() {
        assert_eq!(shown("A ` alone.\n\nThen `clawteam doctor`."), ["doctor"]);
    }

    #[test]
    fn only_sleeping_for_a_time_counts() {
        assert_eq!(sleeps("loop: sleep 45 && look"), Some(6));
        for text in ["asleep 4", "sleep \"$PAUSE\"", "never sleep in a loop"] {
            assert_eq!(sleeps(text), None, "{text}");
        }
    }
}

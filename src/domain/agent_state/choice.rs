//! Which option of a dialog a word means.

use serde::{Deserialize, Serialize};

/// An answer in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// This once.
    Allow,
    /// This and what is like it, without asking again.
    AllowAlways,
    /// Not this.
    Deny,
}

impl Word {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::AllowAlways => "allow-always",
            Self::Deny => "deny",
        }
    }

    /// The answer that a word means.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Allow, Self::AllowAlways, Self::Deny].into_iter().find(|w| w.as_str() == word)
    }
}

/// How options begin that say yes.
const YES: [&str; 9] =
    ["yes", "allow", "approve", "accept", "proceed", "continue", "trust", "run", "ok"];
/// How options begin that say no.
const NO: [&str; 8] = ["no", "deny", "reject", "cancel", "don't", "do not", "exit", "quit"];
/// What an option says that also answers later questions.
const ALWAYS: [&str; 8] = [
    "don't ask",
    "do not ask",
    "don\u{2019}t ask",
    "always",
    "all edits",
    "for this session",
    "this session",
    "during this",
];

/// The place of the option that `word` means, if exactly one kind of option says it: the first
/// that does. `yes` and `no` are beginnings that the program's row knows.
pub fn choose(options: &[String], word: Word, yes: &[String], no: &[String]) -> Option<usize> {
    let begins = |option: &str, marks: &[&str]| marks.iter().any(|mark| starts(option, mark));
    let yes: Vec<&str> = yes.iter().map(String::as_str).chain(YES).collect();
    let no: Vec<&str> = no.iter().map(String::as_str).chain(NO).collect();
    options.iter().position(|option| {
        let option = option.to_lowercase();
        let refuses = begins(&option, &no);
        let always = ALWAYS.iter().any(|mark| option.contains(mark));
        match word {
            Word::Deny => refuses,
            Word::Allow => !refuses && !always && begins(&option, &yes),
            Word::AllowAlways => !refuses && always && begins(&option, &yes),
        }
    })
}

/// Whether a text begins with these words.
fn starts(text: &str, words: &str) -> bool {
    text.strip_prefix(words)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '\''))
}

/// The place that a number means, counted from 1.
pub fn numbered(options: &[String], number: &str) -> Option<usize> {
    number.parse::<usize>().ok()?.checked_sub(1).filter(|at| *at < options.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(options: &[&str], word: Word) -> Option<usize> {
        let options: Vec<String> = options.iter().map(|o| (*o).to_owned()).collect();
        choose(&options, word, &["yes".into()], &["no".into()])
    }

    #[test]
    fn words_mean_the_options_of_each_program() {
        let claude = [
            "Yes",
            "Yes, and don't ask again for node commands in /w",
            "No, and tell Claude what to do differently (esc)",
        ];
        assert_eq!(of(&claude, Word::Allow), Some(0));
        assert_eq!(of(&claude, Word::AllowAlways), Some(1));
        assert_eq!(of(&claude, Word::Deny), Some(2));
        let edit = ["Yes", "Yes, allow all edits during this session (shift+tab)", "No"];
        assert_eq!(of(&edit, Word::AllowAlways), Some(1));
        assert_eq!(of(&edit, Word::Deny), Some(2));
        let gemini = ["Allow once", "Allow for this session", "No, suggest changes (esc)"];
        assert_eq!(of(&gemini, Word::Allow), Some(0));
        assert_eq!(of(&gemini, Word::AllowAlways), Some(1));
        assert_eq!(of(&gemini, Word::Deny), Some(2));
        let codex = ["Yes, proceed", "Yes, and don't ask again", "No, and tell Codex"];
        assert_eq!(of(&codex, Word::Allow), Some(0));
    }

    #[test]
    fn what_no_option_says_is_not_guessed() {
        for word in [Word::Allow, Word::AllowAlways, Word::Deny] {
            assert_eq!(of(&["Oui", "Non", "Nothing", "Yesterday"], word), None, "{word:?}");
        }
        assert_eq!(of(&["Yes, and don't ask again", "No"], Word::Allow), None);
        assert_eq!(of(&["Not now", "Yes"], Word::Deny), None);
        let options = ["a".to_owned(), "b".to_owned()];
        assert_eq!(numbered(&options, "2"), Some(1));
        for bad in ["0", "3", "x", "-1", ""] {
            assert_eq!(numbered(&options, bad), None);
        }
    }
}

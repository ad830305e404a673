//! Answering the dialogs of a program by what the user allowed. Nothing is guessed.

use super::row::{AgentCli, Allow, DialogKind, DialogSpec, Level, Otherwise};
use super::screen::{Dialog, says};

/// What the user allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit<'a> {
    /// How much the agent may do without asking.
    pub level: Level,
    /// Whether its directory is one that clawteam made or the user named.
    pub directory: bool,
    /// Names and kinds of dialogs that the user allowed.
    pub named: &'a [String],
}

impl Permit<'_> {
    fn allows(self, spec: &DialogSpec) -> bool {
        let same = |named: &String| {
            let named = named.replace('_', "-");
            named == spec.name || named == spec.kind.as_str()
        };
        match spec.allow {
            _ if self.named.iter().any(same) => true,
            Allow::Always => true,
            Allow::Never | Allow::ApiKey => false,
            Allow::Directory => self.directory,
            Allow::Level(level) => self.level >= level,
        }
    }
}

/// What to do about a dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Choose the option at this place.
    Choose(usize),
    /// Press these keys, as tmux names them.
    Press(Vec<String>),
    /// Leave it to people.
    Leave,
}

/// What to do about `dialog`, as the row and the user's word say. A dialog that the row does not
/// know, an answer that is not among the options and every permission prompt are left to people.
pub fn answer(row: &AgentCli, dialog: &Dialog, permit: Permit<'_>) -> Answer {
    let Some(spec) = row.dialogs.iter().find(|spec| spec.name == dialog.name) else {
        return Answer::Leave;
    };
    if spec.kind == DialogKind::Permission {
        return Answer::Leave;
    }
    let yes = permit.allows(spec);
    if !yes && spec.otherwise == Otherwise::Leave {
        return Answer::Leave;
    }
    give(spec, dialog, yes)
}

/// The answer yes or no to a dialog, whoever decided it.
fn give(spec: &DialogSpec, dialog: &Dialog, yes: bool) -> Answer {
    let keys = if yes { &spec.yes_keys } else { &spec.no_keys };
    if dialog.options.is_empty() {
        return if keys.is_empty() { Answer::Leave } else { Answer::Press(keys.clone()) };
    }
    let wanted = if yes { &spec.yes } else { &spec.no };
    let at = wanted.iter().find_map(|text| dialog.options.iter().position(|o| says(o, text)));
    at.map_or(Answer::Leave, Answer::Choose)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::agent_cli::Catalog;

    const NOTHING: Permit<'_> = Permit { level: Level::Ask, directory: false, named: &[] };

    fn all() -> Permit<'static> {
        static NAMED: std::sync::LazyLock<Vec<String>> =
            std::sync::LazyLock::new(|| vec!["api_key".to_owned()]);
        Permit { level: Level::Full, directory: true, named: &NAMED }
    }

    fn ask(program: &str, name: &str, options: &[&str], permit: Permit<'_>) -> Answer {
        let row = Catalog::built_in().named(program).expect("it is known");
        let dialog = Dialog {
            name: name.into(),
            kind: DialogKind::Other,
            text: String::new(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            highlighted: Some(0),
        };
        answer(row, &dialog, permit)
    }

    #[test]
    fn the_wanted_option_is_found_wherever_it_stands() {
        for (options, at) in
            [(["No, exit", "Yes, I accept"], 1), (["Yes, I accept", "No, exit"], 0)]
        {
            assert_eq!(ask("claude", "bypass-mode", &options, all()), Answer::Choose(at));
            assert_eq!(ask("claude", "bypass-mode", &options, NOTHING), Answer::Leave);
        }
        let trust = ["No, exit", "Yes, I trust this folder"];
        assert_eq!(ask("claude", "trust-folder", &trust, all()), Answer::Choose(1));
        assert_eq!(ask("claude", "trust-folder", &trust, NOTHING), Answer::Leave);
    }

    #[test]
    fn what_is_not_allowed_and_harmless_to_refuse_is_refused() {
        let key = ["Yes", "No (recommended)"];
        assert_eq!(ask("claude", "api-key", &key, all()), Answer::Choose(0));
        assert_eq!(ask("claude", "api-key", &key, NOTHING), Answer::Choose(1));
        let update = ["Update now (runs `npm`)", "Skip", "Skip until next version"];
        assert_eq!(ask("codex", "update", &update, all()), Answer::Choose(1));
    }

    #[test]
    fn nothing_is_guessed() {
        assert_eq!(ask("claude", "permission", &["Yes", "No"], all()), Answer::Leave);
        assert_eq!(ask("claude", "unnamed", &["Yes", "No"], all()), Answer::Leave);
        assert_eq!(ask("claude", "trust-folder", &["Oui", "Non"], all()), Answer::Leave);
    }
}

//! The catalog: the rows that come with clawteam, and those of the user over them.

use std::sync::{LazyLock, OnceLock};

use toml::{Table, Value};

use super::docker;
use super::row::{AgentCli, Words};

/// The rows that come with clawteam, by their names.
const BUILT_IN: [(&str, &str); 11] = [
    ("claude", include_str!("catalog/claude.toml")),
    ("codex", include_str!("catalog/codex.toml")),
    ("gemini", include_str!("catalog/gemini.toml")),
    ("kimi", include_str!("catalog/kimi.toml")),
    ("qwen", include_str!("catalog/qwen.toml")),
    ("opencode", include_str!("catalog/opencode.toml")),
    ("openclaw", include_str!("catalog/openclaw.toml")),
    ("nanobot", include_str!("catalog/nanobot.toml")),
    ("hermes", include_str!("catalog/hermes.toml")),
    ("cursor", include_str!("catalog/cursor.toml")),
    ("pi", include_str!("catalog/pi.toml")),
];

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let entry = |(name, text): &(&str, &'static str)| Entry {
        name: (*name).to_owned(),
        source: Source::BuiltIn(text),
        row: OnceLock::new(),
    };
    Catalog { entries: BUILT_IN.iter().map(entry).collect() }
});

/// A row, which is understood when it is first asked for: most commands need one of them.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    source: Source,
    row: OnceLock<AgentCli>,
}

/// What a row is read from.
#[derive(Debug, Clone)]
enum Source {
    BuiltIn(&'static str),
    /// What a file of the user makes of it.
    User {
        table: Table,
        file: String,
    },
}

impl Entry {
    fn row(&self) -> &AgentCli {
        self.row.get_or_init(|| row(self.table()).expect("only rows that are valid are kept"))
    }

    fn table(&self) -> Table {
        match &self.source {
            Source::BuiltIn(text) => text.parse().expect("the built-in rows are valid"),
            Source::User { table, .. } => table.clone(),
        }
    }

    /// Whether it is the row of a program, which is in lower case.
    fn is_of(&self, program: &str) -> bool {
        let named = match self.source {
            // A row names its programs, so that one without the word need not be understood.
            Source::BuiltIn(text) => text.contains(program),
            Source::User { .. } => true,
        };
        named && self.row().programs.iter().any(|known| known == program)
    }
}

/// All agent programs that are known.
#[derive(Debug, Clone)]
pub struct Catalog {
    entries: Vec<Entry>,
}

/// A file with a row of the user.
#[derive(Debug, Clone)]
pub struct RowFile {
    /// Where it lies, for messages.
    pub path: String,
    /// Its name without ending, which names the row if nothing in it does.
    pub stem: String,
    /// What it holds.
    pub text: String,
}

/// A row of the user that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}: {reason}", line.map_or(String::new(), |line| format!(":{line}")))]
pub struct BadRow {
    /// The file.
    pub path: String,
    /// The line, counted from 1, if it is known.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub reason: String,
}

impl Catalog {
    /// The rows that come with clawteam.
    pub fn built_in() -> &'static Self {
        &CATALOG
    }

    /// The same with the user's rows, each extending or overriding the row of its name key by
    /// key; later files win. What cannot be understood is left out and returned.
    pub fn with(&self, files: &[RowFile]) -> (Self, Vec<BadRow>) {
        let mut catalog = self.clone();
        let bad = files.iter().filter_map(|file| catalog.add(file).err()).collect();
        (catalog, bad)
    }

    fn add(&mut self, file: &RowFile) -> Result<(), BadRow> {
        let bad = |line, reason: String| BadRow { path: file.path.clone(), line, reason };
        let told = |error: toml::de::Error| {
            let line = error.span().map(|span| line_of(&file.text, span.start));
            bad(line, error.message().trim().to_owned())
        };
        // On its own first: a mistake is then told with its line.
        toml::from_str::<AgentCli>(&file.text).map_err(told)?;
        let mut table: Table = file.text.parse().map_err(told)?;
        if !table.contains_key("name") {
            table.insert("name".into(), file.stem.clone().into());
        }
        let name = table.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if crate::core::Name::parse_as("agent program", &name).is_err() {
            return Err(bad(None, format!("'{name}' is no name for an agent program")));
        }
        let known = self.entries.iter().position(|entry| entry.name == name);
        let mut merged = known.map_or_else(Table::new, |at| self.entries[at].table());
        merge(&mut merged, table);
        let row = row(merged.clone()).map_err(|error| bad(None, error.message().to_owned()))?;
        let source = Source::User { table: merged, file: file.path.clone() };
        let entry = Entry { name, source, row: row.into() };
        match known {
            Some(at) => self.entries[at] = entry,
            None => self.entries.push(entry),
        }
        Ok(())
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &AgentCli> {
        self.entries.iter().map(Entry::row)
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The row called `name`.
    pub fn named(&self, name: &str) -> Option<&AgentCli> {
        self.entry(name).map(Entry::row)
    }

    /// The file of the user that made or changed the row called `name`.
    pub fn file_of(&self, name: &str) -> Option<&str> {
        match &self.entry(name)?.source {
            Source::User { file, .. } => Some(file),
            Source::BuiltIn(_) => None,
        }
    }

    /// The row called `name` as it would be written in a file.
    pub fn text_of(&self, name: &str) -> Option<String> {
        toml::to_string(&self.entry(name)?.table()).ok()
    }

    /// How the program of a command is run; a program without a row is taken as it is. The last
    /// row wins, so that one of the user can take over a program.
    pub fn find(&self, command: &[String]) -> AgentCli {
        let program = docker::inner_program(command).unwrap_or_else(|| {
            file_name(command.first().map_or("", String::as_str)).to_lowercase()
        });
        let known = self.entries.iter().rev().find(|entry| entry.is_of(&program));
        known.map_or_else(|| generic(program), |entry| entry.row().clone())
    }

    /// Whether a word names an agent program, rather than a backend.
    pub fn knows(&self, word: &str) -> bool {
        let word = file_name(word).to_lowercase();
        self.entries.iter().any(|entry| entry.is_of(&word))
    }
}

/// The row of a program that is not known: it runs as it is, its prompt is typed into its
/// terminal, or passed with `-p` where there is none.
fn generic(program: String) -> AgentCli {
    let prompt = Words { tmux: vec![], subprocess: vec!["-p".into(), "{prompt}".into()] };
    finished(AgentCli {
        name: GENERIC.into(),
        programs: vec![program],
        prompt,
        ..AgentCli::default()
    })
}

/// The name of the row of a program that is not known.
pub const GENERIC: &str = "generic";

/// The last component of a program's path.
pub(super) fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// What is read of a running program whose release nobody asked for.
const OF_ALL_RELEASES: [&str; 5] = ["name", "programs", "screen", "dialog", "release"];

fn row(mut table: Table) -> Result<AgentCli, toml::de::Error> {
    let mut row: AgentCli = table.clone().try_into()?;
    table.remove("release");
    for release in &mut row.releases {
        if let Some(key) = OF_ALL_RELEASES.iter().find(|key| release.changes.contains_key(**key)) {
            let reason = format!("release: '{key}' is the same for all releases");
            return Err(serde::de::Error::custom(reason));
        }
        let mut changed = table.clone();
        merge(&mut changed, release.changes.clone());
        release.row = Some(Box::new(finished(changed.try_into()?)));
    }
    Ok(finished(row))
}

/// Fills in what every row has.
fn finished(mut row: AgentCli) -> AgentCli {
    let or = |words: &mut Vec<String>, default: &str| {
        if words.is_empty() {
            words.push(default.to_owned());
        }
    };
    let name = row.name.clone();
    or(&mut row.programs, &name);
    or(&mut row.version, "--version");
    or(&mut row.help, "--help");
    if row.screen.submit.is_empty() {
        row.screen.submit = "Enter".into();
    }
    let screen = &mut row.screen;
    let lists = [
        &mut row.programs,
        &mut screen.starting,
        &mut screen.ready,
        &mut screen.working,
        &mut screen.idle,
        &mut screen.composer.placeholder,
    ];
    let dialogs = row.dialogs.iter_mut();
    let asked = dialogs.flat_map(|d| [&mut d.all, &mut d.any, &mut d.yes, &mut d.no]);
    for mark in lists.into_iter().chain(asked).flatten() {
        *mark = mark.to_lowercase();
    }
    row
}

/// Lays `over` on `base` key by key. Dialogs are put together by their names; new ones come first.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (Some(Value::Array(old)), Value::Array(new)) if key == "dialog" => dialogs(old, new),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn dialogs(base: &mut Vec<Value>, over: Vec<Value>) {
    let mut fresh = Vec::new();
    for value in over {
        let name = value.get("name").cloned();
        match (base.iter_mut().find(|old| old.get("name") == name.as_ref()), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (_, value) => fresh.push(value),
        }
    }
    base.splice(0..0, fresh);
}

/// The number of the line that the byte at `offset` is in.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::agent_cli::row::{Allow, Level};

    fn file(stem: &str, text: &str) -> RowFile {
        RowFile { path: format!("/u/{stem}.toml"), stem: stem.into(), text: text.into() }
    }

    fn command(words: &str) -> Vec<String> {
        words.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_row_can_be_used() {
        let catalog = Catalog::built_in();
        for ((name, text), row) in BUILT_IN.iter().zip(catalog.rows()) {
            assert_eq!(row.name, *name);
            assert!(row.programs.iter().all(|program| text.contains(program)), "{name}");
            assert!(!row.title.is_empty() && !row.install.is_empty(), "{}", row.name);
            assert!(row.permissions.full.is_some(), "{}", row.name);
            assert_eq!(catalog.find(&[row.programs[0].clone()]).name, row.name);
            for dialog in &row.dialogs {
                assert!(!dialog.all.is_empty() || !dialog.any.is_empty(), "{}", dialog.name);
                let answerable = dialog.allow == Allow::Never
                    || !dialog.yes.is_empty()
                    || !dialog.yes_keys.is_empty();
                assert!(answerable, "{}: {}", row.name, dialog.name);
            }
        }
        assert_eq!(catalog.rows().count(), BUILT_IN.len());
        assert!(catalog.knows("codex") && catalog.knows("/usr/bin/Claude"));
        assert!(!catalog.knows("tmux"));
    }

    #[test]
    fn a_row_of_the_user_changes_only_what_it_names() {
        let text = "model = ['-M', '{}']\n[screen]\nworking = ['Busy']\n\
                    [[dialog]]\nname = 'trust-folder'\nallow = 'full'\n\
                    [[dialog]]\nname = 'mine'\nany = ['Really?']\n";
        let (catalog, bad) = Catalog::built_in().with(&[file("claude", text)]);
        assert_eq!(bad, []);
        let old = Catalog::built_in().named("claude").expect("it is known");
        let row = catalog.named("claude").expect("it is known");
        assert_eq!((&*row.model.tmux[0], &*row.screen.working[0]), ("-M", "busy"));
        assert_eq!(row.screen.composer, old.screen.composer);
        assert_eq!(row.dialogs[0].any, ["really?"]);
        let trust = row.dialogs.iter().find(|dialog| dialog.name == "trust-folder");
        let trust = trust.expect("it is kept");
        assert_eq!(trust.allow, Allow::Level(Level::Full));
        assert!(!trust.yes.is_empty());
        assert_eq!(catalog.file_of("claude"), Some("/u/claude.toml"));
        assert_eq!(catalog.file_of("codex"), None);
    }

    #[test]
    fn a_new_row_needs_no_more_than_its_name() {
        let (catalog, bad) = Catalog::built_in().with(&[file("aider", "")]);
        assert_eq!(bad, []);
        assert_eq!(catalog.find(&command("/opt/aider --x")).name, "aider");
        assert_eq!(catalog.find(&command("other")).name, GENERIC);
    }

    #[test]
    fn releases_that_differ_are_told_by_the_help_of_the_program() {
        let shows = |options: &str| options.split(' ').map(str::to_owned).collect();
        let row = Catalog::built_in().named("opencode").expect("it is known");
        let old = row.of_release(&shows("--help --session"));
        assert_eq!(old.prompt.tmux, ["-p", "{prompt}"]);
        let new = row.of_release(&shows("--auto --prompt --session"));
        assert_eq!((&*new.run.subprocess, new.prompt.tmux.len()), (&["run".to_owned()][..], 0));
        assert_eq!((&new.name, &new.resume), (&row.name, &row.resume));
        let own = file("opencode", "[[release]]\nshows = '--x'\nresume = ['-r', '{}']\n");
        let (catalog, bad) = Catalog::built_in().with(&[own]);
        assert_eq!(bad, []);
        let row = catalog.named("opencode").expect("it is known");
        assert_eq!(row.of_release(&shows("--x")).resume.tmux, ["-r", "{}"]);
    }

    #[test]
    fn a_bad_row_is_told_with_its_line_and_stops_no_other() {
        let files = [
            file("e", "[[release]]\nshows = '--x'\nmodle = ['x']\n"),
            file("f", "[[release]]\nshows = '--x'\nscreen = { submit = 'C-m' }\n"),
            file("a", "title = 'A'\nmodle = ['x']\n"),
            file("b", "title = 'B'\nmodel = 7\n"),
            file("c", "title = \n"),
            file("d", "name = '../x'\n"),
            file("good", "title = 'G'\n"),
        ];
        let (catalog, bad) = Catalog::built_in().with(&files);
        let told: Vec<String> = bad.iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with("/u/e.toml: unknown field `modle`"), "{told:?}");
        assert!(told[1].contains("'screen' is the same for all releases"), "{told:?}");
        assert!(told[2].starts_with("/u/a.toml:2: unknown field `modle`"), "{told:?}");
        assert!(told[3].starts_with("/u/b.toml:2: "), "{told:?}");
        assert!(told[4].starts_with("/u/c.toml:1: "), "{told:?}");
        assert!(told[5].contains("'../x' is no name"), "{told:?}");
        assert!(catalog.named("good").is_some());
    }
}

//! A row of the catalog: everything that is known of one agent program.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::core::Diagnose;
use crate::domain::agent::BackendKind;

/// How one agent program is recognised, run, spoken to and read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentCli {
    /// Its name.
    pub name: String,
    /// What its makers call it.
    pub title: String,
    /// The file names that it is known by, in lower case.
    pub programs: Vec<String>,
    /// How it is installed, for people.
    pub install: String,
    /// What makes it print its version.
    pub version: Vec<String>,
    /// What makes it print its options, after the words of `run`.
    pub help: Vec<String>,
    /// What follows a command of one word.
    pub run: Words,
    /// Words in a command with which it needs no terminal, and takes its prompt as in the
    /// background.
    pub background: Vec<String>,
    /// What gives a fresh session its name: `{}` a name made of team and agent, `{uuid}` a new
    /// UUID.
    pub session: Words,
    /// Words in a command which mean that it names its session itself.
    pub session_given: Vec<String>,
    /// What goes on with the session `{}`. Stands before all other options.
    pub resume: Words,
    /// What goes on with the latest session of the directory.
    pub resume_latest: Words,
    /// What names the directory to work in.
    pub cwd: Words,
    /// What is always added.
    pub always: Words,
    /// What makes it pass on the PATH that it was given, so that the agent finds clawteam.
    pub keep_path: Words,
    /// What makes it trust the directory without asking.
    pub trust: Words,
    /// Options that not every release has: passed only where the program's help shows them.
    pub optional: Vec<String>,
    /// A server that it talks to.
    pub server: Option<Server>,
    /// What it needs of its own while it does without that server.
    pub own_state: Option<OwnState>,
    /// What names the model.
    pub model: Words,
    /// What adds to the system prompt; nothing where that goes before the prompt.
    pub system_prompt: Words,
    /// What names one of the program's own agents (`--openclaw-agent`).
    pub agent: Words,
    /// What adds an MCP server: `{program}` is its program, `{json}` a description in JSON.
    pub mcp: Words,
    /// What carries the prompt (`{prompt}`); nothing where it is typed in.
    pub prompt: Words,
    /// What lets it act without asking, by level.
    pub permissions: Permissions,
    /// Variables that it must not inherit from an agent that starts it.
    pub unset: Vec<String>,
    /// Variables that it gets; `{cwd}` is the directory that it works in.
    pub env: std::collections::BTreeMap<String, String>,
    /// Where its transcripts lie: patterns in which `~` is the home, `{cwd}` the directory with
    /// every character but letters, digits and `-` replaced by `-`, `{id}` the session and `*`
    /// anything.
    pub transcripts: Vec<String>,
    /// What its screen shows.
    pub screen: Screen,
    /// What it asks, at its start or later. The first that fits counts.
    #[serde(rename = "dialog")]
    pub dialogs: Vec<DialogSpec>,
    /// What is different in some of its releases. The last one that fits counts.
    #[serde(rename = "release")]
    pub releases: Vec<ReleaseSpec>,
}

impl AgentCli {
    /// The row as it is for the release whose help shows `flags`.
    pub fn of_release(&self, flags: &BTreeSet<String>) -> &Self {
        let fits = |release: &&ReleaseSpec| flags.contains(&release.shows);
        let found = self.releases.iter().rev().find(fits);
        found.and_then(|release| release.row.as_deref()).unwrap_or(self)
    }
}

/// How releases of a program are started that differ from what the row says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseSpec {
    /// An option that the help of those releases shows, and that of the others does not.
    pub shows: String,
    /// The keys of the row that are different.
    #[serde(flatten)]
    pub changes: toml::Table,
    /// The row with these changes.
    #[serde(skip)]
    pub(super) row: Option<Box<AgentCli>>,
}

/// A server on this machine that a program talks to, and what to do without it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where it listens.
    pub port: u16,
    /// The variable that names another port.
    pub port_env: String,
    /// The file with its settings in JSON, `~` being the home.
    pub settings: String,
    /// Where in that file the port is, as a JSON pointer.
    pub port_at: String,
    /// The variable that the program takes the server's key from.
    pub token_env: String,
    /// Where in that file the key is, as a JSON pointer.
    pub token_at: String,
    /// Words in a command which mean that it says itself what it talks to.
    pub given: Vec<String>,
    /// What makes the program do without the server.
    pub without: Words,
}

/// A directory and settings of an agent's own, for a program of which several otherwise get in
/// each other's way. In the texts, `{cwd}` and `{settings}` stand for the directory that it works
/// in and the user's settings of the program, each as a JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OwnState {
    /// The name of the file with the settings.
    pub file: String,
    /// The settings where the user has some.
    pub text: String,
    /// The settings where the user has none.
    pub text_alone: String,
    /// Variables; `{dir}` is the directory, `{settings_dir}` that of the user's settings.
    pub env: std::collections::BTreeMap<String, String>,
}

/// Words of a command line, by backend. In a row, a plain list stands for both backends.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "WordsForm")]
pub struct Words {
    /// In a terminal.
    pub tmux: Vec<String>,
    /// In the background.
    pub subprocess: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WordsForm {
    Both(Vec<String>),
    Each(EachForm),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct EachForm {
    tmux: Vec<String>,
    subprocess: Vec<String>,
}

impl From<WordsForm> for Words {
    fn from(form: WordsForm) -> Self {
        match form {
            WordsForm::Both(words) => Self { tmux: words.clone(), subprocess: words },
            WordsForm::Each(EachForm { tmux, subprocess }) => Self { tmux, subprocess },
        }
    }
}

impl Words {
    /// The words for one backend.
    pub fn of(&self, backend: BackendKind) -> &[String] {
        match backend {
            BackendKind::Tmux => &self.tmux,
            BackendKind::Subprocess => &self.subprocess,
        }
    }
}

/// How much an agent may do without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It asks before it changes anything.
    Ask,
    /// It edits files of its directory, and asks before it does more.
    Edit,
    /// It does what it thinks is right.
    Full,
}

impl Level {
    /// The level in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Edit => "edit",
            Self::Full => "full",
        }
    }

    /// The level that the old setting `skip_permissions` means.
    pub fn of_skip(skip: bool) -> Self {
        if skip { Self::Full } else { Self::Ask }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no permission level.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no permission level")]
pub struct NoLevel(String);

impl Diagnose for NoLevel {
    fn code(&self) -> &'static str {
        "unknown_permission_level"
    }

    fn hint(&self) -> Option<String> {
        Some("use ask, edit or full".into())
    }
}

impl FromStr for Level {
    type Err = NoLevel;

    fn from_str(word: &str) -> Result<Self, NoLevel> {
        [Self::Ask, Self::Edit, Self::Full]
            .into_iter()
            .find(|level| level.as_str() == word)
            .ok_or_else(|| NoLevel(word.to_owned()))
    }
}

/// The words of each permission level. A level that is missing does not exist for the program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// Asking before each change.
    pub ask: Option<Words>,
    /// Editing without asking.
    pub edit: Option<Words>,
    /// Everything without asking.
    pub full: Option<Words>,
    /// Levels that the program refuses to root.
    pub refused_as_root: Vec<Level>,
    /// Variables by which it is told that it runs in a sandbox, where it does not refuse.
    pub sandbox_env: Vec<String>,
    /// Words in a command which mean that it sets its permissions itself.
    pub given: Vec<String>,
}

impl Screen {
    /// Whether anything is said of how the program looks.
    pub fn is_described(&self) -> bool {
        let composer = &self.composer;
        composer.ruled
            || !composer.foot.is_empty()
            || [&self.ready, &self.idle, &composer.prefix].iter().any(|marks| !marks.is_empty())
    }
}

impl Permissions {
    /// The words of one level, if the program has it.
    pub fn of(&self, level: Level) -> Option<&Words> {
        match level {
            Level::Ask => self.ask.as_ref(),
            Level::Edit => self.edit.as_ref(),
            Level::Full => self.full.as_ref(),
        }
    }
}

/// What a program's screen shows. A mark is a piece of text in lower case. `*` in it stands for
/// anything on the same line (`\\*` for the star itself), `^` and `$` at its ends for those of the
/// line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Screen {
    /// The key that submits, as tmux names it.
    pub submit: String,
    /// Marks of a program that is not yet there.
    pub starting: Vec<String>,
    /// Marks of one that can be typed to, where the composer cannot be recognised.
    pub ready: Vec<String>,
    /// Marks of one that works.
    pub working: Vec<String>,
    /// Marks of one that has nothing to do.
    pub idle: Vec<String>,
    /// Where text is typed.
    pub composer: Composer,
}

/// How the place looks in which text is typed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Composer {
    /// What its first line begins with.
    pub prefix: Vec<String>,
    /// Marks of what is shown in it while it is empty.
    pub placeholder: Vec<String>,
    /// Whether it has no prefix: it is what stands between the last two rules.
    pub ruled: bool,
    /// What the line under it begins with, if it has no prefix but a bar at the left of each line.
    /// Its last written line tells the model and the like.
    pub foot: String,
    /// At most so many written lines follow it (hints, a status line).
    pub below: Option<usize>,
}

/// What a dialog is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialogKind {
    /// Whether the directory is trusted.
    Trust,
    /// Whether a key found in the environment is used.
    ApiKey,
    /// Whether it shall really act without asking.
    Bypass,
    /// Whether it shall be updated.
    Update,
    /// Whether it may do one thing.
    Permission,
    /// Something else.
    #[default]
    Other,
}

impl DialogKind {
    /// The kind in words that users write.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::ApiKey => "api-key",
            Self::Bypass => "bypass",
            Self::Update => "update",
            Self::Permission => "permission",
            Self::Other => "other",
        }
    }
}

/// What has to be allowed for a dialog to be answered with yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allow {
    /// Nothing: the answer does no harm.
    Always,
    /// It is for people to answer.
    #[default]
    Never,
    /// The directory is one that clawteam made or the user named.
    Directory,
    /// The use of the key: the dialog is named by the user, or the key comes from a profile.
    ApiKey,
    /// This permission level or a higher one.
    #[serde(untagged)]
    Level(Level),
}

/// What is done with a dialog that is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// It is left for people.
    #[default]
    Leave,
    /// It is answered with no, which is safe.
    No,
}

/// A dialog that a program shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DialogSpec {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub kind: DialogKind,
    /// Marks of which each is on the screen.
    pub all: Vec<String>,
    /// Marks of which one is on the screen.
    pub any: Vec<String>,
    /// Beginnings or pieces of the option that says yes, in lower case.
    pub yes: Vec<String>,
    /// The same of the option that says no.
    pub no: Vec<String>,
    /// Keys that say yes where there is nothing to choose from, as tmux names them.
    pub yes_keys: Vec<String>,
    /// The same for no.
    pub no_keys: Vec<String>,
    /// What the program itself chooses first, for people: `yes` or `no`.
    pub default: String,
    /// What has to be allowed for yes.
    pub allow: Allow,
    /// What is done if it is not allowed.
    pub otherwise: Otherwise,
}

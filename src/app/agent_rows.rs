//! The catalog of agent programs with the user's own rows, and writing such a row.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::App;
use crate::core::{Diagnose, Name, Outcome};
use crate::domain::agent_cli::{AgentCli, BadRow, Catalog, RowFile};
use crate::store::{Commit, Dir, Expect, Key, Put, Scope};

/// A row is not longer than this.
const ROW_MAX: u64 = 256 * 1024;

/// The rows of clawteam, over them those in the user's home, over them those of the project that
/// `dir` is in. A bad one is told and passed over.
pub fn catalog(app: &App, dir: &Path) -> Catalog {
    let (catalog, bad) = read(app, dir);
    for row in bad {
        app.warn(format!("passed over a row of an agent program: {row}"));
    }
    catalog
}

/// The same, with what is bad.
pub fn read(app: &App, dir: &Path) -> (Catalog, Vec<BadRow>) {
    let home = home(app);
    let mut files = files(app, &home);
    if let Some(project) = project(dir, &home) {
        files.extend(self::files(app, &project));
    }
    if files.is_empty() {
        return (Catalog::built_in().clone(), Vec::new());
    }
    Catalog::built_in().with(&files)
}

/// The rows of many agents, each looked up once.
#[derive(Default)]
pub struct Rows {
    projects: HashMap<PathBuf, Option<PathBuf>>,
    found: HashMap<(Vec<String>, Option<PathBuf>), AgentCli>,
}

impl Rows {
    /// The row of the program of `command` for an agent that works in `dir`.
    pub fn find(&mut self, app: &App, command: &[String], dir: &Path) -> AgentCli {
        let project = self.projects.entry(dir.to_owned());
        let project = project.or_insert_with(|| self::project(dir, &home(app))).clone();
        let key = (command.to_vec(), project);
        let find = || catalog(app, dir).find(command);
        self.found.entry(key).or_insert_with(find).clone()
    }
}

/// The directory of the user's rows.
fn home(app: &App) -> PathBuf {
    app.home_store.path_of(&Dir::agent_rows().entry(""))
}

/// The directory of the rows of the project that `dir` is in: of the nearest one that has some,
/// up to the top of its repository.
fn project(dir: &Path, home: &Path) -> Option<PathBuf> {
    for dir in dir.ancestors() {
        let rows = dir.join(".clawteam").join("agents");
        if rows.is_dir() && rows != home {
            return Some(rows);
        }
        if dir.join(".git").exists() {
            break;
        }
    }
    None
}

fn files(app: &App, dir: &Path) -> Vec<RowFile> {
    let is_row = |name: &str| Path::new(name).extension().is_some_and(|end| end == "toml");
    let mut found = app.foreign.list(dir, 0, &is_row);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let read = |path: &Path| {
        let stem = path.file_stem()?.to_str()?.to_owned();
        let bytes = app.foreign.head(path, ROW_MAX)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some(RowFile { path: path.display().to_string(), stem, text })
    };
    found.iter().filter_map(|file| read(&file.path)).collect()
}

/// Why a row cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// There is one.
    #[error("agent program '{name}' has a row of yours already: {path}")]
    Exists {
        /// The program.
        name: String,
        /// Its file.
        path: String,
    },
    /// It would not be understood.
    #[error("{0}")]
    Bad(#[from] BadRow),
    /// There is no such program.
    #[error("agent program '{0}' is not in the catalog")]
    Unknown(String),
}

impl Diagnose for RowError {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "agent_row_exists",
            Self::Bad(_) => "agent_row_invalid",
            Self::Unknown(_) => "agent_program_unknown",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Exists { .. } => "edit the file, or use --force to write it anew".into(),
            Self::Bad(_) => "see what a row can hold: clawteam agent show claude".into(),
            Self::Unknown(_) => {
                "see which there are: clawteam agent list; add one: clawteam agent add".into()
            }
        })
    }
}

/// Writes a row of the user. Returns its file.
pub fn add(app: &App, name: &Name, text: &str, replace: bool) -> Outcome<PathBuf> {
    let key = Key::agent_row(name);
    let path = app.home_store.path_of(&key);
    let file =
        RowFile { path: path.display().to_string(), stem: name.to_string(), text: text.to_owned() };
    let (_, bad) = Catalog::built_in().with(&[file]);
    if let Some(bad) = bad.into_iter().next() {
        return Err(RowError::Bad(bad).into());
    }
    let mut locked = app.home_store.lock(&Scope::Settings)?;
    if !replace && app.home_store.backend().read(&key)?.is_some() {
        let (name, path) = (name.to_string(), path.display().to_string());
        return Err(RowError::Exists { name, path }.into());
    }
    let puts = vec![Put::new(key, text.as_bytes().to_vec(), Expect::Any)];
    locked.commit(&Commit { puts, ..Commit::default() })?;
    Ok(path)
}

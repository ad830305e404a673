//! Putting clawteam into the settings of agent programs, and taking it out again.
//!
//! First everything is worked out ([`plan`], [`plan_undo`]) and can be shown; then it is carried out
//! ([`carry_out`]). What was done is written down in `setup/<program>.json` of the user's own data
//! directory, before anything is done, together with the files as they were.

mod record;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::App;
use crate::core::{Diagnose, Digest, Outcome};
use crate::domain::setup::{self, Body, Edit, Format, Made, Place, Target};
use crate::ports::{Dotfiles, Program};
use crate::store::Revision;

pub use record::{FileRecord, Record};

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The program, one of [`setup::AGENTS`].
    pub agent: String,
    /// The project whose settings are meant, instead of the user's.
    pub project: Option<PathBuf>,
    /// Whether git may add and commit without being asked about, too.
    pub git: bool,
}

/// A file that is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub path: PathBuf,
    /// What it holds; `None` if it is not there.
    pub before: Option<Vec<u8>>,
    /// What it shall hold; `None` if it shall go.
    pub after: Option<Vec<u8>>,
}

/// What is to be done.
#[derive(Debug)]
pub struct Plan {
    /// The files.
    pub changes: Vec<Change>,
    /// The commands, in order.
    pub commands: Vec<Vec<String>>,
    /// What the user should know.
    pub notes: Vec<String>,
    /// Whether this takes clawteam out.
    pub undo: bool,
    name: String,
    record: Record,
    revision: Option<Revision>,
    /// The files as they would be without clawteam, by their place in the record.
    originals: Vec<Option<Vec<u8>>>,
    /// Directories that are to go if nothing is left in them, the deepest first.
    directories: Vec<PathBuf>,
}

/// Why a program cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file cannot be read or written.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// `read`, `write` or `remove`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not text.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf),
    /// A file cannot be edited.
    #[error("{}: {source}", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        source: setup::EditError,
    },
    /// There is nothing to undo.
    #[error("'{0}' was not set up")]
    NotSetUp(String),
    /// There is no home directory.
    #[error("there is no home directory")]
    NoHome,
}

impl Diagnose for SetupError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io",
            Self::NotText(_) => "settings_syntax",
            Self::Edit { source, .. } => source.code(),
            Self::NotSetUp(_) => "not_set_up",
            Self::NoHome => "no_home",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Edit { source, .. } => source.hint(),
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::ResourceBusy => {
                Some("the program is running; try again".into())
            }
            _ => None,
        }
    }
}

/// How long a command of a program may take.
const COMMAND_MAX: Duration = Duration::from_secs(180);

fn place(app: &App, files: &dyn Dotfiles, wish: &Wish) -> Outcome<Place> {
    let home = app.env.home().ok_or(SetupError::NoHome)?;
    let dir = |name: &&str| Some(((*name).to_owned(), PathBuf::from(app.env.get(name)?)));
    let mut place = Place {
        home,
        dirs: setup::variables(&wish.agent).iter().filter_map(dir).collect(),
        project: wish.project.clone(),
        program: program(app, files, wish),
        git: wish.git,
        there: Vec::new(),
    };
    place.there = place.asked(&wish.agent).into_iter().filter(|path| files.exists(path)).collect();
    Ok(place)
}

/// How programs shall call clawteam. The settings of a project are for everybody who works on it.
fn program(app: &App, files: &dyn Dotfiles, wish: &Wish) -> String {
    const NAME: &str = "clawteam";
    let Ok(own) = app.processes.own_program() else { return NAME.to_owned() };
    if wish.project.is_some() {
        return NAME.to_owned();
    }
    let search = app.env.get("PATH").unwrap_or_default();
    let found = app.processes.find_program(NAME, Path::new("/"), search);
    // A link in the path outlives an update; another program of that name is not this one.
    let same = |path: &PathBuf| files.real(path).ok() == files.real(&own).ok();
    found.filter(same).unwrap_or(own).display().to_string()
}

fn read(files: &dyn Dotfiles, path: &Path) -> Outcome<Option<String>> {
    let io = |source| SetupError::Io { verb: "read", path: path.to_owned(), source };
    let Some(bytes) = files.read(path).map_err(io)? else { return Ok(None) };
    let text = String::from_utf8(bytes).map_err(|_| SetupError::NotText(path.to_owned()))?;
    Ok(Some(text))
}

fn edit_error(path: &Path) -> impl Fn(setup::EditError) -> SetupError {
    let path = path.to_owned();
    move |source| SetupError::Edit { path: path.clone(), source }
}

/// A file as it would be without clawteam, and what of it the user has changed.
fn without(
    app: &App,
    name: &str,
    number: usize,
    old: &FileRecord,
    now: Option<&str>,
) -> Outcome<(Option<String>, Vec<String>)> {
    let Some(now) = now else { return Ok((None, Vec::new())) };
    if Digest::of(now.as_bytes()) == old.written {
        let original = if old.existed { record::original(app, name, number)? } else { None };
        if original.is_some() || !old.existed {
            return Ok((original, Vec::new()));
        }
    }
    let Some(format) = old.format else {
        // A file of clawteam's own that the user has changed is the user's by now.
        return Ok((Some(now.to_owned()), vec![old.path.display().to_string()]));
    };
    let undone = setup::undo(format, now, &old.made).map_err(edit_error(&old.path))?;
    let nothing = !old.existed && matches!(undone.text.trim(), "" | "{}");
    let left = undone.left.iter().map(|at| format!("{} in {}", at, old.path.display())).collect();
    Ok(((!nothing).then_some(undone.text), left))
}

/// What a target comes to.
struct Worked {
    after: Option<String>,
    /// The file without clawteam, and what was done to it; nothing if nothing of it is ours.
    entry: Option<(Option<String>, Option<Format>, Vec<Made>)>,
    /// Whether all of that stands in the record already.
    known: bool,
    /// Whether it stays as the user has made it since.
    yours: bool,
}

fn edits_of(made: &[Made]) -> impl Iterator<Item = &Edit> {
    made.iter().map(|made| &made.edit)
}

fn work_out(
    target: &Target,
    now: Option<&str>,
    old: Option<&FileRecord>,
    bare: Option<String>,
) -> Outcome<Worked> {
    match &target.body {
        Body::Whole(text) => {
            let same = now == Some(text.as_str());
            let yours = !same
                && old.zip(now).is_some_and(|(old, now)| Digest::of(now.as_bytes()) != old.written);
            Ok(Worked {
                after: if yours { now.map(str::to_owned) } else { Some(text.clone()) },
                entry: (!same).then_some((bare, None, Vec::new())),
                known: yours || same && old.is_some(),
                yours,
            })
        }
        Body::Edits(format, edits) => {
            let failed = edit_error(&target.path);
            let (_, missing) =
                setup::apply(*format, now.unwrap_or_default(), edits).map_err(&failed)?;
            let current =
                old.is_some_and(|old| edits_of(&old.made).all(|edit| edits.contains(edit)));
            if missing.is_empty() && (current || old.is_none()) {
                let after = now.map(str::to_owned);
                return Ok(Worked { after, entry: None, known: old.is_some(), yours: false });
            }
            let (after, made) = setup::apply(*format, bare.as_deref().unwrap_or_default(), edits)
                .map_err(&failed)?;
            Ok(Worked {
                after: Some(after),
                entry: Some((bare, Some(*format), made)),
                known: false,
                yours: false,
            })
        }
    }
}

/// Works out how a program is set up.
pub fn plan(app: &App, files: &dyn Dotfiles, wish: &Wish) -> Outcome<Plan> {
    let place = place(app, files, wish)?;
    let recipe = setup::recipe(&wish.agent, &place)?;
    let (name, found) = record::load(app, wish)?;
    let (old, revision) = found.map_or((None, None), |doc| (Some(doc.value), Some(doc.revision)));
    let old = old.unwrap_or_else(|| Record::new(wish));
    let mut plan = Plan {
        changes: Vec::new(),
        commands: Vec::new(),
        notes: recipe.notes,
        undo: false,
        record: Record { program: place.program, ..Record::new(wish) },
        name,
        revision,
        originals: Vec::new(),
        directories: Vec::new(),
    };
    plan.record.extra.clone_from(&old.extra);
    for target in &recipe.targets {
        let now = read(files, &target.path)?;
        let known = old.files.iter().position(|file| file.path == target.path);
        let bare = match known {
            Some(number) => without(app, &plan.name, number, &old.files[number], now.as_deref())?.0,
            None => now.clone(),
        };
        let entry = known.map(|number| &old.files[number]);
        let worked = work_out(target, now.as_deref(), entry, bare.clone())?;
        if worked.known {
            plan.record.files.extend(entry.cloned());
            let original = match known {
                Some(number) => record::original(app, &plan.name, number)?,
                None => None,
            };
            plan.originals.push(original.map(String::into_bytes));
            if worked.yours {
                plan.notes.push(stays(&target.path.display().to_string()));
            }
        } else if let Some((bare, format, made)) = worked.entry {
            let after = worked.after.clone().unwrap_or_default();
            plan.record.files.push(FileRecord {
                path: target.path.clone(),
                format,
                made,
                existed: bare.is_some(),
                written: Digest::of(after.as_bytes()),
                directories: missing_directories(files, &target.path, entry),
            });
            plan.originals.push(bare.map(String::into_bytes));
        }
        plan.change(&target.path, now, worked.after);
    }
    let wanted = |file: &FileRecord| recipe.targets.iter().any(|target| target.path == file.path);
    for (number, file) in old.files.iter().enumerate().filter(|(_, file)| !wanted(file)) {
        plan.take_out(app, files, number, file)?;
    }
    for (command, back) in &recipe.commands {
        if old.commands.iter().any(|(done, _)| done == command) {
            plan.record.commands.push((command.clone(), back.clone()));
        } else {
            plan.commands.push(command.clone());
        }
    }
    for (command, back) in &old.commands {
        if recipe.commands.iter().all(|(wanted, _)| wanted != command) {
            plan.commands.push(back.clone());
        }
    }
    plan.record.planned = recipe.commands;
    Ok(plan)
}

/// Works out how clawteam is taken out of a program's settings.
pub fn plan_undo(app: &App, files: &dyn Dotfiles, wish: &Wish) -> Outcome<Plan> {
    let (name, found) = record::load(app, wish)?;
    let doc = found.ok_or_else(|| SetupError::NotSetUp(wish.agent.clone()))?;
    let mut plan = Plan {
        changes: Vec::new(),
        commands: doc.value.commands.iter().map(|(_, back)| back.clone()).collect(),
        notes: Vec::new(),
        undo: true,
        record: Record::new(wish),
        name,
        revision: Some(doc.revision),
        originals: Vec::new(),
        directories: Vec::new(),
    };
    for (number, file) in doc.value.files.iter().enumerate() {
        plan.take_out(app, files, number, file)?;
    }
    Ok(plan)
}

/// The directories that must be made for a file, and those that were made for it before.
fn missing_directories(
    files: &dyn Dotfiles,
    path: &Path,
    old: Option<&FileRecord>,
) -> Vec<PathBuf> {
    let made = old.map(|old| old.directories.clone()).unwrap_or_default();
    let above = path.ancestors().skip(1);
    let missing = above.filter(|above| made.iter().any(|m| m == above) || !files.exists(above));
    missing.map(Path::to_owned).collect()
}

impl Plan {
    /// Whether there is anything to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.commands.is_empty()
    }

    fn change(&mut self, path: &Path, before: Option<String>, after: Option<String>) {
        if before != after {
            let (before, after) = (before.map(String::into_bytes), after.map(String::into_bytes));
            self.changes.push(Change { path: path.to_owned(), before, after });
        }
    }

    fn take_out(
        &mut self,
        app: &App,
        files: &dyn Dotfiles,
        number: usize,
        file: &FileRecord,
    ) -> Outcome<()> {
        let now = read(files, &file.path)?;
        let (after, left) = without(app, &self.name, number, file, now.as_deref())?;
        self.notes.extend(left.iter().map(|what| stays(what)));
        if after.is_none() {
            self.directories.extend(file.directories.clone());
        }
        self.change(&file.path, now, after);
        Ok(())
    }
}

fn stays(what: &str) -> String {
    format!("you have changed {what} since; it stays")
}

/// Carries a plan out. Returns what the user must know: commands that failed.
pub fn carry_out(app: &App, files: &dyn Dotfiles, plan: &Plan) -> Outcome<Vec<String>> {
    let mut record = plan.record.clone();
    record.at = app.stamp();
    let planned = std::mem::take(&mut record.planned);
    if !plan.undo {
        record::save(app, &plan.name, &record, plan.revision, &plan.originals)?;
    }
    for change in &plan.changes {
        let before = change.before.as_deref();
        let (verb, done) = match &change.after {
            Some(after) => ("write", files.replace(&change.path, before, after)),
            None => ("remove", files.remove(&change.path, before.unwrap_or_default())),
        };
        done.map_err(|source| SetupError::Io { verb, path: change.path.clone(), source })?;
    }
    for directory in &plan.directories {
        files.remove_directory(directory);
    }
    let mut failed = Vec::new();
    for command in &plan.commands {
        match run(app, command) {
            Ok(()) => {
                let done = planned.iter().find(|(wanted, _)| wanted == command);
                record.commands.extend(done.cloned());
            }
            Err(why) => failed.push(why),
        }
    }
    if plan.undo {
        record::remove(app, &plan.name)?;
    } else if !plan.commands.is_empty() {
        record::update(app, &plan.name, &record)?;
    }
    Ok(failed)
}

fn run(app: &App, command: &[String]) -> Result<(), String> {
    let line = command.join(" ");
    let name = command.first().map(String::as_str).unwrap_or_default();
    let search = app.env.get("PATH").unwrap_or_default();
    if app.processes.find_program(name, Path::new("/"), search).is_none() {
        return Err(format!("{name} is not installed; when it is, run: {line}"));
    }
    let program = Program {
        argv: command.to_vec(),
        cwd: PathBuf::from("/"),
        stdout_max: 1024,
        stderr_max: 1024,
        timeout: Some(COMMAND_MAX),
        ..Program::default()
    };
    match app.processes.capture(&program, &|| false, &mut |_| {}) {
        Ok(done) if done.exit_code == 0 => Ok(()),
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            let said = said.trim().lines().next_back().unwrap_or_default();
            Err(format!("`{line}` failed with status {}: {said}", done.exit_code))
        }
        Err(error) => Err(format!("`{line}` cannot be run: {error}")),
    }
}

//! Making and changing workflows.

use std::io::IsTerminal;

use clap::{ArgGroup, Args, ValueEnum};
use serde_json::json;

use super::source;
use crate::app::approval::{self, Presented};
use crate::app::workflow::library::{self, Make, Saved};
use crate::app::workflow::{LibraryError, patterns};
use crate::cli::{Cx, file};
use crate::core::{Outcome, TeamName};
use crate::domain::workflow::definition::{
    Format, Options, Problem, Reading, any_error, from_tree, read, toml,
};
use crate::domain::workflow::import;
use crate::output;

/// Arguments of `workflow create`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("from").required(true).args(["file", "stdin", "from_template"])))]
pub(in crate::cli) struct CreateArgs {
    /// The team
    team: String,
    /// The name (the one in the definition)
    name: Option<String>,
    /// A file in JSON or TOML
    #[arg(long)]
    file: Option<String>,
    /// Read the definition from standard input
    #[arg(long)]
    stdin: bool,
    /// A template (see `workflow templates`)
    #[arg(long, value_name = "TEMPLATE")]
    from_template: Option<String>,
    /// Pass over fields that nobody knows
    #[arg(long)]
    lenient: bool,
    /// Put it into use at once
    #[arg(long)]
    activate: bool,
    /// What is to be said about this version
    #[arg(short = 'm', long, default_value = "")]
    note: String,
}

/// Arguments of `workflow edit`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("how").args(["file", "set"])))]
pub(in crate::cli) struct EditArgs {
    /// The team
    team: String,
    /// The workflow
    name: String,
    /// The new definition, in JSON or TOML (- is standard input); without --file, --set and
    /// --unset an editor is opened ($VISUAL, $EDITOR)
    #[arg(long, conflicts_with = "unset")]
    file: Option<String>,
    /// Set a field, like nodes.build.timeout=5m; the value is JSON, or else a text
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Remove a field
    #[arg(long, value_name = "PATH")]
    unset: Vec<String>,
    /// Change nothing if this is not the latest version any more
    #[arg(long, value_name = "N")]
    if_version: Option<u32>,
    /// Pass over fields that nobody knows
    #[arg(long)]
    lenient: bool,
    /// Put the new version into use at once
    #[arg(long)]
    activate: bool,
    /// What is new in it
    #[arg(short = 'm', long, default_value = "")]
    note: String,
}

/// Arguments of `workflow import`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    /// The team
    team: String,
    /// The file (- is standard input)
    file: String,
    /// What the file is
    #[arg(long, value_enum, default_value_t = Origin::Auto)]
    format: Origin,
    /// The name (the one in the file)
    #[arg(long)]
    name: Option<String>,
    /// Put it into use at once
    #[arg(long)]
    activate: bool,
    /// Only show the definition that it becomes
    #[arg(long)]
    dry_run: bool,
}

/// What an imported file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Origin {
    /// What it looks like
    Auto,
    /// A definition of clawteam
    Clawteam,
    /// A workflow of openclaw-orchestrator
    Orchestrator,
}

/// Who changes a workflow.
fn author(cx: &Cx) -> Outcome<String> {
    let terminal = std::io::stdin().is_terminal();
    let actor = approval::actor(&cx.app, &Presented { terminal, secret: None })?;
    Ok(actor.id)
}

/// Tells what could be better, on standard error; in JSON it is part of the result.
fn tell(cx: &Cx, problems: &[Problem]) {
    if !cx.out.json {
        for problem in problems {
            output::say(&problem.to_string());
        }
    }
}

fn told(cx: &Cx, saved: &Saved, done: &str) -> Outcome<()> {
    tell(cx, &saved.problems);
    cx.out.result(saved, || {
        let Saved { name, version, .. } = saved;
        if saved.unchanged {
            return format!("OK Workflow '{name}' is the same as version {version}");
        }
        let active = match saved.active {
            Some(active) if active == *version => ", in use".to_owned(),
            Some(active) => format!("; version {active} is in use"),
            None => String::new(),
        };
        format!("OK Workflow '{name}' {done}, version {version}{active}")
    })
}

pub(super) fn create(cx: &Cx, args: CreateArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let options = Options { name: args.name.as_deref(), lenient: args.lenient };
    let mut reading = match (&args.file, &args.from_template) {
        (Some(path), _) => source::from_file(path, options)?,
        (None, Some(template)) => read(&patterns::text(&cx.app, template)?, Format::Toml, options),
        (None, None) => source::from_file("-", options)?,
    };
    if let (Some(definition), Some(name)) = (&mut reading.definition, &args.name) {
        definition.name.clone_from(name);
    }
    let name = args.name.unwrap_or_default();
    let (definition, problems) = source::definition(reading, &name, |reading| {
        library::reading_problems(&cx.app, Some(&team), reading)
    })?;
    let make = Make { by: author(cx)?, note: args.note, activate: args.activate, after: None };
    let saved = library::create(&cx.app, &team, &definition, &make, problems)?;
    told(cx, &saved, "created")
}

pub(super) fn edit(cx: &Cx, args: EditArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let about = library::about(&cx.app, &team, &args.name)?;
    let latest = library::load(&cx.app, &team, &library::name_of(&args.name)?, Some(about.latest))?;
    let options = Options { name: Some(&args.name), lenient: args.lenient };
    // Whoever changes what they see wants to know of a version that came in between.
    let mut after = args.if_version;
    let reading = if let Some(path) = &args.file {
        source::from_file(path, options)?
    } else if !args.set.is_empty() || !args.unset.is_empty() {
        after = after.or(Some(latest.version));
        source::with_changes(&latest.definition, &args.set, &args.unset)?
    } else {
        after = after.or(Some(latest.version));
        let no_toml = |reason| LibraryError::NoFormat { format: "TOML", reason };
        let before = toml(&latest.definition).map_err(no_toml)?;
        match source::edited(cx, &before, options)? {
            Some(reading) => reading,
            None => {
                from_tree(serde_json::to_value(&latest.definition).unwrap_or_default(), options)
            }
        }
    };
    let (mut definition, problems) = source::definition(reading, &args.name, |reading| {
        library::reading_problems(&cx.app, Some(&team), reading)
    })?;
    definition.name.clone_from(&args.name);
    let make = Make { by: author(cx)?, note: args.note, activate: args.activate, after };
    let saved = library::edit(&cx.app, &team, &definition, &make, problems)?;
    told(cx, &saved, "changed")
}

pub(super) fn import(cx: &Cx, args: ImportArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let text = file::read_text(&args.file)?;
    let name = args.name.as_deref();
    let foreign = match args.format {
        Origin::Auto => import::is_orchestrator(&text),
        Origin::Clawteam => false,
        Origin::Orchestrator => true,
    };
    let mut reading: Reading = if foreign {
        import::orchestrator(&text, name)
    } else {
        let format = Format::guess(Some(&args.file), &text);
        read(&text, format, Options { name, lenient: true })
    };
    if let (Some(definition), Some(name)) = (&mut reading.definition, name) {
        name.clone_into(&mut definition.name);
    }
    if args.dry_run {
        let problems = library::reading_problems(&cx.app, Some(&team), &reading)?;
        tell(cx, &problems);
        let definition = reading.definition;
        let payload =
            json!({"ok": !any_error(&problems), "definition": definition, "problems": problems});
        return cx.out.result(&payload, || {
            serde_json::to_string_pretty(&payload["definition"]).unwrap_or_default()
        });
    }
    let (definition, problems) =
        source::definition(reading, name.unwrap_or("workflow"), |reading| {
            library::reading_problems(&cx.app, Some(&team), reading)
        })?;
    let note = if foreign { "imported from openclaw-orchestrator" } else { "imported" };
    let make =
        Make { by: author(cx)?, note: note.to_owned(), activate: args.activate, after: None };
    let saved = library::create(&cx.app, &team, &definition, &make, problems)?;
    told(cx, &saved, "imported")
}

pub(super) fn activate(cx: &Cx, team: String, name: &str, version: Option<u32>) -> Outcome<()> {
    let team = TeamName::parse(team)?;
    let (meta, problems) = library::activate(&cx.app, &team, name, version)?;
    tell(cx, &problems);
    let payload = json!({"name": meta.name, "status": meta.status, "active": meta.active, "problems": problems});
    cx.out.result(&payload, || {
        format!("OK Workflow '{name}' is in use, version {}", meta.active.unwrap_or_default())
    })
}

pub(super) fn archive(cx: &Cx, team: String, name: &str) -> Outcome<()> {
    let meta = library::archive(&cx.app, &TeamName::parse(team)?, name)?;
    let payload = json!({"name": meta.name, "status": meta.status});
    cx.out.result(&payload, || format!("OK Workflow '{name}' archived"))
}

pub(super) fn delete(cx: &Cx, team: String, name: &str, force: bool) -> Outcome<()> {
    let deleted = library::delete(&cx.app, &TeamName::parse(team)?, name, force)?;
    cx.out.result(&deleted, || {
        let mut text = format!("OK Workflow '{name}' deleted");
        if !deleted.live_runs.is_empty() {
            text.push_str(&format!("\n  Runs that go on: {}", deleted.live_runs.join(", ")));
        }
        text.push_str(&format!("\n  Its documents are kept in {}", deleted.kept_in));
        text
    })
}

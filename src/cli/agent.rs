//! `clawteam agent`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use toml::{Table as Toml, Value};

use super::{Cx, setup};
use crate::app::agent_rows::{self, RowError};
use crate::app::probe::{self, Release, Wish};
use crate::core::text::printable;
use crate::core::{Diagnose, Name, Outcome};
use crate::domain::agent_cli::AgentCli;
use crate::output::{self, Table};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum AgentCommand {
    /// List the agent programs that are known, and which of them are installed
    List,
    /// Show all that is known of an agent program
    Show {
        /// The program
        name: String,
    },
    /// Write a row for an agent program, or change the one that it has
    Add(Box<AddArgs>),
    /// Start an installed agent program in a tmux of its own and learn what it does
    Probe(ProbeArgs),
}

/// Arguments of `agent add`.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// What it is called
    name: String,
    /// A file name of the program [default: the name]
    #[arg(long, value_name = "NAME")]
    program: Vec<String>,
    /// What its makers call it
    #[arg(long)]
    title: Option<String>,
    /// What follows the program when it is named alone
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    run: Option<String>,
    /// How a prompt is passed: words with {prompt} in them, or nothing to have it typed
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// How a model is named: words with {} in them
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    model: Option<String>,
    /// How its directory is named: words with {} in them
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    cwd: Option<String>,
    /// How a session is gone on with: words with {} in them
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    resume: Option<String>,
    /// What lets it edit without asking
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    edit: Option<String>,
    /// What lets it do everything without asking
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    full: Option<String>,
    /// What the line begins with that a prompt is typed into
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    composer: Vec<String>,
    /// A text that its screen shows while it works
    #[arg(long, value_name = "TEXT")]
    working: Vec<String>,
    /// The key that submits, as tmux names it
    #[arg(long, value_name = "KEY")]
    submit: Option<String>,
    /// A variable that it must not inherit
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    /// Write the row anew if there is one
    #[arg(long)]
    force: bool,
}

/// Arguments of `agent probe`.
#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// The program [default: all that are installed]
    name: Option<String>,
    /// Answer this dialog with yes, by name or kind
    #[arg(long, value_name = "DIALOG")]
    allow: Vec<String>,
    /// Send this text to find out which key submits; the program's model is asked
    #[arg(long, value_name = "TEXT")]
    send: Option<String>,
    /// How long it may take to be ready
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

pub(super) fn run(cx: &Cx, command: AgentCommand) -> Outcome<ExitCode> {
    match command {
        AgentCommand::List => list(cx)?,
        AgentCommand::Show { name } => show(cx, &name)?,
        AgentCommand::Add(args) => add(cx, *args)?,
        AgentCommand::Probe(args) => return probe(cx, &args),
    }
    Ok(ExitCode::SUCCESS)
}

fn here() -> PathBuf {
    std::path::absolute(".").unwrap_or_else(|_| PathBuf::from("."))
}

/// The file of an installed program.
fn installed(cx: &Cx, row: &AgentCli) -> Option<PathBuf> {
    let path = cx.app.env.get("PATH").unwrap_or_default();
    row.programs.iter().find_map(|name| cx.app.processes.find_program(name, &here(), path))
}

fn list(cx: &Cx) -> Outcome<()> {
    let catalog = agent_rows::catalog(&cx.app, &here());
    let rows: Vec<_> = catalog
        .rows()
        .map(|row| {
            let file = installed(cx, row);
            let release = file.as_ref().and_then(|file| probe::release(&cx.app, row, file));
            let release = release.unwrap_or_default();
            json!({
                "name": row.name,
                "title": row.title,
                "programs": row.programs,
                "installed": file.is_some(),
                "path": file,
                "version": release.version,
                "probed": release.screen.is_some(),
                "source": catalog.file_of(&row.name).unwrap_or("(built in)"),
            })
        })
        .collect();
    cx.out.result(&rows, || {
        let mut table = Table::new("Agent programs")
            .column("Name")
            .column("Program")
            .column("Installed")
            .column("Probed")
            .prose("Version")
            .column("Row");
        let yes = |truth: &serde_json::Value| if truth == true { "yes" } else { "no" };
        for row in &rows {
            let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            let built_in = text("source") == "(built in)";
            table.row([
                text("name"),
                text("title"),
                yes(&row["installed"]).to_owned(),
                yes(&row["probed"]).to_owned(),
                text("version"),
                if built_in { "built in".to_owned() } else { text("source") },
            ]);
        }
        table.render(cx.out.width())
    })
}

fn show(cx: &Cx, name: &str) -> Outcome<()> {
    let catalog = agent_rows::catalog(&cx.app, &here());
    let row = catalog.named(name).ok_or_else(|| RowError::Unknown(name.to_owned()))?;
    let file = installed(cx, row);
    let known = probe::known(&cx.app, row);
    let payload = json!({
        "name": row.name,
        "path": file,
        "source": catalog.file_of(name).unwrap_or("(built in)"),
        "row": row,
        "probes": known.as_ref().map(|known| &known.releases),
    });
    cx.out.result(&payload, || {
        let place = file.as_ref().map_or_else(
            || format!("not installed; {}", row.install),
            |file| file.display().to_string(),
        );
        let mut lines = vec![
            format!("# {} ({place})", if row.title.is_empty() { name } else { &row.title }),
            format!("# from {}", catalog.file_of(name).unwrap_or("(built in)")),
        ];
        lines.push(catalog.text_of(name).unwrap_or_default());
        for release in known.iter().flat_map(|known| &known.releases) {
            lines.extend(told(cx, release).into_iter().map(|line| format!("# {line}")));
        }
        lines.join("\n")
    })
}

/// What was learned of a release, in lines.
fn told(cx: &Cx, release: &Release) -> Vec<String> {
    let mut lines = vec![format!(
        "{} ({}), looked at {}",
        if release.version.is_empty() { "unknown version" } else { &release.version },
        release.path,
        cx.time(&release.looked_at)
    )];
    for (form, flags) in &release.flags {
        let form = if form.is_empty() { "--help" } else { form };
        lines.push(format!("  {form}: {} options", flags.len()));
    }
    let Some(seen) = &release.screen else { return lines };
    lines.push(format!("  tmux {}", seen.tmux));
    for one in &seen.answered {
        lines.push(format!("  asked {}: answered {}", one.name, printable(&one.answer, false)));
    }
    if let Some(dialog) = &seen.left_at {
        let text = printable(&dialog.text.replace('\n', " "), false);
        lines.push(format!("  left at {}: {text}", dialog.name));
    }
    lines.push(if seen.ready {
        format!("  ready after {:.1} s", seen.ready_seconds)
    } else {
        "  its composer was not seen".to_owned()
    });
    if let Some(kept) = seen.bracketed_paste {
        lines.push(format!("  pasted lines stay one draft: {}", if kept { "yes" } else { "no" }));
    }
    if let Some(key) = &seen.submit {
        lines.push(format!("  submitted by {key}"));
    }
    lines.extend(seen.screen.iter().map(|line| format!("  | {}", printable(line, false))));
    lines
}

fn words(text: &str) -> Value {
    text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into()
}

fn add(cx: &Cx, args: AddArgs) -> Outcome<()> {
    let name = Name::parse_as("agent program", &args.name)?;
    let mut row = Toml::new();
    row.insert("name".into(), args.name.clone().into());
    if let Some(title) = args.title {
        row.insert("title".into(), title.into());
    }
    if !args.program.is_empty() {
        row.insert("programs".into(), args.program.into());
    }
    for (key, value) in [
        ("run", args.run),
        ("prompt", args.prompt),
        ("model", args.model),
        ("cwd", args.cwd),
        ("resume", args.resume),
    ] {
        if let Some(value) = value {
            row.insert(key.into(), words(&value));
        }
    }
    if !args.unset.is_empty() {
        row.insert("unset".into(), args.unset.into());
    }
    let mut permissions = Toml::new();
    for (level, value) in [("edit", args.edit), ("full", args.full)] {
        if let Some(value) = value {
            permissions.insert(level.into(), words(&value));
        }
    }
    let mut screen = Toml::new();
    if let Some(submit) = args.submit {
        screen.insert("submit".into(), submit.into());
    }
    if !args.working.is_empty() {
        screen.insert("working".into(), args.working.into());
    }
    if !args.composer.is_empty() {
        let mut composer = Toml::new();
        composer.insert("prefix".into(), args.composer.into());
        screen.insert("composer".into(), composer.into());
    }
    for (key, table) in [("permissions", permissions), ("screen", screen)] {
        if !table.is_empty() {
            row.insert(key.into(), table.into());
        }
    }
    let text = toml::to_string(&row).map_err(NoRow)?;
    let path = agent_rows::add(&cx.app, &name, &text, args.force)?;
    let payload = json!({"status": "added", "name": args.name, "path": path});
    cx.out.result(&payload, || format!("OK Row of '{}' written: {}", args.name, path.display()))
}

/// A row that cannot be written as TOML.
#[derive(Debug, thiserror::Error)]
#[error("the row cannot be written")]
struct NoRow(#[source] toml::ser::Error);

impl Diagnose for NoRow {
    fn code(&self) -> &'static str {
        "agent_row_invalid"
    }
}

/// A program that is to be probed is not there.
#[derive(Debug, thiserror::Error)]
#[error("{name} is not installed")]
struct NotInstalled {
    name: String,
    install: String,
}

impl Diagnose for NotInstalled {
    fn code(&self) -> &'static str {
        "command_not_found"
    }

    fn hint(&self) -> Option<String> {
        (!self.install.is_empty()).then(|| format!("install it: {}", self.install))
    }
}

/// There is no place to try a program out in.
#[derive(Debug, thiserror::Error)]
#[error("no temporary directory can be made")]
struct NoPlace(#[source] std::io::Error);

impl Diagnose for NoPlace {
    fn code(&self) -> &'static str {
        "io"
    }
}

fn probe(cx: &Cx, args: &ProbeArgs) -> Outcome<ExitCode> {
    let catalog = agent_rows::catalog(&cx.app, &here());
    let rows: Vec<&AgentCli> = match &args.name {
        Some(name) => {
            vec![catalog.named(name).ok_or_else(|| RowError::Unknown(name.clone()))?]
        }
        None => catalog.rows().filter(|row| installed(cx, row).is_some()).collect(),
    };
    let patience = Duration::from_secs(args.timeout);
    let wish = Wish { allow: args.allow.clone(), send: args.send.clone(), patience };
    let mut found = Vec::new();
    for row in rows {
        let missing = || NotInstalled { name: row.name.clone(), install: row.install.clone() };
        let file = installed(cx, row).ok_or_else(missing)?;
        output::say(&format!("starting {} ({})", row.name, file.display()));
        let place = tempfile::tempdir().map_err(NoPlace)?;
        let cwd = place.path().canonicalize().map_err(NoPlace)?;
        let terminal = setup::scratch_terminal(&cwd);
        found.push((row, probe::probe(&cx.app, row, &file, &terminal, &cwd, &wish)?));
    }
    let understood = |release: &Release| release.screen.as_ref().is_some_and(|seen| seen.ready);
    let all = found.iter().all(|(_, release)| understood(release));
    let one = |(row, release): &(&AgentCli, Release)| json!({"name": row.name, "release": release});
    cx.out.result(&found.iter().map(one).collect::<Vec<_>>(), || {
        let mut lines = Vec::new();
        for (row, release) in &found {
            lines.push(row.name.clone());
            lines.extend(told(cx, release).into_iter().map(|line| format!("  {line}")));
        }
        if found.is_empty() {
            lines.push("no agent program is installed".into());
        }
        lines.join("\n")
    })?;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

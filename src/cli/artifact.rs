//! `clawteam artifact`.

use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use super::{Cx, file};
use crate::app::artifact;
use crate::core::{Diagnose, Exit, Name, Outcome, TaskId, TeamName, limits};
use crate::domain::artifact::{Artifact, Owner};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum ArtifactCommand {
    /// Keep a file as the next version of an artifact
    Add(AddArgs),
    /// List the artifacts of a team, a task or a run
    List(ListArgs),
    /// Get a version of an artifact
    Get(GetArgs),
    /// Show how two versions of an artifact differ
    Diff(DiffArgs),
}

/// Whose artifact it is.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("owner").required(true).args(["task", "run"])))]
struct OwnerArgs {
    /// The task that it belongs to
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// The run that it belongs to
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

/// Arguments of `artifact add`.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The team
    team: String,
    /// The file; `-` for standard input
    file: String,
    #[command(flatten)]
    owner: OwnerArgs,
    /// What to call it [default: the name of the file]
    #[arg(short, long)]
    name: Option<String>,
}

/// Arguments of `artifact list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The team
    team: String,
    /// Only those of this task
    #[arg(long, value_name = "ID", conflicts_with = "run")]
    task: Option<String>,
    /// Only those of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

/// Arguments of `artifact get`.
#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// The team
    team: String,
    /// The artifact
    name: String,
    #[command(flatten)]
    owner: OwnerArgs,
    /// Which version [default: the newest]
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Write it to this file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<String>,
}

/// Arguments of `artifact diff`.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The team
    team: String,
    /// The artifact
    name: String,
    #[command(flatten)]
    owner: OwnerArgs,
    /// The older version [default: the one before the newer one]
    #[arg(long, value_name = "N")]
    from: Option<u32>,
    /// The newer version [default: the newest]
    #[arg(long, value_name = "M")]
    to: Option<u32>,
}

/// A file whose name cannot be the name of an artifact.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' cannot be the name of an artifact")]
struct Nameless(String);

impl Diagnose for Nameless {
    fn code(&self) -> &'static str {
        "invalid_name"
    }

    fn hint(&self) -> Option<String> {
        Some("give one of letters, digits, '.', '_' and '-': --name NAME".into())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

fn owner(task: Option<String>, run: Option<String>) -> Outcome<Option<Owner>> {
    Ok(match (task, run) {
        (Some(task), _) => Some(Owner::task(&TaskId::parse(task)?)),
        (None, Some(run)) => Some(Owner::run(&Name::parse_as("run id", run)?)),
        (None, None) => None,
    })
}

impl OwnerArgs {
    fn owner(self) -> Outcome<Owner> {
        Ok(owner(self.task, self.run)?.expect("the command line has one of the two"))
    }
}

/// The name of the artifact that a file becomes, and what is in it.
pub(super) fn take(path: &str, name: Option<String>) -> Outcome<(Name, Vec<u8>)> {
    let name = if let Some(name) = name {
        Name::parse_as("artifact name", name)?
    } else {
        let own = file::name(path).to_owned();
        Name::parse(own.clone()).ok().filter(|_| own != "-").ok_or(Nameless(own))?
    };
    let bytes =
        file::read(path, limits::ARTIFACT_BYTES_MAX, |length| artifact::fits(path, length))?;
    Ok((name, bytes))
}

pub(super) fn run(cx: &Cx, command: ArtifactCommand) -> Outcome<ExitCode> {
    match command {
        ArtifactCommand::Add(args) => add(cx, args)?,
        ArtifactCommand::List(args) => list(cx, args)?,
        ArtifactCommand::Get(args) => get(cx, args)?,
        ArtifactCommand::Diff(args) => diff(cx, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn add(cx: &Cx, args: AddArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let owner = args.owner.owner()?;
    let (name, bytes) = take(&args.file, args.name)?;
    artifact::check_owner(&cx.app, &team, &owner)?;
    let added = artifact::add_telling(&cx.app, &team, &owner, &name, bytes, &args.file)?;
    let version = &added.version;
    let payload = json!({"name": name, "owner": owner, "version": version, "new": added.is_new});
    cx.out.result(&payload, || {
        let number = version.version;
        if added.is_new {
            format!("OK {name}: version {number} of {owner} ({} bytes)", version.bytes)
        } else {
            format!("OK {name}: nothing new, version {number} of {owner} has this content")
        }
    })
}

fn list(cx: &Cx, args: ListArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let artifacts = match owner(args.task, args.run)? {
        Some(owner) => {
            artifact::check_owner(&cx.app, &team, &owner)?;
            artifact::of(&cx.app, &team, &owner)?
        }
        None => artifact::all(&cx.app, &team)?,
    };
    if artifacts.is_empty() {
        cx.app.warn_if_unknown(&team);
    }
    if cx.out.json {
        return cx.out.json_list(&artifacts);
    }
    if artifacts.is_empty() {
        return cx.out.text("No artifacts found");
    }
    cx.out.text(&table(cx, &team, &artifacts))
}

fn table(cx: &Cx, team: &TeamName, artifacts: &[Artifact]) -> String {
    let mut table = Table::new(format!("Artifacts - {team}"))
        .column("Owner")
        .column("Name")
        .number("Version")
        .number("Bytes")
        .column("Type")
        .column("By")
        .column("At");
    for artifact in artifacts {
        let Some(latest) = artifact.latest() else { continue };
        table.row([
            format!("{} {}", artifact.owner.kind.as_str(), artifact.owner.id),
            artifact.name.to_string(),
            latest.version.to_string(),
            latest.bytes.to_string(),
            latest.media_type.clone(),
            latest.by.clone(),
            cx.time(&latest.at),
        ]);
    }
    table.render(cx.out.width())
}

fn get(cx: &Cx, args: GetArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let owner = args.owner.owner()?;
    let name = Name::parse_as("artifact name", args.name)?;
    let found = artifact::get(&cx.app, &team, &owner, &name)?;
    let version = found.version(args.version)?;
    let bytes = artifact::get_blob(&cx.app, &version.digest)?;
    if let Some(path) = &args.out {
        file::write(path, &bytes)?;
        let payload = json!({"name": name, "owner": owner, "version": version, "file": path});
        return cx.out.result(&payload, || {
            format!("OK {name}: version {} written to {path}", version.version)
        });
    }
    if cx.out.json {
        // Content that is no text has no place in JSON; its digest says what it is.
        let text = std::str::from_utf8(&bytes).ok();
        let payload = json!({"name": name, "owner": owner, "version": version, "text": text});
        return cx.out.json(&payload);
    }
    cx.out.raw(&bytes)
}

fn diff(cx: &Cx, args: DiffArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let owner = args.owner.owner()?;
    let name = Name::parse_as("artifact name", args.name)?;
    let found = artifact::get(&cx.app, &team, &owner, &name)?;
    let diff = artifact::diff(&cx.app, &found, args.from, args.to)?;
    let (from, to) = (&diff.from, &diff.to);
    let same = from.digest == to.digest;
    let payload = json!({
        "name": name, "owner": owner, "from": from, "to": to,
        "same": same, "binary": diff.text.is_none(), "diff": diff.text,
    });
    cx.out.result(&payload, || match &diff.text {
        _ if same => format!("versions {} and {} are the same", from.version, to.version),
        Some(text) => text.trim_end().to_owned(),
        None => format!(
            "binary versions {} ({} bytes) and {} ({} bytes) differ",
            from.version, from.bytes, to.version, to.bytes
        ),
    })
}

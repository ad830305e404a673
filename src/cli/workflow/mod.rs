//! `clawteam workflow`.

mod change;
mod show;
mod source;

use std::process::ExitCode;

use clap::Subcommand;

use super::Cx;
use crate::core::Outcome;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum WorkflowCommand {
    /// Make a workflow from a file, standard input or a template
    Create(change::CreateArgs),
    /// Make a new version of a workflow; runs keep the version that they began with
    Edit(change::EditArgs),
    /// Tell everything that is wrong with a workflow (exit status 4 if it cannot run)
    Validate(show::ValidateArgs),
    /// List the workflows of a team
    List(show::ListArgs),
    /// Show a workflow
    Show(show::ShowArgs),
    /// List the versions of a workflow
    Versions {
        /// The team
        team: String,
        /// The workflow
        name: String,
    },
    /// Show what differs between two versions (the latest and the one before)
    Diff(show::DiffArgs),
    /// Put a version of a workflow into use (the latest)
    Activate {
        /// The team
        team: String,
        /// The workflow
        name: String,
        /// The version
        #[arg(long)]
        version: Option<u32>,
    },
    /// Take a workflow out of use
    Archive {
        /// The team
        team: String,
        /// The workflow
        name: String,
    },
    /// Move a workflow to the trash
    Delete {
        /// The team
        team: String,
        /// The workflow
        name: String,
        /// Even if it has runs that go on
        #[arg(short, long)]
        force: bool,
    },
    /// Write a workflow in another format
    Export(show::ExportArgs),
    /// Take over a workflow that was exported, or one of openclaw-orchestrator
    Import(change::ImportArgs),
    /// Draw a workflow
    Graph(show::GraphArgs),
    /// List the templates of workflows
    Templates,
}

pub(super) fn run(cx: &Cx, command: WorkflowCommand) -> Outcome<ExitCode> {
    match command {
        WorkflowCommand::Create(args) => change::create(cx, args)?,
        WorkflowCommand::Edit(args) => change::edit(cx, args)?,
        WorkflowCommand::Validate(args) => return show::validate(cx, args),
        WorkflowCommand::List(args) => show::list(cx, args)?,
        WorkflowCommand::Show(args) => show::show(cx, args)?,
        WorkflowCommand::Versions { team, name } => show::versions(cx, team, &name)?,
        WorkflowCommand::Diff(args) => show::diff(cx, args)?,
        WorkflowCommand::Activate { team, name, version } => {
            change::activate(cx, team, &name, version)?;
        }
        WorkflowCommand::Archive { team, name } => change::archive(cx, team, &name)?,
        WorkflowCommand::Delete { team, name, force } => change::delete(cx, team, &name, force)?,
        WorkflowCommand::Export(args) => show::export(cx, args)?,
        WorkflowCommand::Import(args) => change::import(cx, args)?,
        WorkflowCommand::Graph(args) => show::graph(cx, args)?,
        WorkflowCommand::Templates => show::templates(cx)?,
    }
    Ok(ExitCode::SUCCESS)
}

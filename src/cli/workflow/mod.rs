//! `clawteam workflow`.

mod ask;
mod change;
mod keep;
mod look;
mod run;
mod show;
mod source;
mod test;
mod text;

use std::process::ExitCode;

use clap::Subcommand;

use super::Cx;
use super::tick::TickArgs;
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
    /// Start a run
    Run(Box<run::RunArgs>),
    /// Move a run by one transition
    Step(run::StepArgs),
    /// Move a run until it ends, and show what it does
    Drive(run::DriveArgs),
    /// Move every run that is due, and do all else that is (the same as `clawteam tick`)
    Tick(TickArgs),
    /// Try a workflow out: a file says what agents, people and programs answer
    Test(test::TestArgs),
    /// Show how a run stands
    Status(ask::RunRef),
    /// Say why a run does not move
    Explain(look::ExplainArgs),
    /// Show every transition of a run
    Log(look::LogArgs),
    /// List runs, those that have ended too
    History(look::HistoryArgs),
    /// Show what a run, or a node of it, resulted in
    Outputs(look::OutputsArgs),
    /// List what was handed in during a run
    Artifacts(ask::RunRef),
    /// End a run
    Stop(ask::StopArgs),
    /// Let a run begin nothing new
    Pause(ask::PauseArgs),
    /// Let a paused run go on
    Resume(ask::RunRef),
    /// Try anew what failed
    Retry(ask::RetryArgs),
    /// Count a visit as done
    Skip(ask::SkipArgs),
    /// Change variables of a run
    Set(ask::SetArgs),
    /// Send a signal to a run
    Signal(ask::SignalArgs),
    /// Make a run from the first records of another one
    Fork(keep::ForkArgs),
    /// Show how a run stood after any of its records
    Replay(keep::ReplayArgs),
    /// Check that the journal of a run is whole and gives its state
    Fsck(keep::FsckArgs),
    /// Remove runs that ended long ago; what became of them stays known
    Gc(keep::GcArgs),
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
        WorkflowCommand::Run(args) => return run::run(cx, *args),
        WorkflowCommand::Step(args) => return run::step(cx, args),
        WorkflowCommand::Drive(args) => return run::drive_run(cx, args),
        WorkflowCommand::Tick(args) => return super::tick::run(cx, args),
        WorkflowCommand::Test(args) => return test::test(cx, args),
        WorkflowCommand::Status(args) => return look::status(cx, args),
        WorkflowCommand::Explain(args) => return look::explain_run(cx, args),
        WorkflowCommand::Log(args) => return look::log(cx, args),
        WorkflowCommand::History(args) => return look::history(cx, args),
        WorkflowCommand::Outputs(args) => return look::outputs(cx, args),
        WorkflowCommand::Artifacts(args) => return look::artifacts(cx, args),
        WorkflowCommand::Stop(args) => return ask::stop(cx, args),
        WorkflowCommand::Pause(args) => return ask::pause(cx, args),
        WorkflowCommand::Resume(args) => return ask::resume(cx, args),
        WorkflowCommand::Retry(args) => return ask::retry(cx, args),
        WorkflowCommand::Skip(args) => return ask::skip(cx, args),
        WorkflowCommand::Set(args) => return ask::set(cx, args),
        WorkflowCommand::Signal(args) => return ask::signal(cx, args),
        WorkflowCommand::Fork(args) => return keep::fork_run(cx, args),
        WorkflowCommand::Replay(args) => return keep::replay(cx, args),
        WorkflowCommand::Fsck(args) => return keep::fsck(cx, args),
        WorkflowCommand::Gc(args) => return keep::gc(cx, args),
    }
    Ok(ExitCode::SUCCESS)
}

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
        WorkflowCommand::Create(args) => done(change::create(cx, args)),
        WorkflowCommand::Edit(args) => done(change::edit(cx, args)),
        WorkflowCommand::Validate(args) => show::validate(cx, args),
        WorkflowCommand::List(args) => done(show::list(cx, args)),
        WorkflowCommand::Show(args) => done(show::show(cx, args)),
        WorkflowCommand::Versions { team, name } => done(show::versions(cx, team, &name)),
        WorkflowCommand::Diff(args) => done(show::diff(cx, args)),
        WorkflowCommand::Activate { team, name, version } => {
            done(change::activate(cx, team, &name, version))
        }
        WorkflowCommand::Archive { team, name } => done(change::archive(cx, team, &name)),
        WorkflowCommand::Delete { team, name, force } => {
            done(change::delete(cx, team, &name, force))
        }
        WorkflowCommand::Export(args) => done(show::export(cx, args)),
        WorkflowCommand::Import(args) => done(change::import(cx, args)),
        WorkflowCommand::Graph(args) => done(show::graph(cx, args)),
        WorkflowCommand::Templates => done(show::templates(cx)),
        WorkflowCommand::Run(args) => run::run(cx, *args),
        WorkflowCommand::Step(args) => run::step(cx, args),
        WorkflowCommand::Drive(args) => run::drive_run(cx, args),
        WorkflowCommand::Test(args) => test::test(cx, args),
        WorkflowCommand::Status(args) => look::status(cx, args),
        WorkflowCommand::Explain(args) => look::explain_run(cx, args),
        WorkflowCommand::Log(args) => look::log(cx, args),
        WorkflowCommand::History(args) => look::history(cx, args),
        WorkflowCommand::Outputs(args) => look::outputs(cx, args),
        WorkflowCommand::Artifacts(args) => look::artifacts(cx, args),
        WorkflowCommand::Stop(args) => ask::stop(cx, args),
        WorkflowCommand::Pause(args) => ask::pause(cx, args),
        WorkflowCommand::Resume(args) => ask::resume(cx, args),
        WorkflowCommand::Retry(args) => ask::retry(cx, args),
        WorkflowCommand::Skip(args) => ask::skip(cx, args),
        WorkflowCommand::Set(args) => ask::set(cx, args),
        WorkflowCommand::Signal(args) => ask::signal(cx, args),
        WorkflowCommand::Fork(args) => keep::fork_run(cx, args),
        WorkflowCommand::Replay(args) => keep::replay(cx, args),
        WorkflowCommand::Fsck(args) => keep::fsck(cx, args),
        WorkflowCommand::Gc(args) => keep::gc(cx, args),
    }
}

fn done(outcome: Outcome<()>) -> Outcome<ExitCode> {
    outcome.map(|()| ExitCode::SUCCESS)
}

//! `clawteam workflow`.

mod ask;
mod keep;
mod look;
mod run;
mod test;
mod text;

use std::process::ExitCode;

use clap::Subcommand;

use super::Cx;
use crate::core::Outcome;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum WorkflowCommand {
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

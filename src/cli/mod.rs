//! The command line: what can be typed, and what is answered.
//!
//! One file for each group of commands. A command turns its arguments into a call of `app` and the
//! result into text or JSON; it holds no rule.

mod agent;
mod agent_runner;
mod approval;
mod args;
mod artifact;
mod board;
mod completions;
mod config;
mod context;
mod cost;
mod demo;
mod doctor;
mod file;
mod gource;
mod harness;
mod hook;
mod hook_event;
mod identity;
mod inbox;
mod launch;
mod lifecycle;
mod main;
mod mcp;
mod notify;
mod notify_rules;
mod permission;
mod plan;
mod plugin;
mod preset;
mod prime;
mod profile;
mod queue;
mod run;
mod runtime;
mod schedule;
mod scripted_agent;
mod session;
mod setup;
mod setup_agent;
mod setup_group;
mod spawn;
mod task;
mod team;
mod team_life;
mod team_watch;
mod template;
mod tick;
mod timer;
mod workflow;
mod workspace;

use std::process::ExitCode;

use clap::{ArgAction, ArgMatches, Command, FromArgMatches, Subcommand};

pub use main::main;

use crate::app::App;
use crate::app::wait::Stop;
use crate::core::{Outcome, Stamp};
use crate::output::Output;

/// What every command gets.
pub(crate) struct Cx {
    pub(crate) app: App,
    pub(crate) out: Output,
}

impl Cx {
    /// An instant for people, in their time zone.
    pub(crate) fn time(&self, stamp: &Stamp) -> String {
        stamp.display_in(&self.app.setting("timezone"))
    }

    /// An instant for people, in a time zone of its own.
    pub(crate) fn time_in(&self, stamp: &Stamp, zone: &str) -> String {
        if zone.eq_ignore_ascii_case("utc") { self.time(stamp) } else { stamp.display_in(zone) }
    }

    /// A request to end that Ctrl-C and SIGTERM make.
    pub(crate) fn stop_on_signal() -> Outcome<Stop> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let stop = Stop::default();
        let requested = stop.clone();
        let mut signals =
            signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(main::SignalError)?;
        std::thread::spawn(move || {
            for _ in signals.forever() {
                requested.request();
            }
        });
        Ok(stop)
    }
}

type Run = fn(&ArgMatches, &Cx) -> Outcome<ExitCode>;

/// A command of the first level. Its options and subcommands are built only if it is called, so
/// that the many others cost nothing.
struct Entry {
    name: &'static str,
    about: &'static str,
    build: fn(Command) -> Command,
    run: Run,
    hidden: bool,
}

/// A group of commands, from its `Subcommand` type.
macro_rules! group {
    ($name:literal, $about:literal, $commands:ty, $run:path) => {
        Entry {
            name: $name,
            about: $about,
            build: |command| {
                // The documentation of the type is not for users.
                <$commands as Subcommand>::augment_subcommands(command)
                    .about($about)
                    .subcommand_required(true)
                    .arg_required_else_help(false)
            },
            run: |matches, cx| {
                let command = <$commands>::from_arg_matches(matches).map_err(main::Usage)?;
                $run(cx, command)
            },
            hidden: false,
        }
    };
}

/// A single command, from its `Args` type.
macro_rules! single {
    ($name:literal, $about:literal, $args:ty, $run:path) => {
        single!($name, $about, $args, $run, hidden: false)
    };
    ($name:literal, $about:literal, $args:ty, $run:path, hidden: $hidden:literal) => {
        Entry {
            name: $name,
            about: $about,
            build: |command| <$args as clap::Args>::augment_args(command).about($about),
            run: |matches, cx| {
                let args = <$args>::from_arg_matches(matches).map_err(main::Usage)?;
                $run(cx, args)
            },
            hidden: $hidden,
        }
    };
}

const ENTRIES: &[Entry] = &[
    single!("demo", "See a whole team at work, without any model", demo::DemoArgs, demo::run),
    single!("launch", "Start a whole team from a template", launch::LaunchArgs, launch::run),
    single!("spawn", "Start an agent", spawn::SpawnArgs, spawn::run),
    single!("run", "Start an agent with a goal, in a line", run::RunArgs, run::run),
    group!(
        "agent",
        "See, add and try out the agent programs that can be started",
        agent::AgentCommand,
        agent::run
    ),
    group!("config", "Show and change the settings", config::ConfigCommand, config::run),
    group!("preset", "Providers to make profiles of", preset::PresetCommand, preset::run),
    group!(
        "profile",
        "Agent programs with model, endpoint and keys, under one name",
        profile::ProfileCommand,
        profile::run
    ),
    group!("hook", "Have commands run when something happens", hook::HookCommand, hook::run),
    group!(
        "plugin",
        "Programs that hear of events, add to prompts and do steps",
        plugin::PluginCommand,
        plugin::run
    ),
    group!("team", "Make teams and see who is in them", team::TeamCommand, team::run),
    group!("inbox", "Send and receive messages", inbox::InboxCommand, inbox::run),
    group!("task", "Plan, claim and finish work", task::TaskCommand, task::run),
    group!(
        "artifact",
        "Keep what tasks and runs bring forth",
        artifact::ArtifactCommand,
        artifact::run
    ),
    group!("notify", "See what you must know", notify::NotifyCommand, notify::run),
    group!(
        "workflow",
        "Draw graphs of work and let them run, one durable step at a time",
        workflow::WorkflowCommand,
        workflow::run
    ),
    group!("cost", "Report what was spent, and see it", cost::CostCommand, cost::run),
    group!("plan", "Hand in plans and decide about them", plan::PlanCommand, plan::run),
    group!(
        "approval",
        "Ask for approvals and decide about them",
        approval::ApprovalCommand,
        approval::run
    ),
    group!(
        "lifecycle",
        "Tell that an agent is idle or has ended",
        lifecycle::LifecycleCommand,
        lifecycle::run
    ),
    group!(
        "session",
        "See and keep the conversations of agents with their programs",
        session::SessionCommand,
        session::run
    ),
    group!(
        "template",
        "See what kinds of team can be launched",
        template::TemplateCommand,
        template::run
    ),
    group!("identity", "Show and set who you are", identity::IdentityCommand, identity::run),
    group!("board", "See a whole team at a glance", board::BoardCommand, board::run),
    group!(
        "workspace",
        "See, merge and remove the worktrees of agents",
        workspace::WorkspaceCommand,
        workspace::run
    ),
    group!(
        "harness",
        "Reach a goal in phases, with gates between them",
        harness::HarnessCommand,
        harness::run
    ),
    group!(
        "context",
        "See what agents change, and where that meets",
        context::ContextCommand,
        context::run
    ),
    group!("queue", "Do work that is slow or remote", queue::QueueCommand, queue::run),
    group!("schedule", "Start things at their times", schedule::ScheduleCommand, schedule::run),
    group!(
        "permission",
        "See and answer the questions of agents that wait at a dialog of their own",
        permission::PermissionCommand,
        permission::run
    ),
    group!("runtime", "Talk to agents that run", runtime::RuntimeCommand, runtime::run),
    single!("tick", "Do all that is due, once", tick::TickArgs, tick::run),
    group!(
        "setup",
        "Make clawteam at home on this machine",
        setup_group::SetupCommand,
        setup_group::run
    ),
    single!(
        "scripted-agent",
        "Be an agent without a model, for trying out templates",
        scripted_agent::ScriptedAgentArgs,
        scripted_agent::run
    ),
    single!("prime", "Tell an agent who it is and what waits for it", prime::PrimeArgs, prime::run),
    single!(
        "hook-event",
        "Tell what an agent is doing (called by the agent's own hooks)",
        hook_event::HookEventArgs,
        hook_event::run
    ),
    single!(
        "mcp",
        "Serve agents that call tools (MCP, on standard input and output)",
        mcp::McpArgs,
        mcp::run
    ),
    single!("doctor", "Check the data directory, and repair it", doctor::DoctorArgs, doctor::run),
    single!(
        "completions",
        "Print a completion script for a shell",
        completions::CompletionsArgs,
        completions::run
    ),
    single!(
        "agent-runner",
        "Run one agent (used by clawteam itself)",
        agent_runner::AgentRunnerArgs,
        agent_runner::run,
        hidden: true
    ),
    single!(
        "hook-run",
        "Run hooks (used by clawteam itself)",
        hook::HookRunArgs,
        hook::deliver,
        hidden: true
    ),
    single!(
        "agent-exec",
        "Become an agent (used by clawteam itself)",
        agent_runner::AgentExecArgs,
        agent_runner::exec,
        hidden: true
    ),
];

/// Whether `words` are a command that can be typed after the program's name; the error is what the
/// command line says of them.
pub fn check(words: &[String]) -> Result<(), String> {
    let typed = std::iter::once("clawteam").chain(words.iter().map(String::as_str));
    match command(false).try_get_matches_from(typed) {
        Ok(_) => Ok(()),
        Err(error) => {
            use clap::error::ErrorKind::{DisplayHelp, DisplayVersion};
            if matches!(error.kind(), DisplayHelp | DisplayVersion) {
                return Ok(());
            }
            let text = error.render().to_string();
            let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            Err(first.trim_start_matches("error: ").to_owned())
        }
    }
}

/// The whole command tree. `complete`: with all subcommands built, for completion scripts.
fn command(complete: bool) -> Command {
    let mut command = Command::new("clawteam")
        .about("Lead a team of CLI coding agents: tasks, inboxes, worktrees and tmux windows")
        .version(concat!("v", env!("CARGO_PKG_VERSION")))
        .disable_version_flag(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(args::globals());
    for entry in ENTRIES {
        let sub = Command::new(entry.name).about(entry.about).hide(entry.hidden);
        let sub = if complete { (entry.build)(sub) } else { sub.defer(entry.build) };
        command = command.subcommand(sub);
    }
    command.arg(
        clap::Arg::new("version")
            .short('v')
            .long("version")
            .action(ArgAction::Version)
            .help("Print the version"),
    )
}

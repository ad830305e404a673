//! `clawteam workflow fork`, `replay`, `fsck` and `gc`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::ask::RunRef;
use crate::app::workflow::view::status_word;
use crate::app::workflow::{fork, fsck, gc, history, run, view};
use crate::cli::Cx;
use crate::core::{Exit, Name, Outcome, Span, TeamName};

/// Arguments of `workflow fork`.
#[derive(Debug, Args)]
pub(crate) struct ForkArgs {
    #[command(flatten)]
    run: RunRef,
    /// After which record the new run goes its own way (the last one)
    #[arg(long, value_name = "REV")]
    at: Option<u64>,
    /// An input that is another one: NAME=VALUE
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
}

/// Arguments of `workflow replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    run: RunRef,
    /// After which record (the last one)
    #[arg(long, value_name = "REV")]
    to: Option<u64>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Print::State)]
    print: Print,
}

/// What `workflow replay` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Print {
    /// The whole state
    State,
    /// How the run stood
    Status,
    /// What changed by the last of the records
    Diff,
}

/// Arguments of `workflow fsck`.
#[derive(Debug, Args)]
pub(crate) struct FsckArgs {
    /// The team
    team: String,
    /// The run; all runs if none is named
    run: Option<String>,
    /// Make a state anew that is not what its journal comes to
    #[arg(long)]
    repair: bool,
}

/// Arguments of `workflow gc`.
#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// The team
    team: String,
    /// Only runs that ended longer ago
    #[arg(long, default_value = "30d", value_name = "TIME")]
    older_than: Span,
    /// Keep runs that failed
    #[arg(long)]
    keep_failed: bool,
    /// Remove nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn fork_run(cx: &Cx, args: ForkArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.run.team)?;
    let from = Name::parse_as("run", args.run.run)?;
    let inputs = super::run::pairs(&args.inputs)?;
    let at = match args.at {
        Some(at) => at,
        None => run::load(&cx.app, &team, &from)?.run.rev,
    };
    let made = fork::fork(&cx.app, &team, &from, at, inputs)?;
    let payload = json!({
        "run": made.start.run,
        "from": from,
        "at": at,
        "rev": made.run.rev,
        "status": status_word(&made),
    });
    cx.out
        .result(&payload, || format!("OK {} goes on from record {at} of {from}", made.start.run))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn replay(cx: &Cx, args: ReplayArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.run.team)?;
    let name = Name::parse_as("run", args.run.run)?;
    let loaded = fork::replay(&cx.app, &team, &name, args.to)?;
    match args.print {
        Print::State => cx.out.json(&loaded.run)?,
        Print::Status => cx.out.json(&view::status(&loaded))?,
        Print::Diff => {
            let before = loaded.run.rev.saturating_sub(1);
            let old = fork::replay(&cx.app, &team, &name, Some(before))?;
            let text = |loaded: &crate::app::workflow::Loaded| {
                String::from_utf8_lossy(&crate::store::encode(&loaded.run)).into_owned()
            };
            let diff = similar::TextDiff::from_lines(text(&old), text(&loaded))
                .unified_diff()
                .header(&format!("record {before}"), &format!("record {}", loaded.run.rev))
                .to_string();
            cx.out.result(&json!({"diff": diff}), || diff.clone())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn fsck(cx: &Cx, args: FsckArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let names = match args.run {
        Some(run) => vec![Name::parse_as("run", run)?],
        None => history::names(&cx.app, &team)?,
    };
    let mut all = Vec::new();
    for name in names {
        all.push(fsck::check(&cx.app, &team, &name, args.repair)?);
    }
    let bad = all.iter().any(|checked| checked.problems.len() > checked.repaired.len());
    cx.out.result(&all, || {
        let mut lines = Vec::new();
        for checked in &all {
            if checked.problems.is_empty() {
                lines.push(format!("OK {}: {} records", checked.run, checked.records));
            }
            for problem in &checked.problems {
                lines.push(format!("{}: {} ({})", checked.run, problem.message, problem.code));
            }
            lines.extend(checked.repaired.iter().map(|done| format!("{}: {done}", checked.run)));
        }
        lines.join("\n")
    })?;
    Ok(if bad { ExitCode::from(Exit::Failure.code()) } else { ExitCode::SUCCESS })
}

pub(crate) fn gc(cx: &Cx, args: GcArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let (age, keep) = (args.older_than, args.keep_failed);
    let removed = gc::collect(&cx.app, &team, age, keep, args.dry_run)?;
    let payload = json!({"dryRun": args.dry_run, "runs": removed});
    cx.out.result(&payload, || {
        let would = if args.dry_run { "would be " } else { "" };
        let mut lines: Vec<String> =
            removed.iter().map(|run| format!("{} ({})", run.run, run.status)).collect();
        lines.push(format!("OK {} runs {would}removed", removed.len()));
        lines.join("\n")
    })?;
    Ok(ExitCode::SUCCESS)
}

//! `clawteam workflow status`, `explain`, `log`, `history`, `outputs` and `artifacts`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::ask::RunRef;
use super::text;
use crate::app::artifact;
use crate::app::workflow::explain::explain;
use crate::app::workflow::history::{self, Filter, Summary};
use crate::app::workflow::view::{self, status_word};
use crate::app::workflow::{Loaded, RunError, run};
use crate::cli::Cx;
use crate::core::{Name, Outcome, Span, TeamName};
use crate::domain::artifact::Owner;
use crate::domain::workflow::run::state::{Act, Output};
use crate::output::Table;

/// Arguments of `workflow explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    run: RunRef,
    /// Only this node
    #[arg(long)]
    node: Option<String>,
}

/// Arguments of `workflow log`.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(flatten)]
    run: RunRef,
    /// Only this node
    #[arg(long)]
    node: Option<String>,
    /// The records as they stand in the journal
    #[arg(long)]
    raw: bool,
    /// Only the last so many
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
}

/// Arguments of `workflow history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The team
    team: String,
    /// Only runs of this workflow
    name: Option<String>,
    /// Only runs that stand so: live, running, waiting, paused, completed, failed or stopped
    #[arg(long)]
    status: Option<String>,
    /// Only runs of the last so long
    #[arg(long, value_name = "TIME")]
    since: Option<Span>,
    /// At most so many, the newest first
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Arguments of `workflow outputs`.
#[derive(Debug, Args)]
pub(crate) struct OutputsArgs {
    #[command(flatten)]
    run: RunRef,
    /// The result of this node, rather than of the run
    node: Option<String>,
    /// Only the text
    #[arg(long)]
    raw: bool,
}

fn load(cx: &Cx, of: &RunRef) -> Outcome<(TeamName, Loaded)> {
    let team = TeamName::parse(of.team.clone())?;
    let name = Name::parse_as("run", of.run.clone())?;
    let loaded = run::load(&cx.app, &team, &name)?;
    Ok((team, loaded))
}

pub(crate) fn status(cx: &Cx, of: RunRef) -> Outcome<ExitCode> {
    let (_, loaded) = load(cx, &of)?;
    let standing = view::status(&loaded);
    cx.out.result(&standing, || {
        let progress = &standing.progress;
        let why = standing.reason.as_ref();
        let why = why.map(|f| format!(": {} ({})", f.message, f.code)).unwrap_or_default();
        let mut text = format!(
            "{} · {} v{} · {}{} · {} of {} nodes done · {} records\n",
            standing.run,
            standing.workflow,
            standing.version,
            standing.status,
            why,
            progress.done,
            progress.reachable,
            standing.rev
        );
        let mut table = Table::new("Nodes")
            .column("Node")
            .column("Type")
            .column("State")
            .number("Visits")
            .prose("Waits for");
        for node in &standing.nodes {
            let live = standing.live.iter().filter(|live| live.node == node.node);
            let waits: Vec<String> = live
                .flat_map(|live| {
                    let who = live.assignee.as_ref().map(|who| format!(" ({who})"));
                    let due = live.due_at.map(|at| format!(" until {}", text::time(cx, at)));
                    let rest = who.unwrap_or_default() + &due.unwrap_or_default();
                    live.waits_for.iter().map(move |wait| format!("{wait}{rest}"))
                })
                .collect();
            let state = match (node.state, &node.port) {
                (Some(state), Some(port)) if port != "success" => format!("{state} ({port})"),
                (Some(state), _) => state.to_owned(),
                (None, _) => String::new(),
            };
            table.row([
                node.node.clone(),
                node.kind.to_owned(),
                state,
                node.visits.to_string(),
                waits.join(", "),
            ]);
        }
        text.push_str(&table.render(cx.out.width()));
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn explain_run(cx: &Cx, args: ExplainArgs) -> Outcome<ExitCode> {
    let (_, loaded) = load(cx, &args.run)?;
    print_explanation(cx, &loaded, args.node.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// Says why a run does not move.
pub(super) fn print_explanation(cx: &Cx, loaded: &Loaded, node: Option<&str>) -> Outcome<()> {
    let explanation = explain(&cx.app, loaded, node)?;
    cx.out.result(&explanation, || {
        let mut text = format!("{} is {}\n", explanation.run, explanation.status);
        if let Some(next) = &explanation.next {
            text.push_str(&format!("  next: {next}\n"));
        }
        for reason in &explanation.reasons {
            text.push_str(&format!("  {}: {}\n", reason.what, reason.why));
            if let Some(command) = &reason.command {
                text.push_str(&format!("      {command}\n"));
            }
        }
        text.trim_end().to_owned()
    })
}

pub(crate) fn log(cx: &Cx, args: LogArgs) -> Outcome<ExitCode> {
    let (team, loaded) = load(cx, &args.run)?;
    let mut all = run::records(&cx.app, &team, loaded.name())?;
    if let Some(node) = &args.node {
        all.retain(|(record, _)| {
            let subject = record.tr.subject().unwrap_or_default();
            subject.rsplit_once('#').map_or(subject, |(node, _)| node) == node
        });
    }
    if let Some(last) = args.last {
        all.drain(..all.len().saturating_sub(last));
    }
    if cx.out.is_json() || args.raw {
        let values: Vec<&Value> = all.iter().map(|(_, value)| value).collect();
        if args.raw && !cx.out.is_json() {
            for value in values {
                cx.out.json_line(value)?;
            }
        } else {
            cx.out.json(&values)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    for (record, _) in &all {
        cx.out.text(&text::line(cx, record))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn history(cx: &Cx, args: HistoryArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let workflow = args.name.map(|name| Name::parse_as("workflow name", name)).transpose()?;
    let since = args.since.map(|span| cx.app.now_millis().saturating_sub(span.as_millis()));
    let filter = Filter { workflow, status: args.status, since, limit: args.limit };
    let runs = history::list(&cx.app, &team, &filter)?;
    cx.out.result(&runs, || {
        if runs.is_empty() {
            return format!("No runs in team '{team}'");
        }
        let mut table = Table::new("Runs")
            .column("Run")
            .column("Status")
            .column("Started")
            .number("Records")
            .column("By")
            .prose("Why");
        for run in &runs {
            table.row(row(cx, run));
        }
        table.render(cx.out.width())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn row(cx: &Cx, run: &Summary) -> [String; 6] {
    let why = run.reason.as_ref().map(|fault| fault.message.clone());
    [
        run.run.clone(),
        run.status.clone(),
        text::time(cx, run.created_at),
        run.rev.to_string(),
        run.by.clone(),
        why.unwrap_or_else(|| run.waiting_for.join(", ")),
    ]
}

fn result<'l>(loaded: &'l Loaded, node: &str) -> Option<(&'l str, &'l Act)> {
    let newest = || loaded.run.acts.iter().rev().find(|(_, act)| act.node == node);
    loaded.run.result_of(node).or_else(|| newest().map(|(id, act)| (id.as_str(), act)))
}

pub(crate) fn outputs(cx: &Cx, args: OutputsArgs) -> Outcome<ExitCode> {
    let (_, loaded) = load(cx, &args.run)?;
    let Some(node) = &args.node else {
        let outputs = Value::Object(loaded.run.outputs.clone());
        cx.out.result(&outputs, || {
            let pairs = loaded.run.outputs.iter();
            let lines: Vec<String> = pairs
                .map(|(name, value)| {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    format!("{name}: {value}")
                })
                .collect();
            if lines.is_empty() {
                format!("{} has no outputs ({})", loaded.start.run, status_word(&loaded))
            } else {
                lines.join("\n")
            }
        })?;
        return Ok(ExitCode::SUCCESS);
    };
    let missing = || RunError::NoResult { run: loaded.start.run.clone(), node: node.clone() };
    let (id, act) = result(&loaded, node).ok_or_else(missing)?;
    let output = act.output.as_ref().ok_or_else(missing)?;
    let text = whole(cx, output)?;
    if args.raw {
        cx.out.raw(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let payload = json!({
        "act": id,
        "node": node,
        "state": act.state.word(),
        "port": act.port,
        "output": output.value.clone().unwrap_or_else(|| Value::String(text.clone())),
        "text": text,
        "exitCode": output.exit_code,
        "artifacts": act.artifacts,
        "error": act.error,
    });
    cx.out.result(&payload, || text.clone())?;
    Ok(ExitCode::SUCCESS)
}

fn whole(cx: &Cx, output: &Output) -> Outcome<String> {
    match &output.blob {
        Some(digest) => {
            let bytes = artifact::get_blob(&cx.app, digest)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        None => Ok(output.text.clone()),
    }
}

pub(crate) fn artifacts(cx: &Cx, of: RunRef) -> Outcome<ExitCode> {
    let (team, loaded) = load(cx, &of)?;
    let mut all: Vec<Value> = Vec::new();
    for (id, act) in &loaded.run.acts {
        for artifact in &act.artifacts {
            all.push(json!({
                "act": id,
                "name": artifact.name,
                "version": artifact.version,
                "digest": artifact.digest,
                "bytes": artifact.bytes,
            }));
        }
    }
    for artifact in artifact::of(&cx.app, &team, &Owner::run(loaded.name()))? {
        for version in &artifact.versions {
            all.push(json!({
                "act": Value::Null,
                "name": artifact.name,
                "version": version.version,
                "digest": version.digest,
                "bytes": version.bytes,
            }));
        }
    }
    cx.out.result(&all, || {
        if all.is_empty() {
            return format!("{} has no artifacts", loaded.start.run);
        }
        let mut table = Table::new("Artifacts")
            .column("Visit")
            .column("Name")
            .number("Version")
            .number("Bytes");
        for item in &all {
            table.row([
                item["act"].as_str().unwrap_or("run").to_owned(),
                item["name"].as_str().unwrap_or_default().to_owned(),
                item["version"].to_string(),
                item["bytes"].to_string(),
            ]);
        }
        table.render(cx.out.width())
    })?;
    Ok(ExitCode::SUCCESS)
}

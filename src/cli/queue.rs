//! `clawteam queue`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Cx;
use crate::app::queue::{self, Cancellation, Done, Ending, Filter, Options, Shown, Stats, Wanted};
use crate::app::team;
use crate::core::text::{count, cut};
use crate::core::{Diagnose, Exit, Outcome, Span, TeamName};
use crate::domain::queue::{NewItem, Priority, State};
use crate::output::{self, Table};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum QueueCommand {
    /// Put an item into the queue
    Push(PushArgs),
    /// List items in the order in which they are taken, then those that came to their end
    List(ListArgs),
    /// Show an item
    Show {
        /// The team
        team: String,
        /// The item, or its key
        id: String,
    },
    /// Let an item that failed, was cancelled or waits be done again, now
    Retry {
        /// The team
        team: String,
        /// The item, or its key
        id: Option<String>,
        /// All that failed for good
        #[arg(long, conflicts_with = "id", required_unless_present = "id")]
        dead: bool,
    },
    /// Cancel an item; its program is ended if it runs
    Cancel {
        /// The team
        team: String,
        /// The item, or its key
        id: String,
    },
    /// Remove items that came to their end from the records
    Drop(DropArgs),
    /// Do the items that are ready
    Work(WorkArgs),
    /// Count items
    Stats {
        /// The team
        team: String,
    },
}

/// Arguments of `queue push`.
#[derive(Debug, Args)]
pub(super) struct PushArgs {
    /// The team
    team: String,
    /// command, http, plugin, merge, checkpoint or verify
    kind: String,
    /// What is to be done, as JSON; `-` reads it from standard input
    #[arg(short, long, default_value = "{}")]
    payload: String,
    /// A program and its arguments, for the kinds `command` and `verify`
    #[arg(last = true, value_name = "PROGRAM")]
    argv: Vec<String>,
    /// How urgent it is: low, normal, high or critical
    #[arg(long, default_value = "normal")]
    priority: Priority,
    /// How long it waits first: 30s, 5m, 1h
    #[arg(long, default_value = "0s")]
    delay: Span,
    /// What keeps the same request from being done twice
    #[arg(short, long)]
    key: Option<String>,
    /// Attempts before it has failed for good
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    max_attempts: u32,
    /// How long it waits after the first failure; each further wait is twice as long
    #[arg(long, value_name = "TIME", default_value = "1m")]
    backoff: Span,
    /// How long an attempt may take
    #[arg(long, value_name = "TIME", default_value = "5m")]
    timeout: Span,
    /// It may be done again when nobody knows how far a lost worker came
    #[arg(long)]
    idempotent: bool,
    /// What only one item at a time may touch
    #[arg(long, value_name = "KEY")]
    serial_key: Option<String>,
}

/// Arguments of `queue list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The team
    team: String,
    /// Only those that stand so: ready, delayed, leased, done, cancelled, dead
    #[arg(short, long, value_delimiter = ',')]
    state: Vec<State>,
    /// Only those of these kinds
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// At most so many
    #[arg(short, long)]
    limit: Option<usize>,
}

/// Arguments of `queue drop`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").args(["id", "done", "dead"]).required(true).multiple(true)))]
pub(super) struct DropArgs {
    /// The team
    team: String,
    /// The item, or its key
    #[arg(conflicts_with_all = ["done", "dead", "older"])]
    id: Option<String>,
    /// All that were done or cancelled
    #[arg(long)]
    done: bool,
    /// All that failed for good
    #[arg(long)]
    dead: bool,
    /// Only those that came to their end longer ago than this
    #[arg(long, value_name = "TIME", default_value = "0s")]
    older: Span,
}

/// Arguments of `queue work`.
#[derive(Debug, Args)]
pub(super) struct WorkArgs {
    /// The team
    team: String,
    /// How many items at once
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Only items of these kinds
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Do one item and end
    #[arg(long, conflicts_with = "until_idle")]
    once: bool,
    /// End when nothing is ready any more
    #[arg(long)]
    until_idle: bool,
    /// How long an item is kept from others when this worker is not heard of
    #[arg(long, value_name = "TIME", default_value = "1m")]
    lease: Span,
}

/// The payload cannot be read.
#[derive(Debug, thiserror::Error)]
enum PayloadError {
    #[error("the payload is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("a program after `--` is for items of the kinds command and verify")]
    NoProgram,
}

impl Diagnose for PayloadError {
    fn code(&self) -> &'static str {
        "bad_payload"
    }

    fn exit(&self) -> Exit {
        Exit::Invalid
    }
}

pub(super) fn run(cx: &Cx, command: QueueCommand) -> Outcome<ExitCode> {
    match command {
        QueueCommand::Push(args) => push(cx, args)?,
        QueueCommand::List(args) => list(cx, args)?,
        QueueCommand::Show { team, id } => {
            let shown = queue::show(&cx.app, &TeamName::parse(team)?, &id)?;
            cx.out.result(&shown, || text(cx, &shown))?;
        }
        QueueCommand::Retry { team, id, dead: _ } => retry(cx, &TeamName::parse(team)?, id)?,
        QueueCommand::Cancel { team, id } => {
            let done = queue::cancel(&cx.app, &TeamName::parse(team)?, &id)?;
            let word = match done {
                Cancellation::Cancelled => "is cancelled",
                Cancellation::Requested => "is being ended",
                Cancellation::AlreadyEnded => "had come to its end before",
            };
            let payload = json!({"id": id, "outcome": done});
            cx.out.result(&payload, || format!("OK Item '{id}' {word}"))?;
        }
        QueueCommand::Drop(args) => drop_items(cx, args)?,
        QueueCommand::Work(args) => return work(cx, args),
        QueueCommand::Stats { team } => {
            let stats = queue::stats(&cx.app, &known(cx, team)?)?;
            cx.out.result(&stats, || counts(cx, &stats))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A team that exists.
fn known(cx: &Cx, name: String) -> Outcome<TeamName> {
    let name = TeamName::parse(name)?;
    team::load(&cx.app, &name)?;
    Ok(name)
}

fn payload(args: &PushArgs) -> Outcome<Value> {
    let text = if args.payload == "-" { output::read_stdin()? } else { args.payload.clone() };
    let mut payload: Value = serde_json::from_str(&text).map_err(PayloadError::NotJson)?;
    let runs = matches!(args.kind.as_str(), "command" | "verify");
    if !args.argv.is_empty() {
        if !runs {
            return Err(PayloadError::NoProgram.into());
        }
        payload["argv"] = json!(args.argv);
    }
    // A worker may run anywhere; whoever asks for a command means the place where they are.
    if args.kind == "command"
        && payload.get("cwd").is_none()
        && let Some(object) = payload.as_object_mut()
        && let Ok(here) = std::env::current_dir()
    {
        object.insert("cwd".into(), json!(here));
    }
    Ok(payload)
}

fn push(cx: &Cx, args: PushArgs) -> Outcome<()> {
    let team = known(cx, args.team.clone())?;
    let mut new = NewItem::new(args.kind.clone(), payload(&args)?);
    new.key = args.key;
    new.priority = args.priority;
    new.delay = args.delay;
    new.max_attempts = args.max_attempts;
    new.backoff.base = args.backoff;
    new.backoff.max = new.backoff.max.max(args.backoff);
    new.timeout = args.timeout;
    new.idempotent = args.idempotent.then_some(true);
    new.serial_key = args.serial_key;
    let pushed = queue::push(&cx.app, &team, new)?;
    let mut payload = json!(pushed.item);
    payload["created"] = json!(pushed.created);
    let (id, state) = (&pushed.item.item.id, pushed.item.state.as_str());
    cx.out.result(&payload, || {
        if pushed.created {
            format!("OK Item {id} is {state}")
        } else {
            format!("OK Item {id} was there before; it is {state}")
        }
    })
}

fn list(cx: &Cx, args: ListArgs) -> Outcome<()> {
    let team = known(cx, args.team)?;
    let wanted = Wanted { states: args.state, kinds: args.kinds, limit: args.limit };
    let items = queue::list(&cx.app, &team, &wanted)?;
    if cx.out.json {
        return cx.out.json_list(&items);
    }
    if items.is_empty() {
        return cx.out.text("No items");
    }
    let mut table = Table::new(format!("Queue - {team}"))
        .column("ID")
        .column("Kind")
        .column("State")
        .column("Priority")
        .column("Attempt")
        .column("Due")
        .prose("What");
    for shown in &items {
        let item = &shown.item;
        table.row([
            item.id.clone(),
            item.kind.clone(),
            shown.state.as_str().to_owned(),
            item.priority.as_str().to_owned(),
            format!("{}/{}", item.attempt, item.max_attempts),
            cx.time(&item.due_at),
            gist(shown),
        ]);
    }
    cx.out.text(&table.render(cx.out.width()))
}

/// What an item is about: what went wrong, or else its key or payload.
fn gist(shown: &Shown) -> String {
    let item = &shown.item;
    let fault = item.errors.last().filter(|_| shown.state != State::Done);
    match (fault, &item.key) {
        (Some(fault), _) => format!("{}: {}", fault.code, cut(&fault.message, 100)),
        (None, Some(key)) => key.clone(),
        (None, None) => cut(&item.payload.to_string(), 100).to_owned(),
    }
}

fn text(cx: &Cx, shown: &Shown) -> String {
    let item = &shown.item;
    let mut lines = vec![
        format!("Item {}: {} ({})", item.id, item.kind, shown.state.as_str()),
        format!("  Priority: {}", item.priority.as_str()),
        format!("  Created:  {}", cx.time(&item.created_at)),
        format!("  Due:      {}", cx.time(&item.due_at)),
        format!("  Attempts: {} of {}", item.attempt, item.max_attempts),
        format!("  Payload:  {}", item.payload),
    ];
    if let Some(key) = &item.key {
        lines.push(format!("  Key:      {key}"));
    }
    if let Some(of) = &item.run {
        lines.push(format!("  For:      run {}, {}, attempt {}", of.run, of.act, of.attempt));
    }
    if let Some(lease) = &shown.lease {
        let asked = if lease.cancel_requested { ", asked to stop" } else { "" };
        lines.push(format!("  Worker:   {} until {}{asked}", lease.worker, cx.time(&lease.until)));
    }
    for fault in &item.errors {
        lines.push(format!("  Error:    {} {}: {}", cx.time(&fault.at), fault.code, fault.message));
    }
    if let Some(result) = &item.result {
        if let Some(code) = result.exit_code {
            lines.push(format!("  Exit:     {code}"));
        }
        if !result.output.is_null() {
            lines.push(format!("  Result:   {}", result.output));
        }
        if !result.text.trim().is_empty() {
            lines.push(format!("  Output:\n{}", result.text.trim_end()));
        }
    }
    lines.join("\n")
}

fn retry(cx: &Cx, team: &TeamName, id: Option<String>) -> Outcome<()> {
    let ids = if let Some(id) = id {
        vec![id]
    } else {
        let wanted = Wanted { states: vec![State::Dead], ..Wanted::default() };
        queue::list(&cx.app, team, &wanted)?.into_iter().map(|shown| shown.item.id).collect()
    };
    let retried = ids.iter().map(|id| queue::retry(&cx.app, team, id));
    let retried = retried.collect::<Outcome<Vec<_>>>()?;
    let ids: Vec<&str> = retried.iter().map(|shown| shown.item.id.as_str()).collect();
    cx.out.result(&json!({"retried": ids}), || {
        if ids.is_empty() {
            "Nothing failed".into()
        } else {
            format!("OK Ready again: {}", ids.join(", "))
        }
    })
}

fn drop_items(cx: &Cx, args: DropArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let dropped = if let Some(id) = args.id {
        queue::drop_one(&cx.app, &team, &id)?;
        1
    } else {
        let mut states = Vec::new();
        if args.done {
            states.extend([State::Done, State::Cancelled]);
        }
        if args.dead {
            states.push(State::Dead);
        }
        queue::drop_ended(&cx.app, &team, &states, args.older)?
    };
    cx.out.result(&json!({"dropped": dropped}), || format!("OK Removed {}", count(dropped, "item")))
}

fn work(cx: &Cx, args: WorkArgs) -> Outcome<ExitCode> {
    let team = known(cx, args.team)?;
    let options = Options {
        jobs: usize::from(args.jobs),
        filter: Filter { kinds: args.kinds },
        until_idle: args.until_idle || args.once,
        most: args.once.then_some(1),
        until: None,
        lease: Some(args.lease.max(Span::millis(100))),
        stop: Cx::stop_on_signal()?,
    };
    if !cx.out.json && !options.until_idle {
        output::say(&format!(
            "Working on the queue of team '{team}'; Ctrl-C ends after what is under way, \
             a second one at once"
        ));
    }
    let worked = queue::work(&cx.app, &team, &options, &|done| {
        // Nobody can be told if that fails; the work goes on.
        let _ = if cx.out.json { cx.out.json_line(done) } else { cx.out.text(&line(done)) };
    })?;
    if worked == 0 && options.until_idle && !cx.out.json {
        output::say("Nothing is ready");
    }
    let idle = args.once && worked == 0;
    Ok(if idle { ExitCode::from(Exit::Idle.code()) } else { ExitCode::SUCCESS })
}

fn line(done: &Done) -> String {
    let item = &done.item;
    let took = item.result.as_ref().map(|result| Span::millis(result.duration_ms));
    let took = took.map(|took| format!(" ({took})")).unwrap_or_default();
    let fault = item.errors.last().map(|fault| format!("{}: {}", fault.code, fault.message));
    let fault = fault.unwrap_or_default();
    let what = match done.outcome {
        Ending::Done => format!("done{took}"),
        Ending::Retry => format!("failed, again at {}: {fault}", item.due_at),
        Ending::Dead => format!("failed for good: {fault}"),
        Ending::Cancelled => "cancelled".into(),
        Ending::GivenBack => "given back".into(),
        Ending::Fenced => "lost: another worker has it, or it was cancelled".into(),
    };
    format!("{} {} {what}", item.id, item.kind)
}

fn counts(cx: &Cx, stats: &Stats) -> String {
    let mut table = Table::new("").column("State").number("Items");
    for (state, number) in [
        ("ready", stats.ready),
        ("delayed", stats.delayed),
        ("leased", stats.leased),
        ("done", stats.done),
        ("dead", stats.dead),
    ] {
        table.row([state.to_owned(), number.to_string()]);
    }
    let next = stats.next_due_at.as_ref().map(|next| format!("\nNext due: {}", cx.time(next)));
    table.render(cx.out.width()) + &next.unwrap_or_default()
}

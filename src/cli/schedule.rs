//! `clawteam schedule`.

use std::process::ExitCode;

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::Cx;
use crate::app::{schedule, team};
use crate::core::{Diagnose, Exit, Name, Outcome, Span, Stamp, TeamName};
use crate::domain::schedule::{
    Misfire, Overlap, Schedule, ScheduleError, Target, Timing, Weekday, Window,
};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum ScheduleCommand {
    /// Make a schedule
    Add(Box<AddArgs>),
    /// List schedules
    List {
        /// The team
        team: String,
    },
    /// Show a schedule and what became of it
    Show(OneArgs),
    /// Turn a schedule off
    Pause {
        #[command(flatten)]
        one: OneArgs,
        /// Why
        #[arg(short, long)]
        reason: Option<String>,
    },
    /// Turn a schedule on again; what was due meanwhile is left out
    Resume(OneArgs),
    /// Remove a schedule; what it started goes on
    Remove(OneArgs),
    /// Show the next times of a schedule
    Next {
        #[command(flatten)]
        one: OneArgs,
        /// How many
        #[arg(short = 'n', long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
    },
    /// Start what a schedule starts, now
    RunNow(OneArgs),
}

/// Which schedule is meant.
#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The team
    team: String,
    /// The schedule
    id: String,
}

impl OneArgs {
    fn names(self) -> Outcome<(TeamName, Name)> {
        Ok((TeamName::parse(self.team)?, Name::parse_as("schedule id", self.id)?))
    }
}

/// Arguments of `schedule add`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("when").args(["cron", "every", "at"]).required(true)))]
#[command(group(clap::ArgGroup::new("what").args(["workflow", "task", "kind", "command"]).required(true)))]
pub(super) struct AddArgs {
    /// The team
    team: String,
    /// What it shall be called
    id: String,
    /// When: minute hour day month weekday, optionally seconds before them, or @daily and the like
    #[arg(long)]
    cron: Option<String>,
    /// When: again and again after this time
    #[arg(long, value_name = "TIME")]
    every: Option<Span>,
    /// When: once, at 2026-12-24T18:00 (in the time zone) or 2026-12-24T18:00:00+01:00
    #[arg(long, value_name = "WHEN")]
    at: Option<String>,
    /// Whose time of day it is [default: the setting `timezone`]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// What: start a run of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// An input of the workflow; the value is JSON if it can be read so
    #[arg(long, value_name = "NAME=VALUE", requires = "workflow")]
    input: Vec<String>,
    /// What: make a task with this subject
    #[arg(long, value_name = "SUBJECT")]
    task: Option<String>,
    /// The description of the task
    #[arg(long, requires = "task", default_value = "")]
    description: String,
    /// Whose task it is
    #[arg(long, requires = "task", default_value = "")]
    owner: String,
    /// What: put an item of this kind into the queue
    #[arg(long, value_name = "KIND", requires = "payload")]
    kind: Option<String>,
    /// The payload of the item, as JSON
    #[arg(long, value_name = "JSON", requires = "kind")]
    payload: Option<String>,
    /// What: run a program, as an item of the queue
    #[arg(last = true, value_name = "PROGRAM")]
    command: Vec<String>,
    /// What becomes of times that nobody saw to: skip, run-once or catch-up:N
    #[arg(long, default_value = "run-once")]
    misfire: Misfire,
    /// How late is still in time
    #[arg(long, value_name = "TIME", default_value = "1h")]
    grace: Span,
    /// What happens if what it started last still goes on: forbid, allow or queue
    #[arg(long, default_value = "forbid")]
    overlap: Overlap,
    /// Only at this time of day: 09:00-17:00; it may go past midnight
    #[arg(long, value_name = "HH:MM-HH:MM")]
    window: Option<String>,
    /// Only on these days: mon,tue
    #[arg(long, value_delimiter = ',')]
    days: Vec<Weekday>,
    /// Not before
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Not after
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Each time is put off by up to this, always by the same
    #[arg(long, value_name = "TIME", default_value = "0s")]
    jitter: Span,
    /// End after having started something so often
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_runs: Option<u64>,
}

/// A value that cannot be understood.
#[derive(Debug, thiserror::Error)]
enum ArgumentError {
    #[error("the payload is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("'{0}' is no input; write NAME=VALUE")]
    NoInput(String),
}

impl Diagnose for ArgumentError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "bad_payload",
            Self::NoInput(_) => "bad_input",
        }
    }

    fn exit(&self) -> Exit {
        Exit::Invalid
    }
}

pub(super) fn run(cx: &Cx, command: ScheduleCommand) -> Outcome<ExitCode> {
    match command {
        ScheduleCommand::Add(args) => add(cx, *args)?,
        ScheduleCommand::List { team } => list(cx, TeamName::parse(team)?)?,
        ScheduleCommand::Show(one) => {
            let (team, id) = one.names()?;
            show(cx, &schedule::get(&cx.app, &team, &id)?)?;
        }
        ScheduleCommand::Pause { one, reason } => {
            let (team, id) = one.names()?;
            let paused = schedule::pause(&cx.app, &team, &id, reason.as_deref())?;
            cx.out.result(&paused, || format!("OK Schedule '{id}' is off"))?;
        }
        ScheduleCommand::Resume(one) => {
            let (team, id) = one.names()?;
            let resumed = schedule::resume(&cx.app, &team, &id)?;
            cx.out.result(&resumed, || format!("OK Schedule '{id}' is on"))?;
        }
        ScheduleCommand::Remove(one) => {
            let (team, id) = one.names()?;
            schedule::remove(&cx.app, &team, &id)?;
            cx.out.result(&json!({"removed": id}), || format!("OK Schedule '{id}' removed"))?;
        }
        ScheduleCommand::Next { one, count } => next(cx, one, usize::from(count))?,
        ScheduleCommand::RunNow(one) => {
            let (team, id) = one.names()?;
            let fire = schedule::run_now(&cx.app, &team, &id)?;
            let started = fire.fired.started.clone().unwrap_or_default();
            cx.out.result(&fire, || format!("OK Schedule '{id}' started {started}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An instant as people write it: with an offset, or in the time zone of the schedule.
fn stamp(text: &str, zone: &str) -> Outcome<Stamp> {
    let bad = || ScheduleError::Bad {
        what: "date",
        text: text.to_owned(),
        hint: "write it as 2026-12-24T18:00 or 2026-12-24T18:00:00+01:00",
    };
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Stamp::at(at.to_utc()));
    }
    let naive = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let zone: chrono_tz::Tz = zone.parse().map_err(|_| ScheduleError::Bad {
        what: "time zone",
        text: zone.to_owned(),
        hint: "write it as Europe/Berlin",
    })?;
    let at = naive.and_then(|naive| zone.from_local_datetime(&naive).earliest());
    Ok(Stamp::at(at.ok_or_else(bad)?.with_timezone(&Utc)))
}

fn target(args: &AddArgs) -> Outcome<Target> {
    if let Some(name) = &args.workflow {
        let mut inputs = Map::new();
        for input in &args.input {
            let (name, value) =
                input.split_once('=').ok_or_else(|| ArgumentError::NoInput(input.clone()))?;
            let value =
                serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            inputs.insert(name.to_owned(), value);
        }
        return Ok(Target::Workflow {
            name: Name::parse_as("workflow name", name.clone())?,
            inputs,
            // Where it is typed is where it is about.
            repo: std::path::absolute(".").ok().map(|path| path.display().to_string()),
        });
    }
    if let Some(subject) = &args.task {
        let (description, owner) = (args.description.clone(), args.owner.clone());
        return Ok(Target::Task { subject: subject.clone(), description, owner });
    }
    if let (Some(kind), Some(payload)) = (&args.kind, &args.payload) {
        let payload = serde_json::from_str(payload).map_err(ArgumentError::NotJson)?;
        return Ok(Target::Item { kind: kind.clone(), payload });
    }
    let mut payload = json!({"argv": args.command});
    if let Ok(here) = std::env::current_dir() {
        payload["cwd"] = json!(here);
    }
    Ok(Target::Item { kind: "command".into(), payload })
}

fn window(args: &AddArgs) -> Outcome<Option<Window>> {
    let days = args.days.clone();
    let Some(text) = &args.window else {
        let whole = |days| Window { start: "00:00".into(), end: "23:59".into(), days };
        return Ok((!days.is_empty()).then(|| whole(days)));
    };
    let bad = || ScheduleError::Bad {
        what: "time of day",
        text: text.clone(),
        hint: "write it as 09:00-17:00",
    };
    let (start, end) = text.split_once('-').ok_or_else(bad)?;
    Ok(Some(Window { start: start.trim().into(), end: end.trim().into(), days }))
}

fn add(cx: &Cx, args: AddArgs) -> Outcome<()> {
    let team_name = TeamName::parse(args.team.clone())?;
    team::load(&cx.app, &team_name)?;
    let id = Name::parse_as("schedule id", args.id.clone())?;
    let zone = args.timezone.clone().unwrap_or_else(|| cx.app.setting("timezone"));
    let date = |text: &Option<String>| text.as_ref().map(|text| stamp(text, &zone)).transpose();
    let timing = Timing { cron: args.cron.clone(), every: args.every, at: date(&args.at)? };
    let new = Schedule {
        window: window(&args)?,
        active_from: date(&args.from)?,
        active_until: date(&args.until)?,
        misfire: args.misfire,
        misfire_grace: args.grace,
        overlap: args.overlap,
        jitter: args.jitter,
        max_runs: args.max_runs,
        timezone: zone.clone(),
        ..Schedule::new(id, target(&args)?, timing, cx.app.now())
    };
    let added = schedule::add(&cx.app, &team_name, new)?;
    let next = schedule::next(&cx.app, &added, 1)?;
    cx.out.result(&with_next(&added, &next), || {
        let next = next.first().map(|next| cx.time_in(&Stamp::at(*next), &added.timezone));
        format!("OK Schedule '{}' starts next at {}", added.id, next.unwrap_or_default())
    })
}

fn with_next(schedule: &Schedule, next: &[DateTime<Utc>]) -> Value {
    let mut payload = json!(schedule);
    payload["nextAt"] = json!(next.first().map(|next| Stamp::at(*next)));
    payload
}

fn when(schedule: &Schedule) -> String {
    let timing = &schedule.timing;
    if let Some(cron) = &timing.cron {
        return format!("{cron} ({})", schedule.timezone);
    }
    if let Some(every) = timing.every {
        return format!("every {every}");
    }
    timing.at.as_ref().map(|at| format!("at {at}")).unwrap_or_default()
}

fn what(schedule: &Schedule) -> String {
    match &schedule.target {
        Target::Workflow { name, .. } => format!("workflow {name}"),
        Target::Task { subject, .. } => format!("task: {subject}"),
        Target::Item { kind, payload } => match payload["argv"].as_array() {
            Some(argv) => {
                let words = argv.iter().filter_map(Value::as_str);
                format!("{kind}: {}", words.collect::<Vec<_>>().join(" "))
            }
            None => format!("{kind} {payload}"),
        },
    }
}

fn list(cx: &Cx, team: TeamName) -> Outcome<()> {
    team::load(&cx.app, &team)?;
    let schedules = schedule::list(&cx.app, &team)?;
    // One that cannot be understood is shown all the same.
    let next = |one: &Schedule| schedule::next(&cx.app, one, 1).unwrap_or_default();
    if cx.out.json {
        let shown: Vec<Value> = schedules.iter().map(|one| with_next(one, &next(one))).collect();
        return cx.out.json_list(&shown);
    }
    if schedules.is_empty() {
        return cx.out.text("No schedules");
    }
    let mut table = Table::new(format!("Schedules - {team}"))
        .column("ID")
        .column("When")
        .prose("What")
        .column("Next")
        .number("Starts");
    for one in &schedules {
        let at = next(one).first().map(|at| cx.time_in(&Stamp::at(*at), &one.timezone));
        let at = at.unwrap_or_else(|| if one.enabled { "never".into() } else { "off".into() });
        table.row([one.id.to_string(), when(one), what(one), at, one.state.fires.to_string()]);
    }
    cx.out.text(&table.render(cx.out.width()))
}

fn show(cx: &Cx, one: &Schedule) -> Outcome<()> {
    let next = schedule::next(&cx.app, one, 1)?;
    cx.out.result(&with_next(one, &next), || {
        let mut lines = vec![
            format!("Schedule {}", one.id),
            format!("  When:    {}", when(one)),
            format!("  What:    {}", what(one)),
            format!("  Misfire: {}, in time for {}", one.misfire, one.misfire_grace),
            format!("  Started: {}, left out: {}", one.state.fires, one.state.missed),
        ];
        if let Some(window) = &one.window {
            lines.push(format!("  Window:  {}-{}", window.start, window.end));
        }
        if let Some(last) = &one.state.last {
            let what = last.started.clone().map(|id| format!("started {id}"));
            let what = what.or_else(|| last.problem.clone()).unwrap_or_default();
            lines.push(format!("  Last:    {} {what}", cx.time_in(&last.at, &one.timezone)));
        }
        match (next.first(), &one.disabled_reason) {
            (Some(at), _) => {
                lines.push(format!("  Next:    {}", cx.time_in(&Stamp::at(*at), &one.timezone)));
            }
            (None, Some(reason)) => lines.push(format!("  Off:     {reason}")),
            (None, None) => lines.push("  Next:    never".into()),
        }
        lines.join("\n")
    })
}

fn next(cx: &Cx, one: OneArgs, count: usize) -> Outcome<()> {
    let (team, id) = one.names()?;
    let found = schedule::get(&cx.app, &team, &id)?;
    let slots = schedule::next(&cx.app, &found, count)?;
    let slots: Vec<Stamp> = slots.into_iter().map(Stamp::at).collect();
    cx.out.result(&json!({"id": id, "enabled": found.enabled, "next": slots}), || {
        if slots.is_empty() {
            return if found.enabled { "Never" } else { "It is off" }.to_owned();
        }
        let lines = slots.iter().map(|slot| cx.time_in(slot, &found.timezone));
        lines.collect::<Vec<_>>().join("\n")
    })
}

//! `clawteam workflow run`, `step` and `drive`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::text;
use crate::app::workflow::drive::{DriveOptions, Ended, drive};
use crate::app::workflow::start::{StartOptions, start};
use crate::app::workflow::step::{Moved, Patience, advance};
use crate::app::workflow::view::{status_word, waiting_for};
use crate::app::workflow::{Loaded, run};
use crate::cli::{Cx, file};
use crate::core::{Diagnose, Exit, Name, Outcome, Span, TeamName};
use crate::domain::workflow::run::record::Record;
use crate::domain::workflow::run::state::Status;
use crate::output;

/// Arguments of `workflow run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The team
    team: String,
    /// The workflow
    name: String,
    /// What the run is told: NAME=VALUE
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// The same from a file that holds a JSON object
    #[arg(long, value_name = "FILE")]
    inputs_file: Option<String>,
    /// Start only one run for this key within a day
    #[arg(long, visible_alias = "key", value_name = "KEY")]
    idempotency_key: Option<String>,
    /// The task that the run is about
    #[arg(long)]
    task: Option<String>,
    /// A version other than the one in use
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Say that a workflow that is not in use yet is meant
    #[arg(long)]
    draft: bool,
    /// The repository that it works on (the present directory)
    #[arg(long, value_name = "DIR")]
    repo: Option<String>,
    /// Let only step and drive move it
    #[arg(long)]
    manual: bool,
    /// Move it until it ends
    #[arg(long, visible_alias = "wait")]
    drive: bool,
    /// With --drive: after this long, leave it to others
    #[arg(long, value_name = "TIME", requires = "drive")]
    timeout: Option<Span>,
    /// Check everything, start nothing
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `workflow step`.
#[derive(Debug, Args)]
pub(crate) struct StepArgs {
    /// The team
    team: String,
    /// The run
    run: String,
    /// Make up to so many transitions
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    max: u32,
    /// Make transitions until the run stands so
    #[arg(long, value_enum)]
    until: Option<Until>,
    /// Say why it does not move if it does not
    #[arg(long)]
    explain: bool,
}

/// Until when a run is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// It has ended
    Terminal,
    /// It waits for something outside
    Waiting,
}

/// Arguments of `workflow drive`.
#[derive(Debug, Args)]
pub(crate) struct DriveArgs {
    /// The team
    team: String,
    /// The run
    run: String,
    /// Until when
    #[arg(long, value_enum, default_value_t = Until::Terminal)]
    until: Until,
    /// After this long, leave it to others
    #[arg(long, value_name = "TIME")]
    timeout: Option<Span>,
    /// How many items of the queue are worked on at the same time; 0: none
    #[arg(short = 'j', long, default_value_t = 2)]
    workers: usize,
}

/// An input is not written as it should be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BadInput(String);

impl Diagnose for BadInput {
    fn code(&self) -> &'static str {
        "invalid_inputs"
    }

    fn hint(&self) -> Option<String> {
        Some("write NAME=VALUE, or a file with a JSON object".into())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// `NAME=VALUE` pairs as an object; a value that is no text is written as JSON.
pub(super) fn pairs(given: &[String]) -> Outcome<Map<String, Value>> {
    let mut inputs = Map::new();
    for pair in given {
        let split = pair.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) = split.ok_or_else(|| BadInput(format!("'{pair}' is no input")))?;
        inputs.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    Ok(inputs)
}

fn inputs(args: &RunArgs) -> Outcome<Map<String, Value>> {
    let mut inputs = Map::new();
    if let Some(path) = &args.inputs_file {
        let text = file::read_text(path)?;
        let bad = |why: String| BadInput(format!("{path}: {why}"));
        match serde_json::from_str(&text).map_err(|error| bad(error.to_string()))? {
            Value::Object(fields) => inputs = fields,
            _ => return Err(bad("is no JSON object".into()).into()),
        }
    }
    inputs.extend(pairs(&args.inputs)?);
    Ok(inputs)
}

/// A file input is given by its path.
fn read_files(
    cx: &Cx,
    team: &TeamName,
    name: &Name,
    args: &RunArgs,
    inputs: &mut Map<String, Value>,
) -> Outcome<()> {
    use crate::domain::workflow::definition::InputKind;
    let found = crate::app::workflow::library::load(&cx.app, team, name, args.version)?;
    for (name, input) in &found.definition.inputs {
        if input.kind == InputKind::File
            && let Some(Value::String(path)) = inputs.get(name)
        {
            let text = file::read_text(path)?;
            inputs.insert(name.clone(), Value::String(text));
        }
    }
    Ok(())
}

pub(crate) fn run(cx: &Cx, args: RunArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team.clone())?;
    let name = Name::parse_as("workflow name", args.name.clone())?;
    let mut given = inputs(&args)?;
    read_files(cx, &team, &name, &args, &mut given)?;
    let options = StartOptions {
        inputs: given,
        key: args.idempotency_key.clone(),
        version: args.version,
        source: "cli".into(),
        manual: args.manual,
        task: args.task.clone(),
        repo: repository(cx, args.repo.as_deref())?,
        only_active: false,
        dry_run: args.dry_run,
    };
    let started = start(&cx.app, &team, &name, options)?;
    if started.is_draft && !args.draft {
        output::say(&format!(
            "workflow '{name}' is a draft: schedules will not start it (clawteam workflow activate {team} {name})"
        ));
    }
    if args.dry_run {
        let payload =
            json!({"workflow": started.workflow, "version": started.version, "dryRun": true});
        cx.out.result(&payload, || {
            format!("OK {} v{} can be run", started.workflow, started.version)
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.drive {
        let drive = DriveArgs {
            team: args.team,
            run: started.run.to_string(),
            until: Until::Terminal,
            timeout: args.timeout,
            workers: 2,
        };
        return drive_run(cx, drive);
    }
    let status = status_word(&run::load(&cx.app, &team, &started.run)?);
    let mut payload = json!({
        "run": started.run,
        "workflow": started.workflow,
        "version": started.version,
        "status": status,
        "deduplicated": started.deduplicated,
    });
    if !started.after.is_empty() {
        payload["after"] = json!(started.after);
    }
    cx.out.result(&payload, || {
        let run = &started.run;
        let how = if started.deduplicated { "was started before as" } else { "is started as" };
        format!(
            "OK {} v{} {how} {run}\n  clawteam workflow drive {team} {run}   moves it and shows what it does\n  clawteam workflow step {team} {run}    moves it by one transition",
            started.workflow, started.version
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The repository that a run works on: the one that was named, or that of the present directory.
fn repository(cx: &Cx, named: Option<&str>) -> Outcome<Option<String>> {
    let path = std::path::absolute(named.unwrap_or(".")).map_err(|error| {
        BadInput(format!("the directory '{}' cannot be found: {error}", named.unwrap_or(".")))
    })?;
    if named.is_some() {
        cx.app.git.discover(&path)?;
    }
    Ok(Some(path.display().to_string()))
}

pub(crate) fn step(cx: &Cx, args: StepArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let name = Name::parse_as("run", args.run)?;
    let budget = if args.until.is_some() && args.max == 1 { u32::MAX } else { args.max };
    let json = cx.out.is_json();
    let mut each = |_: &Loaded, record: &Record| {
        if !json {
            let _ = cx.out.text(&text::line(cx, record));
        }
    };
    let moved = advance(&cx.app, &team, &name, budget, Patience::Wait, &mut each)?;
    let Some(loaded) = &moved.run else { return Ok(ExitCode::SUCCESS) };
    if json {
        cx.out.json(&step_payload(loaded, &moved))?;
    } else {
        tell_standing(cx, loaded, args.explain)?;
    }
    Ok(step_exit(loaded, &moved))
}

fn step_payload(loaded: &Loaded, moved: &Moved) -> Value {
    let brief = |record: &Record| text::brief(record);
    json!({
        "run": loaded.start.run,
        "rev": loaded.run.rev,
        "moved": !moved.records.is_empty(),
        "transition": moved.records.last().map(brief),
        "transitions": moved.records.iter().map(brief).collect::<Vec<_>>(),
        "status": status_word(loaded),
        "reason": loaded.run.fault,
        "waitingFor": waiting_for(loaded),
        "nextWakeAt": loaded.wake_at,
        "effects": moved.effects,
        "serviced": moved.serviced,
    })
}

/// How a run stands, what it waits for and when to call again.
fn tell_standing(cx: &Cx, loaded: &Loaded, explain: bool) -> Outcome<()> {
    let mut line = format!("{} is {}", loaded.start.run, status_word(loaded));
    if let Some(fault) = &loaded.run.fault {
        line.push_str(&format!(": {} ({})", fault.message, fault.code));
    }
    let waiting = waiting_for(loaded);
    if !waiting.is_empty() {
        line.push_str(&format!("; it waits for {}", waiting.join(", ")));
    }
    if let Some(at) = loaded.wake_at.filter(|_| !loaded.run.status.is_terminal()) {
        line.push_str(&format!("; call again at {}", text::time(cx, at)));
    }
    cx.out.text(&line)?;
    if explain {
        super::look::print_explanation(cx, loaded, None)?;
    }
    Ok(())
}

fn step_exit(loaded: &Loaded, moved: &Moved) -> ExitCode {
    if !moved.records.is_empty() {
        return ExitCode::SUCCESS;
    }
    match loaded.run.status {
        Status::Running | Status::Paused => ExitCode::from(Exit::Idle.code()),
        other => terminal_exit(other),
    }
}

/// The exit status for a run that has ended so.
pub(super) fn terminal_exit(status: Status) -> ExitCode {
    match status {
        Status::Failed => ExitCode::from(Exit::RunFailed.code()),
        Status::Stopped => ExitCode::from(Exit::RunStopped.code()),
        _ => ExitCode::SUCCESS,
    }
}

pub(crate) fn drive_run(cx: &Cx, args: DriveArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let name = Name::parse_as("run", args.run)?;
    let options = DriveOptions {
        until_waiting: args.until == Until::Waiting,
        timeout: args.timeout.map(Span::duration),
        workers: args.workers,
        stop: Cx::stop_on_signal()?,
    };
    let json = cx.out.is_json();
    let mut waiting: Option<Vec<String>> = None;
    let mut tell = |loaded: &Loaded, record: &Record| {
        if !json {
            let _ = cx.out.text(&text::line(cx, record));
            let now = waiting_for(loaded);
            if waiting.as_ref() != Some(&now) {
                waiting = Some(now);
            }
        }
    };
    let (loaded, ended) = drive(&cx.app, &team, &name, &options, &mut tell)?;
    if json {
        cx.out.json(&json!({
            "run": loaded.start.run,
            "status": status_word(&loaded),
            "reason": loaded.run.fault,
            "rev": loaded.run.rev,
            "waitingFor": waiting_for(&loaded),
            "nextWakeAt": loaded.wake_at,
            "outputs": loaded.run.outputs,
            "ended": match ended {
                Ended::Terminal => "terminal",
                Ended::Waiting => "waiting",
                Ended::TimedOut => "timed_out",
                Ended::Stopped => "interrupted",
            },
        }))?;
    } else {
        tell_standing(cx, &loaded, false)?;
    }
    Ok(match ended {
        Ended::Terminal => terminal_exit(loaded.run.status),
        Ended::Waiting => ExitCode::SUCCESS,
        Ended::TimedOut => ExitCode::from(Exit::TimedOut.code()),
        Ended::Stopped => ExitCode::from(130),
    })
}

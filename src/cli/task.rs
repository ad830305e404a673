//! `clawteam task`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use serde_json::json;

use super::{Cx, args, file};
use crate::app::task::{self, Answer, Filter, NewArtifact};
use crate::app::team;
use crate::app::wait::{self, TaskWait, WaitEvent, WaitResult, WaitStatus};
use crate::core::text::cut;
use crate::core::{Outcome, TaskId, TeamName};
use crate::domain::Extra;
use crate::domain::task::{Change, NewTask, Priority, Stats, Status, Task};
use crate::output::Table;

/// How much of a reason a table shows.
const REASON_SHOWN: usize = 80;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum TaskCommand {
    /// Plan a task
    Create(CreateArgs),
    /// Show a task
    Get {
        /// The team
        team: String,
        /// The task
        id: String,
    },
    /// Change a task
    Update(UpdateArgs),
    /// Begin work on a task
    Start {
        /// The team
        team: String,
        /// The task
        id: String,
        /// Take it even if somebody else works on it
        #[arg(short, long)]
        force: bool,
    },
    /// Say that a task cannot be done
    Fail(FailArgs),
    /// Print the result of a task
    Result {
        /// The team
        team: String,
        /// The task
        id: String,
    },
    /// List tasks, oldest first
    List(ListArgs),
    /// List the tasks that you can claim now, the best first
    Ready {
        /// The team
        team: String,
        /// Whose view to take [default: you]
        #[arg(short, long)]
        agent: Option<String>,
    },
    /// Claim a task: the best that is ready (`next`), or this one
    Claim {
        /// The team
        team: String,
        /// `next`, or a task
        #[arg(default_value = "next")]
        id: String,
        /// Who claims it [default: you]
        #[arg(short, long)]
        agent: Option<String>,
    },
    /// Count tasks
    Stats {
        /// The team
        team: String,
    },
    /// Wait until all tasks are done
    Wait(WaitArgs),
}

/// Arguments of `task create`.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// The team
    team: String,
    /// What is to be done, in a line
    subject: String,
    /// What is to be done, at length
    #[arg(short, long, default_value = "")]
    description: String,
    /// Whose task it is
    #[arg(short, long, visible_short_alias = 'a', visible_alias = "agent", default_value = "")]
    owner: String,
    /// How urgent it is: low, medium, high or urgent
    #[arg(short, long, default_value = "medium")]
    priority: String,
    /// Tasks that wait for this one, separated by commas (a note)
    #[arg(long, value_name = "IDS")]
    blocks: Option<String>,
    /// Tasks that this one waits for, separated by commas
    #[arg(long, value_name = "IDS")]
    blocked_by: Option<String>,
    /// Wait even for tasks that do not exist
    #[arg(long)]
    allow_unknown: bool,
}

/// Arguments of `task update`.
#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    /// The team
    team: String,
    /// The task
    id: String,
    /// Where it stands: pending, `in_progress`, completed or blocked
    #[arg(short, long)]
    status: Option<String>,
    /// Whose task it is; empty for nobody
    #[arg(short, long, visible_short_alias = 'a', visible_alias = "agent")]
    owner: Option<String>,
    /// What is to be done, in a line
    #[arg(long)]
    subject: Option<String>,
    /// What is to be done, at length
    #[arg(short, long)]
    description: Option<String>,
    /// How urgent it is: low, medium, high or urgent
    #[arg(short, long)]
    priority: Option<String>,
    /// Tasks that wait for this one, separated by commas (a note)
    #[arg(long, value_name = "IDS")]
    add_blocks: Option<String>,
    /// Tasks that this one waits for, separated by commas
    #[arg(long, value_name = "IDS")]
    add_blocked_by: Option<String>,
    /// Wait even for tasks that do not exist
    #[arg(long)]
    allow_unknown: bool,
    /// Take it even if somebody else works on it
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    answer: AnswerArgs,
}

/// What is handed in with a task.
#[derive(Debug, Args)]
struct AnswerArgs {
    /// What came of it
    #[arg(long, value_name = "TEXT", conflicts_with = "result_file", allow_hyphen_values = true)]
    result: Option<String>,
    /// A file that says what came of it; `-` for standard input
    #[arg(long, value_name = "FILE")]
    result_file: Option<String>,
    /// A file that was made; can be given several times
    #[arg(long = "artifact", value_name = "FILE")]
    artifacts: Vec<String>,
}

/// Arguments of `task fail`.
#[derive(Debug, Args)]
pub(super) struct FailArgs {
    /// The team
    team: String,
    /// The task
    id: String,
    /// What went wrong
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    error: String,
    #[command(flatten)]
    answer: AnswerArgs,
}

impl AnswerArgs {
    /// Reads the files.
    fn answer(self) -> Outcome<Answer> {
        let from_file = self.result_file.as_deref().map(file::read_text).transpose()?;
        let mut artifacts = Vec::new();
        for path in self.artifacts {
            let (name, bytes) = super::artifact::take(&path, None)?;
            artifacts.push(NewArtifact { name, bytes, source: path });
        }
        Ok(Answer { result: self.result.or(from_file), artifacts })
    }
}

/// Arguments of `task list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The team
    team: String,
    /// Only tasks that stand so
    #[arg(short, long)]
    status: Option<String>,
    /// Only tasks of this owner
    #[arg(short, long, visible_short_alias = 'a', visible_alias = "agent")]
    owner: Option<String>,
    /// Only tasks of this priority
    #[arg(short, long)]
    priority: Option<String>,
    /// The most urgent first
    #[arg(long)]
    sort_priority: bool,
}

/// Arguments of `task wait`.
#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// The team
    team: String,
    /// The inbox whose messages are shown, and taken, meanwhile [default: the leader's]
    #[arg(short, long)]
    agent: Option<String>,
    /// Seconds after which to look again even if nothing was heard
    #[arg(short, long, default_value = "5.0", value_parser = args::poll_seconds)]
    poll_interval: Duration,
    /// Give up after so many seconds (0: never)
    #[arg(short, long, value_parser = args::seconds)]
    timeout: Option<Duration>,
}

pub(super) fn run(cx: &Cx, command: TaskCommand) -> Outcome<ExitCode> {
    match command {
        TaskCommand::Create(args) => create(cx, args)?,
        TaskCommand::Get { team, id } => {
            let task = task::get(&cx.app, &TeamName::parse(team)?, &TaskId::parse(id)?)?;
            cx.out.result(&task, || details(cx, &task))?;
        }
        TaskCommand::Update(args) => update(cx, args)?,
        TaskCommand::Start { team, id, force } => start(cx, team, id, force)?,
        TaskCommand::Fail(args) => fail(cx, args)?,
        TaskCommand::Result { team, id } => result(cx, team, id)?,
        TaskCommand::List(args) => list(cx, args)?,
        TaskCommand::Ready { team, agent } => {
            let team = TeamName::parse(team)?;
            let agent = agent.unwrap_or_else(|| cx.app.identity.agent_name.clone());
            let tasks = task::ready(&cx.app, &team, &agent)?;
            if tasks.is_empty() {
                cx.app.warn_if_unknown(&team);
            }
            show(cx, &format!("Ready - {team}"), &tasks, "No task is ready")?;
        }
        TaskCommand::Claim { team, id, agent } => claim(cx, team, id, agent)?,
        TaskCommand::Stats { team } => {
            let team = TeamName::parse(team)?;
            cx.app.warn_if_unknown(&team);
            let stats = task::stats(&cx.app, &team)?;
            cx.out.result(&stats, || stats_text(cx, &team, stats))?;
        }
        TaskCommand::Wait(args) => return wait(cx, args),
    }
    Ok(ExitCode::SUCCESS)
}

fn create(cx: &Cx, args: CreateArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let new = NewTask {
        id: task::fresh_id(&cx.app),
        subject: args.subject,
        description: args.description,
        priority: args.priority.parse::<Priority>()?,
        owner: args.owner,
        blocks: args::ids(args.blocks.as_deref()),
        blocked_by: args::ids(args.blocked_by.as_deref()),
        allow_unknown: args.allow_unknown,
        metadata: Extra::new(),
    };
    cx.app.warn_if_unknown(&team);
    let task = task::create(&cx.app, &team, new)?;
    cx.out.result(&task, || {
        let mut text = format!(
            "OK Task created: {}\n  Subject: {}\n  Status: {}\n  Priority: {}",
            task.id,
            task.subject,
            task.status.as_str(),
            task.priority.as_str()
        );
        if !task.owner.is_empty() {
            text.push_str(&format!("\n  Owner: {}", task.owner));
        }
        text
    })
}

fn update(cx: &Cx, args: UpdateArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let id = TaskId::parse(args.id)?;
    let change = Change {
        status: args.status.as_deref().map(str::parse::<Status>).transpose()?,
        owner: args.owner,
        subject: args.subject,
        description: args.description,
        priority: args.priority.as_deref().map(str::parse::<Priority>).transpose()?,
        add_blocks: args::ids(args.add_blocks.as_deref()),
        add_blocked_by: args::ids(args.add_blocked_by.as_deref()),
        allow_unknown: args.allow_unknown,
        force: args.force,
        ..Change::default()
    };
    let (answer, caller) = (args.answer.answer()?, &cx.app.identity.agent_name);
    let task = task::answer(&cx.app, &team, &id, change, answer, caller)?;
    cx.out.result(&task, || format!("OK Task {id} updated"))
}

fn start(cx: &Cx, team: String, id: String, force: bool) -> Outcome<()> {
    let team = TeamName::parse(team)?;
    let id = TaskId::parse(id)?;
    let change = Change { status: Some(Status::InProgress), force, ..Change::default() };
    let task = task::update(&cx.app, &team, &id, &change, &cx.app.identity.agent_name)?;
    cx.out.result(&task, || format!("OK Task {id} started"))
}

fn fail(cx: &Cx, args: FailArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let id = TaskId::parse(args.id)?;
    let (answer, caller) = (args.answer.answer()?, &cx.app.identity.agent_name);
    let task = task::fail(&cx.app, &team, &id, &args.error, answer, caller)?;
    cx.out.result(&task, || format!("OK Task {id} failed: {}", args.error))
}

fn result(cx: &Cx, team: String, id: String) -> Outcome<()> {
    let team = TeamName::parse(team)?;
    let task = task::get(&cx.app, &team, &TaskId::parse(id)?)?;
    let text = task::result_text(&cx.app, &task)?;
    let payload = json!({
        "id": task.id, "status": task.standing(), "text": text,
        "result": task.result(), "artifacts": task.artifacts(), "failed": task.failed(),
    });
    cx.out.result(&payload, || match text {
        Some(text) => text,
        None => format!("Task {} has no result", task.id),
    })
}

fn claim(cx: &Cx, team: String, id: String, agent: Option<String>) -> Outcome<()> {
    let team = TeamName::parse(team)?;
    let id = if id == "next" { None } else { Some(TaskId::parse(id)?) };
    let agent = agent.unwrap_or_else(|| cx.app.identity.agent_name.clone());
    cx.app.warn_if_unknown(&team);
    let task = task::claim(&cx.app, &team, id.as_ref(), &agent)?;
    cx.out.result(&task, || format!("OK Claimed\n{}", details(cx, &task)))
}

fn list(cx: &Cx, args: ListArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let filter = Filter {
        status: args.status.as_deref().map(str::parse::<Status>).transpose()?,
        owner: args.owner.filter(|owner| !owner.is_empty()),
        priority: args.priority.as_deref().map(str::parse::<Priority>).transpose()?,
        by_priority: args.sort_priority,
    };
    let tasks = task::list(&cx.app, &team, &filter)?;
    if tasks.is_empty() {
        cx.app.warn_if_unknown(&team);
    }
    show(cx, &format!("Tasks - {team}"), &tasks, "No tasks found")?;
    // The process ends now. Taking ten thousand tasks apart first is time that somebody waits.
    std::mem::forget(tasks);
    Ok(())
}

fn show(cx: &Cx, title: &str, tasks: &[Task], none: &str) -> Outcome<()> {
    if !cx.out.json && tasks.is_empty() {
        return cx.out.text(none);
    }
    if cx.out.json {
        return cx.out.json_list(tasks);
    }
    cx.out.text(&task_table(cx, title, tasks))
}

fn task_table(cx: &Cx, title: &str, tasks: &[Task]) -> String {
    let mut table = Table::new(title)
        .column("ID")
        .prose("Subject")
        .prose("Status")
        .column("Priority")
        .column("Owner")
        .column("Lock")
        .prose("Blocked By");
    for task in tasks {
        table.row([
            task.id.as_str(),
            &task.subject,
            &standing(task),
            task.priority.as_str(),
            &task.owner,
            &task.locked_by,
            &task.blocked_by.join(", "),
        ]);
    }
    table.render(cx.out.width())
}

/// Where a task stands, with the reason if it failed or was closed.
fn standing(task: &Task) -> String {
    match task.reason() {
        Some(reason) => format!("{}: {}", task.standing(), cut(&reason, REASON_SHOWN)),
        None => task.standing().to_owned(),
    }
}

fn details(cx: &Cx, task: &Task) -> String {
    let mut lines = vec![
        format!("Task: {}", task.id),
        format!("  Subject: {}", task.subject),
        format!("  Status: {}", task.standing()),
        format!("  Priority: {}", task.priority.as_str()),
    ];
    lines.extend(task.reason().map(|reason| format!("  Reason: {reason}")));
    if !task.owner.is_empty() {
        lines.push(format!("  Owner: {}", task.owner));
    }
    if !task.locked_by.is_empty() {
        lines.push(format!("  Locked by: {} (since {})", task.locked_by, cx.time(&task.locked_at)));
    }
    if !task.description.is_empty() {
        lines.push(format!("  Description: {}", task.description));
    }
    if !task.blocks.is_empty() {
        lines.push(format!("  Blocks: {}", task.blocks.join(", ")));
    }
    if !task.blocked_by.is_empty() {
        lines.push(format!("  Blocked by: {}", task.blocked_by.join(", ")));
    }
    if let Some(result) = task.result() {
        lines.push(match result.text {
            Some(text) => format!("  Result: {text}"),
            None => format!("  Result: {} bytes (see `clawteam task result`)", result.bytes),
        });
    }
    for artifact in task.artifacts() {
        let (name, version) = (&artifact.name, artifact.version);
        lines.push(format!("  Artifact: {name}, version {version} ({} bytes)", artifact.bytes));
    }
    lines.join("\n")
}

fn stats_text(cx: &Cx, team: &TeamName, stats: Stats) -> String {
    let seconds = stats.avg_duration_seconds;
    let average = match seconds {
        s if s <= 0.0 => "-".to_owned(),
        s if s < 60.0 => format!("{s:.1}s"),
        s if s < 3600.0 => format!("{:.1}m", s / 60.0),
        s => format!("{:.1}h", s / 3600.0),
    };
    let mut table = Table::new(format!("Task Stats - {team}")).column("Metric").number("Value");
    for (name, value) in [
        ("Total tasks", stats.total),
        ("Completed", stats.completed),
        ("In progress", stats.in_progress),
        ("Pending", stats.pending),
        ("Blocked", stats.blocked),
        ("With timing data", stats.timed_completed),
    ] {
        table.row([name, &value.to_string()]);
    }
    table.row(["Avg completion time", &average]);
    table.render(cx.out.width())
}

fn wait(cx: &Cx, args: WaitArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let inbox = match args.agent {
        Some(agent) => team::own_inbox(&cx.app, &team, &agent)?,
        None => match team::leader(&cx.app, &team) {
            Ok((_, inbox)) => inbox,
            Err(_) => team::own_inbox(&cx.app, &team, &cx.app.identity.agent_name)?,
        },
    };
    let timeout = args.timeout.filter(|limit| !limit.is_zero());
    if !cx.out.json {
        let limit =
            timeout.map_or("none".to_owned(), |limit| format!("{:.1}s", limit.as_secs_f64()));
        cx.out.text(&format!(
            "Waiting for all tasks in team '{team}' to complete...\n  Agent inbox: {inbox}  |  \
             Poll interval: {:.1}s  |  Timeout: {limit}\n",
            args.poll_interval.as_secs_f64()
        ))?;
    }
    let stop = Cx::stop_on_signal()?;
    let poll = args.poll_interval;
    let request = TaskWait { team: &team, inbox: &inbox, poll, timeout, stop: &stop };
    let result = wait::for_tasks(&cx.app, &request, &mut |event| tell(cx, event))?;
    tell_result(cx, &result)?;
    let done = result.status == WaitStatus::Completed;
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(cx: &Cx, event: &WaitEvent) -> Outcome<()> {
    if cx.out.json {
        return cx.out.json_spaced_line(event);
    }
    cx.out.text(&match event {
        WaitEvent::Message { from, content, .. } => {
            let time = cx.app.stamp();
            let time = cx.time(&time);
            let clock = time.get(11..19).unwrap_or(&time);
            format!("  {clock}  message from={from}: {content}")
        }
        WaitEvent::AgentDead { agent, abandoned_tasks } => {
            let subjects: Vec<&str> =
                abandoned_tasks.iter().map(|task| task.subject.as_str()).collect();
            format!(
                "  Agent '{agent}' is dead. Reset {} task(s) to pending: {}",
                subjects.len(),
                subjects.join(", ")
            )
        }
        WaitEvent::Progress { completed, total, in_progress, pending, blocked } => format!(
            "  {completed}/{total} tasks completed  ({in_progress} in progress, \
             {pending} pending, {blocked} blocked)"
        ),
    })
}

fn tell_result(cx: &Cx, result: &WaitResult) -> Outcome<()> {
    if cx.out.json {
        let mut line = serde_json::Map::new();
        line.insert("event".into(), "result".into());
        if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(result) {
            line.extend(fields);
        }
        return cx.out.json_spaced_line(&line);
    }
    let (done, total, elapsed) = (result.completed, result.total, result.elapsed);
    let mut text = match result.status {
        WaitStatus::Completed if done < total => format!(
            "\nNothing is left to do: {done} of {total} tasks completed, the others closed. \
             ({elapsed:.1}s, {} messages)",
            result.messages_received
        ),
        WaitStatus::Completed => format!(
            "\nAll {total} tasks completed! ({elapsed:.1}s, {} messages)",
            result.messages_received
        ),
        WaitStatus::Timeout => format!("\nTimeout after {elapsed:.1}s. {done}/{total} completed."),
        WaitStatus::Interrupted => {
            format!("\nInterrupted after {elapsed:.1}s. {done}/{total} completed.")
        }
    };
    if result.status != WaitStatus::Completed {
        text.push_str("\n  Incomplete tasks:");
        for task in result.task_details.iter().filter(|task| task.status != Status::Completed) {
            let owner = if task.owner.is_empty() { "-" } else { &task.owner };
            text.push_str(&format!(
                "\n    [{}] {}  {}  (owner: {owner})",
                task.status.as_str(),
                task.id,
                task.subject
            ));
        }
    }
    cx.out.text(&text)
}

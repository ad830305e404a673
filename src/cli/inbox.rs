//! `clawteam inbox`.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::json;

use super::runtime::how;
use super::{Cx, args};
use crate::app::inbox::{self, Draft};
use crate::app::runtime::{self, Given, Mode};
use crate::app::wait::Stop;
use crate::app::{log, team};
use crate::core::text::cut;
use crate::core::{AgentName, Outcome, TeamName, limits};
use crate::domain::message::{Message, MessageType};
use crate::output;
use crate::store::Dir;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum InboxCommand {
    /// Send a message to one agent
    Send(SendArgs),
    /// Send a message to everybody else
    Broadcast(BroadcastArgs),
    /// Take messages from your inbox, oldest first
    Receive(ReceiveArgs),
    /// Look at the oldest messages in your inbox without taking them
    Peek {
        /// The team
        team: String,
        /// Whose inbox [default: yours]
        #[arg(short, long)]
        agent: Option<String>,
    },
    /// Show the messages that were sent in a team
    Log(LogArgs),
    /// Take and show messages as they come
    Watch(WatchArgs),
}

/// Arguments of `inbox send`.
#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// The team
    team: String,
    /// Who shall get it
    to: String,
    /// The text [default: standard input]
    content: Option<String>,
    #[command(flatten)]
    about: AboutArgs,
    /// What kind of message it is
    #[arg(long = "type", value_name = "TYPE", default_value = "message")]
    kind: String,
    /// Also give it to the agent, if it runs, without waiting for it to look
    #[arg(long)]
    nudge: bool,
    /// When: at its next turn (queue), once it waits for one (when-idle), or now [default: queue]
    #[arg(long, value_name = "MODE", requires = "nudge")]
    mode: Option<String>,
    /// Seconds to wait for it to become idle, with --mode when-idle [default: 60]
    #[arg(long, value_name = "SECONDS", requires = "mode", value_parser = args::poll_seconds)]
    timeout: Option<Duration>,
}

/// Arguments of `inbox broadcast`.
#[derive(Debug, Args)]
pub(super) struct BroadcastArgs {
    /// The team
    team: String,
    /// The text
    content: String,
    #[command(flatten)]
    about: AboutArgs,
    /// What kind of message it is
    #[arg(long = "type", value_name = "TYPE", default_value = "broadcast")]
    kind: String,
}

/// What both ways of sending take.
#[derive(Debug, Args)]
struct AboutArgs {
    /// A word to sort messages by
    #[arg(short, long)]
    key: Option<String>,
    /// Who sends it [default: you]
    #[arg(short, long)]
    from: Option<String>,
}

/// Arguments of `inbox receive`.
#[derive(Debug, Args)]
pub(super) struct ReceiveArgs {
    /// The team
    team: String,
    /// Whose inbox [default: yours]
    #[arg(short, long)]
    agent: Option<String>,
    /// How many messages at most
    #[arg(short, long, default_value_t = 10, allow_negative_numbers = true)]
    limit: i64,
    /// If there is none, wait up to so many seconds for one
    #[arg(short, long, value_name = "SECONDS", value_parser = args::seconds)]
    wait: Option<Duration>,
}

/// Arguments of `inbox log`.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// The team
    team: String,
    /// How many messages at most
    #[arg(short, long, default_value_t = 50)]
    limit: usize,
    /// Only messages of this sender
    #[arg(short, long, value_name = "SENDER")]
    agent: Option<String>,
}

/// Arguments of `inbox watch` and `runtime watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// The team
    pub(super) team: String,
    /// Whose inbox [default: yours]
    #[arg(short, long)]
    pub(super) agent: Option<String>,
    /// Seconds after which to look again even if nothing was heard
    #[arg(short, long, default_value = "1.0", value_parser = args::poll_seconds)]
    pub(super) poll_interval: Duration,
    /// A shell command to run for each message
    #[arg(short, long, value_name = "CMD")]
    pub(super) exec: Option<String>,
}

pub(super) fn run(cx: &Cx, command: InboxCommand) -> Outcome<ExitCode> {
    match command {
        InboxCommand::Send(args) => return send(cx, args),
        InboxCommand::Broadcast(args) => broadcast(cx, args)?,
        InboxCommand::Receive(args) => receive(cx, args)?,
        InboxCommand::Peek { team, agent } => peek(cx, team, agent)?,
        InboxCommand::Log(args) => show_log(cx, args)?,
        InboxCommand::Watch(args) => watch(cx, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn draft(kind: &str, content: String, about: AboutArgs) -> Outcome<Draft> {
    let message = Message {
        kind: kind.parse::<MessageType>()?,
        content: Some(content),
        key: about.key,
        ..Message::default()
    };
    Ok(Draft { message, from: about.from })
}

fn send(cx: &Cx, args: SendArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    AgentName::parse_as("recipient name", args.to.clone())?;
    args.kind.parse::<MessageType>()?;
    let content = if let Some(content) = args.content {
        content
    } else {
        let mut text = output::read_stdin()?;
        if text.ends_with('\n') {
            text.pop();
        }
        text
    };
    let timeout = args.timeout.unwrap_or(Duration::from_secs(60));
    let how = how(args.mode.as_deref().unwrap_or("queue"), timeout)?;
    let mut draft = draft(&args.kind, content, args.about)?;
    if args.nudge && how.mode == Mode::Queue {
        draft.message.extra.insert(runtime::NUDGE.into(), true.into());
    }
    let message = inbox::send(&cx.app, &team, &args.to, draft)?;
    if !args.nudge {
        cx.out.result(&message, || format!("OK Message sent to '{}'", args.to))?;
        return Ok(ExitCode::SUCCESS);
    }
    let agent = AgentName::parse(args.to.clone())?;
    let given = runtime::nudge(&cx.app, &team, &agent, &message, how);
    tell_nudge(cx, &agent, &message, given)
}

/// Tells what became of a message that was sent: sent it is, whatever came of the nudge.
fn tell_nudge(
    cx: &Cx,
    agent: &AgentName,
    message: &Message,
    given: Outcome<Given>,
) -> Outcome<ExitCode> {
    let nudge = match &given {
        Ok(given) => json!({"delivery": given.word(), "status": given.status(agent)}),
        Err(failure) => {
            let error = failure.inner();
            json!({"error": failure.message(), "code": error.code(), "hint": error.hint()})
        }
    };
    let mut payload = serde_json::to_value(message).unwrap_or_default();
    payload["nudge"] = nudge;
    cx.out.result(&payload, || match &given {
        Ok(given) => format!("OK Message sent to '{agent}'. {}", given.status(agent)),
        Err(_) => format!("OK Message sent to '{agent}'; it waits in the inbox"),
    })?;
    match given {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(failure) if cx.out.json => Ok(ExitCode::from(failure.inner().exit().code())),
        Err(failure) => Err(failure),
    }
}

fn broadcast(cx: &Cx, args: BroadcastArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let draft = draft(&args.kind, args.content, args.about)?;
    let sent = inbox::broadcast(&cx.app, &team, draft, &[])?;
    let recipients: Vec<&str> = sent.iter().filter_map(|message| message.to.as_deref()).collect();
    let payload = json!({"count": recipients.len(), "recipients": recipients});
    cx.out.result(&payload, || format!("OK Broadcast to {} agents", recipients.len()))
}

fn own_inbox(cx: &Cx, team: &TeamName, agent: Option<&str>) -> Outcome<AgentName> {
    team::own_inbox(&cx.app, team, agent.unwrap_or(&cx.app.identity.agent_name))
}

fn receive(cx: &Cx, args: ReceiveArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let inbox = own_inbox(cx, &team, args.agent.as_deref())?;
    let taken = match args.wait {
        None => inbox::take(&cx.app, &team, &inbox, args.limit)?,
        Some(limit) => wait_for_mail(cx, &team, &inbox, args.limit, limit)?,
    };
    if cx.out.json {
        cx.out.json(&taken.messages().collect::<Vec<_>>())?;
    } else if taken.is_empty() {
        cx.out.text("No messages")?;
    } else {
        let lines: Vec<String> = taken
            .messages()
            .map(|message| {
                format!(
                    "[{}] {} from={} : {}",
                    cx.time(&message.timestamp),
                    message.kind.as_str(),
                    message.from,
                    message.text()
                )
            })
            .collect();
        cx.out.text(&lines.join("\n"))?;
    }
    // Only what was written out is gone from the inbox.
    taken.settle(&cx.app)
}

/// Takes messages as soon as there are any, or none when the time is over.
fn wait_for_mail(
    cx: &Cx,
    team: &TeamName,
    inbox: &AgentName,
    most: i64,
    limit: Duration,
) -> Outcome<inbox::Taken> {
    let began = Instant::now();
    let stop = Cx::stop_on_signal()?;
    let mut changes = cx.app.store.backend().watch(&[Dir::inbox(team, inbox)])?;
    stop.wakes(&*changes);
    loop {
        let taken = inbox::take(&cx.app, team, inbox, most)?;
        let left = limit.saturating_sub(began.elapsed());
        if !taken.is_empty() || left.is_zero() || stop.is_requested() {
            return Ok(taken);
        }
        changes.wait(left.min(LOOK_AGAIN));
    }
}

/// After how long to look for mail even if nothing was heard: changes can be missed on file systems
/// of other machines.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

fn peek(cx: &Cx, team: String, agent: Option<String>) -> Outcome<()> {
    let team = TeamName::parse(team)?;
    let inbox = own_inbox(cx, &team, agent.as_deref())?;
    let waiting = inbox::peek(&cx.app, &team, &inbox, limits::PEEK_MESSAGES_MAX)?;
    let payload = json!({"count": waiting.count, "messages": waiting.messages});
    cx.out.result(&payload, || {
        let mut text = format!("Pending messages: {}", waiting.count);
        for message in &waiting.messages {
            text.push_str(&format!(
                "\n  [{}] {} from={} : {}",
                cx.time(&message.timestamp),
                message.kind.as_str(),
                message.from,
                cut(message.text(), 80)
            ));
        }
        text
    })
}

fn show_log(cx: &Cx, args: LogArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let mut messages = log::newest(&cx.app, &team, args.limit, args.agent.as_deref())?;
    messages.reverse();
    if messages.is_empty() {
        cx.app.warn_if_unknown(&team);
    }
    let payload = json!({"count": messages.len(), "messages": messages});
    cx.out.result(&payload, || {
        let mut text = format!("Message history: {} message(s)", messages.len());
        for message in &messages {
            text.push_str(&format!(
                "\n  [{}] {} → {} ({}): {}",
                cx.time(&message.timestamp),
                message.from,
                message.to.as_deref().unwrap_or("all"),
                message.kind.as_str(),
                cut(message.text(), 120)
            ));
        }
        text
    })
}

fn watch(cx: &Cx, args: WatchArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let inbox = own_inbox(cx, &team, args.agent.as_deref())?;
    if !cx.out.json {
        let mut header =
            format!("Watching inbox for '{inbox}' in team '{team}'... (Ctrl+C to stop)");
        if let Some(exec) = &args.exec {
            header.push_str(&format!("\n  exec: {exec}"));
        }
        cx.out.text(&header)?;
    }
    let stop = Cx::stop_on_signal()?;
    let mut changes = cx.app.store.backend().watch(&[Dir::inbox(&team, &inbox)])?;
    stop.wakes(&*changes);
    while !stop.is_requested() {
        // One at a time: what was not shown before an interrupt stays in the inbox.
        let taken = inbox::take(&cx.app, &team, &inbox, 1)?;
        let Some(message) = taken.messages().next() else {
            changes.wait(args.poll_interval);
            continue;
        };
        tell(cx, message)?;
        if let Some(exec) = &args.exec {
            call(exec, message, &stop);
        }
        taken.settle(&cx.app)?;
    }
    Ok(())
}

pub(super) fn tell(cx: &Cx, message: &Message) -> Outcome<()> {
    if cx.out.json {
        return cx.out.json_line(message);
    }
    cx.out.text(&format!(
        "[{}] {} from={} to={}: {}",
        message.timestamp,
        message.kind.as_str(),
        message.from,
        message.to.as_deref().unwrap_or_default(),
        message.text()
    ))
}

/// How long a command that is run for a message may take.
const EXEC_LIMIT: Duration = Duration::from_secs(30);

/// Runs a shell command for a message. Its failure does not stop the watch.
pub(super) fn call(exec: &str, message: &Message, stop: &Stop) {
    let json = serde_json::to_string(message).expect("a message has text keys");
    let fields = [
        ("FROM", message.from.as_str()),
        ("TO", message.to.as_deref().unwrap_or_default()),
        ("TYPE", message.kind.as_str()),
        ("CONTENT", message.text()),
        ("TIMESTAMP", message.timestamp.as_str()),
        ("JSON", &json),
    ];
    let names: Vec<(String, &str)> = fields
        .iter()
        .flat_map(|(name, value)| {
            ["CLAWTEAM_MSG_", "OH_MSG_"].map(|prefix| (format!("{prefix}{name}"), *value))
        })
        .collect();
    let vars: Vec<(&str, &str)> =
        names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    shell(exec, &vars, stop);
}

/// Runs a shell command of the user to its end, but not for long. Its failure is only told.
#[expect(
    clippy::disallowed_methods,
    reason = "the user's own command, asked for on the command line"
)]
pub(super) fn shell(exec: &str, vars: &[(&str, &str)], stop: &Stop) {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(exec).stdin(Stdio::null());
    for (name, value) in vars {
        // The environment cannot hold a zero byte.
        command.env(name, value.replace('\0', "\u{fffd}"));
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return output::say(&format!("[warn] exec callback failed: {error}")),
    };
    let deadline = Instant::now() + EXEC_LIMIT;
    let mut pause = Duration::from_millis(1);
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() >= deadline || stop.is_requested() {
            let _ = child.kill();
            let _ = child.wait();
            if !stop.is_requested() {
                output::say("[warn] exec callback timed out");
            }
            return;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

//! `clawteam inbox`.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Cx, args};
use crate::app::inbox::{self, Draft};
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

/// Arguments of `inbox watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// The team
    team: String,
    /// Whose inbox [default: yours]
    #[arg(short, long)]
    agent: Option<String>,
    /// Seconds after which to look again even if nothing was heard
    #[arg(short, long, default_value = "1.0", value_parser = args::poll_seconds)]
    poll_interval: Duration,
    /// A shell command to run for each message
    #[arg(short, long, value_name = "CMD")]
    exec: Option<String>,
}

pub(super) fn run(cx: &Cx, command: InboxCommand) -> Outcome<ExitCode> {
    match command {
        InboxCommand::Send(args) => send(cx, args)?,
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

fn send(cx: &Cx, args: SendArgs) -> Outcome<()> {
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
    let draft = draft(&args.kind, content, args.about)?;
    let message = inbox::send(&cx.app, &team, &args.to, draft)?;
    cx.out.result(&message, || format!("OK Message sent to '{}'", args.to))
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
    let taken = inbox::take(&cx.app, &team, &inbox, args.limit)?;
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

fn tell(cx: &Cx, message: &Message) -> Outcome<()> {
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
#[expect(
    clippy::disallowed_methods,
    reason = "the user's own command, asked for on the command line"
)]
fn call(exec: &str, message: &Message, stop: &Stop) {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(exec).stdin(Stdio::null());
    let json = serde_json::to_string(message).expect("a message has text keys");
    let fields = [
        ("FROM", message.from.as_str()),
        ("TO", message.to.as_deref().unwrap_or_default()),
        ("TYPE", message.kind.as_str()),
        ("CONTENT", message.text()),
        ("TIMESTAMP", message.timestamp.as_str()),
        ("JSON", &json),
    ];
    for (name, value) in fields {
        // The environment cannot hold a zero byte.
        let value = value.replace('\0', "\u{fffd}");
        command.env(format!("CLAWTEAM_MSG_{name}"), &value);
        command.env(format!("OH_MSG_{name}"), value);
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

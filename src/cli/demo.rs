//! `clawteam demo`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use super::Cx;
use crate::app::demo::{self, Event, Summary, Wish};
use crate::app::launch::MemberStatus;
use crate::core::Outcome;
use crate::core::text::{count, cut};
use crate::domain::message::{Message, MessageType};
use crate::output;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Where to make the repository; new or empty [default: ./clawteam-demo]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Leave out the pauses that are made for the eye
    #[arg(long)]
    fast: bool,
}

/// What one is about to see.
const INTRODUCTION: &str = "A leader and three workers finish a small program, and a workflow \
                            releases it.\nThey are scripted agents: no model, no network.";

pub(super) fn run(cx: &Cx, args: DemoArgs) -> Outcome<ExitCode> {
    let stop = Cx::stop_on_signal()?;
    let began = Instant::now();
    let tell = |event: &Event| {
        let line = format!("{:5.1}s  {}", began.elapsed().as_secs_f64(), line(cx, event));
        let line = match event {
            Event::Repository { .. } => format!("{INTRODUCTION}\n\n{line}"),
            _ => line,
        };
        if cx.out.json {
            output::say(&line);
        } else {
            // Whoever does not read on shall still get the work done.
            let _ = cx.out.text(&line);
        }
    };
    let wish = Wish { dir: args.dir, fast: args.fast };
    let summary = demo::play(&cx.app, &wish, &stop, &tell)?;
    cx.out.result(&summary, || text(&summary))?;
    Ok(ExitCode::SUCCESS)
}

/// An event on a line.
fn line(cx: &Cx, event: &Event) -> String {
    let plain = |who: &str, what: &str, rest: &str| format!("{who:<6} {what:<10} {rest}");
    let line = match event {
        Event::Repository { directory, before } => {
            let (passed, all) = (before.passed, before.passed + before.failed);
            format!("made the repository {directory}: {passed} of {all} tests pass")
        }
        Event::Started(member) => {
            let what = if member.status == MemberStatus::Ready { "started" } else { "failed" };
            plain(&member.name, what, &member.message)
        }
        Event::Claimed { agent, subject } => plain(agent, "claimed", subject),
        Event::Completed { agent, subject } => plain(agent, "completed", subject),
        Event::Blocked { agent, subject } => plain(agent, "is stuck", subject),
        Event::Committed { agent, hash, subject } => {
            plain(agent, "committed", &format!("{hash} {subject}"))
        }
        Event::Merged { hash, subject } => plain("git", "merged", &format!("{hash} {subject}")),
        Event::Passed { node, how } => plain("run", node, how),
        Event::Sent(message) => sent(message),
    };
    cut(&line, cx.out.width().saturating_sub(8).max(60)).to_owned()
}

fn sent(message: &Message) -> String {
    let to = message.to.as_deref().unwrap_or("all");
    let text = match message.kind {
        MessageType::PlanApprovalRequest => {
            format!("plan: {}", message.summary.as_deref().unwrap_or_default())
        }
        MessageType::PlanApproved => {
            format!("plan approved: {}", message.feedback.as_deref().unwrap_or_default())
        }
        _ => message.text().to_owned(),
    };
    // A run speaks for itself; its id says nothing here.
    let of_run =
        message.from.starts_with("workflow:") || message.key.as_deref() == Some("approval");
    let from = if of_run { "run" } else { &message.from };
    format!("{from:<6} → {to:<8} {}", text.replace('\n', " "))
}

fn text(summary: &Summary) -> String {
    let Summary { team, directory, backend, .. } = summary;
    let commits: Vec<String> =
        summary.commits.iter().map(|(agent, number)| format!("{agent} {number}")).collect();
    let all: usize = summary.commits.values().sum();
    let passed = count(summary.tests_passed, "test");
    let shown = quoted(directory);
    let attach = if *backend == "tmux" {
        format!("\n  clawteam board attach {team}         their windows in tmux")
    } else {
        String::new()
    };
    format!(
        "\nDone in {:.1} s (backend {backend}).\n\
         \x20 Tasks:    {} of {} completed\n\
         \x20 Messages: {} to the leader, {} from the leader, {} approved\n\
         \x20 Workflow: {} in {} (run {})\n\
         \x20 Commits:  {all} ({})\n\
         \x20 Merges:   {} into main\n\
         \x20 Tests:    {passed} passed, {} failed\n\
         \nLook at it:\n\
         \x20 git -C {shown} log --graph --oneline\n\
         \x20 clawteam task list {team}\n\
         \x20 clawteam inbox log {team}\n\
         \x20 clawteam workflow log {team} {}\n\
         \x20 clawteam approval list {team}{attach}\n\
         \nGo on with a real agent, for example:\n\
         {}\
         \nRemove the team, then the repository:\n\
         \x20 clawteam team cleanup {team} --force\n\
         \x20 rm -r {shown}",
        summary.seconds,
        summary.tasks_completed,
        summary.tasks_total,
        summary.messages_to_leader,
        summary.messages_from_leader,
        count(summary.plans_approved, "plan"),
        summary.run_status,
        count(summary.run_path.len(), "step"),
        summary.run,
        commits.join(", "),
        summary.merges,
        summary.tests_failed,
        summary.run,
        ["claude", "codex", "openclaw"].map(|agent| with_agent(agent, team, &shown)).concat(),
    )
}

fn with_agent(program: &str, team: &str, directory: &str) -> String {
    format!(
        "  clawteam spawn {program} --team {team} --agent-name {program} --repo {directory} \
         --workspace --task \"Let tally leave out the words that are listed in a file. Add tests.\"\n"
    )
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,=".contains(c);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

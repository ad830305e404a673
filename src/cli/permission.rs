//! `clawteam permission`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::inbox::shell;
use super::{Cx, args};
use crate::app::permission::{self, Request};
use crate::app::{agent_state, team};
use crate::core::text::{cut, printable};
use crate::core::{AgentName, Outcome, TeamName};
use crate::output::{self, Table};
use crate::store::Dir;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum PermissionCommand {
    /// List the agents that wait for an answer to a question of their own
    List {
        /// The team [default: all teams]
        team: Option<String>,
    },
    /// Show what an agent asks, in full
    Show {
        /// The team
        team: String,
        /// The agent
        agent: String,
    },
    /// Answer what an agent asks
    Answer(AnswerArgs),
    /// Tell of agents that begin to wait, until stopped
    Watch(WatchArgs),
}

/// Arguments of `permission answer`.
#[derive(Debug, Args)]
pub(super) struct AnswerArgs {
    /// The team
    team: String,
    /// The agent
    agent: String,
    /// allow, allow-always, deny, or the number of an option
    answer: String,
    /// Which question this answers, as `show` gives it; at least 8 digits [default: you are asked]
    #[arg(long)]
    digest: Option<String>,
}

/// Arguments of `permission watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// The team
    team: String,
    /// A shell command to run for each question, which is in `CLAWTEAM_PERMISSION_…`
    #[arg(long, value_name = "CMD")]
    notify: Option<String>,
    /// Seconds after which to look again even if nothing was heard
    #[arg(short, long, default_value = "2.0", value_parser = args::poll_seconds)]
    interval: Duration,
}

pub(super) fn run(cx: &Cx, command: PermissionCommand) -> Outcome<ExitCode> {
    match command {
        PermissionCommand::List { team } => list(cx, team)?,
        PermissionCommand::Show { team, agent } => {
            let (team, agent) = (TeamName::parse(team)?, AgentName::parse(agent)?);
            let request = permission::show(&cx.app, &team, &agent)?;
            cx.out.result(&request, || page(&request))?;
        }
        PermissionCommand::Answer(args) => answer(cx, args)?,
        PermissionCommand::Watch(args) => watch(cx, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(cx: &Cx, team: Option<String>) -> Outcome<()> {
    let requests = match team {
        Some(team) => permission::list(&cx.app, &TeamName::parse(team)?)?,
        None => everywhere(cx)?,
    };
    cx.out.result(&requests, || {
        if requests.is_empty() {
            return "No agent waits for an answer".into();
        }
        let mut table = Table::new("Waiting for an answer")
            .column("Team")
            .column("Agent")
            .column("Kind")
            .prose("Question")
            .column("Digest");
        for request in &requests {
            table.row([
                request.team.as_str(),
                request.agent.as_str(),
                &request.question.kind,
                cut(&printable(&request.question.text, false), 300),
                request.digest.start(12),
            ]);
        }
        table.render(cx.out.width())
    })
}

/// What the agents of all teams ask. A team that cannot be read does not hide the others.
fn everywhere(cx: &Cx) -> Outcome<Vec<Request>> {
    let mut requests = Vec::new();
    for team in team::names(&cx.app)? {
        match permission::list(&cx.app, &team) {
            Ok(found) => requests.extend(found),
            Err(failure) => cx.app.warn(format!("team '{team}': {}", failure.message())),
        }
    }
    Ok(requests)
}

/// A question in full.
fn page(request: &Request) -> String {
    let question = &request.question;
    let mut text = format!("{} asks ({}):\n", request.agent, question.kind);
    let indented = |text: &str| text.replace('\n', "\n  ");
    text.push_str(&format!("\n  {}\n", indented(&printable(&question.text, true))));
    if let Some(shown) = question.shown.as_ref().filter(|shown| **shown != question.text) {
        text.push_str(&format!("\nOn its screen:\n\n  {}\n", indented(&printable(shown, true))));
    }
    for (number, option) in question.options.iter().enumerate() {
        let mark = if question.default == Some(number + 1) { ">" } else { " " };
        text.push_str(&format!("\n{mark} {}. {}", number + 1, printable(option, false)));
    }
    text.push_str(&format!("\n\nDigest: {}\n", request.digest));
    if request.answerable {
        text.push_str(&format!(
            "Answer: clawteam permission answer {} {} allow --digest {}",
            request.team,
            request.agent,
            request.digest.start(12)
        ));
    } else {
        text.push_str("Its dialog cannot be read on its screen: answer it in its window.");
    }
    text
}

fn answer(cx: &Cx, args: AnswerArgs) -> Outcome<()> {
    let (team, agent) = (TeamName::parse(args.team)?, AgentName::parse(args.agent)?);
    let mut digest = args.digest;
    if digest.is_none() && !cx.out.json && output::is_terminal() {
        // What is answered is what was seen.
        let request = permission::show(&cx.app, &team, &agent)?;
        output::say(&page(&request));
        if output::confirm(&format!("Answer '{}'?", args.answer)) {
            digest = Some(request.digest.to_string());
        }
    }
    let done = permission::answer(&cx.app, &team, &agent, &args.answer, digest.as_deref())?;
    cx.out.result(&done, || format!("OK {agent} was answered: {}", printable(&done.answer, false)))
}

fn watch(cx: &Cx, args: WatchArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    team::load(&cx.app, &team)?;
    if !cx.out.json {
        cx.out.text(&format!(
            "Watching for questions of agents in team '{team}'... (Ctrl+C to stop)"
        ))?;
    }
    let stop = Cx::stop_on_signal()?;
    let mut changes = cx.app.store.backend().watch(&[Dir::agents(&team), Dir::team(&team)])?;
    stop.wakes(&*changes);
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    while !stop.is_requested() {
        let requests = permission::list(&cx.app, &team)?;
        let key = |request: &Request| (request.agent.to_string(), request.digest.to_string());
        for request in requests.iter().filter(|request| !told.contains(&key(request))) {
            agent_state::tell_people(&cx.app, &team, &request.agent, &request.question)?;
            tell(cx, request)?;
            if let Some(notify) = &args.notify {
                let json = serde_json::to_string(request).unwrap_or_default();
                let fields = [
                    ("CLAWTEAM_PERMISSION_TEAM", team.as_str()),
                    ("CLAWTEAM_PERMISSION_AGENT", request.agent.as_str()),
                    ("CLAWTEAM_PERMISSION_KIND", &request.question.kind),
                    ("CLAWTEAM_PERMISSION_TEXT", &request.question.text),
                    ("CLAWTEAM_PERMISSION_DIGEST", request.digest.as_str()),
                    ("CLAWTEAM_PERMISSION_JSON", &json),
                ];
                shell(notify, &fields, &stop);
            }
        }
        // A question that comes again later is told again.
        told = requests.iter().map(key).collect();
        changes.wait(args.interval);
    }
    Ok(())
}

fn tell(cx: &Cx, request: &Request) -> Outcome<()> {
    if cx.out.json {
        return cx.out.json_line(&json!(request));
    }
    let text = cut(&printable(&request.question.text, false), 300).to_owned();
    cx.out.text(&format!("{} asks [{}]: {text}", request.agent, request.digest.start(12)))
}

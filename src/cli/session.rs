//! `clawteam session`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Cx;
use super::team_life;
use crate::app::comeback::{self, Came};
use crate::app::session::{self, Said, SessionError};
use crate::app::team;
use crate::core::{AgentName, Diagnose, Outcome, TeamName, text};
use crate::domain::session::{Confidence, Session, transcript};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List the conversations that a team's agents have with their programs
    List {
        /// The team
        team: String,
    },
    /// Show one, or all
    Show(OneArgs),
    /// Write down which session an agent has
    Save(SaveArgs),
    /// Forget the session of an agent, or of all
    Clear(OneArgs),
    /// Show what an agent and its program said to each other
    Transcript(TranscriptArgs),
    /// Start an agent that has ended again, in its session
    Resume(ResumeArgs),
}

/// Arguments of `session resume`.
#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The team
    team: String,
    /// The agent
    agent: String,
    /// Only say which session it would go on with
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `session show` and `session clear`.
#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The team
    team: String,
    /// The agent [default: all]
    #[arg(short, long)]
    agent: Option<String>,
}

/// Arguments of `session save`.
#[derive(Debug, Args)]
pub(super) struct SaveArgs {
    /// The team
    team: String,
    /// What the agent's program calls the session
    #[arg(short, long, default_value = "")]
    session_id: String,
    /// The task that the agent worked on last
    #[arg(long, default_value = "")]
    last_task: String,
    /// The agent [default: you]
    #[arg(short, long)]
    agent: Option<String>,
    /// The program: claude, codex, gemini, …
    #[arg(long, default_value = "")]
    client: String,
    /// Where it ran
    #[arg(long, default_value = "")]
    cwd: String,
}

/// Arguments of `session transcript`.
#[derive(Debug, Args)]
pub(super) struct TranscriptArgs {
    /// The agent; before it the team, unless that is clear
    #[arg(required = true, num_args = 1..=2, value_names = ["TEAM", "AGENT"])]
    names: Vec<String>,
    /// The team [default: yours, or the only one with such an agent]
    #[arg(short, long)]
    team: Option<String>,
    /// Only the last so many entries
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
}

pub(super) fn run(cx: &Cx, command: SessionCommand) -> Outcome<ExitCode> {
    match command {
        SessionCommand::List { team } => show_all(cx, &TeamName::parse(team)?)?,
        SessionCommand::Show(args) => show(cx, args)?,
        SessionCommand::Save(args) => save(cx, args)?,
        SessionCommand::Clear(args) => clear(cx, args)?,
        SessionCommand::Transcript(args) => show_transcript(cx, args)?,
        SessionCommand::Resume(args) => return resume(cx, args),
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(session: &Session) -> String {
    match session.confidence() {
        Confidence::Generated => "unverified".to_owned(),
        known => known.as_str().to_owned(),
    }
}

fn show_all(cx: &Cx, team: &TeamName) -> Outcome<()> {
    let sessions = session::list(&cx.app, team)?;
    if sessions.is_empty() {
        cx.app.warn_if_unknown(team);
    }
    if cx.out.is_json() {
        return cx.out.json(&sessions);
    }
    if sessions.is_empty() {
        return cx.out.text("No saved sessions");
    }
    let mut table = Table::new(format!("Sessions — {team}"));
    for heading in ["Agent", "Client", "Confidence", "Session ID", "Last Task", "Saved At"] {
        table = table.column(heading);
    }
    for session in &sessions {
        table.row([
            session.agent_name.clone(),
            session.client().to_owned(),
            shown(session),
            session.session_id.clone(),
            session.last_task_id.clone(),
            cx.time(&session.saved_at),
        ]);
    }
    cx.out.text(&table.render(cx.out.width()))
}

fn show(cx: &Cx, args: OneArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let Some(agent) = args.agent else { return show_all(cx, &team) };
    let agent = AgentName::parse(agent)?;
    let Some(session) = session::find(&cx.app, &team, &agent)? else {
        let text = format!("No session for '{agent}'");
        return cx.out.result(&json!({"error": text}), || text.clone());
    };
    cx.out.result(&session, || {
        let clean = |value: &str| text::printable(value, false);
        let mut lines = vec![
            format!("Session: {agent}"),
            format!("  Session ID: {}", clean(&session.session_id)),
            format!("  Client:     {}", clean(session.client())),
            format!("  Source:     {} ({})", clean(session.source()), shown(&session)),
            format!("  CWD:        {}", clean(session.cwd())),
            format!("  Last task:  {}", clean(&session.last_task_id)),
            format!("  Saved at:   {}", cx.time(&session.saved_at)),
        ];
        if let Some(path) = session.transcript() {
            lines.push(format!("  Transcript: {}", clean(path)));
        }
        lines.join("\n")
    })
}

fn save(cx: &Cx, args: SaveArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let agent = args.agent.unwrap_or_else(|| cx.app.identity.agent_name.clone());
    let agent = AgentName::parse(agent)?;
    let said =
        Said { id: args.session_id, last_task: args.last_task, client: args.client, cwd: args.cwd };
    let session = session::save(&cx.app, &team, &agent, said)?;
    cx.out.result(&session, || format!("OK Session saved for '{agent}'"))
}

fn clear(cx: &Cx, args: OneArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let Some(agent) = args.agent else {
        let mut count = 0;
        for session in session::list(&cx.app, &team)? {
            let agent = AgentName::parse(session.agent_name)?;
            count += usize::from(session::clear(&cx.app, &team, &agent)?);
        }
        let payload = json!({"status": "cleared", "count": count});
        return cx.out.result(&payload, || format!("OK Cleared {count} session(s)"));
    };
    let agent = AgentName::parse(agent)?;
    if session::clear(&cx.app, &team, &agent)? {
        let payload = json!({"status": "cleared", "agent": agent});
        cx.out.result(&payload, || format!("OK Session cleared for '{agent}'"))
    } else {
        let payload = json!({"status": "not_found", "agent": agent});
        cx.out.result(&payload, || format!("No session for '{agent}'"))
    }
}

fn show_transcript(cx: &Cx, args: TranscriptArgs) -> Outcome<()> {
    let (team, agent) = whose(cx, args.names, args.team)?;
    let conversation = session::conversation(&cx.app, &team, &agent)?;
    let all = conversation.entries;
    let entries = &all[all.len().saturating_sub(args.tail.unwrap_or(all.len()))..];
    let payload = json!({
        "team": team,
        "agent": agent,
        "sessionId": conversation.session.session_id,
        "client": conversation.session.client(),
        "transcript": conversation.path,
        "total": all.len(),
        "entries": serde_json::to_value(entries).unwrap_or(Value::Null),
    });
    cx.out.result(&payload, || transcript::render(entries))
}

/// Starts an agent again only if it goes on where it was: whoever wants it anew says `team resume`.
fn resume(cx: &Cx, args: ResumeArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let agent = AgentName::parse(args.agent)?;
    let request = |dry_run| comeback::Request { agent: Some(agent.clone()), dry_run };
    let mut report = comeback::team(&cx.app, &team, &request(true))?;
    let planned = report.agents.first().map(|back| back.status);
    if !matches!(planned, Some(Came::Running | Came::Resumed)) {
        return Err(SessionError::None(agent.to_string()).into());
    }
    if !args.dry_run {
        report = comeback::team(&cx.app, &team, &request(false))?;
    }
    let complete = report.is_complete();
    for back in report.agents {
        let text = team_life::line(&back, args.dry_run);
        cx.out.result(&back, || text.trim_start().to_owned())?;
    }
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// It is not clear which team is meant.
#[derive(Debug, thiserror::Error)]
#[error("which team is '{agent}' in?{}", if teams.is_empty() { String::new() } else { format!(" These have one of that name: {}", teams.join(", ")) })]
struct NoTeam {
    agent: String,
    teams: Vec<String>,
}

impl Diagnose for NoTeam {
    fn code(&self) -> &'static str {
        "team_unclear"
    }

    fn hint(&self) -> Option<String> {
        Some(format!("name the team first: clawteam session transcript TEAM {}", self.agent))
    }
}

/// The team and agent that are meant by one or two words.
fn whose(cx: &Cx, mut names: Vec<String>, team: Option<String>) -> Outcome<(TeamName, AgentName)> {
    let agent = AgentName::parse(names.pop().unwrap_or_default())?;
    let given = names.pop().or(team).or_else(|| cx.app.identity.team_name.clone());
    if let Some(team) = given {
        return Ok((TeamName::parse(team)?, agent));
    }
    let mut with = Vec::new();
    for name in team::names(&cx.app)? {
        let found = team::find(&cx.app, &name)?;
        if found.is_some_and(|doc| doc.value.member(agent.as_str()).is_some()) {
            with.push(name);
        }
    }
    if with.len() == 1 {
        return Ok((with.remove(0), agent));
    }
    let teams = with.iter().map(ToString::to_string).collect();
    Err(NoTeam { agent: agent.to_string(), teams }.into())
}

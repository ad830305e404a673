//! `clawteam team`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Cx;
use super::team_life::{self, ResumeArgs, StopArgs};
use super::team_watch::{self, WatchArgs};
use crate::app::{agent_state, session, team};
use crate::core::{AgentName, Diagnose, Failure, Outcome, TeamName};
use crate::domain::agent_state::StatePart;
use crate::domain::team::{GENERAL_PURPOSE, Team};
use crate::output::{self, Table};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum TeamCommand {
    /// Make a team and become its leader
    SpawnTeam(SpawnTeamArgs),
    /// List all teams
    Discover,
    /// Show a team and its members
    Status {
        /// The team
        team: String,
    },
    /// Remind the leader when something has happened
    Watch(WatchArgs),
    /// Add a member to a team
    AddMember(AddMemberArgs),
    /// Stop the agents of a team, or one of them; what they made stays
    Stop(StopArgs),
    /// Bring a team back after its machine was restarted, or after it was stopped
    Resume(ResumeArgs),
    /// Stop a team's agents, save their work and remove the team
    Cleanup(CleanupArgs),
}

/// Arguments of `team spawn-team`.
#[derive(Debug, Args)]
pub(super) struct SpawnTeamArgs {
    /// The name of the new team
    name: String,
    /// What it is for
    #[arg(short, long, default_value = "")]
    description: String,
    /// The leader's name
    #[arg(short = 'n', long, default_value = "leader")]
    agent_name: String,
    /// What the leader does, in a word
    #[arg(long, default_value = "leader")]
    agent_type: String,
}

/// Arguments of `team add-member`.
#[derive(Debug, Args)]
pub(super) struct AddMemberArgs {
    /// The team
    team: String,
    /// The new member's name
    name: String,
    /// What it does, in a word
    #[arg(long, default_value = GENERAL_PURPOSE)]
    agent_type: String,
    /// Its identifier [default: a fresh one]
    #[arg(long)]
    agent_id: Option<String>,
}

/// Arguments of `team cleanup`.
#[derive(Debug, Args)]
pub(super) struct CleanupArgs {
    /// The team
    team: String,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// The user said no.
#[derive(Debug, thiserror::Error)]
#[error("Aborted.")]
struct Aborted;

impl Diagnose for Aborted {
    fn code(&self) -> &'static str {
        "aborted"
    }
}

pub(super) fn run(cx: &Cx, command: TeamCommand) -> Outcome<ExitCode> {
    match command {
        TeamCommand::SpawnTeam(args) => return spawn_team(cx, args),
        TeamCommand::Discover => discover(cx)?,
        TeamCommand::Status { team } => status(cx, &team)?,
        TeamCommand::Watch(args) => team_watch::run(cx, args)?,
        TeamCommand::AddMember(args) => add_member(cx, args)?,
        TeamCommand::Stop(args) => return team_life::stop(cx, args),
        TeamCommand::Resume(args) => return team_life::resume(cx, args),
        TeamCommand::Cleanup(args) => cleanup(cx, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn spawn_team(cx: &Cx, args: SpawnTeamArgs) -> Outcome<ExitCode> {
    match make_team(cx, args) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // This one error has always been on one line.
        Err(failure) if cx.out.json => {
            let error = failure.inner();
            cx.out.json_spaced_line(&json!({"error": failure.message(), "code": error.code()}))?;
            Ok(ExitCode::from(error.exit().code()))
        }
        Err(failure) => Err(failure),
    }
}

fn make_team(cx: &Cx, args: SpawnTeamArgs) -> Outcome<()> {
    let leader = if args.agent_name.is_empty() {
        cx.app.identity.agent_name.clone()
    } else {
        args.agent_name
    };
    if !cx.app.identity.user.is_empty() {
        crate::core::UserName::parse(cx.app.identity.user.clone())?;
    }
    let made = team::create(
        &cx.app,
        team::NewTeam {
            name: TeamName::parse(args.name)?,
            description: args.description,
            leader: AgentName::parse_as("leader name", leader.clone())?,
            leader_id: cx.app.identity.agent_id.clone(),
            leader_type: args.agent_type,
        },
    )?;
    let mut payload = json!({
        "status": "created",
        "team": made.name,
        "leadAgentId": made.lead_agent_id,
        "leaderName": leader,
    });
    let (name, leader_name) = (TeamName::parse(made.name.clone())?, AgentName::parse(&*leader)?);
    if let Some(id) = session::keep_own(&cx.app, &name, &leader_name)? {
        payload["sessionId"] = Value::String(id);
    }
    if !cx.app.identity.user.is_empty() {
        payload["user"] = Value::String(cx.app.identity.user.clone());
    }
    cx.out.result(&payload, || {
        format!("OK Team '{}' created\n  Leader: {leader} (id: {})", made.name, made.lead_agent_id)
    })
}

fn discover(cx: &Cx) -> Outcome<()> {
    let teams = team::discover(&cx.app)?;
    if !cx.out.json && teams.is_empty() {
        return cx.out.text("No teams found");
    }
    cx.out.result(&teams, || {
        let mut table = Table::new("Teams").column("Name").prose("Description").number("Members");
        for team in &teams {
            table.row([&team.name, &team.description, &team.member_count.to_string()]);
        }
        table.render(cx.out.width())
    })
}

fn status(cx: &Cx, name: &str) -> Outcome<()> {
    let name = TeamName::parse(name)?;
    let team = team::load(&cx.app, &name)?;
    let names = team.members.iter().map(|member| member.name.as_str());
    let looks = agent_state::all(&cx.app, &name, names);
    let alive_of = |member: &str| looks.get(member).and_then(|look| look.alive);
    let state_of = |member: &str| {
        looks.get(member).map(|look| StatePart::from(look.seen.clone())).unwrap_or_default()
    };
    let members: Vec<Value> = team
        .members
        .iter()
        .map(|member| {
            let mut shown = json!({
                "name": member.name,
                "user": member.user,
                "agentId": member.agent_id,
                "agentType": member.agent_type,
                "joinedAt": member.joined_at,
                "modelName": member.model_name,
                "alive": alive_of(&member.name),
            });
            if let (Some(shown), Ok(Value::Object(state))) =
                (shown.as_object_mut(), serde_json::to_value(state_of(&member.name)))
            {
                shown.extend(state);
            }
            shown
        })
        .collect();
    let payload = json!({
        "name": team.name,
        "description": team.description,
        "leadAgentId": team.lead_agent_id,
        "createdAt": team.created_at,
        "members": members,
    });
    cx.out.result(&payload, || status_text(cx, &team, &alive_of, &state_of))
}

fn status_text(
    cx: &Cx,
    team: &Team,
    alive: &dyn Fn(&str) -> Option<bool>,
    state: &dyn Fn(&str) -> StatePart,
) -> String {
    let mut text = format!("\nTeam: {}\n", team.name);
    if !team.description.is_empty() {
        text.push_str(&format!("  {}\n", team.description));
    }
    text.push_str(&format!("  Created: {}\n", cx.time(&team.created_at)));
    let users = team.members.iter().any(|member| !member.user.is_empty());
    let mut table = Table::new("Members").column("Name");
    if users {
        table = table.column("User");
    }
    table = table.column("ID").column("Type").column("Alive").column("State").column("Joined");
    for member in &team.members {
        let mut cells = vec![member.name.clone()];
        if users {
            cells.push(member.user.clone());
        }
        let known = match alive(&member.name) {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        cells.extend([
            member.agent_id.clone(),
            member.agent_type.clone(),
            known.to_owned(),
            state(&member.name).words(),
            cx.time(&member.joined_at),
        ]);
        table.row(cells);
    }
    text.push_str(&table.render(cx.out.width()));
    text
}

fn add_member(cx: &Cx, args: AddMemberArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let name = AgentName::parse_as("member name", args.name)?;
    let id = args.agent_id.filter(|id| !id.is_empty()).unwrap_or_else(|| cx.app.ids.hex(12));
    let member = team::member(&cx.app, &name, id, args.agent_type);
    let added = team::add_member(&cx.app, &team, member)?;
    let payload = json!({"status": "added", "team": team, "member": added});
    cx.out.result(&payload, || format!("OK Added member '{name}' to team '{team}'"))
}

fn cleanup(cx: &Cx, args: CleanupArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    if !args.force && !cx.out.json {
        let question = format!("Delete team '{team}' and all its data?");
        if !output::confirm(&question) {
            return Err(Failure::from(Aborted));
        }
    }
    let done = crate::app::cleanup::team(&cx.app, &team)?;
    cx.out.result(&done, || done.to_string())
}

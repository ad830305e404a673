//! `clawteam launch`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Cx;
use super::spawn::parse_backend;
use crate::app::launch::{self, Flow, LaunchStatus, Launched, Member, MemberStatus, Request};
use crate::core::Outcome;
use crate::core::text::count;
use crate::domain::agent::BackendKind;
use crate::output::{self, Table};

/// Arguments of `launch`.
#[derive(Debug, Args)]
pub(super) struct LaunchArgs {
    /// The template
    template: String,
    /// What the team is to achieve
    #[arg(short, long, default_value = "")]
    goal: String,
    /// `tmux` or `subprocess` [default: the template's]
    #[arg(short, long)]
    backend: Option<String>,
    /// The profile that agents run with
    #[arg(long)]
    profile: Option<String>,
    /// The team's name [default: the template's and six digits]
    #[arg(short, long, visible_alias = "team")]
    team_name: Option<String>,
    /// Give each agent a worktree of its own
    #[arg(short, long, overrides_with = "no_workspace")]
    workspace: bool,
    /// Let all agents work in the repository itself (the default)
    #[arg(long, overrides_with = "workspace")]
    no_workspace: bool,
    /// The repository, or the directory to work in [default: the present one]
    #[arg(long, value_name = "PATH")]
    repo: Option<PathBuf>,
    /// The agents' program; repeat for each of its arguments
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    command: Vec<String>,
    /// Do not warn of too many agents
    #[arg(short, long)]
    force: bool,
    /// The model for all agents
    #[arg(long)]
    model: Option<String>,
    /// `auto`: choose models by what agents do; `none` [default: the template's]
    #[arg(long, value_name = "STRATEGY")]
    model_strategy: Option<String>,
}

pub(super) fn run(cx: &Cx, args: LaunchArgs) -> Outcome<ExitCode> {
    let plan = launch::plan(
        &cx.app,
        &Request {
            template: args.template,
            goal: args.goal,
            backend: args.backend.as_deref().map(parse_backend).transpose()?,
            profile: args.profile,
            team: args.team_name,
            workspace: args.workspace,
            repo: args.repo,
            command: args.command,
            force: args.force,
            model: args.model,
            model_strategy: args.model_strategy,
            ..Request::default()
        },
    )?;
    output::say(&format!(
        "Launching team '{}': {} …",
        plan.team,
        count(plan.members().count(), "agent")
    ));
    let launched = launch::launch(&cx.app, &plan, &tell)?;
    cx.out.result(&launched, || text(cx, &launched))?;
    Ok(match launched.status {
        LaunchStatus::Launched => ExitCode::SUCCESS,
        LaunchStatus::Partial | LaunchStatus::Failed => ExitCode::FAILURE,
    })
}

/// Tells of a member as it comes.
pub(super) fn tell(member: &Member) {
    let mark = if member.status == MemberStatus::Ready { '✓' } else { '✗' };
    let (name, status) = (&member.name, member.status.as_str());
    output::say(&format!("  {mark} {name} {status}: {}", member.message));
}

fn text(cx: &Cx, launched: &Launched) -> String {
    let Launched { team, template, backend, .. } = launched;
    let ready = launched.agents.iter().filter(|m| m.status == MemberStatus::Ready).count();
    let mut text = match launched.status {
        LaunchStatus::Launched => format!("\nTeam '{team}' launched from template '{template}'\n"),
        LaunchStatus::Partial => {
            format!("\nTeam '{team}': {ready} of {} agents are ready\n", launched.agents.len())
        }
        LaunchStatus::Failed => {
            return format!("Team '{team}' was not launched: no agent runs. It was taken back.");
        }
    };
    let mut table =
        Table::new("Agents").column("Name").column("Type").column("ID").column("Status");
    for member in &launched.agents {
        table.row([member.name.as_str(), &member.kind, &member.id, member.status.as_str()]);
    }
    text.push_str(&table.render(cx.out.width()));
    if let Some(Flow { name, run, .. }) = &launched.workflow {
        text.push_str(&format!("\n\nWorkflow '{name}' is started as {run}"));
    }
    text.push_str("\n\nWhat you can do now:\n");
    if let Some(Flow { run, .. }) = &launched.workflow {
        text.push_str(&format!(
            "  drive the workflow:     clawteam workflow drive {team} {run}\n\
             \x20 see what it waits for:  clawteam workflow explain {team} {run}\n"
        ));
    }
    if *backend == BackendKind::Tmux.as_str() {
        text.push_str(&format!("  watch the agents work:  clawteam board attach {team}\n"));
    }
    let leader = launched.agents.first().map_or("leader", |member| member.name.as_str());
    text.push_str(&format!(
        "  see the board:          clawteam board show {team}\n\
         \x20 wait for the end:       clawteam task wait {team}\n\
         \x20 talk to the leader:     clawteam inbox send {team} {leader} \"…\" --from you"
    ));
    text
}

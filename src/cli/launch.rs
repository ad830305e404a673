//! `clawteam launch`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Cx;
use super::spawn::parse_backend;
use crate::app::launch::{
    self, Flow, Hearers, LaunchStatus, Launched, Member, MemberStatus, Preview, Request,
};
use crate::core::Outcome;
use crate::core::text::count;
use crate::domain::agent::BackendKind;
use crate::domain::template::PERMISSIONS;
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
    /// What agents may do without asking: nothing (`ask`), change files (`edit`), or everything
    /// (`full`) [default: the template's]
    #[arg(long, value_name = "LEVEL", value_parser = PERMISSIONS)]
    permissions: Option<String>,
    /// Show what would be made and started, and make nothing
    #[arg(long)]
    dry_run: bool,
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
            permissions: args.permissions,
            ..Request::default()
        },
    )?;
    if args.dry_run {
        let preview = launch::preview(&cx.app, &plan)?;
        cx.out.result(&preview, || planned(cx, &preview))?;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = Cx::stop_on_signal()?;
    output::say(&format!(
        "Launching team '{}': {} …",
        plan.team,
        count(plan.members().count(), "agent")
    ));
    let leave = |launched: &Launched| {
        // Starts are still under way in other threads; there is nothing more to say than this.
        let _ = cx.out.result(launched, || text(cx, launched));
        let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGINT);
    };
    let hearers = Hearers { tell: &tell, stop: &stop, leave: &leave };
    let launched = launch::launch(&cx.app, &plan, hearers)?;
    cx.out.result(&launched, || text(cx, &launched))?;
    Ok(match launched.status {
        LaunchStatus::Launched => ExitCode::SUCCESS,
        LaunchStatus::Partial | LaunchStatus::Failed => ExitCode::FAILURE,
        LaunchStatus::Interrupted => ExitCode::from(INTERRUPTED),
    })
}

/// The exit status of what Ctrl-C has ended, as shells have it.
const INTERRUPTED: u8 = 130;

/// Tells of a member as it comes.
pub(super) fn tell(member: &Member) {
    let mark = if member.status == MemberStatus::Ready { '✓' } else { '✗' };
    let (name, status) = (&member.name, member.status.as_str());
    output::say(&format!("  {mark} {name} {status}: {}", member.message));
}

fn planned(cx: &Cx, preview: &Preview) -> String {
    let Preview { team, template, .. } = preview;
    let mut lines = vec![format!("Team '{team}' from template '{template}' (nothing was made)")];
    for agent in &preview.agents {
        let role = if agent.leader { ", leads" } else { "" };
        let command = agent.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        lines.push(format!("\n{} ({}{role})", agent.name, agent.kind));
        lines.push(format!("  runs     {command}"));
        lines.push(format!("  in       {} ({})", agent.cwd, agent.backend));
        if let Some(branch) = &agent.branch {
            lines.push(format!("  branch   {branch}"));
        }
        for (name, value) in [("model", &agent.model), ("may", &agent.permissions)] {
            lines.extend(value.iter().map(|value| format!("  {name:<8} {value}")));
        }
        if !agent.env.is_empty() {
            lines.push(format!("  env      {}", agent.env.join(" ")));
        }
        let place = &agent.workspace;
        for (name, list) in [
            ("copy", &place.copy),
            ("symlink", &place.symlink),
            ("setup", &place.setup),
            ("teardown", &place.teardown),
        ] {
            lines.extend(list.iter().map(|one| format!("  {name:<8} {one}")));
        }
        if let Some(ports) = place.ports {
            lines.push(format!("  ports    {ports}"));
        }
        let how = if agent.typed { "typed" } else { "passed" };
        lines.push(format!("  prompt   {}, {how}", count(agent.prompt.lines().count(), "line")));
    }
    if !preview.tasks.is_empty() {
        let mut table = Table::new("Tasks")
            .prose("Subject")
            .column("Owner")
            .column("Priority")
            .prose("Blocked By");
        for task in &preview.tasks {
            let blockers = task.blocked_by.join(", ");
            table.row([task.subject.as_str(), &task.owner, task.priority, &blockers]);
        }
        lines.push(table.render(cx.out.width()));
    }
    if let Some(flow) = &preview.workflow {
        lines.push(format!("\nWorkflow '{}'", flow.name));
    }
    lines.push("\nPrompts and all else: the same with --json".to_owned());
    lines.join("\n")
}

/// A word of a command line as it would be typed.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+<>".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn text(cx: &Cx, launched: &Launched) -> String {
    let Launched { team, template, backend, .. } = launched;
    let ready = launched.agents.iter().filter(|m| m.status == MemberStatus::Ready).count();
    let mut text = match launched.status {
        LaunchStatus::Launched => format!("\nTeam '{team}' launched from template '{template}'\n"),
        LaunchStatus::Partial => {
            format!("\nTeam '{team}': {ready} of {} agents are ready\n", launched.agents.len())
        }
        LaunchStatus::Interrupted => format!(
            "\nThe launch of team '{team}' was interrupted: {} of {} agents run\n",
            launched.agents.iter().filter(|m| m.status != MemberStatus::Failed).count(),
            launched.agents.len()
        ),
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

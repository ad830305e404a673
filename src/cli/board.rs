//! `clawteam board`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::gource::{self, GourceArgs};
use super::{Cx, args};
use crate::app::board::{self, Watch};
use crate::app::team;
use crate::core::text::cut;
use crate::core::{Failure, Outcome, TeamName};
use crate::domain::board::{Board, Conflicts, CostPart};
use crate::domain::task::{Status, Task};
use crate::output::{self, Output, Panel, Screen, Table, columns};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum BoardCommand {
    /// Show a team: members, tasks, messages and costs
    Show {
        /// The team
        team: String,
    },
    /// Show all teams, each in a line
    Overview,
    /// Show a team and follow its changes
    Live(LiveArgs),
    /// Show the windows of a team's agents side by side
    Attach {
        /// The team
        team: String,
    },
    /// Show what happened in a team as a moving picture, with Gource
    Gource(GourceArgs),
    /// Do nothing: a board is always up to date
    Update {
        /// The team
        team: String,
        /// Who asks
        #[arg(short, long)]
        agent: Option<String>,
    },
}

/// Arguments of `board live`.
#[derive(Debug, Args)]
pub(super) struct LiveArgs {
    /// The team
    team: String,
    /// Seconds after which to look again even if nothing was heard
    #[arg(short, long, default_value = "2.0", value_parser = args::poll_seconds)]
    interval: Duration,
}

pub(super) fn run(cx: &Cx, command: BoardCommand) -> Outcome<ExitCode> {
    match command {
        BoardCommand::Show { team } => {
            let board = board::of(&cx.app, &TeamName::parse(team)?)?;
            cx.out.result(&board, || picture(cx, cx.out, &board))?;
        }
        BoardCommand::Overview => overview(cx)?,
        BoardCommand::Live(args) => return live(cx, args),
        BoardCommand::Attach { team } => {
            let team = TeamName::parse(team)?;
            let detail = board::attach(&cx.app, &team)?;
            let payload = json!({"status": "attached", "team": team, "detail": detail});
            cx.out.result(&payload, || format!("OK {detail}"))?;
        }
        BoardCommand::Gource(args) => gource::run(cx, args)?,
        BoardCommand::Update { team, agent } => update(cx, team, agent)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn update(cx: &Cx, team: String, agent: Option<String>) -> Outcome<()> {
    let team = TeamName::parse(team)?;
    team::load(&cx.app, &team)?;
    let payload = json!({
        "status": "up_to_date",
        "team": team,
        "agent": agent,
        "note": "Board state is derived automatically from task and inbox updates.",
    });
    cx.out.result(&payload, || {
        "OK Board state is already derived automatically from task and inbox updates.".into()
    })
}

fn overview(cx: &Cx) -> Outcome<()> {
    let teams = board::overview(&cx.app)?;
    cx.out.result(&teams, || {
        if teams.is_empty() {
            return "No teams found".into();
        }
        let mut table = Table::new("Team Overview")
            .column("Team")
            .column("Leader")
            .number("Members")
            .number("Tasks")
            .number("Pending Msgs");
        for team in &teams {
            table.row([
                &team.name,
                &team.leader,
                &team.members.to_string(),
                &team.tasks.to_string(),
                &team.pending_messages.to_string(),
            ]);
        }
        table.render(cx.out.width())
    })
}

/// Follows a board: on a terminal as one picture, otherwise as a snapshot for each change.
fn live(cx: &Cx, args: LiveArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let stop = Cx::stop_on_signal()?;
    let mut watch = Watch::new(&cx.app, &team, args.interval, &stop)?;
    let mut board = board::of(&cx.app, &team)?;
    let mut screen =
        if !cx.out.json && output::is_terminal() { Some(Screen::enter()?) } else { None };
    let mut shown = None;
    while !stop.is_requested() {
        // Another size of the terminal is another picture.
        let out = cx.out.refit();
        if shown.as_ref() != Some(&(board.clone(), out.width())) {
            match &mut screen {
                Some(screen) => screen.show(&picture(cx, out, &board), "Ctrl-C to stop")?,
                None if out.json => out.json_line(&board)?,
                None => out.text(&picture(cx, out, &board))?,
            }
            shown = Some((board, out.width()));
        }
        watch.wait();
        board = match board::of(&cx.app, &team) {
            Ok(board) => board,
            Err(_) if stop.is_requested() => break,
            Err(failure) => {
                drop(screen);
                return gone(cx, failure);
            }
        };
    }
    Ok(ExitCode::SUCCESS)
}

/// The end of a board whose team is not there any more.
fn gone(cx: &Cx, failure: Failure) -> Outcome<ExitCode> {
    if !cx.out.json {
        return Err(failure);
    }
    // Whoever reads this reads lines.
    let error = failure.inner();
    cx.out.json_line(&json!({"error": failure.message(), "code": error.code()}))?;
    Ok(ExitCode::from(error.exit().code()))
}

fn picture(cx: &Cx, out: Output, board: &Board) -> String {
    let width = out.width();
    let mut lines = team_panel(cx, board).render(width);
    lines.push(members_table(cx, board).render(width));
    lines.extend(task_panel(board, width).render(width));
    lines.extend(conflict_panel(board).map_or(Vec::new(), |panel| panel.render(width)));
    lines.join("\n")
}

fn team_panel(cx: &Cx, board: &Board) -> Panel {
    let team = &board.team;
    let mut facts = vec![
        format!("Leader: {}", team.leader_name),
        format!("Members: {}", board.members.len()),
        format!("Created: {}", cx.time(&team.created_at)),
    ];
    if let CostPart::Known(cost) = &board.cost
        && cost.total_cost_cents > 0.0
    {
        let mut spent = format!("Cost: ${:.2}", cost.total_cost_cents / 100.0);
        if team.budget_cents > 0.0 {
            spent.push_str(&format!(" / ${:.2}", team.budget_cents / 100.0));
        }
        facts.push(spent);
    }
    let mut lines = Vec::new();
    if !team.description.is_empty() {
        lines.push(team.description.clone());
    }
    lines.push(facts.join("  |  "));
    Panel::new(&format!("Team: {}", team.name), lines)
}

fn members_table(cx: &Cx, board: &Board) -> Table {
    let users = board.members.iter().any(|member| !member.user.is_empty());
    let mut table = Table::new("Members").column("Name");
    if users {
        table = table.column("User");
    }
    table = table.column("Type").column("State").column("Joined").number("Inbox");
    for member in &board.members {
        let mut cells = vec![member.name.clone()];
        if users {
            cells.push(member.user.clone());
        }
        cells.extend([
            member.agent_type.clone(),
            member.state.words(),
            cx.time(&member.joined_at),
            member.inbox_count.to_string(),
        ]);
        table.row(cells);
    }
    table
}

/// Warns of files that several agents change.
fn conflict_panel(board: &Board) -> Option<Panel> {
    let Conflicts::Known { overlaps, high_severity, medium_severity, .. } = &board.conflicts else {
        return None;
    };
    let title = format!("Conflict Warnings ({high_severity} high, {medium_severity} medium)");
    let lines = overlaps.iter().map(|overlap| {
        let severity = overlap.severity.as_str();
        format!("{severity}: {} ({})", overlap.file, overlap.agents.join(", "))
    });
    (!overlaps.is_empty()).then(|| Panel::new(&title, lines))
}

/// The least width of a column of tasks that still can be read.
const COLUMN_MIN: usize = 26;

fn task_panel(board: &Board, width: usize) -> Panel {
    let inner = width.saturating_sub(4);
    let half = inner.saturating_sub(2) / 2;
    let column = |status: Status, width: usize| {
        let tasks = status.of(&board.tasks);
        let title = status.as_str().replace('_', " ").to_uppercase();
        let mut lines: Vec<String> = tasks.iter().flat_map(task_lines).collect();
        if lines.is_empty() {
            lines.push("  (none)".into());
        }
        Panel::new(&format!("{title} ({})", tasks.len()), lines).render(width)
    };
    let lines: Vec<String> = if half < COLUMN_MIN {
        Status::ALL.iter().flat_map(|status| column(*status, inner)).collect()
    } else {
        Status::ALL
            .chunks(2)
            .flat_map(|pair| columns(&column(pair[0], half), &column(pair[1], half), 2))
            .collect()
    };
    Panel::new(&format!("Task Board ({} total)", board.task_summary.total), lines)
}

fn task_lines(task: &Task) -> Vec<String> {
    let owner = if task.owner.is_empty() { "-" } else { &task.owner };
    let mut lines =
        vec![format!("#{} {}", cut(&task.id, 8), task.subject), format!("  owner: {owner}")];
    if task.status == Status::InProgress && !task.locked_by.is_empty() {
        lines.push(format!("  locked by: {}", task.locked_by));
    }
    if let Some(reason) = task.reason() {
        lines.push(format!("  {}: {}", task.standing(), cut(&reason, 60)));
    } else if task.status == Status::Blocked && !task.blocked_by.is_empty() {
        lines.push(format!("  blocked by: {}", task.blocked_by.join(", ")));
    }
    lines
}

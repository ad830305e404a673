//! Teams at a glance.

use std::time::Duration;

use serde::Serialize;

use super::wait::Stop;
use super::{App, agent_state, context, cost, hook, inbox, log, task, team, workspace};
use crate::core::{Outcome, TeamName, limits};
use crate::domain::board::{Board, Conflicts, Seen, Snapshot};
use crate::domain::cost::CostSummary;
use crate::domain::event::Event;
use crate::domain::team::{Member, Team};
use crate::store::{Changes, Dir};

/// The board of a team as it stands.
pub fn of(app: &App, name: &TeamName) -> Outcome<Board> {
    let team = team::load(app, name)?;
    let seen = seen(app, name, &team)?;
    Ok(Board::of(Snapshot {
        seen,
        tasks: task::all(app, name)?,
        messages: log::newest(app, name, limits::BOARD_MESSAGES_MAX, None)?,
        cost: cost::summary(app, name).ok().map(CostSummary::from),
        conflicts: conflicts(app, name),
        team,
    }))
}

fn seen(app: &App, name: &TeamName, team: &Team) -> Outcome<Vec<Seen>> {
    let names = team.members.iter().map(|member| member.name.as_str());
    let looks = agent_state::all(app, name, names);
    let of_member = |member: &Member| {
        // A name that no inbox can have was written by another program.
        let inbox_count = match member.inbox() {
            Ok(inbox) => inbox::count(app, name, &inbox)?,
            Err(_) => 0,
        };
        // Members of several users can have one name.
        let look = looks.get(&member.name).cloned();
        let alive = look.as_ref().and_then(|look| look.alive);
        let state = look.map(|look| look.seen.into()).unwrap_or_default();
        Ok(Seen { inbox_count, alive, state })
    };
    team.members.iter().map(of_member).collect()
}

/// The files that several agents of a team have changed in commits. What is not committed is left
/// to `context conflicts`: a board is drawn often.
fn conflicts(app: &App, name: &TeamName) -> Conflicts {
    let none = workspace::registry(app, name).is_ok_and(|found| found.workspaces.is_empty());
    if none {
        return Conflicts::Unknown {};
    }
    let found =
        context::sides_seen(app, name).and_then(|sides| context::conflicts(app, &sides, false));
    // A repository or a branch that is gone has nothing to say.
    found.map_or(Conflicts::Unknown {}, Conflicts::of)
}

/// A team in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its leader; empty if there is none.
    pub leader: String,
    /// How many members it has.
    pub members: usize,
    /// How many tasks it has.
    pub tasks: usize,
    /// How many messages wait for its members.
    pub pending_messages: usize,
}

/// All teams, each in a line. A team of which something cannot be read does not hide the others.
pub fn overview(app: &App) -> Outcome<Vec<Overview>> {
    let mut teams = Vec::new();
    for found in team::discover(app)? {
        let mut line = Overview {
            name: found.name.clone(),
            description: found.description,
            leader: String::new(),
            members: found.member_count,
            tasks: 0,
            pending_messages: 0,
        };
        match TeamName::parse(found.name).map_err(Into::into).and_then(|name| of(app, &name)) {
            Ok(board) => {
                line.pending_messages = board.waiting_messages();
                line.leader = board.team.leader_name;
                line.tasks = board.task_summary.total;
            }
            Err(failure) => app.warn(failure.message()),
        }
        teams.push(line);
    }
    Ok(teams)
}

/// What ends a wait for changes of a board.
pub struct Watch {
    changes: Box<dyn Changes>,
    poll: Duration,
}

impl Watch {
    /// Listens to everything that the board of a team shows.
    pub fn new(app: &App, name: &TeamName, poll: Duration, stop: &Stop) -> Outcome<Self> {
        let mut dirs = vec![
            Dir::team(name),
            Dir::tasks(name),
            Dir::inboxes(name),
            Dir::message_log(name),
            Dir::agents(name),
            Dir::costs(name),
        ];
        let members = team::load(app, name)?.members;
        dirs.extend(members.iter().filter_map(|m| Some(Dir::inbox(name, &m.inbox().ok()?))));
        let changes = app.store.backend().watch(&dirs)?;
        stop.wakes(&*changes);
        Ok(Self { changes, poll })
    }

    /// Returns when something may have changed.
    pub fn wait(&mut self) {
        self.changes.wait(self.poll);
    }
}

/// Shows the windows of a team side by side until the user leaves. Returns what was shown.
pub fn attach(app: &App, name: &TeamName) -> Outcome<String> {
    if app.terminal.windows_of(name).is_ok_and(|windows| !windows.is_empty()) {
        hook::emit(app, Event::new("BoardAttach", name.as_str()));
    }
    Ok(app.terminal.attach(name)?)
}

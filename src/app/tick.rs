//! One pass over everything that is due. It is called again and again, by a timer or by hand;
//! two passes at once do no harm.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::App;
use super::queue::{self, Ending, Options};
use super::schedule::{self, Fire};
use super::team;
use super::wait::Stop;
use super::{approval, runtime, workflow};
use crate::core::{Failure, Name, Outcome, TeamName};

/// Runs of a team that one pass moves; the others are due again at the next one.
const RUNS_MAX: usize = 10_000;

/// What a pass looks at, and for how long it begins new work.
#[derive(Clone)]
pub struct TickOptions {
    /// One team; otherwise all.
    pub team: Option<TeamName>,
    /// After this no further item of a queue is begun.
    pub budget: Duration,
    /// How many items of a queue at once.
    pub jobs: usize,
    /// A request to end.
    pub stop: Stop,
}

/// An item that was worked on.
#[derive(Debug, Clone, Serialize)]
pub struct Worked {
    /// The item.
    pub id: String,
    /// What kind of work it is.
    pub kind: String,
    /// How it ended.
    pub outcome: Ending,
}

/// What was done for a team.
#[derive(Debug, Clone, Serialize)]
pub struct TeamTick {
    /// The team.
    pub team: TeamName,
    /// What its schedules started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fired: Vec<Fire>,
    /// How many items were taken from workers that are gone.
    #[serde(skip_serializing_if = "is_zero")]
    pub reclaimed: usize,
    /// The items that were worked on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Worked>,
    /// How many approvals have expired.
    #[serde(skip_serializing_if = "is_zero")]
    pub expired: usize,
    /// The runs of workflows that were moved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Name>,
    /// How many texts were given to agents that have become idle.
    #[serde(skip_serializing_if = "is_zero")]
    pub given: usize,
    /// What could not be done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl TeamTick {
    fn is_idle(&self) -> bool {
        self.fired.is_empty()
            && self.reclaimed == 0
            && self.expired == 0
            && self.runs.is_empty()
            && self.given == 0
            && self.items.is_empty()
            && self.problems.is_empty()
    }

    /// What a step gave, or nothing: what goes wrong keeps no other step from being done.
    fn take<T: Default>(&mut self, what: &str, outcome: Outcome<T>) -> T {
        outcome.unwrap_or_else(|failure: Failure| {
            self.problems.push(format!("{what}: {}", failure.message()));
            T::default()
        })
    }
}

/// What a pass did.
#[derive(Debug, Clone, Serialize)]
pub struct Ticked {
    /// How many teams were looked at.
    pub looked: usize,
    /// Those for which there was something to do.
    pub teams: Vec<TeamTick>,
}

/// Makes one pass.
pub fn tick(app: &App, options: &TickOptions) -> Outcome<Ticked> {
    let until = Instant::now() + options.budget;
    let teams = match &options.team {
        Some(name) => {
            team::load(app, name)?;
            vec![name.clone()]
        }
        None => team::names(app)?,
    };
    let mut ticked = Ticked { looked: teams.len(), teams: Vec::new() };
    for team in teams {
        if options.stop.is_requested() {
            break;
        }
        let done = one_team(app, team, options, until);
        if !done.is_idle() {
            ticked.teams.push(done);
        }
    }
    Ok(ticked)
}

fn one_team(app: &App, team: TeamName, options: &TickOptions, until: Instant) -> TeamTick {
    let mut done = TeamTick {
        team: team.clone(),
        fired: Vec::new(),
        reclaimed: 0,
        expired: 0,
        runs: Vec::new(),
        given: 0,
        items: Vec::new(),
        problems: Vec::new(),
    };
    // What a schedule starts now is worked on in the same pass.
    done.fired = done.take("schedules", schedule::fire_due(app, &team));
    done.reclaimed = done.take("lost items", queue::reclaim_lost(app, &team));
    done.expired = done.take("approvals", approval::expire_due(app, &team));
    done.given = done.take("texts for agents", runtime::give_queued(app, &team));
    done.runs = done.take("runs", workflow::drive_due(app, &team, RUNS_MAX)).runs;
    let worked = Mutex::new(Vec::new());
    let work = Options {
        jobs: options.jobs,
        until_idle: true,
        until: Some(until),
        stop: options.stop.clone(),
        ..Options::default()
    };
    let outcome = queue::work(app, &team, &work, &|item| {
        let (id, kind) = (item.item.id.clone(), item.item.kind.clone());
        let worked_on = Worked { id, kind, outcome: item.outcome };
        worked.lock().expect("nobody panics with it").push(worked_on);
    });
    done.take("queue", outcome);
    // What the workers found out has moved their runs already; what these asked for is next.
    done.items = worked.into_inner().expect("nobody panics with it");
    done
}

//! Collections of workflows and their runs.

use super::Dir;
use crate::core::{Name, TeamName};

impl Dir {
    /// The workflows of a team.
    pub fn workflows(team: &TeamName) -> Self {
        Self(format!("workflows/{team}"))
    }

    /// The versions of a workflow.
    pub fn workflow(team: &TeamName, workflow: &Name) -> Self {
        Self(format!("workflows/{team}/{workflow}"))
    }

    /// Which runs of a workflow were started for which request, by a digest of its key.
    pub fn run_keys(team: &TeamName, workflow: &Name) -> Self {
        Self(format!("workflows/{team}/{workflow}/keys"))
    }

    /// The runs of workflows of a team.
    pub fn runs(team: &TeamName) -> Self {
        Self(format!("runs/{team}"))
    }

    /// A run of a workflow.
    pub fn run(team: &TeamName, run: &Name) -> Self {
        Self(format!("runs/{team}/{run}"))
    }

    /// What people asked of a run and the run has not taken up yet.
    pub fn run_requests(team: &TeamName, run: &Name) -> Self {
        Self(format!("runs/{team}/{run}/requests"))
    }

    /// What workers found out for a run, one document for each attempt.
    pub fn run_results(team: &TeamName, run: &Name) -> Self {
        Self(format!("runs/{team}/{run}/results"))
    }

    /// What wakes the runs of a team.
    pub fn wakes(team: &TeamName) -> Self {
        Self(format!("wakes/{team}"))
    }

    /// Markers of runs that shall look at the world again. Derived: `tick` makes them anew.
    pub fn pokes(team: &TeamName) -> Self {
        Self(format!("wakes/{team}/pokes"))
    }

    /// When runs want to be looked at, as `<13 digits of milliseconds>-<run>`. Derived.
    pub fn timers(team: &TeamName) -> Self {
        Self(format!("wakes/{team}/timers"))
    }

    /// Markers of runs that wait for events of their team. Derived.
    pub fn events_awaited(team: &TeamName) -> Self {
        Self(format!("wakes/{team}/events"))
    }
}

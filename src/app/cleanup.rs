//! Removing a team without losing anything that was made in it.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::workspace::{self, Removed};
use super::{App, agents, hook};
use crate::core::{Outcome, TeamName};
use crate::domain::event::Event;
use crate::store::{Dir, Key};

/// What a clean-up did.
#[derive(Debug, Clone, Serialize)]
pub struct CleanedUp {
    /// `cleaned` or `not_found`.
    pub status: &'static str,
    /// The team.
    pub team: String,
    /// The agents that were still running and were stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<String>,
    /// The worktrees that were removed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workspaces: Vec<Removed>,
    /// Where the team's documents are now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_in: Option<String>,
}

impl fmt::Display for CleanedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.status == "not_found" {
            return write!(f, "Team '{}' not found", self.team);
        }
        write!(f, "OK Team '{}' deleted", self.team)?;
        if !self.stopped.is_empty() {
            write!(f, "\n  Stopped: {}", self.stopped.join(", "))?;
        }
        for removed in &self.workspaces {
            if let Some(reference) = &removed.salvaged {
                write!(
                    f,
                    "\n  Work of '{}' that was not merged is saved: {reference}",
                    removed.agent
                )?;
            }
        }
        if self.workspaces.iter().any(|removed| removed.salvaged.is_some()) {
            write!(f, "\n  Get it back: clawteam workspace salvage list {}", self.team)?;
        }
        if let Some(path) = &self.kept_in {
            write!(f, "\n  Its documents are kept in {path}")?;
        }
        Ok(())
    }
}

/// Stops the agents of a team that clawteam started, saves their work and removes the team. Its
/// documents are moved to the trash of the data directory rather than deleted.
pub fn team(app: &App, team: &TeamName) -> Outcome<CleanedUp> {
    let dirs = [
        Dir::tasks(team),
        Dir::costs(team),
        Dir::sessions(team),
        Dir::plans(team),
        Dir::agents(team),
        Dir::workflows(team),
        Dir::runs(team),
        Dir::wakes(team),
        Dir::approvals(team),
        Dir::queue(team),
        Dir::schedules(team),
        Dir::notifications(team),
        Dir::artifacts(team),
        Dir::harness(team),
        Dir::team(team),
    ];
    let mut done = CleanedUp {
        status: "not_found",
        team: team.to_string(),
        stopped: Vec::new(),
        workspaces: Vec::new(),
        kept_in: None,
    };
    let exists = app.store.backend().read(&Key::team(team))?.is_some();
    let leftover = workspace::registry(app, team)?;
    if !exists && leftover.workspaces.is_empty() && !has_documents(app, &dirs)? {
        return Ok(done);
    }
    done.status = "cleaned";
    done.stopped = agents::stop_all(app, team)?;
    for workspace in &leftover.workspaces {
        done.workspaces.push(workspace::remove(app, team, workspace)?);
    }
    let label = format!("{team}-{}", app.now().format("%Y%m%dT%H%M%S%3fZ"));
    let moved = app.store.backend().retire(&dirs, &Key::team(team), &label)?;
    if moved > 0 {
        let trash = app.data_dir.join("trash").join(label);
        done.kept_in = Some(trash.display().to_string());
    }
    hook::emit(app, Event::new("TeamShutdown", team.as_str()));
    Ok(done)
}

fn has_documents(app: &App, dirs: &[Dir]) -> Outcome<bool> {
    let backend = app.store.backend();
    for dir in dirs {
        let is_lock = |name: &str| Path::new(name).extension().is_some_and(|end| end == "lock");
        let real = |name: &String| !is_lock(name) && name != ".sequence";
        if backend.list(dir)?.iter().any(real) || !backend.list_dirs(dir)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

//! Where harness runs lie.

use super::{Dir, Key};
use crate::core::{Name, TeamName};

impl Dir {
    /// Harness runs of a team, and the journal of agents that ended.
    pub fn harness(team: &TeamName) -> Self {
        Self(format!("harness/{team}"))
    }

    /// A harness run.
    pub fn harness_run(team: &TeamName, id: &Name) -> Self {
        Self(format!("harness/{team}/{id}"))
    }

    /// What was handed in to a harness run. What is in it is for people and agents.
    pub fn harness_artifacts(team: &TeamName, id: &Name) -> Self {
        Self(format!("harness/{team}/{id}/artifacts"))
    }
}

impl Key {
    /// The journal of agents that ended, one JSON object a line.
    pub fn exit_journal(team: &TeamName) -> Self {
        Dir::harness(team).entry("exit-journal.jsonl")
    }

    /// Where a harness run stands. The run exists if and only if this document does.
    pub fn harness_state(team: &TeamName, id: &Name) -> Self {
        Dir::harness_run(team, id).entry("state.json")
    }

    /// Something that was handed in to a harness run.
    pub fn harness_artifact(team: &TeamName, id: &Name, name: &Name) -> Self {
        Dir::harness_artifacts(team, id).entry(name.as_str())
    }

    /// What is known about it.
    pub fn harness_artifact_meta(team: &TeamName, id: &Name, name: &Name) -> Self {
        Dir::harness_artifacts(team, id).entry(&format!("{name}.meta.json"))
    }

    /// What the watch over a team's leader saw last.
    pub fn leader_watch(team: &TeamName) -> Self {
        Dir::team(team).entry("leader_watch_state.json")
    }
}

//! A harness run: a goal that goes through phases, each done by agents of one role and left
//! through gates.

pub mod contract;
pub mod gate;
pub mod texts;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Extra;
use super::agent::BackendKind;
use crate::core::{ProcessId, Stamp};
use gate::Gate;

/// The schema of [`Harness`].
pub const SCHEMA: &str = "clawteam.harness/1";

/// The role that finds out what is to be done.
pub const PLANNER: &str = "planner";
/// The role that does it.
pub const EXECUTOR: &str = "executor";
/// The role that looks whether it was done.
pub const EVALUATOR: &str = "evaluator";

/// A run: `harness/<team>/<id>/state.json`. Field names are those of Python's ClawTeam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Harness {
    /// `clawteam.harness/1`; empty if another program wrote it.
    #[serde(default)]
    pub schema: String,
    /// Its identifier: 12 hexadecimal digits.
    pub harness_id: String,
    /// The team.
    pub team_name: String,
    /// The phase that it is in.
    pub current_phase: String,
    /// All phases in their order.
    pub phases: Vec<String>,
    /// Which role works in which phase. A phase without one needs no agents.
    #[serde(default)]
    pub phase_roles: IndexMap<String, String>,
    /// How phases were left.
    #[serde(default)]
    pub phase_history: Vec<PhaseEnd>,
    /// Where what was handed in lies, by name.
    #[serde(default)]
    pub artifacts: IndexMap<String, String>,
    /// What is to be achieved.
    #[serde(default)]
    pub goal: String,
    /// The agents' program.
    #[serde(default)]
    pub cli: String,
    /// How many executors there are.
    #[serde(default = "three")]
    pub agent_count: usize,
    /// When it was made.
    #[serde(default)]
    pub created_at: Stamp,
    /// When it was changed last.
    #[serde(default)]
    pub updated_at: Stamp,
    /// What must be true before a phase is left; `None` for the usual gates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<IndexMap<String, Vec<Gate>>>,
    /// How many contracts of a wave are worked on at the same time; 0: as many as there are
    /// executors.
    #[serde(default)]
    pub wave_parallelism: usize,
    /// How many evaluators there are.
    #[serde(default = "one")]
    pub evaluator_count: usize,
    /// How agents run; `None` for what the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendKind>,
    /// The directory that the agents work in, or that their worktrees are made for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repo: String,
    /// The agents that the run has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hands: Vec<Hand>,
    /// The process that moves the run on, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conductor: Option<ProcessId>,
    /// How much of the exit journal was read, in bytes.
    #[serde(default)]
    pub journal_offset: u64,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

fn three() -> usize {
    3
}

fn one() -> usize {
    1
}

/// How a phase was left.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PhaseEnd {
    /// The phase.
    pub phase: String,
    /// When it was completed.
    #[serde(default, skip_serializing_if = "Stamp::is_empty")]
    pub completed_at: Stamp,
    /// When the run was given up in it.
    #[serde(default, skip_serializing_if = "Stamp::is_empty")]
    pub aborted_at: Stamp,
    /// When the run was put back to an earlier phase.
    #[serde(default, skip_serializing_if = "Stamp::is_empty")]
    pub rolled_back_at: Stamp,
    /// To which.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rolled_back_to: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An agent of a run. It keeps its name, and so its worktree, for the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hand {
    /// Its name: `<role>-<6 digits>`.
    pub name: String,
    /// Its role.
    pub role: String,
    /// The visit of a phase (how many were left before it) that it was last wanted for.
    pub visit: usize,
    /// When it was written down that it is wanted. A start after this is the one that was meant.
    pub planned_at: Stamp,
    /// Whether it was seen to be started for that.
    #[serde(default)]
    pub started: bool,
    /// How many times it was started for that, or tried to.
    #[serde(default)]
    pub starts: u32,
    /// Whether it said since then that it has nothing to do.
    #[serde(default)]
    pub idle: bool,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a new run shall be.
#[derive(Debug, Clone)]
pub struct NewHarness {
    /// The phases; empty for the usual ones.
    pub phases: Vec<String>,
    /// The phases that a person must approve before they are left; `None` for the usual ones.
    pub human_gates: Option<Vec<String>>,
    /// What is to be achieved.
    pub goal: String,
    /// The agents' program.
    pub cli: String,
    /// How many executors there are.
    pub agent_count: usize,
    /// How many contracts of a wave are worked on at the same time; 0: all executors work.
    pub wave_parallelism: usize,
    /// How many evaluators there are.
    pub evaluator_count: usize,
    /// How agents run.
    pub backend: Option<BackendKind>,
    /// The directory of the run.
    pub repo: String,
}

/// The usual phases.
pub const PHASES: [&str; 5] = ["discuss", "plan", "execute", "verify", "ship"];

/// The usual role of a phase.
fn usual_role(phase: &str) -> Option<&'static str> {
    match phase {
        "discuss" | "plan" => Some(PLANNER),
        "execute" => Some(EXECUTOR),
        "verify" => Some(EVALUATOR),
        _ => None,
    }
}

impl Harness {
    /// A run that begins now.
    pub fn new(id: String, team: String, new: NewHarness, now: Stamp) -> Self {
        let phases = if new.phases.is_empty() {
            PHASES.iter().map(|phase| (*phase).to_owned()).collect()
        } else {
            new.phases
        };
        let roles = phases.iter().filter_map(|phase| Some((phase, usual_role(phase)?)));
        let phase_roles = roles.map(|(phase, role)| (phase.clone(), role.to_owned())).collect();
        Self {
            schema: SCHEMA.to_owned(),
            harness_id: id,
            team_name: team,
            current_phase: phases.first().cloned().unwrap_or_default(),
            gates: Some(gate::gates(&phases, new.human_gates.as_deref())),
            phases,
            phase_roles,
            phase_history: Vec::new(),
            artifacts: IndexMap::new(),
            goal: new.goal,
            cli: new.cli,
            agent_count: new.agent_count,
            created_at: now.clone(),
            updated_at: now,
            wave_parallelism: new.wave_parallelism,
            evaluator_count: new.evaluator_count,
            backend: new.backend,
            repo: new.repo,
            hands: Vec::new(),
            conductor: None,
            journal_offset: 0,
            extra: Extra::new(),
        }
    }

    /// Where a phase stands among the others.
    pub fn position(&self, phase: &str) -> Option<usize> {
        self.phases.iter().position(|known| known == phase)
    }

    /// The phase after the present one.
    pub fn next_phase(&self) -> Option<&str> {
        let next = self.position(&self.current_phase)? + 1;
        self.phases.get(next).map(String::as_str)
    }

    /// Whether somebody gave the run up.
    pub fn is_aborted(&self) -> bool {
        self.phase_history.last().is_some_and(|end| !end.aborted_at.is_empty())
    }

    /// Whether nothing is left to do.
    pub fn is_over(&self) -> bool {
        self.is_aborted() || self.next_phase().is_none()
    }

    /// The role of a phase, if it needs agents.
    pub fn role_of(&self, phase: &str) -> Option<&str> {
        let role = self.phase_roles.get(phase).map(String::as_str);
        role.filter(|role| !role.is_empty() && *role != "none")
    }

    /// The role of the present phase.
    pub fn role(&self) -> Option<&str> {
        self.role_of(&self.current_phase)
    }

    /// The visit that the present phase is.
    pub fn visit(&self) -> usize {
        self.phase_history.len()
    }

    /// The first of the visits in a row that the present role works in: an agent stays while the
    /// role does.
    pub fn shift(&self) -> usize {
        let role = self.role();
        let before = self.phase_history.iter().rev();
        let same = before.take_while(|end| self.role_of(&end.phase) == role);
        self.visit() - same.count()
    }

    /// The agents of the present role that are wanted now.
    pub fn on_shift(&self) -> impl Iterator<Item = &Hand> {
        let (role, shift) = (self.role(), self.shift());
        self.hands
            .iter()
            .filter(move |hand| role == Some(hand.role.as_str()) && hand.visit >= shift)
    }

    /// What an evaluation is called that `agent` hands in now: each of several evaluators has one
    /// of its own, so that none hides what another one found.
    pub fn evaluation_of(&self, agent: &str) -> String {
        let among = self.wanted(EVALUATOR) > 1
            && self.role() == Some(EVALUATOR)
            && self.on_shift().any(|hand| hand.name == agent);
        if among { gate::evaluation_by(agent) } else { gate::EVALUATION.to_owned() }
    }

    /// Whether the evaluation by `agent` is there, or one for all.
    pub fn is_evaluated_by(&self, agent: &str) -> bool {
        let there = |name: &str| self.artifacts.contains_key(name);
        there(gate::EVALUATION) || there(&gate::evaluation_by(agent))
    }

    /// How many agents a role has.
    pub fn wanted(&self, role: &str) -> usize {
        let executors = self.agent_count.max(1);
        match role {
            EXECUTOR if self.wave_parallelism > 0 => executors.min(self.wave_parallelism),
            EXECUTOR => executors,
            EVALUATOR => self.evaluator_count.max(1),
            _ => 1,
        }
    }

    /// Writes down which agents the present phase wants, with the names that `fresh` gives to new
    /// ones. Those who had the role before are wanted again. Returns whether anything changed.
    pub fn plan_hands(&mut self, now: &Stamp, mut fresh: impl FnMut(&str) -> String) -> bool {
        let Some(role) = self.role().map(str::to_owned) else { return false };
        let (shift, visit, wanted) = (self.shift(), self.visit(), self.wanted(&role));
        let mut missing = wanted.saturating_sub(self.on_shift().count());
        let changed = missing > 0;
        for hand in self.hands.iter_mut().filter(|h| h.role == role && h.visit < shift) {
            if missing > 0 {
                hand.visit = visit;
                hand.planned_at = now.clone();
                hand.started = false;
                hand.starts = 0;
                hand.idle = false;
                missing -= 1;
            }
        }
        for _ in 0..missing {
            self.hands.push(Hand {
                name: fresh(&role),
                role: role.clone(),
                visit,
                planned_at: now.clone(),
                started: false,
                starts: 0,
                idle: false,
                extra: Extra::new(),
            });
        }
        changed
    }

    /// Goes to the next phase. Returns false if there is none.
    pub fn advance(&mut self, now: Stamp) -> bool {
        let Some(next) = self.next_phase().map(str::to_owned) else { return false };
        let phase = std::mem::replace(&mut self.current_phase, next);
        self.phase_history.push(PhaseEnd { phase, completed_at: now, ..PhaseEnd::default() });
        true
    }

    /// Gives the run up.
    pub fn abort(&mut self, now: Stamp) {
        let phase = self.current_phase.clone();
        self.phase_history.push(PhaseEnd { phase, aborted_at: now, ..PhaseEnd::default() });
    }

    /// Goes back to an earlier phase; what was approved and found since then does not count any
    /// more. Returns false if `phase` is not an earlier one.
    pub fn roll_back(&mut self, phase: &str, now: Stamp) -> bool {
        let (Some(to), Some(at)) = (self.position(phase), self.position(&self.current_phase))
        else {
            return false;
        };
        if to >= at {
            return false;
        }
        let again: Vec<String> =
            self.phases[to..].iter().map(|phase| gate::approval_name(phase)).collect();
        let last_evaluation = self.phases.iter().rposition(|p| self.role_of(p) == Some(EVALUATOR));
        let evaluated = last_evaluation.is_some_and(|evaluation| to <= evaluation);
        let withdrawn =
            |name: &String| again.contains(name) || (evaluated && gate::is_evaluation(name));
        self.artifacts.retain(|name, _| !withdrawn(name));
        let left = std::mem::replace(&mut self.current_phase, phase.to_owned());
        self.phase_history.push(PhaseEnd {
            phase: left,
            rolled_back_at: now,
            rolled_back_to: phase.to_owned(),
            ..PhaseEnd::default()
        });
        true
    }
}

#[cfg(test)]
mod tests;

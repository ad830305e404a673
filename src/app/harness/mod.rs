//! Harness runs: a goal that goes through phases.
//!
//! The document of a run is read again under the lock before each change, so that what other
//! processes say (an approval, an artifact) is never written over.

mod artifact;
mod conduct;
mod hands;
mod report;
mod work;

use serde::Serialize;

use super::{App, hook, task};
use crate::core::{Diagnose, Name, Outcome, Stamp, TeamName};
use crate::domain::event::Event;
use crate::domain::harness::gate::{self, Facts};
use crate::domain::harness::{Harness, NewHarness, PhaseEnd, SCHEMA};
use crate::domain::task::Status as TaskStatus;
use crate::store::{Commit, Dir, Doc, Expect, Key, Put, Scope, encode};

pub use artifact::{Artifact, NewArtifact, add, artifacts, content};
pub use conduct::{Conducting, conduct, take_up};
pub use work::{ContractStatus, contracts};

/// Why a run cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// The team has no run, or none of that identifier.
    #[error("No harness run found for team '{team}'{}", id.as_ref().map(|id| format!(" with the id '{id}'")).unwrap_or_default())]
    NotFound {
        /// The team.
        team: String,
        /// What was asked for.
        id: Option<String>,
    },
    /// It is in its last phase.
    #[error("Cannot advance: already at final phase")]
    Final,
    /// A gate is closed.
    #[error("Cannot advance: {}", .0.join("; "))]
    Closed(Vec<String>),
    /// Somebody gave it up.
    #[error("harness run {id} was aborted")]
    Aborted {
        /// The run.
        id: String,
        /// The team, for the hint.
        team: String,
    },
    /// Somebody else moved it meanwhile.
    #[error("harness run {id} is in phase '{phase}' by now")]
    Moved {
        /// The run.
        id: String,
        /// The phase that it is in.
        phase: String,
    },
    /// It has no such phase.
    #[error("'{phase}' is not a phase of this run before '{current}'; its phases: {}", phases.join(", "))]
    NoSuchPhase {
        /// What was asked for.
        phase: String,
        /// The phase that it is in.
        current: String,
        /// The phases.
        phases: Vec<String>,
    },
    /// An agent of the run wanted to approve its own work.
    #[error("'{0}' works for this run and cannot approve it; a person has to")]
    OwnWork(String),
    /// Something was handed in that cannot be what its name says.
    #[error("{0}")]
    BadArtifact(String),
    /// There is no such artifact.
    #[error("no artifact '{name}' of harness run {id}")]
    NoArtifact {
        /// What was asked for.
        name: String,
        /// The run.
        id: String,
        /// The team, for the hint.
        team: String,
    },
    /// Another process conducts it.
    #[error("harness run {id} is conducted by process {pid} already")]
    Conducted {
        /// The run.
        id: String,
        /// That process.
        pid: u32,
    },
    /// Agents do not get their work done.
    #[error("the {role} '{agent}' was started {starts} times in phase '{phase}' and did not get on{}", if why.is_empty() { String::new() } else { format!(": {why}") })]
    Stuck {
        /// What it is.
        role: String,
        /// The agent.
        agent: String,
        /// How many times.
        starts: u32,
        /// The phase.
        phase: String,
        /// What was wrong the last time.
        why: String,
        /// The team, for the hint.
        team: String,
    },
    /// The phases do not make a run.
    #[error("{0}")]
    BadPhases(String),
}

impl Diagnose for HarnessError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "harness_not_found",
            Self::Final => "final_phase",
            Self::Closed(_) => "gate_closed",
            Self::Aborted { .. } => "harness_aborted",
            Self::Moved { .. } => "harness_moved",
            Self::NoSuchPhase { .. } => "unknown_phase",
            Self::OwnWork(_) => "own_work",
            Self::BadArtifact(_) => "invalid_artifact",
            Self::NoArtifact { .. } => "artifact_not_found",
            Self::Conducted { .. } => "harness_conducted",
            Self::Stuck { .. } => "agent_stuck",
            Self::BadPhases(_) => "invalid_phases",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { team, .. } => {
                Some(format!("begin one: clawteam harness start --team {team} --goal GOAL"))
            }
            Self::Aborted { team, .. } => {
                Some(format!("begin another: clawteam harness start --team {team} --goal GOAL"))
            }
            Self::NoArtifact { team, .. } => {
                Some(format!("see what there is: clawteam harness artifact list {team}"))
            }
            Self::Conducted { .. } => Some("stop that process first; the agents stay".into()),
            Self::Stuck { agent, team, .. } => Some(format!(
                "see what it did: clawteam --json board show {team}, and agents/{team}/{agent}.json in the data directory; then conduct again"
            )),
            _ => None,
        }
    }
}

/// The document of a run.
fn load(app: &App, team: &TeamName, id: &Name) -> Outcome<Doc<Harness>> {
    let found = app.store.load::<Harness>(&Key::harness_state(team, id))?;
    let missing = || HarnessError::NotFound { team: team.to_string(), id: Some(id.to_string()) };
    Ok(found.ok_or_else(missing)?)
}

/// The run `id` of a team, or its latest.
pub fn find(app: &App, team: &TeamName, id: Option<&Name>) -> Outcome<Harness> {
    if let Some(id) = id {
        return Ok(load(app, team, id)?.value);
    }
    let missing = || HarnessError::NotFound { team: team.to_string(), id: None };
    Ok(latest(app, team)?.ok_or_else(missing)?)
}

/// The run of a team that was made last. One that cannot be read does not hide the others.
fn latest(app: &App, team: &TeamName) -> Outcome<Option<Harness>> {
    let mut found: Option<Harness> = None;
    for name in app.store.backend().list_dirs(&Dir::harness(team))? {
        let Ok(id) = Name::parse(name) else { continue };
        match app.store.load::<Harness>(&Key::harness_state(team, &id)) {
            Ok(Some(doc)) => {
                let later = |known: &Harness| {
                    (doc.value.created_at.instant(), &doc.value.updated_at)
                        > (known.created_at.instant(), &known.updated_at)
                };
                if found.as_ref().is_none_or(later) {
                    found = Some(doc.value);
                }
            }
            Ok(None) => {}
            Err(error) => app.warn(error.to_string()),
        }
    }
    Ok(found)
}

/// The identifier of a run as part of a path.
pub fn id_of(run: &Harness) -> Outcome<Name> {
    Ok(Name::parse(run.harness_id.clone())?)
}

/// Changes a run as it is by now. Other documents can be written in the same commit.
fn change<T>(
    app: &App,
    team: &TeamName,
    id: &Name,
    rule: impl FnOnce(&mut Harness) -> Outcome<(T, Vec<Put>)>,
) -> Outcome<(Harness, T)> {
    let key = Key::harness_state(team, id);
    // Locking makes directories: first see whether there is a run at all.
    load(app, team, id)?;
    let mut locked = app.store.lock(&Scope::Harness(team.clone()))?;
    let Doc { value: mut run, revision } = load(app, team, id)?;
    app.store.writable(&key, &run.schema, SCHEMA)?;
    let before = run.clone();
    let (said, mut puts) = rule(&mut run)?;
    if run != before {
        run.updated_at = app.stamp();
        puts.push(Put::new(key, encode(&run), Expect::Revision(revision)));
    }
    if !puts.is_empty() {
        locked.commit(&Commit { puts, ..Commit::default() })?;
    }
    Ok((run, said))
}

/// Begins a run.
pub fn start(app: &App, team: &TeamName, new: NewHarness) -> Outcome<Harness> {
    let bad = |why: String| Err(HarnessError::BadPhases(why).into());
    for (at, phase) in new.phases.iter().enumerate() {
        // It becomes part of a file name.
        Name::parse(phase.clone())?;
        if new.phases[..at].contains(phase) {
            return bad(format!("the phase '{phase}' is named twice"));
        }
    }
    if new.phases.len() == 1 {
        return bad("one phase alone has nowhere to go to; name at least two".into());
    }
    let id = Name::parse(app.ids.hex(12))?;
    let human = new.human_gates.clone().unwrap_or_default();
    let mut run = Harness::new(id.to_string(), team.to_string(), new, app.stamp());
    if let Some(phase) = human.iter().find(|phase| run.position(phase).is_none()) {
        return bad(format!("'{phase}' is to be approved but is no phase of the run"));
    }
    // What ended before the run has nothing to do with it.
    run.journal_offset = app.store.backend().read_from(&Key::exit_journal(team), u64::MAX)?.1;
    let put = Put::new(Key::harness_state(team, &id), encode(&run), Expect::Absent);
    app.store.backend().create(&put)?;
    Ok(run)
}

/// What the gates of a run look at.
fn facts(app: &App, team: &TeamName, run: &Harness) -> Outcome<Facts> {
    let id = id_of(run)?;
    let open = |task: &&crate::domain::task::Task| task.status != TaskStatus::Completed;
    let mut evaluation_failed = None;
    for name in run.artifacts.keys().filter(|name| gate::is_evaluation(name)) {
        let key = Key::harness_artifact(team, &id, &Name::parse(name.as_str())?);
        let report = app.store.backend().read(&key)?;
        let failure = report.and_then(|blob| gate::evaluation_failure(&blob.bytes));
        evaluation_failed = evaluation_failed.or(failure);
    }
    Ok(Facts {
        open_tasks: task::all(app, team)?.iter().filter(open).count(),
        contract_problems: work::problems(app, team, &id)?,
        evaluation_failed,
    })
}

/// Where a run stands.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The run.
    pub harness_id: String,
    /// The team.
    pub team: String,
    /// What is to be achieved.
    pub goal: String,
    /// The phase that it is in.
    pub phase: String,
    /// Whether the phase can be left.
    pub can_advance: bool,
    /// Why not; empty if it can.
    pub gate_reason: String,
    /// The names of what was handed in.
    pub artifacts: Vec<String>,
    /// How phases were left.
    pub history: Vec<PhaseEnd>,
    /// All phases.
    pub phases: Vec<String>,
    /// `running`, `aborted` or `finished`.
    pub status: &'static str,
    /// The agents of the present phase.
    pub agents: Vec<String>,
    /// The process that conducts it, if one does.
    pub conductor: Option<u32>,
}

/// Where a run stands.
pub fn status(app: &App, team: &TeamName, run: &Harness) -> Outcome<Status> {
    let reason = if run.is_aborted() {
        format!("harness run {} was aborted", run.harness_id)
    } else if run.next_phase().is_none() {
        "already at final phase".to_owned()
    } else {
        gate::reasons(run, &facts(app, team, run)?).join("; ")
    };
    let conductor = run.conductor.filter(|process| app.processes.is_alive(*process));
    Ok(Status {
        harness_id: run.harness_id.clone(),
        team: run.team_name.clone(),
        goal: run.goal.clone(),
        phase: run.current_phase.clone(),
        can_advance: reason.is_empty(),
        gate_reason: reason,
        artifacts: run.artifacts.keys().cloned().collect(),
        history: run.phase_history.clone(),
        phases: run.phases.clone(),
        status: if run.is_aborted() {
            "aborted"
        } else if run.is_over() {
            "finished"
        } else {
            "running"
        },
        agents: run.on_shift().map(|hand| hand.name.clone()).collect(),
        conductor: conductor.map(|process| process.pid),
    })
}

/// A run that went to another phase.
#[derive(Debug, Clone)]
pub struct Advanced {
    /// The run.
    pub run: Harness,
    /// The phase that was left.
    pub from: String,
    /// The tasks that were made of contracts.
    pub tasks: Vec<String>,
}

/// Goes to the next phase, if the gates are open.
pub fn advance(app: &App, team: &TeamName, id: &Name) -> Outcome<Advanced> {
    advance_with(app, team, id, |_| ())
}

/// The same; `then` changes the run in its new phase, in the same commit.
fn advance_with(
    app: &App,
    team: &TeamName,
    id: &Name,
    then: impl FnOnce(&mut Harness),
) -> Outcome<Advanced> {
    let run = load(app, team, id)?.value;
    refuse_over(&run)?;
    // Whoever advanced last may have ended before the tasks of its phase were there.
    work::tasks(app, team, &run)?;
    let closed = gate::reasons(&run, &facts(app, team, &run)?);
    if !closed.is_empty() {
        return Err(HarnessError::Closed(closed).into());
    }
    let from = run.current_phase.clone();
    let (run, ()) = change(app, team, id, |run| {
        if run.current_phase != from {
            let (id, phase) = (run.harness_id.clone(), run.current_phase.clone());
            return Err(HarnessError::Moved { id, phase }.into());
        }
        refuse_over(run)?;
        // An approval may have been withdrawn since the gates were looked at.
        let closed = gate::reasons(run, &Facts::default());
        if !closed.is_empty() {
            return Err(HarnessError::Closed(closed).into());
        }
        run.advance(app.stamp());
        then(run);
        Ok(((), Vec::new()))
    })?;
    tell_transition(app, &from, &run);
    let tasks = work::tasks(app, team, &run)?;
    Ok(Advanced { run, from, tasks })
}

/// Tells hooks and plugins that a run is in another phase.
fn tell_transition(app: &App, from: &str, run: &Harness) {
    let artifacts: Vec<&String> = run.artifacts.keys().collect();
    let event = Event::new("PhaseTransition", &run.team_name)
        .with("from_phase", from)
        .with("to_phase", run.current_phase.as_str());
    hook::emit(app, event.with("artifacts", serde_json::json!(artifacts)));
}

fn refuse_over(run: &Harness) -> Outcome<()> {
    if run.is_aborted() {
        let (id, team) = (run.harness_id.clone(), run.team_name.clone());
        return Err(HarnessError::Aborted { id, team }.into());
    }
    if run.next_phase().is_none() {
        return Err(HarnessError::Final.into());
    }
    Ok(())
}

/// Gives a run up. Its agents go on.
pub fn abort(app: &App, team: &TeamName, id: &Name) -> Outcome<Harness> {
    let (run, ()) = change(app, team, id, |run| {
        if !run.is_aborted() {
            run.abort(app.stamp());
        }
        Ok(((), Vec::new()))
    })?;
    Ok(run)
}

/// Puts a run back to an earlier phase.
pub fn roll_back(app: &App, team: &TeamName, id: &Name, phase: &str) -> Outcome<Harness> {
    let (run, from) = change(app, team, id, |run| {
        if run.is_aborted() {
            refuse_over(run)?;
        }
        let from = run.current_phase.clone();
        if !run.roll_back(phase, app.stamp()) {
            return Err(HarnessError::NoSuchPhase {
                phase: phase.to_owned(),
                current: run.current_phase.clone(),
                phases: run.phases.clone(),
            }
            .into());
        }
        Ok((from, Vec::new()))
    })?;
    tell_transition(app, &from, &run);
    Ok(run)
}

/// What an approval is as an artifact.
#[derive(Serialize)]
struct Approval<'a> {
    approved: bool,
    phase: &'a str,
    approved_by: &'a str,
    approved_at: Stamp,
}

/// Approves the present phase for the caller. Returns the run and the name of the artifact.
pub fn approve(app: &App, team: &TeamName, id: &Name) -> Outcome<(Harness, String)> {
    let who = &app.identity.agent_name;
    change(app, team, id, |run| {
        if run.is_aborted() {
            refuse_over(run)?;
        }
        if run.hands.iter().any(|hand| hand.name == *who) {
            return Err(HarnessError::OwnWork(who.clone()).into());
        }
        let phase = run.current_phase.clone();
        let approval =
            Approval { approved: true, phase: &phase, approved_by: who, approved_at: app.stamp() };
        let name = gate::approval_name(&phase);
        let puts = artifact::keep(app, team, run, &name, encode(&approval), Some("approval"))?;
        Ok((name, puts))
    })
}

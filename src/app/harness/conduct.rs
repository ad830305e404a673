//! Moving a run on by itself: its agents are started and ended, contracts become tasks, and phases
//! are left as soon as their gates are open and their work is done.
//!
//! Everything that matters stands in the document of the run, so a conductor that is killed is
//! followed by another one that goes on from there.

use std::time::Duration;

use super::hands::{self, STARTS_MAX, Seen, look};
use super::{HarnessError, artifact, change, facts, find, id_of, latest, report, work};
use crate::app::App;
use crate::app::wait::Stop;
use crate::core::text::{count, cut};
use crate::core::{Exit, Name, Outcome, TeamName};
use crate::domain::harness::{EVALUATOR, EXECUTOR, Hand, Harness, NewHarness, PLANNER, gate};
use crate::domain::task::Task;
use crate::store::{Dir, encode};

/// How a run is conducted.
pub struct Conducting<'a> {
    /// How long to sleep at most if nothing is heard.
    pub poll: Duration,
    /// A request to end. The agents stay.
    pub stop: Stop,
    /// Hears what happens, perhaps from several threads.
    pub tell: &'a (dyn Fn(&str) + Sync),
}

/// The run to be conducted: the one that is wanted, if the last run of the team is another one or
/// is over; otherwise that one. True if it was there before.
pub fn take_up(
    app: &App,
    team: &TeamName,
    wanted: Option<NewHarness>,
    afresh: bool,
) -> Outcome<(Harness, bool)> {
    let known = latest(app, team)?.filter(|run| !run.is_over());
    match (wanted, known) {
        (None, Some(run)) => Ok((run, true)),
        (None, None) => Ok((find(app, team, None)?, true)),
        (Some(new), Some(run)) if run.goal == new.goal && !afresh => Ok((run, true)),
        (Some(new), known) => {
            if let Some(run) = known {
                app.warn(format!(
                    "harness run {} of team '{team}' is left in phase '{}'",
                    run.harness_id, run.current_phase
                ));
            }
            Ok((super::start(app, team, new)?, false))
        }
    }
}

/// Conducts a run until it is in its last phase, or somebody wants an end of it.
pub fn conduct(
    app: &App,
    team: &TeamName,
    id: &Name,
    options: &Conducting<'_>,
) -> Outcome<Harness> {
    let own = app.processes.own();
    change(app, team, id, |run| {
        let other = run.conductor.filter(|other| *other != own);
        if let Some(other) = other.filter(|other| app.processes.is_alive(*other)) {
            let id = run.harness_id.clone();
            return Err(HarnessError::Conducted { id, pid: other.pid }.into());
        }
        run.conductor = Some(own);
        // Whoever conducts again has looked what was wrong.
        run.hands.iter_mut().for_each(|hand| hand.starts = 0);
        Ok(((), Vec::new()))
    })?;
    let outcome = go_on(app, team, id, options);
    let (run, ()) = change(app, team, id, |run| {
        if run.conductor == Some(own) {
            run.conductor = None;
        }
        Ok(((), Vec::new()))
    })?;
    outcome?;
    Ok(run)
}

fn go_on(app: &App, team: &TeamName, id: &Name, options: &Conducting<'_>) -> Outcome<()> {
    let tell = options.tell;
    hands::ensure_team(app, team, &find(app, team, Some(id))?.goal)?;
    let dirs = [
        Dir::harness(team),
        Dir::harness_run(team, id),
        Dir::harness_artifacts(team, id),
        Dir::tasks(team),
        Dir::agents(team),
    ];
    let mut changes = app.store.backend().watch(&dirs)?;
    options.stop.wakes(&*changes);
    let mut said = String::new();
    while !options.stop.is_requested() {
        match step(app, team, id, tell) {
            Ok(Step::Moved) => continue,
            Ok(Step::Over) => return Ok(()),
            Ok(Step::Waiting(reason)) => {
                if reason != said {
                    tell(&format!("waiting: {reason}"));
                    said = reason;
                }
            }
            // A lock that stays busy is no reason to give a run up.
            Err(failure) if failure.inner().exit() == Exit::Busy => tell(&failure.message()),
            Err(failure) => return Err(failure),
        }
        changes.wait(options.poll);
    }
    let run = find(app, team, Some(id))?;
    let alive = hands::alive(app, team, &run);
    let agents = if alive.is_empty() {
        "no agent of the run is running".to_owned()
    } else {
        format!("agents keep running: {}", alive.join(", "))
    };
    tell(&format!("stopped in phase '{}'; {agents}", run.current_phase));
    tell(&format!("go on with: clawteam harness conduct {team}"));
    Ok(())
}

/// What a look at a run led to.
enum Step {
    /// Something was changed; look again at once.
    Moved,
    /// It waits for this.
    Waiting(String),
    /// Nothing is left to do.
    Over,
}

/// Looks at a run once and does what is to be done.
fn step(app: &App, team: &TeamName, id: &Name, tell: &(dyn Fn(&str) + Sync)) -> Outcome<Step> {
    let mut run = find(app, team, Some(id))?;
    report::exits(app, team, &run, tell)?;
    report::mail(app, team, &run, tell)?;
    if run.is_aborted() {
        let id = run.harness_id.clone();
        let alive = hands::alive(app, team, &run);
        if !alive.is_empty() {
            tell(&format!("the run was aborted; agents keep running: {}", alive.join(", ")));
        }
        return Err(HarnessError::Aborted { id, team: team.to_string() }.into());
    }
    for name in hands::dismiss(app, team, &run)? {
        tell(&format!("stopped {name}: its phase is over"));
    }
    if run.next_phase().is_none() {
        report::manifest(app, team, &run)?;
        tell(&format!("reached the last phase, '{}'", run.current_phase));
        return Ok(Step::Over);
    }
    let plan = |run: &mut Harness| {
        run.plan_hands(&app.stamp(), |role| format!("{role}-{}", app.ids.hex(6)));
    };
    (run, ()) = change(app, team, id, |run| {
        plan(run);
        Ok(((), Vec::new()))
    })?;
    if run.role() == Some(EXECUTOR) {
        goal_as_contract(app, team, &run, tell)?;
        tell_tasks(&work::tasks(app, team, &run)?, tell);
    }
    let seen: Vec<(Hand, Seen)> =
        run.on_shift().map(|hand| (hand.clone(), look(app, team, hand))).collect();
    let waiting = waiting_for(app, team, &run, &seen)?;
    let Some(reason) = waiting else {
        let from = run.current_phase.clone();
        // The tasks of contracts go to the agents that will be there.
        let moved = super::advance_with(app, team, id, plan)?;
        tell(&format!("phase '{from}' is over; now: '{}'", moved.run.current_phase));
        tell_tasks(&moved.tasks, tell);
        return Ok(Step::Moved);
    };
    if staff(app, team, &run, &seen, tell)? { Ok(Step::Moved) } else { Ok(Step::Waiting(reason)) }
}

fn tell_tasks(made: &[String], tell: &(dyn Fn(&str) + Sync)) {
    if !made.is_empty() {
        tell(&format!("made {} of the sprint contracts", count(made.len(), "task")));
    }
}

/// A run without contracts has one, to reach its goal.
fn goal_as_contract(
    app: &App,
    team: &TeamName,
    run: &Harness,
    tell: &(dyn Fn(&str) + Sync),
) -> Outcome<()> {
    let (contracts, problems) = work::read(app, team, &id_of(run)?)?;
    if !contracts.is_empty() || !problems.is_empty() {
        return Ok(());
    }
    tell("no sprint contract was handed in; the goal itself is the only one");
    let title = run.goal.lines().find(|line| !line.trim().is_empty()).unwrap_or("Reach the goal");
    let contract = serde_json::json!({
        "id": "goal",
        "title": cut(title.trim(), 120),
        "description": run.goal,
        "wave": 1,
    });
    change(app, team, &id_of(run)?, |run| {
        let name = "sprint-contract-goal.json";
        let puts = artifact::keep(app, team, run, name, encode(&contract), None)?;
        Ok(((), puts))
    })?;
    Ok(())
}

/// What the present phase waits for; `None` if it can be left.
fn waiting_for(
    app: &App,
    team: &TeamName,
    run: &Harness,
    seen: &[(Hand, Seen)],
) -> Outcome<Option<String>> {
    let mut reasons = gate::reasons(run, &facts(app, team, run)?);
    match run.role() {
        Some(EXECUTOR) => {
            let open = work::open_tasks(app, team, run)?;
            if !open.is_empty() {
                let stuck = open.iter().filter(|task| is_stuck(task));
                let stuck: Vec<&str> = stuck.map(|task| task.subject.as_str()).collect();
                let mut reason = format!("{} not fulfilled", count(open.len(), "contract"));
                if !stuck.is_empty() {
                    reason.push_str(&format!(" ({} cannot go on)", stuck.join(", ")));
                }
                reasons.push(reason);
            }
        }
        Some(EVALUATOR) => {
            // An evaluator that ended well without a report had nothing to complain of.
            let open = |(hand, seen): &&(Hand, Seen)| {
                !run.is_evaluated_by(&hand.name) && !matches!(seen, Seen::Ended(Some(0), _))
            };
            let open: Vec<&str> =
                seen.iter().filter(open).map(|(hand, _)| hand.name.as_str()).collect();
            if !open.is_empty() {
                reasons.push(format!("{} of {}", gate::EVALUATION, open.join(", ")));
            } else if seen.is_empty() && !run.artifacts.contains_key(gate::EVALUATION) {
                reasons.push(format!("{} of the evaluation", gate::EVALUATION));
            }
        }
        Some(PLANNER) if reasons.is_empty() && !is_approved(run) && !role_goes_on(run) => {
            if let Some(name) = still_plans(app, team, run, seen)? {
                reasons.push(format!("{name} has not said that the plan is complete"));
            }
        }
        // Nothing else says when such a phase is over.
        Some(role) if reasons.is_empty() && !has_gates(run) && !role_goes_on(run) => {
            let working = seen.iter().filter(|(_, seen)| !matches!(seen, Seen::Ended(..)));
            let working: Vec<&str> = working.map(|(hand, _)| hand.name.as_str()).collect();
            if !working.is_empty() {
                reasons.push(format!("the {role} has not ended: {}", working.join(", ")));
            }
        }
        _ => {}
    }
    Ok((!reasons.is_empty()).then(|| reasons.join("; ")))
}

/// Whether a person has approved the present phase.
fn is_approved(run: &Harness) -> bool {
    run.artifacts.contains_key(&gate::approval_name(&run.current_phase))
}

/// How long a planner that hands nothing more in may be silent before its plan is taken as
/// complete.
const PLANNER_SILENCE: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// The planner that may have more contracts to hand in, where no person says that the plan is
/// complete: it neither has ended nor has called itself idle, and was not silent for long.
fn still_plans(
    app: &App,
    team: &TeamName,
    run: &Harness,
    seen: &[(Hand, Seen)],
) -> Outcome<Option<String>> {
    let busy = seen.iter().find(|(hand, seen)| {
        !hand.idle && !matches!(seen, Seen::Ended(..)) && !hands::is_idle(app, team, hand)
    });
    let Some((hand, _)) = busy else { return Ok(None) };
    let handed_in = super::artifacts(app, team, run)?;
    let contracts = handed_in.iter().any(|artifact| artifact.kind == "contract");
    let last = handed_in.iter().filter_map(|artifact| artifact.written_at.instant()).max();
    let silent = last.is_some_and(|last| app.now() - last > PLANNER_SILENCE);
    Ok((!(contracts && silent)).then(|| hand.name.clone()))
}

/// Whether the present phase has gates.
fn has_gates(run: &Harness) -> bool {
    run.gates.as_ref().is_none_or(|gates| gates.contains_key(&run.current_phase))
}

/// Whether the next phase is done by the same agents.
fn role_goes_on(run: &Harness) -> bool {
    run.next_phase().is_some_and(|next| run.role_of(next) == run.role())
}

/// Whether a task needs somebody to look at it.
fn is_stuck(task: &Task) -> bool {
    task.is_settled() || (task.standing() == "blocked" && task.blocked_by.is_empty())
}

/// Starts the agents that are wanted and not there. Returns whether anything was done.
fn staff(
    app: &App,
    team: &TeamName,
    run: &Harness,
    seen: &[(Hand, Seen)],
    tell: &(dyn Fn(&str) + Sync),
) -> Outcome<bool> {
    let mut wanted = Vec::new();
    let mut done = false;
    for (hand, seen) in seen {
        match seen {
            Seen::Alive | Seen::Ended(..) if !hand.started => {
                hands::confirm(app, team, run, hand)?;
                done = true;
            }
            Seen::Alive | Seen::Coming => {}
            Seen::Missing | Seen::Unbriefed => {
                if hand.starts >= STARTS_MAX {
                    let why = "it was not seen to take its prompt".to_owned();
                    return Err(hands::stuck(team, run, hand, hand.starts, why).into());
                }
                wanted.push(hand.clone());
            }
            Seen::Ended(code, why) => {
                if !is_needed(app, team, run, hand, *code)? {
                    continue;
                }
                if hand.starts >= STARTS_MAX {
                    return Err(hands::stuck(team, run, hand, hand.starts, why.clone()).into());
                }
                wanted.push(hand.clone());
            }
        }
    }
    if wanted.is_empty() {
        return Ok(done);
    }
    let names: Vec<&str> = wanted.iter().map(|hand| hand.name.as_str()).collect();
    tell(&format!("starting {}", names.join(", ")));
    hands::start(app, team, run, &wanted, tell)?;
    Ok(true)
}

/// Whether an agent that has ended is still needed in its phase.
fn is_needed(
    app: &App,
    team: &TeamName,
    run: &Harness,
    hand: &Hand,
    exit_code: Option<i32>,
) -> Outcome<bool> {
    Ok(match hand.role.as_str() {
        PLANNER => {
            let reasons = gate::reasons(run, &facts(app, team, run)?);
            // An approval is for people to give; the planner has nothing to do with it.
            reasons.iter().any(|reason| !reason.starts_with("Human approval"))
        }
        EXECUTOR => {
            let open = work::open_tasks(app, team, run)?;
            let ours = |task: &Task| task.owner.is_empty() || task.owner == hand.name;
            open.iter().any(|task| !is_stuck(task) && ours(task))
        }
        EVALUATOR => exit_code != Some(0) && !run.is_evaluated_by(&hand.name),
        _ => exit_code != Some(0),
    })
}

//! Schedules: what happens at which times.
//!
//! A slot that is due is noted as pending. What it starts is started under a key that is made of
//! the schedule and the slot: starting it again is no second start. Only then is the slot taken
//! off. A crash in between costs nothing, and two processes at the same slot start one thing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use super::App;
use super::task;
use super::workflow::{self, start::StartOptions};
use super::{notify, queue};
use crate::core::{Digest, Exit, Failure, Name, Outcome, Stamp, TaskId, TeamName};
use crate::domain::notification::{Kind, NewNotification, Severity};
use crate::domain::queue::{NewItem, State};
use crate::domain::schedule::{
    self, Fired, Overlap, SCHEDULE_SCHEMA, Schedule, ScheduleError, Target,
};
use crate::domain::task::{NewTask, Priority, Status};
use crate::store::{Dir, Doc, Key, Scope, StoreError};

/// Starts a run of a workflow. The same key starts one run, however often it is asked for.
fn fire_workflow(
    app: &App,
    team: &TeamName,
    workflow: &Name,
    inputs: Map<String, Value>,
    repo: Option<String>,
    key: String,
) -> Outcome<Name> {
    let options = StartOptions {
        inputs,
        key: Some(key),
        source: "schedule".into(),
        only_active: true,
        repo,
        ..StartOptions::default()
    };
    let started = workflow::start::start(app, team, workflow, options)?;
    workflow::wake(app, team, &started.run);
    Ok(started.run)
}

/// Whether a run of a workflow has not come to its end.
fn run_is_active(app: &App, team: &TeamName, run: &Name) -> Outcome<bool> {
    match workflow::run::load(app, team, run) {
        Ok(found) => Ok(!found.run.status.is_terminal()),
        Err(failure) if failure.inner().exit() == Exit::NotFound => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn key(team: &TeamName, id: &Name) -> Key {
    Dir::schedules(team).entry(&format!("{id}.json"))
}

fn id_in(file: &str) -> Option<Name> {
    Name::parse(file.strip_suffix(".json")?).ok()
}

fn load(app: &App, team: &TeamName, id: &Name) -> Outcome<Doc<Schedule>> {
    let missing = || ScheduleError::NotFound { id: id.to_string(), team: team.to_string() };
    let mut doc = app.store.load::<Schedule>(&key(team, id))?.ok_or_else(missing)?;
    doc.value.id = id.clone();
    Ok(doc)
}

/// Makes a schedule.
pub fn add(app: &App, team: &TeamName, new: Schedule) -> Outcome<Schedule> {
    schedule::check(&new, app.now())?;
    if let Target::Item { kind, payload } = &new.target {
        (crate::domain::queue::payload::kind(kind)?.check)(payload)?;
    }
    let mut locked = app.store.lock(&Scope::Schedules(team.clone()))?;
    match locked.put(key(team, &new.id), &new, None) {
        Ok(()) => Ok(new),
        Err(StoreError::Conflict { .. }) => {
            let (id, team) = (new.id.to_string(), team.to_string());
            Err(ScheduleError::Exists { id, team }.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// All schedules of a team, by name.
pub fn list(app: &App, team: &TeamName) -> Outcome<Vec<Schedule>> {
    let listed = app.store.list::<Schedule>(&Dir::schedules(team), |name| id_in(name).is_some())?;
    let named = listed.into_iter().filter_map(|(name, doc)| {
        let mut schedule = doc.value;
        schedule.id = id_in(&name)?;
        Some(schedule)
    });
    Ok(named.collect())
}

/// A schedule.
pub fn get(app: &App, team: &TeamName, id: &Name) -> Outcome<Schedule> {
    Ok(load(app, team, id)?.value)
}

fn change(
    app: &App,
    team: &TeamName,
    id: &Name,
    rule: impl FnOnce(&mut Schedule),
) -> Outcome<Schedule> {
    // Locking makes directories: first see whether there is one at all.
    load(app, team, id)?;
    let mut locked = app.store.lock(&Scope::Schedules(team.clone()))?;
    let doc = load(app, team, id)?;
    let key = key(team, id);
    if doc.value.schema != SCHEDULE_SCHEMA {
        let (path, schema) = (app.store.path_of(&key), doc.value.schema);
        return Err(StoreError::NewerFormat { path, schema }.into());
    }
    let mut schedule = doc.value;
    rule(&mut schedule);
    locked.put(key, &schedule, Some(doc.revision))?;
    Ok(schedule)
}

/// Turns a schedule off. What it started goes on.
pub fn pause(app: &App, team: &TeamName, id: &Name, reason: Option<&str>) -> Outcome<Schedule> {
    change(app, team, id, |schedule| {
        schedule.enabled = false;
        schedule.disabled_reason = Some(reason.unwrap_or("somebody paused it").to_owned());
        schedule.state.pending.clear();
    })
}

/// Turns a schedule on again. What was due meanwhile is left out.
pub fn resume(app: &App, team: &TeamName, id: &Name) -> Outcome<Schedule> {
    let now = app.now();
    schedule::check(&get(app, team, id)?, now)?;
    change(app, team, id, |schedule| {
        if !schedule.enabled {
            schedule.enabled = true;
            schedule.disabled_reason = None;
            schedule::skip_until(schedule, now);
        }
    })
}

/// Removes a schedule. What it started goes on.
pub fn remove(app: &App, team: &TeamName, id: &Name) -> Outcome<()> {
    load(app, team, id)?;
    Ok(app.store.lock(&Scope::Schedules(team.clone()))?.delete(key(team, id))?)
}

/// The next `count` slots of a schedule that is on.
pub fn next(app: &App, schedule: &Schedule, count: usize) -> Outcome<Vec<DateTime<Utc>>> {
    let mut slots = Vec::new();
    if !schedule.enabled {
        return Ok(slots);
    }
    let over = schedule.state.last_slot.as_ref().and_then(Stamp::instant);
    let mut at = over.map_or(app.now(), |over| over.max(app.now()));
    while slots.len() < count
        && let Some(slot) = schedule::next(schedule, at)?
    {
        slots.push(slot);
        at = slot;
    }
    Ok(slots)
}

/// What was done about a schedule.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fire {
    /// The schedule.
    pub schedule: Name,
    /// What was done.
    #[serde(flatten)]
    pub fired: Fired,
}

/// Starts what a schedule starts, now, whatever its times are.
pub fn run_now(app: &App, team: &TeamName, id: &Name) -> Outcome<Fire> {
    let schedule = get(app, team, id)?;
    let now = app.now();
    let by_hand = format!("schedule:{id}:by-hand:{}-{}", now.timestamp_millis(), app.ids.hex(8));
    let started = start(app, team, &schedule, &by_hand)?;
    let fired = Fired { slot: None, at: Stamp::at(now), started: Some(started), problem: None };
    change(app, team, id, |schedule| {
        schedule::settle(schedule, fired.clone());
    })?;
    Ok(Fire { schedule: id.clone(), fired })
}

/// Starts what is due.
pub fn fire_due(app: &App, team: &TeamName) -> Outcome<Vec<Fire>> {
    let mut fired = Vec::new();
    if app.store.backend().list(&Dir::schedules(team))?.is_empty() {
        return Ok(fired);
    }
    for schedule in list(app, team)? {
        if schedule.schema != SCHEDULE_SCHEMA {
            continue;
        }
        // One bad schedule never keeps the others from starting.
        match fire_one(app, team, &schedule) {
            Ok(done) => {
                for fire in &done {
                    tell_of_missed(app, team, fire);
                }
                fired.extend(done);
            }
            Err(failure) => {
                app.warn(format!("schedule '{}': {}", schedule.id, failure.message()));
            }
        }
    }
    Ok(fired)
}

fn fire_one(app: &App, team: &TeamName, seen: &Schedule) -> Outcome<Vec<Fire>> {
    let mut done = Vec::new();
    let mut schedule = seen.clone();
    if schedule::due(seen, app.now())?.over.is_some() {
        schedule = note_due(app, team, seen, &mut done)?;
    }
    while let Some(stamp) = schedule.state.pending.first().cloned() {
        if goes_on(app, team, &schedule)? {
            break;
        }
        let now = Stamp::at(app.now());
        let mut fired = Fired { slot: Some(stamp.clone()), at: now, started: None, problem: None };
        let Some(slot) = stamp.instant() else {
            fired.problem = Some("a slot that is no date".into());
            schedule = settle(app, team, seen, &fired)?;
            continue;
        };
        match start(app, team, &schedule, &schedule::key(&schedule, slot)) {
            Ok(started) => fired.started = Some(started),
            // It will be free the next time.
            Err(failure) if failure.inner().exit() == Exit::Busy => return Err(failure),
            Err(failure) => fired.problem = Some(told(&failure)),
        }
        schedule = settle(app, team, seen, &fired)?;
        done.push(Fire { schedule: seen.id.clone(), fired });
    }
    Ok(done)
}

/// Tells people that something did not happen at its time. That nobody is told is no reason to
/// fail.
fn tell_of_missed(app: &App, team: &TeamName, fire: &Fire) {
    let Some(problem) = &fire.fired.problem else { return };
    let id = &fire.schedule;
    let title = format!("Schedule '{id}' did not start: {problem}");
    let slot = fire.fired.slot.as_ref().unwrap_or(&fire.fired.at);
    let mut new = NewNotification::new(Kind::ScheduleMissed, Severity::Warning, title);
    new.key = Some(format!("schedule:{id}:{slot}"));
    new.body = format!("clawteam schedule show {team} {id}");
    if let Err(failure) = notify::post(app, team, &new) {
        app.warn(format!("nobody was notified: {}", failure.message()));
    }
}

/// Notes what is due as pending.
fn note_due(
    app: &App,
    team: &TeamName,
    seen: &Schedule,
    done: &mut Vec<Fire>,
) -> Outcome<Schedule> {
    let mut bad = None;
    let schedule = change(app, team, &seen.id, |schedule| {
        let planned = goes_on(app, team, schedule)
            .and_then(|goes_on| Ok(schedule::plan(schedule, app.now(), goes_on)?));
        bad = planned.err();
    })?;
    if let Some(failure) = bad {
        return Err(failure);
    }
    // A slot that was left out because of the one before is told, too.
    let last = schedule.state.last.clone().filter(|last| last.problem.is_some());
    if let Some(fired) = last.filter(|last| seen.state.last.as_ref() != Some(last)) {
        done.push(Fire { schedule: seen.id.clone(), fired });
    }
    Ok(schedule)
}

fn settle(app: &App, team: &TeamName, seen: &Schedule, fired: &Fired) -> Outcome<Schedule> {
    change(app, team, &seen.id, |schedule| {
        // Another process may have been faster: it counts once.
        schedule::settle(schedule, fired.clone());
    })
}

fn told(failure: &Failure) -> String {
    format!("{}: {}", failure.inner().code(), failure.message())
}

/// Whether what the schedule started last has not come to its end, if that matters.
fn goes_on(app: &App, team: &TeamName, schedule: &Schedule) -> Outcome<bool> {
    let Some(last) = schedule.state.last_started.as_deref() else { return Ok(false) };
    if schedule.overlap == Overlap::Allow {
        return Ok(false);
    }
    let gone = |failure: Failure| {
        if failure.inner().exit() == Exit::NotFound || failure.inner().code() == "task_not_found" {
            Ok(false)
        } else {
            Err(failure)
        }
    };
    match &schedule.target {
        Target::Workflow { .. } => run_is_active(app, team, &Name::parse(last)?),
        Target::Item { .. } => queue::show(app, team, last)
            .map(|item| matches!(item.state, State::Ready | State::Delayed | State::Leased))
            .or_else(gone),
        Target::Task { .. } => task::get(app, team, &TaskId::parse(last)?)
            .map(|task| task.status != Status::Completed)
            .or_else(gone),
    }
}

/// Starts what the schedule is for. The same key starts it once. Returns what was started.
fn start(app: &App, team: &TeamName, schedule: &Schedule, key: &str) -> Outcome<String> {
    match &schedule.target {
        Target::Workflow { name, inputs, repo } => {
            let run = fire_workflow(app, team, name, inputs.clone(), repo.clone(), key.to_owned())?;
            Ok(run.to_string())
        }
        Target::Item { kind, payload } => {
            let mut new = NewItem::new(kind.clone(), payload.clone());
            new.key = Some(key.to_owned());
            Ok(queue::push(app, team, new)?.item.item.id)
        }
        Target::Task { subject, description, owner } => {
            let id = TaskId::parse(Digest::of(key.as_bytes()).start(12))?;
            let new = NewTask {
                id: id.clone(),
                subject: subject.clone(),
                description: description.clone(),
                priority: Priority::default(),
                owner: owner.clone(),
                blocks: Vec::new(),
                blocked_by: Vec::new(),
                allow_unknown: false,
                metadata: crate::domain::Extra::new(),
            };
            match task::create(app, team, new) {
                Ok(_) => {}
                // It was made before.
                Err(failure) if failure.inner().code() == "conflict" => {}
                Err(failure) => return Err(failure),
            }
            Ok(id.to_string())
        }
    }
}

//! Watching over a team's leader: a reminder when something has happened, and now and then without.
//!
//! Looking costs a few reads of files; nobody but the leader is asked anything.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::inbox::{self, Draft};
use super::runtime::{self, How, Mode, Note};
use super::wait::Stop;
use super::{App, hook, liveness, task, team};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::event::Event;
use crate::domain::leader_watch::{
    SCHEDULER, Snapshot, Trigger, WatchState, decide, evidence, is_reminder, next_action, reminder,
};
use crate::domain::message::MessageType;
use crate::domain::runtime::Envelope;
use crate::store::{Key, Scope};

/// What is watched, and how.
pub struct Watch<'a> {
    /// The team.
    pub team: &'a TeamName,
    /// Who leads it.
    pub leader: &'a AgentName,
    /// The time between two looks.
    pub interval: Duration,
    /// The longest time without a reminder.
    pub heartbeat: Duration,
    /// A request to end.
    pub stop: &'a Stop,
}

/// A reminder that was given, or could not be.
#[derive(Debug, Clone, Serialize)]
pub struct Reminded {
    /// `leader_watch`.
    pub event: &'static str,
    /// The team.
    pub team: String,
    /// The leader.
    pub leader: String,
    /// Whether the leader got it, or will find it in its inbox.
    pub injected: bool,
    /// What led to the look: `startup`, `poll` or `heartbeat`.
    pub reason: &'static str,
    /// Always null: there is no Redis here.
    #[serde(rename = "redisEvent")]
    pub redis_event: Option<String>,
    /// What became of it.
    pub status: String,
}

/// Watches until asked to stop. `tell` hears of each reminder.
pub fn watch(
    app: &App,
    watch: &Watch<'_>,
    tell: &mut dyn FnMut(&Reminded) -> Outcome<()>,
) -> Outcome<()> {
    team::load(app, watch.team)?;
    // Nothing is listened to: this only lets a request to end come through at once.
    let mut changes = app.store.backend().watch(&[])?;
    watch.stop.wakes(&*changes);
    let mut first = true;
    let mut known_dead = BTreeSet::new();
    while !watch.stop.is_requested() {
        match check(app, watch, first, &mut known_dead) {
            Ok(Some(reminded)) => tell(&reminded)?,
            Ok(None) => {}
            // A team that is gone has no leader to be reminded.
            Err(failure) if failure.inner().code() == "team_not_found" => return Err(failure),
            Err(failure) => app.warn(failure.message()),
        }
        first = false;
        let next = Instant::now() + watch.interval;
        while !watch.stop.is_requested() && Instant::now() < next {
            changes.wait(next.saturating_duration_since(Instant::now()));
        }
    }
    Ok(())
}

/// Looks once, and reminds the leader if there is a reason.
fn check(
    app: &App,
    watch: &Watch<'_>,
    first: bool,
    known_dead: &mut BTreeSet<String>,
) -> Outcome<Option<Reminded>> {
    let Watch { team, leader, heartbeat, .. } = *watch;
    team::load(app, team)?;
    let key = Key::leader_watch(team);
    let known = app.store.load::<WatchState>(&key)?;
    let mut state = known.map(|doc| doc.value).unwrap_or_default();
    let own = team::own_inbox(app, team, leader.as_str())?;
    let waiting = inbox::peek(app, team, &own, usize::MAX)?.messages;
    let reminders = waiting.iter().filter(|message| is_reminder(message)).count();
    let dead = liveness::all(app, team).into_iter().filter(|(_, alive)| *alive == Some(false));
    let dead: Vec<String> = dead.map(|(agent, _)| agent).collect();
    tell_dead(app, team, &dead, known_dead);
    let seen = Snapshot::of(&task::all(app, team)?, waiting.len() - reminders, dead);
    let now = app.now_seconds();
    state.last_check_at = now;
    let mut reminded = None;
    if let Some(trigger) = decide(&state, &seen, now, heartbeat.as_secs_f64()) {
        let (injected, status) = if reminders > 0 {
            (false, "an earlier reminder waits in the leader's inbox".to_owned())
        } else {
            (true, remind(app, team, leader, &own, &seen, trigger)?)
        };
        state.last_inject_at = now;
        state.last_inject_status.clone_from(&status);
        state.last_signature.clone_from(&seen.signature);
        if trigger.heartbeat {
            state.last_heartbeat_at = now;
        }
        reminded = Some(Reminded {
            event: "leader_watch",
            team: team.to_string(),
            leader: leader.to_string(),
            injected,
            reason: match trigger {
                _ if first => "startup",
                Trigger { changed: true, .. } => "poll",
                Trigger { changed: false, .. } => "heartbeat",
            },
            redis_event: None,
            status,
        });
    }
    save(app, team, &state)?;
    Ok(reminded)
}

/// Tells hooks of agents that were found dead, of each once until it lives again.
fn tell_dead(app: &App, team: &TeamName, dead: &[String], known: &mut BTreeSet<String>) {
    known.retain(|agent| dead.contains(agent));
    for agent in dead {
        if !known.insert(agent.clone()) {
            continue;
        }
        let record = liveness::record(app, team, agent);
        let seen = record.map(|record| {
            let last = if record.ended_at.is_empty() { record.started_at } else { record.ended_at };
            last.to_string()
        });
        let event = Event::new("HeartbeatTimeout", team.as_str());
        hook::emit(app, event.with("agent_name", agent.as_str()).with("last_seen", seen));
    }
}

fn save(app: &App, team: &TeamName, state: &WatchState) -> Outcome<()> {
    let key = Key::leader_watch(team);
    let mut locked = app.store.lock(&Scope::Mail(team.clone()))?;
    let revision = app.store.backend().read(&key)?.map(|blob| blob.revision);
    locked.put(key, state, revision)?;
    Ok(())
}

/// Gives the leader a reminder: into its session, or else into its inbox. Returns what became of
/// it.
fn remind(
    app: &App,
    team: &TeamName,
    leader: &AgentName,
    own: &AgentName,
    seen: &Snapshot,
    trigger: Trigger,
) -> Outcome<String> {
    let text = reminder(leader.as_str(), seen);
    let action = next_action(team.as_str(), leader.as_str());
    let id = app.ids.hex(12);
    let envelope = Envelope {
        source: SCHEDULER.into(),
        target: leader.to_string(),
        channel: "coordinator".into(),
        message_type: "scheduler_check".into(),
        summary: text.clone(),
        evidence: evidence(seen, trigger),
        recommended_next_action: Some(action.clone()),
        dedupe_key: id.clone(),
        created_at: app.stamp(),
        ..Envelope::default()
    };
    let how = How { mode: Mode::Queue, patience: Duration::ZERO, reaction: runtime::REACTION_MAX };
    match runtime::inject(app, team, leader, &Note { id, envelope }, how) {
        Ok((_, given)) => Ok(given.status(leader)),
        Err(failure) => {
            let mut message = inbox::text(
                MessageType::Message,
                format!("{text}\n\nRecommended next action:\n{action}"),
            );
            message.summary = Some("Scheduler check".to_owned());
            let draft = Draft { message, from: Some(SCHEDULER.to_owned()) };
            inbox::deliver(app, team, own, Some(leader.to_string()), draft)?;
            Ok(format!("queued in leader inbox after injection failure: {}", failure.message()))
        }
    }
}

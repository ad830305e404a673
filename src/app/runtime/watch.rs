//! Passing the messages of an inbox on to the agent that runs, as they come.

use std::time::Duration;

use super::error::RuntimeError;
use super::give::{self, How};
use super::typing::{self, Text, Typed};
use super::{App, Mode};
use crate::app::agent_state::{self, Screens};
use crate::app::inbox::{self, Taken};
use crate::app::team as teams;
use crate::app::wait::Stop;
use crate::core::{AgentName, Outcome, TeamName, limits};
use crate::domain::agent_state::State;
use crate::domain::message::Message;
use crate::domain::runtime::{Action, Envelope, RuntimeState, Verdict, route_key};
use crate::store::{Dir, Expect, Key, Put, Scope, encode};

/// How many messages are looked at in one round.
const ROUND_MAX: i64 = 500;

/// What to watch.
pub struct Watch<'a> {
    /// The team.
    pub team: &'a TeamName,
    /// The agent.
    pub agent: &'a AgentName,
    /// How long to sleep at most when nothing is heard.
    pub poll: Duration,
    /// A request to end.
    pub stop: &'a Stop,
}

/// Passes messages on until asked to stop. `tell` hears of each message that was passed on, before
/// it leaves the inbox. A message that cannot be passed on stays in the inbox.
pub fn watch(
    app: &App,
    watch: &Watch<'_>,
    tell: &mut dyn FnMut(&Message) -> Outcome<()>,
) -> Outcome<()> {
    let inbox = teams::own_inbox(app, watch.team, watch.agent.as_str())?;
    let dirs = [Dir::inbox(watch.team, &inbox), Dir::agents(watch.team)];
    let mut changes = app.store.backend().watch(&dirs)?;
    watch.stop.wakes(&*changes);
    while !watch.stop.is_requested() {
        let mut told = None;
        if let Err(failure) = round(app, watch, &inbox, tell) {
            let code = failure.inner().code();
            if code == "agent_dead" || code == "target_not_found" {
                return Err(failure);
            }
            told = Some(failure.message());
        }
        if let Some(told) = told {
            app.warn(format!("runtime routing failed: {told}"));
        }
        changes.wait(watch.poll);
    }
    Ok(())
}

/// Messages of one sender, oldest first.
struct Bundle {
    key: String,
    envelopes: Vec<Envelope>,
}

/// One look at the inbox. Returns whether something was passed on.
fn round(
    app: &App,
    watch: &Watch<'_>,
    inbox: &AgentName,
    tell: &mut dyn FnMut(&Message) -> Outcome<()>,
) -> Outcome<()> {
    let waiting = inbox::peek(app, watch.team, inbox, limits::CLAIMS_MAX)?.messages;
    if waiting.is_empty() {
        return Ok(());
    }
    let look = agent_state::of(app, watch.team, watch.agent, Screens::All)?;
    if matches!(look.seen.state, State::Working | State::Starting | State::WaitingPermission) {
        // Its next hook, or the next look, ends this.
        return Ok(());
    }
    for bundle in bundles(&waiting, watch.agent) {
        if watch.stop.is_requested() {
            break;
        }
        let now = app.now();
        let action = change(app, watch.team, |state| state.decide(&bundle.envelopes, now))?;
        let count = match action {
            Action::Wait(_) => continue,
            Action::Inject => 1,
            Action::Flush(count) => count,
        };
        pass_on(app, watch, inbox, &bundle, count, action != Action::Inject, tell)?;
    }
    Ok(())
}

fn bundles(waiting: &[Message], agent: &AgentName) -> Vec<Bundle> {
    let mut bundles: Vec<Bundle> = Vec::new();
    for message in waiting {
        let mut envelope = give::envelope(message, agent.as_str());
        // The session is the target, whatever name the sender used.
        envelope.target = agent.to_string();
        envelope.dedupe_key = key_of(message, agent);
        let key = route_key(&envelope.source, &envelope.target);
        match bundles.iter_mut().find(|bundle| bundle.key == key) {
            Some(bundle) => bundle.envelopes.push(envelope),
            None => bundles.push(Bundle { key, envelopes: vec![envelope] }),
        }
    }
    bundles
}

/// Types the first `count` messages of a sender as one text.
fn pass_on(
    app: &App,
    watch: &Watch<'_>,
    inbox: &AgentName,
    bundle: &Bundle,
    count: usize,
    flush: bool,
    tell: &mut dyn FnMut(&Message) -> Outcome<()>,
) -> Outcome<()> {
    let (first, rest) = bundle.envelopes.split_at(count.min(bundle.envelopes.len()));
    let taken = take(app, watch.team, inbox, watch.agent, first)?;
    if taken.len() < first.len() {
        // Somebody else took some of them meanwhile; look again.
        return Ok(());
    }
    let ids: Vec<&str> = first.iter().map(|envelope| envelope.dedupe_key.as_str()).collect();
    let (envelope, id) = if flush {
        let id = crate::core::Digest::of(ids.join("\0").as_bytes()).start(12).to_owned();
        (Envelope::aggregate(first, rest.len()), id)
    } else {
        (first[0].clone(), ids[0].to_owned())
    };
    let how = How { mode: Mode::Queue, patience: Duration::ZERO, reaction: super::REACTION_MAX };
    let block = envelope.render(&id);
    let typed = typing::type_in(
        app,
        &Text {
            team: watch.team,
            agent: watch.agent,
            id: &id,
            block: &block,
            mode: how.mode,
            patience: how.patience,
            reaction: how.reaction,
        },
    );
    let now = app.now();
    match typed {
        Ok(Typed::Given | Typed::Before(_)) => {
            for message in taken.messages() {
                tell(message)?;
            }
            taken.settle(app)?;
            change(app, watch.team, |state| {
                state.report(&first[0], flush, Verdict::Given, rest, now);
            })
        }
        Err(failure) => {
            drop(taken);
            let reason = failure.message();
            change(app, watch.team, |state| {
                state.report(&first[0], flush, Verdict::Failed(&reason), &bundle.envelopes, now);
            })?;
            // That an agent is busy is nothing to be told each time.
            match failure.downcast::<RuntimeError>() {
                Some(RuntimeError::Busy { .. }) => Ok(()),
                _ => Err(failure),
            }
        }
    }
}

/// What makes a message known again.
fn key_of(message: &Message, agent: &AgentName) -> String {
    let own = message.request_id.clone().filter(|id| !id.is_empty());
    own.unwrap_or_else(|| Envelope::of(message, agent.as_str()).dedupe_key)
}

/// The messages of these envelopes, out of the inbox.
fn take(
    app: &App,
    team: &TeamName,
    inbox: &AgentName,
    agent: &AgentName,
    of: &[Envelope],
) -> Outcome<Taken> {
    let mut taken = inbox::take(app, team, inbox, ROUND_MAX)?;
    let keys: Vec<&str> = of.iter().map(|envelope| envelope.dedupe_key.as_str()).collect();
    taken.keep(|message| keys.contains(&key_of(message, agent).as_str()));
    Ok(taken)
}

/// Changes the runtime state of a team.
fn change<T>(app: &App, team: &TeamName, rule: impl FnOnce(&mut RuntimeState) -> T) -> Outcome<T> {
    let key = Key::runtime_state(team);
    let mut locked = app.store.lock(&Scope::Runtime(team.clone()))?;
    // It only says when to pass something on next: one that cannot be understood begins anew.
    let before = super::state(app, team)
        .unwrap_or_else(|_| RuntimeState { team: team.to_string(), ..RuntimeState::default() });
    let mut after = before.clone();
    let result = rule(&mut after);
    if after != before {
        let put = Put::new(key, encode(&after), Expect::Any);
        locked.commit(&crate::store::Commit { puts: vec![put], ..Default::default() })?;
    }
    Ok(result)
}

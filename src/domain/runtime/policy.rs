//! Which messages are passed on when: the first of a sender at once, those that follow within a
//! short time as one, and what could not be passed on later again.

use chrono::{DateTime, TimeDelta, Utc};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{AGGREGATE_MAX, Envelope};
use crate::core::Stamp;
use crate::domain::Extra;

/// Seconds between two messages of one sender.
const THROTTLE_SECONDS: u32 = 30;
/// Events that are kept.
const EVENTS_MAX: usize = 50;
/// Waiting messages that are kept as copies, for people to see. The messages themselves stay in
/// their inbox until they were passed on.
pub const PENDING_MAX: usize = 20;
/// Routes that are kept.
pub const ROUTES_MAX: usize = 200;

/// From whom to whom, as documents name it.
pub fn route_key(source: &str, target: &str) -> String {
    format!("{source}->{target}")
}

/// How messages are passed on in a team: `teams/<team>/runtime_state.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RuntimeState {
    /// The team.
    pub team: String,
    /// Seconds between two messages of one sender to one agent.
    pub throttle_seconds: u32,
    /// When this was written.
    pub updated_at: Stamp,
    /// What is known of each sender and reader.
    pub routes: IndexMap<String, Route>,
    /// What happened last, oldest first.
    pub recent_events: Vec<RouteEvent>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Messages from one sender to one agent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Route {
    /// Who sends.
    pub source: String,
    /// Who gets it.
    pub target: String,
    /// `direct` or `team`.
    pub channel: String,
    /// How much the last of them mattered.
    pub priority: String,
    /// `idle`, `pending`, `aggregated`, `pending_flush`, `injected`, `flushed` or `failed`.
    pub last_dispatch_status: String,
    /// When that was found.
    pub last_dispatch_at: Stamp,
    /// Why: `inject_now`, `throttled`, `flush_due`.
    pub last_decision_reason: String,
    /// When a message was passed on last.
    pub last_injected_at: Stamp,
    /// Why the last one could not be.
    pub last_error: String,
    /// How many messages wait.
    pub pending_count: usize,
    /// What the last of them say.
    pub pending_summaries: Vec<String>,
    /// Copies of the last of them.
    pub pending_envelopes: Vec<Envelope>,
    /// When the first of them was found waiting.
    pub pending_first_buffered_at: Stamp,
    /// When the last of them was found waiting.
    pub pending_last_buffered_at: Stamp,
    /// When they are passed on.
    pub flush_after: Stamp,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Something that happened to a route.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteEvent {
    /// When.
    pub timestamp: Stamp,
    /// The route.
    pub route_key: String,
    /// Who sends.
    pub source: String,
    /// Who gets it.
    pub target: String,
    /// `inject`, `aggregate`, `flush`, `injected`, `flushed` or `failed`.
    pub action: String,
    /// Why.
    pub reason: String,
    /// What it says.
    pub summary: String,
    /// How many messages wait after it.
    pub pending_count: usize,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What to do with the messages of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Pass the oldest one on, as it is.
    Inject,
    /// Pass the oldest of them on, so many, as one.
    Flush(usize),
    /// Leave them in the inbox until then.
    Wait(DateTime<Utc>),
}

/// How passing on went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The agent has it.
    Given,
    /// It does not, for this reason.
    Failed(&'a str),
}

impl Default for RuntimeState {
    fn default() -> Self {
        Self {
            team: String::new(),
            throttle_seconds: THROTTLE_SECONDS,
            updated_at: Stamp::empty(),
            routes: IndexMap::new(),
            recent_events: Vec::new(),
            extra: Extra::new(),
        }
    }
}

impl RuntimeState {
    fn throttle(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.throttle_seconds))
    }

    /// What to do with the messages `waiting` of one route, oldest first; at least one. Writes the
    /// decision down.
    pub fn decide(&mut self, waiting: &[Envelope], now: DateTime<Utc>) -> Action {
        let Some(first) = waiting.first() else { return Action::Wait(now) };
        let throttle = self.throttle();
        let route = self.route(first);
        let quiet_until = route.last_injected_at.instant().map(|at| at + throttle);
        let retry_at = route.flush_after.instant().filter(|_| route.pending_count > 0);
        let due = [quiet_until, retry_at].into_iter().flatten().max().filter(|due| *due > now);
        let buffered = route.pending_count > 0;
        let last = waiting.last().unwrap_or(first);
        route.channel.clone_from(&last.channel);
        route.priority.clone_from(&last.priority);
        route.last_dispatch_at = Stamp::at(now);
        if let Some(due) = due {
            let news = route.pending_count != waiting.len();
            route.buffer(waiting, now, due);
            route.last_dispatch_status = "aggregated".into();
            route.last_decision_reason = "throttled".into();
            if news {
                self.note(first, last, "aggregate", "throttled", None, now);
            }
            return Action::Wait(due);
        }
        if buffered {
            route.last_dispatch_status = "pending_flush".into();
            route.last_decision_reason = "flush_due".into();
            self.note(first, last, "flush", "flush_due", None, now);
            return Action::Flush(waiting.len().min(AGGREGATE_MAX));
        }
        route.last_dispatch_status = "pending".into();
        route.last_decision_reason = "inject_now".into();
        self.note(first, first, "inject", "inject_now", None, now);
        Action::Inject
    }

    /// Writes down how it went. `rest` are the messages of the route that still wait: all of them
    /// if it failed.
    pub fn report(
        &mut self,
        given: &Envelope,
        flushed: bool,
        verdict: Verdict<'_>,
        rest: &[Envelope],
        now: DateTime<Utc>,
    ) {
        let due = now + self.throttle();
        let route = self.route(given);
        route.last_dispatch_at = Stamp::at(now);
        let (status, error) = match verdict {
            Verdict::Given => {
                route.last_injected_at = Stamp::at(now);
                route.last_error = String::new();
                (if flushed { "flushed" } else { "injected" }, None)
            }
            Verdict::Failed(reason) => {
                reason.clone_into(&mut route.last_error);
                ("failed", Some(reason.to_owned()))
            }
        };
        route.last_dispatch_status = status.into();
        route.buffer(rest, now, due);
        let reason = if flushed { "flush_due" } else { "inject_now" };
        self.note(given, given, status, reason, error, now);
    }

    fn route(&mut self, envelope: &Envelope) -> &mut Route {
        let key = route_key(&envelope.source, &envelope.target);
        if !self.routes.contains_key(&key) && self.routes.len() >= ROUTES_MAX {
            // The one that was quiet longest, and for which nothing waits, if there is one.
            let quiet = self
                .routes
                .iter()
                .min_by_key(|(_, route)| (route.pending_count > 0, route.last_dispatch_at.clone()));
            if let Some(key) = quiet.map(|(key, _)| key.clone()) {
                self.routes.shift_remove(&key);
            }
        }
        self.routes.entry(key).or_insert_with(|| Route {
            source: envelope.source.clone(),
            target: envelope.target.clone(),
            last_dispatch_status: "idle".into(),
            ..Route::default()
        })
    }

    fn note(
        &mut self,
        of: &Envelope,
        about: &Envelope,
        action: &str,
        reason: &str,
        error: Option<String>,
        now: DateTime<Utc>,
    ) {
        let route_key = route_key(&of.source, &of.target);
        let pending_count = self.routes.get(&route_key).map_or(0, |route| route.pending_count);
        self.recent_events.push(RouteEvent {
            timestamp: Stamp::at(now),
            route_key,
            source: of.source.clone(),
            target: of.target.clone(),
            action: action.into(),
            reason: reason.into(),
            summary: crate::core::text::cut(&about.summary, 200).to_owned(),
            pending_count,
            error,
        });
        let over = self.recent_events.len().saturating_sub(EVENTS_MAX);
        self.recent_events.drain(..over);
        self.updated_at = Stamp::at(now);
    }
}

impl Route {
    /// What waits is exactly `waiting`, until `due`.
    fn buffer(&mut self, waiting: &[Envelope], now: DateTime<Utc>, due: DateTime<Utc>) {
        if waiting.is_empty() {
            self.pending_count = 0;
            self.pending_summaries.clear();
            self.pending_envelopes.clear();
            self.pending_first_buffered_at = Stamp::empty();
            self.pending_last_buffered_at = Stamp::empty();
            self.flush_after = Stamp::empty();
            return;
        }
        if self.pending_count == 0 {
            self.pending_first_buffered_at = Stamp::at(now);
        }
        if self.pending_count != waiting.len() {
            self.pending_last_buffered_at = Stamp::at(now);
        }
        self.pending_count = waiting.len();
        let last = |count: usize| &waiting[waiting.len().saturating_sub(count)..];
        self.pending_summaries = last(AGGREGATE_MAX)
            .iter()
            .map(|envelope| envelope.summary.clone())
            .filter(|summary| !summary.is_empty())
            .collect();
        self.pending_envelopes = last(PENDING_MAX).to_vec();
        self.flush_after = Stamp::at(due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(source: &str, summary: &str) -> Envelope {
        Envelope {
            source: source.into(),
            target: "w".into(),
            summary: summary.into(),
            ..Envelope::default()
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
    }

    fn many(count: usize) -> Vec<Envelope> {
        (0..count).map(|n| envelope("a", &format!("m{n}"))).collect()
    }

    #[test]
    fn the_first_goes_at_once_and_the_others_later_as_one() {
        let mut state = RuntimeState::default();
        let all = many(8);
        assert_eq!(state.decide(&all[..1], at(0)), Action::Inject);
        state.report(&all[0], false, Verdict::Given, &[], at(0));
        assert_eq!(state.routes["a->w"].last_dispatch_status, "injected");
        assert_eq!(state.decide(&all[1..3], at(1)), Action::Wait(at(30)));
        assert_eq!(state.routes["a->w"].pending_count, 2);
        assert_eq!(state.decide(&all[1..8], at(29)), Action::Wait(at(30)));
        assert_eq!(state.decide(&all[1..8], at(30)), Action::Flush(5));
        state.report(&all[1], true, Verdict::Given, &all[6..8], at(30));
        assert_eq!(state.routes["a->w"].last_dispatch_status, "flushed");
        assert_eq!(state.decide(&all[6..8], at(31)), Action::Wait(at(60)));
        assert_eq!(state.decide(&all[6..8], at(60)), Action::Flush(2));
        state.report(&all[6], true, Verdict::Given, &[], at(60));
        assert_eq!(state.routes["a->w"].pending_count, 0);
        assert!(state.routes["a->w"].flush_after.is_empty());
    }

    #[test]
    fn what_failed_is_tried_again_later_and_nothing_overtakes_it() {
        let mut state = RuntimeState::default();
        let all = many(2);
        assert_eq!(state.decide(&all[..1], at(0)), Action::Inject);
        state.report(&all[0], false, Verdict::Failed("gone"), &all[..1], at(0));
        let route = &state.routes["a->w"];
        assert_eq!((route.last_dispatch_status.as_str(), route.pending_count), ("failed", 1));
        assert_eq!(route.last_error, "gone");
        assert_eq!(state.decide(&all, at(1)), Action::Wait(at(30)));
        assert_eq!(state.decide(&all, at(30)), Action::Flush(2));
    }

    #[test]
    fn nothing_grows_without_end() {
        let mut state = RuntimeState::default();
        let all = many(100);
        state.decide(&all[..1], at(0));
        state.report(&all[0], false, Verdict::Given, &[], at(0));
        for n in 1..100 {
            state.decide(&all[..n], at(1));
        }
        for n in 0..300 {
            state.decide(&[envelope(&format!("s{n}"), "x")], at(2 + n));
        }
        assert_eq!(state.recent_events.len(), EVENTS_MAX);
        assert_eq!(state.routes.len(), ROUTES_MAX);
        assert!(state.routes.contains_key("a->w"), "messages wait on this one");
        assert_eq!(state.routes["a->w"].pending_envelopes.len(), PENDING_MAX);
        assert_eq!(state.routes["a->w"].pending_summaries.len(), AGGREGATE_MAX);
        assert_eq!(state.routes["a->w"].pending_count, 99);
    }

    #[test]
    fn the_document_of_python_is_read_and_its_fields_survive() {
        let text = r#"{"team":"t","throttleSeconds":30,"updatedAt":"","routes":{"a->w":{"source":"a","target":"w","pendingCount":0,"x":1}},"recentEvents":[],"y":2}"#;
        let state: RuntimeState = serde_json::from_str(text).expect("it is read");
        let back = serde_json::to_value(&state).expect("JSON");
        assert_eq!((&back["routes"]["a->w"]["x"], &back["y"]), (&1.into(), &2.into()));
    }
}

//! Which transition the model makes, and what that does.

use std::collections::BTreeMap;

use clawteam::domain::workflow::definition::{EndStatus, Kind, OnTimeout};
use clawteam::domain::workflow::run::observe::{Ask, Verdict};

use super::super::world::Answer;
use super::{Life, Model, Standing};

/// A transition.
pub(crate) enum Choice {
    Operator(Ask),
    Deadline,
    Timeout(usize),
    Approval(usize, Verdict),
    Settled(usize, Answer),
    Timer(usize),
    Signal(usize),
    Again(usize),
    Start(usize),
    Join(String),
    Complete,
}

impl Model {
    /// The table of transitions, from the most urgent to the least.
    pub(crate) fn choose(
        &self,
        seen: &BTreeMap<String, Answer>,
        asks: &[Ask],
        now: u64,
    ) -> Option<Choice> {
        if let Some(ask) = asks.first() {
            return Some(Choice::Operator(ask.clone()));
        }
        if self.ended() {
            return None;
        }
        if let Some(span) = self.definition.limits.deadline
            && super::T0 + span.as_millis() <= now
        {
            return Some(Choice::Deadline);
        }
        let held = self.standing == Standing::Paused;
        let answer = |visit: usize| seen.get(&self.name(visit));
        let first = |wanted: &dyn Fn(usize) -> Option<u64>| {
            let all = (0..self.visits.len()).filter_map(|visit| {
                let order = self.order(&self.visits[visit].node);
                Some((wanted(visit)?, order, self.visits[visit].number, visit))
            });
            all.min().map(|found| found.3)
        };
        let out = |visit: usize| self.visits[visit].life == Life::Dispatched;
        let past = |at: Option<u64>| at.filter(|at| *at <= now);
        if !held {
            let late =
                |v: usize| past(self.visits[v].due.filter(|_| out(v) && answer(v).is_none()));
            if let Some(visit) = first(&|v| late(v).filter(|_| !self.comes_now(v, now))) {
                return Some(Choice::Timeout(visit));
            }
        }
        let approval = |v: usize| match answer(v) {
            Some(Answer::Verdict(verdict, _)) if out(v) => Some(*verdict),
            _ => None,
        };
        if let Some(visit) = first(&|v| approval(v).map(|_| 0)) {
            return Some(Choice::Approval(visit, approval(visit)?));
        }
        if let Some(visit) = first(&|v| answer(v).filter(|_| out(v)).map(|_| 0)) {
            return Some(Choice::Settled(visit, answer(visit)?.clone()));
        }
        if held {
            return None;
        }
        if let Some(visit) = first(&|v| Some(0).filter(|_| self.hears(v))) {
            return Some(Choice::Signal(visit));
        }
        if let Some(visit) = first(&|v| past(self.visits[v].wake.filter(|_| out(v)))) {
            return Some(Choice::Timer(visit));
        }
        let waits = |v: usize| self.visits[v].life == Life::Backoff;
        if let Some(visit) = first(&|v| past(self.visits[v].wake.filter(|_| waits(v)))) {
            return Some(Choice::Again(visit));
        }
        let ready = first(&|v| Some(0).filter(|_| self.visits[v].life == Life::Ready));
        if let Some(visit) = ready.filter(|_| self.has_room()) {
            return Some(Choice::Start(visit));
        }
        self.when_nothing_begins()
    }

    /// Joins, and the end.
    fn when_nothing_begins(&self) -> Option<Choice> {
        if let Some(join) = self.join_that_can() {
            return Some(Choice::Join(join));
        }
        if (0..self.visits.len()).any(|visit| self.lives(visit)) {
            return None;
        }
        match self.join_that_must() {
            Some(join) => Some(Choice::Join(join)),
            None => Some(Choice::Complete),
        }
    }

    /// Whether a visit has what it waits for at this moment, so that it is not late.
    fn comes_now(&self, visit: usize, now: u64) -> bool {
        self.hears(visit) || self.visits[visit].wake.is_some_and(|at| at <= now)
    }

    /// Whether a visit waits for a signal that is there, and not for somebody before it.
    fn hears(&self, visit: usize) -> bool {
        let mut free = self.signals.clone();
        for (ix, it) in self.visits.iter().enumerate() {
            let node = self.node(&it.node);
            let Kind::Wait(wait) = &node.kind else { continue };
            let at = free.iter().position(|signal| Some(signal) == wait.signal.as_ref());
            let Some(at) = at.filter(|_| it.life == Life::Dispatched) else { continue };
            free.remove(at);
            if ix == visit {
                return true;
            }
        }
        false
    }

    /// Whether fewer work than may. Who waits does not work.
    fn has_room(&self) -> bool {
        let works = self.visits.iter().filter(|visit| {
            let task = matches!(self.node(&visit.node).kind, Kind::Task(_));
            task && visit.life == Life::Dispatched
        });
        (works.count() as u32) < self.definition.limits.max_parallel.unwrap_or(8)
    }

    /// Makes a transition, and says it in words.
    pub(crate) fn make(&mut self, choice: Choice) -> String {
        match choice {
            Choice::Operator(ask) => self.operate(&ask),
            Choice::Deadline => {
                self.finish(Standing::Failed, "deadline");
                "deadline".into()
            }
            Choice::Timeout(visit) => {
                self.call_off(visit);
                self.too_late(visit);
                format!("timeout {}", self.name(visit))
            }
            Choice::Approval(visit, verdict) => {
                self.decided(visit, verdict);
                format!("approval {}", self.name(visit))
            }
            Choice::Settled(visit, answer) => {
                match answer {
                    Answer::Fail(code, _) => self.failed(visit, "failure", code),
                    Answer::Lost => self.lost(visit),
                    _ => self.succeeded(visit, "success"),
                }
                format!("settled {}", self.name(visit))
            }
            Choice::Timer(visit) => {
                self.succeeded(visit, "success");
                format!("settled {}", self.name(visit))
            }
            Choice::Signal(visit) => {
                let node = self.node(&self.visits[visit].node);
                let Kind::Wait(wait) = &node.kind else { panic!("no wait") };
                let at = self
                    .signals
                    .iter()
                    .position(|s| Some(s) == wait.signal.as_ref())
                    .expect("it is there");
                self.signals.remove(at);
                self.succeeded(visit, "success");
                format!("settled {}", self.name(visit))
            }
            Choice::Again(visit) => {
                self.visits[visit].life = Life::Ready;
                self.visits[visit].wake = None;
                format!("again {}", self.name(visit))
            }
            Choice::Start(visit) => {
                self.start(visit);
                format!("start {}", self.name(visit))
            }
            Choice::Join(join) => {
                self.fire(&join);
                format!("join {join}")
            }
            Choice::Complete => {
                self.complete();
                "complete".into()
            }
        }
    }

    fn complete(&mut self) {
        let needed = self.nodes.iter().filter(|(_, node)| node.required);
        let missing = needed.clone().any(|(id, _)| {
            !self.visits.iter().any(|v| v.node == *id && v.life == Life::Succeeded && !v.refused)
        });
        if missing {
            self.finish(Standing::Failed, "required_not_reached");
        } else {
            self.finish(Standing::Completed, "");
        }
    }

    fn start(&mut self, visit: usize) {
        let node = self.node(&self.visits[visit].node);
        self.visits[visit].attempt += 1;
        if let Some(when) = &node.when {
            match self.holds(when) {
                Some(true) => {}
                Some(false) => return self.skipped(visit, node.skip_policy),
                None => return self.failed(visit, "failure", "cond_error"),
            }
        }
        let own = node.timeout.map(|span| self.now + span.as_millis());
        self.visits[visit].due = None;
        match &node.kind {
            Kind::Task(_) => {
                self.visits[visit].life = Life::Dispatched;
                self.visits[visit].due = own.or(Some(self.now + 2 * 3600 * 1000));
                self.cause("task", visit);
            }
            Kind::Approval(approval) => {
                self.visits[visit].life = Life::Dispatched;
                let waits_on = approval.on_timeout == OnTimeout::None;
                self.visits[visit].due = own.filter(|_| !waits_on);
                self.cause("ask", visit);
            }
            Kind::Delay(delay) => {
                self.visits[visit].life = Life::Dispatched;
                let span = delay.span.expect("a time").as_millis();
                self.visits[visit].wake = Some(self.now + span);
            }
            Kind::Wait(_) => {
                self.visits[visit].life = Life::Dispatched;
                self.visits[visit].due = own;
            }
            Kind::Condition(condition) => match self.holds(&condition.expr) {
                Some(true) => self.succeeded(visit, "yes"),
                Some(false) => self.succeeded(visit, "no"),
                None => self.failed(visit, "failure", "cond_error"),
            },
            Kind::Set(set) => {
                for (name, value) in &set.vars {
                    self.vars.insert(name.clone(), value.parse().expect("a number"));
                }
                self.succeeded(visit, "success");
            }
            Kind::Loop(looping) => self.round(visit, looping),
            Kind::End(end) => {
                self.visits[visit].life = Life::Succeeded;
                match end.status {
                    EndStatus::Completed => self.complete(),
                    EndStatus::Failed => self.finish(Standing::Failed, "ended_as_failed"),
                }
            }
            _ => self.succeeded(visit, "success"),
        }
    }
}

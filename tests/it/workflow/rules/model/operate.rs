//! What operators can do to the model.

use clawteam::domain::workflow::run::observe::Ask;

use super::{Life, Model, Standing, Token};

impl Model {
    pub(crate) fn operate(&mut self, ask: &Ask) -> String {
        let word = if self.takes(ask) { ask.verb() } else { "refuse" };
        word.to_owned()
    }

    /// Does what is asked, if it can be done now.
    fn takes(&mut self, ask: &Ask) -> bool {
        let ended = self.ended();
        match ask {
            Ask::Stop { .. } if !ended => self.finish(Standing::Stopped, "stopped"),
            Ask::Pause { .. } if self.standing == Standing::Running => {
                self.standing = Standing::Paused;
                self.paused_at = Some(self.now);
            }
            Ask::Resume if self.standing == Standing::Paused => {
                // What failed and led nowhere must be tried again or skipped.
                if self.visits.iter().any(|visit| visit.life == Life::Failed && !visit.led_on) {
                    return false;
                }
                self.resume();
            }
            Ask::Set { vars } if !ended => {
                for (name, value) in vars {
                    self.vars.insert(name.clone(), value.as_i64().expect("a number"));
                }
            }
            Ask::Signal { name, .. } if !ended => self.signals.push(name.clone()),
            Ask::Skip { act, .. } if !ended => return self.skip(act),
            Ask::Retry { .. } => {
                let running = matches!(self.standing, Standing::Running | Standing::Completed);
                return !running && self.retry();
            }
            _ => return false,
        }
        true
    }

    fn resume(&mut self) {
        let shift = self.now - self.paused_at.take().expect("a pause");
        self.standing = Standing::Running;
        for visit in &mut self.visits {
            if matches!(visit.life, Life::Ready | Life::Dispatched | Life::Backoff) {
                visit.due = visit.due.map(|at| at + shift);
                visit.wake = visit.wake.map(|at| at + shift);
            }
        }
    }

    fn skip(&mut self, act: &str) -> bool {
        let found = (0..self.visits.len()).find(|visit| self.name(*visit) == act);
        let open = |visit: &usize| {
            let failed = self.visits[*visit].life == Life::Failed && !self.visits[*visit].led_on;
            self.lives(*visit) || failed
        };
        let Some(visit) = found.filter(open) else { return false };
        self.call_off(visit);
        self.succeeded(visit, "success");
        true
    }

    /// What failed and led nowhere, and what was called off when the run ended, begins anew.
    fn retry(&mut self) -> bool {
        let open = |visit: &usize| {
            let it = &self.visits[*visit];
            matches!(it.life, Life::Failed | Life::Cancelled) && !it.led_on
        };
        let again: Vec<usize> = (0..self.visits.len()).filter(open).collect();
        if again.is_empty() {
            return false;
        }
        if self.standing == Standing::Paused {
            self.resume();
        }
        self.standing = Standing::Running;
        self.fault.clear();
        for visit in again {
            if self.ended() {
                break;
            }
            self.visits[visit].led_on = true;
            let old = self.visits[visit].clone();
            let asked = format!("ask {}/a{}", self.name(visit), old.attempt);
            if self.effects.contains(&asked) {
                // What was asked before opens nothing any more.
                let effect = format!("withdraw {}/a{}", self.name(visit), old.attempt);
                self.effects.insert(effect);
            }
            if old.via.is_empty() {
                let fresh = self.visit(&old.node, old.parents);
                if let Some(round) = self.rounds.get_mut(&old.node)
                    && round.back == Some(visit)
                {
                    round.back = Some(fresh);
                }
                continue;
            }
            // A join waits again, with what it took.
            for (edge, parent) in old.via.into_iter().zip(old.parents) {
                let token = Token { join: old.node.clone(), edge, visit: parent };
                self.tokens.insert(0, token);
            }
        }
        true
    }
}

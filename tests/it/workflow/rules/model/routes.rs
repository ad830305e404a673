//! Where the model goes on after a visit.

use clawteam::domain::workflow::definition::{
    Kind, Loop, OnFailure, OnTimeout, RetryCause, SkipPolicy,
};
use clawteam::domain::workflow::run::observe::Verdict;

use super::{Life, Model, Round, Standing};

impl Model {
    pub(crate) fn succeeded(&mut self, visit: usize, port: &str) {
        self.visits[visit].life = Life::Succeeded;
        self.follow(visit, port);
    }

    pub(crate) fn skipped(&mut self, visit: usize, policy: SkipPolicy) {
        self.visits[visit].life = Life::Skipped;
        if policy == SkipPolicy::Follow {
            self.follow(visit, "success");
        }
    }

    /// Edges of a port that are there at all.
    fn drawn(&self, visit: usize, port: &str) -> Vec<usize> {
        let node = &self.visits[visit].node;
        // A loop that is passed over has left itself.
        let loops = matches!(self.node(node).kind, Kind::Loop(_));
        let port = if loops && port == "success" { "done" } else { port };
        let of = |way: &super::Way| way.drawn && way.from == *node && way.port == port;
        (0..self.ways.len()).filter(|way| of(&self.ways[*way])).collect()
    }

    /// The result leaves through a port.
    pub(crate) fn follow(&mut self, visit: usize, port: &str) {
        self.visits[visit].refused = matches!(port, "rejected" | "expired");
        self.visits[visit].led_on = true;
        let ways = self.drawn(visit, port);
        let decides = matches!(self.node(&self.visits[visit].node).kind, Kind::Condition(_));
        if ways.is_empty() {
            if decides {
                self.leads_nowhere(visit, "no_branch");
            }
            return;
        }
        let mut taken = Vec::new();
        for way in &ways {
            let way_of = &self.ways[*way];
            if way_of.otherwise {
                continue;
            }
            match way_of.when.as_ref().map_or(Some(true), |when| self.holds(when)) {
                Some(true) => taken.push(*way),
                Some(false) => {}
                None => return self.leads_nowhere(visit, "cond_error"),
            }
        }
        if taken.is_empty() {
            taken = ways.into_iter().filter(|way| self.ways[*way].otherwise).collect();
        }
        if taken.is_empty() {
            return self.leads_nowhere(visit, "no_edge_matched");
        }
        for way in taken {
            if !self.ended() {
                self.arrive(visit, way);
            }
        }
    }

    /// The run fails because of where a visit does not lead.
    fn leads_nowhere(&mut self, visit: usize, code: &str) {
        self.visits[visit].life = Life::Failed;
        self.visits[visit].led_on = false;
        self.finish(Standing::Failed, code);
    }

    /// An attempt did not succeed.
    pub(crate) fn failed(&mut self, visit: usize, why: &str, code: &str) {
        let node = self.node(&self.visits[visit].node);
        let retry = node.retry.clone().unwrap_or_default();
        let cause = match why {
            "timeout" => RetryCause::Timeout,
            "lost" => RetryCause::Lost,
            _ => RetryCause::Failure,
        };
        let again = retry.causes.is_empty() || retry.causes.contains(&cause);
        if again && self.visits[visit].attempt <= retry.max.unwrap_or(0) {
            let mut wait = retry.delay.map_or(5000, clawteam::core::Span::as_millis);
            for _ in 1..self.visits[visit].attempt {
                wait *= 2;
            }
            self.visits[visit].life = Life::Backoff;
            self.visits[visit].wake = Some(self.now + wait.min(600_000));
            return;
        }
        self.visits[visit].life = Life::Failed;
        for port in [why, "failure"] {
            if !self.drawn(visit, port).is_empty() {
                return self.follow(visit, port);
            }
        }
        match node.on_failure.clone().unwrap_or_default() {
            OnFailure::Fail => self.finish(Standing::Failed, code),
            OnFailure::Continue => self.follow(visit, "success"),
            OnFailure::Pause => {
                if self.standing == Standing::Running {
                    self.standing = Standing::Paused;
                    self.paused_at = Some(self.now);
                }
            }
            OnFailure::Route(to) => {
                self.visits[visit].led_on = true;
                self.visit(&to, vec![visit]);
            }
        }
    }

    pub(crate) fn lost(&mut self, visit: usize) {
        self.call_off(visit);
        self.failed(visit, "lost", "lost");
    }

    /// The time of an attempt is over.
    pub(crate) fn too_late(&mut self, visit: usize) {
        let node = self.node(&self.visits[visit].node);
        match &node.kind {
            Kind::Approval(approval) => match approval.on_timeout {
                OnTimeout::Approve => self.succeeded(visit, "success"),
                _ => self.expired(visit),
            },
            Kind::Wait(_) if !self.drawn(visit, "expired").is_empty() => {
                self.succeeded(visit, "expired");
            }
            _ => self.failed(visit, "timeout", "timeout"),
        }
    }

    /// Nobody decided in time: that is no reason to work again.
    fn expired(&mut self, visit: usize) {
        self.visits[visit].life = Life::Succeeded;
        for port in ["expired", "rejected"] {
            if !self.drawn(visit, port).is_empty() {
                return self.follow(visit, port);
            }
        }
        self.visits[visit].life = Life::Failed;
        self.finish(Standing::Failed, "approval_expired");
    }

    pub(crate) fn decided(&mut self, visit: usize, verdict: Verdict) {
        let id = self.visits[visit].node.clone();
        let node = self.node(&id);
        let Kind::Approval(approval) = &node.kind else { panic!("no approval") };
        match verdict {
            Verdict::Approved => {
                self.cause("consume", visit);
                self.succeeded(visit, "success");
            }
            Verdict::Expired => self.expired(visit),
            Verdict::Cancelled => {
                self.visits[visit].life = Life::Failed;
                self.finish(Standing::Failed, "approval_cancelled");
            }
            Verdict::Rejected => {
                let so_far = self.reworks.get(&id).copied().unwrap_or(0);
                let may = so_far < approval.max_rework.unwrap_or(3);
                if may && !approval.rework.is_empty() {
                    self.visits[visit].life = Life::Succeeded;
                    self.visits[visit].led_on = true;
                    self.visits[visit].refused = true;
                    self.reworks.insert(id, so_far + 1);
                    for node in &approval.rework {
                        if !self.ended() {
                            self.visit(node, vec![visit]);
                        }
                    }
                } else if self.drawn(visit, "rejected").is_empty() {
                    self.visits[visit].life = Life::Failed;
                    self.finish(Standing::Failed, "approval_rejected");
                } else {
                    self.succeeded(visit, "rejected");
                }
            }
        }
    }

    /// A loop is visited: for the first time, or after a round.
    pub(crate) fn round(&mut self, visit: usize, looping: &Loop) {
        let id = self.visits[visit].node.clone();
        let goes_on = self.rounds.get(&id).copied().filter(|round| round.back == Some(visit));
        let number = goes_on.map_or(0, |round| round.number + 1);
        let more = self.holds(looping.condition.as_ref().expect("a `while`"));
        if more == Some(true) && number >= looping.max_iterations.unwrap_or(50) {
            return self.failed(visit, "failure", "max_iterations");
        }
        let Some(inside) = more else { return self.failed(visit, "failure", "cond_error") };
        self.rounds.insert(id, Round { visit, number, inside, back: None });
        self.succeeded(visit, if inside { "body" } else { "done" });
    }

    /// A result comes to a loop: to enter it, or to end a round.
    pub(crate) fn comes_to_loop(&mut self, visit: usize, way: usize) {
        let id = self.ways[way].to.clone();
        let present = self.rounds.get(&id).copied();
        let descends = |of: usize| self.descends(visit, of);
        if present.is_none() || !self.is_in_body(&self.ways[way].from, &id) {
            self.visit(&id, vec![visit]);
            return;
        }
        let round = present.expect("a round");
        let older = |it: usize| self.visits[it].node == id && descends(it);
        if descends(round.visit) {
            if !round.inside {
                self.visit(&id, vec![visit]);
            } else if round.back.is_none() {
                let back = self.visit(&id, vec![visit]);
                self.rounds.get_mut(&id).expect("a round").back = Some(back);
            }
        } else if !(0..self.visits.len()).any(older) {
            self.visit(&id, vec![visit]);
        }
    }

    /// Whether a node can be come to from the body of a loop before that is left.
    fn is_in_body(&self, node: &str, looping: &str) -> bool {
        let mut body: Vec<String> = Vec::new();
        loop {
            let size = body.len();
            for way in self.ways.iter() {
                let first = way.from == looping && way.port == "body";
                let next = body.contains(&way.from);
                if (first || next) && way.to != looping && !body.contains(&way.to) {
                    body.push(way.to.clone());
                }
            }
            if body.len() == size {
                return body.iter().any(|known| known == node);
            }
        }
    }
}

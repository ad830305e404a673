//! What a record does to the state of a run. Pure and total: whatever a record says, there is a
//! state after it.

mod finish;

use std::collections::BTreeSet;

use crate::domain::workflow::definition::{JoinMode, Kind};
use crate::domain::workflow::graph::{Graph, NodeIx, REWORK};
use crate::domain::workflow::run::effect::{Op, call_off, effect_key};
use crate::domain::workflow::run::lineage;
use crate::domain::workflow::run::record::{Begin, Dispatch, Next, Operation, Record, Settled, Tr};
use crate::domain::workflow::run::state::{
    Act, ActState, Fault, Feedback, Millis, Run, Signal, Status, Work,
};

/// How many visits a clean-up may take.
pub const CLEAN_UP_VISITS_MAX: u32 = 20;

/// How many requests are remembered that were taken up.
const TAKEN_UP_MAX: usize = 64;

/// The state after `record`.
#[must_use]
pub fn apply(graph: &Graph, run: Run, record: &Record) -> Run {
    let mut change = Change { graph, run };
    change.record(record);
    lineage::prune(graph, &mut change.run);
    change.run
}

/// The id of a visit.
pub fn act_id(node: &str, visit: u32) -> String {
    format!("{node}#{visit}")
}

struct Change<'g> {
    graph: &'g Graph,
    run: Run,
}

impl Change<'_> {
    fn record(&mut self, record: &Record) {
        let run = &mut self.run;
        run.now = run.now.max(record.now);
        run.outbox.retain(|effect| !record.acked.contains(&effect.key));
        let expected = run.rev + 1;
        run.rev = record.rev;
        if record.rev != expected {
            let message = format!("record {} follows record {}", record.rev, expected - 1);
            return self.finish(Status::Failed, Some(Fault::new("corrupt_record", message)));
        }
        run.started_at.get_or_insert(run.now);
        self.transition(&record.tr);
        let steps = self.graph.bounds.steps;
        let asked = matches!(record.tr, Tr::Operator { .. });
        // A clean-up has a bound of its own.
        if self.run.rev > u64::from(steps) && !asked && self.run.ending.is_none() {
            let message = format!("the run has taken the {steps} steps that it may take");
            self.finish(Status::Failed, Some(Fault::new("max_steps", message)));
        }
    }

    /// Whether a record can have been made in this state.
    fn fits(&self, tr: &Tr) -> bool {
        let is = |id: &String, state: ActState| {
            self.run.acts.get(id).filter(|act| act.state == state).map(|act| act.attempt)
        };
        match tr {
            Tr::Settle { act, attempt, .. } => is(act, ActState::Dispatched) == Some(*attempt),
            Tr::Verify { act, .. } | Tr::Part { act, .. } => {
                is(act, ActState::Dispatched).is_some()
            }
            Tr::Again { act } => is(act, ActState::Backoff).is_some(),
            Tr::Start { act, attempt, .. } => {
                is(act, ActState::Ready).is_some_and(|before| before + 1 == *attempt)
            }
            Tr::Join { node, take, drop, .. } => {
                let place = self.run.places.get(node);
                let waits = |edge, act| {
                    place
                        .is_some_and(|p| p.get(edge).is_some_and(|q: &Vec<String>| q.contains(act)))
                };
                take.iter().chain(drop).all(|(edge, act)| waits(edge, act))
            }
            _ => true,
        }
    }

    fn transition(&mut self, tr: &Tr) {
        let ended = self.run.status.is_terminal();
        if !ended && !self.fits(tr) {
            let what = tr.subject().unwrap_or_default();
            let message = format!("record {} does not fit: {} {what}", self.run.rev, tr.word());
            return self.finish(Status::Failed, Some(Fault::new("corrupt_record", message)));
        }
        match tr {
            Tr::Operator { request, by, does } => self.operate(request, by, does),
            Tr::Fork { .. } => self.fork(),
            _ if self.run.status.is_terminal() => {}
            Tr::Deadline => {
                let fault = Fault::new("deadline", "the run took longer than it may");
                self.finish(Status::Failed, Some(fault));
            }
            Tr::Verify { act, output, artifacts, effects } => {
                if let Some(act) = self.run.acts.get_mut(act) {
                    act.output = Some(output.clone());
                    act.artifacts.clone_from(artifacts);
                    act.due_at = None;
                    if let Some(Work::Task { id }) = &act.work {
                        act.work = Some(Work::Verify { id: id.clone() });
                    }
                    self.run.outbox.extend(effects.iter().cloned());
                }
            }
            Tr::Settle { act, cause, result, .. } => {
                if let crate::domain::workflow::run::record::Cause::Signal { index } = cause
                    && *index < self.run.signals.len()
                {
                    self.run.signals.remove(*index);
                }
                self.settle(act, result);
            }
            Tr::Part { act, parts, work, due_at, effects } => {
                if let Some(act) = self.run.acts.get_mut(act) {
                    act.parts = Some(parts.clone());
                    act.due_at = *due_at;
                    if work.is_some() {
                        act.work.clone_from(work);
                    }
                    self.run.outbox.extend(effects.iter().cloned());
                }
            }
            Tr::Again { act } => {
                if let Some(act) = self.run.acts.get_mut(act) {
                    act.state = ActState::Ready;
                    act.ready_at = self.run.now;
                    act.wake_at = None;
                }
            }
            Tr::Start { act, attempt, begin } => self.start(act, *attempt, begin),
            Tr::Join { node, take, drop, cancel, result, .. } => {
                self.join(node, take, drop, cancel, result.as_ref());
            }
            Tr::EffectDead { key, error } => {
                let message = format!("'{key}' cannot be done: {error}");
                self.pause(Fault::new("effect_dead", message));
            }
            Tr::Complete { outputs, fault } => {
                self.run.outputs.clone_from(outputs);
                let status = if fault.is_some() { Status::Failed } else { Status::Completed };
                self.finish(status, fault.clone());
            }
        }
    }

    fn operate(&mut self, request: &str, by: &str, does: &Operation) {
        self.push(format!("request:{request}"), Op::DropRequest { id: request.to_owned() });
        self.run.taken_up.push(request.to_owned());
        if self.run.taken_up.len() > TAKEN_UP_MAX {
            self.run.taken_up.remove(0);
        }
        match does {
            Operation::Stop { reason, kill } => {
                if *kill {
                    self.stop_agents();
                }
                let said = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                let fault = Fault::new("stopped", format!("stopped by {by}{said}"));
                self.finish(Status::Stopped, Some(fault));
            }
            Operation::Pause { reason } => {
                let said = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                self.pause(Fault::new("paused", format!("paused by {by}{said}")));
            }
            Operation::Resume { shift } => {
                self.shift(*shift);
                self.run.status = Status::Running;
                self.run.paused_at = None;
                self.run.fault = None;
            }
            Operation::Retry { acts, reset_feedback } => self.retry(acts, *reset_feedback),
            Operation::Skip { act, result } => {
                self.call_off(act, "skipped by an operator");
                self.settle(act, result);
            }
            Operation::Set { vars } => {
                self.run.vars.extend(vars.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
            Operation::Signal { name, data } => self.run.signals.push(Signal {
                name: name.clone(),
                data: data.clone(),
                at: self.run.now,
                by: by.to_owned(),
            }),
            Operation::Refuse { .. } => {}
        }
    }

    fn stop_agents(&mut self) {
        let working = self.run.acts.values().filter(|act| act.state == ActState::Dispatched);
        let agents: BTreeSet<String> = working.filter_map(|act| act.assignee.clone()).collect();
        for agent in agents {
            let key = format!("stop:{}:{agent}", self.run.rev);
            self.push(key, Op::StopAgent { agent });
        }
    }

    fn shift(&mut self, by: Millis) {
        let later = |time: &mut Option<Millis>| {
            if let Some(time) = time {
                *time += by;
            }
        };
        for act in self.run.acts.values_mut().filter(|act| act.state.is_live()) {
            later(&mut act.due_at);
            later(&mut act.wake_at);
        }
    }

    /// New visits in place of those that failed or were called off. A join gets back what it took,
    /// and waits again.
    fn retry(&mut self, acts: &[String], reset_feedback: bool) {
        if let Some(since) = self.run.paused_at {
            self.shift(self.run.now.saturating_sub(since));
        }
        self.run.status = Status::Running;
        self.run.fault = None;
        self.run.paused_at = None;
        self.run.ended_at = None;
        self.run.ending = None;
        for id in acts {
            if self.run.status.is_terminal() {
                // A bound does not allow for more.
                break;
            }
            let Some(old) = self.run.acts.get_mut(id) else { continue };
            // It has a follower now, which must not be tried again in its place.
            old.port.get_or_insert_with(|| "retried".to_owned());
            let old = old.clone();
            if let Some(Work::Approval { id: approval }) = &old.work {
                let reason = format!("{id} is tried again");
                let key = effect_key(id, old.attempt, "void");
                self.push(key, Op::CancelApproval { id: approval.clone(), reason });
            }
            let Some(node) = self.graph.find(&old.node) else { continue };
            if !old.via.is_empty() && matches!(self.graph.nodes[node].node.kind, Kind::Join(_)) {
                let edges = self.run.places.entry(old.node).or_default();
                for (edge, parent) in old.via.into_iter().zip(old.parents) {
                    edges.entry(edge).or_default().insert(0, parent);
                }
                continue;
            }
            let feedback = if reset_feedback { Vec::new() } else { old.feedback };
            let fresh = self.visit(node, old.parents, old.via, feedback);
            let visit = self.run.acts.get(&fresh).map(|act| act.visit);
            if let Some(rounds) = self.run.rounds.get_mut(&old.node)
                && rounds.back == Some(old.visit)
            {
                rounds.back = visit;
            }
        }
    }

    fn fork(&mut self) {
        self.run.outbox.clear();
        for act in self.run.acts.values_mut().filter(|act| act.state.is_live()) {
            *act = Act {
                node: act.node.clone(),
                visit: act.visit,
                parents: act.parents.clone(),
                via: act.via.clone(),
                since: act.since.clone(),
                feedback: act.feedback.clone(),
                ready_at: self.run.now,
                ..Act::default()
            };
        }
    }

    fn start(&mut self, id: &str, attempt: u32, begin: &Begin) {
        let now = self.run.now;
        let Some(act) = self.run.acts.get_mut(id) else { return };
        act.attempt = attempt;
        act.began_at = Some(now);
        match begin {
            Begin::Done { result, vars, rounds } => {
                let node = act.node.clone();
                if let Some(rounds) = rounds {
                    self.run.rounds.insert(node, rounds.clone());
                }
                self.run.vars.extend(vars.iter().map(|(k, v)| (k.clone(), v.clone())));
                self.settle(id, result);
            }
            Begin::Skipped { next } => {
                let reached = self.run.reached.len();
                let settled = Settled {
                    output: None,
                    artifacts: Vec::new(),
                    error: None,
                    next: next.clone(),
                    effects: Vec::new(),
                };
                self.settle(id, &settled);
                // Not needed is not the same as done.
                self.run.reached.truncate(reached);
                if let Some(act) = self.run.acts.get_mut(id)
                    && act.state == ActState::Succeeded
                {
                    act.state = ActState::Skipped;
                }
            }
            Begin::Dispatched(dispatch) => {
                let Dispatch { work, assignee, pool, due_at, wake_at, parts, effects } =
                    &**dispatch;
                act.state = ActState::Dispatched;
                act.work.clone_from(work);
                act.assignee.clone_from(assignee);
                act.due_at = *due_at;
                act.wake_at = *wake_at;
                if parts.is_some() {
                    act.parts.clone_from(parts);
                }
                if let (Some(pool), Some(assignee)) = (pool, assignee) {
                    self.run.turns.insert(pool.clone(), assignee.clone());
                }
                self.run.outbox.extend(effects.iter().cloned());
            }
        }
    }

    /// Takes note of what an attempt came to, and goes on.
    fn settle(&mut self, id: &str, result: &Settled) {
        self.run.outbox.extend(result.effects.iter().cloned());
        let now = self.run.now;
        let Some(act) = self.run.acts.get_mut(id) else { return };
        act.error.clone_from(&result.error);
        if let Next::Fail { fault } = &result.next {
            // What the run fails at is what a retry begins anew.
            act.error.get_or_insert_with(|| fault.clone());
        }
        if result.output.is_some() {
            act.output.clone_from(&result.output);
        }
        if !result.artifacts.is_empty() {
            act.artifacts.clone_from(&result.artifacts);
        }
        act.due_at = None;
        act.wake_at = None;
        let node = act.node.clone();
        if let Next::Retry { at } = result.next {
            if let Some(Fault { code, .. }) = &result.error
                && code == "lost"
                && let Some(agent) = act.assignee.take()
            {
                act.lost.push(agent);
            }
            act.state = ActState::Backoff;
            act.wake_at = Some(at);
            return;
        }
        act.ended_at = Some(now);
        act.state = if act.error.is_some() { ActState::Failed } else { ActState::Succeeded };
        if let Next::Follow { port, .. } | Next::Visit { port, .. } = &result.next {
            act.port = Some(port.clone());
        }
        if act.state == ActState::Succeeded {
            self.reach(&node, &result.next);
        }
        self.go_on(id, &node, &result.next);
    }

    /// Remembers that a node succeeded that must. A refusal is no success.
    fn reach(&mut self, node: &str, next: &Next) {
        let refused = matches!(next, Next::Follow { port, .. } | Next::Visit { port, .. }
            if matches!(port.as_str(), "rejected" | "expired" | REWORK));
        let wanted = self.graph.required().any(|required| required == node);
        if wanted && !refused && !self.run.reached.iter().any(|known| known == node) {
            self.run.reached.push(node.to_owned());
        }
    }

    fn go_on(&mut self, id: &str, node: &str, next: &Next) {
        match next {
            Next::Follow { port, edges } => {
                self.forget_feedback(id, node, port);
                for edge in edges {
                    if self.run.status.is_terminal() {
                        break;
                    }
                    self.emit(edge, id);
                }
            }
            Next::Visit { port, nodes, feedback } => {
                if port == REWORK {
                    *self.run.rework.entry(node.to_owned()).or_insert(0) += 1;
                }
                let inherited = self.run.acts.get(id).map(|act| act.feedback.clone());
                let mut all = inherited.unwrap_or_default();
                all.extend(feedback.clone());
                for to in nodes {
                    let Some(to) = self.graph.find(to) else { continue };
                    if !self.run.status.is_terminal() {
                        self.visit(to, vec![id.to_owned()], Vec::new(), all.clone());
                    }
                }
            }
            Next::Retry { .. } => {}
            Next::Pause { fault } => self.pause(fault.clone()),
            Next::Fail { fault } => self.finish(Status::Failed, Some(fault.clone())),
            Next::End { status, fault, outputs } => {
                self.run.outputs.clone_from(outputs);
                self.finish(*status, fault.clone());
            }
        }
    }

    /// What an approval said about work that it now approves is settled.
    fn forget_feedback(&mut self, id: &str, node: &str, port: &str) {
        let approves = self.graph.place(node).is_some_and(|place| {
            matches!(place.node.kind, Kind::Approval(_))
                && port == crate::domain::workflow::definition::SUCCESS
        });
        if approves && let Some(act) = self.run.acts.get_mut(id) {
            act.feedback.retain(|said| said.from.rsplit_once('#').map(|f| f.0) != Some(node));
        }
    }

    /// A result goes along an edge.
    fn emit(&mut self, edge: &str, parent: &str) {
        let Some(link) = self.graph.edge(edge) else { return };
        let place = &self.graph.nodes[link.to];
        let since = self.run.acts.get(parent).and_then(|act| act.since.get(&place.id).copied());
        match &place.node.kind {
            Kind::Join(join) => {
                let fired = self.run.fired.get(&place.id).copied();
                let again = join.mode == JoinMode::And || since >= fired;
                if again {
                    let edges = self.run.places.entry(place.id.clone()).or_default();
                    edges.entry(edge.to_owned()).or_default().push(parent.to_owned());
                }
            }
            Kind::Loop(_) => {
                let inside = self.graph.is_in_body(link.from, link.to);
                let rounds = self.run.rounds.get(&place.id).filter(|_| inside && since.is_some());
                match rounds {
                    Some(rounds) if since == Some(rounds.visit) => {
                        let (goes_on, came) = (rounds.open, rounds.back.is_some());
                        let back = self.run.visits_of.get(&place.id).map_or(1, |visit| visit + 1);
                        if goes_on && came {
                            return;
                        }
                        if goes_on && let Some(rounds) = self.run.rounds.get_mut(&place.id) {
                            rounds.back = Some(back);
                        }
                        self.visit_from(link.to, parent, edge);
                    }
                    // Whoever comes back from an earlier round has been overtaken.
                    Some(_) => {}
                    None => self.visit_from(link.to, parent, edge),
                }
            }
            _ => self.visit_from(link.to, parent, edge),
        }
    }

    fn visit_from(&mut self, node: NodeIx, parent: &str, edge: &str) {
        let feedback = self.run.acts.get(parent).map(|act| act.feedback.clone());
        let feedback = feedback.unwrap_or_default();
        self.visit(node, vec![parent.to_owned()], vec![edge.to_owned()], feedback);
    }

    /// A new visit of a node.
    fn visit(
        &mut self,
        ix: NodeIx,
        parents: Vec<String>,
        via: Vec<String>,
        feedback: Vec<Feedback>,
    ) -> String {
        let place = &self.graph.nodes[ix];
        let run = &mut self.run;
        run.visits += 1;
        let visit = run.visits_of.entry(place.id.clone()).or_insert(0);
        *visit += 1;
        let visit = *visit;
        let mut act = Act {
            node: place.id.clone(),
            visit,
            ready_at: run.now,
            feedback,
            via,
            ..Act::default()
        };
        for parent in parents.iter().filter_map(|parent| run.acts.get(parent)) {
            for (node, number) in &parent.since {
                let known = act.since.entry(node.clone()).or_insert(0);
                *known = (*known).max(*number);
            }
        }
        if matches!(place.node.kind, Kind::Join(_) | Kind::Loop(_)) {
            act.since.insert(place.id.clone(), visit);
        }
        act.parents = parents;
        let id = act_id(&place.id, visit);
        run.acts.insert(id.clone(), act);
        self.check_bounds(ix, visit);
        id
    }

    fn check_bounds(&mut self, ix: NodeIx, visit: u32) {
        if let Some(ending) = &mut self.run.ending {
            ending.visits += 1;
            if ending.visits > CLEAN_UP_VISITS_MAX {
                let fault = Fault::new("max_visits", "the clean-up visits too many nodes");
                self.finish(Status::Failed, Some(fault));
            }
            return;
        }
        let place = &self.graph.nodes[ix];
        let most = self.graph.node_visits(ix);
        if self.run.visits > self.graph.bounds.visits {
            let message = format!("more than {} visits of nodes", self.graph.bounds.visits);
            self.finish(Status::Failed, Some(Fault::new("max_visits", message)));
        } else if visit > most {
            let message = format!("more than {most} visits of node '{}'", place.id);
            self.finish(Status::Failed, Some(Fault::new("max_node_visits", message)));
        }
    }

    fn join(
        &mut self,
        node: &str,
        take: &[(String, String)],
        drop: &[(String, String)],
        cancel: &[String],
        result: Option<&Settled>,
    ) {
        if let Some(edges) = self.run.places.get_mut(node) {
            for (edge, act) in take.iter().chain(drop) {
                if let Some(queue) = edges.get_mut(edge)
                    && let Some(at) = queue.iter().position(|waiting| waiting == act)
                {
                    queue.remove(at);
                }
            }
            edges.retain(|_, queue| !queue.is_empty());
            if edges.is_empty() {
                self.run.places.shift_remove(node);
            }
        }
        for act in cancel {
            self.call_off(act, "a join did not need it any more");
            if let Some(act) = self.run.acts.get_mut(act) {
                act.state = ActState::Cancelled;
                act.port = Some("cancelled".to_owned());
                act.ended_at = Some(self.run.now);
            }
        }
        let (Some(result), Some(ix)) = (result, self.graph.find(node)) else { return };
        let parents = take.iter().map(|(_, act)| act.clone()).collect();
        let via = take.iter().map(|(edge, _)| edge.clone()).collect();
        let mut feedback: Vec<Feedback> = Vec::new();
        for said in take.iter().filter_map(|(_, act)| self.run.acts.get(act)) {
            for said in &said.feedback {
                if !feedback.contains(said) {
                    feedback.push(said.clone());
                }
            }
        }
        let id = self.visit(ix, parents, via, feedback);
        if let Some(act) = self.run.acts.get(&id) {
            self.run.fired.insert(node.to_owned(), act.visit);
        }
        if !self.run.status.is_terminal() {
            self.settle(&id, result);
        }
    }

    fn pause(&mut self, fault: Fault) {
        if self.run.status == Status::Running {
            self.run.status = Status::Paused;
            self.run.paused_at = Some(self.run.now);
            let (title, body) = (format!("{} is paused", self.name()), fault.message.clone());
            self.tell("run_waiting", "warning", title, body);
        }
        self.run.fault = Some(fault);
    }

    /// Calls off what a visit has caused outside.
    fn call_off(&mut self, id: &str, reason: &str) {
        if let Some(act) = self.run.acts.get(id) {
            self.run.outbox.extend(call_off(self.graph, id, act, reason));
        }
    }
}

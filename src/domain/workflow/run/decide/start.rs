//! How a visit begins.

use serde_json::{Map, Value, json};

use super::context::{View, condition_fault, fault_of, timestamp};
use super::{assign, prompt, route};
use crate::core::{Digest, Span};
use crate::domain::expr::ExprError;
use crate::domain::workflow::definition::{
    Approval, Delay, EndStatus, Kind, Loop, Notify, OnError, OnTimeout, Parallel, RetryCause,
    RetryMode, SUCCESS, Set, SkipPolicy, Switch, Task, Wait, WaitFrom,
};
use crate::domain::workflow::graph::{NodeIx, ROUNDS_MAX};
use crate::domain::workflow::run::effect::effect_key;
use crate::domain::workflow::run::effect::{ApprovalWish, Effect, Note, Op, Shown, TaskWish};
use crate::domain::workflow::run::record::{Begin, Dispatch, Next, Settled, Tr};
use crate::domain::workflow::run::state::{Act, Fault, Output, Parts, Rounds, Status, Work};

/// Items that a loop or a map goes through.
pub(super) const ITEMS_MAX: usize = 1000;

/// A visit that begins: what is known of it.
pub(super) struct Beginning<'v> {
    pub(super) view: View<'v>,
    pub(super) id: &'v str,
    pub(super) act: &'v Act,
    pub(super) node: NodeIx,
    pub(super) attempt: u32,
}

pub(super) fn decide(view: &View<'_>, id: &str) -> Tr {
    let act = &view.run.acts[id];
    let Some(node) = view.graph.find(&act.node) else {
        let fault = Fault::new("unknown_node", format!("there is no node '{}'", act.node));
        return refuse(id, act, fault);
    };
    let attempt = act.attempt + 1;
    let beginning = Beginning { view: view.at(act), id, act, node, attempt };
    let begin = beginning.begin().unwrap_or_else(|fault| beginning.failed(fault));
    Tr::Start { act: id.to_owned(), attempt, begin }
}

fn refuse(id: &str, act: &Act, fault: Fault) -> Tr {
    let next = Next::Fail { fault: fault.clone() };
    let result =
        Settled { output: None, artifacts: vec![], error: Some(fault), next, effects: vec![] };
    let begin = Begin::Done { result: Box::new(result), vars: Map::new(), rounds: None };
    Tr::Start { act: id.to_owned(), attempt: act.attempt + 1, begin }
}

/// A failure on the way into a visit.
pub(super) type Begun = Result<Begin, Fault>;

impl Beginning<'_> {
    fn begin(&self) -> Begun {
        let place = &self.view.graph.nodes[self.node];
        if let Some(when) = &place.node.when
            && !self.view.holds(when).map_err(|error| condition_fault(&place.id, &error))?
        {
            let next = match place.node.skip_policy {
                SkipPolicy::Follow => route::follow(&self.view, self.node, SUCCESS),
                SkipPolicy::Stop => Next::Follow { port: "skipped".into(), edges: Vec::new() },
            };
            return Ok(Begin::Skipped { next });
        }
        match &place.node.kind {
            Kind::Task(task) => self.task(task),
            Kind::Condition(condition) => {
                let port = self.branch(&condition.on_error, || {
                    let holds = self.view.holds(&condition.expr)?;
                    Ok(Some(if holds { "yes" } else { "no" }.to_owned()))
                })?;
                Ok(self.done(&port, None))
            }
            Kind::Switch(switch) => self.switch(switch),
            Kind::Parallel(parallel) => Ok(self.parallel(parallel)),
            // A join that a run begins with, or that is visited directly, has nothing to wait for.
            Kind::Join(_) => Ok(self.done(SUCCESS, None)),
            Kind::Approval(approval) => self.approval(approval),
            Kind::Delay(delay) => self.delay(delay),
            Kind::Wait(wait) => Ok(self.wait(wait)),
            Kind::Loop(looping) => self.looping(looping),
            Kind::Map(map) => self.map(map),
            Kind::Subworkflow(sub) => self.subworkflow(sub),
            Kind::Command(command) => self.command(command),
            Kind::Plugin(plugin) => self.plugin(plugin),
            Kind::Http(http) => self.http(http),
            Kind::Notify(notify) => self.notify(notify),
            Kind::Set(set) => self.set(set),
            Kind::Merge(merge) => self.merge(merge),
            Kind::Checkpoint(checkpoint) => self.checkpoint(checkpoint),
            Kind::Meeting(meeting) => self.meeting(meeting),
            Kind::End(end) => {
                let reason = self.render(&end.reason)?;
                let next = match end.status {
                    EndStatus::Completed => super::ending(&self.view, Status::Completed, None),
                    EndStatus::Failed => {
                        let message =
                            if reason.is_empty() { self.act.node.clone() } else { reason };
                        let fault = Some(Fault::new("ended_as_failed", message));
                        super::ending(&self.view, Status::Failed, fault)
                    }
                };
                Ok(Self::settled(None, next, Vec::new()))
            }
        }
    }

    /// What an attempt that could not even begin comes to.
    fn failed(&self, fault: Fault) -> Begin {
        let mut act = self.act.clone();
        act.attempt = self.attempt;
        let cause = RetryCause::Failure;
        let view = View { act: Some(self.act), ..self.view.at(self.act) };
        let result = route::failure(&view, self.id, &act, self.node, cause, fault, None);
        Begin::Done { result: Box::new(result), vars: Map::new(), rounds: None }
    }

    pub(super) fn settled(output: Option<Output>, next: Next, effects: Vec<Effect>) -> Begin {
        let result = Settled { output, artifacts: Vec::new(), error: None, next, effects };
        Begin::Done { result: Box::new(result), vars: Map::new(), rounds: None }
    }

    /// Done at once, through this port.
    pub(super) fn done(&self, port: &str, output: Option<Output>) -> Begin {
        let result = route::success(&self.view, self.act, self.node, port, output, Vec::new());
        Begin::Done { result: Box::new(result), vars: Map::new(), rounds: None }
    }

    pub(super) fn key(&self, what: &str) -> String {
        effect_key(self.id, self.attempt, what)
    }

    /// The id of something that this attempt makes: the same on every machine and every time.
    pub(super) fn id_for(&self, what: &str, digits: usize) -> String {
        id_for(&self.view, &self.key(what), digits)
    }

    pub(super) fn render(&self, text: &str) -> Result<String, Fault> {
        self.view.render(text).map_err(|error| fault_of(&error))
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.view.graph.timeout(self.node).map(|span| self.view.now + span.as_millis())
    }

    pub(super) fn priority(&self) -> u8 {
        self.view.graph.nodes[self.node].node.priority.unwrap_or(2)
    }

    /// The branch that an expression picks; `None`: none of them.
    fn branch(
        &self,
        on_error: &OnError,
        pick: impl FnOnce() -> Result<Option<String>, ExprError>,
    ) -> Result<String, Fault> {
        let no = || match &self.view.graph.nodes[self.node].node.kind {
            Kind::Switch(switch) => switch.default.clone(),
            _ => Some("no".to_owned()),
        };
        let missing = || {
            let message = format!("no case of '{}' holds, and it has no default", self.act.node);
            Fault::new("no_branch", message)
        };
        match (pick(), on_error) {
            (Ok(Some(branch)), _) => Ok(branch),
            (Ok(None), _) | (Err(_), OnError::False) => no().ok_or_else(missing),
            (Err(_), OnError::Branch(branch)) => Ok(branch.clone()),
            (Err(error), OnError::Fail) => Err(condition_fault(&self.act.node, &error)),
        }
    }

    fn switch(&self, switch: &Switch) -> Begun {
        let port = self.branch(&switch.on_error, || {
            if let Some(expr) = &switch.expr {
                let branch = self.view.word(expr)?;
                let known = self.view.graph.leaving(self.node, &branch).next().is_some();
                return Ok(if known {
                    Some(branch)
                } else {
                    switch.default.clone().or(Some(branch))
                });
            }
            for case in &switch.cases {
                if self.view.holds(&case.when)? {
                    return Ok(Some(case.branch.clone()));
                }
            }
            Ok(None)
        })?;
        Ok(self.done(&port, None))
    }

    fn parallel(&self, parallel: &Parallel) -> Begin {
        if parallel.branches.is_empty() {
            return self.done(SUCCESS, None);
        }
        let mut all = Vec::new();
        for branch in &parallel.branches {
            match route::follow(&self.view, self.node, branch) {
                Next::Follow { edges, .. } => all.extend(edges),
                other => return Self::settled(None, other, Vec::new()),
            }
        }
        Self::settled(None, Next::Follow { port: SUCCESS.into(), edges: all }, Vec::new())
    }

    fn task(&self, task: &Task) -> Begun {
        let choice = assign::choose(&self.view, self.id, self.act, task)?;
        let (id, existing) = match (&task.link_task, task.retry_mode) {
            (Some(link), _) => (self.render(link)?, true),
            (None, RetryMode::Reopen) => {
                let first = effect_key(self.id, 1, "task");
                (id_for(&self.view, &first, 12), self.attempt > 1)
            }
            (None, RetryMode::New) => (self.id_for("task", 12), false),
        };
        let checks = self.view.graph.checks(self.node);
        let wish = TaskWish {
            subject: prompt::subject(&self.view, self.act, task).map_err(|e| fault_of(&e))?,
            description: prompt::description(&self.view, self.id, self.act, task, &id)
                .map_err(|error| fault_of(&error))?,
            id: id.clone(),
            existing,
            owner: choice.agent.clone(),
            priority: self.priority(),
            act: self.id.to_owned(),
            node: self.act.node.clone(),
            attempt: self.attempt,
            needs_response: checks.require_response != Some(false),
            min_length: checks.min_output_length.unwrap_or(1),
            needs_artifact: checks.require_artifacts == Some(true),
            spawn: task.spawn.clone(),
        };
        Ok(Begin::Dispatched(Box::new(Dispatch {
            work: Some(Work::Task { id }),
            assignee: choice.agent,
            pool: choice.pool,
            due_at: self.due(),
            effects: vec![Effect { key: self.key("task"), op: Op::CreateTask(Box::new(wish)) }],
            ..Dispatch::default()
        })))
    }

    fn approval(&self, approval: &Approval) -> Begun {
        let approvers = if approval.approvers.is_empty() {
            vec!["human".to_owned()]
        } else {
            self.render_all(&approval.approvers)?
        };
        let wish = approval_wish(self, approval, "approval", approvers)?;
        Ok(Begin::Dispatched(Box::new(Dispatch {
            work: Some(Work::Approval { id: wish.id.clone() }),
            due_at: wish.expires_at,
            effects: vec![Effect {
                key: self.key("approval"),
                op: Op::RequestApproval(Box::new(wish)),
            }],
            ..Dispatch::default()
        })))
    }

    fn delay(&self, delay: &Delay) -> Begun {
        let at = match (&delay.span, &delay.until) {
            (Some(span), _) => self.view.now + span.as_millis(),
            (None, Some(until)) => instant(&self.view, until)?,
            (None, None) => self.view.now,
        };
        Ok(Begin::Dispatched(Box::new(Dispatch {
            work: Some(Work::Timer),
            wake_at: Some(at),
            ..Dispatch::default()
        })))
    }

    fn wait(&self, wait: &Wait) -> Begin {
        let after = match wait.from {
            WaitFrom::Start => self.view.facts.start().created_at,
            WaitFrom::Now => self.view.now,
        };
        let work = match (&wait.signal, &wait.event) {
            (Some(name), _) => Work::Signal { name: name.clone(), after },
            (None, event) => Work::Event { event: event.clone().unwrap_or_default(), after },
        };
        Begin::Dispatched(Box::new(Dispatch {
            work: Some(work),
            due_at: self.due(),
            ..Dispatch::default()
        }))
    }

    /// Another round, or the end of the loop.
    fn looping(&self, looping: &Loop) -> Begun {
        let known = self.view.run.rounds.get(&self.act.node);
        let old = known.filter(|rounds| rounds.back == Some(self.act.visit)).cloned();
        let error = |error: ExprError| condition_fault(&self.act.node, &error);
        let mut rounds = if let Some(mut rounds) = old {
            if let Some(collect) = &looping.collect {
                rounds.collected.push(self.view.value(collect).map_err(error)?);
            }
            rounds.index += 1;
            rounds
        } else {
            let items = match &looping.for_each {
                Some(list) => self.items_of(list)?,
                None => Vec::new(),
            };
            Rounds { items, ..Rounds::default() }
        };
        rounds.visit = self.act.visit;
        rounds.back = None;
        let more = match &looping.condition {
            Some(condition) => self.view.holds(condition).map_err(error)?,
            None => (rounds.index as usize) < rounds.items.len(),
        };
        let most = looping.max_iterations.unwrap_or(ROUNDS_MAX);
        if more && rounds.index >= most {
            let message = format!("loop '{}' wants more than {most} rounds", self.act.node);
            return Err(Fault::new("max_iterations", message));
        }
        rounds.open = more;
        let (port, output) = if more {
            let item = rounds.items.get(rounds.index as usize).cloned();
            ("body", item.map(Output::of))
        } else {
            let collected = std::mem::take(&mut rounds.collected);
            rounds.items.clear();
            ("done", looping.collect.as_ref().map(|_| Output::of(Value::Array(collected))))
        };
        let view = &self.view;
        let result = route::success(view, self.act, self.node, port, output, Vec::new());
        Ok(Begin::Done { result: Box::new(result), vars: Map::new(), rounds: Some(rounds) })
    }

    /// The items of a list that is gone through.
    pub(super) fn items_of(&self, list: &str) -> Result<Vec<Value>, Fault> {
        let node = &self.act.node;
        let items = self.view.list(list).map_err(|error| match &error {
            ExprError::TooLarge { what, .. } if what.starts_with("a list") => {
                Fault::new("too_many_items", format!("node '{node}': {error}"))
            }
            _ => condition_fault(node, &error),
        })?;
        if items.len() <= ITEMS_MAX {
            return Ok(items);
        }
        let message = format!("'{node}' has {} items, {ITEMS_MAX} are allowed", items.len());
        Err(Fault::new("too_many_items", message))
    }

    fn notify(&self, notify: &Notify) -> Begun {
        let human = [String::from("human")];
        let to: &[String] = if notify.to.is_empty() { &human } else { &notify.to };
        let title = self.render(&notify.title)?;
        let body = self.render(&notify.body)?;
        let mut effects = Vec::new();
        for (n, to) in to.iter().enumerate() {
            let note = Note {
                to: self.render(to)?,
                kind: "custom".into(),
                severity: notify.severity.clone(),
                title: if title.is_empty() { self.act.node.clone() } else { title.clone() },
                body: body.clone(),
            };
            effects.push(Effect {
                key: self.key(&format!("notify{n}")),
                op: Op::Notify(Box::new(note)),
            });
        }
        let mut result = route::success(&self.view, self.act, self.node, SUCCESS, None, Vec::new());
        result.effects = effects;
        Ok(Begin::Done { result: Box::new(result), vars: Map::new(), rounds: None })
    }

    fn set(&self, set: &Set) -> Begun {
        let mut vars = Map::new();
        for (name, text) in &set.vars {
            let value = self.view.value(text).map_err(|e| condition_fault(&self.act.node, &e))?;
            vars.insert(name.clone(), value);
        }
        let asks = self.view.graph.leaving(self.node, SUCCESS).any(|edge| edge.when.is_some());
        let result = if asks {
            // What leaves the node sees the new values.
            let mut run = self.view.run.clone();
            run.vars.extend(vars.iter().map(|(name, value)| (name.clone(), value.clone())));
            let view = View { run: &run, ..self.view.at(self.act) };
            route::success(&view, self.act, self.node, SUCCESS, None, Vec::new())
        } else {
            route::success(&self.view, self.act, self.node, SUCCESS, None, Vec::new())
        };
        Ok(Begin::Done { result: Box::new(result), vars, rounds: None })
    }
}

/// An id made from a key of a run.
pub(super) fn id_for(view: &View<'_>, key: &str, digits: usize) -> String {
    let start = view.facts.start();
    let name = format!("{}/{}/{key}", start.team, start.run);
    Digest::of(name.as_bytes()).start(digits).to_owned()
}

/// An approval as the node wants it, from these approvers.
pub(super) fn approval_wish(
    beginning: &Beginning<'_>,
    approval: &Approval,
    what: &str,
    approvers: Vec<String>,
) -> Result<ApprovalWish, Fault> {
    let view = &beginning.view;
    let title = beginning.render(&approval.title)?;
    let label = &view.graph.nodes[beginning.node].node.label;
    let fallback = if label.is_empty() { &beginning.act.node } else { label };
    let mut nodes: Vec<&Act> = approval
        .show
        .iter()
        .filter_map(|node| view.run.result_of(node).map(|found| found.1))
        .collect();
    let origins =
        crate::domain::workflow::run::lineage::origins(view.graph, view.run, beginning.id);
    for id in origins.map(|found| found.0).unwrap_or_default() {
        if let Some(act) = view.run.acts.get(id)
            && !nodes.iter().any(|known| known.node == act.node)
        {
            nodes.push(act);
        }
    }
    let show = |act: &&Act| Shown {
        act: format!("{}#{}", act.node, act.visit),
        text: act.output.as_ref().map(|output| output.text.clone()).unwrap_or_default(),
        artifacts: act.artifacts.clone(),
    };
    let shown: Vec<Shown> = nodes.iter().map(show).collect();
    let digest = Digest::of(
        json!({"shown": shown, "inputs": view.facts.start().inputs}).to_string().as_bytes(),
    );
    Ok(ApprovalWish {
        id: format!("ap-{}", beginning.id_for(what, 10)),
        act: beginning.id.to_owned(),
        node: beginning.act.node.clone(),
        title: if title.is_empty() { fallback.clone() } else { title },
        details: beginning.render(&approval.details)?,
        approvers,
        quorum: approval.quorum.unwrap_or(1),
        confidence: approval.confidence,
        rubric: approval.rubric.clone(),
        risky: approval.risky,
        external: approval.external,
        sign: approval.sign,
        expires_at: match approval.on_timeout {
            OnTimeout::None => None,
            _ => beginning.due(),
        },
        shown,
        feedback: beginning.act.feedback.clone(),
        digest: Some(digest),
    })
}

/// An instant that is written down, or that an expression gives.
fn instant(view: &View<'_>, text: &str) -> Result<u64, Fault> {
    let read = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
    let found = match read(text) {
        Some(at) => Some(at),
        None => read(&view.word(text).map_err(|error| fault_of(&error))?),
    };
    let bad = || Fault::new("no_instant", format!("'{text}' is no instant like {}", timestamp(0)));
    let millis = found.ok_or_else(bad)?.timestamp_millis();
    Ok(u64::try_from(millis).unwrap_or(0))
}

/// How long an item of the queue may take.
pub(super) fn item_timeout(beginning: &Beginning<'_>) -> u64 {
    beginning.view.graph.timeout(beginning.node).unwrap_or(Span::seconds(300)).as_millis()
}

/// Work that begins outside, and has parts.
pub(super) fn dispatched(
    work: Work,
    parts: Option<Parts>,
    due_at: Option<u64>,
    effects: Vec<Effect>,
) -> Begin {
    Begin::Dispatched(Box::new(Dispatch {
        work: Some(work),
        parts,
        due_at,
        effects,
        ..Dispatch::default()
    }))
}

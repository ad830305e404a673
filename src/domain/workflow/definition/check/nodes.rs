//! The rules of each kind of node.

use super::inputs::{identifier, pattern_is_good};
use super::names::unknown;
use super::net::Net;
use super::{World, field, ports};
use crate::core::Span;
use crate::domain::workflow::definition::action::{Command, Http};
use crate::domain::workflow::definition::node::{Kind, Node, Retry};
use crate::domain::workflow::definition::people::{Approval, Meeting, OnTimeout};
use crate::domain::workflow::definition::problem::Problem;
use crate::domain::workflow::definition::route::{Delay, JoinMode, Loop, Map, Switch, Wait};
use crate::domain::workflow::definition::task::{Assign, ContextFrom, Fallback, Task};

/// The longest time that makes sense.
const SPAN_MAX: Span = Span::seconds(3660 * 24 * 3600);
/// The most attempts that make sense.
const RETRIES_MAX: u32 = 100;

/// What the rules of a node need.
struct At<'a, 'd> {
    net: &'a Net<'d>,
    world: &'a World<'a>,
    id: &'d str,
    problems: &'a mut Vec<Problem>,
}

impl At<'_, '_> {
    fn path(&self, name: &str) -> String {
        field(self.id, name)
    }

    fn error(&mut self, code: &'static str, name: &str, text: impl Into<String>) {
        let path = self.path(name);
        self.problems.push(Problem::error(code, path, text));
    }

    fn hinted(&mut self, code: &'static str, name: &str, text: impl Into<String>, hint: &str) {
        let path = self.path(name);
        self.problems.push(Problem::error(code, path, text).hint(hint));
    }

    fn warning(&mut self, code: &'static str, name: &str, text: impl Into<String>) {
        let path = self.path(name);
        self.problems.push(Problem::warning(code, path, text));
    }

    fn span(&mut self, name: &str, span: Option<Span>) {
        let path = self.path(name);
        span_is_good(&path, span, self.problems);
    }

    /// A node must exist.
    fn node(&mut self, name: &str, id: &str) -> Option<usize> {
        let found = self.net.find(id);
        if found.is_none() {
            self.problems.push(unknown(self.net, self.path(name), id));
        }
        found
    }

    /// The team should have an agent. Names with expressions in them are not known yet.
    fn agent(&mut self, name: &str, agent: &str) {
        let known = self.world.agent.is_none_or(|known| known(agent));
        if !known && !agent.contains("{{") && !agent.is_empty() {
            let message = format!("the team has no agent '{agent}'");
            let problem = Problem::warning("unknown_agent", self.path(name), message);
            self.problems.push(problem.hint("it must be there when the node is reached"));
        }
    }
}

fn span_is_good(path: &str, span: Option<Span>, problems: &mut Vec<Problem>) {
    let Some(span) = span else { return };
    if span == Span::default() || span > SPAN_MAX {
        let message = format!("{span} is not between 1ms and {SPAN_MAX}");
        problems.push(Problem::error("out_of_range", path, message));
    }
}

fn retry_is_good(path: &str, retry: Option<&Retry>, problems: &mut Vec<Problem>) {
    let Some(retry) = retry else { return };
    let mut wrong = |name: &str, message: String| {
        problems.push(Problem::error("out_of_range", format!("{path}.{name}"), message));
    };
    if let Some(max) = retry.max.filter(|max| *max > RETRIES_MAX) {
        wrong("max", format!("{max} attempts are too many, {RETRIES_MAX} are allowed"));
    }
    if let Some(factor) = retry.factor.filter(|factor| !(1.0..=100.0).contains(factor)) {
        wrong("factor", format!("{factor} is not between 1 and 100"));
    }
    if let Some(jitter) = retry.jitter.filter(|jitter| !(0.0..=1.0).contains(jitter)) {
        wrong("jitter", format!("{jitter} is not between 0 and 1"));
    }
    if let (Some(delay), Some(most)) = (retry.delay, retry.max_delay)
        && delay > most
    {
        wrong("delay", format!("{delay} is longer than the longest, {most}"));
    }
    for (name, span) in [("delay", retry.delay), ("maxDelay", retry.max_delay)] {
        if let Some(span) = span.filter(|span| *span > SPAN_MAX) {
            wrong(name, format!("{span} is longer than {SPAN_MAX}"));
        }
    }
}

pub(super) fn check(net: &Net<'_>, world: &World<'_>, problems: &mut Vec<Problem>) {
    let defaults = &net.definition.defaults;
    span_is_good("limits.deadline", net.definition.limits.deadline, problems);
    span_is_good("defaults.timeout", defaults.timeout, problems);
    retry_is_good("defaults.retry", defaults.retry.as_ref(), problems);
    if let Some(pattern) = defaults.checks.as_ref().and_then(|checks| checks.pattern.as_ref()) {
        pattern_is_good("defaults.checks.pattern", pattern, problems);
    }
    for (id, node) in &net.definition.nodes {
        let mut at = At { net, world, id, problems };
        at.span("timeout", node.timeout);
        retry_is_good(&at.path("retry"), node.retry.as_ref(), at.problems);
        kind(&mut at, node);
        branches(&mut at, node);
    }
}

fn kind(at: &mut At<'_, '_>, node: &Node) {
    match &node.kind {
        Kind::Task(own) => task(at, own),
        Kind::Switch(own) => switch(at, own),
        Kind::Approval(own) => approval(at, own, node),
        Kind::Delay(own) => delay(at, own),
        Kind::Wait(own) => wait(at, own),
        Kind::Loop(own) => each(at, own),
        Kind::Map(own) => map(at, own),
        Kind::Command(own) => command(at, own),
        Kind::Http(own) => http(at, own),
        Kind::Meeting(own) => meeting(at, own),
        Kind::Subworkflow(own) if own.workflow.is_empty() => {
            at.error("missing_field", "workflow", "it names no workflow");
        }
        Kind::Plugin(own) if own.name.is_empty() => {
            at.error("missing_field", "name", "it names no plugin");
        }
        Kind::Set(own) => {
            for name in own.vars.keys() {
                identifier(&super::join(&at.path("vars"), name), name, at.problems);
            }
        }
        Kind::Merge(own) => {
            if own.agent.is_empty() {
                at.error("no_participants", "agent", "it names no agent whose work is merged");
            }
            own.agent.iter().for_each(|agent| at.agent("agent", agent));
        }
        Kind::Checkpoint(own) => own.agents.iter().for_each(|agent| at.agent("agents", agent)),
        Kind::Join(own) => {
            let unused = match own.mode {
                JoinMode::And => [own.cancel_remaining.then_some("cancelRemaining"), None],
                _ => [own.strict.then_some("strict").filter(|_| own.mode == JoinMode::Or), None],
            };
            let n = own.n.is_some() && own.mode != JoinMode::Quorum;
            let prefer = own.prefer.is_some() && own.mode != JoinMode::Xor;
            let more = [n.then_some("n"), prefer.then_some("prefer")];
            for name in unused.into_iter().chain(more).flatten() {
                at.warning("no_effect", name, format!("'{name}' has no effect in this mode"));
            }
        }
        _ => {}
    }
}

fn task(at: &mut At<'_, '_>, task: &Task) {
    let default = at.net.definition.defaults.assign.as_ref();
    if task.link_task.is_none() {
        match task.assign.as_ref().or(default) {
            None => at.hinted(
                "no_assignment",
                "assign",
                "nobody is to do this task",
                "name an agent, role, capability, pool or the lead: assign = { lead = true }",
            ),
            Some(assign) => assignment(at, assign),
        }
    }
    if task.spawn.is_none()
        && let Some(assign) = &task.assign
    {
        assign.agent.iter().for_each(|agent| at.agent("assign.agent", agent));
        assign.pool.iter().for_each(|agent| at.agent("assign.pool", agent));
    }
    if task.subject.is_empty() && task.prompt.is_empty() && task.link_task.is_none() {
        at.warning("empty_task", "prompt", "the agent is not told what to do");
    }
    if let ContextFrom::Nodes(nodes) = &task.context.from {
        for id in nodes {
            let Some(from) = at.node("context.from", id) else { continue };
            let Some(here) = at.net.find(at.id) else { continue };
            if !at.net.reach(&[from], |_| true)[here] {
                let message = format!("'{id}' never comes before this node: it has no result yet");
                at.warning("not_upstream", "context.from", message);
            }
        }
    }
    if let Some(pattern) = task.checks.as_ref().and_then(|checks| checks.pattern.as_ref()) {
        pattern_is_good(&at.path("checks.pattern"), pattern, at.problems);
    }
    if let Some(verify) = task.checks.as_ref().and_then(|checks| checks.verify.as_ref()) {
        if verify.cmd.is_empty() {
            at.error("empty_command", "checks.verify.cmd", "there is no program to run");
        }
        at.span("checks.verify.timeout", verify.timeout);
    }
}

fn assignment(at: &mut At<'_, '_>, assign: &Assign) {
    let others = assign.role.is_some()
        || !assign.capability.is_empty()
        || !assign.pool.is_empty()
        || assign.lead;
    // An agent that an expression names may be nobody: then another rule counts.
    let perhaps = assign.agent.as_ref().is_some_and(|agent| agent.contains("{{"));
    let rules = [
        assign.agent.is_some() && !(perhaps && others),
        assign.role.is_some(),
        !assign.capability.is_empty(),
        !assign.pool.is_empty(),
        assign.lead,
    ];
    match rules.iter().filter(|rule| **rule).count() {
        1 => {}
        // An open task: whoever claims it.
        0 if assign.fallback == Fallback::Wait => {}
        0 => at.hinted(
            "no_assignment",
            "assign",
            "nobody is to do this task",
            "name an agent, role, capability, pool or the lead; or set fallback = \"wait\"",
        ),
        _ => at.hinted(
            "several_assignments",
            "assign",
            "there are several rules for who does it",
            "keep one of agent, role, capability, pool and lead; an agent that is {{ … }} may have \
             another one beside it, for when it names nobody",
        ),
    }
}

fn switch(at: &mut At<'_, '_>, switch: &Switch) {
    match (&switch.expr, switch.cases.is_empty()) {
        (None, true) => at.error("missing_field", "expr", "it has neither `expr` nor `cases`"),
        (Some(_), false) => {
            at.error("conflicting_fields", "cases", "it has both `expr` and `cases`");
        }
        (Some(_), true) if switch.default.is_none() => at.warning(
            "switch_without_default",
            "default",
            "a value without an edge makes the run fail with no_branch",
        ),
        _ => {}
    }
}

/// Every branch that can be chosen must lead somewhere.
fn branches(at: &mut At<'_, '_>, node: &Node) {
    let Some(here) = at.net.find(at.id) else { return };
    let known = ports::ports(&node.kind);
    let needed: Vec<&str> = match &node.kind {
        Kind::Condition(_) | Kind::Parallel(_) => known.onward,
        // The branch ends where the loop does, if nothing leads on.
        Kind::Loop(_) => vec![ports::BODY],
        Kind::Switch(switch) => match switch.default.as_deref() {
            // What has no edge goes where the default goes.
            Some(default) => vec![default],
            None => known.onward,
        },
        _ => return,
    };
    if let Kind::Parallel(parallel) = &node.kind {
        if parallel.branches.is_empty() {
            return;
        }
        for (n, branch) in parallel.branches.iter().enumerate() {
            if parallel.branches[..n].contains(branch) {
                at.error("duplicate_branch", "branches", format!("'{branch}' is there twice"));
            }
        }
    }
    for port in needed {
        if !at.net.leaves_through(here, port) {
            let path = super::at(at.id);
            let message = format!("no edge leads on from its branch '{port}'");
            let problem = Problem::error("missing_branch", path, message);
            at.problems.push(problem.hint(format!(
                "add an edge with port = \"{port}\"; to end there, lead it to an `end` node"
            )));
        }
    }
}

fn approval(at: &mut At<'_, '_>, approval: &Approval, node: &Node) {
    let Some(here) = at.net.find(at.id) else { return };
    for id in &approval.rework {
        let Some(back) = at.node("rework", id) else { continue };
        if !at.net.reach(&[back], |_| true)[here] {
            at.hinted(
                "rework_not_upstream",
                "rework",
                format!("from '{id}' no way leads back to this approval"),
                "name a node that comes before it",
            );
        }
    }
    for id in &approval.show {
        at.node("show", id);
    }
    if node.timeout.is_none() && at.net.definition.defaults.timeout.is_none() {
        if approval.on_timeout != OnTimeout::None {
            let message = "without a `timeout` it waits for ever";
            at.warning("approval_without_timeout", "timeout", message);
        }
    } else if approval.on_timeout == OnTimeout::None {
        at.warning("no_effect", "timeout", "with onTimeout = \"none\" the time has no effect");
    }
    for who in approval.approvers.iter().chain(match &approval.on_timeout {
        OnTimeout::Escalate(who) => Some(who),
        _ => None,
    }) {
        if let Some(agent) = who.strip_prefix("agent:") {
            at.agent("approvers", agent);
        }
    }
    let quorum = approval.quorum.unwrap_or(1) as usize;
    // `human` may be any number of people.
    let counted = !approval.approvers.is_empty()
        && approval.approvers.iter().all(|who| who != "human" && !who.contains("{{"));
    if counted && quorum > approval.approvers.len() {
        let number = approval.approvers.len();
        let message = format!("{quorum} must agree, but only {number} are asked");
        at.error("quorum_too_large", "quorum", message);
    }
    if approval.confidence.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        at.error("out_of_range", "confidence", "it is a percentage from 0 to 100");
    }
}

fn delay(at: &mut At<'_, '_>, delay: &Delay) {
    match (delay.span, &delay.until) {
        (None, None) => at.error("missing_field", "for", "it has neither `for` nor `until`"),
        (Some(_), Some(_)) => {
            at.error("conflicting_fields", "until", "it has both `for` and `until`");
        }
        (span, _) => at.span("for", span),
    }
}

fn wait(at: &mut At<'_, '_>, wait: &Wait) {
    match (&wait.signal, &wait.event) {
        (None, None) => at.error("missing_field", "signal", "it has neither `signal` nor `event`"),
        (Some(_), Some(_)) => {
            at.error("conflicting_fields", "event", "it has both `signal` and `event`");
        }
        _ => {}
    }
}

fn each(at: &mut At<'_, '_>, each: &Loop) {
    match (&each.condition, &each.for_each) {
        (None, None) => at.error("missing_field", "while", "it has neither `while` nor `forEach`"),
        (Some(_), Some(_)) => {
            at.error("conflicting_fields", "forEach", "it has both `while` and `forEach`");
        }
        _ => {}
    }
    if let Some(name) = &each.name {
        identifier(&at.path("as"), name, at.problems);
        if each.for_each.is_none() {
            at.warning("no_effect", "as", "only `forEach` has items");
        }
    }
    if let Some(body) = &each.body {
        at.node("body", body);
    }
}

fn map(at: &mut At<'_, '_>, map: &Map) {
    if let Some(name) = &map.name {
        identifier(&at.path("as"), name, at.problems);
    }
    if map.tolerate.ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
        at.error("out_of_range", "tolerate.ratio", "it is a part from 0 to 1");
    }
}

fn command(at: &mut At<'_, '_>, command: &Command) {
    if command.run.first().is_none_or(String::is_empty) {
        at.error("empty_command", "run", "there is no program to run");
    } else if command.shell && command.run.len() != 1 {
        let message = "with `shell`, `run` is one line";
        at.error("command_line", "run", message);
    }
    for name in command.env.keys() {
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("'{name}' cannot be the name of a variable");
            at.error("bad_id", "env", message);
        }
    }
    at.agent("worktree", &command.worktree);
}

fn http(at: &mut At<'_, '_>, http: &Http) {
    let scheme = http.url.starts_with("http://") || http.url.starts_with("https://");
    if !scheme && !http.url.starts_with("{{") {
        let message = format!("'{}' does not begin with http:// or https://", http.url);
        at.error("bad_url", "url", message);
    }
    if let Some(auth) = &http.auth {
        let good = ["env:", "cmd:"]
            .iter()
            .any(|from| auth.strip_prefix(from).is_some_and(|rest| !rest.is_empty()));
        if !good {
            at.hinted(
                "bad_auth",
                "auth",
                "it does not say where the token comes from",
                "write env:<VARIABLE> or cmd:<program>; the token itself does not belong here",
            );
        }
    }
    let known = ["", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    if !known.contains(&http.method.to_uppercase().as_str()) {
        at.error("unknown_word", "method", format!("'{}' is no method", http.method));
    }
}

fn meeting(at: &mut At<'_, '_>, meeting: &Meeting) {
    if meeting.participants.is_empty() {
        at.error("no_participants", "participants", "nobody takes part");
    }
    meeting.participants.iter().for_each(|agent| at.agent("participants", agent));
    at.agent("lead", &meeting.lead);
    at.span("turnTimeout", meeting.turn_timeout);
    let speeches = meeting.participants.len() * meeting.rounds.unwrap_or(1) as usize;
    if meeting.min_speakers.is_some_and(|least| least as usize > speeches) {
        let message = format!("there are only {speeches} speeches");
        at.error("quorum_too_large", "minSpeakers", message);
    }
}

//! What became of the work of a visit.

use serde_json::{Map, Value};

use super::context::{View, timestamp};
use super::start::{Beginning, approval_wish};
use super::{failed, meeting, route, succeeded, work};
use crate::domain::expr::glob_matches;
use crate::domain::workflow::definition::{
    Approval, Checks, Kind, Merge, MergeConflict, OnTimeout, RetryCause, SUCCESS,
};
use crate::domain::workflow::graph::{NodeIx, REWORK};
use crate::domain::workflow::run::effect::{Effect, ItemWish, Op, TaskWish};
use crate::domain::workflow::run::effect::{MAP_CONCURRENCY, call_off, effect_key};
use crate::domain::workflow::run::observe::{Found, Verdict};
use crate::domain::workflow::run::record::{Cause, Next, Settled, Tr};
use crate::domain::workflow::run::state::{
    Act, ArtifactRef, Fault, Feedback, Output, Parts, Status, Work,
};

/// How often an agent is asked to make its branch fit.
const MERGE_ROUNDS_MAX: u32 = 3;

pub(super) fn decide(view: &View<'_>, id: &str, found: &Found) -> Tr {
    let act = &view.run.acts[id];
    match found {
        Found::Task { who, error, output, artifacts } => {
            let cause = Cause::Task { who: who.clone() };
            task(view, id, act, cause, error.as_ref(), output, artifacts)
        }
        Found::Lost { who } => {
            let fault = Fault::new("lost", format!("{who} is gone"));
            failed(view, id, Cause::Lost, RetryCause::Lost, fault)
        }
        Found::Approval { verdict, who, comment, proof } => {
            let cause = Cause::Approval {
                who: who.clone(),
                comment: comment.clone(),
                proof: proof.clone(),
            };
            approval(view, id, act, cause, *verdict)
        }
        Found::Item { error, output, details } => {
            item(view, id, act, error.as_ref(), output, details)
        }
        Found::Children(ended) => children(view, id, act, ended),
        Found::Event { id: event, data } => {
            let cause = Cause::Event { id: event.clone() };
            let output = Some(Output::of(data.clone()));
            succeeded(view, id, cause, SUCCESS, output, Vec::new())
        }
        Found::Signal { index } => {
            let data = view.run.signals.get(*index).map(|signal| signal.data.clone());
            let output = Some(Output::of(data.unwrap_or(Value::Null)));
            succeeded(view, id, Cause::Signal { index: *index }, SUCCESS, output, Vec::new())
        }
        Found::Broken(fault) => failed(view, id, Cause::Timer, RetryCause::Failure, fault.clone()),
    }
}

/// A delay is over.
pub(super) fn timer(view: &View<'_>, id: &str) -> Tr {
    succeeded(view, id, Cause::Timer, SUCCESS, None, Vec::new())
}

/// An attempt took too long.
pub(super) fn timeout(view: &View<'_>, id: &str) -> Tr {
    let act = &view.run.acts[id];
    let node = view.graph.find(&act.node).unwrap_or_default();
    let due = timestamp(act.due_at.unwrap_or(view.now));
    let fault = Fault::new("timeout", format!("it was not done by {due}"));
    if let Some(meeting) = meeting::of(view, act) {
        return meeting::spoken(view, id, act, meeting, Err(fault));
    }
    match &view.graph.nodes[node].node.kind {
        Kind::Approval(_) => approval(view, id, act, Cause::Timeout, Verdict::Expired),
        Kind::Wait(_) if view.graph.leaving(node, "expired").next().is_some() => {
            succeeded(view, id, Cause::Timeout, "expired", None, Vec::new())
        }
        _ => failed(view, id, Cause::Timeout, RetryCause::Timeout, fault),
    }
}

fn task(
    view: &View<'_>,
    id: &str,
    act: &Act,
    cause: Cause,
    error: Option<&Fault>,
    output: &Output,
    artifacts: &[ArtifactRef],
) -> Tr {
    if let Some(meeting) = meeting::of(view, act) {
        let said = error.map_or_else(|| Ok(output.clone()), |fault| Err(fault.clone()));
        return meeting::spoken(view, id, act, meeting, said);
    }
    let node = view.graph.find(&act.node).unwrap_or_default();
    if let Kind::Merge(merge) = &view.graph.nodes[node].node.kind {
        return match error {
            Some(fault) => failed(view, id, cause, RetryCause::Failure, fault.clone()),
            None => merge_again(view, id, act, node, merge),
        };
    }
    if let Some(fault) = error {
        return failed(view, id, cause, RetryCause::Failure, fault.clone());
    }
    let checks = view.graph.checks(node);
    if let Some(fault) = unmet(view, act, node, &checks, output, artifacts) {
        return failed(view, id, cause, RetryCause::Check, fault);
    }
    let Some(verify) = &checks.verify else {
        return succeeded(view, id, cause, SUCCESS, Some(output.clone()), artifacts.to_vec());
    };
    let item = effect_key(id, act.attempt, "verify");
    let mut payload = Map::new();
    let words: Result<Vec<String>, _> =
        verify.cmd.iter().map(|word| view.at(act).render(word)).collect();
    let words = match words {
        Ok(words) => words,
        Err(error) => {
            let fault = super::context::fault_of(&error);
            return failed(view, id, cause, RetryCause::Check, fault);
        }
    };
    payload.insert("run".into(), Value::from(words));
    payload.insert("cwd".into(), Value::from(verify.cwd.clone()));
    payload.insert("agent".into(), Value::from(act.assignee.clone().unwrap_or_default()));
    let wish = ItemWish {
        item: item.clone(),
        kind: "verify".into(),
        priority: view.graph.nodes[node].node.priority.unwrap_or(2),
        payload,
        timeout: verify.timeout.map_or(300_000, crate::core::Span::as_millis),
        idempotent: true,
        act: id.to_owned(),
        attempt: act.attempt,
    };
    Tr::Verify {
        act: id.to_owned(),
        output: output.clone(),
        artifacts: artifacts.to_vec(),
        effects: vec![Effect { key: item, op: Op::Push(Box::new(wish)) }],
    }
}

/// What a result lacks.
fn unmet(
    view: &View<'_>,
    act: &Act,
    node: NodeIx,
    checks: &Checks,
    output: &Output,
    artifacts: &[ArtifactRef],
) -> Option<Fault> {
    let most = view.graph.bounds.output_bytes;
    if output.bytes > most {
        let message = format!("the answer has {} bytes, {most} are allowed", output.bytes);
        return Some(Fault::new("output_too_large", message));
    }
    let text = view.whole_text(output);
    let length = text.trim().chars().count();
    let least = checks.min_output_length.unwrap_or(1) as usize;
    if checks.require_response != Some(false) && length < least {
        let message = format!("the answer has {length} characters, {least} are needed");
        return Some(Fault::new("response_missing", message));
    }
    if checks.require_artifacts == Some(true) && artifacts.is_empty() {
        return Some(Fault::new("artifact_missing", "no artifact was handed in"));
    }
    for glob in &checks.artifact_globs {
        if !artifacts.iter().any(|artifact| glob_matches(glob, &artifact.name)) {
            return Some(Fault::new(
                "artifact_missing",
                format!("no artifact is named like {glob}"),
            ));
        }
    }
    let wanted = checks.success_pattern.to_lowercase();
    if !text.to_lowercase().contains(&wanted) {
        let message = format!("the answer does not contain '{}'", checks.success_pattern);
        return Some(Fault::new("pattern_missing", message));
    }
    if let Some(pattern) = &checks.pattern {
        match regex::Regex::new(pattern).map(|regex| regex.is_match(&text)) {
            Ok(true) => {}
            Ok(false) => {
                let message = format!("the answer does not match '{pattern}'");
                return Some(Fault::new("pattern_missing", message));
            }
            Err(error) => return Some(Fault::new("bad_pattern", error.to_string())),
        }
    }
    let check = checks.check.as_ref()?;
    let mut fresh = act.clone();
    fresh.output = Some(output.clone());
    fresh.artifacts = artifacts.to_vec();
    let seen = View { fresh: Some(&fresh), ..view.at(act) };
    match seen.holds(check) {
        Ok(true) => None,
        Ok(false) => Some(Fault::new("check_false", format!("it does not hold that {check}"))),
        Err(error) => Some(super::context::condition_fault(&view.graph.nodes[node].id, &error)),
    }
}

fn item(
    view: &View<'_>,
    id: &str,
    act: &Act,
    error: Option<&Fault>,
    output: &Output,
    details: &Map<String, Value>,
) -> Tr {
    let node = view.graph.find(&act.node).unwrap_or_default();
    if let Some(Work::Verify { .. }) = &act.work {
        return match error {
            None => {
                let said = act.output.clone();
                succeeded(view, id, Cause::Check, SUCCESS, said, act.artifacts.clone())
            }
            Some(fault) => {
                let tail = crate::core::text::cut(&output.text, 2000);
                let message = format!("the check does not pass: {}\n{tail}", fault.message);
                let fault = Fault::new("verify_failed", message.trim_end());
                failed(view, id, Cause::Check, RetryCause::Check, fault)
            }
        };
    }
    let Some(fault) = error else {
        if output.bytes > view.graph.bounds.output_bytes {
            let message = format!("the result has {} bytes", output.bytes);
            let fault = Fault::new("output_too_large", message);
            return failed(view, id, Cause::Item, RetryCause::Check, fault);
        }
        return succeeded(view, id, Cause::Item, SUCCESS, Some(output.clone()), Vec::new());
    };
    if fault.code == "merge_conflict"
        && let Kind::Merge(merge) = &view.graph.nodes[node].node.kind
    {
        match merge.on_conflict {
            MergeConflict::Fail => {}
            MergeConflict::Pause => {
                let act = act.clone();
                let next = Next::Pause { fault: fault.clone() };
                let error = Some(fault.clone());
                let result =
                    Settled { output: None, artifacts: vec![], error, next, effects: vec![] };
                let attempt = act.attempt;
                return Tr::Settle { act: id.to_owned(), attempt, cause: Cause::Item, result };
            }
            MergeConflict::Task => return make_fit(view, id, act, node, fault, details),
        }
    }
    let why = match fault.code.as_str() {
        "timeout" => RetryCause::Timeout,
        "lost" => RetryCause::Lost,
        _ => RetryCause::Failure,
    };
    let act = view.run.acts[id].clone();
    let seen = view.at(&act);
    let output = (output.bytes > 0 || output.exit_code.is_some()).then(|| output.clone());
    let result = route::failure(&seen, id, &act, node, why, fault.clone(), output);
    Tr::Settle { act: id.to_owned(), attempt: act.attempt, cause: Cause::Item, result }
}

/// Asks the agent to make its branch fit.
fn make_fit(
    view: &View<'_>,
    id: &str,
    act: &Act,
    node: NodeIx,
    fault: &Fault,
    details: &Map<String, Value>,
) -> Tr {
    let round = match &act.parts {
        Some(Parts::Merge { round }) => round + 1,
        _ => 1,
    };
    let agent = details.get("agent").and_then(Value::as_str).unwrap_or_default();
    if round > MERGE_ROUNDS_MAX || agent.is_empty() {
        return failed(view, id, Cause::Item, RetryCause::Failure, fault.clone());
    }
    let text = |name: &str| details.get(name).and_then(Value::as_str).unwrap_or_default();
    let key = effect_key(id, act.attempt, &format!("fit{round}"));
    let task = super::start::id_for(view, &key, 12);
    let team = &view.facts.start().team;
    let description = format!(
        "Your branch {} does not merge into {}: {}\n\n\
         Merge {} into your branch in your worktree, resolve the conflicts, commit, and report:\n\
         clawteam task update {team} {task} --status completed --result \"WHAT YOU DID\"\n",
        text("branch"),
        text("into"),
        fault.message,
        text("into"),
    );
    let wish = TaskWish {
        id: task.clone(),
        subject: format!("Make your branch fit into {}", text("into")),
        description,
        owner: Some(agent.to_owned()),
        priority: view.graph.nodes[node].node.priority.unwrap_or(2),
        act: id.to_owned(),
        node: act.node.clone(),
        attempt: act.attempt,
        needs_response: true,
        min_length: 1,
        ..TaskWish::default()
    };
    Tr::Part {
        act: id.to_owned(),
        parts: Parts::Merge { round },
        work: Some(Work::Task { id: task }),
        due_at: None,
        effects: vec![Effect { key, op: Op::CreateTask(Box::new(wish)) }],
    }
}

fn merge_again(view: &View<'_>, id: &str, act: &Act, node: NodeIx, merge: &Merge) -> Tr {
    let round = match &act.parts {
        Some(Parts::Merge { round }) => *round,
        _ => 1,
    };
    let beginning = Beginning { view: view.at(act), id, act, node, attempt: act.attempt };
    match work::merge_again(&beginning, merge, round) {
        Ok((work, effect)) => Tr::Part {
            act: id.to_owned(),
            parts: Parts::Merge { round },
            work: Some(work),
            due_at: None,
            effects: vec![effect],
        },
        Err(fault) => failed(view, id, Cause::Item, RetryCause::Failure, fault),
    }
}

/// One more child has ended.
fn children(view: &View<'_>, id: &str, act: &Act, ended: &[(usize, Status, Option<String>)]) -> Tr {
    let node = view.graph.find(&act.node).unwrap_or_default();
    let Some(Parts::Children { children, items }) = &act.parts else {
        let fault = Fault::new("no_children", format!("'{id}' has no children"));
        return failed(view, id, Cause::Children, RetryCause::Failure, fault);
    };
    let mut children = children.clone();
    let news = ended.iter().find(|(n, ..)| children.get(*n).is_some_and(|c| c.status.is_none()));
    if let Some((n, status, output)) = news {
        children[*n].status = Some(*status);
        children[*n].output.clone_from(output);
    }
    let parts = Parts::Children { children: children.clone(), items: items.clone() };
    if children.iter().any(|child| child.status.is_none()) {
        let mut effects = Vec::new();
        // Ended children make room for the next ones, in the order of the items.
        if let Kind::Map(map) = &view.graph.nodes[node].node.kind {
            let room = map.concurrency.unwrap_or(MAP_CONCURRENCY).max(1) as usize;
            let done = children.iter().filter(|child| child.status.is_some()).count();
            let next = room + done - 1;
            if let Some(child) = children.get(next) {
                let beginning =
                    Beginning { view: view.at(act), id, act, node, attempt: act.attempt };
                match work::map_child(&beginning, map, next, &child.run, &items[next]) {
                    Ok(effect) => effects.push(effect),
                    Err(fault) => {
                        return failed(view, id, Cause::Children, RetryCause::Failure, fault);
                    }
                }
            }
        }
        let act = id.to_owned();
        return Tr::Part { act, parts, work: None, due_at: view.run.acts[id].due_at, effects };
    }
    let bad = children.iter().filter(|child| child.status != Some(Status::Completed)).count();
    let (is_map, tolerated) = match &view.graph.nodes[node].node.kind {
        Kind::Map(map) => {
            let part = map.tolerate.ratio.unwrap_or(0.0) * children.len() as f64;
            let count = f64::from(map.tolerate.failures.unwrap_or(0)).max(part);
            (true, count)
        }
        _ => (false, 0.0),
    };
    if bad as f64 > tolerated {
        let message = format!("{bad} of {} runs did not complete", children.len());
        let fault = Fault::new("child_failed", message);
        return failed(view, id, Cause::Children, RetryCause::Failure, fault);
    }
    let value = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or("null");
        serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
    };
    let output = if is_map {
        Value::Array(children.iter().map(|child| value(&child.output)).collect())
    } else {
        children.first().map_or(Value::Null, |child| value(&child.output))
    };
    succeeded(view, id, Cause::Children, SUCCESS, Some(Output::of(output)), Vec::new())
}

fn approval(view: &View<'_>, id: &str, act: &Act, cause: Cause, verdict: Verdict) -> Tr {
    let node = view.graph.find(&act.node).unwrap_or_default();
    let Kind::Approval(wanted) = &view.graph.nodes[node].node.kind else {
        let fault = Fault::new("no_approval", format!("'{id}' is no approval"));
        return failed(view, id, cause, RetryCause::Failure, fault);
    };
    let settle = |mut result: Settled, cause: Cause| {
        if verdict == Verdict::Approved
            && let Some(Work::Approval { id: approval }) = &act.work
        {
            let op = Op::ConsumeApproval { id: approval.clone(), by: id.to_owned() };
            result.effects.push(Effect { key: effect_key(id, act.attempt, "consume"), op });
        }
        Tr::Settle { act: id.to_owned(), attempt: act.attempt, cause, result }
    };
    let seen = view.at(act);
    let result = match verdict {
        Verdict::Approved => {
            route::success(&seen, act, node, SUCCESS, Some(said(&cause, "approved")), Vec::new())
        }
        Verdict::Rejected => rejected(&seen, id, act, node, wanted, &cause),
        Verdict::Expired => return expired(&seen, id, act, node, wanted, cause),
        Verdict::Cancelled => {
            let message = format!("the approval of '{}' was cancelled", act.node);
            let fault = Fault::new("approval_cancelled", message);
            let next = Next::Fail { fault: fault.clone() };
            let error = Some(fault);
            Settled { output: None, artifacts: vec![], error, next, effects: vec![] }
        }
    };
    settle(result, cause)
}

/// A decision as a result.
fn said(cause: &Cause, decision: &str) -> Output {
    let (who, comment) = match cause {
        Cause::Approval { who, comment, .. } => (who.clone(), comment.clone()),
        _ => (vec!["timeout".to_owned()], String::new()),
    };
    Output::of(serde_json::json!({"decision": decision, "by": who, "comment": comment}))
}

fn rejected(
    view: &View<'_>,
    id: &str,
    act: &Act,
    node: NodeIx,
    wanted: &Approval,
    cause: &Cause,
) -> Settled {
    let output = Some(said(cause, "rejected"));
    let before = view.run.rework.get(&act.node).copied().unwrap_or(0);
    let next = if !wanted.rework.is_empty() && before < wanted.max_rework.unwrap_or(3) {
        let (by, text) = match cause {
            Cause::Approval { who, comment, .. } => (who.join(", "), comment.clone()),
            _ => (String::new(), String::new()),
        };
        let feedback = Some(Feedback { from: id.to_owned(), by, text, at: view.now });
        Next::Visit { port: REWORK.into(), nodes: wanted.rework.clone(), feedback }
    } else if view.graph.leaving(node, "rejected").next().is_some() {
        route::follow(view, node, "rejected")
    } else {
        let message = if wanted.rework.is_empty() {
            format!("'{}' was rejected, and no edge leads on", act.node)
        } else {
            format!("'{}' was rejected once more after {before} times of rework", act.node)
        };
        Next::Fail { fault: Fault::new("approval_rejected", message) }
    };
    Settled { output, artifacts: vec![], error: None, next, effects: vec![] }
}

/// Nobody decided in time.
fn expired(
    view: &View<'_>,
    id: &str,
    act: &Act,
    node: NodeIx,
    wanted: &Approval,
    cause: Cause,
) -> Tr {
    let close = call_off(view.graph, id, act, "nobody decided in time");
    match &wanted.on_timeout {
        OnTimeout::Escalate(to) if act.parts.is_none() => {
            let beginning = Beginning { view: view.at(act), id, act, node, attempt: act.attempt };
            let wish = approval_wish(&beginning, wanted, "escalated", vec![to.clone()]);
            match wish {
                Ok(wish) => {
                    let mut effects = close;
                    let (due_at, approval) = (wish.expires_at, wish.id.clone());
                    let key = effect_key(id, act.attempt, "escalated");
                    effects.push(Effect { key, op: Op::RequestApproval(Box::new(wish)) });
                    Tr::Part {
                        act: id.to_owned(),
                        parts: Parts::Escalated { to: to.clone() },
                        work: Some(Work::Approval { id: approval }),
                        due_at,
                        effects,
                    }
                }
                Err(fault) => failed(view, id, cause, RetryCause::Failure, fault),
            }
        }
        OnTimeout::Approve => {
            let output = Some(said(&Cause::Timeout, "approved"));
            let mut result = route::success(view, act, node, SUCCESS, output, Vec::new());
            result.effects = close;
            Tr::Settle { act: id.to_owned(), attempt: act.attempt, cause: Cause::Timeout, result }
        }
        _ => {
            let next = if view.graph.leaving(node, "expired").next().is_some() {
                route::follow(view, node, "expired")
            } else if view.graph.leaving(node, "rejected").next().is_some() {
                route::follow(view, node, "rejected")
            } else {
                let message = format!("nobody decided about '{}' in time", act.node);
                Next::Fail { fault: Fault::new("approval_expired", message) }
            };
            let output = Some(said(&Cause::Timeout, "expired"));
            let result = Settled { output, artifacts: vec![], error: None, next, effects: close };
            Tr::Settle { act: id.to_owned(), attempt: act.attempt, cause: Cause::Timeout, result }
        }
    }
}

//! Which changes of an approval are allowed.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::PLAN;
use super::actor::{Actor, ActorKind, Approver, Proof, Standing};
use super::error::ApprovalError;
use super::model::{Approval, Bound, Decision, OnTimeout, Status, Verdict};
use super::record::Change;
use super::signature::Signed;
use crate::core::{Digest, Stamp};

/// An answer that somebody gives.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Yes, no, or neither.
    pub verdict: Verdict,
    /// Why.
    pub comment: String,
    /// The signature under it, which was checked.
    pub sig: Option<Signed>,
}

/// What time alone does to an approval.
pub fn due(approval: &Approval, now: DateTime<Utc>) -> Option<Change> {
    let at = approval.expires_at.as_ref()?.instant()?;
    if approval.status != Status::Pending || now < at {
        return None;
    }
    Some(match &approval.on_timeout {
        OnTimeout::Nothing => return None,
        OnTimeout::Expire | OnTimeout::Reject => Change::Expired {},
        OnTimeout::Approve => Change::Answered {
            decision: Decision {
                actor: Actor::policy("on-timeout").id,
                kind: ActorKind::Policy,
                proof: Proof::None,
                decision: Verdict::Approve,
                comment: "nobody objected in time".to_owned(),
                at: Stamp::at(now),
                sig: None,
            },
            status: Status::Approved,
        },
        OnTimeout::Escalate(to) => {
            let lasted = approval.created_at.instant().map(|created| at - created);
            let until = lasted.and_then(|span| now.checked_add_signed(span));
            Change::Escalated {
                by: Actor::system("timeout").id,
                to: to.clone(),
                reason: "nobody decided in time".to_owned(),
                expires_at: until.map(Stamp::at),
                on_timeout: OnTimeout::Expire,
            }
        }
    })
}

/// Whether a decision can still be made.
fn open(approval: &Approval, now: DateTime<Utc>) -> Result<(), ApprovalError> {
    let id = approval.id.to_string();
    if approval.status == Status::Expired || due(approval, now).is_some() {
        let at = approval.expires_at.clone().unwrap_or_default();
        return Err(ApprovalError::Expired { id, at });
    }
    if approval.status != Status::Pending {
        return Err(ApprovalError::NotPending { id, status: approval.status });
    }
    Ok(())
}

/// Whether `actor` may answer.
fn authority(approval: &Approval, actor: &Actor, here: Standing) -> Result<(), ApprovalError> {
    let id = || approval.id.to_string();
    let who = || actor.id.clone();
    if approval.requester.is(actor) {
        return Err(ApprovalError::OwnRequest { actor: who(), id: id() });
    }
    if !approval.approvers.iter().any(|approver| approver.admits(actor, here.is_lead)) {
        let human = |a: &Approver| matches!(a, Approver::Human | Approver::Person(_));
        if actor.kind != ActorKind::Human && approval.approvers.iter().any(human) {
            return Err(ApprovalError::NeedsHuman { actor: who(), id: id() });
        }
        let approvers = approval.approvers_text();
        return Err(ApprovalError::NotListed { actor: who(), id: id(), approvers });
    }
    if here.is_lead && !here.lead_may_decide {
        return Err(ApprovalError::LeadMayNot { id: id() });
    }
    if actor.kind != ActorKind::Human {
        return if approval.require_signature {
            Err(ApprovalError::NeedsHuman { actor: who(), id: id() })
        } else {
            Ok(())
        };
    }
    let least = if approval.require_signature { Proof::Signature } else { here.least };
    if actor.proof < least {
        return Err(ApprovalError::WeakProof { id: id(), needed: least, given: actor.proof });
    }
    Ok(())
}

/// Answers a request.
pub fn decide(
    approval: &Approval,
    answer: &Answer,
    actor: &Actor,
    here: Standing,
    now: DateTime<Utc>,
) -> Result<Change, ApprovalError> {
    let id = || approval.id.to_string();
    open(approval, now)?;
    authority(approval, actor, here)?;
    if approval.decisions.iter().any(|decision| decision.actor == actor.id) {
        return Err(ApprovalError::AlreadyAnswered { actor: actor.id.clone(), id: id() });
    }
    // Python's ClawTeam rejects plans without a word.
    let needs_words = answer.verdict == Verdict::Reject && approval.action_type != PLAN;
    if needs_words && answer.comment.trim().is_empty() {
        return Err(ApprovalError::CommentRequired { id: id() });
    }
    let with = |verdict| approval.count(verdict) + 1;
    let status = match answer.verdict {
        Verdict::Approve if with(Verdict::Approve) >= approval.quorum as usize => Status::Approved,
        Verdict::Reject if with(Verdict::Reject) >= approval.reject_quorum as usize => {
            Status::Rejected
        }
        _ => Status::Pending,
    };
    let decision = Decision {
        actor: actor.id.clone(),
        kind: actor.kind,
        proof: actor.proof,
        decision: answer.verdict,
        comment: answer.comment.clone(),
        at: Stamp::at(now),
        sig: answer.sig.clone(),
    };
    Ok(Change::Answered { decision, status })
}

/// Takes a request back: whoever asked may, a person may, and clawteam itself.
pub fn cancel(
    approval: &Approval,
    actor: &Actor,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Change, ApprovalError> {
    open(approval, now)?;
    if actor.kind == ActorKind::Agent && !approval.requester.is(actor) {
        let id = approval.id.to_string();
        return Err(ApprovalError::NotYours { actor: actor.id.clone(), what: "cancel", id });
    }
    Ok(Change::Cancelled { by: actor.id.clone(), reason: reason.to_owned() })
}

/// Takes an approval away because what was approved has changed.
pub fn invalidate(
    approval: &Approval,
    actor: &Actor,
    reason: &str,
) -> Result<Change, ApprovalError> {
    if approval.status != Status::Approved {
        let (id, status) = (approval.id.to_string(), approval.status);
        return Err(ApprovalError::NotApproved { id, status });
    }
    Ok(Change::Invalidated { by: actor.id.clone(), reason: reason.to_owned() })
}

/// Asks somebody else too. An agent may turn to people only: otherwise it could choose a judge to
/// its liking.
pub fn escalate(
    approval: &Approval,
    actor: &Actor,
    to: &Approver,
    reason: &str,
    until: Option<Stamp>,
    now: DateTime<Utc>,
) -> Result<Change, ApprovalError> {
    open(approval, now)?;
    let id = || approval.id.to_string();
    let person = matches!(to, Approver::Human | Approver::Person(_));
    if actor.kind == ActorKind::Agent && !person {
        return Err(ApprovalError::NotYours {
            actor: actor.id.clone(),
            what: "choose another agent to decide about",
            id: id(),
        });
    }
    let requester = &approval.requester.id;
    if *requester == to.to_string() {
        return Err(ApprovalError::OwnRequest { actor: requester.clone(), id: id() });
    }
    Ok(Change::Escalated {
        by: actor.id.clone(),
        to: to.clone(),
        reason: reason.to_owned(),
        expires_at: until.or_else(|| approval.expires_at.clone()),
        on_timeout: approval.on_timeout.clone(),
    })
}

/// What was approved, as it is now.
#[derive(Debug, Clone, Default)]
pub struct Present {
    /// The state of the subject, if the caller knows it.
    pub bound: Option<Bound>,
    /// The state of each task; `None` if it is gone.
    pub tasks: BTreeMap<String, Option<Digest>>,
}

/// Why an approval does not fit what is there now.
pub fn void(approval: &Approval, present: &Present) -> Option<String> {
    if let (Some(asked), Some(now)) = (&approval.bound, &present.bound)
        && asked != now
    {
        return Some(format!(
            "it was given for {} (revision {}), and now there is {} (revision {})",
            asked.digest.start(12),
            asked.revision,
            now.digest.start(12),
            now.revision
        ));
    }
    approval.valid_for_revision.iter().find_map(|(task, asked)| match present.tasks.get(task) {
        Some(Some(now)) if now == asked => None,
        Some(Some(_)) => Some(format!("task '{task}' has changed since it was asked for")),
        _ => Some(format!("task '{task}' is gone")),
    })
}

/// Uses an approval to let `by` pass; `None` if it did so before. Whether it is void must have
/// been asked before.
pub fn consume(
    approval: &Approval,
    by: &str,
    now: DateTime<Utc>,
) -> Result<Option<Change>, ApprovalError> {
    let id = approval.id.to_string();
    if due(approval, now).is_some() {
        let at = approval.expires_at.clone().unwrap_or_default();
        return Err(ApprovalError::Expired { id, at });
    }
    if approval.status != Status::Approved {
        return Err(ApprovalError::NotApproved { id, status: approval.status });
    }
    match approval.consumed_by.first() {
        Some(used) if used.by == by => Ok(None),
        Some(used) => Err(ApprovalError::Used { id, by: used.by.clone() }),
        None => Ok(Some(Change::Consumed { by: by.to_owned() })),
    }
}

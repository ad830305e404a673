//! Asking for an approval.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::actor::Approver;
use super::error::ApprovalError;
use super::model::{Approval, Attachment, Bound, OnTimeout, Requester, Risk, SCHEMA, Status};
use crate::core::{Digest, Name, Span, Stamp, TeamName};
use crate::domain::Extra;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct NewApproval {
    /// The identifier that it shall have; `None` for a fresh one.
    pub id: Option<Name>,
    /// What tells the same request from another one: a request with the same identifier and key
    /// was made before.
    pub key: Option<String>,
    /// What kind of thing is to be done, in a word.
    pub action_type: String,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, at length.
    pub description: String,
    /// Why.
    pub reason: String,
    /// The tasks that it is about, the primary one first.
    pub task_ids: Vec<String>,
    /// Which state of each task is approved.
    pub valid_for_revision: BTreeMap<String, Digest>,
    /// The run that asks.
    pub run: Option<Name>,
    /// The node of the run.
    pub node: Option<String>,
    /// Which activation of the node.
    pub act: Option<u64>,
    /// The plan that is decided about.
    pub plan_id: Option<String>,
    /// Who asks.
    pub requester: Requester,
    /// Who may decide; any person if nobody is named.
    pub approvers: Vec<Approver>,
    /// How many of them must agree.
    pub quorum: u32,
    /// How many of them must refuse for a rejection.
    pub reject_quorum: u32,
    /// Whether answers must be signed.
    pub require_signature: bool,
    /// What exactly is to be done, for programs.
    pub payload: Option<Value>,
    /// The digest under which a large payload is kept.
    pub payload_blob: Option<Digest>,
    /// What to look at.
    pub attachments: Vec<Attachment>,
    /// How sure the requester is, from 0 to 100.
    pub confidence: Option<u8>,
    /// What that is made of.
    pub rubric: BTreeMap<String, i64>,
    /// Whether it reaches beyond the team.
    pub external: bool,
    /// Whether it can do harm.
    pub risky: bool,
    /// How much.
    pub risk: Risk,
    /// For how long a decision counts.
    pub timeout: Option<Span>,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// Which state of what is approved; `None`: what the request itself holds.
    pub bound: Option<Bound>,
    /// The request that this one replaces.
    pub supersedes: Option<Name>,
}

impl NewApproval {
    /// A request of which no more is said.
    pub fn new(
        requester: Requester,
        action_type: impl Into<String>,
        title: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            id: None,
            key: None,
            action_type: action_type.into(),
            title: title.into(),
            description: String::new(),
            reason: reason.into(),
            task_ids: Vec::new(),
            valid_for_revision: BTreeMap::new(),
            run: None,
            node: None,
            act: None,
            plan_id: None,
            requester,
            approvers: Vec::new(),
            quorum: 1,
            reject_quorum: 1,
            require_signature: false,
            payload: None,
            payload_blob: None,
            attachments: Vec::new(),
            confidence: None,
            rubric: BTreeMap::new(),
            external: false,
            risky: false,
            risk: Risk::default(),
            timeout: None,
            on_timeout: OnTimeout::default(),
            bound: None,
            supersedes: None,
        }
    }

    /// The pending approval that this request makes. `weights`: how much each part of a rubric
    /// counts (1 if nothing is said).
    pub fn make(
        mut self,
        id: Name,
        team: &TeamName,
        weights: &BTreeMap<String, f64>,
        now: DateTime<Utc>,
    ) -> Result<Approval, ApprovalError> {
        self.tidy();
        self.check()?;
        let expires_at = match (&self.on_timeout, self.timeout) {
            (OnTimeout::Nothing, _) | (_, None) => None,
            (_, Some(span)) => Some(Stamp::at(later(now, span)?)),
        };
        let bound = self.bound.clone().unwrap_or_else(|| self.content());
        let confidence = self.confidence.or_else(|| weighted(&self.rubric, weights));
        Ok(Approval {
            schema: SCHEMA.to_owned(),
            id,
            team: team.clone(),
            rev: 1,
            status: Status::Pending,
            action_type: self.action_type,
            title: self.title,
            description: self.description,
            reason: self.reason,
            task_ids: self.task_ids,
            run: self.run,
            node: self.node,
            act: self.act,
            plan_id: self.plan_id,
            requester: self.requester,
            approvers: self.approvers,
            quorum: self.quorum,
            reject_quorum: self.reject_quorum,
            require_signature: self.require_signature,
            payload: self.payload,
            payload_blob: self.payload_blob,
            attachments: self.attachments,
            confidence,
            rubric: self.rubric,
            external: self.external,
            risky: self.risky,
            risk: self.risk,
            policy: None,
            created_at: Stamp::at(now),
            expires_at,
            on_timeout: self.on_timeout,
            escalation: None,
            decisions: Vec::new(),
            resolved_at: None,
            resolution: None,
            bound: Some(bound),
            valid_for_revision: self.valid_for_revision,
            consumed_by: Vec::new(),
            supersedes: self.supersedes,
            key: self.key,
            extra: Extra::new(),
        })
    }

    /// Names each task and each approver once.
    fn tidy(&mut self) {
        let mut seen = BTreeSet::new();
        self.task_ids.retain(|id| seen.insert(id.clone()));
        let mut approvers: Vec<Approver> = Vec::new();
        for approver in self.approvers.drain(..) {
            if !approvers.contains(&approver) {
                approvers.push(approver);
            }
        }
        if approvers.is_empty() {
            approvers.push(Approver::Human);
        }
        self.approvers = approvers;
    }

    fn check(&self) -> Result<(), ApprovalError> {
        let invalid = |what: &'static str, why: &str| {
            Err(ApprovalError::Invalid { what, why: why.to_owned() })
        };
        for (what, text) in
            [("action", &self.action_type), ("title", &self.title), ("reason", &self.reason)]
        {
            if text.trim().is_empty() {
                return invalid(what, "it must not be empty");
            }
        }
        if self.confidence.is_some_and(|confidence| confidence > 100) {
            return invalid("confidence", "it is a number from 0 to 100");
        }
        if self.quorum == 0 || self.reject_quorum == 0 {
            return invalid("quorum", "it is 1 or more");
        }
        let own = |approver: &Approver| match approver {
            Approver::Agent(name) => self.requester.id == format!("agent:{name}"),
            Approver::Person(user) => self.requester.id == format!("human:{user}"),
            _ => false,
        };
        let others: Vec<&Approver> = self.approvers.iter().filter(|who| !own(who)).collect();
        if others.is_empty() {
            return invalid("approver", "nobody may decide about a request of their own");
        }
        let open = others.iter().any(|approver| approver.is_open());
        if !open && others.len() < self.quorum.max(self.reject_quorum) as usize {
            return invalid("quorum", "there are fewer approvers than must agree");
        }
        if self.require_signature && self.approvers.iter().all(|a| matches!(a, Approver::Agent(_)))
        {
            return invalid("approver", "only a person can sign, and none is listed");
        }
        let harmful = self.external || self.risky || self.require_signature;
        if self.on_timeout == OnTimeout::Approve && harmful {
            return invalid(
                "on-timeout",
                "what is external, risky or must be signed is never approved by itself",
            );
        }
        Ok(())
    }

    /// The digest of what the request itself holds.
    fn content(&self) -> Bound {
        let attachments: Vec<(&str, &str)> =
            self.attachments.iter().map(|a| (a.name.as_str(), a.blob.as_str())).collect();
        let payload = self.payload.as_ref().map(ToString::to_string);
        let content = serde_json::json!([
            self.action_type,
            self.title,
            self.description,
            payload,
            self.payload_blob,
            attachments,
        ]);
        Bound { digest: Digest::of(content.to_string().as_bytes()), revision: 0 }
    }
}

fn later(now: DateTime<Utc>, span: Span) -> Result<DateTime<Utc>, ApprovalError> {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let later = TimeDelta::try_milliseconds(millis).and_then(|span| now.checked_add_signed(span));
    later.ok_or_else(|| ApprovalError::Invalid {
        what: "expiry",
        why: format!("{span} from now is no date"),
    })
}

/// The confidence that the parts of a rubric come to.
fn weighted(rubric: &BTreeMap<String, i64>, weights: &BTreeMap<String, f64>) -> Option<u8> {
    if rubric.is_empty() {
        return None;
    }
    let part =
        |(name, score): (&String, &i64)| *score as f64 * weights.get(name).copied().unwrap_or(1.0);
    let sum: f64 = rubric.iter().map(part).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 100 by the line itself"
    )]
    Some(sum.round().clamp(0.0, 100.0) as u8)
}

//! What happens to an approval, as its journal holds it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::actor::Approver;
use super::model::{
    Approval, Consumption, Decision, Escalation, OnTimeout, Resolution, Status, Verdict,
};
use crate::core::Stamp;

/// A change of an approval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Change {
    /// It was asked for.
    Requested {
        /// The request.
        approval: Box<Approval>,
    },
    /// Somebody answered.
    Answered {
        /// The answer.
        decision: Decision,
        /// Where the approval stands with it.
        status: Status,
    },
    /// Nobody decided in time.
    Expired {},
    /// The request was taken back.
    Cancelled {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// What was approved has changed.
    Invalidated {
        /// Who noticed.
        by: String,
        /// What has changed.
        reason: String,
    },
    /// Somebody else is asked too.
    Escalated {
        /// By whom.
        by: String,
        /// Who is asked.
        to: Approver,
        /// Why.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// From when on no decision counts now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Stamp>,
        /// What happens then.
        on_timeout: OnTimeout,
    },
    /// It let something pass.
    Consumed {
        /// What.
        by: String,
    },
}

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The number of the change; 1 is the request.
    pub rev: u64,
    /// When it happened. Never before the one in front of it.
    pub at: Stamp,
    /// What happened.
    #[serde(flatten)]
    pub change: Change,
}

/// Why a record cannot come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misplaced(&'static str);

impl Approval {
    /// Makes a change that the rules allowed.
    pub fn apply(&mut self, record: &Record) -> Result<(), Misplaced> {
        if record.rev != self.rev + 1 {
            return Err(Misplaced("its number does not follow"));
        }
        let pending = self.status == Status::Pending;
        let approved = self.status == Status::Approved;
        match &record.change {
            Change::Requested { .. } => return Err(Misplaced("it was asked for before")),
            Change::Consumed { .. } | Change::Invalidated { .. } if !approved => {
                return Err(Misplaced("it is not approved"));
            }
            Change::Consumed { .. } if !self.consumed_by.is_empty() => {
                return Err(Misplaced("it was used before"));
            }
            Change::Consumed { .. } | Change::Invalidated { .. } => {}
            _ if !pending => return Err(Misplaced("it was decided before")),
            _ => {}
        }
        match &record.change {
            Change::Requested { .. } => {}
            Change::Answered { decision, status } => {
                self.decisions.push(decision.clone());
                if *status != Status::Pending {
                    self.resolve(*status, &decision.actor, &decision.comment, &record.at);
                }
            }
            Change::Expired {} => {
                let comment = "nobody decided in time";
                self.resolve(Status::Expired, "system:timeout", comment, &record.at);
            }
            Change::Cancelled { by, reason } | Change::Invalidated { by, reason } => {
                self.resolve(Status::Cancelled, by, reason, &record.at);
            }
            Change::Escalated { to, expires_at, on_timeout, .. } => {
                let level = self.escalation.as_ref().map_or(0, |last| last.level) + 1;
                self.escalation = Some(Escalation { to: to.clone(), at: record.at.clone(), level });
                if !self.approvers.contains(to) {
                    self.approvers.push(to.clone());
                }
                self.expires_at.clone_from(expires_at);
                self.on_timeout = on_timeout.clone();
            }
            Change::Consumed { by } => {
                self.consumed_by.push(Consumption { by: by.clone(), at: record.at.clone() });
            }
        }
        self.rev = record.rev;
        Ok(())
    }

    fn resolve(&mut self, status: Status, by: &str, comment: &str, at: &Stamp) {
        self.status = status;
        self.resolved_at = Some(at.clone());
        self.resolution = Some(Resolution { by: by.to_owned(), comment: comment.to_owned() });
    }

    /// The answers of those who agree, which the approval rests on.
    pub fn assents(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.decision == Verdict::Approve)
    }
}

/// What the records of a journal come to, with the instant of the last one; or the number of the
/// record (0 is the first) that cannot be there, and why.
pub fn replay(records: &[Value]) -> Result<Option<(Approval, Stamp)>, (usize, String)> {
    let mut state: Option<(Approval, Stamp)> = None;
    for (index, value) in records.iter().enumerate() {
        let record = Record::deserialize(value).map_err(|error| (index, error.to_string()))?;
        let bad = |why: Misplaced| (index, why.to_string());
        match (&mut state, record) {
            (None, Record { rev: 1, at, change: Change::Requested { approval } }) => {
                if approval.status != Status::Pending || approval.rev != 1 {
                    return Err(bad(Misplaced("a request cannot be decided")));
                }
                state = Some((*approval, at));
            }
            (None, _) => return Err(bad(Misplaced("there is no request before it"))),
            (Some((approval, last)), record) => {
                approval.apply(&record).map_err(bad)?;
                *last = record.at;
            }
        }
    }
    Ok(state)
}

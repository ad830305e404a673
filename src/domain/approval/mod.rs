//! Approvals: what somebody wants to do, who must agree, and what they said.
//!
//! The journal of an approval is the truth: its records are the changes, and the document is what
//! they come to. The rules look at an approval and return the change that would happen;
//! [`Approval::apply`] makes it.

mod actor;
mod error;
mod model;
mod policy;
mod record;
mod request;
mod rules;
pub mod signature;

pub use actor::{Actor, ActorKind, Approver, Proof, Standing};
pub use error::{ApprovalError, Conflict};
pub use model::{
    Approval, Attachment, AttachmentKind, Bound, Consumption, Decision, Escalation, OnTimeout,
    PolicyVerdict, Requester, Resolution, Risk, SCHEMA, Status, Verdict,
};
pub use policy::{DEFAULT_REQUIRED, POLICY_SCHEMA, Policy, Rule, Ruling};
pub use record::{Change, Record, replay};
pub use request::NewApproval;
pub use rules::{Answer, Present, cancel, consume, decide, due, escalate, invalidate, void};

/// The action of an approval that decides about a plan.
pub const PLAN: &str = "plan";

#[cfg(test)]
mod tests;

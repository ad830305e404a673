//! What a team says about approvals in general: `approvals/<team>/policy.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::{Approval, PolicyVerdict};
use crate::domain::Extra;
use crate::domain::expr::{Expr, ExprError};

/// The format of the document.
pub const POLICY_SCHEMA: &str = "clawteam.approval-policy/1";

/// When somebody has to decide, if the team says nothing else.
pub const DEFAULT_REQUIRED: &str = "a.external || a.risky || a.confidence < 80";

/// A condition with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name, which the journal gives as the actor.
    pub name: String,
    /// The condition, in CEL, over `a` (the request), `task` (the primary one, or null) and
    /// `actor` (who asks).
    pub when: String,
}

/// What a team says about approvals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The format.
    pub schema: String,
    /// When somebody has to decide, in CEL.
    #[serde(default = "default_required")]
    pub required: String,
    /// When nobody has to: never for what is external or risky, and only if `required` is false.
    #[serde(default)]
    pub auto_approve: Vec<Rule>,
    /// Whether the leader may decide where it is listed.
    #[serde(default = "yes")]
    pub lead_may_approve: bool,
    /// How much each part of a rubric counts; 1 if it is not named.
    #[serde(default)]
    pub weights: BTreeMap<String, f64>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

fn default_required() -> String {
    DEFAULT_REQUIRED.to_owned()
}

fn yes() -> bool {
    true
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            schema: POLICY_SCHEMA.to_owned(),
            required: default_required(),
            auto_approve: Vec::new(),
            lead_may_approve: true,
            weights: BTreeMap::new(),
            extra: Extra::new(),
        }
    }
}

/// Whether `condition` holds for the variables `of`.
fn holds(condition: &str, of: &Value) -> Result<bool, ExprError> {
    Expr::compile(condition)?.eval_bool(of)
}

/// What a policy says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// What is written into the approval.
    pub verdict: PolicyVerdict,
    /// The rule that approves it, if one does.
    pub approved_by: Option<String>,
}

impl Policy {
    /// Whether the format is one that this version may change.
    pub fn is_known_format(&self) -> bool {
        self.schema == POLICY_SCHEMA
    }

    /// The variables of conditions about a request.
    pub fn variables(approval: &Approval, task: Option<&Value>) -> Value {
        let approvers: Vec<String> = approval.approvers.iter().map(ToString::to_string).collect();
        json!({
            "a": {
                "action": approval.action_type,
                "title": approval.title,
                "reason": approval.reason,
                "confidence": approval.confidence.unwrap_or(0),
                "external": approval.external,
                "risky": approval.risky,
                "risk": approval.risk,
                "rubric": approval.rubric,
                "quorum": approval.quorum,
                "approvers": approvers,
                "tasks": approval.task_ids,
                "run": approval.run,
                "node": approval.node,
                "payload": approval.payload,
            },
            "task": task,
            "actor": {"id": approval.requester.id, "kind": approval.requester.kind},
        })
    }

    /// What the policy says about a request. A condition that cannot be evaluated never lets
    /// anything through.
    pub fn rule(&self, approval: &Approval, task: Option<&Value>) -> Ruling {
        let variables = Self::variables(approval, task);
        let seen = format!(
            "external {}, risky {}, confidence {}",
            approval.external,
            approval.risky,
            approval.confidence.map_or("not given".to_owned(), |number| number.to_string())
        );
        let ruling = |name: &str, verdict: &str, why: String, approved_by: Option<String>| Ruling {
            verdict: PolicyVerdict { name: name.to_owned(), verdict: verdict.to_owned(), why },
            approved_by,
        };
        match holds(&self.required, &variables) {
            Ok(true) => {
                return ruling("required", "required", format!("{} ({seen})", self.required), None);
            }
            Ok(false) => {}
            Err(why) => {
                let why = format!("the condition cannot be evaluated: {why}");
                return ruling("required", "required", why, None);
            }
        }
        if !approval.external && !approval.risky && !approval.require_signature {
            for rule in &self.auto_approve {
                match holds(&rule.when, &variables) {
                    Ok(true) => {
                        let why = format!("{} ({seen})", rule.when);
                        return ruling(&rule.name, "auto", why, Some(rule.name.clone()));
                    }
                    Ok(false) => {}
                    Err(why) => {
                        let why = format!("the condition cannot be evaluated: {why}");
                        return ruling(&rule.name, "required", why, None);
                    }
                }
            }
        }
        ruling("required", "optional", format!("not: {} ({seen})", self.required), None)
    }
}

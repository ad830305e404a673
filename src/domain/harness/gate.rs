//! What must be true before a phase is left.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Harness;
use crate::core::text::count;

/// A condition for leaving a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Gate {
    /// These artifacts were handed in.
    Artifacts {
        /// Their names.
        names: Vec<String>,
    },
    /// A person approved.
    HumanApproval,
    /// Every task of the team is completed.
    TasksCompleted,
}

/// The artifact that says what is to be made.
pub const SPEC: &str = "spec.md";
/// The artifact that says whether it was made well.
pub const EVALUATION: &str = "eval-report.json";
/// The artifact that says what came of the run.
pub const MANIFEST: &str = "ship-manifest.json";

/// What the evaluation is called that one of several evaluators hands in.
pub fn evaluation_by(agent: &str) -> String {
    format!("eval-report.{agent}.json")
}

/// Whether an artifact is an evaluation, of all that was made or by one of several evaluators.
pub fn is_evaluation(name: &str) -> bool {
    name.starts_with("eval-report.") && name.rsplit('.').next() == Some("json")
}

/// The artifact that an approval of `phase` is.
pub fn approval_name(phase: &str) -> String {
    format!("approval-{phase}.json")
}

/// Whether only an approval may be called so.
pub fn is_approval(name: &str) -> bool {
    name.starts_with("approval-") && name.rsplit('.').next() == Some("json")
}

/// The gates of `phases`: `plan` needs a specification, `verify` completed tasks. `human` are the
/// phases that a person must approve; `None`: `plan`.
pub fn gates(phases: &[String], human: Option<&[String]>) -> IndexMap<String, Vec<Gate>> {
    let usual = [String::from("plan")];
    let human = human.unwrap_or(&usual);
    let of = |phase: &String| {
        let mut gates = Vec::new();
        match phase.as_str() {
            "plan" => gates.push(Gate::Artifacts { names: vec![SPEC.to_owned()] }),
            "verify" => gates.push(Gate::TasksCompleted),
            _ => {}
        }
        if human.contains(phase) {
            gates.push(Gate::HumanApproval);
        }
        gates
    };
    let gates = phases.iter().map(|phase| (phase.clone(), of(phase)));
    gates.filter(|(_, gates)| !gates.is_empty()).collect()
}

/// What gates look at besides the run itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// How many tasks of the team are not completed.
    pub open_tasks: usize,
    /// What is wrong with the contracts.
    pub contract_problems: Vec<String>,
    /// What the evaluation says if it did not pass.
    pub evaluation_failed: Option<String>,
}

/// Why the present phase cannot be left; empty if it can.
pub fn reasons(run: &Harness, facts: &Facts) -> Vec<String> {
    let usual;
    let gates = if let Some(gates) = &run.gates {
        gates
    } else {
        usual = gates(&run.phases, None);
        &usual
    };
    let phase = &run.current_phase;
    let mut reasons = Vec::new();
    for gate in gates.get(phase).into_iter().flatten() {
        match gate {
            Gate::Artifacts { names } => {
                let missing = names.iter().filter(|name| !run.artifacts.contains_key(*name));
                let missing: Vec<&str> = missing.map(String::as_str).collect();
                if !missing.is_empty() {
                    reasons.push(format!("Missing artifacts: {}", missing.join(", ")));
                }
            }
            Gate::HumanApproval => {
                if !run.artifacts.contains_key(&approval_name(phase)) {
                    let team = &run.team_name;
                    reasons
                        .push(format!("Human approval required: clawteam harness approve {team}"));
                }
            }
            Gate::TasksCompleted => {
                if facts.open_tasks > 0 {
                    reasons.push(format!("{} task(s) not completed", facts.open_tasks));
                }
            }
        }
    }
    let next = run.next_phase().and_then(|next| run.role_of(next));
    if next == Some(super::EXECUTOR) && !facts.contract_problems.is_empty() {
        let problems = &facts.contract_problems;
        let what = count(problems.len(), "problem");
        reasons.push(format!("{what} with the sprint contracts: {}", problems.join("; ")));
    }
    if run.role() == Some(super::EVALUATOR)
        && let Some(why) = &facts.evaluation_failed
    {
        reasons.push(format!(
            "The evaluation did not pass{}{why}: clawteam harness rollback {} PHASE",
            if why.is_empty() { "" } else { ": " },
            run.team_name
        ));
    }
    reasons
}

/// Whether a report of an evaluation says that it did not pass, and what it says about that.
pub fn evaluation_failure(report: &[u8]) -> Option<String> {
    let report: serde_json::Value = serde_json::from_slice(report).ok()?;
    let said = |field: &str| report.get(field).and_then(serde_json::Value::as_str);
    let failed = report.get("passed") == Some(&false.into())
        || said("status").is_some_and(|s| s.eq_ignore_ascii_case("failed"));
    failed.then(|| {
        let summary = said("summary").or_else(|| said("reason")).unwrap_or_default();
        crate::core::text::cut(summary, 200).to_owned()
    })
}

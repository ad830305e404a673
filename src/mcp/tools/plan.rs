//! Plans.

use serde_json::json;

use super::{Nature, Tool};
use crate::app::{approval, team};
use crate::core::{Diagnose, Exit, Name, Outcome, TeamName};
use crate::domain::approval::Verdict;
use crate::mcp::args::{Param, required, text};
use crate::mcp::call::{Answer, Call};

const DECISION: &[Param] = &[
    required("team_name"),
    text("leader_name", "").about("Who decides; you, if you are an agent"),
    required("plan_id"),
    required("agent_name"),
    text("feedback", ""),
];

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "plan_submit",
        about: "Hand in a plan to the leader.",
        params: &[
            required("team_name"),
            text("agent_name", "").about("Whose plan it is; yours, if you are an agent"),
            text("leader_name", "").about("The leader of the team"),
            required("plan_content"),
            text("summary", "").about("The plan in a line"),
        ],
        nature: Nature::Writes,
        run: submit,
    },
    Tool {
        name: "plan_get",
        about: "The text of a plan.",
        params: &[required("team_name"), required("plan_id"), required("agent_name")],
        nature: Nature::Reads,
        run: get,
    },
    Tool {
        name: "plan_approve",
        about: "Approve a plan.",
        params: DECISION,
        nature: Nature::Writes,
        run: |call| decide(call, Verdict::Approve),
    },
    Tool {
        name: "plan_reject",
        about: "Reject a plan.",
        params: DECISION,
        nature: Nature::Writes,
        run: |call| decide(call, Verdict::Reject),
    },
];

/// The plan was meant for somebody who does not lead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{given}' does not lead team '{team}'")]
struct NotTheLeader {
    given: String,
    team: String,
    leader: String,
}

impl Diagnose for NotTheLeader {
    fn code(&self) -> &'static str {
        "not_the_leader"
    }

    fn hint(&self) -> Option<String> {
        Some(format!("its leader is '{}'", self.leader))
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

fn plan(call: &Call) -> Outcome<Name> {
    Ok(Name::parse_as("plan id", call.args.text("plan_id"))?)
}

/// A plan goes to the leader, and to nobody else.
fn check_leader(call: &Call, team: &TeamName) -> Outcome<()> {
    let (leader, inbox) = team::leader(&call.app, team)?;
    match call.args.some("leader_name") {
        Some(given) if given != leader.as_str() && given != inbox.as_str() => {
            let (team, leader) = (team.to_string(), leader.to_string());
            Err(NotTheLeader { given, team, leader }.into())
        }
        _ => Ok(()),
    }
}

fn submit(mut call: Call) -> Outcome<Answer> {
    let team = call.team()?;
    check_leader(&call, &team)?;
    let agent = crate::core::AgentName::parse(call.acting("agent_name")?)?;
    let (text, summary) = (call.args.text("plan_content"), call.args.text("summary"));
    let id = approval::submit_plan(&call.app, &team, &agent, &text, &summary)?;
    Answer::of(&json!({"planId": id}))
}

fn get(call: Call) -> Outcome<Answer> {
    let (team, id, agent) = (call.team()?, plan(&call)?, call.agent("agent_name")?);
    let content = approval::plan_text(&call.app, &team, &id, &agent)?;
    Answer::of(&json!({"planId": id, "agentName": agent, "content": content}))
}

fn decide(mut call: Call, verdict: Verdict) -> Outcome<Answer> {
    let team = call.team()?;
    call.acting("leader_name")?;
    let (id, agent) = (plan(&call)?, call.agent("agent_name")?);
    let feedback = call.args.text("feedback");
    approval::decide_plan(&call.app, &team, &id, &agent, verdict, &feedback)?;
    Answer::of(&json!({"ok": true, "planId": id}))
}

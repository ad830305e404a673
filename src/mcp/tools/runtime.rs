//! What agents are doing, and what they ask.

use serde_json::Value;

use super::{Nature, Tool};
use crate::app::agent_state::{self, Look, Screens};
use crate::app::{permission, team};
use crate::core::{AgentName, Outcome};
use crate::domain::agent_state::StatePart;
use crate::mcp::args::{Kind, maybe, required};
use crate::mcp::call::{Answer, Call, to_value};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "agent_state",
        about: "What the agents of a team are doing: starting, ready, working, \
                waiting_permission (with the question), idle, finished, dead, unknown.",
        params: &[required("team_name"), maybe("agent_name", Kind::Text).about("Only this one")],
        nature: Nature::Reads,
        run: state,
    },
    Tool {
        name: "permission_list",
        about: "The agents that wait for an answer to a question of their own, with its digest.",
        params: &[required("team_name")],
        nature: Nature::Reads,
        run: |call| Answer::of(&permission::list(&call.app, &call.team()?)?),
    },
    Tool {
        name: "permission_answer",
        about: "Answer what an agent asks, if that is still what was shown.",
        params: &[
            required("team_name"),
            required("agent_name"),
            required("answer").about("allow, allow-always, deny, or the number of an option"),
            required("digest").about("The digest of the question, as permission_list gives it"),
        ],
        nature: Nature::Works,
        run: answer,
    },
];

fn state(call: Call) -> Outcome<Answer> {
    let team = call.team()?;
    let names: Vec<AgentName> = match call.args.some("agent_name") {
        Some(name) => vec![AgentName::parse(name)?],
        // A name that no agent can have was written by another program.
        None => team::load(&call.app, &team)?
            .members
            .into_iter()
            .filter_map(|member| AgentName::parse(member.name).ok())
            .collect(),
    };
    let looks = agent_state::look(&call.app, &team, &names, Screens::Needed);
    Answer::of(&looks.into_iter().map(shown).collect::<Vec<_>>())
}

fn shown(look: Look) -> Value {
    let mut shown = serde_json::json!({"agentName": look.agent, "alive": look.alive});
    if let (Some(shown), Value::Object(state)) =
        (shown.as_object_mut(), to_value(&StatePart::from(look.seen)))
    {
        shown.extend(state);
    }
    shown
}

fn answer(call: Call) -> Outcome<Answer> {
    let (team, agent) = (call.team()?, call.agent("agent_name")?);
    let (word, digest) = (call.args.text("answer"), call.args.text("digest"));
    Answer::of(&permission::answer(&call.app, &team, &agent, &word, Some(&digest))?)
}

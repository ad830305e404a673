//! Teams and their members.

use super::{Nature, Tool};
use crate::app::team::{self, NewTeam};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::team::GENERAL_PURPOSE;
use crate::mcp::args::{required, text};
use crate::mcp::call::{Answer, Call};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "team_list",
        about: "List the teams.",
        params: &[],
        nature: Nature::Reads,
        run: |call| Answer::of(&team::discover(&call.app)?),
    },
    Tool {
        name: "team_get",
        about: "A team with its members and budget.",
        params: &[required("team_name")],
        nature: Nature::Reads,
        run: |call| Answer::of(&team::load(&call.app, &call.team()?)?),
    },
    Tool {
        name: "team_members_list",
        about: "The members of a team.",
        params: &[required("team_name")],
        nature: Nature::Reads,
        run: |call| Answer::of(&team::load(&call.app, &call.team()?)?.members),
    },
    Tool {
        name: "team_create",
        about: "Make a team with its leader.",
        params: &[
            required("team_name"),
            required("leader_name"),
            required("leader_id"),
            text("description", ""),
            text("user", ""),
            text("leader_agent_type", "leader"),
        ],
        nature: Nature::Writes,
        run: create,
    },
    Tool {
        name: "team_member_add",
        about: "Add a member to a team. Use agent_spawn to start an agent.",
        params: &[
            required("team_name"),
            required("member_name"),
            required("agent_id"),
            text("agent_type", GENERAL_PURPOSE),
            text("user", ""),
        ],
        nature: Nature::Writes,
        run: add_member,
    },
];

/// Whose members are made, if the client says so.
fn take_user(call: &mut Call) -> Outcome<()> {
    if let Some(user) = call.args.some("user") {
        call.app.identity.user = crate::core::UserName::parse(user)?.to_string();
    }
    Ok(())
}

fn create(mut call: Call) -> Outcome<Answer> {
    take_user(&mut call)?;
    let new = NewTeam {
        name: TeamName::parse(call.args.text("team_name"))?,
        description: call.args.text("description"),
        leader: AgentName::parse_as("leader name", call.args.text("leader_name"))?,
        leader_id: call.args.text("leader_id"),
        leader_type: call.args.text("leader_agent_type"),
    };
    Answer::of(&team::create(&call.app, new)?)
}

fn add_member(mut call: Call) -> Outcome<Answer> {
    take_user(&mut call)?;
    let team = call.team()?;
    let name = AgentName::parse_as("member name", call.args.text("member_name"))?;
    let (id, kind) = (call.args.text("agent_id"), call.args.text("agent_type"));
    let member = team::member(&call.app, &name, id, kind);
    Answer::of(&team::add_member(&call.app, &team, member)?)
}

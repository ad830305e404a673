//! Teams at a glance, and what they spent.

use super::{Nature, Tool};
use crate::app::{board, cost};
use crate::mcp::args::required;
use crate::mcp::call::Answer;

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "board_overview",
        about: "All teams, each in a line.",
        params: &[],
        nature: Nature::Reads,
        run: |call| Answer::of(&board::overview(&call.app)?),
    },
    Tool {
        name: "board_team",
        about: "A team at a glance: members, tasks, messages, cost, conflicts.",
        params: &[required("team_name")],
        nature: Nature::Reads,
        run: |call| Answer::of(&board::of(&call.app, &call.team()?)?),
    },
    Tool {
        name: "cost_summary",
        about: "What a team has spent, by agent, model and task.",
        params: &[required("team_name")],
        nature: Nature::Reads,
        run: |call| Answer::of(&cost::summary(&call.app, &call.team()?)?),
    },
];

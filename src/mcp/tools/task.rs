//! Tasks.

use super::{Nature, Tool};
use crate::app::task::{self, Filter};
use crate::core::{Diagnose, Exit, Outcome};
use crate::domain::Extra;
use crate::domain::task::{Change, KEPT, NewTask, Priority, Status};
use crate::mcp::args::{Kind, maybe, required, text, truth};
use crate::mcp::call::{Answer, Call};

const STATUSES: &str = "pending, in_progress, completed or blocked";
const PRIORITIES: &str = "low, medium, high or urgent";

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "task_list",
        about: "The tasks of a team, oldest first.",
        params: &[
            required("team_name"),
            maybe("status", Kind::Text).about(STATUSES),
            maybe("owner", Kind::Text),
            maybe("priority", Kind::Text).about(PRIORITIES),
            truth("sort_by_priority", false),
        ],
        nature: Nature::Reads,
        run: list,
    },
    Tool {
        name: "task_get",
        about: "A task.",
        params: &[required("team_name"), required("task_id")],
        nature: Nature::Reads,
        run: |call| Answer::of(&task::get(&call.app, &call.team()?, &call.task()?)?),
    },
    Tool {
        name: "task_stats",
        about: "How many tasks of a team stand where, and how long they took.",
        params: &[required("team_name")],
        nature: Nature::Reads,
        run: |call| Answer::of(&task::stats(&call.app, &call.team()?)?),
    },
    Tool {
        name: "task_create",
        about: "Make a task.",
        params: &[
            required("team_name"),
            required("subject"),
            text("description", ""),
            text("owner", ""),
            maybe("priority", Kind::Text).about(PRIORITIES),
            maybe("blocks", Kind::Texts).about("Tasks that wait for this one"),
            maybe("blocked_by", Kind::Texts).about("Tasks that this one waits for"),
            maybe("metadata", Kind::Object),
        ],
        nature: Nature::Writes,
        run: create,
    },
    Tool {
        name: "task_update",
        about: "Change a task: take it (in_progress), finish it (completed), give it to somebody.",
        params: &[
            required("team_name"),
            required("task_id"),
            maybe("status", Kind::Text).about(STATUSES),
            maybe("owner", Kind::Text),
            maybe("subject", Kind::Text),
            maybe("description", Kind::Text),
            maybe("priority", Kind::Text).about(PRIORITIES),
            maybe("add_blocks", Kind::Texts),
            maybe("add_blocked_by", Kind::Texts),
            maybe("metadata", Kind::Object),
            text("caller", "").about("Who does it; you, if you are an agent"),
            truth("force", false).about("Take it from whoever works on it"),
        ],
        nature: Nature::Writes,
        run: update,
    },
];

/// A client wants to write what clawteam itself keeps of a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("clawteam itself keeps '{0}' in the metadata of a task")]
struct KeptField(String);

impl Diagnose for KeptField {
    fn code(&self) -> &'static str {
        "kept_metadata"
    }

    fn hint(&self) -> Option<String> {
        Some("choose another name for what you note".into())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

fn metadata(call: &Call) -> Outcome<Extra> {
    let metadata = call.args.object("metadata");
    match metadata.keys().find(|name| KEPT.contains(&name.as_str())) {
        Some(name) => Err(KeptField(name.clone()).into()),
        None => Ok(metadata),
    }
}

fn status(call: &Call) -> Outcome<Option<Status>> {
    Ok(call.args.some("status").map(|text| text.parse::<Status>()).transpose()?)
}

fn priority(call: &Call) -> Outcome<Option<Priority>> {
    Ok(call.args.some("priority").map(|text| text.parse::<Priority>()).transpose()?)
}

fn list(call: Call) -> Outcome<Answer> {
    let team = call.team()?;
    let filter = Filter {
        status: status(&call)?,
        owner: call.args.some("owner"),
        priority: priority(&call)?,
        by_priority: call.args.truth("sort_by_priority").unwrap_or(false),
    };
    Answer::of(&task::list(&call.app, &team, &filter)?)
}

fn create(call: Call) -> Outcome<Answer> {
    let team = call.team()?;
    let new = NewTask {
        id: task::fresh_id(&call.app),
        subject: call.args.text("subject"),
        description: call.args.text("description"),
        priority: priority(&call)?.unwrap_or_default(),
        owner: call.args.text("owner"),
        blocks: call.args.list("blocks"),
        blocked_by: call.args.list("blocked_by"),
        allow_unknown: false,
        metadata: metadata(&call)?,
    };
    Answer::of(&task::create(&call.app, &team, new)?)
}

fn update(mut call: Call) -> Outcome<Answer> {
    let team = call.team()?;
    // A client that is no agent need not have a name.
    let named = call.args.some("caller").is_some() || call.environment_agent().is_some();
    let caller = if named { call.acting("caller")? } else { call.app.identity.agent_name.clone() };
    let change = Change {
        status: status(&call)?,
        owner: call.args.maybe("owner"),
        subject: call.args.maybe("subject"),
        description: call.args.maybe("description"),
        priority: priority(&call)?,
        add_blocks: call.args.list("add_blocks"),
        add_blocked_by: call.args.list("add_blocked_by"),
        metadata: metadata(&call)?,
        force: call.args.truth("force").unwrap_or(false),
        ..Change::default()
    };
    Answer::of(&task::update(&call.app, &team, &call.task()?, &change, &caller)?)
}

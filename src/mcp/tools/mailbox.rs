//! Messages.

use super::{Nature, Tool};
use crate::app::inbox::{self, Draft};
use crate::core::{AgentName, Outcome};
use crate::domain::message::{Message, MessageType};
use crate::mcp::args::{Kind, Param, maybe, required, text, whole};
use crate::mcp::call::{Answer, Call, to_value};

const FROM: Param = text("from_agent", "").about("Who sends; you, if you are an agent");
const READER: Param = text("agent_name", "").about("Whose inbox; yours, if you are an agent");
const KIND: Param = maybe("msg_type", Kind::Text).about("message unless you say otherwise");

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "mailbox_send",
        about: "Send a message to a member of the team.",
        params: &[
            required("team_name"),
            FROM,
            required("to"),
            maybe("content", Kind::Text),
            KIND,
            maybe("request_id", Kind::Text),
            maybe("key", Kind::Text),
            maybe("proposed_name", Kind::Text),
            maybe("capabilities", Kind::Text),
            maybe("feedback", Kind::Text),
            maybe("reason", Kind::Text),
            maybe("assigned_name", Kind::Text),
            maybe("agent_id", Kind::Text),
            maybe("message_team_name", Kind::Text),
            maybe("plan_file", Kind::Text),
            maybe("summary", Kind::Text),
            maybe("plan", Kind::Text),
            maybe("last_task", Kind::Text),
            maybe("status", Kind::Text),
        ],
        nature: Nature::Writes,
        run: send,
    },
    Tool {
        name: "mailbox_broadcast",
        about: "Send a message to everybody else in the team.",
        params: &[
            required("team_name"),
            FROM,
            required("content"),
            KIND,
            maybe("key", Kind::Text),
            maybe("exclude", Kind::Texts).about("Members who shall not get it"),
        ],
        nature: Nature::Writes,
        run: broadcast,
    },
    Tool {
        name: "mailbox_receive",
        about: "Take the oldest messages out of your inbox.",
        params: &[required("team_name"), READER, whole("limit", 10)],
        nature: Nature::Writes,
        run: receive,
    },
    Tool {
        name: "mailbox_peek",
        about: "Look at the messages in an inbox without taking them.",
        params: &[required("team_name"), READER],
        nature: Nature::Reads,
        run: |call| {
            let (team, reader) = (call.team()?, reader(&call)?);
            let inbox = call.inbox(&team, &reader)?;
            Answer::of(&inbox::peek(&call.app, &team, &inbox, usize::MAX)?.messages)
        },
    },
    Tool {
        name: "mailbox_peek_count",
        about: "How many messages wait in an inbox.",
        params: &[required("team_name"), READER],
        nature: Nature::Reads,
        run: |call| {
            let (team, reader) = (call.team()?, reader(&call)?);
            let count = inbox::count(&call.app, &team, &call.inbox(&team, &reader)?)?;
            Answer::of(&serde_json::json!({"agentName": reader, "count": count}))
        },
    },
];

/// Whose inbox is looked at: anybody's, as looking takes nothing away.
fn reader(call: &Call) -> Outcome<String> {
    match (call.args.some("agent_name"), call.environment_agent()) {
        (Some(given), _) => Ok(given),
        (None, Some(you)) => Ok(you.to_owned()),
        (None, None) => Err(crate::mcp::args::ArgumentError::Missing { name: "agent_name" }.into()),
    }
}

/// A message of the sender that is known, with everything that the client gave.
fn draft(call: &mut Call, unless: MessageType) -> Outcome<Draft> {
    let from = call.acting("from_agent")?;
    let kind = call.args.some("msg_type").map(|text| text.parse::<MessageType>()).transpose()?;
    let mut message = Message {
        kind: kind.unwrap_or(unless),
        content: call.args.maybe("content"),
        request_id: call.args.some("request_id"),
        key: call.args.maybe("key"),
        proposed_name: call.args.maybe("proposed_name"),
        capabilities: call.args.maybe("capabilities"),
        feedback: call.args.maybe("feedback"),
        reason: call.args.maybe("reason"),
        assigned_name: call.args.maybe("assigned_name"),
        agent_id: call.args.maybe("agent_id"),
        team_name: call.args.maybe("message_team_name"),
        plan_file: call.args.maybe("plan_file"),
        summary: call.args.maybe("summary"),
        plan: call.args.maybe("plan"),
        last_task: call.args.maybe("last_task"),
        status: call.args.maybe("status"),
        ..Message::default()
    };
    if call.environment_agent().is_none() {
        // Nothing but the client's word says who this is.
        message.extra.insert("via".into(), "mcp".into());
    }
    Ok(Draft { message, from: Some(from) })
}

fn send(mut call: Call) -> Outcome<Answer> {
    let team = call.team()?;
    let to = call.args.text("to");
    AgentName::parse_as("recipient name", to.clone())?;
    let draft = draft(&mut call, MessageType::Message)?;
    Answer::of(&inbox::send(&call.app, &team, &to, draft)?)
}

fn broadcast(mut call: Call) -> Outcome<Answer> {
    let team = call.team()?;
    let draft = draft(&mut call, MessageType::Broadcast)?;
    let sent = inbox::broadcast(&call.app, &team, draft, &call.args.list("exclude"))?;
    Answer::of(&sent)
}

fn receive(mut call: Call) -> Outcome<Answer> {
    let team = call.team()?;
    let reader = call.acting("agent_name")?;
    let inbox = call.inbox(&team, &reader)?;
    let taken = inbox::take(&call.app, &team, &inbox, call.args.whole("limit"))?;
    let value = to_value(&taken.messages().collect::<Vec<_>>());
    Ok(Answer { value, taken: Some(taken) })
}

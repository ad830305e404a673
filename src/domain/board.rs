//! A team at a glance.

use serde::Serialize;

use super::agent_state::StatePart;
use super::cost::CostSummary;
use super::message::{Message, MessageType};
use super::overlap::{Overlap, Severity};
use super::task::{Status, Task, stats};
use super::team::{Member, Team};
use crate::core::Stamp;

/// What was found out about a member besides its document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many messages wait for it.
    pub inbox_count: usize,
    /// Whether it runs, if that can be known.
    pub alive: Option<bool>,
    /// What it is doing.
    pub state: StatePart,
}

/// What a board is made of.
#[derive(Debug)]
pub struct Snapshot {
    /// The team.
    pub team: Team,
    /// What was seen of each member, in their order.
    pub seen: Vec<Seen>,
    /// All tasks, oldest first.
    pub tasks: Vec<Task>,
    /// The newest messages, newest first.
    pub messages: Vec<Message>,
    /// What was spent, if that could be found out.
    pub cost: Option<CostSummary>,
    /// Files that several agents change.
    pub conflicts: Conflicts,
}

/// A team at a glance. Its JSON is what every face shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Board {
    /// The team.
    pub team: TeamPart,
    /// Its members, in the order in which they joined.
    pub members: Vec<MemberPart>,
    /// Its tasks by status.
    pub tasks: TaskColumns,
    /// How many there are of each.
    pub task_summary: TaskSummary,
    /// The newest messages, newest first.
    pub messages: Vec<MessagePart>,
    /// What it has spent.
    pub cost: CostPart,
    /// Files that several agents change.
    pub conflicts: Conflicts,
}

/// The team of a board.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamPart {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The agent id of its leader.
    pub lead_agent_id: String,
    /// The leader's name; empty if no member has that id.
    pub leader_name: String,
    /// When it was made.
    pub created_at: Stamp,
    /// What it may spend, in US cents; 0 or less is no limit.
    pub budget_cents: f64,
}

/// A member on a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberPart {
    /// Its name.
    pub name: String,
    /// Its identifier.
    pub agent_id: String,
    /// What it does, in a word.
    pub agent_type: String,
    /// When it joined.
    pub joined_at: Stamp,
    /// What tells it from a member of that name of another user.
    pub member_key: String,
    /// Its inbox.
    pub inbox_name: String,
    /// How many messages wait in it.
    pub inbox_count: usize,
    /// Whether it runs, if that can be known.
    pub alive: Option<bool>,
    /// What it is doing.
    #[serde(flatten)]
    pub state: StatePart,
    /// The user it belongs to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
}

/// Tasks by status, oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TaskColumns {
    /// Nobody works on them.
    pub pending: Vec<Task>,
    /// Somebody works on them.
    pub in_progress: Vec<Task>,
    /// They are done.
    pub completed: Vec<Task>,
    /// They wait for others.
    pub blocked: Vec<Task>,
}

/// How many tasks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TaskSummary {
    /// Nobody works on them.
    pub pending: usize,
    /// Somebody works on them.
    pub in_progress: usize,
    /// They are done.
    pub completed: usize,
    /// They wait for others.
    pub blocked: usize,
    /// All of them.
    pub total: usize,
}

/// A message on a board.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagePart {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// The sender: its member key, or the name as it was written.
    pub from_key: String,
    /// The sender's name.
    pub from_label: String,
    /// The recipient: its member key, or the name as it was written.
    pub to_key: String,
    /// The recipient's name.
    pub to_label: String,
    /// Whether it was meant for all.
    pub is_broadcast: bool,
}

/// What was spent; empty if that could not be found out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CostPart {
    /// It is known.
    Known(CostSummary),
    /// It is not.
    Unknown {},
}

/// Files that several agents change; empty if nobody could look for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum Conflicts {
    /// Somebody looked.
    Known {
        /// The files, those that will conflict first.
        overlaps: Vec<Overlap>,
        /// How many there are.
        total_overlaps: usize,
        /// How many of them are changed in the same lines.
        high_severity: usize,
        /// How many are changed in other lines.
        medium_severity: usize,
        /// Of how many all made the same.
        low_severity: usize,
    },
    /// There is nothing to look at.
    Unknown {},
}

impl Conflicts {
    /// What was found.
    pub fn of(overlaps: Vec<Overlap>) -> Self {
        let number = |severity| overlaps.iter().filter(|o| o.severity == severity).count();
        Self::Known {
            total_overlaps: overlaps.len(),
            high_severity: number(Severity::High),
            medium_severity: number(Severity::Medium),
            low_severity: number(Severity::Low),
            overlaps,
        }
    }
}

impl Status {
    /// The tasks of this status.
    pub fn of(self, columns: &TaskColumns) -> &[Task] {
        match self {
            Self::Pending => &columns.pending,
            Self::InProgress => &columns.in_progress,
            Self::Completed => &columns.completed,
            Self::Blocked => &columns.blocked,
        }
    }
}

impl Board {
    /// The board of a team.
    pub fn of(snapshot: Snapshot) -> Self {
        let Snapshot { team, seen, tasks, messages, cost, conflicts } = snapshot;
        let leader = team.members.iter().find(|member| member.agent_id == team.lead_agent_id);
        let team_part = TeamPart {
            name: team.name.clone(),
            description: team.description.clone(),
            lead_agent_id: team.lead_agent_id.clone(),
            leader_name: leader.map(|member| member.name.clone()).unwrap_or_default(),
            created_at: team.created_at.clone(),
            budget_cents: team.budget_cents,
        };
        let parts = messages.into_iter().map(|message| message_part(&team, message)).collect();
        let seen = seen.into_iter().chain(std::iter::repeat(Seen::default()));
        Self {
            team: team_part,
            members: team.members.iter().zip(seen).map(member_part).collect(),
            task_summary: summary(&tasks),
            tasks: columns(tasks),
            messages: parts,
            cost: cost.map_or(CostPart::Unknown {}, CostPart::Known),
            conflicts,
        }
    }

    /// How many messages wait for its members.
    pub fn waiting_messages(&self) -> usize {
        self.members.iter().map(|member| member.inbox_count).sum()
    }
}

fn member_part((member, seen): (&Member, Seen)) -> MemberPart {
    MemberPart {
        name: member.name.clone(),
        agent_id: member.agent_id.clone(),
        agent_type: member.agent_type.clone(),
        joined_at: member.joined_at.clone(),
        member_key: member.inbox_name(),
        inbox_name: member.inbox_name(),
        inbox_count: seen.inbox_count,
        alive: seen.alive,
        state: seen.state,
        user: member.user.clone(),
    }
}

fn message_part(team: &Team, message: Message) -> MessagePart {
    let (from_key, from_label) = participant(team, &message.from);
    let (to_key, to_label) = participant(team, message.to.as_deref().unwrap_or_default());
    let is_broadcast = message.kind == MessageType::Broadcast || message.to.is_none();
    MessagePart { message, from_key, from_label, to_key, to_label, is_broadcast }
}

/// The key and the name of whoever is meant by an inbox or by the name of one member; otherwise
/// both are the text.
fn participant(team: &Team, text: &str) -> (String, String) {
    let by_inbox = team.members.iter().find(|member| member.inbox_name() == text);
    match by_inbox.or_else(|| team.member(text)) {
        Some(member) => (member.inbox_name(), member.name.clone()),
        None => (text.to_owned(), text.to_owned()),
    }
}

fn summary(tasks: &[Task]) -> TaskSummary {
    let stats = stats(tasks);
    TaskSummary {
        pending: stats.pending,
        in_progress: stats.in_progress,
        completed: stats.completed,
        blocked: stats.blocked,
        total: stats.total,
    }
}

fn columns(tasks: Vec<Task>) -> TaskColumns {
    let mut columns = TaskColumns::default();
    for task in tasks {
        match task.status {
            Status::Pending => columns.pending.push(task),
            Status::InProgress => columns.in_progress.push(task),
            Status::Completed => columns.completed.push(task),
            Status::Blocked => columns.blocked.push(task),
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn team(members: &Value) -> Team {
        let team = json!({"name": "t", "leadAgentId": "1", "members": members});
        serde_json::from_value(team).expect("a team")
    }

    fn board(team: Team, messages: Vec<Message>) -> Value {
        let tasks = vec![
            Task { id: "b".into(), status: Status::Blocked, ..Task::default() },
            Task { id: "a".into(), status: Status::Blocked, ..Task::default() },
        ];
        let seen = vec![Seen { inbox_count: 2, alive: Some(true), state: StatePart::default() }];
        let conflicts = Conflicts::Unknown {};
        let board = Board::of(Snapshot { team, seen, tasks, messages, cost: None, conflicts });
        serde_json::to_value(&board).expect("a board is JSON")
    }

    #[test]
    fn members_tasks_and_what_is_not_known() {
        let team = team(&json!([
            {"name": "lead", "agentId": "1"},
            {"name": "w", "user": "bob", "agentId": "2"}
        ]));
        let board = board(team, Vec::new());
        assert_eq!(board["team"]["leaderName"], "lead");
        assert_eq!(board["members"][0]["inboxCount"], 2);
        assert_eq!(board["members"][0]["alive"], true);
        assert_eq!(board["members"][0]["state"], "unknown");
        assert_eq!(board["members"][0].get("user"), None);
        assert_eq!(board["members"][1]["memberKey"], "bob_w");
        assert_eq!(board["members"][1]["user"], "bob");
        assert_eq!(board["members"][1]["alive"], Value::Null);
        assert_eq!(board["tasks"]["blocked"][0]["id"], "b");
        assert_eq!(board["taskSummary"]["total"], 2);
        assert_eq!((&board["cost"], &board["conflicts"]), (&json!({}), &json!({})));
    }

    #[test]
    fn participants_are_named_where_that_is_certain() {
        let team = team(&json!([
            {"name": "lead", "agentId": "7"},
            {"name": "w", "user": "ann", "agentId": "2"},
            {"name": "w", "user": "bob", "agentId": "3"}
        ]));
        let message = |from: &str, to: Option<&str>| Message {
            from: from.into(),
            to: to.map(str::to_owned),
            ..Message::default()
        };
        let sent =
            vec![message("bob_w", Some("lead")), message("w", Some("x")), message("x", None)];
        let board = board(team, sent);
        let told = |n: usize, field: &str| board["messages"][n][field].clone();
        assert_eq!(board["team"]["leaderName"], "", "only the leader's own id counts");
        assert_eq!((told(0, "fromKey"), told(0, "fromLabel")), (json!("bob_w"), json!("w")));
        assert_eq!((told(0, "toKey"), told(0, "isBroadcast")), (json!("lead"), json!(false)));
        assert_eq!((told(1, "fromKey"), told(1, "toKey")), (json!("w"), json!("x")));
        assert_eq!((told(2, "toKey"), told(2, "isBroadcast")), (json!(""), json!(true)));
    }
}

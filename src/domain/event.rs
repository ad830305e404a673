//! What happens in a team that hooks and plugins can hear of.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::Diagnose;

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it tells besides team and time.
    pub fields: &'static [&'static str],
    /// Whether a hook can refuse what is about to happen.
    pub can_veto: bool,
}

const fn kind(name: &'static str, fields: &'static [&'static str]) -> Kind {
    Kind { name, fields, can_veto: false }
}

const fn before(name: &'static str, fields: &'static [&'static str]) -> Kind {
    Kind { name, fields, can_veto: true }
}

/// All kinds of events.
pub const KINDS: [Kind; 18] = [
    before("BeforeWorkerSpawn", &["agent_name", "agent_type", "command"]),
    kind("AfterWorkerSpawn", &["agent_name", "agent_id", "backend", "target"]),
    kind("WorkerExit", &["agent_name", "exit_code", "abandoned_tasks"]),
    kind("WorkerCrash", &["agent_name", "error"]),
    before("BeforeTaskCreate", &["subject", "owner"]),
    kind("AfterTaskUpdate", &["task_id", "old_status", "new_status", "owner"]),
    kind("TaskCompleted", &["task_id", "owner", "duration_seconds"]),
    before("BeforeInboxSend", &["from_agent", "to", "msg_type"]),
    kind("AfterInboxReceive", &["agent_name", "count"]),
    before("BeforeWorkspaceMerge", &["agent_name", "branch"]),
    kind("AfterWorkspaceCleanup", &["agent_name"]),
    kind("AgentIdle", &["agent_name", "last_task"]),
    kind("PhaseTransition", &["from_phase", "to_phase", "artifacts"]),
    kind("TeamLaunch", &["template", "agent_count"]),
    kind("TeamShutdown", &[]),
    kind("HeartbeatTimeout", &["agent_name", "last_seen"]),
    kind("TransportFallback", &["transport", "fallback", "reason"]),
    kind("BoardAttach", &[]),
];

/// There is no such kind of event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Unknown event type: {0}")]
pub struct UnknownEvent(pub String);

impl Diagnose for UnknownEvent {
    fn code(&self) -> &'static str {
        "unknown_event"
    }

    fn hint(&self) -> Option<String> {
        Some(format!("one of {}", KINDS.map(|kind| kind.name).join(", ")))
    }
}

/// The kind of event called `name`.
pub fn find(name: &str) -> Result<&'static Kind, UnknownEvent> {
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| UnknownEvent(name.to_owned()))
}

/// Something that happened, or is about to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Which kind of event it is.
    #[serde(rename = "event")]
    pub kind: String,
    /// The team.
    pub team_name: String,
    /// When, as documents hold it.
    pub timestamp: String,
    /// The rest.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// Fields whose variables mean something to clawteam itself: who somebody is, and how messages
/// travel.
const RESERVED: [&str; 9] = [
    "team_name",
    "agent_name",
    "agent_id",
    "agent_type",
    "agent_leader",
    "plan_mode_required",
    "model",
    "user",
    "transport",
];

impl Event {
    /// An event of a kind that there is, with all of its fields empty.
    pub fn new(kind: &str, team: &str) -> Self {
        debug_assert!(find(kind).is_ok(), "{kind}");
        let fields = find(kind).map(|kind| kind.fields).unwrap_or_default();
        Self {
            kind: kind.to_owned(),
            team_name: team.to_owned(),
            timestamp: String::new(),
            fields: fields.iter().map(|field| ((*field).to_owned(), Value::Null)).collect(),
        }
    }

    /// The same with a field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        debug_assert!(self.fields.contains_key(field), "{} has no {field}", self.kind);
        self.fields.insert(field.to_owned(), value.into());
        self
    }

    /// The environment of a hook: `CLAWTEAM_EVENT_<FIELD>` for every field; `CLAWTEAM_<FIELD>` and
    /// `OH_<FIELD>` but for those that would make a call of clawteam in the hook act as somebody
    /// else.
    pub fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![("CLAWTEAM_EVENT_TYPE".to_owned(), self.kind.clone())];
        let own = [("team_name", &self.team_name), ("timestamp", &self.timestamp)];
        let own = own.map(|(field, text)| (field.to_owned(), text.clone()));
        let fields = self.fields.iter().map(|(field, value)| (field.clone(), shown(value)));
        for (field, value) in own.into_iter().chain(fields) {
            let upper = field.to_uppercase();
            variables.push((format!("CLAWTEAM_EVENT_{upper}"), value.clone()));
            if !RESERVED.contains(&field.as_str()) {
                variables.push((format!("CLAWTEAM_{upper}"), value.clone()));
                variables.push((format!("OH_{upper}"), value));
            }
        }
        variables
    }
}

/// A value as a hook finds it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(shown).collect::<Vec<_>>().join(","),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_finds_all_fields_and_stays_who_it_is() {
        let event = Event::new("WorkerExit", "t")
            .with("agent_name", "w")
            .with("exit_code", Value::Null)
            .with("abandoned_tasks", vec!["1", "2"]);
        let variables = event.variables();
        let get = |name: &str| {
            let found = variables.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(get("CLAWTEAM_EVENT_TYPE"), Some("WorkerExit"));
        assert_eq!(get("CLAWTEAM_ABANDONED_TASKS"), Some("1,2"));
        assert_eq!(get("OH_EXIT_CODE"), Some(""));
        assert_eq!(get("CLAWTEAM_EVENT_AGENT_NAME"), Some("w"));
        assert_eq!(get("CLAWTEAM_EVENT_TEAM_NAME"), Some("t"));
        for identity in
            ["CLAWTEAM_AGENT_NAME", "CLAWTEAM_TEAM_NAME", "OH_AGENT_NAME", "OH_TEAM_NAME"]
        {
            assert_eq!(get(identity), None);
        }
    }

    #[test]
    fn only_what_has_not_happened_yet_can_be_refused() {
        for kind in KINDS {
            assert_eq!(kind.can_veto, kind.name.starts_with("Before"), "{}", kind.name);
        }
        assert!(find("TaskDone").expect_err("none").to_string().ends_with("TaskDone"));
    }
}

//! What a person or an agent must know, and whether they have seen it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::core::{AgentName, Diagnose, Digest, Exit, Name, Stamp, UserName};

/// The schema of [`Notification`].
pub const SCHEMA: &str = "clawteam.notification/1";

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A decision is wanted.
    ApprovalRequired,
    /// A decision was made.
    ApprovalDecided,
    /// A decision will soon be too late.
    ApprovalExpiring,
    /// A run has ended well.
    RunCompleted,
    /// A run has failed.
    RunFailed,
    /// A run waits for a person.
    RunWaiting,
    /// A part of a run has failed.
    NodeFailed,
    /// A task waits for somebody to look at it.
    TaskReview,
    /// An agent does not get on.
    AgentStuck,
    /// A run that was planned did not begin.
    ScheduleMissed,
    /// Something that was to be done outside failed for good.
    EffectDead,
    /// Anything else.
    Custom,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::ApprovalRequired,
        Self::ApprovalDecided,
        Self::ApprovalExpiring,
        Self::RunCompleted,
        Self::RunFailed,
        Self::RunWaiting,
        Self::NodeFailed,
        Self::TaskReview,
        Self::AgentStuck,
        Self::ScheduleMissed,
        Self::EffectDead,
        Self::Custom,
    ];

    /// The kind as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalRequired => "approval_required",
            Self::ApprovalDecided => "approval_decided",
            Self::ApprovalExpiring => "approval_expiring",
            Self::RunCompleted => "run_completed",
            Self::RunFailed => "run_failed",
            Self::RunWaiting => "run_waiting",
            Self::NodeFailed => "node_failed",
            Self::TaskReview => "task_review",
            Self::AgentStuck => "agent_stuck",
            Self::ScheduleMissed => "schedule_missed",
            Self::EffectDead => "effect_dead",
            Self::Custom => "custom",
        }
    }
}

impl FromStr for Kind {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| BadWord {
            text: text.to_owned(),
            what: "a type of notification",
            known: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

/// How much it matters.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Something may need a hand.
    Warning,
    /// Something needs a hand now; passes quiet hours.
    Critical,
}

impl Severity {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The severity as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl FromStr for Severity {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let found = Self::ALL.into_iter().find(|severity| severity.as_str() == text);
        found.ok_or_else(|| BadWord {
            text: text.to_owned(),
            what: "a severity",
            known: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

/// A word that is none of those known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not {what}")]
pub struct BadWord {
    /// What was given.
    pub text: String,
    /// What it was to be, with an article.
    pub what: &'static str,
    /// The words that are known.
    pub known: String,
}

impl Diagnose for BadWord {
    fn code(&self) -> &'static str {
        "invalid_value"
    }

    fn hint(&self) -> Option<String> {
        Some(format!("one of {}", self.known))
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Whom it is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Principal {
    /// Whoever looks: the people of this machine.
    #[default]
    Human,
    /// One person among several who share the data.
    User(UserName),
    /// An agent.
    Agent(AgentName),
}

impl Principal {
    /// The name of the collection of what it must know. No name holds a `+`, so that no two have
    /// the same.
    pub fn dir_name(&self) -> String {
        match self {
            Self::Human => "human".into(),
            Self::User(user) => format!("human+{user}"),
            Self::Agent(agent) => format!("agent+{agent}"),
        }
    }

    /// Whose collection has this name.
    pub fn of_dir(name: &str) -> Option<Self> {
        name.replacen('+', ":", 1).parse().ok()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Human => f.pad("human"),
            Self::User(user) => f.pad(&format!("human:{user}")),
            Self::Agent(agent) => f.pad(&format!("agent:{agent}")),
        }
    }
}

impl FromStr for Principal {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let parsed = match text.split_once(':') {
            None if text == "human" => Some(Self::Human),
            Some(("human", user)) => UserName::parse(user).ok().map(Self::User),
            Some(("agent", agent)) => AgentName::parse(agent).ok().map(Self::Agent),
            _ => None,
        };
        parsed.ok_or_else(|| BadWord {
            text: text.to_owned(),
            what: "somebody who can be notified",
            known: "human, human:USER, agent:NAME".into(),
        })
    }
}

impl TryFrom<String> for Principal {
    type Error = BadWord;

    fn try_from(text: String) -> Result<Self, BadWord> {
        text.parse()
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.to_string()
    }
}

/// What a notification is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refs {
    /// A run of a workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// An approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// A task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// An agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Anything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Whether somebody has seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody has.
    #[default]
    Unread,
    /// Somebody has.
    Read,
}

/// What became of one way of telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Where it stands.
    pub state: DeliveryState,
    /// Since when; for one that is still to be made, when it is due.
    pub at: Stamp,
    /// The item of the queue that makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Why it could not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where one way of telling stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It is still to be made.
    Queued,
    /// An item of the queue makes it, and tells what comes of it.
    Handed,
    /// It was made, or was not needed any more.
    Delivered,
    /// It could not be made.
    Failed,
}

/// A notification: `notifications/<team>/<principal>/<id>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// The format of the document.
    pub schema: String,
    /// Its identifier.
    pub id: Name,
    /// What kind of thing happened: the name of a [`Kind`], or of one that came later.
    #[serde(rename = "type")]
    pub kind: String,
    /// How much it matters.
    #[serde(default)]
    pub severity: Severity,
    /// What happened, in a line.
    pub title: String,
    /// The same at length.
    #[serde(default)]
    pub body: String,
    /// The team.
    pub team: String,
    /// Whom it is for.
    pub to: Principal,
    /// What it is about.
    #[serde(default)]
    pub refs: Refs,
    /// Whether somebody has seen it.
    #[serde(default)]
    pub status: Status,
    /// When it was seen first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<Stamp>,
    /// When it was posted.
    pub created_at: Stamp,
    /// What it repeats if there is another one with the same text here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe_key: Option<String>,
    /// What became of each way of telling.
    #[serde(default)]
    pub channels: BTreeMap<String, Delivery>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What is to be told.
#[derive(Debug, Clone)]
pub struct NewNotification {
    /// What makes two of them the same one, whenever they are posted.
    pub key: Option<String>,
    /// What makes a later one a repetition of an earlier one, for some time.
    pub dedupe_key: Option<String>,
    /// Whom it is for.
    pub to: Principal,
    /// What kind of thing happened.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// What happened, in a line.
    pub title: String,
    /// The same at length.
    pub body: String,
    /// What it is about.
    pub refs: Refs,
}

impl NewNotification {
    /// For everybody who looks, without a key.
    pub fn new(kind: Kind, severity: Severity, title: impl Into<String>) -> Self {
        Self {
            key: None,
            dedupe_key: None,
            to: Principal::Human,
            kind,
            severity,
            title: title.into(),
            body: String::new(),
            refs: Refs::default(),
        }
    }
}

/// The identifier of what is posted under `key` for `to`.
pub fn keyed_id(to: &Principal, key: &str) -> Name {
    let digest = Digest::of_parts(&[to.to_string().as_bytes(), b"\0", key.as_bytes()]);
    Name::parse(format!("k{}", digest.start(24))).expect("hexadecimal digits are a good name")
}

/// The identifier of what is posted without a key: sorts by time.
pub fn timed_id(millis: u64, random: &str) -> Name {
    Name::parse(format!("{millis:013}-{random}")).expect("digits are a good name")
}

/// Which notifications are wanted; `None` is all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those that nobody has seen.
    pub unread: bool,
    /// Only those of a type that fits this pattern.
    pub kind: Option<String>,
    /// Only those posted at this instant or later.
    pub since: Option<chrono::DateTime<chrono::Utc>>,
}

impl Filter {
    /// Whether `notification` is wanted.
    pub fn wants(&self, notification: &Notification) -> bool {
        let kind = |pattern: &String| crate::core::text::fits(pattern, &notification.kind);
        let recent = |since| notification.created_at.instant().is_none_or(|at| at >= since);
        (!self.unread || notification.status == Status::Unread)
            && self.kind.as_ref().is_none_or(kind)
            && self.since.is_none_or(recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_read_as_it_is_written() {
        for text in ["human", "human:ann", "agent:a.b-c"] {
            let principal: Principal = text.parse().expect(text);
            assert_eq!(principal.to_string(), text);
            assert_eq!(Principal::of_dir(&principal.dir_name()), Some(principal));
        }
        for text in ["", "ann", "human:", "agent:../x", "agent:a:b", "robot:x", "Human"] {
            assert!(text.parse::<Principal>().is_err(), "{text} was taken");
        }
    }

    #[test]
    fn a_key_gives_each_principal_an_identifier_of_its_own() {
        let ann = "human:ann".parse().expect("a principal");
        assert_eq!(keyed_id(&ann, "k"), keyed_id(&ann, "k"));
        assert_ne!(keyed_id(&ann, "k"), keyed_id(&Principal::Human, "k"));
        assert_ne!(keyed_id(&ann, "k"), keyed_id(&ann, "l"));
    }

    #[test]
    fn every_kind_has_its_word() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("bogus".parse::<Kind>().is_err());
    }
}

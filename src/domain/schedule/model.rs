//! The document of a schedule.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::{Diagnose, Exit, Name, Span, Stamp};
use crate::domain::Extra;

/// The schema of [`Schedule`].
pub const SCHEDULE_SCHEMA: &str = "clawteam.schedule/1";

/// What happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Target {
    /// A run of a workflow is started.
    Workflow {
        /// The workflow.
        name: Name,
        /// Its inputs.
        #[serde(default)]
        inputs: Map<String, Value>,
        /// The directory that its runs work in; `None`: none in particular.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repo: Option<String>,
    },
    /// An item is put into the queue.
    Item {
        /// What kind of item.
        kind: String,
        /// What is to be done.
        payload: Value,
    },
    /// A task is made.
    Task {
        /// What is to be done, in a line.
        subject: String,
        /// What is to be done, at length.
        #[serde(default)]
        description: String,
        /// Whose task it is.
        #[serde(default)]
        owner: String,
    },
}

/// When it happens: exactly one of these is set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// A cron expression with five or six fields, or `@daily` and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Again and again after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// Once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Stamp>,
}

/// What becomes of slots that nobody saw to in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Misfire {
    /// They are left out.
    Skip,
    /// The latest of them stands for all.
    #[default]
    RunOnce,
    /// So many of them, the latest, are made up for.
    CatchUp(u32),
}

impl fmt::Display for Misfire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip => f.pad("skip"),
            Self::RunOnce => f.pad("run_once"),
            Self::CatchUp(most) => write!(f, "catch_up:{most}"),
        }
    }
}

impl FromStr for Misfire {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let bad = || ScheduleError::Bad {
            what: "misfire",
            text: text.to_owned(),
            hint: "one of skip, run-once, catch-up:N",
        };
        match text {
            "skip" => Ok(Self::Skip),
            "run_once" | "run-once" => Ok(Self::RunOnce),
            _ => {
                let most = text.strip_prefix("catch_up:").or(text.strip_prefix("catch-up:"));
                let most: u32 = most.ok_or_else(bad)?.parse().map_err(|_| bad())?;
                if (1..=1000).contains(&most) { Ok(Self::CatchUp(most)) } else { Err(bad()) }
            }
        }
    }
}

impl TryFrom<String> for Misfire {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, ScheduleError> {
        text.parse()
    }
}

impl From<Misfire> for String {
    fn from(misfire: Misfire) -> Self {
        misfire.to_string()
    }
}

/// What happens if what the last slot started still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The slot is left out.
    #[default]
    Forbid,
    /// Both go on.
    Allow,
    /// The slot waits until the other has ended.
    Queue,
}

impl FromStr for Overlap {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        match text {
            "forbid" => Ok(Self::Forbid),
            "allow" => Ok(Self::Allow),
            "queue" => Ok(Self::Queue),
            _ => Err(ScheduleError::Bad {
                what: "overlap",
                text: text.to_owned(),
                hint: "one of forbid, allow, queue",
            }),
        }
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "everybody knows them")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    /// All of them, from Monday on.
    pub const ALL: [Self; 7] =
        [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];
}

impl FromStr for Weekday {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let found = names.iter().position(|name| text.eq_ignore_ascii_case(name));
        found.and_then(|at| Self::ALL.get(at).copied()).ok_or_else(|| ScheduleError::Bad {
            what: "day",
            text: text.to_owned(),
            hint: "mon, tue, wed, thu, fri, sat or sun",
        })
    }
}

/// The time of day outside of which slots do not count, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// From: `HH:MM`.
    pub start: String,
    /// To: `HH:MM`; if that is before the start, on the next day.
    pub end: String,
    /// The days on which it begins; empty is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
}

impl Window {
    /// Start and end as times of day.
    pub fn times(&self) -> Result<(NaiveTime, NaiveTime), ScheduleError> {
        let parse = |text: &String| {
            NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| ScheduleError::Bad {
                what: "time of day",
                text: text.clone(),
                hint: "write it as HH:MM",
            })
        };
        Ok((parse(&self.start)?, parse(&self.end)?))
    }
}

/// What a slot started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fired {
    /// The slot; nothing if somebody asked for it by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Stamp>,
    /// When it was seen to.
    pub at: Stamp,
    /// The run, item or task that it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// Why it started nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What became of a schedule so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleState {
    /// Every slot up to this one is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_slot: Option<Stamp>,
    /// Slots that shall start something and have not, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<Stamp>,
    /// How often it started something.
    #[serde(default)]
    pub fires: u64,
    /// How many slots were left out.
    #[serde(default)]
    pub missed: u64,
    /// What it did last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Fired>,
    /// What it started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_started: Option<String>,
}

/// A schedule: `schedules/<team>/<id>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// What this document is.
    pub schema: String,
    /// Its name. The name of the file counts; this is a copy of it.
    pub id: Name,
    /// What happens.
    pub target: Target,
    /// When it happens.
    #[serde(flatten)]
    pub timing: Timing,
    /// Whose time of day it is.
    #[serde(default = "utc")]
    pub timezone: String,
    /// The time of day outside of which slots do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Slots before do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_from: Option<Stamp>,
    /// Slots after do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_until: Option<Stamp>,
    /// Whether it is on.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Why it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// What becomes of slots that nobody saw to in time.
    #[serde(default)]
    pub misfire: Misfire,
    /// How late is still in time.
    #[serde(default = "hour")]
    pub misfire_grace: Span,
    /// What happens if what the last slot started still goes on.
    #[serde(default)]
    pub overlap: Overlap,
    /// Each slot is seen to later by up to this, always by the same.
    #[serde(default, skip_serializing_if = "is_none")]
    pub jitter: Span,
    /// It ends after having started something so often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_runs: Option<u64>,
    /// When it was made; slots before do not count.
    pub created_at: Stamp,
    /// What became of it so far.
    #[serde(default)]
    pub state: ScheduleState,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

fn utc() -> String {
    "UTC".into()
}

fn yes() -> bool {
    true
}

fn hour() -> Span {
    Span::seconds(3600)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(span: &Span) -> bool {
    span.as_millis() == 0
}

impl Schedule {
    /// An ordinary schedule.
    pub fn new(id: Name, target: Target, timing: Timing, now: DateTime<Utc>) -> Self {
        Self {
            schema: SCHEDULE_SCHEMA.into(),
            id,
            target,
            timing,
            timezone: utc(),
            window: None,
            active_from: None,
            active_until: None,
            enabled: true,
            disabled_reason: None,
            misfire: Misfire::default(),
            misfire_grace: hour(),
            overlap: Overlap::default(),
            jitter: Span::default(),
            max_runs: None,
            created_at: Stamp::at(now),
            state: ScheduleState::default(),
            extra: Extra::new(),
        }
    }
}

/// Why a schedule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// There is no such schedule.
    #[error("no schedule '{id}' of team '{team}'")]
    NotFound {
        /// What was asked for.
        id: String,
        /// The team.
        team: String,
    },
    /// There is one of this name already.
    #[error("team '{team}' has a schedule '{id}' already")]
    Exists {
        /// Its name.
        id: String,
        /// The team.
        team: String,
    },
    /// A value that cannot be understood.
    #[error("'{text}' is no {what}")]
    Bad {
        /// What it should be.
        what: &'static str,
        /// What it is.
        text: String,
        /// What to write.
        hint: &'static str,
    },
    /// The cron expression cannot be understood.
    #[error("the cron expression '{pattern}' cannot be understood: {reason}")]
    Cron {
        /// The expression.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// Nothing says when.
    #[error("a schedule has exactly one of cron, every and at")]
    NoTiming,
    /// There is no slot at all.
    #[error("this schedule would never start anything")]
    Never,
}

impl Diagnose for ScheduleError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "schedule_not_found",
            Self::Exists { .. } => "schedule_exists",
            Self::Bad { .. } | Self::NoTiming => "invalid_schedule",
            Self::Cron { .. } => "invalid_cron",
            Self::Never => "never_due",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { team, .. } => {
                Some(format!("see the schedules: clawteam schedule list {team}"))
            }
            Self::Exists { id, team } => {
                Some(format!("remove it first: clawteam schedule remove {team} {id}"))
            }
            Self::Bad { hint, .. } => Some((*hint).into()),
            Self::Cron { .. } => Some(
                "minute hour day month weekday, optionally seconds before them: '30 2 * * mon-fri', \
                 or @hourly, @daily, @weekly, @monthly"
                    .into(),
            ),
            Self::NoTiming => Some("say --cron, --every or --at".into()),
            Self::Never => Some("look at its window, its days and its active range".into()),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } => Exit::NotFound,
            Self::Exists { .. } => Exit::Illegal,
            Self::Bad { .. } | Self::Cron { .. } | Self::NoTiming | Self::Never => Exit::Invalid,
        }
    }
}

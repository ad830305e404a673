//! Rules: which notifications are told how, and when rather not.

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::Extra;
use super::notification::{BadWord, Notification, Principal, Severity};
use crate::core::{Diagnose, Exit, Name, Span, Stamp, text};

/// The schema of [`Rules`].
pub const SCHEMA: &str = "clawteam.notify-rules/1";

/// How long a repetition is kept quiet if no rule says otherwise.
pub const DEDUPE_WINDOW: Span = Span::seconds(600);

/// A way of telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// It is shown by `notify list` and `notify watch`. Everything is.
    Terminal,
    /// A line at the bottom of each terminal that looks at the team's windows.
    Tmux,
    /// A notification of the desktop.
    Desktop,
    /// A program of the user's, which reads the notification as JSON.
    Command,
    /// A request to a web address, with the notification as JSON.
    Webhook,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Terminal, Self::Tmux, Self::Desktop, Self::Command, Self::Webhook];

    /// The channel as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Tmux => "tmux",
            Self::Desktop => "desktop",
            Self::Command => "command",
            Self::Webhook => "webhook",
        }
    }
}

impl std::str::FromStr for Channel {
    type Err = BadWord;

    fn from_str(text: &str) -> Result<Self, BadWord> {
        let found = Self::ALL.into_iter().find(|channel| channel.as_str() == text);
        found.ok_or_else(|| BadWord {
            text: text.to_owned(),
            what: "a channel",
            known: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

/// A time of each day at which nobody wants to be disturbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// When it begins, as `22:00`.
    pub from: String,
    /// When it ends; before `from` means on the next day.
    pub to: String,
    /// The time zone of both.
    pub zone: String,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its identifier.
    pub id: Name,
    /// Which types it is about; `*` stands for any characters.
    #[serde(rename = "type")]
    pub kind: String,
    /// How much something must matter at least.
    #[serde(default)]
    pub min_severity: Severity,
    /// Whom it is about; everybody if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Principal>,
    /// How it is told.
    pub channels: Vec<Channel>,
    /// The program of the channel `command`, with its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The address of the channel `webhook`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When it shall wait, unless it is critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// For how long a repetition is kept quiet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe_window: Option<Span>,
    /// Collects what comes within such a time and tells it together, unless it is critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Span>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The rules of a team: `notifications/<team>/rules.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The format of the document.
    pub schema: String,
    /// The rules, in the order in which they are looked at.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Default for Rules {
    fn default() -> Self {
        Self { schema: SCHEMA.into(), rules: Vec::new(), extra: Extra::new() }
    }
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It names a channel without what that needs.
    #[error("the channel '{channel}' needs --{option}")]
    Incomplete {
        /// The channel.
        channel: &'static str,
        /// The option that is missing.
        option: &'static str,
    },
    /// It says something for a channel that it does not name.
    #[error("--{option} is for the channel '{channel}', which the rule does not name")]
    Superfluous {
        /// The channel.
        channel: &'static str,
        /// The option.
        option: &'static str,
    },
    /// It names no channel.
    #[error("a rule needs at least one channel")]
    NoChannel,
    /// Its address is none.
    #[error("'{0}' is not a web address")]
    NotAnAddress(String),
    /// Its quiet hours are none.
    #[error("'{0}' is not a time of day")]
    NotATime(String),
    /// There is no such time zone.
    #[error("'{0}' is not a time zone")]
    NotAZone(String),
    /// Its quiet hours begin when they end.
    #[error("quiet hours from {0} to {0} are no time at all")]
    NoTime(String),
    /// A time must not be empty.
    #[error("--{0} must be longer than nothing")]
    ZeroSpan(&'static str),
    /// There is a rule of that name already.
    #[error("there is a rule '{0}' already")]
    Exists(Name),
    /// There is no rule of that name.
    #[error("there is no rule '{0}'")]
    NotFound(Name),
}

impl Diagnose for RuleError {
    fn code(&self) -> &'static str {
        match self {
            Self::Exists(_) => "rule_exists",
            Self::NotFound(_) => "rule_not_found",
            _ => "invalid_rule",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotAnAddress(_) => Some("write it as https://host/path".into()),
            Self::NotATime(_) => Some("write it as 22:00-07:00".into()),
            Self::NotAZone(_) => Some("write it as Europe/Berlin, or UTC".into()),
            Self::Exists(_) => Some("give another --name, or remove that one first".into()),
            Self::NoChannel => Some("for example --channel desktop".into()),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Exists(_) => Exit::Illegal,
            Self::NotFound(_) => Exit::NotFound,
            _ => Exit::Usage,
        }
    }
}

fn time_of_day(text: &str) -> Result<NaiveTime, RuleError> {
    NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| RuleError::NotATime(text.to_owned()))
}

impl Quiet {
    /// Reads `22:00-07:00`, in the time zone `zone`.
    pub fn parse(text: &str, zone: &str) -> Result<Self, RuleError> {
        let (from, to) =
            text.split_once('-').ok_or_else(|| RuleError::NotATime(text.to_owned()))?;
        let (from, to, zone) = (from.trim().to_owned(), to.trim().to_owned(), zone.to_owned());
        let quiet = Self { from, to, zone };
        quiet.check()?;
        Ok(quiet)
    }

    fn check(&self) -> Result<(NaiveTime, NaiveTime, Tz), RuleError> {
        let zone: Tz = self.zone.parse().map_err(|_| RuleError::NotAZone(self.zone.clone()))?;
        let (from, to) = (time_of_day(&self.from)?, time_of_day(&self.to)?);
        if from == to {
            return Err(RuleError::NoTime(self.from.clone()));
        }
        Ok((from, to, zone))
    }

    /// When the quiet hours end that `now` lies in; `None` if it lies in none.
    pub fn end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // A rule that was edited by hand into nonsense keeps nothing back.
        let (from, to, zone) = self.check().ok()?;
        let local = now.with_timezone(&zone).naive_local();
        let (date, time) = (local.date(), local.time());
        let end = if from < to {
            (from <= time && time < to).then(|| date.and_time(to))?
        } else if time >= from {
            date.checked_add_days(Days::new(1))?.and_time(to)
        } else if time < to {
            date.and_time(to)
        } else {
            return None;
        };
        // An end that the clocks jump over comes when they have jumped.
        (0..=3).find_map(|hours| {
            let end = end + TimeDelta::hours(hours);
            zone.from_local_datetime(&end).earliest().map(|end| end.with_timezone(&Utc))
        })
    }
}

impl Rule {
    /// Says what is wrong with the rule, if anything.
    pub fn check(&self) -> Result<(), RuleError> {
        if self.channels.is_empty() {
            return Err(RuleError::NoChannel);
        }
        let needs = [
            (Channel::Command, "command", !self.command.is_empty()),
            (Channel::Webhook, "url", self.url.is_some()),
        ];
        for (channel, option, given) in needs {
            let channel_name = channel.as_str();
            match (self.channels.contains(&channel), given) {
                (true, false) => {
                    return Err(RuleError::Incomplete { channel: channel_name, option });
                }
                (false, true) => {
                    return Err(RuleError::Superfluous { channel: channel_name, option });
                }
                _ => {}
            }
        }
        if let Some(url) = &self.url {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
                return Err(RuleError::NotAnAddress(url.clone()));
            }
        }
        if let Some(quiet) = &self.quiet {
            quiet.check()?;
        }
        for (span, option) in [(self.dedupe_window, "dedupe"), (self.digest, "digest")] {
            if span.is_some_and(|span| span.as_millis() == 0) {
                return Err(RuleError::ZeroSpan(option));
            }
        }
        Ok(())
    }

    /// Whether the rule is about `notice`.
    pub fn is_about(&self, notice: &Notification) -> bool {
        text::fits(&self.kind, &notice.kind)
            && notice.severity >= self.min_severity
            && self.to.as_ref().is_none_or(|to| *to == notice.to)
    }
}

/// One way of telling one notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// How.
    pub channel: Channel,
    /// By which rule.
    pub rule: Name,
    /// When.
    pub due: DateTime<Utc>,
    /// If it is told together with others: since when these were collected.
    pub since: Option<DateTime<Utc>>,
}

impl Planned {
    /// The name under which a notification keeps what became of it: the channel, and the rule
    /// where several rules can name different targets.
    pub fn name(&self) -> String {
        delivery_name(self.channel, &self.rule)
    }
}

/// See [`Planned::name`].
pub fn delivery_name(channel: Channel, rule: &Name) -> String {
    match channel {
        Channel::Command | Channel::Webhook => format!("{}:{rule}", channel.as_str()),
        _ => channel.as_str().to_owned(),
    }
}

impl Rules {
    /// How and when `notice` is told, besides being listed. Each channel once, by the first rule
    /// that names it; programs and addresses once for each rule.
    pub fn plan(&self, notice: &Notification, now: DateTime<Utc>) -> Vec<Planned> {
        let mut planned: Vec<Planned> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.is_about(notice)) {
            let (due, since) = when(rule, notice.severity, now);
            for channel in rule.channels.iter().filter(|c| **c != Channel::Terminal) {
                let one = Planned { channel: *channel, rule: rule.id.clone(), due, since };
                if !planned.iter().any(|other| other.name() == one.name()) {
                    planned.push(one);
                }
            }
        }
        planned
    }

    /// For how long a repetition of `notice` is kept quiet.
    pub fn dedupe_window(&self, notice: &Notification) -> Span {
        let rules = self.rules.iter().filter(|rule| rule.is_about(notice));
        rules.filter_map(|rule| rule.dedupe_window).max().unwrap_or(DEDUPE_WINDOW)
    }

    /// A rule by its identifier.
    pub fn find(&self, id: &Name) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == *id)
    }

    /// Adds a rule at the end.
    pub fn add(&mut self, rule: Rule) -> Result<(), RuleError> {
        rule.check()?;
        if self.find(&rule.id).is_some() {
            return Err(RuleError::Exists(rule.id));
        }
        self.rules.push(rule);
        Ok(())
    }

    /// Removes a rule.
    pub fn remove(&mut self, id: &Name) -> Result<Rule, RuleError> {
        let at = self.rules.iter().position(|rule| rule.id == *id);
        Ok(self.rules.remove(at.ok_or_else(|| RuleError::NotFound(id.clone()))?))
    }

    /// An identifier that no rule has: `rule-1` and so on.
    pub fn fresh_id(&self) -> Name {
        let taken = |id: &Name| self.find(id).is_some();
        let names = (1..).map(|n| Name::parse(format!("rule-{n}")).expect("a good name"));
        names.into_iter().find(|id| !taken(id)).expect("there are more numbers than rules")
    }
}

/// One way of telling one notification, or several together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Errand {
    /// Whom the notification is for.
    pub to: Principal,
    /// The notification; of several, the first.
    pub id: Name,
    /// How it is told.
    pub channel: Channel,
    /// The rule that says so.
    pub rule: Name,
    /// When.
    pub due: Stamp,
    /// If several are told together: since when they were collected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Stamp>,
}

impl Errand {
    /// The errand for `notice` that `planned` is.
    pub fn of(notice: &Notification, planned: &Planned) -> Self {
        Self {
            to: notice.to.clone(),
            id: notice.id.clone(),
            channel: planned.channel,
            rule: planned.rule.clone(),
            due: Stamp::at(planned.due),
            since: planned.since.map(Stamp::at),
        }
    }

    /// The name under which notifications keep what became of it.
    pub fn name(&self) -> String {
        delivery_name(self.channel, &self.rule)
    }

    /// What makes two errands the same one: those of one digest are.
    pub fn key(&self) -> String {
        let (to, name) = (&self.to, self.name());
        match &self.since {
            Some(since) => format!("notify:{to}:{name}:since:{since}"),
            None => format!("notify:{to}:{name}:{}", self.id),
        }
    }
}

/// When a rule lets something be told, and since when it is collected.
fn when(
    rule: &Rule,
    severity: Severity,
    now: DateTime<Utc>,
) -> (DateTime<Utc>, Option<DateTime<Utc>>) {
    if severity == Severity::Critical {
        return (now, None);
    }
    let mut due = now;
    let mut since = None;
    if let Some(span) = rule.digest.and_then(|span| i64::try_from(span.as_millis()).ok()) {
        // The same borders for everybody: what falls between two of them is told together.
        let slot = now.timestamp_millis().div_euclid(span);
        let at = |slot: i64| DateTime::from_timestamp_millis(slot.saturating_mul(span));
        since = at(slot);
        due = at(slot + 1).unwrap_or(now);
    }
    if let Some(end) = rule.quiet.as_ref().and_then(|quiet| quiet.end(due)) {
        due = end;
    }
    (due, since)
}

#[cfg(test)]
mod tests;

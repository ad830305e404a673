//! Telling of notifications by other means than listing them: tmux, the desktop, programs.
//!
//! What is to be told stands in the notification itself, as `queued`. An [`Errand`] names one of
//! these; whoever runs errands calls [`deliver`], as often as it likes: what was told is not told
//! again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{change, everybody, key_of, list, notification, rules};
use crate::app::App;
use crate::core::{Diagnose, Digest, Name, Outcome, Stamp, TeamName, text};
use crate::domain::notification::{
    Delivery, DeliveryState, Filter, NewNotification, Notification, Principal, Severity, Status,
    timed_id,
};
use crate::domain::notify_rules::{Channel, Planned, Rule, Rules, delivery_name};
use crate::store::Key;

/// How long a program of the user's may take to hear of a notification.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(30);
/// How many notifications a digest names; of the rest it tells the number.
const DIGEST_LINES: usize = 10;

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

/// A channel did not work.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell by {channel}: {why}")]
pub struct Undelivered {
    /// The channel.
    pub channel: &'static str,
    /// Why.
    pub why: String,
}

impl Diagnose for Undelivered {
    fn code(&self) -> &'static str {
        "notification_undelivered"
    }
}

impl Errand {
    fn of(notice: &Notification, planned: &Planned) -> Self {
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

/// The errands of a notification that are still to be run.
pub fn errands(notice: &Notification, rules: &Rules) -> Vec<Errand> {
    // Planned for the instant at which it was posted, this always gives the same.
    let posted = notice.created_at.instant().unwrap_or_default();
    let planned = rules.plan(notice, posted);
    let waits = |one: &&Planned| {
        let delivery = notice.channels.get(&one.name());
        delivery.is_some_and(|delivery| delivery.state == DeliveryState::Queued)
    };
    planned.iter().filter(waits).map(|one| Errand::of(notice, one)).collect()
}

/// What running errands came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Delivered {
    /// How many notifications were told by some channel.
    pub delivered: usize,
    /// How many could not be told.
    pub failed: usize,
    /// How many wait for their time.
    pub waiting: usize,
}

/// Runs all errands of a team that are due. One that fails does not stop the others.
pub fn deliver_due(app: &App, team: &TeamName) -> Outcome<Delivered> {
    let rules = rules::load_leniently(app, team);
    let audience = everybody(app, team)?;
    let mut done = Delivered::default();
    for notice in list(app, team, &audience, &Filter::default())? {
        for errand in errands(&notice, &rules) {
            if errand.due.instant().is_some_and(|due| due > app.now()) {
                done.waiting += 1;
                continue;
            }
            match deliver(app, team, &errand) {
                Ok(told) => done.delivered += told,
                Err(failure) => {
                    app.warn(failure.message());
                    done.failed += 1;
                }
            }
        }
    }
    Ok(done)
}

/// Runs an errand, unless that was done before. Returns how many notifications were told. What
/// came of it is written into them; trying again after a failure is fine.
pub fn deliver(app: &App, team: &TeamName, errand: &Errand) -> Outcome<usize> {
    let rules = rules::load_leniently(app, team);
    let name = errand.name();
    let notices = awaiting(app, team, errand)?;
    let Some(rule) = rules.find(&errand.rule) else {
        // Nobody wants it any more.
        settle(app, team, &notices, &name, DeliveryState::Failed, Some("the rule is gone"))?;
        return Ok(0);
    };
    // Whoever has seen them needs no pointing to them; a program may want to hear all.
    let disturbs = matches!(errand.channel, Channel::Tmux | Channel::Desktop);
    let (seen, unseen): (Vec<Notification>, Vec<Notification>) =
        notices.into_iter().partition(|notice| disturbs && notice.status == Status::Read);
    settle(app, team, &seen, &name, DeliveryState::Delivered, None)?;
    if unseen.is_empty() {
        return Ok(0);
    }
    match tell(app, team, errand.channel, rule, &unseen) {
        Ok(()) => {
            settle(app, team, &unseen, &name, DeliveryState::Delivered, None)?;
            Ok(unseen.len())
        }
        Err(why) => {
            settle(app, team, &unseen, &name, DeliveryState::Failed, Some(&why))?;
            Err(Undelivered { channel: errand.channel.as_str(), why }.into())
        }
    }
}

/// The notifications of an errand that were not told yet.
fn awaiting(app: &App, team: &TeamName, errand: &Errand) -> Outcome<Vec<Notification>> {
    let name = errand.name();
    let waits = |notice: &Notification| {
        let delivery = notice.channels.get(&name);
        delivery.is_some_and(|delivery| delivery.state != DeliveryState::Delivered)
    };
    let Some(since) = errand.since.as_ref().and_then(Stamp::instant) else {
        let found = app.store.load::<Notification>(&key_of(team, &errand.to, &errand.id))?;
        return Ok(found.map(|doc| doc.value).filter(waits).into_iter().collect());
    };
    let filter = Filter { since: Some(since), ..Filter::default() };
    let mut found = list(app, team, std::slice::from_ref(&errand.to), &filter)?;
    // What was collected for this time; what came later has its own.
    found.retain(|notice| {
        waits(notice) && notice.channels.get(&name).is_some_and(|it| it.at <= errand.due)
    });
    Ok(found)
}

fn settle(
    app: &App,
    team: &TeamName,
    notices: &[Notification],
    name: &str,
    state: DeliveryState,
    error: Option<&str>,
) -> Outcome<()> {
    let keys: Vec<Key> = notices.iter().map(|n| key_of(team, &n.to, &n.id)).collect();
    change(app, team, &keys, |notice, at| {
        let delivery = Delivery { state, at, error: error.map(str::to_owned) };
        notice.channels.insert(name.to_owned(), delivery);
        true
    })?;
    Ok(())
}

/// What a channel says of one or several notifications: a line, and more.
fn words(team: &TeamName, notices: &[Notification]) -> (String, String) {
    if let [notice] = notices {
        return (format!("{team}: {}", notice.title), notice.body.clone());
    }
    let mut lines: Vec<String> =
        notices.iter().take(DIGEST_LINES).map(|notice| notice.title.clone()).collect();
    if notices.len() > DIGEST_LINES {
        lines.push(format!("and {} more", notices.len() - DIGEST_LINES));
    }
    (format!("{team}: {}", text::count(notices.len(), "notification")), lines.join("\n"))
}

/// What a program or a web address gets: the notification, or the list of those that are told
/// together.
pub fn payload(notices: &[Notification]) -> Value {
    match notices {
        [notice] => json!(notice),
        several => json!({"digest": several}),
    }
}

/// Tells by one channel, now. The error is for people.
pub(super) fn tell(
    app: &App,
    team: &TeamName,
    channel: Channel,
    rule: &Rule,
    notices: &[Notification],
) -> Result<(), String> {
    let (line, more) = words(team, notices);
    match channel {
        Channel::Terminal => Ok(()),
        Channel::Tmux => {
            let shown = text::printable(&line, false);
            app.terminal.show_message(team, &shown).map(drop).map_err(|error| error.to_string())
        }
        Channel::Desktop => {
            let critical = notices.iter().any(|notice| notice.severity == Severity::Critical);
            let argv = desktop(app, &line, &more, critical)?;
            run(app, &argv, b"")
        }
        Channel::Command => {
            let input = serde_json::to_vec(&payload(notices)).map_err(|error| error.to_string())?;
            run(app, &rule.command, &input)
        }
        Channel::Webhook => Err("no worker sends web requests from here".into()),
    }
}

fn run(app: &App, argv: &[String], input: &[u8]) -> Result<(), String> {
    let program = argv.first().map_or("", String::as_str);
    let ended = app.processes.feed(argv, &app.data_dir, input, PROGRAM_PATIENCE);
    let ended = ended.map_err(|error| format!("{program}: {error}"))?;
    if ended.exit_code == Some(0) {
        return Ok(());
    }
    let said = text::printable(text::cut(ended.complaint.trim(), 200), false);
    let how = match ended.exit_code {
        Some(code) => format!("{program} ended with status {code}"),
        None => format!("{program} took longer than {} s", PROGRAM_PATIENCE.as_secs()),
    };
    Err(if said.is_empty() { how } else { format!("{how}: {said}") })
}

/// The program that shows something on the desktop: `notify-send` where there is one, otherwise
/// the script interpreter of macOS. Texts are arguments, never part of a script.
fn desktop(app: &App, line: &str, more: &str, critical: bool) -> Result<Vec<String>, String> {
    let path = app.env.get("PATH").unwrap_or_default();
    let find = |program| app.processes.find_program(program, &app.data_dir, path);
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    if find("notify-send").is_some() {
        let urgency = if critical { "critical" } else { "normal" };
        let words = ["notify-send", "--app-name=clawteam", "--urgency", urgency, "--", line, more];
        return Ok(own(&words));
    }
    if find("osascript").is_some() {
        let script = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of \
                      argv)\nend run";
        return Ok(own(&["osascript", "-e", script, line, more]));
    }
    Err("neither notify-send nor osascript is installed".into())
}

/// The request that tells a web address of notifications.
pub fn web_request(rule: &Rule, notices: &[Notification]) -> Option<Value> {
    let url = rule.url.as_ref()?;
    let ids: Vec<&str> = notices.iter().map(|notice| notice.id.as_str()).collect();
    // The same for each attempt, so that the receiver can tell a repetition.
    let key = Digest::of(ids.join(" ").as_bytes());
    Some(json!({
        "method": "POST",
        "url": url,
        "headers": {"content-type": "application/json", "idempotency-key": key.start(32)},
        "body": payload(notices),
    }))
}

/// How a channel would be used.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// The channel.
    pub channel: &'static str,
    /// The rule that says so.
    pub rule: Name,
    /// Whether it would be told at once.
    pub at_once: bool,
    /// When it would be told.
    pub due: Stamp,
    /// Whether it was told; `None` if that was not tried.
    pub delivered: Option<bool>,
    /// Why it could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Says how `new` would be told, without posting it; with `now` also tells it by each channel, to
/// see whether that works.
pub fn test(
    app: &App,
    team: &TeamName,
    rules: &Rules,
    new: &NewNotification,
    now: bool,
) -> Vec<Tried> {
    let instant = app.now();
    let id = timed_id(app.now_millis(), "test");
    let notice = notification(new, team, id, Stamp::at(instant));
    let planned = rules.plan(&notice, instant);
    let tried = planned.iter().filter_map(|one| {
        let rule = rules.find(&one.rule)?;
        let told = now.then(|| tell(app, team, one.channel, rule, std::slice::from_ref(&notice)));
        Some(Tried {
            channel: one.channel.as_str(),
            rule: one.rule.clone(),
            at_once: one.due <= instant,
            due: Stamp::at(one.due),
            delivered: told.as_ref().map(Result::is_ok),
            error: told.and_then(Result::err),
        })
    });
    tried.collect()
}

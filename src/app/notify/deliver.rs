//! Telling of notifications by other means than listing them: tmux, the desktop, programs.
//!
//! What is to be told stands in the notification itself, as `queued`. An [`Errand`] names one of
//! these; whoever runs errands calls [`deliver`], as often as it likes: what was told is not told
//! again.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{change, everybody, key_of, list, notification, rules};
use crate::app::{App, queue};
use crate::core::{Diagnose, Digest, Name, Outcome, Span, Stamp, TeamName, text};
use crate::domain::notification::{
    Delivery, DeliveryState, Filter, NewNotification, Notification, Severity, Status, timed_id,
};
use crate::domain::notify_rules::{Channel, Errand, Planned, Rule, Rules};
use crate::domain::queue::NewItem;
use crate::ports::{Cut, Program};
use crate::store::Key;

/// How long a program of the user's may take to hear of a notification.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(30);
/// How long running an errand may take in all.
const ERRAND_TIMEOUT: Span = Span::seconds(120);
/// The time that such a program has between SIGTERM and SIGKILL.
const PROGRAM_GRACE: Duration = Duration::from_secs(2);
/// How much of what it complains of is kept, in bytes.
const COMPLAINT_MAX: usize = 300;
/// How many notifications a digest names; of the rest it tells the number.
const DIGEST_LINES: usize = 10;

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

/// Puts the errands of a notification into the queue, each once. They stand in the notification as
/// `queued`, so that [`deliver_due`] finds those that did not get there.
pub(super) fn enqueue(
    app: &App,
    team: &TeamName,
    notice: &Notification,
    rules: &Rules,
) -> Outcome<()> {
    for errand in errands(notice, rules) {
        let left = errand.due.instant().map(|due| due - app.now());
        let millis = left.and_then(|left| u64::try_from(left.num_milliseconds()).ok());
        let item = NewItem {
            key: Some(errand.key()),
            delay: Span::millis(millis.unwrap_or(0)),
            timeout: ERRAND_TIMEOUT,
            ..NewItem::new("notify", json!(errand))
        };
        queue::push(app, team, item)?;
    }
    Ok(())
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
    let named = |rule: &&Rule| rule.channels.contains(&errand.channel);
    let Some(rule) = rules.find(&errand.rule).filter(named) else {
        // Nobody wants it any more.
        let gone = ended(DeliveryState::Failed, None, Some("the rule is gone".into()));
        settle(app, team, &notices, &name, &gone)?;
        return Ok(0);
    };
    // Whoever has seen them needs no pointing to them; a program may want to hear all.
    let disturbs = matches!(errand.channel, Channel::Tmux | Channel::Desktop);
    let (seen, unseen): (Vec<Notification>, Vec<Notification>) =
        notices.into_iter().partition(|notice| disturbs && notice.status == Status::Read);
    settle(app, team, &seen, &name, &ended(DeliveryState::Delivered, None, None))?;
    if unseen.is_empty() {
        return Ok(0);
    }
    match tell(app, team, errand.channel, rule, &unseen) {
        Ok(item) => {
            let state =
                if item.is_some() { DeliveryState::Handed } else { DeliveryState::Delivered };
            settle(app, team, &unseen, &name, &ended(state, item, None))?;
            Ok(unseen.len())
        }
        Err(why) => {
            let failed = ended(DeliveryState::Failed, None, Some(why.clone()));
            settle(app, team, &unseen, &name, &failed)?;
            Err(Undelivered { channel: errand.channel.as_str(), why }.into())
        }
    }
}

/// How an attempt ended; the time is filled in where it is written down.
fn ended(state: DeliveryState, item: Option<String>, error: Option<String>) -> Delivery {
    Delivery { state, at: Stamp::empty(), item, error }
}

/// The notifications of an errand that were not told yet.
fn awaiting(app: &App, team: &TeamName, errand: &Errand) -> Outcome<Vec<Notification>> {
    let name = errand.name();
    let waits = |notice: &Notification| {
        let delivery = notice.channels.get(&name);
        delivery.is_some_and(|it| matches!(it.state, DeliveryState::Queued | DeliveryState::Failed))
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
    ended: &Delivery,
) -> Outcome<()> {
    let keys: Vec<Key> = notices.iter().map(|n| key_of(team, &n.to, &n.id)).collect();
    change(app, team, &keys, |notice, at| {
        notice.channels.insert(name.to_owned(), Delivery { at, ..ended.clone() });
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
/// together. How it is told is left out, since it changes with the telling.
fn payload(notices: &[Notification]) -> Value {
    let plain = |notice: &Notification| {
        let mut value = json!(notice);
        if let Some(fields) = value.as_object_mut() {
            fields.shift_remove("channels");
        }
        value
    };
    match notices {
        [notice] => plain(notice),
        several => json!({"digest": several.iter().map(plain).collect::<Vec<_>>()}),
    }
}

/// Tells by one channel, now; or has it done by an item of the queue, which is returned. The error
/// is for people.
fn tell(
    app: &App,
    team: &TeamName,
    channel: Channel,
    rule: &Rule,
    notices: &[Notification],
) -> Result<Option<String>, String> {
    let (line, more) = words(team, notices);
    let told = match channel {
        Channel::Terminal => Ok(()),
        Channel::Tmux => {
            let shown = text::printable(&line, false);
            app.terminal.show_message(team, &shown).map(drop).map_err(|error| error.to_string())
        }
        Channel::Desktop => {
            let critical = notices.iter().any(|notice| notice.severity == Severity::Critical);
            let argv = desktop(app, &line, &more, critical)?;
            run(app, &argv, Vec::new())
        }
        Channel::Command => run(app, &rule.command, format!("{}\n", payload(notices)).into_bytes()),
        Channel::Webhook => {
            let request = web_request(rule, notices).ok_or("the rule has no address")?;
            let pushed = queue::push(app, team, request).map_err(|error| error.message())?;
            return Ok(Some(pushed.item.item.id));
        }
    };
    told.map(|()| None)
}

fn run(app: &App, argv: &[String], input: Vec<u8>) -> Result<(), String> {
    let name = argv.first().map_or("", String::as_str);
    let program = Program {
        argv: argv.to_vec(),
        cwd: app.env.home().unwrap_or_else(|| app.data_dir.clone()),
        stdin: input,
        stderr_max: COMPLAINT_MAX,
        timeout: Some(PROGRAM_PATIENCE),
        grace: PROGRAM_GRACE,
        ..Program::default()
    };
    let ran = app.processes.capture(&program, &|| false, &mut |_| {});
    let ran = ran.map_err(|error| format!("{name}: {error}"))?;
    let how = match ran.cut {
        Some(Cut::TimedOut | Cut::Cancelled) => {
            format!("{name} took longer than {} s", PROGRAM_PATIENCE.as_secs())
        }
        None if ran.exit_code == 0 => return Ok(()),
        None => format!("{name} ended with status {}", ran.exit_code),
    };
    let said = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    Err(if said.is_empty() { how } else { format!("{how}: {}", text::printable(&said, false)) })
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

/// The item that tells a web address of notifications.
fn web_request(rule: &Rule, notices: &[Notification]) -> Option<NewItem> {
    let url = rule.url.as_ref()?;
    let ids: Vec<&str> = notices.iter().map(|notice| notice.id.as_str()).collect();
    // The same for each attempt, so that the receiver can tell a repetition.
    let key = Digest::of(format!("{} {}", rule.id, ids.join(" ")).as_bytes());
    let request = json!({
        "method": "POST",
        "url": url,
        "headers": {"content-type": "application/json", "idempotency-key": key.start(32)},
        "body": payload(notices),
    });
    let key = Some(format!("webhook:{}", key.start(32)));
    // It can be told twice from one.
    Some(NewItem { key, idempotent: Some(true), ..NewItem::new("http", request) })
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
    /// Whether it was told, or handed to the queue; `None` if that was not tried.
    pub told: Option<bool>,
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
            told: told.as_ref().map(Result::is_ok),
            error: told.and_then(Result::err),
        })
    });
    tried.collect()
}

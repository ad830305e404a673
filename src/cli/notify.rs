//! `clawteam notify`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};

use super::{Cx, notify_rules};
use crate::app::{notify, team};
use crate::core::{Name, Outcome, Span, Stamp, TeamName};
use crate::domain::notification::{
    Filter, Kind, NewNotification, Notification, Principal, Refs, Severity, Status,
};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum NotifyCommand {
    /// List notifications, oldest first
    List(ListArgs),
    /// Count notifications
    Count {
        /// The team
        team: String,
        #[command(flatten)]
        whose: WhoseArgs,
    },
    /// Note that notifications were seen
    Read(ReadArgs),
    /// Decide which notifications are told how
    #[command(subcommand)]
    Rules(notify_rules::RulesCommand),
    /// Show notifications as they come
    Watch(WatchArgs),
    /// Notify somebody
    Send(SendArgs),
    /// Tell now what waits to be told by tmux, the desktop or programs
    Deliver {
        /// The team
        team: String,
    },
}

/// Whose notifications.
#[derive(Debug, Args)]
pub(super) struct WhoseArgs {
    /// Whose: human, human:USER, agent:NAME, or all [default: yours]
    #[arg(long = "to", value_name = "WHO")]
    to: Option<String>,
}

/// Arguments of `notify list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The team
    #[arg(required_unless_present = "all_teams")]
    team: Option<String>,
    /// Those of all teams
    #[arg(long, conflicts_with = "team")]
    all_teams: bool,
    /// Only those that nobody has seen
    #[arg(short, long)]
    unread: bool,
    /// Only those of this type; `*` stands for any characters
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only those of the last while (like 2h), or since a date
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[command(flatten)]
    whose: WhoseArgs,
}

/// Arguments of `notify read`.
#[derive(Debug, Args)]
pub(super) struct ReadArgs {
    /// The team
    team: String,
    /// The notification
    #[arg(required_unless_present = "all")]
    id: Option<String>,
    /// All of them
    #[arg(long, conflicts_with = "id")]
    all: bool,
    #[command(flatten)]
    whose: WhoseArgs,
}

/// Arguments of `notify watch`.
#[derive(Debug, Args)]
pub(super) struct WatchArgs {
    /// The team
    team: String,
    /// Begin with those that nobody has seen
    #[arg(short, long)]
    unread: bool,
    /// End after so many
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<usize>,
    /// End after this time (like 30s or 5m)
    #[arg(short, long, value_name = "TIME")]
    timeout: Option<Span>,
    #[command(flatten)]
    whose: WhoseArgs,
}

/// Arguments of `notify send`.
#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// The team
    team: String,
    /// Who shall know: human, human:USER or agent:NAME
    #[arg(long, value_name = "WHO", default_value = "human")]
    to: String,
    /// What happened, in a line
    #[arg(long, allow_hyphen_values = true)]
    title: String,
    /// The same at length
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    body: String,
    #[command(flatten)]
    kind: KindArgs,
    /// Post it once for this key, however often it is sent
    #[arg(long)]
    key: Option<String>,
    /// Keep it quiet if another one with this key came a short time ago
    #[arg(long, value_name = "KEY")]
    dedupe: Option<String>,
    /// The task that it is about
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// The run that it is about
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// The agent that it is about
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
}

/// What kind of notification it is.
#[derive(Debug, Args)]
pub(super) struct KindArgs {
    /// What kind of thing happened, like `run_failed`
    #[arg(long = "type", value_name = "TYPE", default_value = "custom")]
    pub(super) kind: String,
    /// How much it matters: info, warning or critical
    #[arg(long, default_value = "info")]
    pub(super) severity: String,
}

impl WhoseArgs {
    fn audience(&self, cx: &Cx, team: &TeamName) -> Outcome<Vec<Principal>> {
        match self.to.as_deref() {
            None => Ok(notify::audience(&cx.app)),
            Some("all") => notify::everybody(&cx.app, team),
            Some(one) => Ok(vec![one.parse()?]),
        }
    }
}

pub(super) fn run(cx: &Cx, command: NotifyCommand) -> Outcome<ExitCode> {
    match command {
        NotifyCommand::List(args) => list(cx, args)?,
        NotifyCommand::Count { team, whose } => count(cx, team, &whose)?,
        NotifyCommand::Read(args) => read(cx, args)?,
        NotifyCommand::Rules(command) => notify_rules::run(cx, command)?,
        NotifyCommand::Watch(args) => return watch(cx, args),
        NotifyCommand::Send(args) => send(cx, args)?,
        NotifyCommand::Deliver { team } => return deliver(cx, team),
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads `2h` as two hours ago, or a date.
fn since(cx: &Cx, text: &str) -> Outcome<chrono::DateTime<chrono::Utc>> {
    if let Some(instant) = Stamp::from(text.to_owned()).instant() {
        return Ok(instant);
    }
    let span: Span = text.parse()?;
    let back = chrono::TimeDelta::from_std(span.duration()).unwrap_or(chrono::TimeDelta::MAX);
    Ok(cx.app.now().checked_sub_signed(back).unwrap_or(chrono::DateTime::UNIX_EPOCH))
}

fn list(cx: &Cx, args: ListArgs) -> Outcome<()> {
    let since = args.since.as_deref().map(|text| since(cx, text)).transpose()?;
    let filter = Filter { unread: args.unread, kind: args.kind, since };
    let teams: Vec<TeamName> = if let Some(team) = args.team {
        vec![TeamName::parse(team)?]
    } else {
        let found = team::discover(&cx.app)?;
        found.into_iter().filter_map(|team| TeamName::parse(team.name).ok()).collect()
    };
    let mut found = Vec::new();
    for team in &teams {
        let audience = args.whose.audience(cx, team)?;
        found.extend(notify::list(&cx.app, team, &audience, &filter)?);
    }
    if let ([team], true) = (&teams[..], found.is_empty()) {
        cx.app.warn_if_unknown(team);
    }
    found.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
    if cx.out.json {
        return cx.out.json_list(&found);
    }
    if found.is_empty() {
        return cx.out.text("No notifications");
    }
    cx.out.text(&table(cx, &found, args.all_teams))
}

fn table(cx: &Cx, notices: &[Notification], with_team: bool) -> String {
    let mut table = Table::new("Notifications").column("ID").column("At").column("").column("Type");
    if with_team {
        table = table.column("Team");
    }
    let mut table = table.column("For").prose("Title");
    for notice in notices {
        let mut row = vec![
            notice.id.to_string(),
            cx.time(&notice.created_at),
            mark(notice).to_owned(),
            notice.kind.clone(),
        ];
        if with_team {
            row.push(notice.team.clone());
        }
        row.push(notice.to.to_string());
        row.push(notice.title.clone());
        table.row(row);
    }
    table.render(cx.out.width())
}

/// A sign for how much it matters, as long as nobody has seen it.
fn mark(notice: &Notification) -> &'static str {
    match (notice.status, notice.severity) {
        (Status::Read, _) => "",
        (Status::Unread, Severity::Info) => "new",
        (Status::Unread, Severity::Warning) => "new !",
        (Status::Unread, Severity::Critical) => "new !!",
    }
}

fn count(cx: &Cx, team: String, whose: &WhoseArgs) -> Outcome<()> {
    let team = TeamName::parse(team)?;
    let count = notify::count(&cx.app, &team, &whose.audience(cx, &team)?)?;
    if count.total == 0 {
        cx.app.warn_if_unknown(&team);
    }
    cx.out.result(&count, || match (count.unread, count.critical) {
        (0, _) => format!("0 unread of {}", count.total),
        (unread, 0) => format!("{unread} unread of {}", count.total),
        (unread, critical) => format!("{unread} unread of {}, {critical} critical", count.total),
    })
}

fn read(cx: &Cx, args: ReadArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    if let Some(id) = args.id {
        let id = Name::parse_as("notification id", id)?;
        let notice = notify::read_one(&cx.app, &team, &id)?;
        return cx.out.result(&notice, || details(cx, &notice));
    }
    let seen = notify::read_all(&cx.app, &team, &args.whose.audience(cx, &team)?)?;
    if seen.is_empty() {
        cx.app.warn_if_unknown(&team);
    }
    if cx.out.json {
        return cx.out.json_list(&seen);
    }
    cx.out.text(&format!("OK {} read", crate::core::text::count(seen.len(), "notification")))
}

fn details(cx: &Cx, notice: &Notification) -> String {
    let mut lines = vec![
        notice.title.clone(),
        format!(
            "  {} ({}), {}",
            notice.kind,
            notice.severity.as_str(),
            cx.time(&notice.created_at)
        ),
    ];
    let refs = [
        ("Run", &notice.refs.run),
        ("Approval", &notice.refs.approval),
        ("Task", &notice.refs.task),
        ("Agent", &notice.refs.agent),
    ];
    for (name, value) in refs {
        lines.extend(value.as_ref().map(|value| format!("  {name}: {value}")));
    }
    for (channel, delivery) in &notice.channels {
        let mut line = format!("  {channel}: {:?}", delivery.state).to_lowercase();
        if let Some(item) = &delivery.item {
            line.push_str(&format!(" to the queue (item {item})"));
        }
        if let Some(error) = &delivery.error {
            line.push_str(&format!(" ({error})"));
        }
        lines.push(line);
    }
    if !notice.body.is_empty() {
        lines.push(String::new());
        lines.push(notice.body.clone());
    }
    lines.join("\n")
}

fn watch(cx: &Cx, args: WatchArgs) -> Outcome<ExitCode> {
    /// How long to sleep at most when nothing is heard.
    const LOOK: Duration = Duration::from_secs(1);
    let team = TeamName::parse(args.team)?;
    cx.app.warn_if_unknown(&team);
    let audience = args.whose.audience(cx, &team)?;
    let stop = Cx::stop_on_signal()?;
    let began = Instant::now();
    // Before what is there is listed: what comes in between is told rather twice looked at.
    let mut watch = notify::Watch::new(&cx.app, &team, &audience, &stop)?;
    let mut news = Vec::new();
    if args.unread {
        let filter = Filter { unread: true, ..Filter::default() };
        news = notify::list(&cx.app, &team, &audience, &filter)?;
        news.retain(|notice| watch.knows(notice));
    }
    if !cx.out.json {
        cx.out.text(&format!("Watching notifications of team '{team}'... (Ctrl+C to stop)"))?;
    }
    let mut told = 0;
    loop {
        for notice in news {
            if args.count.is_some_and(|most| told >= most) {
                break;
            }
            tell(cx, &notice)?;
            told += 1;
        }
        let late = args.timeout.is_some_and(|limit| began.elapsed() >= limit.duration());
        if late || stop.is_requested() || args.count.is_some_and(|most| told >= most) {
            return Ok(ExitCode::SUCCESS);
        }
        let left = args
            .timeout
            .map_or(LOOK, |limit| limit.duration().saturating_sub(began.elapsed()).min(LOOK));
        watch.wait(left);
        news = watch.news(&cx.app, &team, &audience)?;
    }
}

fn tell(cx: &Cx, notice: &Notification) -> Outcome<()> {
    if cx.out.json {
        return cx.out.json_line(notice);
    }
    let time = cx.time(&notice.created_at);
    let clock = time.get(11..19).unwrap_or(&time);
    let mark = match notice.severity {
        Severity::Info => "",
        Severity::Warning => "! ",
        Severity::Critical => "!! ",
    };
    cx.out.text(&format!("{clock}  {mark}{}: {}  ({})", notice.kind, notice.title, notice.id))
}

impl KindArgs {
    /// What is told of, as far as these arguments say.
    pub(super) fn notification(&self, title: &str) -> Outcome<NewNotification> {
        Ok(NewNotification::new(self.kind.parse::<Kind>()?, self.severity.parse()?, title))
    }
}

fn send(cx: &Cx, args: SendArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let new = NewNotification {
        key: args.key,
        dedupe_key: args.dedupe,
        to: args.to.parse()?,
        body: args.body,
        refs: Refs { run: args.run, task: args.task, agent: args.agent, ..Refs::default() },
        ..args.kind.notification(&args.title)?
    };
    cx.app.warn_if_unknown(&team);
    let id = notify::post(&cx.app, &team, &new)?;
    let payload = serde_json::json!({"id": id, "to": new.to, "posted": id.is_some()});
    cx.out.result(&payload, || match &id {
        Some(id) => format!("OK Notified {}: {id}", new.to),
        None => format!("OK {} was notified of this a short time ago", new.to),
    })
}

fn deliver(cx: &Cx, team: String) -> Outcome<ExitCode> {
    let team = TeamName::parse(team)?;
    let done = notify::deliver::deliver_due(&cx.app, &team)?;
    cx.out.result(&done, || {
        format!("OK {} told, {} failed, {} not due yet", done.delivered, done.failed, done.waiting)
    })?;
    Ok(if done.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

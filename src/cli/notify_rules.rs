//! `clawteam notify rules`.

use clap::{Args, Subcommand};

use super::Cx;
use super::notify::KindArgs;
use crate::app::notify::{deliver, rules};
use crate::core::{Name, Outcome, Span, TeamName};
use crate::domain::Extra;
use crate::domain::notify_rules::{Channel, Quiet, Rule};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// List the rules, in the order in which they are looked at
    List {
        /// The team
        team: String,
    },
    /// Add a rule
    Add(AddArgs),
    /// Remove a rule
    Remove {
        /// The team
        team: String,
        /// The rule
        rule: String,
    },
    /// Show how a notification would be told, or tell it to see whether that works
    Test(TestArgs),
}

/// Arguments of `notify rules add`.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The team
    team: String,
    /// What to call the rule [default: rule-1 and so on]
    #[arg(short, long)]
    name: Option<String>,
    /// Which types it is about; `*` stands for any characters
    #[arg(long = "type", value_name = "TYPE", default_value = "*")]
    kind: String,
    /// How much something must matter at least: info, warning or critical
    #[arg(long, value_name = "SEVERITY", default_value = "info")]
    min_severity: String,
    /// Whom it is about: human, human:USER or agent:NAME [default: everybody]
    #[arg(long, value_name = "WHO")]
    to: Option<String>,
    /// How to tell: tmux, desktop, command, webhook, or terminal, which is always
    #[arg(short, long = "channel", value_name = "CHANNEL", required = true, value_delimiter = ',')]
    channels: Vec<String>,
    /// The address for the channel `webhook`
    #[arg(long)]
    url: Option<String>,
    /// When to wait unless it is critical, like 22:00-07:00
    #[arg(long, value_name = "FROM-TO")]
    quiet: Option<String>,
    /// The time zone of --quiet [default: the setting `timezone`]
    #[arg(long, value_name = "ZONE", requires = "quiet")]
    zone: Option<String>,
    /// For how long repetitions are kept quiet, like 10m
    #[arg(long, value_name = "TIME")]
    dedupe: Option<Span>,
    /// Tell together what comes within such a time, like 1h
    #[arg(long, value_name = "TIME")]
    digest: Option<Span>,
    /// The program for the channel `command`, with its arguments, after `--`
    #[arg(last = true, value_name = "PROGRAM")]
    command: Vec<String>,
}

/// Arguments of `notify rules test`.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// The team
    team: String,
    #[command(flatten)]
    kind: KindArgs,
    /// Whom it would be for
    #[arg(long, value_name = "WHO", default_value = "human")]
    to: String,
    /// Tell it now by each channel, whatever the hour
    #[arg(long)]
    deliver: bool,
}

pub(super) fn run(cx: &Cx, command: RulesCommand) -> Outcome<()> {
    match command {
        RulesCommand::List { team } => list(cx, team),
        RulesCommand::Add(args) => add(cx, args),
        RulesCommand::Remove { team, rule } => {
            let team = TeamName::parse(team)?;
            let rule = rules::remove(&cx.app, &team, &Name::parse_as("rule", rule)?)?;
            cx.out.result(&rule, || format!("OK Rule '{}' removed", rule.id))
        }
        RulesCommand::Test(args) => test(cx, args),
    }
}

fn list(cx: &Cx, team: String) -> Outcome<()> {
    let team = TeamName::parse(team)?;
    let rules = rules::load(&cx.app, &team)?.rules;
    if rules.is_empty() {
        cx.app.warn_if_unknown(&team);
    }
    if cx.out.json {
        return cx.out.json_list(&rules);
    }
    if rules.is_empty() {
        return cx.out.text("No rules: notifications are listed, and nothing else");
    }
    let mut table = Table::new(format!("Notification rules - {team}"))
        .column("Rule")
        .column("Type")
        .column("From")
        .column("For")
        .column("Channels")
        .prose("More");
    for rule in &rules {
        table.row([
            rule.id.to_string(),
            rule.kind.clone(),
            rule.min_severity.as_str().to_owned(),
            rule.to.as_ref().map_or("everybody".to_owned(), ToString::to_string),
            channels(rule),
            more(rule),
        ]);
    }
    cx.out.text(&table.render(cx.out.width()))
}

fn channels(rule: &Rule) -> String {
    rule.channels.iter().map(|channel| channel.as_str()).collect::<Vec<_>>().join(", ")
}

fn more(rule: &Rule) -> String {
    let mut parts = Vec::new();
    if !rule.command.is_empty() {
        parts.push(rule.command.join(" "));
    }
    parts.extend(rule.url.clone());
    if let Some(quiet) = &rule.quiet {
        parts.push(format!("quiet {}-{} {}", quiet.from, quiet.to, quiet.zone));
    }
    parts.extend(rule.dedupe_window.map(|span| format!("once in {span}")));
    parts.extend(rule.digest.map(|span| format!("together every {span}")));
    parts.join("; ")
}

fn add(cx: &Cx, args: AddArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let name = args.name.map(|name| Name::parse_as("rule", name)).transpose()?;
    let mut channels: Vec<Channel> = Vec::new();
    for channel in &args.channels {
        let channel = channel.parse()?;
        if !channels.contains(&channel) {
            channels.push(channel);
        }
    }
    let min_severity = args.min_severity.parse()?;
    let to = args.to.map(|to| to.parse()).transpose()?;
    let zone = args.zone.unwrap_or_else(|| cx.app.setting("timezone"));
    let quiet = args.quiet.map(|text| Quiet::parse(&text, &zone)).transpose()?;
    cx.app.warn_if_unknown(&team);
    let rule = rules::add(&cx.app, &team, name, |id| Rule {
        id,
        kind: args.kind,
        min_severity,
        to,
        channels,
        command: args.command,
        url: args.url,
        quiet,
        dedupe_window: args.dedupe,
        digest: args.digest,
        extra: Extra::new(),
    })?;
    cx.out.result(&rule, || format!("OK Rule '{}' added", rule.id))
}

fn test(cx: &Cx, args: TestArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let mut new = args.kind.notification("This is a test")?;
    new.to = args.to.parse()?;
    let rules = rules::load(&cx.app, &team)?;
    let tried = deliver::test(&cx.app, &team, &rules, &new, args.deliver);
    cx.out.result(&tried, || {
        if tried.is_empty() {
            return "It would be listed, and nothing else".to_owned();
        }
        let lines = tried.iter().map(|one| {
            let when = if one.at_once { "at once".to_owned() } else { cx.time(&one.due) };
            let told = match (&one.told, &one.error) {
                (Some(true), _) => ": told",
                (_, Some(error)) => return format!("{}: failed: {error}", one.channel),
                _ => "",
            };
            format!("{} by rule '{}', {when}{told}", one.channel, one.rule)
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

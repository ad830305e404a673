//! `approval list` and `approval show`.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use super::{files, names};
use crate::app::approval::{self, Filter};
use crate::app::artifact;
use crate::cli::Cx;
use crate::core::{Outcome, Span, Stamp, TeamName, limits};
use crate::domain::approval::{Approval, AttachmentKind, Status};
use crate::output::Table;
use crate::store::Dir;

/// Arguments of `approval list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The team
    team: String,
    /// Only those that stand so: pending, approved, rejected, expired or cancelled
    #[arg(short, long)]
    status: Option<String>,
    /// Only those about this task
    #[arg(long)]
    task: Option<String>,
    /// Only those that this run asked for
    #[arg(long)]
    run: Option<String>,
    /// Only those that wait for your answer
    #[arg(long)]
    mine: bool,
    /// Only those that this agent or person asked for
    #[arg(long)]
    requester: Option<String>,
    /// Only those that were asked for since then: a date, or a time before now such as 2h
    #[arg(long)]
    since: Option<String>,
    /// Go on, and print the list again whenever something changes
    #[arg(long)]
    watch: bool,
}

/// Arguments of `approval show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The team
    team: String,
    /// The approval
    id: String,
    /// Print attached differences
    #[arg(long)]
    diff: bool,
    /// Write all attachments into this directory
    #[arg(long, value_name = "DIR")]
    attachments: Option<PathBuf>,
}

fn since(cx: &Cx, text: &str) -> Outcome<DateTime<Utc>> {
    if let Some(instant) = Stamp::from(text.to_owned()).instant() {
        return Ok(instant);
    }
    let span: Span = text.parse()?;
    let span = TimeDelta::from_std(span.duration()).unwrap_or(TimeDelta::MAX);
    Ok(cx.app.now().checked_sub_signed(span).unwrap_or(DateTime::<Utc>::MIN_UTC))
}

pub(super) fn list(cx: &Cx, args: ListArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let filter = Filter {
        status: args.status.as_deref().map(str::parse::<Status>).transpose()?,
        task: args.task,
        run: args.run,
        requester: args.requester,
        waiting_for: args.mine.then(|| super::actor(cx)).transpose()?,
        since: args.since.as_deref().map(|text| since(cx, text)).transpose()?,
    };
    if !args.watch {
        let found = approval::list(&cx.app, &team, &filter)?;
        if found.is_empty() {
            cx.app.warn_if_unknown(&team);
        }
        return print(cx, &team, &found);
    }
    let stop = Cx::stop_on_signal()?;
    let mut changes = cx.app.store.backend().watch(&[Dir::approvals(&team)])?;
    stop.wakes(&*changes);
    let mut told: Option<Vec<Approval>> = None;
    while !stop.is_requested() {
        let found = approval::list(&cx.app, &team, &filter)?;
        if told.as_ref() != Some(&found) {
            if cx.out.json {
                cx.out.json_line(&found)?;
            } else {
                print(cx, &team, &found)?;
            }
            told = Some(found);
        }
        changes.wait(limits::POLL_INTERVAL);
    }
    Ok(())
}

fn print(cx: &Cx, team: &TeamName, found: &[Approval]) -> Outcome<()> {
    if cx.out.json {
        return cx.out.json_list(found);
    }
    if found.is_empty() {
        return cx.out.text("No approvals found");
    }
    let mut table = Table::new(format!("Approvals - {team}"))
        .column("ID")
        .column("Status")
        .column("Action")
        .prose("Title")
        .column("Requester")
        .prose("Approvers")
        .column("Expires");
    for approval in found {
        let expires = approval.expires_at.as_ref().map(|at| cx.time(at)).unwrap_or_default();
        table.row([
            approval.id.as_str(),
            approval.status.as_str(),
            &approval.action_type,
            &approval.title,
            &approval.requester.id,
            &approval.approvers_text(),
            &expires,
        ]);
    }
    cx.out.text(&table.render(cx.out.width()))
}

pub(super) fn show(cx: &Cx, args: ShowArgs) -> Outcome<()> {
    let (team, id) = names(args.team, args.id)?;
    let approval = approval::load(&cx.app, &team, &id)?;
    let mut diffs = String::new();
    for attachment in &approval.attachments {
        let name = attachment.name.as_str();
        let wanted = args.diff && attachment.kind == AttachmentKind::Diff;
        if !wanted && args.attachments.is_none() {
            continue;
        }
        let bytes = artifact::get_blob(&cx.app, &attachment.blob)?;
        if let Some(directory) = &args.attachments {
            files::write_into(directory, &attachment.name, &bytes)?;
        }
        if wanted {
            diffs.push_str(&format!("\n\n{name}:\n{}", String::from_utf8_lossy(&bytes).trim_end()));
        }
    }
    cx.out.result(&approval, || details(cx, &approval) + &diffs)
}

fn details(cx: &Cx, a: &Approval) -> String {
    let mut lines = vec![
        format!("Approval: {} (revision {})", a.id, a.rev),
        format!("  Title: {}", a.title),
        format!("  Status: {}", a.status.as_str()),
        format!("  Action: {}", a.action_type),
        format!("  Reason: {}", a.reason),
    ];
    let mut add = |name: &str, text: String| {
        if !text.is_empty() {
            lines.push(format!("  {name}: {text}"));
        }
    };
    add("Description", a.description.clone());
    add("Requester", format!("{} ({})", a.requester.id, a.requester.proof.as_str()));
    add("Via", a.requester.via.clone().unwrap_or_default());
    add("Approvers", a.approvers_text());
    add("Quorum", format!("{} of {} agree", a.assents().count(), a.quorum));
    add("Tasks", a.task_ids.join(", "));
    if let Some(run) = &a.run {
        add("Run", format!("{run} {}", a.node.as_deref().unwrap_or_default()));
    }
    let mut risk = a.risk.as_str().to_owned();
    for (yes, word) in [(a.external, ", external"), (a.risky, ", risky")] {
        risk.push_str(if yes { word } else { "" });
    }
    add("Risk", risk);
    add("Confidence", a.confidence.map(|n| n.to_string()).unwrap_or_default());
    let rubric: Vec<String> = a.rubric.iter().map(|(k, v)| format!("{k} {v}")).collect();
    add("Rubric", rubric.join(", "));
    if let Some(policy) = &a.policy {
        add("Policy", format!("{} by '{}': {}", policy.verdict, policy.name, policy.why));
    }
    if let Some(bound) = &a.bound {
        add("Bound to", format!("{} (revision {})", bound.digest.start(12), bound.revision));
    }
    add("Requested", cx.time(&a.created_at));
    if let Some(at) = &a.expires_at {
        add("Expires", format!("{}, then {}", cx.time(at), a.on_timeout));
    }
    if let Some(escalation) = &a.escalation {
        add("Escalated", format!("to {} at {}", escalation.to, cx.time(&escalation.at)));
    }
    for attachment in &a.attachments {
        add("Attached", format!("{} ({} bytes)", attachment.name, attachment.bytes));
    }
    add("Payload", a.payload.as_ref().map(ToString::to_string).unwrap_or_default());
    for decision in &a.decisions {
        let at = cx.time(&decision.at);
        let (who, proof) = (&decision.actor, decision.proof.as_str());
        let mut text = format!("{who} ({proof}) says {} at {at}", decision.decision.as_str());
        if !decision.comment.is_empty() {
            text.push_str(&format!(": {}", decision.comment));
        }
        add("Answer", text);
    }
    if let (Some(at), Some(resolution)) = (&a.resolved_at, &a.resolution) {
        let end = if resolution.comment.is_empty() { "" } else { ": " };
        let at = cx.time(at);
        add("Ended", format!("{at} by {}{end}{}", resolution.by, resolution.comment));
    }
    for used in &a.consumed_by {
        add("Used", format!("by {} at {}", used.by, cx.time(&used.at)));
    }
    lines.join("\n")
}

//! `clawteam approval`.

mod answer;
mod credentials;
mod files;
mod policy;
mod request;
mod show;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Cx;
use crate::app::approval::{self, Presented, Stats, Wait, Waited};
use crate::app::wait::Stop;
use crate::core::{Exit, Name, Outcome, Span, TeamName};
use crate::domain::approval::{Actor, Approval, Bound};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum ApprovalCommand {
    /// Ask for an approval
    Request(Box<request::RequestArgs>),
    /// List approvals, oldest first
    List(show::ListArgs),
    /// Show an approval with everything that was said about it
    Show(show::ShowArgs),
    /// Approve
    Approve(answer::AnswerArgs),
    /// Reject, with a reason
    Reject(answer::AnswerArgs),
    /// Leave the decision to the others
    Abstain(answer::AnswerArgs),
    /// Answer with the JSON object {"decision", "comment"} from standard input
    Answer(answer::JsonArgs),
    /// Take a request back
    Cancel {
        /// The team
        team: String,
        /// The approval
        id: String,
        /// Why
        #[arg(short, long, default_value = "")]
        reason: String,
    },
    /// Ask somebody else too
    Escalate(answer::EscalateArgs),
    /// Wait for decisions (exit status 10: rejected, 11: expired or cancelled, 12: none in time)
    Wait(WaitArgs),
    /// Use an approval to let one thing pass, once
    Consume(ConsumeArgs),
    /// Show, change and try out what the team says about approvals in general
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Count approvals, and how they went
    Stats {
        /// The team
        team: String,
    },
    /// Tokens with which people show who they are
    #[command(subcommand)]
    Token(credentials::TokenCommand),
    /// Keys with which people sign decisions
    #[command(subcommand)]
    Key(credentials::KeyCommand),
}

/// Arguments of `approval wait`.
#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// The team
    team: String,
    /// The approvals
    #[arg(required = true)]
    ids: Vec<String>,
    /// Until one of them is approved
    #[arg(long, conflicts_with = "all")]
    any: bool,
    /// Until all of them are approved (as without this)
    #[arg(long)]
    all: bool,
    /// Give up after this time, such as 10m [default: never]
    #[arg(short, long)]
    timeout: Option<Span>,
}

/// Arguments of `approval consume`.
#[derive(Debug, Args)]
pub(super) struct ConsumeArgs {
    /// The team
    team: String,
    /// The approval
    id: String,
    /// What passes; again for the same changes nothing
    #[arg(long)]
    by: String,
    /// The SHA-256 of what passes, which must be what was approved
    #[arg(long)]
    digest: Option<String>,
    /// The revision of what passes
    #[arg(long, default_value = "0", requires = "digest")]
    revision: u64,
}

pub(super) fn run(cx: &Cx, command: ApprovalCommand) -> Outcome<ExitCode> {
    use crate::domain::approval::Verdict;
    match command {
        ApprovalCommand::Request(args) => return request::run(cx, *args),
        ApprovalCommand::List(args) => show::list(cx, args)?,
        ApprovalCommand::Show(args) => show::show(cx, args)?,
        ApprovalCommand::Approve(args) => answer::answer(cx, args, Verdict::Approve)?,
        ApprovalCommand::Reject(args) => answer::answer(cx, args, Verdict::Reject)?,
        ApprovalCommand::Abstain(args) => answer::answer(cx, args, Verdict::Abstain)?,
        ApprovalCommand::Answer(args) => answer::json(cx, args)?,
        ApprovalCommand::Cancel { team, id, reason } => {
            let (team, id) = names(team, id)?;
            let by = actor(cx)?;
            let approval = approval::cancel(&cx.app, &team, &id, &by, &reason)?;
            tell(cx, &approval)?;
        }
        ApprovalCommand::Escalate(args) => answer::escalate(cx, args)?,
        ApprovalCommand::Wait(args) => {
            let team = TeamName::parse(args.team)?;
            let ids: Result<Vec<Name>, _> = args.ids.into_iter().map(approval_id).collect();
            return wait(cx, &team, &ids?, args.any, args.timeout);
        }
        ApprovalCommand::Consume(args) => consume(cx, args)?,
        ApprovalCommand::Policy(command) => policy::run(cx, command)?,
        ApprovalCommand::Stats { team } => {
            let team = TeamName::parse(team)?;
            let stats = approval::stats(&cx.app, &team)?;
            cx.out.result(&stats, || stats_text(cx, &team, &stats))?;
        }
        ApprovalCommand::Token(command) => credentials::token(cx, command)?,
        ApprovalCommand::Key(command) => credentials::key(cx, command)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn approval_id(text: String) -> Result<Name, crate::core::name::NameError> {
    Name::parse_as("approval id", text)
}

fn names(team: String, id: String) -> Outcome<(TeamName, Name)> {
    Ok((TeamName::parse(team)?, approval_id(id)?))
}

/// What the caller shows without a key.
fn presented() -> Presented {
    Presented { terminal: std::io::stdin().is_terminal(), secret: None }
}

/// Who calls.
fn actor(cx: &Cx) -> Outcome<Actor> {
    approval::actor(&cx.app, &presented())
}

/// Says how an approval stands after a change.
fn tell(cx: &Cx, approval: &Approval) -> Outcome<()> {
    cx.out.result(approval, || {
        let mut text = format!("OK Approval {} is {}", approval.id, approval.status.as_str());
        if approval.status == crate::domain::approval::Status::Pending {
            let assents = approval.assents().count();
            text.push_str(&format!(" ({assents} of {} agree)", approval.quorum));
        }
        text
    })
}

fn wait(
    cx: &Cx,
    team: &TeamName,
    ids: &[Name],
    any: bool,
    timeout: Option<Span>,
) -> Outcome<ExitCode> {
    let stop: Stop = Cx::stop_on_signal()?;
    let timeout = timeout.map(Span::duration);
    let request = Wait { team, ids, any, timeout, stop: &stop };
    let (waited, approvals) = approval::wait(&cx.app, &request)?;
    let (word, exit) = match waited {
        Waited::Approved => ("approved", None),
        Waited::Rejected => ("rejected", Some(Exit::Rejected)),
        Waited::Ended => ("ended", Some(Exit::Expired)),
        Waited::TimedOut => ("timeout", Some(Exit::TimedOut)),
        Waited::Interrupted => ("interrupted", Some(Exit::Failure)),
    };
    let payload = serde_json::json!({"status": word, "approvals": approvals});
    cx.out.result(&payload, || {
        let each = approvals.iter().map(|approval| {
            let comment = approval.resolution.as_ref().map_or("", |r| r.comment.as_str());
            let dash = if comment.is_empty() { "" } else { " - " };
            format!("{}: {}{dash}{comment}", approval.id, approval.status.as_str())
        });
        each.collect::<Vec<_>>().join("\n")
    })?;
    Ok(exit.map_or(ExitCode::SUCCESS, |exit| ExitCode::from(exit.code())))
}

fn consume(cx: &Cx, args: ConsumeArgs) -> Outcome<()> {
    let (team, id) = names(args.team, args.id)?;
    let digest = args.digest.map(crate::core::Digest::try_from).transpose()?;
    let bound = digest.map(|digest| Bound { digest, revision: args.revision });
    let used = approval::consume(&cx.app, &team, &id, &args.by, bound.as_ref())?;
    cx.out.result(&used, || format!("OK {} may pass by approval {id}", args.by))
}

fn stats_text(cx: &Cx, team: &TeamName, stats: &Stats) -> String {
    let mut table = Table::new(format!("Approval Stats - {team}")).column("Metric").number("Value");
    table.row(["Total", &stats.total.to_string()]);
    for (status, count) in &stats.by_status {
        table.row([*status, &count.to_string()]);
    }
    let median = stats.median_decision_seconds.map_or("-".to_owned(), |s| format!("{s:.1}s"));
    table.row(["Median time to a decision", &median]);
    let mut text = table.render(cx.out.width());
    if !stats.by_requester.is_empty() {
        let mut table = Table::new("By requester")
            .column("Requester")
            .number("Requests")
            .number("Approved")
            .number("Rejected");
        for (requester, of) in &stats.by_requester {
            let [total, approved, rejected] =
                [of.total, of.approved, of.rejected].map(|count| count.to_string());
            table.row([requester.as_str(), &total, &approved, &rejected]);
        }
        text.push('\n');
        text.push_str(&table.render(cx.out.width()));
    }
    text
}

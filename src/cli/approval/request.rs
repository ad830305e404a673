//! `approval request`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::files::{self, Unfit};
use crate::app::approval;
use crate::cli::{Cx, args};
use crate::core::{Digest, Name, Outcome, Span, TeamName};
use crate::domain::approval::{ApprovalError, Approver, NewApproval, OnTimeout, Risk, Status};

/// What is to be done, for a request and for trying out a policy.
#[derive(Debug, Args)]
pub(super) struct Subject {
    /// What kind of thing is to be done, in a word
    #[arg(long, visible_alias = "type", default_value = "other")]
    action: String,
    /// Tasks that it is about, the primary one first, separated by commas
    #[arg(long = "task", value_name = "IDS")]
    tasks: Vec<String>,
    /// What exactly is to be done, as JSON in a file
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// How sure you are, from 0 to 100
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    confidence: Option<u8>,
    /// What that is made of: NAME=SCORE; without --confidence their weighted sum is taken
    #[arg(long, value_name = "NAME=SCORE")]
    rubric: Vec<String>,
    /// It reaches beyond the team
    #[arg(long)]
    external: bool,
    /// It can do harm
    #[arg(long)]
    risky: bool,
    /// How much: low, medium, high or critical
    #[arg(long, default_value = "medium")]
    risk: String,
}

/// Arguments of `approval request`.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// The team
    team: String,
    /// What is to be done, in a line
    #[arg(long)]
    title: String,
    /// Why
    #[arg(long)]
    reason: String,
    /// What is to be done, at length
    #[arg(short, long, default_value = "")]
    description: String,
    #[command(flatten)]
    subject: Subject,
    /// The run that it belongs to
    #[arg(long)]
    run: Option<String>,
    /// The node of that run
    #[arg(long)]
    node: Option<String>,
    /// Files to look at before one decides
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Who may decide: human, human:USER, agent:NAME, lead, any, or a member [default: human]
    #[arg(long = "approver", value_name = "APPROVER", value_delimiter = ',')]
    approvers: Vec<String>,
    /// How many of them must agree
    #[arg(long, default_value = "1")]
    quorum: u32,
    /// How many of them must refuse for a rejection
    #[arg(long, default_value = "1")]
    reject_quorum: u32,
    /// Only signed decisions count
    #[arg(long)]
    require_signature: bool,
    /// For how long a decision counts, such as 30m [default: for ever]
    #[arg(long)]
    expires: Option<Span>,
    /// What happens then: expire, reject, approve, none or escalate:APPROVER
    #[arg(long, default_value = "expire")]
    on_timeout: String,
    /// Replace this request
    #[arg(long, value_name = "ID")]
    supersedes: Option<String>,
    /// The same key again gives the request that it made
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait for the decision (exit status 10: rejected, 11: expired or cancelled, 12: none in time)
    #[arg(long)]
    wait: bool,
    /// Give up waiting after this time, such as 10m [default: never]
    #[arg(long, requires = "wait")]
    timeout: Option<Span>,
}

/// A request for this subject.
pub(super) fn subject(cx: &Cx, title: String, reason: String, of: Subject) -> Outcome<NewApproval> {
    let requester = super::actor(cx)?.into();
    let mut new = NewApproval::new(requester, of.action, title, reason);
    new.task_ids = of.tasks.iter().flat_map(|ids| args::ids(Some(ids))).collect();
    new.confidence = of.confidence;
    new.rubric = rubric(&of.rubric)?;
    new.external = of.external;
    new.risky = of.risky;
    new.risk = of.risk.parse::<Risk>()?;
    if let Some(path) = of.payload {
        let value: Value = serde_json::from_slice(&files::read(&path)?).map_err(|error| Unfit {
            path: path.display().to_string(),
            why: format!("is not JSON: {error}"),
        })?;
        approval::payload(&cx.app, &mut new, value)?;
    }
    Ok(new)
}

/// The parts of a rubric, from `NAME=SCORE`.
fn rubric(parts: &[String]) -> Outcome<BTreeMap<String, i64>> {
    let mut rubric = BTreeMap::new();
    for part in parts {
        let bad = || ApprovalError::Invalid {
            what: "rubric",
            why: format!("'{part}' is not NAME=SCORE with a whole number"),
        };
        let (name, score) = part.split_once('=').ok_or_else(bad)?;
        rubric.insert(name.trim().to_owned(), score.trim().parse().map_err(|_| bad())?);
    }
    Ok(rubric)
}

pub(super) fn run(cx: &Cx, args: RequestArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let mut new = subject(cx, args.title, args.reason, args.subject)?;
    new.description = args.description;
    new.run = args.run.map(|run| Name::parse_as("run", run)).transpose()?;
    new.node = args.node;
    let approvers: Result<Vec<Approver>, _> =
        args.approvers.iter().map(|text| text.trim().parse()).collect();
    new.approvers = approvers?;
    new.quorum = args.quorum;
    new.reject_quorum = args.reject_quorum;
    new.require_signature = args.require_signature;
    new.timeout = args.expires;
    new.on_timeout = args.on_timeout.parse::<OnTimeout>()?;
    new.supersedes = args.supersedes.map(super::approval_id).transpose()?;
    for path in args.attach {
        let bytes = files::read(&path)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = Name::parse_as("name of an attachment", name.unwrap_or_default())?;
        approval::attach(&cx.app, &mut new, name, &bytes)?;
    }
    if let Some(key) = args.idempotency_key {
        let digest = Digest::of_parts(&[new.requester.id.as_bytes(), b"\n", key.as_bytes()]);
        new.id = Some(Name::parse(format!("ap-{}", digest.start(12)))?);
        new.key = Some(key);
    }
    let made = approval::create(&cx.app, &team, new)?;
    if args.wait {
        if !cx.out.json && made.status == Status::Pending {
            cx.out.text(&format!("Waiting for approval {} …", made.id))?;
        }
        return super::wait(cx, &team, std::slice::from_ref(&made.id), false, args.timeout);
    }
    cx.out.result(&made, || {
        let mut text = format!(
            "OK Approval {} requested: {}\n  Status: {}\n  Approvers: {}",
            made.id,
            made.title,
            made.status.as_str(),
            made.approvers_text()
        );
        if let Some(policy) = &made.policy {
            text.push_str(&format!("\n  Policy: {} - {}", policy.verdict, policy.why));
        }
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

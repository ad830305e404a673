//! `approval approve`, `reject`, `abstain`, `answer` and `escalate`.

use std::path::PathBuf;

use chrono::TimeDelta;
use clap::Args;
use serde::Deserialize;

use super::{files, names, presented, tell};
use crate::app::approval;
use crate::cli::Cx;
use crate::core::{Diagnose, Exit, Outcome, Span, Stamp};
use crate::domain::approval::{Answer, Approver, Verdict};
use crate::output;

/// Arguments of `approval approve`, `reject` and `abstain`.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The team
    team: String,
    /// The approval
    id: String,
    /// What you have to say about it
    #[arg(short, long, visible_alias = "reason")]
    comment: Option<String>,
    /// Read {"decision", "comment"} from standard input; the decision must be this one
    #[arg(long, conflicts_with = "comment")]
    stdin: bool,
    #[command(flatten)]
    with: With,
}

/// Arguments of `approval answer`.
#[derive(Debug, Args)]
pub(crate) struct JsonArgs {
    /// The team
    team: String,
    /// The approval
    id: String,
    #[command(flatten)]
    with: With,
}

/// What goes with an answer.
#[derive(Debug, Args)]
struct With {
    /// Only if the approval has this revision (exit status 9 otherwise)
    #[arg(long, value_name = "REV")]
    if_rev: Option<u64>,
    /// Sign with the key in this file
    #[arg(long, value_name = "KEYFILE")]
    sign: Option<PathBuf>,
}

/// Arguments of `approval escalate`.
#[derive(Debug, Args)]
pub(crate) struct EscalateArgs {
    /// The team
    team: String,
    /// The approval
    id: String,
    /// Who shall decide: human, human:USER, agent:NAME, lead, or a member
    #[arg(long, value_name = "APPROVER")]
    to: String,
    /// Why
    #[arg(short, long, default_value = "")]
    reason: String,
    /// From now on for so long, such as 30m [default: as before]
    #[arg(long)]
    expires: Option<Span>,
}

/// An answer that is not what it should be. Free text decides nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadAnswer {
    /// It is no JSON object of that form.
    #[error("this is no answer: {0}")]
    Form(serde_json::Error),
    /// It says something else than the command.
    #[error("the command says {}, the answer says {}", command.as_str(), answer.as_str())]
    Contradiction { command: Verdict, answer: Verdict },
}

impl Diagnose for BadAnswer {
    fn code(&self) -> &'static str {
        "invalid_answer"
    }

    fn hint(&self) -> Option<String> {
        Some(
            r#"write {"decision": "approve", "comment": "…"} (or reject, or abstain); nothing was decided"#
                .into(),
        )
    }

    fn exit(&self) -> Exit {
        Exit::Invalid
    }
}

/// An answer as a program gives it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    decision: Verdict,
    #[serde(default)]
    comment: String,
}

fn written() -> Outcome<Written> {
    Ok(serde_json::from_str(&output::read_stdin()?).map_err(BadAnswer::Form)?)
}

pub(super) fn answer(cx: &Cx, args: AnswerArgs, verdict: Verdict) -> Outcome<()> {
    let comment = if args.stdin {
        let written = written()?;
        if written.decision != verdict {
            let (command, answer) = (verdict, written.decision);
            return Err(BadAnswer::Contradiction { command, answer }.into());
        }
        written.comment
    } else {
        args.comment.unwrap_or_default()
    };
    give(cx, args.team, args.id, args.with, verdict, comment)
}

pub(super) fn json(cx: &Cx, args: JsonArgs) -> Outcome<()> {
    let Written { decision, comment } = written()?;
    give(cx, args.team, args.id, args.with, decision, comment)
}

fn give(
    cx: &Cx,
    team: String,
    id: String,
    with: With,
    verdict: Verdict,
    comment: String,
) -> Outcome<()> {
    let (team, id) = names(team, id)?;
    let mut presented = presented();
    presented.secret = with.sign.as_deref().map(files::secret).transpose()?;
    let answer = Answer { verdict, comment, sig: None };
    let approval = approval::decide(&cx.app, &team, &id, &answer, &presented, with.if_rev)?;
    tell(cx, &approval)
}

pub(super) fn escalate(cx: &Cx, args: EscalateArgs) -> Outcome<()> {
    let (team, id) = names(args.team, args.id)?;
    let to: Approver = args.to.parse()?;
    let by = super::actor(cx)?;
    let until = args.expires.and_then(|span| {
        let span = TimeDelta::from_std(span.duration()).ok()?;
        cx.app.now().checked_add_signed(span).map(Stamp::at)
    });
    let approval = approval::escalate(&cx.app, &team, &id, &by, &to, &args.reason, until)?;
    cx.out.result(&approval, || format!("OK {to} is asked about approval {id} too"))
}

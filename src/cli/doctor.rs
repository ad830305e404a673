//! `clawteam doctor`.

use std::process::ExitCode;

use clap::Args;

use super::Cx;
use crate::app::doctor::{self, Diagnosis};
use crate::core::Outcome;
use crate::core::text::count;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Repair what can be repaired; nothing is deleted
    #[arg(long)]
    fix: bool,
}

pub(super) fn run(cx: &Cx, args: DoctorArgs) -> Outcome<ExitCode> {
    let diagnosis = doctor::check(&cx.app, args.fix)?;
    cx.out.result(&diagnosis, || text(&diagnosis))?;
    Ok(if diagnosis.clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(diagnosis: &Diagnosis) -> String {
    let mut lines = vec![format!(
        "Checked {}: {} in {}",
        diagnosis.data_dir,
        count(diagnosis.files, "file"),
        count(diagnosis.teams, "team")
    )];
    for done in &diagnosis.fixed {
        lines.push(format!("  fixed    {done}"));
    }
    for finding in &diagnosis.findings {
        lines.push(format!("  {:<8} {} [{}]", finding.severity, finding.message, finding.code));
        lines.push(format!("           {}", finding.path));
        if !finding.remedy.is_empty() {
            let by = if finding.fixable { "--fix: " } else { "" };
            lines.push(format!("           {by}{}", finding.remedy));
        }
    }
    let approvals = &diagnosis.approvals;
    if approvals.journals > 0 {
        lines.push(format!(
            "Approvals: {} checked; the weakest proof that counts is '{}'.",
            count(approvals.journals, "journal"),
            approvals.least_proof
        ));
        lines.push("  Who could have made a decision without being who they say:".into());
        for proof in &approvals.proofs {
            let (name, used) = (proof.proof.as_str(), count(proof.used, "decision"));
            lines.push(format!("  {name} ({used}): {}", proof.worth));
        }
    }
    lines.push(if diagnosis.clean { "All is well." } else { "There is something to do." }.into());
    lines.join("\n")
}

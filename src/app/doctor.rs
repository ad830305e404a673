//! Checking and repairing the data directory.

use serde::Serialize;

use super::App;
use super::approval::{self, Damage, Forgery};
use super::{team, workflow};
use crate::core::{Outcome, limits};
use crate::store::check::{Doctor, Finding, Report, Severity};
use crate::store::{FsBackend, Holder, Key, Patience};

/// What was found, and what was done about it.
#[derive(Debug, Clone, Serialize)]
pub struct Diagnosis {
    /// The data directory.
    pub data_dir: String,
    /// How many files were looked at.
    pub files: usize,
    /// How many teams there are.
    pub teams: usize,
    /// Whether nothing is wrong (any more).
    pub clean: bool,
    /// What can be relied on in approvals.
    pub approvals: Approvals,
    /// What is the matter (still), worst first.
    pub findings: Vec<Told>,
    /// What was repaired.
    pub fixed: Vec<String>,
}

/// What can be relied on in approvals.
#[derive(Debug, Clone, Serialize)]
pub struct Approvals {
    /// How many journals were checked.
    pub journals: usize,
    /// The weakest proof that counts for a person: the setting `approval_proof`.
    pub least_proof: String,
    /// Who could have made a decision without being who they say, by the proof that it shows.
    pub proofs: Vec<Forgery>,
}

/// A finding, as it is told.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// `error`, `warning` or `info`.
    pub severity: &'static str,
    /// The stable identifier of this kind of finding.
    pub code: &'static str,
    /// The file or directory.
    pub path: String,
    /// What is the matter.
    pub message: String,
    /// What can be done.
    pub remedy: String,
    /// Whether `--fix` does it.
    pub fixable: bool,
}

impl From<Finding> for Told {
    fn from(finding: Finding) -> Self {
        Self {
            severity: match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
            },
            code: finding.code,
            path: finding.path.display().to_string(),
            message: finding.message,
            remedy: finding.remedy,
            fixable: finding.fix.is_some(),
        }
    }
}

impl From<Damage> for Told {
    fn from(damage: Damage) -> Self {
        Self {
            severity: if damage.rewrite.is_some() { "warning" } else { "error" },
            code: damage.code,
            path: damage.path,
            message: damage.message,
            remedy: damage.remedy,
            fixable: damage.rewrite.is_some(),
        }
    }
}

/// Checks the data directory. With `fix` it repairs what can be repaired and checks again.
pub fn check(app: &App, fix: bool) -> Outcome<Diagnosis> {
    let backend = FsBackend::new(&app.data_dir, true);
    let is_alive = |pid: u32| app.processes.identify(pid).is_some();
    let doctor = Doctor::new(&backend, &is_alive, app.now().into());
    let mut report = doctor.check();
    let mut fixed = Vec::new();
    if fix {
        let notice = |holder: &Holder| app.warn(format!("waiting for {holder}"));
        let patience = Patience { limit: limits::LOCK_WAIT, notice: &notice };
        for finding in &report.findings {
            let Some(fix) = &finding.fix else { continue };
            match doctor.apply(fix, &patience) {
                Ok(done) => fixed.extend(done),
                // One repair that fails is no reason to leave out the others.
                Err(error) => app.warn(crate::core::diagnose::chain(&error)),
            }
        }
        for damage in approval::chains(app)?.1 {
            let Some((team, id)) = &damage.rewrite else { continue };
            match approval::rewrite(app, team, id) {
                Ok(()) => fixed.push(format!("wrote {} anew from its journal", damage.path)),
                Err(failure) => app.warn(failure.message()),
            }
        }
        report = doctor.check();
    }
    diagnosis(app, report, fixed)
}

/// What is wrong with the journals of runs of workflows.
fn damaged_runs(app: &App) -> Outcome<Vec<Told>> {
    let mut all = Vec::new();
    for team in team::names(app)? {
        for run in workflow::history::names(app, &team)? {
            let checked = match workflow::fsck::check(app, &team, &run, false) {
                Ok(checked) => checked,
                Err(failure) => {
                    app.warn(failure.message());
                    continue;
                }
            };
            all.extend(checked.problems.into_iter().map(|problem| Told {
                severity: if problem.code == "state_differs" { "warning" } else { "error" },
                code: problem.code,
                path: app.store.path_of(&Key::run_journal(&team, &run)).display().to_string(),
                message: problem.message,
                remedy: format!("look at it with `clawteam workflow fsck {team} {run} --repair`"),
                fixable: false,
            }));
        }
    }
    Ok(all)
}

fn diagnosis(app: &App, report: Report, fixed: Vec<String>) -> Outcome<Diagnosis> {
    let (journals, damages) = approval::chains(app)?;
    let runs = damaged_runs(app)?;
    let clean = report.is_clean() && damages.is_empty() && runs.is_empty();
    let mut findings: Vec<Told> = damages.into_iter().map(Told::from).collect();
    findings.extend(runs);
    findings.extend(report.findings.into_iter().map(Told::from));
    // The parts are sorted each by itself.
    findings.sort_by_key(|told| match told.severity {
        "error" => 0,
        "warning" => 1,
        _ => 2,
    });
    let least_proof = app.setting("approval_proof");
    let approvals = Approvals { journals, least_proof, proofs: approval::forgeries(app)? };
    Ok(Diagnosis {
        data_dir: app.data_dir.display().to_string(),
        files: report.files,
        teams: report.teams,
        clean,
        approvals,
        findings,
        fixed,
    })
}

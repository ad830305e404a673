//! Checking and repairing the data directory.

use serde::Serialize;

use super::App;
use crate::core::{Outcome, limits};
use crate::store::check::{Doctor, Finding, Report, Severity};
use crate::store::{FsBackend, Holder, Patience};

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
    /// What is the matter (still), worst first.
    pub findings: Vec<Told>,
    /// What was repaired.
    pub fixed: Vec<String>,
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
        report = doctor.check();
    }
    Ok(diagnosis(app, report, fixed))
}

fn diagnosis(app: &App, report: Report, fixed: Vec<String>) -> Diagnosis {
    Diagnosis {
        data_dir: app.data_dir.display().to_string(),
        files: report.files,
        teams: report.teams,
        clean: report.is_clean(),
        findings: report.findings.into_iter().map(Told::from).collect(),
        fixed,
    }
}

//! What was seen, as it comes and as a page of the documentation.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::Result;
use crate::programs::Programs;

/// What the report begins with.
const HEADING: &str = "### The last report";

/// One thing that was looked at.
struct Check {
    area: String,
    name: String,
    /// What was seen, or what is wrong.
    seen: Result<String>,
}

/// All that was looked at.
pub(crate) struct Report {
    versions: Vec<(String, String)>,
    only: Vec<String>,
    checks: Vec<Check>,
}

impl Report {
    pub(crate) fn new(programs: &Programs, only: &[String]) -> Self {
        Self { versions: programs.versions(), only: only.to_vec(), checks: Vec::new() }
    }

    /// Makes a check, unless others were asked for, and prints what came of it.
    pub(crate) fn check(&mut self, area: &str, name: &str, made: impl FnOnce() -> Result<String>) {
        let title = format!("{area} {name}");
        if !self.only.is_empty() && !self.only.iter().any(|part| title.contains(part.as_str())) {
            return;
        }
        let start = Instant::now();
        let seen = made();
        let (mark, text) = match &seen {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        println!("{mark} {title} ({:.1} s): {text}", start.elapsed().as_secs_f64());
        self.checks.push(Check { area: area.into(), name: name.into(), seen });
    }

    fn failed(&self) -> usize {
        self.checks.iter().filter(|check| check.seen.is_err()).count()
    }

    pub(crate) fn passed(&self) -> bool {
        !self.checks.is_empty() && self.failed() == 0
    }

    pub(crate) fn summary(&self) -> String {
        format!("{} checks, {} failed", self.checks.len(), self.failed())
    }

    /// Puts the report in the place of the former one: from the heading [`HEADING`] of a file to its
    /// end, or at its end.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
        let before = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(wrong(error)),
        };
        let kept = before.find(HEADING).map_or(&*before, |at| &before[..at]).trim_end();
        let gap = if kept.is_empty() { "" } else { "\n\n" };
        std::fs::write(file, format!("{kept}{gap}{}", self.markdown())).map_err(wrong)
    }

    fn markdown(&self) -> String {
        let mut text = format!("{HEADING}\n\n| program | version |\n|---|---|\n");
        for (name, version) in &self.versions {
            let _ = writeln!(text, "| {name} | {version} |");
        }
        let mut area = "";
        for check in &self.checks {
            if check.area != area {
                area = &check.area;
                let _ = write!(text, "\n#### {area}\n\n| what | seen |\n|---|---|\n");
            }
            let seen = match &check.seen {
                Ok(seen) => seen.clone(),
                // The rest is for those who run it.
                Err(wrong) => {
                    format!("**did not work:** {}", wrong.lines().next().unwrap_or_default())
                }
            };
            let seen = seen.trim().replace('|', "\\|").replace('\n', "<br>");
            let _ = writeln!(text, "| {} | {seen} |", check.name);
        }
        text
    }
}

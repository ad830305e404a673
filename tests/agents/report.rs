//! What was seen, as it comes and as a page of the documentation.

use std::fmt::Write as _;
use std::time::Instant;

use crate::Result;
use crate::programs::Programs;

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

    /// The page.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(
            "# What was seen with the real programs\n\n\
             Written by `./install.sh test-agents --report docs/agents-report.md`: the programs \
             from npm, in real tmux and as\nsubprocesses, against a scripted model on loopback.\n\n\
             | program | version |\n|---|---|\n",
        );
        for (name, version) in &self.versions {
            let _ = writeln!(text, "| {name} | {version} |");
        }
        let mut area = "";
        for check in &self.checks {
            if check.area != area {
                area = &check.area;
                let _ = write!(text, "\n## {area}\n\n| what | seen |\n|---|---|\n");
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

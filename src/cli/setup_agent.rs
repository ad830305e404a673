//! `clawteam setup claude`, `codex`, …: clawteam in the settings of an agent program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::Cx;
use crate::app::setup::{self, Change, Plan, Wish};
use crate::core::{Diagnose, Outcome};
use crate::output;

/// Arguments of `setup <program>`.
#[derive(Debug, Args)]
pub(super) struct AgentArgs {
    /// Change the settings of this project instead of your own [default: the present directory]
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".")]
    project: Option<PathBuf>,
    /// Let it run `git add` and `git commit` without asking, too
    #[arg(long)]
    git: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Take out what was put in; what you have changed since stays
    #[arg(long, conflicts_with = "git")]
    undo: bool,
}

/// Nobody agreed.
#[derive(Debug, thiserror::Error)]
#[error("nobody said yes; nothing was changed")]
struct NotConfirmed;

impl Diagnose for NotConfirmed {
    fn code(&self) -> &'static str {
        "not_confirmed"
    }

    fn hint(&self) -> Option<String> {
        Some("say --yes; --dry-run shows what would be done".into())
    }
}

/// The project's directory cannot be found.
#[derive(Debug, thiserror::Error)]
#[error("there is no directory {}", .0.display())]
struct NoProject(PathBuf);

impl Diagnose for NoProject {
    fn code(&self) -> &'static str {
        "no_such_directory"
    }
}

pub(super) fn run(cx: &Cx, agent: &str, args: AgentArgs) -> Outcome<ExitCode> {
    let files = super::setup::dotfiles();
    let project = match args.project {
        None => None,
        Some(dir) if dir.is_dir() => {
            Some(crate::ports::Dotfiles::real(&files, &dir).map_err(|_| NoProject(dir))?)
        }
        Some(dir) => return Err(NoProject(dir).into()),
    };
    let wish = Wish { agent: agent.to_owned(), project, git: args.git };
    let plan = if args.undo {
        setup::plan_undo(&cx.app, &files, &wish)?
    } else {
        setup::plan(&cx.app, &files, &wish)?
    };
    if args.dry_run || plan.is_empty() && !plan.undo {
        tell(cx, agent, &plan, if plan.is_empty() { "unchanged" } else { "planned" }, &[])?;
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes {
        if !cx.out.json {
            output::say(&shown(&plan));
        }
        if cx.out.json || !output::confirm("Do it?") {
            return Err(NotConfirmed.into());
        }
    }
    let failed = setup::carry_out(&cx.app, &files, &plan)?;
    tell(cx, agent, &plan, if plan.undo { "undone" } else { "changed" }, &failed)?;
    for why in &failed {
        cx.app.warn(why.clone());
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn what(change: &Change) -> &'static str {
    match (&change.before, &change.after) {
        (None, _) => "created",
        (_, None) => "removed",
        _ => "changed",
    }
}

fn tell(cx: &Cx, agent: &str, plan: &Plan, status: &str, failed: &[String]) -> Outcome<()> {
    let files: Vec<Value> = plan
        .changes
        .iter()
        .map(|change| json!({"path": change.path, "status": what(change), "diff": diff(change)}))
        .collect();
    let payload = json!({
        "agent": agent, "status": status, "files": files, "commands": plan.commands,
        "notes": plan.notes, "failed": failed,
    });
    cx.out.result(&payload, || {
        let mut lines = Vec::new();
        match status {
            "planned" => lines.push(shown(plan)),
            "unchanged" => lines.push(format!("Nothing to do: {agent} is set up")),
            _ => lines.extend(
                plan.changes.iter().map(|c| format!("OK {} {}", what(c), c.path.display())),
            ),
        }
        if status == "undone" && plan.changes.is_empty() {
            lines.push(format!("OK {agent} is not set up any more; no file had to be changed"));
        }
        if status != "planned" {
            lines.extend(plan.notes.iter().map(|note| format!("Note: {note}")));
        }
        if status == "changed" {
            lines.push(format!("Take it out again: clawteam setup {agent} --undo"));
        }
        lines.join("\n")
    })
}

/// Everything that a plan does, for people.
fn shown(plan: &Plan) -> String {
    let mut parts: Vec<String> = plan.changes.iter().map(diff).collect();
    parts.extend(plan.commands.iter().map(|command| format!("run: {}", command.join(" "))));
    parts.extend(plan.notes.iter().map(|note| format!("Note: {note}")));
    parts.join("\n")
}

/// A change of a file as lines, without the secrets that may stand beside it.
fn diff(change: &Change) -> String {
    let text = |bytes: &Option<Vec<u8>>| {
        String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned()
    };
    let (before, after) = (text(&change.before), text(&change.after));
    let path = change.path.display().to_string();
    let name = |there: bool| if there { path.as_str() } else { "/dev/null" };
    let changes = similar::TextDiff::from_lines(&before, &after);
    let lines = changes
        .unified_diff()
        .context_radius(2)
        .header(name(change.before.is_some()), name(change.after.is_some()))
        .to_string();
    hide_secrets(&lines)
}

/// Values of fields that may be secret, as `…`.
fn hide_secrets(text: &str) -> String {
    let pattern = r#"(?i)("?[\w.-]*(?:key|token|secret|password|credential|oauth)[\w.-]*"?\s*[:=]\s*)("[^"\n]*"|'[^'\n]*')"#;
    match regex::Regex::new(pattern) {
        Ok(secret) => secret.replace_all(text, "$1\"…\"").into_owned(),
        // Rather nothing than a secret.
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::hide_secrets;
    use crate::cli::command;
    use crate::domain::prime::{Facts, OUTSIDE, text};
    use crate::domain::setup::{AGENTS, skill};

    #[test]
    fn secrets_beside_a_change_are_not_shown() {
        let text = " \"primaryApiKey\": \"sk-1\",\n+\"command\": \"c\"\n api_key = 'x'\n";
        assert_eq!(
            hide_secrets(text),
            " \"primaryApiKey\": \"…\",\n+\"command\": \"c\"\n api_key = \"…\"\n"
        );
    }

    /// The words of a line as a shell takes them; enough for what we write ourselves.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().expect("there is one").push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    /// Every command in a text: lines of a block, list entries up to a colon, what is in backticks.
    fn commands(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        for line in text.lines() {
            let plain = line.trim().trim_start_matches("- ");
            if plain.starts_with("clawteam ") {
                let end = plain.rfind(": ").filter(|_| line.trim().starts_with("- "));
                found.push(plain[..end.unwrap_or(plain.len())].to_owned());
            } else {
                let spans = line.split('`').skip(1).step_by(2);
                found.extend(spans.filter(|s| s.starts_with("clawteam ")).map(str::to_owned));
            }
        }
        found
    }

    #[track_caller]
    fn check(text: &str, least: usize) {
        let found = commands(text);
        assert!(found.len() >= least, "{found:?}");
        for line in found {
            let parsed = command(false).try_get_matches_from(words(&line));
            if let Err(error) = parsed {
                let shown = error.kind() == clap::error::ErrorKind::DisplayHelp;
                assert!(shown, "{line}\n{error}");
            }
        }
    }

    #[test]
    fn skills_teach_only_commands_that_there_are() {
        for agent in AGENTS {
            check(skill(agent), 10);
            assert!(skill(agent).starts_with("---\nname: clawteam\ndescription: "), "{agent}");
        }
    }

    #[test]
    fn agents_are_told_only_of_commands_that_there_are() {
        check(OUTSIDE, 3);
        for leader in ["lead", "w"] {
            let facts = Facts {
                agent: "w".into(),
                team: "t".into(),
                leader: leader.into(),
                ..Facts::default()
            };
            check(&text(&facts, 4000), 6);
        }
    }
}

//! `clawteam template validate`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::app::template::{self, Text};
use crate::cli::{Cx, file};
use crate::core::Outcome;
use crate::core::text::count;
use crate::domain::fields::{Level, Problem, line_and_column};
use crate::domain::template::{Template, commands, parse, sleeps};

/// Arguments of `template validate`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ValidateArgs {
    /// The file (`-`: standard input), or the name of a template
    #[arg(value_name = "FILE")]
    file: String,
    /// Be as strict about warnings as about errors
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(cx: &Cx, args: &ValidateArgs) -> Outcome<ExitCode> {
    let Text { file, text } = source(cx, &args.file)?;
    let stem = Path::new(&file).file_stem().and_then(|stem| stem.to_str());
    let stem = stem.filter(|_| is_toml(&file)).unwrap_or("template");
    let (name, mut problems) = match parse(&text, &file, stem) {
        Ok(parsed) => {
            let mut problems = parsed.warnings;
            problems.extend(told(&parsed.template, &text));
            (Some(parsed.template.name), problems)
        }
        Err(error) => (None, error.errors.into_iter().chain(error.warnings).collect()),
    };
    problems.sort_by_key(|problem| (problem.line, problem.column));
    let bad = problems.iter().any(|problem| problem.level == Level::Error || args.strict);
    let payload = json!({"ok": !bad, "file": file, "name": name, "problems": problems});
    cx.out.result(&payload, || report(&file, &problems, bad))?;
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn is_toml(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == "toml")
}

/// The text of the file, or else of the template of that name.
fn source(cx: &Cx, named: &str) -> Outcome<Text> {
    let is_name = !named.contains('/') && named != "-" && !is_toml(named);
    if is_name && !Path::new(named).is_file() {
        return template::text(&cx.app, named);
    }
    let bytes = file::read(named, crate::core::limits::ARTIFACT_BYTES_MAX, |length| {
        crate::app::artifact::fits(named, length)
    })?;
    Ok(Text { file: named.to_owned(), text: template::text_of(bytes, named)? })
}

/// What is wrong with what agents are told to type.
fn told(template: &Template, source: &str) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut look = |path: String, text: &str| {
        let begin = source.find(text.trim()).unwrap_or(0);
        let mut note = |at: usize, message: String| {
            let (line, column) = line_and_column(source, begin + at);
            let (level, path) = (Level::Warning, path.clone());
            found.push(Problem { level, line, column, path, message });
        };
        let text = text.trim();
        for told in commands(text) {
            let words: Vec<String> = told.words.iter().map(|word| stand_in(word)).collect();
            if let Err(why) = crate::cli::check(&words) {
                note(told.at, format!("{path}: `{}` cannot be typed: {why}", told.shown));
            }
        }
        if let Some(at) = sleeps(text) {
            let instead = "`clawteam task wait` and `clawteam inbox receive --wait` end when \
                           something happens";
            note(at, format!("{path}: an agent that sleeps pays for each look; {instead}"));
        }
    };
    for agent in template.members() {
        let name = &agent.name;
        look(format!("the task of '{name}'"), &agent.task);
        for text in
            agent.intent.iter().chain(&agent.end_state).chain(agent.constraints.iter().flatten())
        {
            look(format!("what '{name}' is told"), text);
        }
    }
    for task in &template.tasks {
        look(format!("the description of '{}'", task.subject), &task.description);
    }
    found
}

/// A word as somebody could type it: `<N>` stands for a number.
fn stand_in(word: &str) -> String {
    let word = word.replace("{agent_name}", "agent").replace("{team_name}", "team");
    match word.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        Some(inner) if !inner.is_empty() && inner.chars().all(|c| c.is_ascii_uppercase()) => {
            "1".to_owned()
        }
        _ => word,
    }
}

fn report(file: &str, problems: &[Problem], bad: bool) -> String {
    let mut lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            let Problem { level, line, column, message, .. } = problem;
            format!("{file}:{line}:{column}: {}: {message}", level.as_str())
        })
        .collect();
    let errors = problems.iter().filter(|problem| problem.level == Level::Error).count();
    let found = [(errors, "error"), (problems.len() - errors, "warning")];
    let found: Vec<String> =
        found.iter().filter(|(n, _)| *n > 0).map(|(n, word)| count(*n, word)).collect();
    let mark = if bad { "NOT OK" } else { "OK" };
    lines.push(if found.is_empty() {
        format!("{mark} {file} has no problems")
    } else {
        format!("{mark} {file}: {}", found.join(", "))
    });
    lines.join("\n")
}

//! Every option that the catalog uses is one that the program's own help names.

use std::collections::BTreeSet;

use clawteam::domain::agent::BackendKind;
use clawteam::domain::agent_cli::{AgentCli, Catalog, Level, Words};

use crate::Result;
use crate::programs::{NAMES, Programs};
use crate::report::Report;

pub(crate) fn check(programs: &Programs, report: &mut Report) {
    for name in NAMES {
        for backend in [BackendKind::Tmux, BackendKind::Subprocess] {
            let title = format!("{name} {}", backend.as_str());
            report.check("flags", &title, || {
                let row = Catalog::built_in().named(name).ok_or("there is no such row")?;
                fresh(programs, row, backend)
            });
            report.check("flags", &format!("{title}, resumed"), || {
                let row = Catalog::built_in().named(name).ok_or("there is no such row")?;
                resumed(programs, row, backend)
            });
        }
    }
}

/// The options of a fresh start.
fn fresh(programs: &Programs, row: &AgentCli, backend: BackendKind) -> Result<String> {
    let groups = [&row.run, &row.session, &row.system_prompt, &row.mcp, &row.prompt];
    let wanted = options(row, &groups, backend);
    named(programs, row, &commands(row.run.of(backend)), wanted)
}

/// The options that go with a resumed session.
fn resumed(programs: &Programs, row: &AgentCli, backend: BackendKind) -> Result<String> {
    if row.resume.of(backend).is_empty() {
        return Ok("the catalog has none".into());
    }
    let mut sub = commands(row.run.of(backend));
    sub.extend(commands(row.resume.of(backend)));
    named(programs, row, &sub, options(row, &[&row.resume], backend))
}

/// The options in `groups` and in those that every start has.
fn options(row: &AgentCli, groups: &[&Words], backend: BackendKind) -> BTreeSet<String> {
    let levels = [Level::Ask, Level::Edit, Level::Full];
    let levels = levels.into_iter().filter_map(|level| row.permissions.of(level));
    let always = [&row.cwd, &row.always, &row.model];
    let all = groups.iter().copied().chain(always).chain(levels);
    let words = all.flat_map(|words| words.of(backend));
    let names = words.filter(|word| word.starts_with('-'));
    names.map(|word| word.split('=').next().unwrap_or(word).to_owned()).collect()
}

/// The words that choose a command of the program: those before the first option.
fn commands(words: &[String]) -> Vec<String> {
    let plain = |word: &&String| !word.starts_with('-') && !word.contains('{');
    words.iter().take_while(plain).cloned().collect()
}

/// Looks for `wanted` in the help of a command.
fn named(
    programs: &Programs,
    row: &AgentCli,
    sub: &[String],
    wanted: BTreeSet<String>,
) -> Result<String> {
    let mut args: Vec<&str> = sub.iter().map(String::as_str).collect();
    args.extend(row.help.iter().map(String::as_str));
    let help = programs.ask(&row.name, &args)?;
    let (there, missing): (Vec<String>, Vec<String>) =
        wanted.into_iter().partition(|option| has(&help, option));
    let command = format!("`{} {}`", row.name, args.join(" "));
    // Those that only some releases have are left out where the help does not name them.
    let (left_out, missing): (Vec<String>, Vec<String>) =
        missing.into_iter().partition(|option| row.optional.contains(option));
    if missing.is_empty() {
        let not = if left_out.is_empty() {
            String::new()
        } else {
            format!(", not {}", left_out.join(" "))
        };
        return Ok(format!("{command} names {}{not}", there.join(" ")));
    }
    Err(format!("{command} does not name {}", missing.join(" ")))
}

/// Whether the help names the option as a word of its own.
fn has(help: &str, option: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    help.match_indices(option)
        .any(|(at, _)| !help[..at].ends_with(part) && !help[at + option.len()..].starts_with(part))
}

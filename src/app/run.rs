//! Starting one agent in a line: a program and what it is to do.

use std::path::Path;

use super::{App, team};
use crate::core::{AgentName, Outcome, TeamName};

/// The words of a command line; the name of a program may itself hold blanks.
pub fn words(app: &App, line: &str) -> Vec<String> {
    let path = app.env.get("PATH").unwrap_or_default();
    if app.processes.find_program(line, Path::new("."), path).is_some() {
        return vec![line.to_owned()];
    }
    line.split_whitespace().map(str::to_owned).collect()
}

/// What an agent of this program is, in a word: the name of its file.
pub fn kind(program: &str) -> String {
    let name = program.rsplit('/').next().unwrap_or(program);
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.chars().map(|c| if good(c) { c } else { '-' }).collect();
    if name.is_empty() { "agent".to_owned() } else { name }
}

/// The name of the agent: that of the team's leader if it is to go on, otherwise `<kind>-<6
/// digits>`.
pub fn agent_name(app: &App, name: &TeamName, kind: &str, resume: bool) -> Outcome<AgentName> {
    if resume && team::find(app, name)?.is_some() {
        return Ok(team::leader(app, name)?.0);
    }
    if resume {
        app.warn(format!("there is no team '{name}' to go on with; it is made"));
    }
    Ok(AgentName::parse(format!("{kind}-{}", app.ids.hex(6)))?)
}

//! What starting an agent would do, without doing any of it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::spawn::{self, Request};
use super::{App, agent_rows, liveness, team};
use crate::core::Outcome;
use crate::domain::Extra;
use crate::domain::agent::LaunchPlan;
use crate::domain::agent_cli::screen::Dialog;
use crate::domain::agent_cli::{AgentCli, Answer, DialogKind, Level, Permit, answer};
use crate::domain::secret;
use crate::domain::team::Team;
use crate::domain::workspace;
use crate::store::Dir;

/// What starting an agent would do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The team.
    pub team: String,
    /// Whether the team would be made.
    pub new_team: bool,
    /// The agent.
    pub agent_name: String,
    /// How it would run.
    pub backend: &'static str,
    /// The row of its program.
    pub program: String,
    /// Its command line; a prompt on it is left out.
    pub argv: Vec<String>,
    /// Where it would work.
    pub cwd: String,
    /// Its branch, if it would get a worktree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How much it might do without asking.
    pub permissions: Level,
    /// How its prompt would be passed: `typed`, `argument`, or `none`.
    pub prompt_by: &'static str,
    /// What it would be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What would be set in its environment besides what is there; secrets are hidden.
    pub env: Vec<String>,
    /// What would not be passed on of the environment.
    pub unset: Vec<String>,
    /// What its program may ask at its start, and what would be done.
    pub dialogs: Vec<Planned>,
}

/// What would be done about a dialog.
#[derive(Debug, Clone, Serialize)]
pub struct Planned {
    /// The dialog's name.
    pub name: String,
    /// `yes`, `no`, or `left to you`.
    pub answer: &'static str,
}

/// What starting an agent would do. Fails where starting would be refused.
pub fn preview(app: &App, request: &Request) -> Outcome<Preview> {
    let runs = liveness::of(app, &request.team, request.agent.as_str()) == Some(true);
    if runs && !request.replace {
        let (team, agent) = (request.team.to_string(), request.agent.to_string());
        return Err(spawn::SpawnError::AlreadyRunning { agent, team }.into());
    }
    let known = team::find(app, &request.team)?.map(|doc| doc.value);
    let new_team = known.is_none();
    let plan = spawn::preview(app, request, &joined(app, request, known))?;
    let row = agent_rows::catalog(app, &PathBuf::from(&plan.cwd)).find(&plan.command);
    let given = |(name, value): (&String, &String)| {
        let new = app.env.get(name) != Some(value.as_str());
        let shown = if secret::is_secret_name(name) { "<hidden>" } else { value.as_str() };
        new.then(|| format!("{name}={shown}"))
    };
    let secrets = plan.sources.secrets.iter();
    let references = secrets.map(|(name, from)| format!("{name} from {from}"));
    let permit = Permit {
        level: plan.permissions.unwrap_or(Level::Ask),
        directory: plan.trusted,
        named: &plan.allow,
    };
    let worktree = app.data_dir.join(Dir::workspaces(&request.team).as_str());
    let isolated = Path::new(&plan.cwd).starts_with(&worktree);
    Ok(Preview {
        team: plan.team.clone(),
        new_team,
        agent_name: plan.agent.clone(),
        backend: plan.backend.as_str(),
        program: row.name.clone(),
        argv: shown_argv(&plan),
        cwd: plan.cwd.clone(),
        branch: isolated.then(|| workspace::branch(&request.team, &request.agent)),
        permissions: permit.level,
        prompt_by: match (&plan.prompt, plan.paste) {
            (None, _) => "none",
            (Some(_), true) => "typed",
            (Some(_), false) => "argument",
        },
        prompt: plan.prompt.clone(),
        env: plan.env.iter().filter_map(given).chain(references).collect(),
        unset: plan.unset.clone(),
        dialogs: if plan.interactive { planned(&row, permit) } else { Vec::new() },
    })
}

/// The command line, without the text of the prompt.
fn shown_argv(plan: &LaunchPlan) -> Vec<String> {
    let prompt = plan.prompt.as_ref().filter(|_| !plan.paste);
    let shown = |word: &String| match prompt {
        Some(prompt) => word.replace(prompt.as_str(), "<prompt>"),
        None => word.clone(),
    };
    plan.argv.iter().map(shown).collect()
}

/// What would be done about what the program may ask at its start.
fn planned(row: &AgentCli, permit: Permit<'_>) -> Vec<Planned> {
    let asked = row.dialogs.iter().filter(|spec| spec.kind != DialogKind::Permission);
    let planned = asked.map(|spec| {
        let options = spec.yes.iter().chain(&spec.no).cloned().collect::<Vec<_>>();
        let menu = spec.yes_keys.is_empty() && spec.no_keys.is_empty();
        let dialog = Dialog {
            name: spec.name.clone(),
            kind: spec.kind,
            text: String::new(),
            options: if menu { options } else { Vec::new() },
            highlighted: Some(0),
        };
        let answer = match answer(row, &dialog, permit) {
            Answer::Leave => "left to you",
            Answer::Choose(at) if at < spec.yes.len() => "yes",
            Answer::Press(keys) if keys == spec.yes_keys => "yes",
            Answer::Choose(_) | Answer::Press(_) => "no",
        };
        Planned { name: spec.name.clone(), answer }
    });
    planned.collect()
}

/// The team as it would be with the agent; one is made for it if there is none.
fn joined(app: &App, request: &Request, known: Option<Team>) -> Team {
    let id = || "(new)".to_owned();
    let mut team = known.unwrap_or_else(|| Team {
        name: request.team.to_string(),
        description: String::new(),
        lead_agent_id: id(),
        created_at: app.stamp(),
        members: Vec::new(),
        budget_cents: 0.0,
        extra: Extra::new(),
    });
    if team.member(request.agent.as_str()).is_none() {
        let member = team::member(app, &request.agent, id(), request.agent_type.clone());
        team.members.push(member);
    }
    team
}

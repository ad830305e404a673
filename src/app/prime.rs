//! What an agent needs to know after a start or a compaction, as it stands now.

use super::{App, inbox, task, team, workspace};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::prime::{Facts, TaskLine};
use crate::domain::task::Status;

/// How many messages are read; more do not fit anyway.
const MESSAGES_MAX: usize = 50;

/// Whoever the environment names: the agent and its team; `None` for people.
pub fn caller(app: &App) -> Option<(TeamName, AgentName)> {
    let agent = AgentName::parse(app.env.identity("AGENT_NAME")?).ok()?;
    let team = TeamName::parse(app.identity.team_name.clone()?).ok()?;
    Some((team, agent))
}

/// What is known of an agent. What cannot be read is told and left out: an agent is better off with
/// half of it than with nothing.
pub fn facts(app: &App, name: &TeamName, agent: &AgentName) -> Outcome<Facts> {
    let team = team::load(app, name)?;
    let own = team.members.iter().find(|member| member.name == agent.as_str());
    let mut facts = Facts {
        agent: agent.to_string(),
        kind: own.map_or(&app.identity.agent_type, |member| &member.agent_type).clone(),
        team: name.to_string(),
        purpose: team.description.clone(),
        leader: team.leader().map(|leader| leader.name.clone()).unwrap_or_default(),
        ..Facts::default()
    };
    let others = team.members.iter().filter(|member| member.name != agent.as_str());
    facts.others = others.map(|member| member.name.clone()).collect();
    let worked = || -> Outcome<_> {
        let registry = workspace::registry(app, name)?;
        Ok(registry.of(agent.as_str()).map(|found| {
            let (branch, base) = (found.branch_name.clone(), found.base_branch.clone());
            (branch, base, found.worktree_path.clone())
        }))
    };
    facts.work = or_told(app, worked());
    if let Some(tasks) = or_told(app, task::all(app, name).map(Some)) {
        facts.ready = crate::domain::task::ready(&tasks, agent.as_str()).len();
        let mut own: Vec<_> = tasks
            .into_iter()
            .filter(|task| task.owner == agent.as_str() || task.locked_by == agent.as_str())
            .filter(|task| task.status != Status::Completed)
            .collect();
        own.sort_by_key(|task| (task.status != Status::InProgress, task.priority));
        facts.tasks = own
            .into_iter()
            .map(|task| TaskLine {
                status: task.standing().to_owned(),
                priority: task.priority.as_str().to_owned(),
                waits_for: task.blocked_by.clone(),
                id: task.id,
                subject: task.subject,
            })
            .collect();
    }
    let waiting = || -> Outcome<_> {
        let inbox = team::own_inbox(app, name, agent.as_str())?;
        Ok(Some(inbox::peek(app, name, &inbox, MESSAGES_MAX)?))
    };
    if let Some(waiting) = or_told(app, waiting()) {
        facts.unread = waiting.count;
        let told = waiting.messages.iter();
        facts.messages =
            told.map(|message| (message.from.clone(), message.text().to_owned())).collect();
    }
    Ok(facts)
}

fn or_told<T>(app: &App, found: Outcome<Option<T>>) -> Option<T> {
    found.unwrap_or_else(|failure| {
        app.warn(failure.message());
        None
    })
}

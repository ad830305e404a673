//! The documents of a launched team: made in one commit, and taken back.

use super::Plan;
use crate::app::{App, agents, hook, task, team};
use crate::core::{AgentName, Outcome, Stamp};
use crate::domain::Extra;
use crate::domain::task::Task;
use crate::domain::team::{Member, Team, TeamError};
use crate::store::{Commit, Dir, Expect, Key, Put, Scope, encode};

/// Makes the team with all its members and tasks. Returns whether nothing of an earlier team of
/// that name, such as waiting mail, was there before.
pub(super) fn team(app: &App, plan: &Plan) -> Outcome<bool> {
    let made = document(app, plan)?;
    let inboxes: Result<Vec<AgentName>, _> = made.members.iter().map(Member::inbox).collect();
    let inboxes = inboxes?;
    let tasks = plan.tasks.iter();
    let events = tasks.map(|new| task::about_to_create(&plan.team, &new.subject, &new.owner));
    hook::emit_all(app, events.collect());
    let fresh = app.store.backend().list_dirs(&Dir::inboxes(&plan.team))?.is_empty();
    let mut locked = app.store.lock(&Scope::Team(plan.team.clone()))?;
    if team::find(app, &plan.team)?.is_some() {
        return Err(TeamError::Exists(plan.team.to_string()).into());
    }
    for inbox in &inboxes {
        app.store.backend().create_dir(&Dir::inbox(&plan.team, inbox))?;
    }
    app.store.backend().create_dir(&Dir::tasks(&plan.team))?;
    let mut puts = Vec::new();
    let now = app.now();
    for (n, task) in (0i64..).zip(&plan.tasks) {
        // Tasks are listed by age: each is a little younger than the one before.
        let stamp = Stamp::at(now + chrono::TimeDelta::microseconds(n));
        let task = Task { created_at: stamp.clone(), updated_at: stamp, ..task.clone() };
        puts.push(task::put(&plan.team, &task, None)?);
    }
    // The team is there when this document is; it comes last.
    puts.push(Put::new(Key::team(&plan.team), encode(&made), Expect::Absent));
    locked.commit(&Commit { puts, ..Commit::default() })?;
    Ok(fresh)
}

/// The document of the team.
pub(super) fn document(app: &App, plan: &Plan) -> Outcome<Team> {
    let members: Vec<Member> = plan
        .members
        .iter()
        .enumerate()
        .map(|(n, planned)| {
            // Whoever leads is known by that word, as in a team made by hand.
            let kind = if n == 0 { "leader" } else { &planned.kind };
            team::member(app, &planned.request.agent, planned.id.clone(), kind.to_owned())
        })
        .collect();
    let mut made = Team {
        name: plan.team.to_string(),
        description: plan.description.clone(),
        lead_agent_id: members.first().map(|leader| leader.agent_id.clone()).unwrap_or_default(),
        created_at: app.stamp(),
        members: Vec::new(),
        budget_cents: 0.0,
        extra: Extra::new(),
    };
    for member in members {
        made.add(member)?;
    }
    Ok(made)
}

/// Takes back a team of which no member runs. Only what was made for it goes, and its mail only if
/// all of it is new (`fresh`); what its agents showed is kept in the trash.
pub(super) fn take_back(app: &App, plan: &Plan, fresh: bool) -> Outcome<()> {
    agents::stop_all(app, &plan.team)?;
    {
        let mut locked = app.store.lock(&Scope::Team(plan.team.clone()))?;
        let mut deletes = Vec::new();
        for task in &plan.tasks {
            let id = crate::core::TaskId::parse(task.id.clone())?;
            deletes.push((Key::task(&plan.team, &id), Expect::Any));
        }
        deletes.push((Key::team(&plan.team), Expect::Any));
        locked.commit(&Commit { deletes, ..Commit::default() })?;
    }
    let label = format!("{}-{}", plan.team, app.now().format("%Y%m%dT%H%M%S%3fZ"));
    let mut dirs = vec![Dir::agents(&plan.team)];
    if fresh {
        dirs.push(Dir::team(&plan.team));
    }
    app.store.backend().retire(&dirs, &Key::team(&plan.team), &label)?;
    Ok(())
}

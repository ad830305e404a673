//! Teams and their members.

use serde::Serialize;

use super::App;
use crate::core::name::NameError;
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::Extra;
use crate::domain::team::{self, Member, Recipient, Team, TeamError};
use crate::store::{Dir, Doc, Key, Scope, StoreError};

/// A team in a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamSummary {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The agent id of its leader.
    pub lead_agent_id: String,
    /// How many members it has.
    pub member_count: usize,
}

/// What a new team shall be.
#[derive(Debug, Clone)]
pub struct NewTeam {
    /// Its name.
    pub name: TeamName,
    /// What it is for.
    pub description: String,
    /// The leader's name.
    pub leader: AgentName,
    /// The leader's identifier.
    pub leader_id: String,
    /// What the leader does, in a word.
    pub leader_type: String,
}

/// The names of all teams, sorted.
pub fn names(app: &App) -> Result<Vec<TeamName>, StoreError> {
    let backend = app.store.backend();
    let mut names: Vec<TeamName> = backend
        .list_dirs(&Dir::teams())?
        .into_iter()
        .filter_map(|name| TeamName::parse(name).ok())
        .filter(|name| matches!(backend.read(&Key::team(name)), Ok(Some(_))))
        .collect();
    names.sort();
    Ok(names)
}

/// A team, if it exists.
pub fn find(app: &App, name: &TeamName) -> Result<Option<Doc<Team>>, StoreError> {
    app.store.load(&Key::team(name))
}

/// A team, which must exist.
pub fn load(app: &App, name: &TeamName) -> Outcome<Team> {
    match find(app, name)? {
        Some(doc) => Ok(doc.value),
        None => Err(TeamError::NotFound(name.to_string()).into()),
    }
}

/// All teams that can be read.
pub fn discover(app: &App) -> Outcome<Vec<TeamSummary>> {
    let mut teams = Vec::new();
    for name in names(app)? {
        match find(app, &name) {
            Ok(Some(doc)) => teams.push(TeamSummary {
                name: doc.value.name,
                description: doc.value.description,
                lead_agent_id: doc.value.lead_agent_id,
                member_count: doc.value.members.len(),
            }),
            Ok(None) => {}
            Err(error) => app.warn(error.to_string()),
        }
    }
    Ok(teams)
}

/// Makes a team with its leader.
pub fn create(app: &App, new: NewTeam) -> Outcome<Team> {
    let leader = member(app, &new.leader, new.leader_id, new.leader_type);
    let inbox = leader.inbox()?;
    let team = Team {
        name: new.name.to_string(),
        description: new.description,
        lead_agent_id: leader.agent_id.clone(),
        created_at: app.stamp(),
        members: vec![leader],
        budget_cents: 0.0,
        extra: Extra::new(),
    };
    {
        let mut locked = app.store.lock(&Scope::Team(new.name.clone()))?;
        if app.store.backend().read(&Key::team(&new.name))?.is_some() {
            return Err(TeamError::Exists(new.name.to_string()).into());
        }
        app.store.backend().create_dir(&Dir::inbox(&new.name, &inbox))?;
        app.store.backend().create_dir(&Dir::tasks(&new.name))?;
        locked.put(Key::team(&new.name), &team, None)?;
    }
    Ok(team)
}

/// A member who joins now.
pub fn member(app: &App, name: &AgentName, agent_id: String, agent_type: String) -> Member {
    Member {
        name: name.to_string(),
        user: app.identity.user.clone(),
        agent_id,
        agent_type,
        joined_at: app.stamp(),
        model_name: String::new(),
        extra: Extra::new(),
    }
}

/// Adds a member to a team.
pub fn add_member(app: &App, name: &TeamName, member: Member) -> Outcome<Member> {
    let inbox = member.inbox()?;
    change(app, name, |team| team.add(member.clone()))?;
    app.store.backend().create_dir(&Dir::inbox(name, &inbox))?;
    Ok(member)
}

/// Takes the member with that identifier out of a team.
pub fn remove_member(app: &App, name: &TeamName, agent_id: &str) -> Outcome<()> {
    change(app, name, |team| {
        team.members.retain(|member| member.agent_id != agent_id);
        Ok(())
    })
}

/// Takes back a team that was just made for one agent, unless somebody else has joined it since.
pub fn remove_if_alone(app: &App, name: &TeamName, agent: &AgentName) -> Outcome<()> {
    let mut locked = app.store.lock(&Scope::Team(name.clone()))?;
    let alone = |team: &Team| team.members.iter().all(|member| member.name == agent.as_str());
    if find(app, name)?.is_some_and(|doc| alone(&doc.value)) {
        locked.delete(Key::team(name))?;
    }
    Ok(())
}

/// Writes down what a team may spend, in US cents; 0 or less is no limit.
pub fn set_budget(app: &App, name: &TeamName, cents: f64) -> Outcome<()> {
    change(app, name, |team| {
        team.budget_cents = cents;
        Ok(())
    })
}

fn change(
    app: &App,
    name: &TeamName,
    rule: impl FnOnce(&mut Team) -> Result<(), TeamError>,
) -> Outcome<()> {
    // Locking makes directories: first see whether there is a team at all.
    load(app, name)?;
    let mut locked = app.store.lock(&Scope::Team(name.clone()))?;
    let Some(mut doc) = find(app, name)? else {
        return Err(TeamError::NotFound(name.to_string()).into());
    };
    rule(&mut doc.value)?;
    locked.put(Key::team(name), &doc.value, Some(doc.revision))?;
    Ok(())
}

/// The inbox that the caller means by `name` when it reads.
pub fn own_inbox(app: &App, team: &TeamName, name: &str) -> Outcome<AgentName> {
    let name = AgentName::parse_as("inbox name", name)?;
    let found = find(app, team)?;
    let user = app.identity.user_name();
    match team::resolve(found.as_ref().map(|doc| &doc.value), &name, user.as_ref()) {
        Recipient::Member(inbox) => Ok(inbox),
        Recipient::Unknown(inbox) => {
            match found {
                None => app.warn(format!("Team '{team}' not found")),
                Some(_) => app.warn(format!("'{name}' is not a member of team '{team}'")),
            }
            Ok(inbox)
        }
        Recipient::Ambiguous(inboxes) => Err(ambiguous(&name, inboxes).into()),
    }
}

/// A name that several members have.
#[derive(Debug, thiserror::Error)]
#[error("'{name}' is ambiguous: {} users have a member of that name", inboxes.len())]
pub struct AmbiguousName {
    name: String,
    inboxes: Vec<String>,
}

impl crate::core::Diagnose for AmbiguousName {
    fn code(&self) -> &'static str {
        "ambiguous_recipient"
    }

    fn hint(&self) -> Option<String> {
        Some(format!("name one of the inboxes: {}", self.inboxes.join(", ")))
    }
}

/// The error for a name that several members have.
pub(super) fn ambiguous(name: &AgentName, inboxes: Vec<String>) -> AmbiguousName {
    AmbiguousName { name: name.to_string(), inboxes }
}

/// The inbox of a member, wherever it is called from; its own name if it is no member.
pub(super) fn own_inbox_of(app: &App, name: &TeamName, agent: &AgentName) -> Outcome<AgentName> {
    let found = find(app, name)?;
    let member = found.as_ref().and_then(|doc| doc.value.member(agent.as_str()));
    Ok(member.map_or_else(|| Ok(agent.clone()), Member::inbox)?)
}

/// The leader's name and inbox.
pub fn leader(app: &App, name: &TeamName) -> Outcome<(AgentName, AgentName)> {
    let team = find(app, name)?.ok_or(TeamError::NoLeader)?.value;
    let leader = team.leader().ok_or(TeamError::NoLeader)?;
    let named: Result<AgentName, NameError> = AgentName::parse(leader.name.clone());
    Ok((named?, leader.inbox()?))
}

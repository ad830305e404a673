//! Who calls, and what that shows.

use super::keys;
use super::policy::load_policy;
use crate::app::{App, team};
use crate::core::{Diagnose, Exit, Outcome, TeamName, UserName};
use crate::domain::approval::signature::Secret;
use crate::domain::approval::{Actor, ActorKind, ApprovalError, Proof, Standing};
use crate::env;

/// What the caller shows besides its environment.
#[derive(Default)]
pub struct Presented {
    /// Whether a terminal is at the other end of standard input.
    pub terminal: bool,
    /// The key to sign with.
    pub secret: Option<Secret>,
}

/// An agent showed what only people have.
#[derive(Debug, thiserror::Error)]
#[error("the environment names the agent '{agent}': an agent does not sign for a person")]
struct AgentSigns {
    agent: String,
}

impl Diagnose for AgentSigns {
    fn code(&self) -> &'static str {
        "human_required"
    }

    fn hint(&self) -> Option<String> {
        Some("sign from a shell of your own, without an agent identity in the environment".into())
    }

    fn exit(&self) -> Exit {
        Exit::Forbidden
    }
}

/// Who a person without a name is.
pub(super) const NOBODY: &str = "local";

/// Who calls: the agent that the environment names, otherwise a person, by the best proof that is
/// there.
pub fn actor(app: &App, presented: &Presented) -> Outcome<Actor> {
    let agent = app.env.identity("AGENT_NAME").or_else(|| app.env.identity("AGENT_ID"));
    if let Some(agent) = agent {
        if presented.secret.is_some() {
            return Err(AgentSigns { agent: agent.to_owned() }.into());
        }
        return Ok(Actor::agent(agent));
    }
    if let Some(secret) = &presented.secret {
        let user = keys::trusted(app, &secret.public().id())?.user;
        return Ok(Actor::human(&user, Proof::Signature));
    }
    if let Some(token) = app.env.get(env::TOKEN) {
        return Ok(Actor::human(&keys::holder(app, token)?, Proof::Token));
    }
    let user = app.identity.user_name();
    let user = user.map_or_else(|| UserName::parse(NOBODY), Ok)?;
    let proof = if presented.terminal { Proof::Terminal } else { Proof::Shell };
    Ok(Actor::human(&user, proof))
}

/// Refuses agents. `what`: the thing that they want to do, for the message.
pub fn only_people(app: &App, what: &'static str) -> Outcome<Actor> {
    let actor = actor(app, &Presented::default())?;
    if actor.kind == ActorKind::Human {
        return Ok(actor);
    }
    Err(ApprovalError::PeopleOnly { actor: actor.id, what }.into())
}

/// What an actor may do in a team.
pub fn standing(app: &App, team: &TeamName, actor: &Actor) -> Outcome<Standing> {
    let is_lead = actor.kind == ActorKind::Agent
        && team::find(app, team)?
            .and_then(|doc| doc.value.leader().map(|leader| leader.name.clone()))
            .is_some_and(|leader| actor.agent_name() == Some(&leader));
    let least = match app.setting("approval_proof").as_str() {
        "terminal" => Proof::Terminal,
        "token" => Proof::Token,
        "signature" => Proof::Signature,
        _ => Proof::Shell,
    };
    let lead_may_decide = load_policy(app, team)?.lead_may_approve;
    Ok(Standing { is_lead, lead_may_decide, least })
}

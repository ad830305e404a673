//! Who does a task.

use super::context::View;
use crate::core::Digest;
use crate::domain::workflow::definition::{Assign, Fallback, Strategy, Task};
use crate::domain::workflow::run::observe::Member;
use crate::domain::workflow::run::state::{Act, Fault};

/// Who does a task.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// The agent; `None`: whoever claims it.
    pub(super) agent: Option<String>,
    /// The pool whose turn this was.
    pub(super) pool: Option<String>,
}

pub(super) fn choose(view: &View<'_>, id: &str, act: &Act, task: &Task) -> Result<Choice, Fault> {
    let common = view.graph.definition.defaults.assign.as_ref();
    let Some(assign) = task.assign.as_ref().or(common) else {
        return fallback(view, act, &Assign::default());
    };
    if let Some(agent) = &assign.agent {
        let agent = view.render(agent).map_err(|error| super::context::fault_of(&error))?;
        let agent = if agent == "lead" { view.facts.leader().unwrap_or(agent) } else { agent };
        // An input that names nobody leaves it to the other rule.
        if !agent.is_empty() {
            return Ok(Choice { agent: Some(agent), pool: None });
        }
    }
    if assign.lead {
        return lead(view, &act.node);
    }
    let mut found = candidates(view, assign);
    // An agent that was lost with an earlier attempt is asked again only if there is no other.
    if found.iter().any(|member| !act.lost.contains(&member.name)) {
        found.retain(|member| !act.lost.contains(&member.name));
    }
    if found.is_empty() {
        return fallback(view, act, assign);
    }
    let pool = found.iter().map(|member| member.name.as_str()).collect::<Vec<_>>().join(",");
    let agent = pick(view, id, act, assign.strategy, &found, &pool);
    Ok(Choice { agent: Some(agent), pool: Some(pool) })
}

fn candidates(view: &View<'_>, assign: &Assign) -> Vec<Member> {
    let members = view.facts.members();
    if !assign.pool.is_empty() {
        // A pool may name agents that have not joined yet.
        let known = |name: &String| {
            let found = members.iter().find(|member| member.name == *name).cloned();
            found.unwrap_or_else(|| Member { name: name.clone(), ..Member::default() })
        };
        return assign.pool.iter().map(known).collect();
    }
    let fits = |member: &Member| match &assign.role {
        Some(role) => member.role == *role,
        None => {
            !assign.capability.is_empty()
                && assign.capability.iter().all(|can| member.capabilities.contains(can))
        }
    };
    members.into_iter().filter(fits).collect()
}

fn pick(
    view: &View<'_>,
    id: &str,
    act: &Act,
    strategy: Strategy,
    found: &[Member],
    pool: &str,
) -> String {
    let least = || {
        // Tasks that this very run has given out may not be in the listing yet.
        let load = |member: &&Member| {
            let own = view.run.live().filter(|(_, a)| a.assignee.as_deref() == Some(&member.name));
            member.load.max(own.count())
        };
        found.iter().min_by_key(load).map_or_else(String::new, |member| member.name.clone())
    };
    match strategy {
        Strategy::LeastLoaded => least(),
        Strategy::RoundRobin => {
            let before = view.run.turns.get(pool);
            let at = before.and_then(|name| found.iter().position(|member| member.name == *name));
            found[at.map_or(0, |at| (at + 1) % found.len())].name.clone()
        }
        Strategy::Sticky => {
            let before = view.run.acts.values().rev().find(|other| {
                other.node == act.node
                    && other.assignee.as_ref().is_some_and(|a| found.iter().any(|m| m.name == *a))
            });
            before.and_then(|act| act.assignee.clone()).unwrap_or_else(least)
        }
        Strategy::Hash => {
            let name = format!("{}/{id}", view.facts.start().run);
            let number = Digest::of(name.as_bytes()).number();
            let at = number % u64::try_from(found.len()).unwrap_or(1);
            found[usize::try_from(at).unwrap_or(0)].name.clone()
        }
    }
}

fn lead(view: &View<'_>, node: &str) -> Result<Choice, Fault> {
    match view.facts.leader() {
        Some(leader) => Ok(Choice { agent: Some(leader), pool: None }),
        None => Err(nobody(node)),
    }
}

fn fallback(view: &View<'_>, act: &Act, assign: &Assign) -> Result<Choice, Fault> {
    match assign.fallback {
        Fallback::Wait => Ok(Choice::default()),
        Fallback::Fail => Err(nobody(&act.node)),
        Fallback::Lead => match view.facts.leader() {
            Some(leader) => Ok(Choice { agent: Some(leader), pool: None }),
            None => Ok(Choice::default()),
        },
    }
}

fn nobody(node: &str) -> Fault {
    Fault::new("no_assignee", format!("nobody in the team can do node '{node}'"))
}

//! Whether the parts of a template fit together.

use std::collections::{BTreeMap, BTreeSet};

use super::Template;
use super::read::Places;
use crate::core::text::nearest;
use crate::core::{AgentName, Name};
use crate::domain::fields::Findings;
use crate::domain::task::graph;

pub(super) fn template(template: &Template, places: &Places, found: &mut Findings<'_>) {
    let names = agents(template, places, found);
    for ((n, task), at) in template.tasks.iter().enumerate().zip(&places.tasks) {
        if !task.owner.is_empty() && !names.contains(task.owner.as_str()) {
            let path = format!("template.tasks[{}].owner", n + 1);
            let near = nearest(&task.owner, names.iter().copied());
            let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            let (subject, owner) = (&task.subject, &task.owner);
            let message =
                format!("task '{subject}' is for '{owner}', who is not in the team{near}");
            found.warning(*at, &path, message);
        }
    }
    let at = places.template;
    if let Some(workflow) = &template.workflow
        && let Err(error) = Name::parse_as("workflow name", workflow)
    {
        found.error(at, "template.workflow", format!("template.workflow: {error}"));
    }
    if template.workflow.is_none() && !template.workflow_inputs.is_empty() {
        let message = "template.workflow_inputs has no effect without template.workflow";
        found.warning(at, "template.workflow_inputs", message);
    }
    dependencies(template, places, found);
}

/// Whether the names of the agents can be used. Returns them.
fn agents<'t>(
    template: &'t Template,
    places: &Places,
    found: &mut Findings<'_>,
) -> BTreeSet<&'t str> {
    let mut names = BTreeSet::new();
    for (agent, at) in template.members().zip(&places.agents) {
        if agent.name.is_empty() {
            continue;
        }
        if let Err(error) = AgentName::parse(agent.name.clone()) {
            found.error(*at, "name", format!("agent '{}': {error}", agent.name));
        }
        if !names.insert(agent.name.as_str()) {
            found.error(*at, "name", format!("two agents are called '{}'", agent.name));
        }
    }
    names
}

/// Whether tasks wait for tasks that there are, and not for themselves.
fn dependencies(template: &Template, places: &Places, found: &mut Findings<'_>) {
    let mut subjects: BTreeMap<&str, usize> = BTreeMap::new();
    for task in &template.tasks {
        *subjects.entry(task.subject.as_str()).or_default() += 1;
    }
    let waits_for = |subject: &str| {
        let task = template.tasks.iter().find(|task| task.subject == subject);
        task.map_or(&[][..], |task| &task.blocked_by)
    };
    let mut told = BTreeSet::new();
    for ((n, task), at) in template.tasks.iter().enumerate().zip(&places.tasks) {
        let path = format!("template.tasks[{}].blocked_by", n + 1);
        for blocker in &task.blocked_by {
            let why = match subjects.get(blocker.as_str()) {
                Some(1) => continue,
                Some(_) => "but several tasks have that subject".to_owned(),
                None => match nearest(blocker, subjects.keys().copied()) {
                    Some(near) => {
                        format!("which no task has as its subject; did you mean '{near}'?")
                    }
                    None => "which no task has as its subject".to_owned(),
                },
            };
            found.error(
                *at,
                &path,
                format!("task '{}' waits for '{blocker}', {why}", task.subject),
            );
        }
        let cycle = graph::cycle_through(&task.subject, &task.blocked_by, waits_for);
        if let Some(cycle) = cycle.filter(|_| !told.contains(task.subject.as_str())) {
            let message = format!("tasks wait for each other: {}", cycle.join(" -> "));
            found.error(*at, &path, message);
            // Each task of the cycle would tell of it again.
            let all = template.tasks.iter().map(|task| task.subject.as_str());
            told.extend(all.filter(|subject| cycle.iter().any(|one| one == subject)));
        }
    }
}

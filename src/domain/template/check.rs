//! Whether the parts of a template fit together.

use std::collections::{BTreeMap, BTreeSet};

use super::Template;
use super::read::Findings;
use crate::core::{AgentName, Name};
use crate::domain::task::graph;

pub(super) fn template(template: &Template, found: &mut Findings) {
    let mut names = BTreeSet::new();
    for agent in template.members().filter(|agent| !agent.name.is_empty()) {
        if let Err(error) = AgentName::parse(agent.name.clone()) {
            found.problems.push(format!("agent '{}': {error}", agent.name));
        }
        if !names.insert(agent.name.as_str()) {
            found.problems.push(format!("two agents are called '{}'", agent.name));
        }
    }
    for task in &template.tasks {
        if !task.owner.is_empty() && !names.contains(task.owner.as_str()) {
            found.notes.push(format!(
                "task '{}' is for '{}', who is not in the team",
                task.subject, task.owner
            ));
        }
    }
    if let Some(workflow) = &template.workflow
        && let Err(error) = Name::parse_as("workflow name", workflow)
    {
        found.problems.push(format!("template.workflow: {error}"));
    }
    if template.workflow.is_none() && !template.workflow_inputs.is_empty() {
        found.notes.push("template.workflow_inputs has no effect without template.workflow".into());
    }
    dependencies(template, found);
}

/// Whether tasks wait for tasks that there are, and not for themselves.
fn dependencies(template: &Template, found: &mut Findings) {
    let mut subjects: BTreeMap<&str, usize> = BTreeMap::new();
    for task in &template.tasks {
        *subjects.entry(task.subject.as_str()).or_default() += 1;
    }
    for task in &template.tasks {
        for blocker in &task.blocked_by {
            match subjects.get(blocker.as_str()) {
                Some(1) => {}
                Some(_) => found.problems.push(format!(
                    "task '{}' waits for '{blocker}', but several tasks have that subject",
                    task.subject
                )),
                None => found.problems.push(format!(
                    "task '{}' waits for '{blocker}', which no task has as its subject",
                    task.subject
                )),
            }
        }
    }
    let waits_for = |subject: &str| {
        let task = template.tasks.iter().find(|task| task.subject == subject);
        task.map_or(&[][..], |task| &task.blocked_by)
    };
    let mut told = BTreeSet::new();
    for task in &template.tasks {
        let cycle = graph::cycle_through(&task.subject, &task.blocked_by, waits_for);
        if let Some(cycle) = cycle.filter(|_| !told.contains(task.subject.as_str())) {
            found.problems.push(format!("tasks wait for each other: {}", cycle.join(" -> ")));
            // Each task of the cycle would tell of it again.
            told.extend(
                template
                    .tasks
                    .iter()
                    .map(|t| t.subject.as_str())
                    .filter(|s| cycle.iter().any(|c| c == s)),
            );
        }
    }
}

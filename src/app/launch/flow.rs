//! The workflow that a launched team works by.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{LaunchError, Plan, Request};
use crate::app::App;
use crate::app::workflow::library::{self, Make};
use crate::app::workflow::start::{StartOptions, check_inputs, start};
use crate::app::workflow::step::actor;
use crate::app::workflow::{self, LibraryError, patterns};
use crate::core::{Name, Outcome, TeamName};
use crate::domain::template::{Template, Values, fill};
use crate::domain::workflow::definition::{Definition, Format, Options, Problem, any_error, read};

/// A workflow that is to be made and run.
#[derive(Debug)]
pub(super) struct Planned {
    definition: Definition,
    problems: Vec<Problem>,
    inputs: Map<String, Value>,
    /// The directory of the repository.
    repo: String,
}

/// The run of a team's workflow.
#[derive(Debug, Clone, Serialize)]
pub struct Flow {
    /// The workflow.
    pub name: String,
    /// Which version.
    pub version: u32,
    /// The run.
    pub run: Name,
}

impl Planned {
    /// The name of the workflow.
    pub(super) fn name(&self) -> &str {
        &self.definition.name
    }

    /// What its run is told.
    pub(super) fn inputs(&self) -> &Map<String, Value> {
        &self.inputs
    }
}

/// The workflow that the template names, with everything that could be wrong about it found.
pub(super) fn plan(
    app: &App,
    request: &Request,
    template: &Template,
    team: &TeamName,
    here: &Path,
) -> Outcome<Option<Planned>> {
    let Some(name) = &template.workflow else { return Ok(None) };
    let bad = |reason: String| {
        let (template, workflow) = (template.name.clone(), name.clone());
        LaunchError::BadWorkflow { template, workflow, reason }
    };
    let text = patterns::text(app, name).map_err(|failure| {
        if failure.inner().code() == "template_not_found" {
            let (template, workflow) = (template.name.clone(), name.clone());
            return LaunchError::UnknownWorkflow { template, workflow }.into();
        }
        failure
    })?;
    let reading = read(&text, Format::Toml, Options { name: Some(name), lenient: false });
    let problems = library::reading_problems(app, None, &reading)?;
    let Some(mut definition) = reading.definition.filter(|_| !any_error(&problems)) else {
        let reason = LibraryError::Invalid { name: name.clone(), problems };
        return Err(bad(reason.to_string()).into());
    };
    definition.name.clone_from(name);
    let values = Values { goal: &request.goal, team_name: team.as_str(), agent_name: "" };
    let mut inputs = template.workflow_inputs.clone();
    for value in inputs.values_mut() {
        fill_in(value, &values);
    }
    check_inputs(&definition, inputs.clone())
        .map_err(|failure| bad(failure.inner().to_string()))?;
    let here = std::path::absolute(here).unwrap_or_else(|_| here.to_owned());
    Ok(Some(Planned { definition, problems, inputs, repo: here.display().to_string() }))
}

/// Fills in every text of a value.
fn fill_in(value: &mut Value, values: &Values<'_>) {
    match value {
        Value::String(text) => *text = fill(text, values),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_in(item, values)),
        Value::Object(fields) => fields.values_mut().for_each(|field| fill_in(field, values)),
        _ => {}
    }
}

/// Makes the workflow in the team, unless an earlier team of that name has left it, and starts its
/// run.
pub(super) fn begin(app: &App, plan: &Plan, flow: &Planned) -> Outcome<Flow> {
    let note = format!("made by launching the template '{}'", plan.template);
    let make = Make { by: actor(app), note, activate: true, after: None };
    match library::create(app, &plan.team, &flow.definition, &make, flow.problems.clone()) {
        Ok(_) => {}
        Err(failure) if failure.inner().code() == "workflow_exists" => {
            // Somebody may have changed it since: what is in use stays in use.
            if library::about(app, &plan.team, flow.name())?.active.is_none() {
                library::activate(app, &plan.team, flow.name(), None)?;
            }
        }
        Err(failure) => return Err(failure),
    }
    let name = Name::parse(flow.name())?;
    let launch = plan.members.first().map_or("", |leader| leader.id.as_str());
    let options = StartOptions {
        inputs: flow.inputs.clone(),
        key: Some(format!("launch:{launch}")),
        source: "launch".into(),
        repo: Some(flow.repo.clone()),
        ..StartOptions::default()
    };
    let started = start(app, &plan.team, &name, options)?;
    workflow::wake(app, &plan.team, &started.run);
    Ok(Flow { name: started.workflow, version: started.version, run: started.run })
}

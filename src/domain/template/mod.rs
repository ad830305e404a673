//! Team templates: who is in a team, what each is told, and which tasks there are.

mod check;
mod fill;
mod model;
mod read;
mod told;

use serde::Serialize;
use serde_json::{Map, Value};

use super::fields::{self, Findings, Level, Problem};
use super::provision::Provision;
use super::task::Priority;
use crate::core::Diagnose;

pub use fill::{Values, fill};
pub use model::{ModelChoice, model, tier_model};
pub use told::{Told, commands, sleeps};

/// What agents may do without asking: nothing, change files, everything.
pub const PERMISSIONS: [&str; 3] = ["ask", "edit", "full"];

/// A team template.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Template {
    /// What the template is called.
    pub name: String,
    /// What such a team is for.
    pub description: String,
    /// The program that agents run unless one of them says otherwise.
    pub command: Vec<String>,
    /// How agents run, unless one of them says otherwise.
    pub backend: Option<String>,
    /// The model for agents that name none.
    pub model: Option<String>,
    /// `auto`: choose a model by what an agent does; `none`.
    pub model_strategy: Option<String>,
    /// Who leads.
    pub leader: TemplateAgent,
    /// Everybody else.
    pub agents: Vec<TemplateAgent>,
    /// What there is to do from the start.
    pub tasks: Vec<TemplateTask>,
    /// From how many agents on, the leader not counted, one should think twice.
    pub max_agents: usize,
    /// What agents may do without asking, one of [`PERMISSIONS`], unless one of them says
    /// otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
    /// The workflow that the team works by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// What its run is told; texts may hold `{goal}` and `{team_name}`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub workflow_inputs: Map<String, Value>,
    /// What the worktree of each agent gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Provision>,
}

/// An agent of a template.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TemplateAgent {
    /// Its name.
    pub name: String,
    /// What it does, in a word.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is told to do.
    pub task: String,
    /// The program that it runs, if not the template's.
    pub command: Option<Vec<String>>,
    /// How its work relates to that of others, in a word. Nothing depends on it.
    pub task_type: String,
    /// What its work is for.
    pub intent: Option<String>,
    /// How one sees that it is done.
    pub end_state: Option<String>,
    /// What it must keep to.
    pub constraints: Option<Vec<String>>,
    /// Its model.
    pub model: Option<String>,
    /// How strong a model it needs: `strong`, `balanced` or `cheap`.
    pub model_tier: Option<String>,
    /// How often a failed start is tried again.
    pub retry: Option<Retry>,
    /// How it runs, if not as the template says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// What it may do without asking, if not as the template says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
    /// What its worktree gets besides what all get.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Provision>,
}

/// How a failed start is tried again: after `backoff_base_seconds`, then after twice as long each
/// time, but never more than `backoff_max_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Retry {
    /// How often.
    pub max_retries: u32,
    /// The first pause.
    pub backoff_base_seconds: f64,
    /// The longest pause.
    pub backoff_max_seconds: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_retries: 3, backoff_base_seconds: 1.0, backoff_max_seconds: 30.0 }
    }
}

impl Retry {
    /// The pause before another try, after `failures` failed ones.
    pub fn pause(&self, failures: u32) -> std::time::Duration {
        let doublings = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.backoff_base_seconds * 2f64.powi(doublings);
        let seconds = seconds.min(self.backoff_max_seconds).max(0.0);
        std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

/// A task of a template.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TemplateTask {
    /// What is to be done, in a line.
    pub subject: String,
    /// What is to be done, at length.
    pub description: String,
    /// Whose task it is; empty if whoever comes first may take it.
    pub owner: String,
    /// How urgent it is.
    pub priority: Priority,
    /// The subjects of the tasks that must be completed first.
    pub blocked_by: Vec<String>,
}

/// A template as it was read, with what is odd about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The template.
    pub template: Template,
    /// What a person should hear of, although the template can be used: keys that nobody knows,
    /// tasks of somebody who is not in the team.
    pub warnings: Vec<Problem>,
}

/// A text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, {}", told(errors))]
pub struct TemplateError {
    /// The file, for the message.
    pub file: String,
    /// Everything that is wrong with it.
    pub errors: Vec<Problem>,
    /// What is merely odd.
    pub warnings: Vec<Problem>,
}

fn told(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Diagnose for TemplateError {
    fn code(&self) -> &'static str {
        "invalid_template"
    }

    fn hint(&self) -> Option<String> {
        Some("see a good one: clawteam template show demo".into())
    }
}

/// Reads a template. `file`: where it comes from, for messages; `stem`: what it is called unless
/// it says so itself.
///
/// All that is wrong with it is told at once, each with its place.
pub fn parse(text: &str, file: &str, stem: &str) -> Result<Parsed, TemplateError> {
    let bad = |problems: Vec<Problem>| {
        let (errors, warnings) =
            problems.into_iter().partition(|problem| problem.level == Level::Error);
        TemplateError { file: file.to_owned(), errors, warnings }
    };
    let document = fields::parse(text).map_err(|problem| bad(vec![problem]))?;
    let mut found = Findings::new(text);
    let template = read::template(document.get_ref(), stem, &mut found);
    if let Some((template, places)) = &template {
        check::template(template, places, &mut found);
    }
    found.problems.sort_by_key(|problem| (problem.line, problem.column));
    match template {
        Some((template, _)) if !found.has_errors() => {
            Ok(Parsed { template, warnings: found.problems })
        }
        _ => Err(bad(found.problems)),
    }
}

/// The text of a template with another name in it.
pub fn renamed(text: &str, name: &str) -> String {
    let header = |line: &str| line.trim_start().starts_with('[');
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let Some(begin) = lines.iter().position(|line| line.trim() == "[template]") else {
        return text.to_owned();
    };
    let own = lines[begin + 1..].iter().take_while(|line| !header(line));
    let is_name = |line: &String| {
        let rest = line.trim_start().strip_prefix("name");
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let at = own.map(is_name).position(|found| found).map(|n| begin + 1 + n);
    let line = format!("name = \"{name}\"");
    match at {
        Some(at) => lines[at] = line,
        None => lines.insert(begin + 1, line),
    }
    lines.join("\n") + "\n"
}

impl Template {
    /// All agents, the leader first.
    pub fn members(&self) -> impl Iterator<Item = &TemplateAgent> {
        std::iter::once(&self.leader).chain(&self.agents)
    }
}

//! From TOML to a template, noting everything that does not fit.

use toml::de::DeTable;

use super::{PERMISSIONS, Retry, Template, TemplateAgent, TemplateTask};
use crate::domain::fields::{Fields, Findings};
use crate::domain::provision::{self, Provision};
use crate::domain::task::Priority;
use crate::domain::team::GENERAL_PURPOSE;

/// The ways in which agents can run.
const BACKENDS: [&str; 2] = ["tmux", "subprocess"];

/// Where the parts of a template stand, for those who look at how they fit together.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// `[template]`.
    pub(super) template: usize,
    /// The agents, the leader first.
    pub(super) agents: Vec<usize>,
    /// The tasks.
    pub(super) tasks: Vec<usize>,
}

/// The template in a document, and where its parts stand; `None` if there is not even the outline
/// of one.
pub(super) fn template<'t>(
    document: &'t DeTable<'t>,
    stem: &str,
    found: &mut Findings<'t>,
) -> Option<(Template, Places)> {
    let Some((table, at)) = document.get("template").and_then(|value| {
        let table = value.get_ref().as_table()?;
        Some((table, value.span().start))
    }) else {
        found.error(0, "template", "there is no table [template]");
        return None;
    };
    for key in document.keys().filter(|key| key.get_ref() != "template") {
        let message = format!("{} is not known and has no effect", key.get_ref());
        found.warning(key.span().start, key.get_ref(), message);
    }
    let mut fields = Fields::new(table, at, "template", found);
    let name = fields.text("name").filter(|name| !name.is_empty());
    let leader = fields.table("leader");
    if leader.is_none() && !fields.has("leader") {
        fields.findings().error(at, "template.leader", "template.leader is missing");
    }
    let agents = fields.tables("agents");
    let tasks = fields.tables("tasks");
    let workspace = fields.table("workspace");
    let mut template = Template {
        name: name.unwrap_or_else(|| stem.to_owned()),
        description: fields.text("description").unwrap_or_default(),
        command: command(&mut fields).unwrap_or_else(|| vec!["openclaw".into()]),
        backend: fields.choice("backend", &BACKENDS),
        model: fields.text("model"),
        model_strategy: fields.choice("model_strategy", &["auto", "none"]),
        leader: TemplateAgent::default(),
        agents: Vec::new(),
        tasks: Vec::new(),
        max_agents: fields.count("max_agents").map_or(4, |count| count as usize),
        permissions: fields.choice("permissions", &PERMISSIONS),
        workflow: fields.text("workflow"),
        workflow_inputs: fields.values("workflow_inputs"),
        workspace: None,
    };
    fields.finish();
    let mut places = Places { template: at, ..Places::default() };
    template.workspace = workspace.map(|(table, at)| provisions(table, at, "template", found));
    let (table, at) = leader.unzip();
    if let (Some(table), Some(at)) = (table, at) {
        template.leader = agent(table, at, "template.leader", found);
    }
    places.agents.push(at.unwrap_or(places.template));
    for (n, (table, at)) in agents.into_iter().enumerate() {
        template.agents.push(agent(table, at, &format!("template.agents[{}]", n + 1), found));
        places.agents.push(at);
    }
    for (n, (table, at)) in tasks.into_iter().enumerate() {
        template.tasks.push(task(table, at, &format!("template.tasks[{}]", n + 1), found));
        places.tasks.push(at);
    }
    Some((template, places))
}

fn command(fields: &mut Fields<'_, '_>) -> Option<Vec<String>> {
    let command = fields.texts("command")?;
    if command.first().is_none_or(String::is_empty) {
        fields.wrong("command", "a program and its arguments, such as [\"claude\"]");
    }
    Some(command)
}

fn provisions<'t>(
    table: &'t DeTable<'t>,
    at: usize,
    path: &str,
    found: &mut Findings<'t>,
) -> Provision {
    provision::read(Fields::new(table, at, format!("{path}.workspace"), found))
}

fn agent<'t>(
    table: &'t DeTable<'t>,
    at: usize,
    path: &str,
    found: &mut Findings<'t>,
) -> TemplateAgent {
    let mut fields = Fields::new(table, at, path, found);
    let agent = TemplateAgent {
        name: fields.required("name"),
        kind: fields.text("type").unwrap_or_else(|| GENERAL_PURPOSE.into()),
        task: fields.text("task").unwrap_or_default(),
        command: command(&mut fields),
        task_type: fields.text("task_type").unwrap_or_else(|| "parallel".into()),
        intent: fields.text("intent"),
        end_state: fields.text("end_state"),
        constraints: fields.texts("constraints"),
        model: fields.text("model"),
        model_tier: fields.choice("model_tier", &["strong", "balanced", "cheap"]),
        retry: None,
        backend: fields.choice("backend", &BACKENDS),
        permissions: fields.choice("permissions", &PERMISSIONS),
        workspace: None,
    };
    let retry = fields.table("retry");
    let workspace = fields.table("workspace");
    fields.finish();
    TemplateAgent {
        retry: retry.map(|(table, at)| self::retry(table, at, path, found)),
        workspace: workspace.map(|(table, at)| provisions(table, at, path, found)),
        ..agent
    }
}

fn retry<'t>(table: &'t DeTable<'t>, at: usize, path: &str, found: &mut Findings<'t>) -> Retry {
    let usual = Retry::default();
    let mut fields = Fields::new(table, at, format!("{path}.retry"), found);
    let retry = Retry {
        max_retries: fields.count("max_retries").unwrap_or(usual.max_retries),
        backoff_base_seconds: fields
            .seconds("backoff_base_seconds")
            .unwrap_or(usual.backoff_base_seconds),
        backoff_max_seconds: fields
            .seconds("backoff_max_seconds")
            .unwrap_or(usual.backoff_max_seconds),
    };
    fields.finish();
    retry
}

fn task<'t>(
    table: &'t DeTable<'t>,
    at: usize,
    path: &str,
    found: &mut Findings<'t>,
) -> TemplateTask {
    let mut fields = Fields::new(table, at, path, found);
    let priority = fields.text("priority").map(|text| text.parse::<Priority>());
    if let Some(Err(error)) = &priority {
        let text = &error.0;
        fields.wrong("priority", &format!("low, medium, high or urgent, not '{text}'"));
    }
    let task = TemplateTask {
        subject: fields.required("subject"),
        description: fields.text("description").unwrap_or_default(),
        owner: fields.text("owner").unwrap_or_default(),
        priority: priority.and_then(Result::ok).unwrap_or_default(),
        blocked_by: fields.texts("blocked_by").unwrap_or_default(),
    };
    fields.finish();
    task
}

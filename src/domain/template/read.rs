//! From TOML to a template, noting everything that does not fit.

use toml::{Table, Value};

use super::{Retry, Template, TemplateAgent, TemplateTask};
use crate::domain::task::Priority;
use crate::domain::team::GENERAL_PURPOSE;

/// What was found wrong, and what is merely odd.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// A table that is being read. What is left at the end is known to nobody.
struct Fields<'t, 'f> {
    table: &'t Table,
    path: String,
    known: Vec<&'static str>,
    found: &'f mut Findings,
}

impl<'t, 'f> Fields<'t, 'f> {
    fn new(table: &'t Table, path: impl Into<String>, found: &'f mut Findings) -> Self {
        Self { table, path: path.into(), known: Vec::new(), found }
    }

    fn get(&mut self, key: &'static str) -> Option<&'t Value> {
        self.known.push(key);
        self.table.get(key)
    }

    fn wrong(&mut self, key: &str, expected: &str) {
        self.found.problems.push(format!("{}.{key} must be {expected}", self.path));
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        let text = self.get(key)?.as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong(key, "text");
        }
        text
    }

    fn required(&mut self, key: &'static str) -> String {
        let before = self.found.problems.len();
        let text = self.text(key).unwrap_or_default();
        if text.trim().is_empty() && self.found.problems.len() == before {
            self.found.problems.push(format!("{}.{key} is missing", self.path));
        }
        text
    }

    fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let texts = match self.get(key)? {
            Value::Array(list) => {
                list.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        if texts.is_none() {
            self.wrong(key, "a list of texts");
        }
        texts
    }

    fn command(&mut self) -> Option<Vec<String>> {
        let command = self.texts("command")?;
        if command.first().is_none_or(String::is_empty) {
            self.wrong("command", "a program and its arguments, such as [\"claude\"]");
        }
        Some(command)
    }

    /// A table of any values, as JSON.
    fn values(&mut self, key: &'static str) -> serde_json::Map<String, serde_json::Value> {
        match self.table(key).map(serde_json::to_value) {
            Some(Ok(serde_json::Value::Object(values))) => values,
            _ => serde_json::Map::new(),
        }
    }

    fn choice(&mut self, key: &'static str, choices: &[&str]) -> Option<String> {
        let text = self.text(key)?;
        if !choices.contains(&text.as_str()) {
            self.wrong(key, &format!("{}, not '{text}'", choices.join(" or ")));
        }
        Some(text)
    }

    fn count(&mut self, key: &'static str) -> Option<u32> {
        let number = self.get(key)?.as_integer().and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            self.wrong(key, "a whole number, 0 or greater");
        }
        number
    }

    fn seconds(&mut self, key: &'static str) -> Option<f64> {
        let number = match self.get(key)? {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => i32::try_from(*number).ok().map(f64::from),
            _ => None,
        };
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        if number.is_none() {
            self.wrong(key, "a number of seconds");
        }
        number
    }

    fn table(&mut self, key: &'static str) -> Option<&'t Table> {
        let table = self.get(key)?.as_table();
        if table.is_none() {
            self.wrong(key, "a table");
        }
        table
    }

    fn tables(&mut self, key: &'static str) -> Vec<&'t Table> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let list = value.as_array().and_then(|list| list.iter().map(Value::as_table).collect());
        list.unwrap_or_else(|| {
            self.wrong(key, "a list of tables");
            Vec::new()
        })
    }

    /// Notes the keys that nobody asked for.
    fn finish(self) {
        for key in self.table.keys().filter(|key| !self.known.contains(&key.as_str())) {
            self.found.notes.push(format!("{}.{key} is not known and has no effect", self.path));
        }
    }
}

/// The ways in which agents can run.
const BACKENDS: [&str; 2] = ["tmux", "subprocess"];

/// The template in a document; `None` if there is not even the outline of one.
pub(super) fn template(document: &Table, stem: &str, found: &mut Findings) -> Option<Template> {
    let Some(table) = document.get("template").and_then(Value::as_table) else {
        found.problems.push("there is no table [template]".into());
        return None;
    };
    for key in document.keys().filter(|key| *key != "template") {
        found.notes.push(format!("{key} is not known and has no effect"));
    }
    let mut fields = Fields::new(table, "template", found);
    let name = fields.text("name").filter(|name| !name.is_empty());
    let leader = fields.table("leader");
    if leader.is_none() && !table.contains_key("leader") {
        fields.found.problems.push("template.leader is missing".into());
    }
    let agents = fields.tables("agents");
    let tasks = fields.tables("tasks");
    let mut template = Template {
        name: name.unwrap_or_else(|| stem.to_owned()),
        description: fields.text("description").unwrap_or_default(),
        command: fields.command().unwrap_or_else(|| vec!["openclaw".into()]),
        backend: fields.choice("backend", &BACKENDS),
        model: fields.text("model"),
        model_strategy: fields.choice("model_strategy", &["auto", "none"]),
        leader: agent(&Table::new(), "", &mut Findings::default()),
        agents: Vec::new(),
        tasks: Vec::new(),
        max_agents: fields.count("max_agents").map_or(4, |count| count as usize),
        workflow: fields.text("workflow"),
        workflow_inputs: fields.values("workflow_inputs"),
    };
    fields.finish();
    if let Some(leader) = leader {
        template.leader = agent(leader, "template.leader", found);
    }
    for (n, table) in agents.into_iter().enumerate() {
        template.agents.push(agent(table, &format!("template.agents[{}]", n + 1), found));
    }
    for (n, table) in tasks.into_iter().enumerate() {
        template.tasks.push(task(table, &format!("template.tasks[{}]", n + 1), found));
    }
    Some(template)
}

fn agent(table: &Table, path: &str, found: &mut Findings) -> TemplateAgent {
    let mut fields = Fields::new(table, path, found);
    let agent = TemplateAgent {
        name: fields.required("name"),
        kind: fields.text("type").unwrap_or_else(|| GENERAL_PURPOSE.into()),
        task: fields.text("task").unwrap_or_default(),
        command: fields.command(),
        task_type: fields.text("task_type").unwrap_or_else(|| "parallel".into()),
        intent: fields.text("intent"),
        end_state: fields.text("end_state"),
        constraints: fields.texts("constraints"),
        model: fields.text("model"),
        model_tier: fields.choice("model_tier", &["strong", "balanced", "cheap"]),
        retry: None,
        backend: fields.choice("backend", &BACKENDS),
    };
    let retry = fields.table("retry");
    fields.finish();
    TemplateAgent { retry: retry.map(|table| self::retry(table, path, found)), ..agent }
}

fn retry(table: &Table, path: &str, found: &mut Findings) -> Retry {
    let usual = Retry::default();
    let mut fields = Fields::new(table, format!("{path}.retry"), found);
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

fn task(table: &Table, path: &str, found: &mut Findings) -> TemplateTask {
    let mut fields = Fields::new(table, path, found);
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

//! `clawteam template`.

mod validate;

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::Cx;
use crate::app::template;
use crate::core::Outcome;
use crate::core::text::cut;
use crate::domain::provision::Provision;
use crate::domain::template::{Template, TemplateAgent};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// List the templates
    List,
    /// Show a template
    Show {
        /// The template
        name: String,
    },
    /// Find everything that is wrong with a template
    Validate(validate::ValidateArgs),
    /// Write a template of your own
    New {
        /// What it shall be called
        name: String,
        /// The template to begin with [default: an example with every key explained]
        #[arg(long, value_name = "TEMPLATE")]
        from: Option<String>,
    },
}

pub(super) fn run(cx: &Cx, command: TemplateCommand) -> Outcome<ExitCode> {
    match command {
        TemplateCommand::List => list(cx)?,
        TemplateCommand::Show { name } => show(cx, &name)?,
        TemplateCommand::Validate(args) => return validate::run(cx, &args),
        TemplateCommand::New { name, from } => new(cx, &name, from.as_deref())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(cx: &Cx) -> Outcome<()> {
    let templates = template::list(&cx.app)?;
    cx.out.result(&templates, || {
        let mut table =
            Table::new("Templates").column("Name").prose("Description").column("Source");
        for one in &templates {
            table.row([one.name.as_str(), &one.description, one.source.as_str()]);
        }
        table.render(cx.out.width())
    })
}

fn show(cx: &Cx, name: &str) -> Outcome<()> {
    let parsed = template::find(&cx.app, name)?;
    for warning in &parsed.warnings {
        cx.app.warn(format!("template '{name}': {warning}"));
    }
    cx.out.result(&parsed.template, || text(cx, &parsed.template))
}

fn new(cx: &Cx, name: &str, from: Option<&str>) -> Outcome<()> {
    let file = template::create(&cx.app, name, from)?;
    let payload = json!({"status": "created", "name": name, "file": file, "from": from});
    cx.out.result(&payload, || {
        format!(
            "OK Template '{name}' is in {file}\n\nWhat you can do now:\n\
             \x20 change it, then check it:  clawteam template validate {name}\n\
             \x20 see what it would do:      clawteam launch {name} --goal \"…\" --dry-run\n\
             \x20 launch it:                 clawteam launch {name} --goal \"…\""
        )
    })
}

fn text(cx: &Cx, template: &Template) -> String {
    let mut lines = vec![format!("\nTemplate: {}", template.name)];
    if !template.description.is_empty() {
        lines.push(format!("  {}", template.description));
    }
    lines.push(format!("  Command: {}", template.command.join(" ")));
    lines.push(format!("  Backend: {}", template.backend.as_deref().unwrap_or("(default)")));
    if let Some(model) = &template.model {
        lines.push(format!("  Model: {model}"));
    }
    if let Some(level) = &template.permissions {
        lines.push(format!("  Permissions: {level}"));
    }
    lines.push(format!("  Max agents: {}", template.max_agents));
    if let Some(workspace) = &template.workspace {
        lines.push("  Workspace:".to_owned());
        lines.extend(provisions(workspace));
    }
    if let Some(workflow) = &template.workflow {
        lines.push(format!("  Workflow: {workflow}"));
        for (name, value) in &template.workflow_inputs {
            lines.push(format!("    {name} = {value}"));
        }
    }
    let mut members =
        Table::new("Agents").column("Name").column("Type").column("Role").prose("Task");
    for (n, agent) in template.members().enumerate() {
        let role = if n == 0 { "leader" } else { "agent" };
        members.row([&agent.name, &agent.kind, role, gist(agent)]);
    }
    lines.push(members.render(cx.out.width()));
    if !template.tasks.is_empty() {
        let mut tasks = Table::new("Tasks")
            .prose("Subject")
            .column("Owner")
            .column("Priority")
            .prose("Blocked By");
        for task in &template.tasks {
            tasks.row([
                task.subject.as_str(),
                &task.owner,
                task.priority.as_str(),
                &task.blocked_by.join(", "),
            ]);
        }
        lines.push(tasks.render(cx.out.width()));
    }
    lines.push(format!("\nLaunch it: clawteam launch {} --goal \"…\"", template.name));
    lines.join("\n")
}

/// What a worktree gets, one thing on a line.
fn provisions(workspace: &Provision) -> Vec<String> {
    let lists = [
        ("copy", &workspace.copy),
        ("symlink", &workspace.symlink),
        ("setup", &workspace.setup),
        ("teardown", &workspace.teardown),
    ];
    let mut lines = Vec::new();
    for (name, list) in lists {
        lines.extend(list.iter().map(|one| format!("    {name}: {one}")));
    }
    lines.extend(workspace.ports.iter().map(|ports| format!("    ports: {ports}")));
    lines
}

/// The first line of what an agent is told.
fn gist(agent: &TemplateAgent) -> &str {
    cut(agent.task.trim().lines().next().unwrap_or_default(), 80)
}

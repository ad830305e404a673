//! Looking at workflows.

use std::collections::HashMap;
use std::process::ExitCode;

use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Value, json};

use super::source;
use crate::app::workflow::library::{self, Loaded};
use crate::app::workflow::{LibraryError, patterns, run, view};
use crate::cli::{Cx, file};
use crate::core::text::count;
use crate::core::{Exit, Name, Outcome, TeamName};
use crate::domain::workflow::definition::{
    self, Definition, LifeStatus, Options, Problem, Stats, any_error, difference,
};
use crate::domain::workflow::meta::Meta;
use crate::output::Table;

/// Arguments of `workflow validate`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["name", "file"])))]
pub(in crate::cli) struct ValidateArgs {
    /// The team; with --file it may be left out
    team: Option<String>,
    /// The workflow
    #[arg(conflicts_with = "file")]
    name: Option<String>,
    /// A file in JSON or TOML (- is standard input)
    #[arg(long)]
    file: Option<String>,
    /// The version (the latest)
    #[arg(long, conflicts_with = "file")]
    version: Option<u32>,
    /// Pass over fields that nobody knows
    #[arg(long)]
    lenient: bool,
    /// Count warnings as errors
    #[arg(long)]
    strict: bool,
}

/// Arguments of `workflow list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// The team
    team: String,
    /// Only those that stand so
    #[arg(long, value_enum)]
    status: Option<Stand>,
    /// Only those with this tag
    #[arg(long)]
    tag: Option<String>,
}

/// How far a workflow is on its way into use.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Stand {
    /// Being written
    Draft,
    /// In use
    Active,
    /// No longer in use
    Archived,
}

/// Arguments of `workflow show`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ShowArgs {
    /// The team
    team: String,
    /// The workflow
    name: String,
    /// The version (the one in use, else the latest)
    #[arg(long)]
    version: Option<u32>,
}

/// Arguments of `workflow diff`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArgs {
    /// The team
    team: String,
    /// The workflow
    name: String,
    /// The older version (the one before the newer)
    before: Option<u32>,
    /// The newer version (the latest)
    after: Option<u32>,
}

/// Arguments of `workflow export`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// The team
    team: String,
    /// The workflow
    name: String,
    /// In which format
    #[arg(long, value_enum, default_value_t = To::Json)]
    format: To,
    /// The version (the one in use, else the latest)
    #[arg(long)]
    version: Option<u32>,
    /// Write it to this file
    #[arg(short, long)]
    output: Option<String>,
}

/// A format to export to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// JSON
    Json,
    /// TOML
    Toml,
    /// A Mermaid flowchart
    Mermaid,
    /// The language of Graphviz
    Dot,
}

/// Arguments of `workflow graph`.
#[derive(Debug, Args)]
pub(in crate::cli) struct GraphArgs {
    /// The team
    team: String,
    /// The workflow, or a run: then it shows how each node stands
    name: String,
    /// How it is drawn
    #[arg(long, value_enum, default_value_t = Drawing::Text)]
    format: Drawing,
    /// The version (the one in use, else the latest)
    #[arg(long)]
    version: Option<u32>,
}

/// How a workflow is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Drawing {
    /// Boxes and lines
    Text,
    /// A Mermaid flowchart
    Mermaid,
    /// The language of Graphviz
    Dot,
    /// Nodes and edges as data
    Json,
}

pub(super) fn validate(cx: &Cx, args: ValidateArgs) -> Outcome<ExitCode> {
    let team = args.team.map(TeamName::parse).transpose()?;
    let (definition, problems) = match (&args.file, &team, &args.name) {
        (Some(path), ..) => {
            let options = Options { name: None, lenient: args.lenient };
            let reading = source::from_file(path, options)?;
            let problems = library::reading_problems(&cx.app, team.as_ref(), &reading)?;
            (reading.definition, problems)
        }
        (None, Some(team), Some(name)) => {
            let about = library::about(&cx.app, team, name)?;
            let version = args.version.unwrap_or(about.latest);
            let loaded = library::load(&cx.app, team, &library::name_of(name)?, Some(version))?;
            let judged = Definition { status: about.status, ..loaded.definition };
            let problems = library::problems(&cx.app, team, &judged)?;
            (Some(judged), problems)
        }
        // The arguments are checked before this is called.
        (None, ..) => (None, Vec::new()),
    };
    let bad = any_error(&problems) || args.strict && !problems.is_empty();
    let stats = definition.as_ref().map(definition::stats).unwrap_or_default();
    let payload = json!({"ok": !bad, "problems": problems, "stats": stats});
    cx.out.result(&payload, || report(&problems, &stats, bad))?;
    Ok(if bad { ExitCode::from(Exit::Invalid.code()) } else { ExitCode::SUCCESS })
}

fn report(problems: &[Problem], stats: &Stats, bad: bool) -> String {
    let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let found = [(errors, "error"), (problems.len() - errors, "warning")];
    let found: Vec<String> =
        found.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| count(n, word)).collect();
    let shape = format!("{}, {}", count(stats.nodes, "node"), count(stats.edges, "edge"));
    lines.push(match (found.is_empty(), bad) {
        (true, _) => format!("OK {shape}, no problems"),
        (false, true) => format!("{} in {shape}", found.join(" and ")),
        (false, false) => format!("OK {shape}, {}", found.join(" and ")),
    });
    lines.join("\n")
}

fn word(status: LifeStatus) -> &'static str {
    match status {
        LifeStatus::Draft => "draft",
        LifeStatus::Active => "active",
        LifeStatus::Archived => "archived",
    }
}

pub(super) fn list(cx: &Cx, args: ListArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    cx.app.warn_if_unknown(&team);
    let mut found = library::list(&cx.app, &team)?;
    if let Some(stand) = args.status {
        let wanted = match stand {
            Stand::Draft => LifeStatus::Draft,
            Stand::Active => LifeStatus::Active,
            Stand::Archived => LifeStatus::Archived,
        };
        found.retain(|meta| meta.status == wanted);
    }
    if let Some(tag) = &args.tag {
        found.retain(|meta| meta.tags.contains(tag));
    }
    if cx.out.json {
        return cx.out.json_list(&found);
    }
    if found.is_empty() {
        return cx.out.text("No workflows");
    }
    let mut table = Table::new("Workflows")
        .column("Name")
        .column("Status")
        .number("Latest")
        .number("In use")
        .prose("Title")
        .column("Changed");
    for meta in &found {
        let changed = meta.versions.last().map(|version| cx.time(&version.at));
        table.row([
            meta.name.clone(),
            word(meta.status).to_owned(),
            meta.latest.to_string(),
            meta.active.map_or_else(String::new, |active| active.to_string()),
            meta.title.clone(),
            changed.unwrap_or_default(),
        ]);
    }
    cx.out.text(&table.render(cx.out.width()))
}

pub(super) fn show(cx: &Cx, args: ShowArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let meta = library::about(&cx.app, &team, &args.name)?;
    let loaded = library::load(&cx.app, &team, &library::name_of(&args.name)?, args.version)?;
    let payload = json!({
        "name": meta.name, "version": loaded.version, "digest": loaded.digest,
        "status": meta.status, "active": meta.active, "latest": meta.latest, "owner": meta.owner,
        "definition": loaded.definition,
    });
    cx.out.result(&payload, || text(cx, &meta, &loaded))
}

fn text(cx: &Cx, meta: &Meta, loaded: &Loaded) -> String {
    let definition = &loaded.definition;
    let mut lines = vec![format!("Workflow: {}", meta.name)];
    let mut say = |name: &str, text: String| {
        if !text.is_empty() {
            lines.push(format!("  {name}: {text}"));
        }
    };
    say("Title", definition.title.clone());
    say("About", definition.description.clone());
    let active = meta.active.map_or_else(String::new, |version| format!(" (version {version})"));
    say("Status", format!("{}{active}", word(meta.status)));
    say("Version", format!("{} of {}", loaded.version, meta.latest));
    say("Digest", loaded.digest.start(16).to_owned());
    say("Owner", meta.owner.clone());
    say("Tags", definition.tags.join(", "));
    let starts = definition::starts(definition).join(", ");
    say("Begins with", starts);
    say("Limits", limits(definition));
    if !definition.inputs.is_empty() {
        let mut inputs =
            Table::new("Inputs").column("Name").column("Type").column("Needed").prose("About");
        for (name, input) in &definition.inputs {
            let kind = serde_json::to_value(input.kind).unwrap_or_default();
            let kind = kind.as_str().unwrap_or_default().to_owned();
            let default = input.default.as_ref().map(|value| format!("no ({value})"));
            let needed = if input.required { "yes".into() } else { default.unwrap_or("no".into()) };
            let secret = if input.secret { "secret; " } else { "" };
            inputs.row([name.clone(), kind, needed, format!("{secret}{}", input.description)]);
        }
        lines.push(inputs.render(cx.out.width()));
    }
    let mut nodes = Table::new("Nodes").column("Id").column("Type").prose("Leads to");
    for (id, node) in &definition.nodes {
        let to = definition.edges.iter().filter(|edge| edge.from == *id);
        let to: Vec<String> = to
            .map(|edge| match edge.port() {
                definition::SUCCESS => edge.to.clone(),
                port => format!("{port}: {}", edge.to),
            })
            .collect();
        nodes.row([id.as_str(), node.kind.word(), &to.join(", ")]);
    }
    lines.push(nodes.render(cx.out.width()));
    lines.join("\n")
}

/// The bounds of a run, those that nobody set included.
fn limits(definition: &Definition) -> String {
    let set = &definition.limits;
    let mut parts = vec![
        format!("{} visits", set.max_visits.unwrap_or(100)),
        format!("{} of a node", set.max_node_visits.unwrap_or(50)),
        format!("{} steps", set.max_steps.unwrap_or(1000)),
        format!("{} at a time", set.max_parallel.unwrap_or(8)),
    ];
    parts.extend(set.deadline.map(|span| format!("within {span}")));
    parts.join(", ")
}

pub(super) fn versions(cx: &Cx, team: String, name: &str) -> Outcome<()> {
    let meta = library::about(&cx.app, &TeamName::parse(team)?, name)?;
    cx.out.result(&meta.versions, || {
        let mut table = Table::new(format!("Versions of {name}"))
            .number("Version")
            .column("Made")
            .column("By")
            .column("Digest")
            .prose("Note");
        for version in &meta.versions {
            let number = version.version;
            let active = if meta.active == Some(number) { "*" } else { "" };
            table.row([
                format!("{active}{number}"),
                cx.time(&version.at),
                version.by.clone(),
                version.digest.start(12).to_owned(),
                version.note.clone(),
            ]);
        }
        table.render(cx.out.width())
    })
}

pub(super) fn diff(cx: &Cx, args: DiffArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let meta = library::about(&cx.app, &team, &args.name)?;
    let after = args.after.unwrap_or(meta.latest);
    let before = args.before.unwrap_or_else(|| after.saturating_sub(1).max(1));
    let old = library::load(&cx.app, &team, &library::name_of(&args.name)?, Some(before))?;
    let new = library::load(&cx.app, &team, &library::name_of(&args.name)?, Some(after))?;
    let found = difference(&old.definition, &new.definition);
    let payload = json!({"name": meta.name, "before": before, "after": after, "difference": found});
    cx.out.result(&payload, || {
        let mut lines = vec![format!("Workflow '{}', version {before} to {after}", meta.name)];
        for (sign, what, names) in [
            ('+', "node", &found.nodes_added),
            ('-', "node", &found.nodes_removed),
            ('+', "edge", &found.edges_added),
            ('-', "edge", &found.edges_removed),
        ] {
            lines.extend(names.iter().map(|name| format!("  {sign} {what} {name}")));
        }
        let short = |value: &Option<Value>| {
            value.as_ref().map_or_else(|| "(none)".to_owned(), ToString::to_string)
        };
        for change in &found.changes {
            let (before, after) = (short(&change.before), short(&change.after));
            lines.push(format!("  ~ {}: {before} -> {after}", change.path));
        }
        if found.text.is_empty() {
            lines.push("  nothing differs".to_owned());
        } else {
            lines.push(format!("\n{}", found.text.trim_end()));
        }
        lines.join("\n")
    })
}

pub(super) fn export(cx: &Cx, args: ExportArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let loaded = library::load(&cx.app, &team, &library::name_of(&args.name)?, args.version)?;
    let mut text = written(&loaded.definition, args.format)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    if let Some(path) = &args.output {
        file::write(path, text.as_bytes())?;
        let payload = json!({"name": args.name, "version": loaded.version, "file": path});
        return cx
            .out
            .result(&payload, || format!("OK Workflow '{}' written to {path}", args.name));
    }
    if cx.out.json && args.format != To::Json {
        return cx.out.json(&json!({"name": args.name, "version": loaded.version, "text": text}));
    }
    cx.out.raw(text.as_bytes())
}

fn written(definition: &Definition, format: To) -> Outcome<String> {
    let plain = |_: &str| None;
    Ok(match format {
        To::Json => serde_json::to_string_pretty(definition).unwrap_or_default(),
        To::Toml => definition::toml(definition)
            .map_err(|reason| LibraryError::NoFormat { format: "TOML", reason })?,
        To::Mermaid => definition::mermaid(definition, &plain),
        To::Dot => definition::dot(definition, &plain),
    })
}

pub(super) fn graph(cx: &Cx, args: GraphArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let found = library::load(&cx.app, &team, &library::name_of(&args.name)?, args.version);
    let run = Name::parse_as("run", args.name.clone())?;
    let (drawn, states) = match found {
        Err(failure) if failure.inner().exit() == Exit::NotFound => {
            let Ok(run) = run::load(&cx.app, &team, &run) else { return Err(failure) };
            let states = view::status(&run).nodes.into_iter().filter_map(|node| {
                let times =
                    if node.visits > 1 { format!(" x{}", node.visits) } else { String::new() };
                Some((node.node, format!("{}{times}", node.state?)))
            });
            (run.start.definition.clone(), states.collect::<HashMap<String, String>>())
        }
        other => (other?.definition, HashMap::new()),
    };
    let overlay = |node: &str| states.get(node).cloned();
    let data = definition::graph(&drawn, &overlay);
    match args.format {
        Drawing::Json => cx.out.json(&data),
        Drawing::Text => cx.out.result(&data, || definition::draw(&drawn, &overlay)),
        Drawing::Mermaid | Drawing::Dot => {
            let text = match args.format {
                Drawing::Dot => definition::dot(&drawn, &overlay),
                _ => definition::mermaid(&drawn, &overlay),
            };
            if cx.out.json {
                return cx.out.json(&json!({"name": args.name, "text": text}));
            }
            cx.out.raw(text.as_bytes())
        }
    }
}

pub(super) fn templates(cx: &Cx) -> Outcome<()> {
    let found = patterns::list(&cx.app)?;
    cx.out.result(&found, || {
        if found.is_empty() {
            return "No templates".to_owned();
        }
        let mut table =
            Table::new("Workflow templates").column("Name").prose("Description").column("Source");
        for one in &found {
            table.row([one.name.as_str(), &one.description, one.source]);
        }
        table.render(cx.out.width())
    })
}

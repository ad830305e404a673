//! `clawteam workflow test`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, json};

use super::text;
use crate::app::workflow::start::check_inputs;
use crate::app::workflow::{library, step};
use crate::cli::{Cx, file};
use crate::core::{Diagnose, Exit, Name, Outcome, TeamName};
use crate::domain::workflow::graph::Graph;
use crate::domain::workflow::run::scenario::{self, BEGIN, Scenario};
use crate::domain::workflow::run::start::{Start, Trigger};

/// Arguments of `workflow test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The team
    team: String,
    /// The workflow
    name: String,
    /// A file in TOML or JSON: inputs, the answers of nodes, and what is expected
    #[arg(long, value_name = "FILE")]
    scenario: Option<String>,
    /// A version other than the one in use
    #[arg(long, value_name = "N")]
    version: Option<u32>,
}

/// A scenario cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{path} is no scenario: {why}")]
struct BadScenario {
    path: String,
    why: String,
}

impl Diagnose for BadScenario {
    fn code(&self) -> &'static str {
        "invalid_scenario"
    }

    fn hint(&self) -> Option<String> {
        Some("it has inputs, nodes (a list of answers for each), signals and expect".into())
    }

    fn exit(&self) -> Exit {
        Exit::Invalid
    }
}

fn read(path: &str) -> Outcome<Scenario> {
    let content = file::read_text(path)?;
    let bad = |why: String| BadScenario { path: path.to_owned(), why };
    if content.trim_start().starts_with('{') {
        return Ok(serde_json::from_str(&content).map_err(|error| bad(error.to_string()))?);
    }
    Ok(toml::from_str(&content).map_err(|error| bad(error.message().to_owned()))?)
}

pub(crate) fn test(cx: &Cx, args: TestArgs) -> Outcome<ExitCode> {
    let team = TeamName::parse(args.team)?;
    let name = Name::parse_as("workflow name", args.name)?;
    let scenario = match &args.scenario {
        Some(path) => read(path)?,
        None => Scenario::default(),
    };
    let found = library::load(&cx.app, &team, &name, args.version)?;
    let (inputs, _) = check_inputs(&found.definition, scenario.inputs.clone())?;
    let start = Start {
        schema: Start::schema(),
        run: "scenario".into(),
        team: team.to_string(),
        workflow: name.to_string(),
        version: found.version,
        digest: found.digest,
        created_at: BEGIN,
        trigger: Trigger { source: "test".into(), by: step::actor(&cx.app), ..Trigger::default() },
        inputs,
        repo: None,
        manual: true,
        concurrency_key: None,
        after: Vec::new(),
        definition: found.definition.clone(),
        extra: Map::new(),
    };
    let graph = Graph::of(found.definition);
    let tried = scenario::run(&graph, &start, &scenario);
    let passes = tried.differences.is_empty();
    let payload = json!({
        "ok": passes,
        "status": tried.status,
        "reason": tried.reason,
        "visits": tried.visits,
        "outputs": tried.outputs,
        "differences": tried.differences,
        "steps": tried.records.len(),
    });
    cx.out.result(&payload, || {
        let mut lines: Vec<String> =
            tried.records.iter().map(|record| text::line(cx, record)).collect();
        let why =
            tried.reason.as_ref().map(|fault| format!(": {} ({})", fault.message, fault.code));
        lines.push(format!("the run is {}{}", tried.status.word(), why.unwrap_or_default()));
        lines.extend(tried.differences.iter().map(|text| format!("not as expected: {text}")));
        lines.join("\n")
    })?;
    Ok(if passes { ExitCode::SUCCESS } else { ExitCode::from(Exit::Invalid.code()) })
}

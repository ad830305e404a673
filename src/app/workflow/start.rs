//! Starting a run.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::RunError;
use super::library;
use super::run::load;
use super::wake::{poke, wake};
use crate::app::App;
use crate::app::team;
use crate::core::{Digest, Name, Outcome, TeamName};
use crate::domain::Extra;
use crate::domain::expr::Expr;
use crate::domain::workflow::definition::{
    Advance, Concurrency, Definition, Input, InputKind, LifeStatus, Overlap, input_fits,
};
use crate::domain::workflow::run::observe::Ask;
use crate::domain::workflow::run::start::{Start, Trigger};
use crate::domain::workflow::run::state::Millis;
use crate::store::{Commit, Expect, Key, Put, Scope, encode};

/// For how long the same request starts no second run.
const DEDUPE_WINDOW: Millis = 24 * 3600 * 1000;

/// How a run is to be started.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// What it is told.
    pub inputs: Map<String, Value>,
    /// What keeps the same request from starting two runs.
    pub key: Option<String>,
    /// Which version; the active one, else the latest.
    pub version: Option<u32>,
    /// What starts it: `cli`, `schedule`, `launch`.
    pub source: String,
    /// Whether only `workflow step` and `workflow drive` move it.
    pub manual: bool,
    /// The task that it is about.
    pub task: Option<String>,
    /// The directory of the repository that it works on.
    pub repo: Option<String>,
    /// Whether a workflow that is not in use yet is refused.
    pub only_active: bool,
    /// Whether everything is checked but nothing started.
    pub dry_run: bool,
}

/// A run that was started, or that was there already.
#[derive(Debug, Clone, Serialize)]
pub struct Started {
    /// Its id.
    pub run: Name,
    /// Its workflow.
    pub workflow: String,
    /// Which version.
    pub version: u32,
    /// Whether an earlier request had started it.
    pub deduplicated: bool,
    /// Whether the workflow is not in use yet.
    pub is_draft: bool,
    /// The runs that must end before it begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
}

/// The runs of a workflow that may not have ended: `workflows/<team>/<name>/active.json`. One that
/// is not listed here has ended.
#[derive(Debug, Default, Serialize, Deserialize)]
struct ActiveRuns {
    runs: Vec<Name>,
    #[serde(flatten)]
    extra: Extra,
}

/// Which run a request started.
#[derive(Debug, Serialize, Deserialize)]
struct KeyedRun {
    run: Name,
    version: u32,
    at: Millis,
    #[serde(flatten)]
    extra: Extra,
}

fn active_key(team: &TeamName, workflow: &Name) -> Key {
    crate::store::Dir::workflow(team, workflow).entry("active.json")
}

/// The runs of a workflow that have not ended.
pub fn active(app: &App, team: &TeamName, workflow: &Name) -> Outcome<Vec<Name>> {
    let listed = app.store.load::<ActiveRuns>(&active_key(team, workflow))?;
    let mut runs = listed.map(|doc| doc.value.runs).unwrap_or_default();
    // Each is asked itself: nothing that a crash leaves behind blocks a workflow for ever.
    runs.retain(|run| load(app, team, run).is_ok_and(|found| !found.run.status.is_terminal()));
    Ok(runs)
}

/// Starts a run. It is moved as far as it goes by whoever calls, not here.
pub fn start(
    app: &App,
    team: &TeamName,
    workflow: &Name,
    mut options: StartOptions,
) -> Outcome<Started> {
    team::load(app, team)?;
    let found = library::load(app, team, workflow, options.version)?;
    let is_draft = found.status == LifeStatus::Draft;
    match found.status {
        LifeStatus::Archived => return Err(RunError::Archived(workflow.to_string()).into()),
        LifeStatus::Draft if options.only_active => {
            return Err(RunError::Draft(workflow.to_string()).into());
        }
        _ => {}
    }
    let given = std::mem::take(&mut options.inputs);
    let (inputs, secrets) = check_inputs(&found.definition, given)?;
    let concurrency_key = concurrency_key(&found.definition, &inputs)?;
    let mut locked = app.store.lock(&Scope::Workflow(team.clone(), workflow.clone()))?;
    if let Some(known) = started_before(app, team, workflow, options.key.as_deref())? {
        return Ok(Started {
            run: known.run,
            workflow: workflow.to_string(),
            version: known.version,
            deduplicated: true,
            is_draft,
            after: Vec::new(),
        });
    }
    let policy = &found.definition.concurrency;
    let turn = turn(app, team, workflow, policy, concurrency_key.as_ref())?;
    let run = fresh_id(app, workflow)?;
    let started = Started {
        run: run.clone(),
        workflow: workflow.to_string(),
        version: found.version,
        deduplicated: false,
        is_draft,
        after: turn.after.clone(),
    };
    if options.dry_run {
        return Ok(started);
    }
    let new = NewRun { team, workflow, run: &run, inputs, concurrency_key, after: turn.after };
    let start = new.start(app, options, found);
    keep_secrets(app, team, &run, &secrets)?;
    locked.commit(&commit(team, workflow, &run, &start, turn.active))?;
    drop(locked);
    // Whatever happens to this process, `tick` will see the new run.
    if !start.manual {
        poke(app, team, &run)?;
    }
    for other in turn.replaced {
        let ask = Ask::Stop { reason: format!("replaced by {run}"), kill: false };
        super::requests::post(app, team, &other, ask)?;
        wake(app, team, &other);
    }
    Ok(started)
}

/// A run that is about to be written down.
struct NewRun<'n> {
    team: &'n TeamName,
    workflow: &'n Name,
    run: &'n Name,
    inputs: Map<String, Value>,
    concurrency_key: Option<Value>,
    after: Vec<String>,
}

impl NewRun<'_> {
    fn start(self, app: &App, options: StartOptions, found: library::Loaded) -> Start {
        Start {
            schema: Start::schema(),
            run: self.run.to_string(),
            team: self.team.to_string(),
            workflow: self.workflow.to_string(),
            version: found.version,
            digest: found.digest,
            created_at: app.now_millis(),
            trigger: Trigger {
                source: options.source,
                by: super::step::actor(app),
                key: options.key,
                task: options.task,
                parent: None,
            },
            inputs: self.inputs,
            repo: options.repo,
            manual: options.manual || found.definition.advance == Advance::Manual,
            concurrency_key: self.concurrency_key,
            after: self.after,
            definition: found.definition,
            extra: Map::new(),
        }
    }
}

/// The run that the same request has started, if that was not long ago.
fn started_before(
    app: &App,
    team: &TeamName,
    workflow: &Name,
    key: Option<&str>,
) -> Outcome<Option<KeyedRun>> {
    let Some(key) = key else { return Ok(None) };
    let digest = Digest::of(key.as_bytes()).to_name();
    let known = app.store.load::<KeyedRun>(&Key::run_key(team, workflow, &digest))?;
    let now = app.now_millis();
    Ok(known.map(|doc| doc.value).filter(|run| now.saturating_sub(run.at) < DEDUPE_WINDOW))
}

/// What a run that is to be started means for the others of its workflow.
struct Turn {
    /// Those that go on.
    active: Vec<Name>,
    /// Those that must end before it begins.
    after: Vec<String>,
    /// Those that it takes the place of.
    replaced: Vec<Name>,
}

fn turn(
    app: &App,
    team: &TeamName,
    workflow: &Name,
    policy: &Concurrency,
    key: Option<&Value>,
) -> Outcome<Turn> {
    let active = active(app, team, workflow)?;
    let others = rivals(app, team, &active, key)?;
    let room = match (policy.policy, policy.max) {
        (Overlap::Allow, None) => usize::MAX,
        (_, max) => max.unwrap_or(1).max(1) as usize,
    };
    let mut turn = Turn { active, after: Vec::new(), replaced: Vec::new() };
    if others.len() < room {
        return Ok(turn);
    }
    match policy.policy {
        Overlap::Replace => turn.replaced = others,
        Overlap::Queue => turn.after = others.iter().map(Name::to_string).collect(),
        Overlap::Forbid | Overlap::Allow => {
            let runs = others.iter().map(Name::to_string).collect();
            return Err(RunError::Active { workflow: workflow.to_string(), runs }.into());
        }
    }
    Ok(turn)
}

/// The documents of a new run: all of them are there, or none.
fn commit(
    team: &TeamName,
    workflow: &Name,
    run: &Name,
    start: &Start,
    mut active: Vec<Name>,
) -> Commit {
    active.push(run.clone());
    let listed = ActiveRuns { runs: active, extra: Map::new() };
    let mut puts = vec![
        Put::new(active_key(team, workflow), encode(&listed), Expect::Any),
        Put::new(Key::run_start(team, run), encode(start), Expect::Absent),
    ];
    if let Some(key) = &start.trigger.key {
        let digest = Digest::of(key.as_bytes()).to_name();
        let keyed = KeyedRun {
            run: run.clone(),
            version: start.version,
            at: start.created_at,
            extra: Map::new(),
        };
        let document = Key::run_key(team, workflow, &digest);
        puts.push(Put::new(document, encode(&keyed), Expect::Any));
    }
    Commit { puts, ..Commit::default() }
}

/// The active runs with the same concurrency key.
fn rivals(app: &App, team: &TeamName, runs: &[Name], key: Option<&Value>) -> Outcome<Vec<Name>> {
    let mut all = Vec::new();
    for run in runs {
        if key.is_none() || super::run::start_of(app, team, run)?.concurrency_key.as_ref() == key {
            all.push(run.clone());
        }
    }
    Ok(all)
}

fn concurrency_key(definition: &Definition, inputs: &Map<String, Value>) -> Outcome<Option<Value>> {
    let Some(key) = &definition.concurrency.key else { return Ok(None) };
    let expr = Expr::compile(key)?;
    Ok(Some(expr.eval(&serde_json::json!({"inputs": inputs}))?))
}

fn fresh_id(app: &App, workflow: &Name) -> Outcome<Name> {
    let day = app.now().format("%Y%m%d");
    let short: String = workflow.as_str().chars().take(60).collect();
    Ok(Name::parse(format!("{short}-{day}-{}", app.ids.hex(6)))?)
}

/// The mark that stands for a secret input everywhere but in the program that needs it.
fn secret_mark(name: &str) -> String {
    format!("{{{{secret:{name}}}}}")
}

/// Checks what a run is told against what its workflow wants to know. Returns the inputs, secret
/// ones as marks, and the secrets.
pub fn check_inputs(
    definition: &Definition,
    given: Map<String, Value>,
) -> Outcome<(Map<String, Value>, Map<String, Value>)> {
    let mut problems = Vec::new();
    let (mut inputs, mut secrets) = (Map::new(), Map::new());
    for name in given.keys().filter(|name| !definition.inputs.contains_key(*name)) {
        let known: Vec<&str> = definition.inputs.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        problems.push(format!("there is no input '{name}' (inputs: {known})"));
    }
    for (name, input) in &definition.inputs {
        let value = given.get(name).cloned().or_else(|| input.default.clone());
        match value.map(|value| fit(input, value)) {
            Some(Ok(value)) if input.secret => {
                secrets.insert(name.clone(), value);
                inputs.insert(name.clone(), Value::String(secret_mark(name)));
            }
            Some(Ok(value)) => {
                inputs.insert(name.clone(), value);
            }
            Some(Err(why)) => problems.push(format!("'{name}': {why}")),
            None if input.required => problems.push(format!("'{name}' is missing")),
            None => {
                inputs.insert(name.clone(), Value::Null);
            }
        }
    }
    if problems.is_empty() {
        Ok((inputs, secrets))
    } else {
        Err(RunError::Inputs { problems }.into())
    }
}

/// A value as the input wants it: from the command line, everything is text at first.
fn fit(input: &Input, value: Value) -> Result<Value, String> {
    let value = match (input.kind, value) {
        (InputKind::String, value @ (Value::Number(_) | Value::Bool(_))) => {
            Value::String(value.to_string())
        }
        (InputKind::String | InputKind::File, value) => value,
        (_, Value::String(text)) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        (_, value) => value,
    };
    input_fits(input, &value)?;
    Ok(value)
}

/// Keeps the secret inputs of a run where only its user can read them.
pub(super) fn keep_secrets(
    app: &App,
    team: &TeamName,
    run: &Name,
    secrets: &Map<String, Value>,
) -> Outcome<()> {
    if secrets.is_empty() {
        return Ok(());
    }
    let put = Put::new(Key::run_secrets(team, run), encode(secrets), Expect::Absent);
    super::children::once(app, &Put { secret: true, ..put })
}

/// Puts the secret inputs of a run in the place of their marks.
pub fn reveal(app: &App, team: &TeamName, run: &Name, value: &mut Value) -> Outcome<Vec<String>> {
    let Some(found) = app.store.load::<Map<String, Value>>(&Key::run_secrets(team, run))? else {
        return Ok(Vec::new());
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let secrets: Vec<(String, String)> =
        found.value.iter().map(|(name, value)| (secret_mark(name), text(value))).collect();
    replace(value, &|text| {
        let mut changed = text.to_owned();
        for (mark, secret) in &secrets {
            changed = changed.replace(mark, secret);
        }
        changed
    });
    Ok(secrets.into_iter().map(|(_, secret)| secret).collect())
}

/// Takes secrets out of what a program has said.
pub fn conceal(secrets: &[String], value: &mut Value) {
    replace(value, &|text| {
        let mut changed = text.to_owned();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            changed = changed.replace(secret.as_str(), "***");
        }
        changed
    });
}

fn replace(value: &mut Value, change: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, change)),
        _ => {}
    }
}

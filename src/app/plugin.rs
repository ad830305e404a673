//! Plugins: which there are, and calling those that are enabled.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};

use super::spawn::Request;
use super::{App, hook, settings};
use crate::core::{Name, Outcome, text};
use crate::domain::event::Event;
use crate::domain::plugin::{
    Contribution, EVENTS, MANIFEST, PROMPT, PluginError, PluginManifest, PythonManifest,
};
use crate::env;
use crate::ports::Program;
use crate::store::{Dir, Store};

/// How long a plugin may take to be told of an event, or to say what it adds to a prompt.
const LIMIT: Duration = Duration::from_secs(10);
/// How much a plugin may answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A plugin, for people and programs.
#[derive(Debug, Clone, Serialize)]
pub struct Plugin {
    /// Which version of it.
    pub version: String,
    /// What it does.
    pub description: String,
    /// Where it comes from: `installed`; `local` and `config` are those of Python's ClawTeam.
    pub source: &'static str,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// What it needs to be allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// The kinds of events that it is told of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Whether it is used.
    pub enabled: bool,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What stands under `plugins` in the settings: plugins that are enabled, and modules of Python.
fn listed(settings: &crate::domain::settings::Settings) -> Vec<String> {
    let list = settings.document.get("plugins").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// Whether any plugin might be enabled. Costs nothing.
pub(super) fn any(app: &App) -> bool {
    app.settings.document.get("plugins").and_then(Value::as_array).is_some_and(|l| !l.is_empty())
}

fn manifest(app: &App, name: &str) -> Outcome<PluginManifest> {
    let Ok(name) = Name::parse_as("plugin name", name) else {
        return Err(PluginError::NotFound(name.to_owned()).into());
    };
    let key = Dir::plugins().child(name.as_str()).entry(MANIFEST);
    let found = app.home_store.backend().read(&key)?;
    let found = found.ok_or_else(|| PluginError::NotFound(name.to_string()))?;
    let place = app.home_store.path_of(&key).display().to_string();
    Ok(PluginManifest::read(&String::from_utf8_lossy(&found.bytes), &place)?)
}

/// Where a plugin is.
pub fn directory(app: &App, name: &Name) -> PathBuf {
    app.home_store.path_of(&Dir::plugins().entry(name.as_str()))
}

/// The enabled plugins that can be used. Others are told of and left out.
fn enabled(app: &App) -> Vec<(String, PluginManifest)> {
    let mut found = Vec::new();
    for name in listed(&app.settings) {
        match manifest(app, &name) {
            Ok(manifest) => found.push((name, manifest)),
            // A module of Python, which stands there for others.
            Err(failure) if failure.inner().code() == "plugin_not_found" => {}
            Err(failure) => app.warn(format!("plugin '{name}' is not used: {}", failure.message())),
        }
    }
    found
}

/// Whether an enabled plugin wants to be told of a kind of event.
pub(super) fn hears(app: &App, kind: &str) -> bool {
    any(app) && enabled(app).iter().any(|(_, manifest)| manifest.hears(kind))
}

/// Tells the enabled plugins of an event, and keeps what they answered.
pub(super) fn tell(app: &App, event: &Event) {
    for (name, manifest) in enabled(app) {
        if !manifest.may(EVENTS) || !manifest.hears(&event.kind) {
            continue;
        }
        let answer = call(app, &name, &manifest, "event", &json!({"event": event}));
        hook::keep(
            app,
            &json!({
                "at": app.stamp(),
                "event": event.kind,
                "team": event.team_name,
                "plugin": name,
                "error": answer.as_ref().err(),
                "output": answer.as_ref().ok(),
            }),
        );
    }
}

/// What the enabled plugins add to the prompt of an agent that is about to be started.
pub(super) fn contributions(app: &App, request: &Request) -> Vec<String> {
    let Some(mission) = request.mission.as_ref().filter(|_| any(app)) else { return Vec::new() };
    let about = json!({
        "team": request.team,
        "agent": request.agent,
        "agentType": request.agent_type,
        "task": mission.task,
    });
    let mut found = Vec::new();
    for (name, manifest) in enabled(app) {
        if !manifest.may(PROMPT) {
            continue;
        }
        let added = match &manifest.prompt {
            Contribution::Asked(false) => continue,
            Contribution::Text(text) => text.clone(),
            Contribution::Asked(true) => match call(app, &name, &manifest, "prompt", &about) {
                Ok(result) => result["text"].as_str().unwrap_or_default().to_owned(),
                Err(error) => {
                    app.warn(format!("plugin '{name}' added nothing to the prompt: {error}"));
                    continue;
                }
            },
        };
        if !added.trim().is_empty() {
            found.push(format!("## From plugin '{name}'\n\n{}", added.trim()));
        }
    }
    found
}

/// Calls a plugin: one request on its standard input, one answer on its standard output.
fn call(
    app: &App,
    name: &str,
    manifest: &PluginManifest,
    method: &str,
    params: &Value,
) -> Result<Value, String> {
    let directory = app.home_store.path_of(&Dir::plugins().entry(name));
    let mut argv = manifest.entry.words();
    if let Some(first) = argv.first_mut() {
        let own = directory.join(first.as_str());
        if own.is_file() {
            *first = own.display().to_string();
        }
    }
    let request = json!({"method": method, "params": params});
    let usual = manifest.timeout.as_ref().map_or(LIMIT, |span| span.duration().min(LIMIT));
    let program = Program {
        argv,
        cwd: directory,
        env: BTreeMap::from([
            (env::DATA_DIR.to_owned(), app.data_dir.display().to_string()),
            (hook::DEPTH.to_owned(), (hook::depth(app) + 1).to_string()),
        ]),
        env_without: vec![hook::EVENTS.to_owned(), env::TOKEN.to_owned()],
        stdin: format!("{request}\n").into_bytes(),
        stdout_max: ANSWER_BYTES_MAX,
        stderr_max: 4096,
        timeout: Some(usual),
        grace: Duration::from_secs(1),
    };
    let ran = app.processes.capture(&program, &|| false, &mut |_| {});
    let ran = ran.map_err(|error| format!("it could not be run: {error}"))?;
    if ran.cut.is_some() {
        return Err(format!("it took more than {} s", usual.as_secs_f64()));
    }
    let said = String::from_utf8_lossy(&ran.stdout);
    if ran.exit_code != 0 {
        let why = String::from_utf8_lossy(&ran.stderr);
        let why = text::cut(why.trim(), 300);
        return Err(format!("it ended with status {}: {why}", ran.exit_code));
    }
    // Who is only told something need not answer.
    if said.trim().is_empty() && method == "event" {
        return Ok(Value::Null);
    }
    let answer: Value = serde_json::from_str(said.trim())
        .map_err(|error| format!("it did not answer in JSON: {error}"))?;
    match answer.get("error").filter(|error| !error.is_null()) {
        Some(error) => Err(error["message"].as_str().unwrap_or("it told an error").to_owned()),
        None => Ok(answer.get("result").cloned().unwrap_or(Value::Null)),
    }
}

/// All plugins by name: those installed, and those that Python's ClawTeam knows.
pub fn all(app: &App) -> Outcome<IndexMap<String, Plugin>> {
    let enabled = listed(&app.settings);
    let mut found = IndexMap::new();
    for module in &enabled {
        let name = module.rsplit('.').next().unwrap_or(module).to_owned();
        let problem = Some(PluginError::Python(name.clone()).to_string());
        found.insert(name, bare("config", Some(module.clone()), problem));
    }
    for name in python_dirs(&app.store)? {
        let key = Dir::plugins().child(&name).entry("plugin.json");
        let read = app.store.load::<PythonManifest>(&key);
        let Ok(Some(doc)) = read else { continue };
        let PythonManifest { name: told, version, description } = doc.value;
        let name = if told.is_empty() { name } else { told };
        let problem = Some(PluginError::Python(name.clone()).to_string());
        let path = app.store.path_of(&key).parent().map(|dir| dir.display().to_string());
        found.insert(name, Plugin { version, description, ..bare("local", path, problem) });
    }
    for dir in python_dirs(&app.home_store)? {
        let key = Dir::plugins().child(&dir).entry(MANIFEST);
        if app.home_store.backend().read(&key)?.is_none() {
            continue;
        }
        let place = Name::parse(dir.clone()).ok().map(|name| directory(app, &name));
        let path = place.map(|place| place.display().to_string());
        let is_enabled = enabled.contains(&dir);
        let plugin = match manifest(app, &dir) {
            Ok(manifest) => Plugin {
                version: manifest.version,
                description: manifest.description,
                author: manifest.author,
                permissions: manifest.permissions,
                events: manifest.events,
                enabled: is_enabled,
                ..bare("installed", path, None)
            },
            Err(failure) => bare("installed", path, Some(failure.message())),
        };
        found.insert(dir, plugin);
    }
    found.sort_keys();
    Ok(found)
}

fn bare(source: &'static str, path: Option<String>, problem: Option<String>) -> Plugin {
    Plugin {
        version: String::new(),
        description: String::new(),
        source,
        path,
        author: String::new(),
        permissions: Vec::new(),
        events: Vec::new(),
        enabled: false,
        problem,
    }
}

fn python_dirs(store: &Store) -> Outcome<Vec<String>> {
    let mut names = store.backend().list_dirs(&Dir::plugins())?;
    // What is being installed is not there yet.
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

/// The plugin called `name`.
pub fn get(app: &App, name: &str) -> Outcome<Plugin> {
    let found = all(app)?.shift_remove(name);
    Ok(found.ok_or_else(|| PluginError::NotFound(name.to_owned()))?)
}

/// Enables a plugin, once `agree`, which hears what it asks for, says so.
pub fn enable(app: &App, name: &str, agree: impl FnOnce(&PluginManifest) -> bool) -> Outcome<bool> {
    if listed(&app.settings).iter().any(|known| known == name) && manifest(app, name).is_ok() {
        return Ok(false);
    }
    let found = match manifest(app, name) {
        Err(failure) if failure.inner().code() == "plugin_not_found" => {
            get(app, name)?;
            return Err(PluginError::Python(name.to_owned()).into());
        }
        found => found?,
    };
    if !agree(&found) {
        return Err(PluginError::NotAgreed(name.to_owned()).into());
    }
    settings::change(app, |settings| {
        let mut list = listed(settings);
        if !list.iter().any(|known| known == name) {
            list.push(name.to_owned());
        }
        settings.document.insert("plugins".into(), list.into());
        Ok(true)
    })
}

/// Disables a plugin. Whether it was enabled.
pub fn disable(app: &App, name: &str) -> Outcome<bool> {
    if !listed(&app.settings).iter().any(|known| known == name) {
        get(app, name)?;
        return Ok(false);
    }
    settings::change(app, |settings| {
        let mut list = listed(settings);
        list.retain(|known| known != name);
        settings.document.insert("plugins".into(), list.into());
        Ok(true)
    })
}

/// Gets an installed plugin ready to be moved away: it is disabled. Returns where it is and where
/// it shall go, in the trash of the data directory in the user's home.
pub fn retire(app: &App, name: &str) -> Outcome<(PathBuf, PathBuf)> {
    let checked = Name::parse_as("plugin name", name)?;
    let key = Dir::plugins().child(checked.as_str()).entry(MANIFEST);
    if app.home_store.backend().read(&key)?.is_none() {
        get(app, name)?;
        return Err(PluginError::Python(name.to_owned()).into());
    }
    disable(app, name)?;
    Ok((directory(app, &checked), trash(app, &checked)))
}

/// Where an old copy of a plugin goes.
pub fn trash(app: &App, name: &Name) -> PathBuf {
    let label = format!("plugin-{name}-{}", app.now().format("%Y%m%dT%H%M%S%3fZ"));
    app.home_store.path_of(&Dir::top().child("trash").entry(&label))
}

//! The environment of agents: what they find in it, and how secrets get there.

use std::collections::BTreeMap;
use std::path::Path;

use super::App;
use super::spawn::Request;
use crate::core::{Diagnose, Outcome, UserName};
use crate::domain::agent::{LaunchPlan, Sources};
use crate::domain::profile::ProfileError;
use crate::domain::secret::{self, Reference};
use crate::env;
use crate::store::Key;

/// What never reaches an agent from whoever starts it: where *they* are, not where it is, and what
/// shows who they are.
const LEFT_BEHIND: [&str; 9] =
    ["TMUX", "TMUX_PANE", "PWD", "OLDPWD", "COLUMNS", "LINES", "SHLVL", "_", env::TOKEN];

/// Puts the environment of an agent into its plan: what anybody may know by value, the rest by
/// name or reference.
pub(super) fn fill(app: &App, request: &Request, mut plan: LaunchPlan) -> Outcome<LaunchPlan> {
    let mut vars: BTreeMap<String, String> =
        app.env.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    vars.retain(|name, _| {
        !LEFT_BEHIND.contains(&name.as_str()) && !plan.unset.contains(name) && !is_identity(name)
    });
    let secrets = request.setup.secrets.clone();
    let sources: Vec<String> = sources(&secrets).collect();
    let is_kept = |name: &&String| secret::is_secret_name(name) || sources.contains(name);
    let mut inherited: Vec<String> = vars.keys().filter(is_kept).cloned().collect();
    vars.retain(|name, _| !inherited.contains(name));
    let truth = |yes: bool| if yes { "1" } else { "0" }.to_owned();
    let program = app.processes.own_program().map_err(NoProgram)?;
    let bin = vars.get(env::BIN).cloned().unwrap_or_else(|| program.display().to_string());
    let prompt_file = app.data_dir.join(Key::prompt(&request.team, &request.agent).as_str());
    let mut set = |name: &str, value: String| vars.insert(name.to_owned(), value);
    set(env::DATA_DIR, app.data_dir.display().to_string());
    set("CLAWTEAM_AGENT_ID", plan.agent_id.clone());
    set("CLAWTEAM_AGENT_NAME", plan.agent.clone());
    set("CLAWTEAM_AGENT_TYPE", plan.agent_type.clone());
    set("CLAWTEAM_TEAM_NAME", plan.team.clone());
    set("CLAWTEAM_AGENT_LEADER", truth(plan.is_leader));
    set("CLAWTEAM_MEMORY_SCOPE", format!("custom:team-{}", plan.team));
    set("CLAWTEAM_CONTEXT_ENABLED", "1".into());
    set(env::WORKSPACE_DIR, plan.cwd.clone());
    if plan.prompt.is_some() {
        set(env::PROMPT_FILE, prompt_file.display().to_string());
    }
    if let Ok(user) = UserName::parse(app.identity.user.clone()) {
        set(env::USER, user.to_string());
    }
    if let Some(model) = &request.model {
        set("CLAWTEAM_MODEL", model.clone());
    }
    set(env::BIN, bin.clone());
    vars.extend(request.env.clone());
    let path = with_directory_of(&bin, vars.get("PATH").map_or("", String::as_str));
    vars.insert("PATH".into(), path);
    vars.entry("LANG".into()).or_insert_with(|| "en_US.UTF-8".into());
    vars.retain(|name, _| !secrets.contains_key(name));
    inherited.retain(|name| !secrets.contains_key(name) && !vars.contains_key(name));
    plan.env = vars;
    plan.sources = Sources { profile: request.setup.profile.clone(), secrets, inherited };
    Ok(plan)
}

/// The variables that `env:` references name.
fn sources(secrets: &BTreeMap<String, String>) -> impl Iterator<Item = String> {
    secrets.values().filter_map(|text| match Reference::parse(text) {
        Some(Reference::Variable(source)) => Some(source),
        _ => None,
    })
}

/// What a runner that does not inherit our environment must be handed to find all secrets of
/// `plan`, by name. One that is asked for and not there is an error.
pub(super) fn to_hand_over(app: &App, plan: &LaunchPlan) -> Outcome<BTreeMap<String, String>> {
    let own = |name: &String| app.env.get(name).map(|value| (name.clone(), value.to_owned()));
    let mut found: BTreeMap<String, String> =
        plan.sources.inherited.iter().filter_map(own).collect();
    for (wanted, text) in &plan.sources.secrets {
        if let Some(Reference::Variable(variable)) = Reference::parse(text) {
            let (wanted, missing) = (wanted.clone(), variable.clone());
            let missing = || ProfileError::NoSecret { wanted, variable: missing };
            found.extend([own(&variable).ok_or_else(missing)?]);
        }
    }
    Ok(found)
}

/// The whole environment of an agent, with its secrets. They come from `given`, or from our own
/// environment, or from where the references say.
pub(super) fn complete(
    app: &App,
    plan: &LaunchPlan,
    given: Option<&Path>,
) -> Outcome<BTreeMap<String, String>> {
    let given: Option<BTreeMap<String, String>> = match given {
        None => None,
        Some(path) => {
            let bytes = app.processes.take_over(path).map_err(NotGiven)?;
            Some(serde_json::from_slice(&bytes).map_err(|error| NotGiven(error.into()))?)
        }
    };
    let known = |name: &str| match &given {
        Some(given) => given.get(name).cloned(),
        None => app.env.get(name).map(str::to_owned),
    };
    let mut env = plan.env.clone();
    for name in &plan.sources.inherited {
        env.extend(known(name).map(|value| (name.clone(), value)));
    }
    let secrets =
        super::secret::resolve(app, &plan.sources.secrets, &known, &env, Path::new(&plan.cwd))?;
    env.extend(secrets);
    Ok(env)
}

/// Whoever started this runner did not hand over what it needs.
#[derive(Debug, thiserror::Error)]
#[error("the secrets of the agent were not handed over")]
struct NotGiven(#[source] std::io::Error);

impl Diagnose for NotGiven {
    fn code(&self) -> &'static str {
        "secret_missing"
    }
}

/// This program's own file cannot be found.
#[derive(Debug, thiserror::Error)]
#[error("cannot find the clawteam program")]
pub(super) struct NoProgram(#[source] pub(super) std::io::Error);

impl Diagnose for NoProgram {
    fn code(&self) -> &'static str {
        "no_program"
    }
}

/// Whether a variable says who somebody is, under whatever prefix.
fn is_identity(name: &str) -> bool {
    const FIELDS: [&str; 7] = [
        "AGENT_ID",
        "AGENT_NAME",
        "AGENT_TYPE",
        "AGENT_LEADER",
        "TEAM_NAME",
        "PLAN_MODE_REQUIRED",
        "MODEL",
    ];
    env::IDENTITY_PREFIXES
        .iter()
        .any(|prefix| name.strip_prefix(prefix).is_some_and(|field| FIELDS.contains(&field)))
}

/// `path` with the directory of the program `bin` in it.
fn with_directory_of(bin: &str, path: &str) -> String {
    let Some((dir, _)) = bin.rsplit_once('/') else { return path.to_owned() };
    if path.split(':').any(|known| known == dir) {
        path.to_owned()
    } else if path.is_empty() {
        dir.to_owned()
    } else {
        format!("{dir}:{path}")
    }
}

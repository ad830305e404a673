//! `clawteam profile`.

mod doctor;
mod wizard;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Cx, args};
use crate::app::profile::{self, Trial};
use crate::core::{Outcome, text};
use crate::domain::profile::{Edit, Profile};
use crate::output::{self, Table};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// List all profiles
    List,
    /// Show a profile
    Show {
        /// The profile
        name: String,
    },
    /// Make or change a profile; what is not named stays as it is
    Set {
        /// The profile
        name: String,
        #[command(flatten)]
        edit: Box<EditArgs>,
    },
    /// Remove a profile
    Remove {
        /// The profile
        name: String,
    },
    /// Run the profile's program once, and see whether it answers
    Test {
        /// The profile
        name: String,
        /// What to tell it [default: to say a certain word]
        #[arg(long)]
        prompt: Option<String>,
        /// Where to run it [default: here]
        #[arg(long, value_name = "DIR")]
        cwd: Option<PathBuf>,
        /// How long it may take, in seconds
        #[arg(long, default_value = "120", value_parser = args::seconds)]
        timeout: Duration,
    },
    /// Make a profile by answering questions
    Wizard,
    /// Get what is in the way of a program's first start out of the way
    Doctor {
        /// The agent program; `claude` is the only one that needs it
        client: String,
    },
}

/// What can be said of a profile.
#[derive(Debug, Args)]
pub(super) struct EditArgs {
    /// The agent program
    #[arg(long)]
    agent: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// The program with arguments, as in a shell
    #[arg(long)]
    command: Option<String>,
    /// The model
    #[arg(long)]
    model: Option<String>,
    /// Where the model is served
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// The variable that tells the program so [default: the usual one]
    #[arg(long, value_name = "NAME")]
    base_url_env: Option<String>,
    /// Where the key comes from: the variable that holds it, `env:NAME` or `cmd:COMMAND`
    #[arg(long, value_name = "SOURCE")]
    api_key_env: Option<String>,
    /// The variable that the program reads the key from [default: the usual one]
    #[arg(long, value_name = "NAME")]
    api_key_target_env: Option<String>,
    /// A variable; the value may be `env:NAME` or `cmd:COMMAND`. Repeat for more
    #[arg(long, value_name = "KEY=VALUE")]
    env: Vec<String>,
    /// A variable that is copied from another. Repeat for more
    #[arg(long, value_name = "DEST=SOURCE")]
    env_map: Vec<String>,
    /// An argument to add at the end. Repeat for more
    #[arg(long = "arg", value_name = "WORD", allow_hyphen_values = true)]
    args: Vec<String>,
    /// What it may do without asking: `ask`, `edit` or `full`
    #[arg(long, value_name = "LEVEL")]
    permissions: Option<String>,
    /// Let it use an API key that it finds in its environment, if it asks
    #[arg(long, overrides_with = "no_allow_api_key")]
    allow_api_key: bool,
    /// Do not
    #[arg(long, overrides_with = "allow_api_key")]
    no_allow_api_key: bool,
}

impl EditArgs {
    /// As the use cases take it.
    pub(super) fn edit(self) -> Edit {
        let allow_api_key = match (self.allow_api_key, self.no_allow_api_key) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        Edit {
            agent: self.agent,
            description: self.description,
            command: self.command,
            model: self.model,
            base_url: self.base_url,
            base_url_env: self.base_url_env,
            api_key_env: self.api_key_env,
            api_key_target_env: self.api_key_target_env,
            env: self.env,
            env_map: self.env_map,
            args: self.args,
            permissions: self.permissions,
            allow_api_key,
        }
    }
}

pub(super) fn run(cx: &Cx, command: ProfileCommand) -> Outcome<ExitCode> {
    match command {
        ProfileCommand::List => list(cx)?,
        ProfileCommand::Show { name } => {
            let found = profile::get(&cx.app, &name)?;
            cx.out.result(&found, || lines(&name, &found))?;
        }
        ProfileCommand::Set { name, edit } => {
            profile::set(&cx.app, &name, &edit.edit())?;
            let payload = json!({"status": "saved", "profile": name});
            cx.out.result(&payload, || format!("OK Saved profile '{name}'"))?;
        }
        ProfileCommand::Remove { name } => {
            profile::remove(&cx.app, &name)?;
            let payload = json!({"status": "removed", "profile": name});
            cx.out.result(&payload, || format!("OK Removed profile '{name}'"))?;
        }
        ProfileCommand::Test { name, prompt, cwd, timeout } => {
            let found = profile::get(&cx.app, &name)?;
            return test(cx, &name, &found, prompt.as_deref(), cwd, timeout);
        }
        ProfileCommand::Wizard => return wizard::run(cx),
        ProfileCommand::Doctor { client } => doctor::run(cx, &client)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(cx: &Cx) -> Outcome<()> {
    let all = profile::all(&cx.app);
    if cx.out.json {
        return cx.out.json(&all);
    }
    if all.is_empty() {
        return cx.out.text(
            "No profiles. Make one: clawteam profile wizard, or: clawteam preset bootstrap PRESET",
        );
    }
    let usual = cx.app.setting("default_profile");
    let mut table = Table::new("Profiles")
        .column("Name")
        .column("Agent")
        .column("Model")
        .column("Base URL")
        .prose("Description");
    for (name, profile) in &all {
        let shown = if *name == usual { format!("{name} (default)") } else { name.clone() };
        let cells = [profile.program(), &profile.model, &profile.base_url, &profile.description];
        table.row(std::iter::once(shown).chain(cells.map(str::to_owned)));
    }
    cx.out.text(&table.render(cx.out.width()))
}

/// A profile for people, without the values of secrets.
fn lines(name: &str, profile: &Profile) -> String {
    use crate::domain::secret::{Reference, is_secret_name};
    let mut lines = vec![format!("Profile: {name}")];
    let mut line = |label: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("  {label}: {value}"));
        }
    };
    line("Description", profile.description.clone());
    line("Agent", profile.agent.clone());
    line("Command", profile.command.join(" "));
    line("Model", profile.model.clone());
    line("Base URL", profile.base_url.clone());
    line("Base URL goes into", profile.base_url_env.clone());
    line("Key comes from", profile.api_key_env.clone());
    line("Key goes into", profile.api_key_target_env.clone());
    for (variable, value) in &profile.env {
        let hidden = is_secret_name(variable) && Reference::written(value).is_none();
        line("Variable", format!("{variable}={}", if hidden { "***" } else { value }));
    }
    for (target, source) in &profile.env_map {
        line("Variable", format!("{target} from ${source}"));
    }
    line("Arguments", profile.args.join(" "));
    line("Permissions", profile.permissions.clone());
    line("May use an API key that it finds", if profile.allow_api_key { "yes" } else { "" }.into());
    lines.join("\n")
}

fn test(
    cx: &Cx,
    name: &str,
    found: &Profile,
    prompt: Option<&str>,
    cwd: Option<PathBuf>,
    limit: Duration,
) -> Outcome<ExitCode> {
    let cwd = cwd.unwrap_or_else(|| PathBuf::from("."));
    if !cx.out.json {
        output::say(&format!("Testing profile '{name}', at most {} s …", limit.as_secs()));
    }
    let trial = profile::trial(&cx.app, name, found, prompt, &cwd, limit)?;
    cx.out.result(&trial, || verdict(&trial, limit))?;
    Ok(if trial.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verdict(trial: &Trial, limit: Duration) -> String {
    let said = |label: &str, output: &str| match output.trim() {
        "" => String::new(),
        output => format!("\n{label}:\n{}", text::cut(output, 4000)),
    };
    let head = match trial {
        Trial { ok: true, .. } => format!("OK Profile '{}' works", trial.profile),
        Trial { timed_out: true, .. } => {
            format!("✗ Profile '{}': no answer within {} s", trial.profile, limit.as_secs())
        }
        Trial { returncode: 0, .. } => {
            format!("✗ Profile '{}': it ran, but did not say {}", trial.profile, profile::TOKEN)
        }
        _ => format!("✗ Profile '{}': it ended with status {}", trial.profile, trial.returncode),
    };
    let output = if trial.ok { String::new() } else { said("Its output", &trial.stdout) };
    format!("{head}{output}{}", said("Its complaints", &trial.stderr))
}

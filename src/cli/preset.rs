//! `clawteam preset`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::Cx;
use super::profile::EditArgs;
use crate::app::profile;
use crate::core::Outcome;
use crate::domain::profile::preset::{self, Found};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum PresetCommand {
    /// List all presets
    List,
    /// Show a preset
    Show {
        /// The preset
        name: String,
    },
    /// Make a preset or change one; a built-in one is copied first
    Set {
        /// The preset
        name: String,
        /// What it is
        #[arg(long)]
        description: Option<String>,
        /// Where the key comes from: the variable that holds it, `env:NAME` or `cmd:COMMAND`
        #[arg(long, value_name = "SOURCE")]
        auth_env: Option<String>,
        /// Where models are served
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
        /// A variable for all programs. Repeat for more; all that were there are replaced
        #[arg(long, value_name = "KEY=VALUE")]
        env: Vec<String>,
    },
    /// Say what is different for one agent program
    SetClient {
        /// The preset
        preset: String,
        /// The agent program
        client: String,
        #[command(flatten)]
        edit: Box<EditArgs>,
    },
    /// Copy a preset
    Copy {
        /// The preset to copy
        source: String,
        /// The name of the copy
        target: String,
    },
    /// Remove a preset of your own
    Remove {
        /// The preset
        name: String,
    },
    /// Remove what a preset of your own says of one agent program
    RemoveClient {
        /// The preset
        preset: String,
        /// The agent program
        client: String,
    },
    /// Make a profile of a preset for one agent program
    GenerateProfile {
        /// The preset
        preset: String,
        /// The agent program
        client: String,
        /// The profile's name [default: <client>-<preset>]
        #[arg(long)]
        name: Option<String>,
        /// Replace a profile of that name
        #[arg(long)]
        force: bool,
    },
    /// Make a profile of a preset for each agent program that it knows
    Bootstrap {
        /// The preset
        preset: String,
        /// Only for this agent program. Repeat for more
        #[arg(long)]
        client: Vec<String>,
        /// Replace profiles of the same names
        #[arg(long)]
        force: bool,
    },
}

pub(super) fn run(cx: &Cx, command: PresetCommand) -> Outcome<ExitCode> {
    let app = &cx.app;
    match command {
        PresetCommand::List => list(cx)?,
        PresetCommand::Show { name } => {
            let found = preset::find(&app.settings, &name)?;
            cx.out.result(&found, || lines(&name, &found))?;
        }
        PresetCommand::Set { name, description, auth_env, base_url, env } => {
            let (description, auth_env) = (description.as_deref(), auth_env.as_deref());
            profile::set_preset(app, &name, description, auth_env, base_url.as_deref(), &env)?;
            let payload = json!({"status": "saved", "preset": name});
            cx.out.result(&payload, || format!("OK Saved preset '{name}'"))?;
        }
        PresetCommand::SetClient { preset, client, edit } => {
            profile::set_client(app, &preset, &client, &edit.edit())?;
            let payload = json!({"status": "saved", "preset": preset, "client": client});
            cx.out.result(&payload, || format!("OK Saved '{client}' in preset '{preset}'"))?;
        }
        PresetCommand::Copy { source, target } => {
            profile::copy_preset(app, &source, &target)?;
            let payload = json!({"status": "copied", "source": source, "target": target});
            cx.out.result(&payload, || format!("OK Copied preset '{source}' to '{target}'"))?;
        }
        PresetCommand::Remove { name } => {
            profile::remove_preset(app, &name)?;
            let payload = json!({"status": "removed", "preset": name});
            cx.out.result(&payload, || format!("OK Removed preset '{name}'"))?;
        }
        PresetCommand::RemoveClient { preset, client } => {
            profile::remove_client(app, &preset, &client)?;
            let payload = json!({"status": "removed", "preset": preset, "client": client});
            cx.out.result(&payload, || format!("OK Removed '{client}' from preset '{preset}'"))?;
        }
        PresetCommand::GenerateProfile { preset, client, name, force } => {
            let (name, made) = profile::generate(app, &preset, &client, name.as_deref(), force)?;
            let payload = json!({
                "status": "saved", "preset": preset, "client": client, "profile": name,
                "config": made,
            });
            cx.out.result(&payload, || format!("OK Saved profile '{name}'"))?;
        }
        PresetCommand::Bootstrap { preset, client, force } => {
            let done = profile::bootstrap(app, &preset, &client, force)?;
            cx.out.result(&done, || {
                let made = done.generated.iter().map(|name| format!("OK Saved profile '{name}'"));
                let kept = done.skipped.iter().map(|name| {
                    format!("Kept profile '{name}', which was there already (--force replaces it)")
                });
                made.chain(kept).collect::<Vec<_>>().join("\n")
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(cx: &Cx) -> Outcome<()> {
    let (all, bad) = preset::all(&cx.app.settings);
    for error in bad {
        cx.app.warn(error.to_string());
    }
    if cx.out.json {
        return cx.out.json(&all);
    }
    let mut table = Table::new("Presets")
        .column("Name")
        .column("Source")
        .column("Clients")
        .column("Auth Env")
        .column("Base URL")
        .prose("Description");
    for (name, Found { preset, source }) in &all {
        let clients: Vec<&str> = preset.client_overrides.keys().map(String::as_str).collect();
        table.row([
            name.as_str(),
            source.as_str(),
            &clients.join(", "),
            &preset.auth_env,
            &preset.base_url,
            &preset.description,
        ]);
    }
    cx.out.text(&table.render(cx.out.width()))
}

fn lines(name: &str, Found { preset, source }: &Found) -> String {
    let mut lines = vec![format!("Preset: {name} ({})", source.as_str())];
    for (label, value) in [
        ("Description", &preset.description),
        ("Key comes from", &preset.auth_env),
        ("Base URL", &preset.base_url),
    ] {
        if !value.is_empty() {
            lines.push(format!("  {label}: {value}"));
        }
    }
    lines.extend(preset.env.iter().map(|(name, value)| format!("  Variable: {name}={value}")));
    for (client, profile) in &preset.client_overrides {
        lines.push(format!("  {client}:"));
        let fields = [("model", &profile.model), ("base URL", &profile.base_url)];
        for (label, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            lines.push(format!("    {label}: {value}"));
        }
        lines.extend(profile.env.iter().map(|(name, value)| format!("    {name}={value}")));
    }
    lines.join("\n")
}

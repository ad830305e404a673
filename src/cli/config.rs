//! `clawteam config`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Map, json};

use super::Cx;
use crate::app::settings::{self, DataDirHealth};
use crate::core::Outcome;
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show all settings and where they come from
    Show,
    /// Show one setting
    Get {
        /// The setting
        key: String,
    },
    /// Change one setting
    Set {
        /// The setting
        key: String,
        /// Its new value
        value: String,
    },
    /// Check whether the data directory can be used
    Health,
}

pub(super) fn run(cx: &Cx, command: ConfigCommand) -> Outcome<ExitCode> {
    match command {
        ConfigCommand::Show => show(cx)?,
        ConfigCommand::Get { key } => {
            let found = settings::get(&cx.app, &key)?;
            let payload = json!({"key": key, "value": found.value, "source": found.source});
            cx.out.result(&payload, || {
                format!("{key} = {}  ({})", or_empty(&found.value), found.source.as_str())
            })?;
        }
        ConfigCommand::Set { key, value } => {
            settings::set(&cx.app, &key, &value)?;
            let payload = json!({"status": "saved", "key": key, "value": value});
            cx.out.result(&payload, || format!("OK {key} = {value}"))?;
        }
        ConfigCommand::Health => {
            let health = settings::health(&cx.app)?;
            cx.out.result(&health, || health_text(&health))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn or_empty(value: &str) -> &str {
    if value.is_empty() { "(empty)" } else { value }
}

fn show(cx: &Cx) -> Outcome<()> {
    let all = settings::all(&cx.app);
    if cx.out.json {
        let payload: Map<_, _> = all
            .into_iter()
            .map(|(key, found)| {
                (key.to_owned(), json!({"value": found.value, "source": found.source}))
            })
            .collect();
        return cx.out.json(&payload);
    }
    let mut table = Table::new("Configuration").column("Key").prose("Value").column("Source");
    for (key, found) in all {
        table.row([key, or_empty(&found.value), found.source.as_str()]);
    }
    cx.out.text(&table.render(cx.out.width()))
}

fn health_text(health: &DataDirHealth) -> String {
    let yes = |truth: bool| if truth { "yes" } else { "no" };
    let mount = if health.is_mount { "yes (remote/shared)" } else { "no (local)" };
    let user = if health.user.is_empty() { "(not set)" } else { &health.user };
    let mut text = format!(
        "\nData Directory: {}  ({})\n  Exists: {}\n  Writable: {}\n",
        health.data_dir,
        health.data_dir_source.as_str(),
        yes(health.exists),
        yes(health.writable)
    );
    if let Some(error) = &health.write_error {
        text.push_str(&format!("  Error: {error}\n"));
    } else {
        text.push_str(&format!("  Latency: {:.1} ms\n", health.latency_ms));
    }
    text.push_str(&format!(
        "  Mount point: {mount}\n  Teams: {}\n  User: {user} ({})",
        health.teams_count,
        health.user_source.as_str()
    ));
    text
}

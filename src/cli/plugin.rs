//! `clawteam plugin`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Cx, file};
use crate::app::plugin::{self, Plugin};
use crate::core::{Name, Outcome};
use crate::domain::plugin::{MANIFEST, PluginError, PluginManifest};
use crate::output::{self, Table};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// List all plugins
    List,
    /// Show a plugin
    Info {
        /// The plugin
        name: String,
    },
    /// Install a plugin from its directory; it is not enabled by that
    Install {
        /// The directory with its plugin.toml
        path: PathBuf,
        /// Replace a plugin of the same name
        #[arg(short, long)]
        force: bool,
    },
    /// Let a plugin hear of events and add to prompts, as it asks
    Enable {
        /// The plugin
        name: String,
        /// Agree to what it asks for
        #[arg(short, long)]
        yes: bool,
    },
    /// Do not use a plugin any more
    Disable {
        /// The plugin
        name: String,
    },
    /// Disable and remove a plugin; its files are kept in ~/.clawteam/trash
    Uninstall {
        /// The plugin
        name: String,
    },
}

pub(super) fn run(cx: &Cx, command: PluginCommand) -> Outcome<ExitCode> {
    match command {
        PluginCommand::List => list(cx)?,
        PluginCommand::Info { name } => {
            let found = plugin::get(&cx.app, &name)?;
            let mut payload = serde_json::to_value(&found).unwrap_or_default();
            payload["name"] = name.clone().into();
            cx.out.result(&payload, || lines(&name, &found))?;
        }
        PluginCommand::Install { path, force } => install(cx, &path, force)?,
        PluginCommand::Enable { name, yes } => enable(cx, &name, yes)?,
        PluginCommand::Disable { name } => {
            let was = plugin::disable(&cx.app, &name)?;
            let payload = json!({"status": "disabled", "plugin": name, "changed": was});
            cx.out.result(&payload, || {
                let (done, not) = ("OK Disabled plugin", "was not enabled");
                if was { format!("{done} '{name}'") } else { format!("Plugin '{name}' {not}") }
            })?;
        }
        PluginCommand::Uninstall { name } => {
            let (from, to) = plugin::retire(&cx.app, &name)?;
            file::move_tree(&from, &to)?;
            let payload = json!({"status": "uninstalled", "plugin": name, "kept_in": to});
            cx.out.result(&payload, || {
                format!("OK Uninstalled plugin '{name}'; its files are kept in {}", to.display())
            })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(cx: &Cx) -> Outcome<()> {
    let all = plugin::all(&cx.app)?;
    if cx.out.json {
        return cx.out.json(&all);
    }
    if all.is_empty() {
        return cx.out.text("No plugins.");
    }
    let mut table = Table::new("Plugins")
        .column("Name")
        .column("Version")
        .column("Source")
        .column("State")
        .prose("Description");
    for (name, plugin) in &all {
        let cells = [plugin.version.as_str(), plugin.source, state(plugin), &plugin.description];
        table.row(std::iter::once(name.as_str()).chain(cells));
    }
    cx.out.text(&table.render(cx.out.width()))
}

fn state(plugin: &Plugin) -> &'static str {
    match plugin {
        Plugin { problem: Some(_), .. } => "cannot be used",
        Plugin { enabled: true, .. } => "enabled",
        _ => "disabled",
    }
}

fn lines(name: &str, plugin: &Plugin) -> String {
    let mut lines = vec![format!("name: {name}")];
    for (label, value) in [
        ("version", plugin.version.clone()),
        ("description", plugin.description.clone()),
        ("author", plugin.author.clone()),
        ("source", plugin.source.to_owned()),
        ("path", plugin.path.clone().unwrap_or_default()),
        ("permissions", plugin.permissions.join(", ")),
        ("events", plugin.events.join(", ")),
        ("state", state(plugin).to_owned()),
        ("problem", plugin.problem.clone().unwrap_or_default()),
    ] {
        if !value.is_empty() {
            lines.push(format!("{label}: {value}"));
        }
    }
    lines.join("\n")
}

fn install(cx: &Cx, path: &Path, force: bool) -> Outcome<()> {
    let place = path.join(MANIFEST);
    if !place.is_file() {
        return Err(PluginError::NoManifest(path.display().to_string()).into());
    }
    let place = place.display().to_string();
    let manifest = PluginManifest::read(&file::read_text(&place)?, &place)?;
    let name = Name::parse_as("plugin name", manifest.name.as_str())?;
    let target = plugin::directory(&cx.app, &name);
    if target.join(MANIFEST).exists() {
        if !force {
            return Err(PluginError::Exists(name.to_string()).into());
        }
        // What it asks for may be something else by now.
        plugin::disable(&cx.app, name.as_str())?;
    }
    file::install_tree(path, &target, &plugin::trash(&cx.app, &name))?;
    let payload = json!({
        "status": "installed",
        "plugin": name,
        "version": manifest.version,
        "path": target,
        "permissions": manifest.permissions,
    });
    cx.out.result(&payload, || {
        format!(
            "OK Installed plugin '{name}' {}\n{}\nUse it: clawteam plugin enable {name}",
            manifest.version,
            wishes(&manifest)
        )
    })
}

/// What a plugin asks for.
fn wishes(manifest: &PluginManifest) -> String {
    let permissions = match manifest.permissions.as_slice() {
        [] => "nothing".to_owned(),
        list => list.join(", "),
    };
    let mut text = format!("  It asks for: {permissions}");
    if !manifest.events.is_empty() {
        text.push_str(&format!("\n  It hears of: {}", manifest.events.join(", ")));
    }
    text.push_str(&format!("\n  It runs, as you: {}", manifest.entry.words().join(" ")));
    text
}

fn enable(cx: &Cx, name: &str, yes: bool) -> Outcome<()> {
    let changed = plugin::enable(&cx.app, name, |manifest| {
        output::say(&format!("Plugin '{name}' {}", manifest.version));
        output::say(&wishes(manifest));
        yes || output::can_ask() && output::confirm("Enable it?")
    })?;
    let payload = json!({"status": "enabled", "plugin": name, "changed": changed});
    cx.out.result(&payload, || {
        let (done, not) = ("OK Enabled plugin", "is enabled already");
        if changed { format!("{done} '{name}'") } else { format!("Plugin '{name}' {not}") }
    })
}

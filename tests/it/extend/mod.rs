//! Hooks and plugins.

mod events;
mod hooks;
mod plugins;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::support::World;

/// Has a command run for a kind of event.
fn hook(world: &World, event: &str, command: &str) {
    world.run(&["hook", "add", "--event", event, "--command", command]).succeeds();
}

/// The lines of a file that hooks write; none if there is none yet.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What hooks said so far.
fn log(world: &World) -> String {
    let days = world.names("hooks");
    days.iter()
        .map(|day| fs::read_to_string(world.data().join("hooks").join(day)).expect("a log"))
        .collect()
}

/// A directory with a plugin.
fn plugin(world: &World, name: &str, manifest: &str, program: &str) -> PathBuf {
    let dir = world.top().join(name);
    fs::create_dir_all(&dir).expect("a directory can be made");
    fs::write(dir.join("plugin.toml"), manifest).expect("ours");
    fs::write(dir.join("run"), format!("#!/bin/sh\n{program}\n")).expect("ours");
    fs::set_permissions(dir.join("run"), fs::Permissions::from_mode(0o755)).expect("ours");
    dir
}

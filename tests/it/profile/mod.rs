//! Profiles, presets, models and secrets by reference.

mod edit;
mod preset;
mod secrets;
mod start;
mod trial;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::support::World;

/// A place with a tmux server of its own, which ends with the test.
struct Place {
    world: World,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.world.clear();
    }
}

impl Place {
    fn new() -> Self {
        Self { world: World::new() }
    }

    fn with(variables: &[(&str, &str)]) -> Self {
        variables.iter().fold(Self::new(), |place, (name, value)| place.having(name, value))
    }

    /// The same with one more environment variable.
    fn having(mut self, name: &str, value: &str) -> Self {
        let world = std::mem::replace(&mut self.world, World::new());
        self.world = world.env(name, value);
        self
    }

    /// A program.
    fn script(&self, name: &str, body: &str) -> String {
        let path = self.world.top().join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        path.display().to_string()
    }

    fn profile(&self, name: &str) -> Value {
        self.world.json(&["profile", "show", name])
    }

    fn settings(&self) -> PathBuf {
        self.world.home().join(".clawteam/config.json")
    }

    fn write_settings(&self, text: &str) {
        fs::create_dir_all(self.world.home().join(".clawteam")).expect("a directory can be made");
        fs::write(self.settings(), text).expect("a file can be written");
    }
}

/// Every file below `top` that holds `secret`.
fn leaks(top: &Path, secret: &str) -> Vec<PathBuf> {
    let held = |bytes: &Option<Vec<u8>>| {
        let bytes = bytes.as_deref().unwrap_or_default();
        bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
    };
    let found = super::support::tree(top).into_iter().filter(|(_, bytes)| held(bytes));
    found.map(|(path, _)| path).collect()
}

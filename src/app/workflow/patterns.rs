//! Templates of workflows: those of the user, and those that come with clawteam.

use serde::Serialize;

use super::library_error::LibraryError;
use crate::app::App;
use crate::core::{Name, Outcome};
use crate::domain::workflow::definition::{Format, Options, read};
use crate::store::Dir;

/// The templates that come with clawteam, by name.
const BUILT_IN: &[(&str, &str)] = &[
    ("bug-triage", include_str!("../../../templates/workflows/bug-triage.toml")),
    ("demo", include_str!("../../../templates/workflows/demo.toml")),
    ("feature", include_str!("../../../templates/workflows/feature.toml")),
    ("nightly", include_str!("../../../templates/workflows/nightly.toml")),
    ("release", include_str!("../../../templates/workflows/release.toml")),
    ("research", include_str!("../../../templates/workflows/research.toml")),
];

/// A template in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Pattern {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `builtin` or `user`.
    pub source: &'static str,
}

fn user_dir() -> Dir {
    Dir::top().child("workflows")
}

/// All templates, sorted by name. One of the user's hides one of the same name that comes with
/// clawteam.
pub fn list(app: &App) -> Outcome<Vec<Pattern>> {
    let mut names = app.home_store.backend().list(&user_dir())?;
    names.sort_unstable();
    let stems = names.iter().filter_map(|name| name.strip_suffix(".toml"));
    let users = stems.filter(|stem| Name::parse(*stem).is_ok()).map(str::to_owned);
    let mut found: Vec<(String, &str)> = users.map(|name| (name, "user")).collect();
    for (name, _) in BUILT_IN {
        if !found.iter().any(|(known, _)| known == name) {
            found.push(((*name).to_owned(), "builtin"));
        }
    }
    found.sort();
    let mut listed = Vec::new();
    for (name, source) in found {
        let text = text(app, &name)?;
        let reading = read(&text, Format::Toml, Options { name: Some(&name), lenient: true });
        let description = reading.definition.map_or_else(
            || "(cannot be read: see `clawteam workflow validate --file`)".to_owned(),
            |definition| match definition.title.as_str() {
                "" => definition.description,
                title => title.to_owned(),
            },
        );
        listed.push(Pattern { name, description, source });
    }
    Ok(listed)
}

/// The text of a template.
pub fn text(app: &App, name: &str) -> Outcome<String> {
    let name = Name::parse_as("template name", name)?;
    let key = user_dir().entry(&format!("{name}.toml"));
    if let Some(blob) = app.home_store.backend().read(&key)? {
        return String::from_utf8(blob.bytes).map_err(|_| {
            let path = app.home_store.path_of(&key);
            LibraryError::Unreadable { path, reason: "it is not UTF-8 text".to_owned() }.into()
        });
    }
    let built_in = BUILT_IN.iter().find(|(known, _)| *known == name.as_str());
    let missing = || LibraryError::NoTemplate { name: name.to_string() };
    Ok(built_in.ok_or_else(missing)?.1.to_owned())
}

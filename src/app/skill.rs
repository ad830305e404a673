//! Skills: texts that agents are told besides their tasks.

use std::path::Path;

use super::App;
use crate::core::{Name, Outcome};

/// More than any text that an agent should be told.
const SKILL_BYTES_MAX: u64 = 256 * 1024;

/// The texts of skills, joined by blank lines. Each is looked for among the user's skills, then
/// among those of the project around `here`; one that is not there is told and left out. `None` if
/// there are none.
pub fn load(app: &App, names: &[String], here: &Path) -> Outcome<Option<String>> {
    let mut places: Vec<_> = app.env.home().into_iter().collect();
    if !names.is_empty() {
        places.push(app.git.discover(here).map_or_else(|_| here.to_owned(), |found| found.root));
    }
    let places: Vec<_> = places.iter().map(|place| place.join(".claude/skills")).collect();
    let mut texts = Vec::new();
    for name in names {
        let name = Name::parse_as("skill name", name.as_str())?;
        match places.iter().find_map(|place| text(app, place, name.as_str())) {
            Some(text) => texts.push(text.trim().to_owned()),
            None => app.warn(format!(
                "skill '{name}' not found in ~/.claude/skills or .claude/skills of the project; \
                 the agent starts without it"
            )),
        }
    }
    Ok(Some(texts.join("\n\n")).filter(|text| !text.is_empty()))
}

/// The text of a skill in one place: its SKILL.md, or its first other text, or a file of its name.
fn text(app: &App, place: &Path, name: &str) -> Option<String> {
    let directory = place.join(name);
    let read = |path: &Path| {
        let bytes = app.foreign.head(path, SKILL_BYTES_MAX)?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let first = || {
        let is_text = |file: &str| Path::new(file).extension().is_some_and(|end| end == "md");
        let found = app.foreign.list(&directory, 0, &is_text);
        found.into_iter().map(|file| file.path).min().and_then(|path| read(&path))
    };
    read(&directory.join("SKILL.md"))
        .or_else(first)
        .or_else(|| read(&place.join(format!("{name}.md"))))
}

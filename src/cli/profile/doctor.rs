//! `clawteam profile doctor`: what is in the way of a program's first start.

use std::path::Path;

use serde_json::json;

use crate::app::profile;
use crate::cli::{Cx, file};
use crate::core::{Diagnose, Outcome};
use crate::domain::profile::canonical_client;

/// Nothing is known to be done for this program.
#[derive(Debug, thiserror::Error)]
#[error("profile doctor knows nothing to do for '{0}'")]
struct NothingToDo(String);

impl Diagnose for NothingToDo {
    fn code(&self) -> &'static str {
        "unknown_client"
    }

    fn hint(&self) -> Option<String> {
        Some("only claude needs it".into())
    }
}

/// The settings of Claude Code hold something else than they should.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no JSON object; nothing was changed")]
struct NoObject(String);

impl Diagnose for NoObject {
    fn code(&self) -> &'static str {
        "unreadable_file"
    }

    fn hint(&self) -> Option<String> {
        Some("mend it, or move it away and try again".into())
    }
}

/// Does what is known to be done for a program, and tells of it.
pub(super) fn run(cx: &Cx, client: &str) -> Outcome<()> {
    if canonical_client(client) != "claude" {
        return Err(NothingToDo(client.to_owned()).into());
    }
    let (path, created) = claude(cx)?;
    let payload = json!({
        "client": "claude",
        "path": path,
        "created": created,
        "hasCompletedOnboarding": true,
    });
    cx.out.result(&payload, || {
        format!("OK Claude Code asks no first-time questions any more ({path})")
    })
}

/// Marks the first-time questions of Claude Code as answered. Everything else in its settings
/// stays; settings that cannot be understood are left alone. Returns where they are, and whether
/// there were none.
pub(super) fn claude(cx: &Cx) -> Outcome<(String, bool)> {
    let home = cx.app.env.home().unwrap_or_default();
    let path = profile::claude_settings(&home).display().to_string();
    let found = Path::new(&path).exists().then(|| file::read_text(&path)).transpose()?;
    let document = profile::onboarded(found.as_deref()).ok_or_else(|| NoObject(path.clone()))?;
    let mut text = serde_json::to_string_pretty(&document).expect("it has text keys");
    text.push('\n');
    if found.as_deref() != Some(&text) {
        file::write_private(&path, text.as_bytes())?;
    }
    Ok((path, found.is_none()))
}

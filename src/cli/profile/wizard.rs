//! `clawteam profile wizard`: a profile by questions and answers.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::{doctor, lines, test};
use crate::app::profile;
use crate::cli::Cx;
use crate::core::{Diagnose, Name, Outcome};
use crate::domain::profile::{Edit, Profile, preset};
use crate::output::{ask, confirm, say};

/// The agent programs that it offers; any other can be named, too.
const CLIENTS: [&str; 5] = ["claude", "codex", "gemini", "kimi", "nanobot"];
/// How long the trial at the end may take.
const TRIAL_LIMIT: Duration = Duration::from_secs(120);

/// The provider that is none of the presets.
const CUSTOM: &str = "custom";

/// Somebody did not want to go on.
#[derive(Debug, thiserror::Error)]
#[error("cancelled; nothing was saved")]
struct Cancelled;

impl Diagnose for Cancelled {
    fn code(&self) -> &'static str {
        "cancelled"
    }
}

fn asked(question: &str, usual: &str) -> Outcome<String> {
    Ok(ask(question, usual).ok_or(Cancelled)?)
}

/// One of `choices`, by name or number.
fn choose(question: &str, choices: &[String], others: bool) -> Outcome<String> {
    for (number, choice) in choices.iter().enumerate() {
        say(&format!("  {}. {choice}", number + 1));
    }
    loop {
        let answer = asked(question, choices.first().map_or("", String::as_str))?;
        let numbered = answer.parse::<usize>().ok().and_then(|n| choices.get(n.checked_sub(1)?));
        if let Some(choice) = numbered {
            return Ok(choice.clone());
        }
        if choices.contains(&answer) || others && !answer.is_empty() {
            return Ok(answer);
        }
        say(&format!("'{answer}' is none of them."));
    }
}

/// Makes a profile by questions and answers, and saves it.
pub(super) fn run(cx: &Cx) -> Outcome<ExitCode> {
    say("A profile is an agent program with its model, endpoint and key, under one name.");
    let clients: Vec<String> = CLIENTS.map(str::to_owned).to_vec();
    let client = choose("Agent program (a name or a number)", &clients, true)?;
    let (usual, mut made) = template(cx, &client)?;
    let name = loop {
        let name = asked("Name of the profile", &usual)?;
        match Name::parse_as("profile name", name.as_str()) {
            Ok(_) => break name,
            Err(error) => say(&error.to_string()),
        }
    };
    details(&mut made)?;
    say(&lines(&name, &made));
    let exists = profile::all(&cx.app).contains_key(&name);
    let question = if exists { "Replace the profile of that name?" } else { "Save it?" };
    if !confirm(question) {
        return Err(Cancelled.into());
    }
    profile::save(&cx.app, &name, &made, exists)?;
    if made.program() == "claude" && confirm("Answer Claude Code's first-time questions for good?")
    {
        doctor::claude(cx)?;
    }
    let payload = json!({"status": "saved", "profile": name});
    cx.out.result(&payload, || {
        format!("OK Saved profile '{name}'. Use it: clawteam spawn --profile {name}")
    })?;
    if cx.out.json || !confirm("Try it now?") {
        return Ok(ExitCode::SUCCESS);
    }
    test(cx, &name, &made, None, None, TRIAL_LIMIT)
}

/// What the profile begins with: what a provider offers for the program, or nothing.
fn template(cx: &Cx, client: &str) -> Outcome<(String, Profile)> {
    let (all, _) = preset::all(&cx.app.settings);
    let fitting = all.iter().filter_map(|(name, found)| {
        found.preset.profile(name, client).ok().map(|made| (name.clone(), made))
    });
    let fitting: Vec<(String, (String, Profile))> = fitting.collect();
    let bare = Profile { agent: client.to_owned(), ..Profile::default() };
    if fitting.is_empty() {
        return Ok((client.to_owned(), bare));
    }
    let names = fitting.iter().map(|(name, _)| name.clone()).chain([CUSTOM.to_owned()]);
    let chosen = choose("Provider", &names.collect::<Vec<_>>(), false)?;
    let found = fitting.into_iter().find(|(name, _)| *name == chosen);
    Ok(found.map_or_else(|| (format!("{client}-custom"), bare), |(_, made)| made))
}

/// Asks for what is most often different.
fn details(profile: &mut Profile) -> Outcome<()> {
    loop {
        let edit = Edit {
            model: Some(asked("Model", &profile.model)?),
            base_url: Some(asked("Base URL", &profile.base_url)?),
            api_key_env: Some(asked(
                "Where the key comes from (a variable's name, env:NAME or cmd:COMMAND)",
                &profile.api_key_env,
            )?),
            permissions: Some(asked("Permissions (ask, edit or full)", &profile.permissions)?),
            ..Edit::default()
        };
        match edit.apply(profile) {
            Ok(_) => return Ok(()),
            Err(error) => say(&error.to_string()),
        }
    }
}

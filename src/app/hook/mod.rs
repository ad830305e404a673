//! Hooks: telling them and plugins what happens, and changing which there are.
//!
//! What has happened is told by a process of its own, which outlives the command: nobody waits for
//! it. Only a hook that may veto is waited for.

mod run;

use std::collections::BTreeMap;

use serde_json::Value;

use super::{App, plugin, settings};
use crate::core::{Outcome, text};
use crate::domain::event::{self, Event};
use crate::domain::hook::{Hook, HookError, all};

pub(super) use run::keep;
pub use run::{Ran, deliver, test};

/// The variable that holds the events for the process that tells them, as a JSON list.
pub const EVENTS: &str = "CLAWTEAM_HOOK_EVENTS";
/// The variable that counts how deep in hooks of hooks we are.
pub(super) const DEPTH: &str = "CLAWTEAM_HOOK_DEPTH";
/// A hook of a hook of a hook causes no further events: it would never end.
const DEPTH_MAX: u32 = 3;

pub(super) fn depth(app: &App) -> u32 {
    app.env.get(DEPTH).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The hooks that an event is for, in the order in which they are run. One that cannot be run is
/// told and left out.
fn listening(app: &App, kind: &str) -> Vec<Hook> {
    let mut hooks = all(&app.settings);
    hooks.retain(|hook| hook.enabled && hook.event == kind);
    hooks.retain(|hook| match hook.check() {
        Ok(()) => true,
        Err(error) => {
            app.warn(format!(
                "a hook for {kind} is passed over ({}): {error}",
                text::cut(&hook.command, 60)
            ));
            false
        }
    });
    hooks.sort_by_key(|hook| hook.priority);
    hooks
}

/// Tells what has happened. Whether somebody hears of it, and what they make of it, changes
/// nothing here. Not under a lock.
pub fn emit(app: &App, event: Event) {
    emit_all(app, vec![event]);
}

/// The same for several events, in their order.
pub fn emit_all(app: &App, events: Vec<Event>) {
    let heard = |event: &Event| {
        let hooks = listening(app, &event.kind);
        hooks.iter().any(|hook| !hook.veto) || plugin::hears(app, &event.kind)
    };
    // Most often there is nobody.
    if app.settings.document.get("hooks").is_none_or(is_empty) && !plugin::any(app) {
        return;
    }
    let stamp = app.stamp().to_string();
    let stamped = |event: Event| Event { timestamp: stamp.clone(), ..event };
    let events: Vec<Event> = events.into_iter().filter(heard).map(stamped).collect();
    if events.is_empty() || depth(app) >= DEPTH_MAX {
        return;
    }
    let started = app.processes.own_program().and_then(|program| {
        let data_dir = app.data_dir.display().to_string();
        let argv = [&program.display().to_string(), "--data-dir", &data_dir, "hook-run"];
        let events = serde_json::to_string(&events).expect("events have text keys");
        let env = BTreeMap::from([(EVENTS.to_owned(), events)]);
        app.processes.start_detached(&argv.map(str::to_owned), &env)
    });
    if let Err(error) = started {
        app.warn(format!("hooks were not told: {error}"));
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_none_or(Vec::is_empty)
}

/// Asks whether something may happen: the hooks that may veto are run and waited for. Then the
/// others are told. Not under a lock.
pub fn ask(app: &App, event: Event) -> Outcome<()> {
    if depth(app) < DEPTH_MAX && app.settings.document.get("hooks").is_some_and(|h| !is_empty(h)) {
        let event = Event { timestamp: app.stamp().to_string(), ..event.clone() };
        for hook in listening(app, &event.kind).iter().filter(|hook| hook.veto) {
            let ran = run::hook(app, hook, &event);
            if let Some(reason) = ran.refusal() {
                let command = text::cut(&hook.command, 200).to_owned();
                return Err(HookError::Vetoed { event: event.kind, reason, command }.into());
            }
        }
    }
    emit(app, event);
    Ok(())
}

fn list(settings: &mut crate::domain::settings::Settings) -> &mut Vec<Value> {
    let value = settings.document.entry("hooks").or_insert_with(|| Value::Array(Vec::new()));
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("it was just made one")
}

/// Adds a hook.
pub fn add(app: &App, hook: &Hook) -> Outcome<()> {
    hook.check()?;
    settings::change(app, |settings| {
        if all(settings).contains(hook) {
            return Err(HookError::Exists(hook.event.clone()).into());
        }
        list(settings).push(serde_json::to_value(hook).expect("a hook has text keys"));
        Ok(())
    })
}

/// Removes the hooks for an event, or those of them with this command. Returns how many there
/// were.
pub fn remove(app: &App, event: &str, command: Option<&str>) -> Outcome<usize> {
    if !all(&app.settings).iter().any(|hook| hook.is(event, command)) {
        // One of an unknown kind can stand in the settings all the same.
        event::find(event)?;
        return Ok(0);
    }
    settings::change(app, |settings| {
        let hooks = list(settings);
        let before = hooks.len();
        hooks.retain(|value| !as_hook(value).is_some_and(|hook| hook.is(event, command)));
        Ok(before - hooks.len())
    })
}

/// Has the hooks for an event, or those of them with this command, run or not. Returns how many
/// there are.
pub fn enable(app: &App, event: &str, command: Option<&str>, enabled: bool) -> Outcome<usize> {
    event::find(event)?;
    if !all(&app.settings).iter().any(|hook| hook.is(event, command)) {
        return Ok(0);
    }
    settings::change(app, |settings| {
        let mut changed = 0;
        for value in list(settings) {
            if as_hook(value).is_some_and(|hook| hook.is(event, command)) {
                value["enabled"] = enabled.into();
                changed += 1;
            }
        }
        Ok(changed)
    })
}

fn as_hook(value: &Value) -> Option<Hook> {
    serde_json::from_value(value.clone()).ok()
}

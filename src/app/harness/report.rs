//! What a conductor hears and says besides moving a run on.

use serde::Deserialize;
use serde_json::json;

use super::hands::{self, CONDUCTOR};
use super::{artifact, change, id_of, work};
use crate::app::{App, inbox, team};
use crate::core::text::{count, cut};
use crate::core::{Outcome, TeamName};
use crate::domain::harness::{Harness, gate};
use crate::domain::message::MessageType;
use crate::store::{Key, encode};

/// A line of the exit journal.
#[derive(Deserialize)]
struct Exit {
    agent_name: String,
    #[serde(default, rename = "exit_code")]
    status: Option<i32>,
    #[serde(default)]
    abandoned_tasks: Vec<String>,
}

/// Tells of agents of the run that have ended since the journal was read last.
pub(super) fn exits(
    app: &App,
    team: &TeamName,
    run: &Harness,
    tell: &(dyn Fn(&str) + Sync),
) -> Outcome<()> {
    let (bytes, _) = app.store.backend().read_from(&Key::exit_journal(team), run.journal_offset)?;
    // A line without its end is still being written.
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
    for line in bytes[..end].split(|byte| *byte == b'\n') {
        let Ok(exit) = serde_json::from_slice::<Exit>(line) else { continue };
        if !run.hands.iter().any(|hand| hand.name == exit.agent_name) {
            continue;
        }
        let how = match exit.status {
            Some(code) => format!("ended with status {code}"),
            None => "ended".to_owned(),
        };
        let left = match exit.abandoned_tasks.len() {
            0 => String::new(),
            number => format!(", leaving {}", count(number, "task")),
        };
        tell(&format!("{} {how}{left}", exit.agent_name));
    }
    let read = run.journal_offset + end as u64 + 1;
    change(app, team, &id_of(run)?, |run| {
        run.journal_offset = run.journal_offset.max(read);
        Ok(((), Vec::new()))
    })?;
    Ok(())
}

/// How many messages are told at once.
const MESSAGES_AT_ONCE: i64 = 50;

/// Tells what agents wrote to the conductor, if the conductor leads the team. Nobody else reads
/// that inbox.
pub(super) fn mail(
    app: &App,
    team: &TeamName,
    run: &Harness,
    tell: &(dyn Fn(&str) + Sync),
) -> Outcome<()> {
    let Ok((leader, inbox)) = team::leader(app, team) else { return Ok(()) };
    if leader.as_str() != CONDUCTOR {
        return Ok(());
    }
    let taken = inbox::take(app, team, &inbox, MESSAGES_AT_ONCE)?;
    let idle: Vec<&str> = taken
        .messages()
        .filter(|message| message.kind == MessageType::Idle)
        .map(|message| message.from.as_str())
        .collect();
    if run.hands.iter().any(|hand| idle.contains(&hand.name.as_str())) {
        change(app, team, &id_of(run)?, |run| {
            let known = run.hands.iter_mut().filter(|hand| idle.contains(&hand.name.as_str()));
            known.for_each(|hand| hand.idle = true);
            Ok(((), Vec::new()))
        })?;
    }
    for message in taken.messages() {
        let text = message.text().lines().next().unwrap_or_default().to_owned();
        let text = if text.is_empty() { format!("({})", message.kind.as_str()) } else { text };
        tell(&format!("{}: {}", message.from, cut(&text, 200)));
    }
    if taken.is_empty() { Ok(()) } else { taken.settle(app) }
}

/// Hands in what came of a run that has reached its last phase, once.
pub(super) fn manifest(app: &App, team: &TeamName, run: &Harness) -> Outcome<()> {
    if run.artifacts.contains_key(gate::MANIFEST) {
        return Ok(());
    }
    let (contracts, _) = work::contracts(app, team, run)?;
    let manifest = json!({
        "harness_id": run.harness_id,
        "goal": run.goal,
        "finished_at": app.stamp(),
        "branches": hands::branches(app, team, run)?,
        "contracts": contracts.iter().map(|known| json!({
            "id": known.contract.id,
            "title": known.contract.title,
            "status": known.contract.status,
            "task_id": known.task_id,
        })).collect::<Vec<_>>(),
        "artifacts": run.artifacts.keys().collect::<Vec<_>>(),
    });
    change(app, team, &id_of(run)?, |run| {
        let bytes = encode(&manifest);
        let puts = artifact::keep(app, team, run, gate::MANIFEST, bytes, None)?;
        Ok(((), puts))
    })?;
    Ok(())
}

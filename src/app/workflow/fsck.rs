//! Checking a run: its chain, its numbers, and that its journal gives its state.

use serde::Serialize;

use super::fork::replay;
use super::run::{load, records, start_of};
use crate::app::App;
use crate::core::{Digest, Name, Outcome, TeamName};
use crate::domain::workflow::run::effect::Op;
use crate::store::{Expect, Key, Scope, encode};

/// What a check has found.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// The run.
    pub run: String,
    /// How many records it has.
    pub records: usize,
    /// What is wrong; empty: nothing.
    pub problems: Vec<Problem>,
    /// What was repaired.
    pub repaired: Vec<String>,
}

/// Something that is wrong with a run.
#[derive(Debug, Serialize)]
pub struct Problem {
    /// What kind of problem; programs branch on it.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

fn problem(code: &'static str, message: impl Into<String>) -> Problem {
    Problem { code, message: message.into() }
}

/// Checks a run. `repair`: makes its state anew from its journal if they do not agree; the journal
/// is never touched.
pub fn check(app: &App, team: &TeamName, name: &Name, repair: bool) -> Outcome<Checked> {
    let start = start_of(app, team, name)?;
    let mut checked =
        Checked { run: name.to_string(), records: 0, problems: Vec::new(), repaired: Vec::new() };
    if start.version > 0 {
        let digest = Digest::of(&encode(&start.definition));
        if digest != start.digest {
            let text = "the definition is not the one that the run was started with";
            checked.problems.push(problem("definition_changed", text));
        }
    }
    let all = match records(app, team, name) {
        Ok(all) => all,
        Err(failure) => {
            checked.problems.push(problem("broken_chain", failure.message()));
            return Ok(checked);
        }
    };
    checked.records = all.len();
    for (n, (record, _)) in all.iter().enumerate() {
        if record.rev != n as u64 + 1 {
            let text = format!("record {} is in place {}", record.rev, n + 1);
            checked.problems.push(problem("gap", text));
            return Ok(checked);
        }
    }
    let replayed = replay(app, team, name, None)?;
    let agrees = match load(app, team, name) {
        Ok(loaded) => {
            let mut loaded = loaded;
            loaded.run.outbox.clone_from(&replayed.run.outbox);
            loaded.run == replayed.run
        }
        Err(failure) => {
            checked.problems.push(problem("state_unusable", failure.message()));
            false
        }
    };
    if !agrees {
        let text = "the state is not what the journal comes to";
        checked.problems.push(problem("state_differs", text));
        if repair {
            let mut locked = app.store.lock(&Scope::Run(team.clone(), name.clone()))?;
            locked.commit(&crate::store::Commit {
                deletes: vec![(Key::run_state(team, name), Expect::Any)],
                ..crate::store::Commit::default()
            })?;
            let mut made = load(app, team, name)?;
            // A state must never know more than what power leaves of its journal.
            made.confirm(app)?;
            made.save(app)?;
            checked.repaired.push("the state was made anew from the journal".into());
        }
    }
    missing_effects(app, team, &replayed, &mut checked)?;
    Ok(checked)
}

/// Tasks and approvals that live visits wait for and that are not there.
fn missing_effects(
    app: &App,
    team: &TeamName,
    replayed: &super::Loaded,
    checked: &mut Checked,
) -> Outcome<()> {
    use crate::domain::workflow::run::state::Work;
    let loaded = load(app, team, replayed.name()).ok();
    let pending = |id: &str| {
        let Some(loaded) = &loaded else { return false };
        let mut open = loaded.run.outbox.iter().filter(|e| !loaded.delivered.contains(&e.key));
        open.any(|effect| match &effect.op {
            Op::CreateTask(wish) => wish.id == id,
            Op::RequestApproval(wish) => wish.id == id,
            _ => false,
        })
    };
    for (act, found) in replayed.run.live() {
        let (what, id, key) = match &found.work {
            Some(Work::Task { id } | Work::Verify { id }) => {
                ("task", id, Key::task(team, &crate::core::TaskId::parse(id.clone())?))
            }
            Some(Work::Approval { id }) => {
                ("approval", id, Key::approval(team, &Name::parse(id.clone())?))
            }
            _ => continue,
        };
        if !pending(id) && app.store.backend().read(&key)?.is_none() {
            let text = format!("{act} waits for {what} {id}, which is not there");
            checked.problems.push(problem("effect_missing", text));
        }
    }
    Ok(())
}

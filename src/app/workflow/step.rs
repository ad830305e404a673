//! The step: one transition, made durable before anything comes of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::effects;
use super::error::RunError;
use super::run::{Loaded, Trouble, load};
use super::wake;
use super::world::{World, observe};
use crate::app::App;
use crate::core::{Name, Outcome, TeamName};
use crate::domain::workflow::run::decide;
use crate::domain::workflow::run::enabled::next_wake;
use crate::domain::workflow::run::record::{Actor, Record, Tr};
use crate::domain::workflow::run::state::Millis;
use crate::store::{Dir, Key, Locked, Scope, StoreError};

/// How many transitions a process makes for others who relied on it.
pub const POKE_BUDGET: u32 = 50;
/// How many transitions are made before the state is written down again. The journal has them.
const SAVE_EVERY: u32 = 20;
/// The same as a time.
const SAVE_AFTER: Duration = Duration::from_millis(200);
/// How often, and how long, something outside is tried before the run pauses.
const DEAD_TRIES: u32 = 10;
const DEAD_AFTER: Millis = 10 * 60 * 1000;

/// How patient a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It waits for the lock as every command does.
    Wait,
    /// It leaves the work to whoever has the lock.
    Never,
    /// The same, and to people if only they shall move the run.
    Unasked,
}

/// What a step did.
#[derive(Debug)]
pub struct Moved {
    /// The run as it stands now; `None`: somebody else is at it.
    pub run: Option<Loaded>,
    /// The transitions, in order.
    pub records: Vec<Record>,
    /// The keys of what was done outside.
    pub effects: Vec<String>,
    /// Whether nothing more can move now.
    pub idle: bool,
    /// How many of the transitions were made because others relied on this process.
    pub serviced: u32,
}

/// Hears of each transition as it is made.
pub type Each<'e> = dyn FnMut(&Loaded, &Record) + 'e;

/// Makes up to `budget` transitions of a run, and moves the runs that are concerned by them.
pub fn advance(
    app: &App,
    team: &TeamName,
    name: &Name,
    budget: u32,
    patience: Patience,
    each: &mut Each<'_>,
) -> Outcome<Moved> {
    let (moved, wakes) = advance_one(app, team, name, budget, patience, each)?;
    // One after the other rather than each within the one before: a run can concern thousands.
    let mut todo = VecDeque::from(wakes);
    while let Some((team, run)) = todo.pop_front() {
        match wake::try_move(app, &team, &run) {
            Ok(more) => todo.extend(more),
            Err(failure) => {
                app.warn(format!("run '{run}' was not moved: {}", failure.message()));
            }
        }
    }
    Ok(moved)
}

/// Makes up to `budget` transitions of a run. Returns the runs that are concerned by them.
pub(super) fn advance_one(
    app: &App,
    team: &TeamName,
    name: &Name,
    budget: u32,
    patience: Patience,
    each: &mut Each<'_>,
) -> Outcome<(Moved, Wakes)> {
    // Locking makes directories: first see whether there is a run at all.
    exists(app, team, name)?;
    let mut moved =
        Moved { run: None, records: Vec::new(), effects: Vec::new(), idle: false, serviced: 0 };
    let mut wakes = Vec::new();
    let mut left = budget;
    let poke = Dir::pokes(team).entry(name.as_str());
    let mut own = true;
    loop {
        let Some(locked) = lock(app, team, name, patience)? else { return Ok((moved, wakes)) };
        // Before looking: what changes from now on leaves a new mark.
        app.store.backend().discard(&poke)?;
        let loaded = load(app, team, name)?;
        let manual = loaded.start.manual;
        if manual && patience == Patience::Unasked {
            // The mark is all that people left to others.
            wake::poke(app, team, name)?;
            moved.run = Some(loaded);
            return Ok((moved, wakes));
        }
        let mut step = Step { app, loaded, wakes: &mut wakes, said: false };
        let before = moved.records.len();
        let outcome = step.run(left, &mut moved, each);
        let loaded = step.loaded;
        drop(locked);
        let made = u32::try_from(moved.records.len() - before).unwrap_or(u32::MAX);
        let over = loaded.run.status.is_terminal();
        moved.run = Some(loaded);
        outcome?;
        moved.idle |= over;
        if !own {
            moved.serviced += made;
        }
        // Whoever changed something while this process had the lock relied on it to look again.
        let poked = app.store.backend().read(&poke)?.is_some();
        left = if own { POKE_BUDGET } else { left.saturating_sub(made) };
        if manual || !poked || left == 0 {
            // It can go on at once, but this process has done its part: `tick` goes on.
            if !moved.idle && !manual {
                wake::poke(app, team, name)?;
            }
            return Ok((moved, wakes));
        }
        own = false;
    }
}

/// Runs that are concerned by what another one did.
pub(super) type Wakes = Vec<(TeamName, Name)>;

fn lock<'a>(
    app: &'a App,
    team: &TeamName,
    name: &Name,
    patience: Patience,
) -> Outcome<Option<Locked<'a>>> {
    let scope = Scope::Run(team.clone(), name.clone());
    match patience {
        Patience::Wait => Ok(Some(app.store.lock(&scope)?)),
        Patience::Never | Patience::Unasked => {
            match app.store.lock_within(&scope, Duration::ZERO) {
                Ok(locked) => Ok(Some(locked)),
                Err(StoreError::Busy { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }
    }
}

struct Step<'s> {
    app: &'s App,
    loaded: Loaded,
    /// Runs that are to be woken once the lock is let go.
    wakes: &'s mut Wakes,
    /// Whether trouble was told already.
    said: bool,
}

impl Step<'_> {
    fn run(&mut self, budget: u32, moved: &mut Moved, each: &mut Each<'_>) -> Outcome<()> {
        self.loaded.confirm(self.app)?;
        let mut unsaved = u32::from(self.loaded.rolled_forward);
        let mut saved_at = Instant::now();
        let mut made = 0;
        let was_over = self.loaded.run.status.is_terminal();
        let listened = wake::listens(&self.loaded);
        moved.idle = false;
        let outcome = loop {
            // What was decided is done before anything is looked at: a run that was interrupted
            // must see the same world as one that was not.
            unsaved += self.deliver(moved);
            if made == budget {
                break Ok(());
            }
            match self.transition(moved, each) {
                Ok(true) => made += 1,
                Ok(false) => {
                    moved.idle = true;
                    break Ok(());
                }
                Err(failure) => break Err(failure),
            }
            unsaved += 1;
            if unsaved >= SAVE_EVERY || saved_at.elapsed() >= SAVE_AFTER {
                self.loaded.save(self.app)?;
                unsaved = 0;
                saved_at = Instant::now();
            }
        };
        let wake_at = next_wake(&self.loaded.run);
        if wake_at != self.loaded.wake_at {
            wake::set_timer(self.app, &self.loaded, wake_at)?;
            self.loaded.wake_at = wake_at;
            unsaved += 1;
        }
        wake::set_listening(self.app, &self.loaded, listened)?;
        if unsaved > 0 {
            self.loaded.save(self.app)?;
        }
        if self.loaded.run.status.is_terminal() && !was_over {
            self.wakes.extend(wake::after_end(self.app, &self.loaded));
        }
        outcome
    }

    /// Does what is to be done outside. How many effects were tried.
    fn deliver(&mut self, moved: &mut Moved) -> u32 {
        let mut tried = 0;
        let todo: Vec<_> = self.loaded.run.outbox.clone();
        for effect in todo {
            if self.loaded.delivered.contains(&effect.key) {
                continue;
            }
            tried += 1;
            match effects::deliver(self.app, &self.loaded, &effect) {
                Ok(woken) => {
                    self.wakes.extend(woken);
                    self.loaded.troubles.remove(&effect.key);
                    moved.effects.push(effect.key.clone());
                    self.loaded.delivered.push(effect.key);
                }
                Err(failure) => self.trouble(effect.key, failure.message()),
            }
        }
        tried
    }

    fn trouble(&mut self, key: String, error: String) {
        if !self.said {
            self.app.warn(format!("run '{}': {error}", self.loaded.name()));
            self.said = true;
        }
        let now = self.app.now_millis();
        let fresh = Trouble { tries: 0, since: now, error: String::new() };
        let trouble = self.loaded.troubles.entry(key).or_insert(fresh);
        trouble.tries += 1;
        trouble.error = error;
    }

    /// Makes the next transition, if there is one.
    fn transition(&mut self, moved: &mut Moved, each: &mut Each<'_>) -> Outcome<bool> {
        let now = self.app.now_millis().max(self.loaded.run.now);
        let mut seen = observe(self.app, &self.loaded, now)?;
        for (key, trouble) in &self.loaded.troubles {
            let long = now.saturating_sub(trouble.since) >= DEAD_AFTER;
            if trouble.tries >= DEAD_TRIES && long {
                seen.dead.push((key.clone(), trouble.error.clone()));
            }
        }
        let world = World::new(self.app, &self.loaded.start);
        let Some(tr) = decide::next(&self.loaded.graph, &self.loaded.run, &seen, now, &world)
        else {
            return Ok(false);
        };
        if let Tr::EffectDead { key, .. } = &tr {
            self.loaded.troubles.remove(key);
        }
        let record = Record {
            rev: self.loaded.run.rev + 1,
            now,
            tr,
            acked: std::mem::take(&mut self.loaded.delivered),
            actor: Actor { id: actor(self.app), pid: self.app.processes.own().pid },
        };
        if let Err(failure) = self.loaded.append(self.app, &record) {
            self.loaded.delivered = record.acked;
            return Err(failure);
        }
        each(&self.loaded, &record);
        moved.records.push(record);
        Ok(true)
    }
}

/// Whom this process acts for.
pub fn actor(app: &App) -> String {
    match app.env.identity("AGENT_NAME").or_else(|| app.env.identity("AGENT_ID")) {
        Some(agent) => format!("agent:{agent}"),
        None if app.identity.user.is_empty() => "human:local".into(),
        None => format!("human:{}", app.identity.user),
    }
}

/// Whether there is such a run.
pub fn exists(app: &App, team: &TeamName, name: &Name) -> Outcome<()> {
    match app.store.backend().read(&Key::run_start(team, name))? {
        Some(_) => Ok(()),
        None => Err(RunError::NotFound(name.to_string()).into()),
    }
}

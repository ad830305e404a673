//! What each agent of a team is doing, from all that is known of it. Looking writes nothing.

mod hear;
mod session;

use std::collections::HashMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::agent_rows::Rows;
use super::{App, liveness, runtime, session as sessions};
use crate::core::{AgentName, Outcome, Stamp, TeamName, Window};
use crate::domain::agent::{AgentRecord, LaunchPlan, RunState, SpawnEntry};
use crate::domain::agent_cli::screen::{self, Dialog, Reading};
use crate::domain::agent_cli::{AgentCli, DialogKind};
use crate::domain::agent_state::{
    Evidence, Question, Run, SCREEN_TRUSTED, Screen, Seen, StateDocument, judge, needs_screen,
};
use crate::ports::TerminalError;
use crate::ports::terminal::Shown;
use crate::store::Key;

pub use hear::{Call, Reply, hear, tell_people};

/// How long the runner of an agent may take to report before its start counts as failed.
const START_MAX: Duration = Duration::from_secs(60);

/// Which screens are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screens {
    /// Those that could change what is known.
    Needed,
    /// That of every agent that runs in a window.
    All,
}

/// An agent, looked at.
#[derive(Debug, Clone)]
pub struct Look {
    /// Its name.
    pub agent: AgentName,
    /// What it is doing.
    pub seen: Seen,
    /// Whether it runs; `None` if nobody can know.
    pub alive: Option<bool>,
    /// Its entry in the spawn registry.
    pub entry: Option<SpawnEntry>,
    /// What its runner wrote down.
    pub record: Option<AgentRecord>,
    /// What its hooks told of this start of it.
    pub hook: Option<StateDocument>,
    /// How its program is spoken to and read, if that was needed.
    pub cli: Option<AgentCli>,
    /// What its screen shows, if that was looked at.
    pub screen: Option<Screen>,
}

impl Look {
    /// Its window, while its program runs in it.
    pub fn window(&self) -> Option<&Window> {
        self.record.as_ref()?.window.as_ref().filter(|_| self.alive == Some(true))
    }
}

/// What the members of a team are doing, by name. Names that no agent can have are left out.
pub fn all<'n>(
    app: &App,
    team: &TeamName,
    names: impl Iterator<Item = &'n str>,
) -> HashMap<String, Look> {
    let names: Vec<AgentName> = names.filter_map(|name| AgentName::parse(name).ok()).collect();
    let looks = look(app, team, &names, Screens::Needed);
    looks.into_iter().map(|look| (look.agent.to_string(), look)).collect()
}

/// What one agent is doing.
pub fn of(app: &App, team: &TeamName, agent: &AgentName, screens: Screens) -> Outcome<Look> {
    let mut looks = look(app, team, std::slice::from_ref(agent), screens);
    Ok(looks.pop().expect("one look for each name"))
}

/// Looks at agents, in their order.
pub fn look(app: &App, team: &TeamName, names: &[AgentName], screens: Screens) -> Vec<Look> {
    let mut registry = liveness::registry(app, team);
    let told = |agent| Told::read(app, team, agent, registry.shift_remove(agent.as_str()));
    let told: Vec<Told> = names.iter().map(told).collect();
    let wanted: Vec<Option<Window>> =
        told.iter().map(|told| told.window(screens).cloned()).collect();
    let windows: Vec<Window> = wanted.iter().flatten().cloned().collect();
    // tmux takes as long as all the rest, so the rest is seen to meanwhile.
    let (mut looks, shown) = thread::scope(|scope| {
        let shown = (!windows.is_empty()).then(|| scope.spawn(|| app.terminal.screens(&windows)));
        let mut rows = Rows::default();
        let look = |(told, window): (Told, &Option<Window>)| {
            let (mut look, mut run, age) = told.check(app);
            if window.is_some() && is_watchable(&run) {
                if let Run::Alive { given_work, since, .. } = &mut run {
                    *given_work |= runtime::was_given_since(app, team, &look.agent, since);
                }
                look.cli = Some(cli(app, team, &look, &mut rows));
            }
            (look, run, age)
        };
        let looks: Vec<(Look, Run, Duration)> = told.into_iter().zip(&wanted).map(look).collect();
        (looks, shown.map(|shown| shown.join().expect("looking at screens does not panic")))
    });
    add_screens(app, &mut looks, &wanted, shown);
    let judged = looks.into_iter().map(|(mut look, run, age)| {
        look.seen = judge(&Evidence {
            run,
            hook: look.hook.as_ref().map(|hook| (hook, age)),
            transcript: grew(app, team, &look, age),
            screen: look.screen.as_ref(),
        });
        look
    });
    judged.collect()
}

/// Whether the program runs in a terminal whose screen means something.
fn is_watchable(run: &Run) -> bool {
    matches!(run, Run::Alive { terminal: true, .. })
}

/// Reads what tmux showed of the programs that run.
fn add_screens(
    app: &App,
    looks: &mut [(Look, Run, Duration)],
    wanted: &[Option<Window>],
    shown: Option<Result<Vec<Option<Shown>>, TerminalError>>,
) {
    let shown = match shown {
        Some(Ok(shown)) => shown,
        Some(Err(error)) if looks.iter().any(|(_, run, _)| is_watchable(run)) => {
            app.warn(format!("the screens could not be read: {error}"));
            return;
        }
        Some(Err(_)) | None => return,
    };
    let asked = looks.iter_mut().zip(wanted).filter(|(_, window)| window.is_some());
    for (((look, ..), _), shown) in asked.zip(shown) {
        if let (Some(shown), Some(cli)) = (shown.filter(|shown| !shown.ended), &look.cli) {
            look.screen = Some(read(cli, &shown.screen));
        }
    }
}

/// What documents say about an agent.
struct Told {
    agent: AgentName,
    entry: Option<SpawnEntry>,
    record: Option<AgentRecord>,
    /// What its hooks told, and how long ago.
    hook: Option<StateDocument>,
    age: Duration,
}

impl Told {
    fn read(app: &App, team: &TeamName, agent: &AgentName, entry: Option<SpawnEntry>) -> Self {
        let of_python = entry.as_ref().is_some_and(|entry| !entry.extra.contains_key("instance"));
        let record = liveness::record(app, team, agent.as_str()).filter(|_| !of_python);
        let instance = record.as_ref().map_or("", |record| record.instance.as_str());
        let hook = document(app, team, agent).filter(|hook| hook.instance == instance);
        let heard = hook.as_ref().and_then(|hook| hook.heard_at.instant());
        // A clock that was set back makes the future; that is fresh.
        let age = heard.map_or(Duration::MAX, |at| (app.now() - at).to_std().unwrap_or_default());
        Self { agent: agent.clone(), entry, record, hook, age }
    }

    /// The window whose screen is to be looked at, if the program runs.
    fn window(&self, screens: Screens) -> Option<&Window> {
        let record = self.record.as_ref().filter(|record| record.state == RunState::Running)?;
        let hook = self.hook.as_ref().map(|hook| (hook, self.age));
        let wanted = screens == Screens::All || needs_screen(hook);
        record.window.as_ref().filter(|_| wanted)
    }

    /// Checks it against the table of processes.
    fn check(self, app: &App) -> (Look, Run, Duration) {
        let Self { agent, entry, record, hook, age } = self;
        let runs = record.as_ref().is_some_and(|record| liveness::of_record(app, record));
        let alive = entry.as_ref().and_then(|entry| match &record {
            Some(record) if liveness::is_about(record, entry) => Some(runs),
            _ => liveness::of_number(app, entry),
        });
        let run = match (&record, alive) {
            (Some(record), _) => run_of(app, record, runs),
            (None, Some(true)) => {
                Run::Alive { since: Stamp::empty(), terminal: true, given_work: true }
            }
            (None, Some(false)) => Run::Gone,
            (None, None) => Run::NotOurs,
        };
        let seen = Seen::nothing();
        let look = Look { agent, seen, alive, entry, record, hook, cli: None, screen: None };
        (look, run, age)
    }
}

/// What an agent's hooks told last. One that cannot be understood says nothing.
pub(super) fn document(app: &App, team: &TeamName, agent: &AgentName) -> Option<StateDocument> {
    app.store.load(&Key::agent_state(team, agent)).ok().flatten().map(|doc| doc.value)
}

/// `runs`: whether what the record says to run does.
fn run_of(app: &App, record: &AgentRecord, runs: bool) -> Run {
    match record.state {
        RunState::Failed => Run::Failed { at: record.ended_at.clone() },
        RunState::Exited => Run::Ended {
            at: record.ended_at.clone(),
            exit_code: record.exit_code,
            stopped: record.stopping,
            interrupted: record.interrupted,
        },
        RunState::Running if runs => Run::Alive {
            since: record.started_at.clone(),
            terminal: record.window.is_some(),
            given_work: record.tasked || record.prompt.is_some(),
        },
        RunState::Starting if runs => Run::Starting,
        RunState::Starting if record.runner.is_none() => {
            let begun = record.started_at.instant().map(|at| (app.now() - at).to_std());
            let recent = begun.is_some_and(|age| age.unwrap_or_default() < START_MAX);
            if recent { Run::Starting } else { Run::Gone }
        }
        RunState::Running if record.runner.is_some_and(|p| app.processes.is_alive(p)) => {
            Run::Ending
        }
        RunState::Running | RunState::Starting => Run::Gone,
    }
}

/// How the program of a running agent is read.
fn cli(app: &App, team: &TeamName, look: &Look, rows: &mut Rows) -> AgentCli {
    let cwd = look.record.as_ref().map_or("", |record| &record.cwd);
    // It is registered last of all.
    let planned = || {
        let plan = app.store.load::<LaunchPlan>(&Key::launch_plan(team, &look.agent)).ok()??;
        Some(plan.value.command)
    };
    let entry = look.entry.as_ref().map(|entry| entry.command.clone());
    let command = entry.or_else(planned).unwrap_or_default();
    rows.find(app, &command, Path::new(cwd))
}

/// How long ago the transcript of an agent grew, where that could matter.
fn grew(app: &App, team: &TeamName, look: &Look, age: Duration) -> Option<Duration> {
    let path = match (&look.hook, &look.screen) {
        (Some(hook), Some(Screen::Composer | Screen::Draft { .. })) if age >= SCREEN_TRUSTED => {
            hook.transcript.clone()?
        }
        (None, Some(Screen::Unknown)) => {
            let known = sessions::find(app, team, &look.agent).ok()??;
            known.transcript()?.to_owned()
        }
        _ => return None,
    };
    let file = app.foreign.stat(Path::new(&path))?;
    Duration::try_from_secs_f64((app.now_seconds() - file.modified).max(0.0)).ok()
}

/// What a screen shows, by the marks of the program's row.
pub(super) fn read(cli: &AgentCli, screen: &str) -> Screen {
    match screen::read(cli, screen) {
        // A program that is not known may just not have written anything.
        Reading::Starting if !is_readable(cli) => Screen::Unknown,
        Reading::Starting => Screen::Starting,
        Reading::Dialog(dialog) => Screen::Dialog(question(&dialog)),
        Reading::Working { draft } => Screen::Working { draft },
        Reading::Ready => Screen::Composer,
        Reading::Draft { text } => Screen::Draft { text },
        Reading::Unknown => Screen::Unknown,
    }
}

fn question(dialog: &Dialog) -> Question {
    Question {
        kind: kind(dialog.kind).to_owned(),
        text: dialog.text.clone(),
        shown: None,
        tool: None,
        options: dialog.options.clone(),
        default: dialog.highlighted.map(|at| at + 1),
        dialog: Some(dialog.name.clone()),
    }
}

/// What a dialog is about, as documents name it.
fn kind(kind: DialogKind) -> &'static str {
    match kind {
        DialogKind::Trust => "trust",
        DialogKind::ApiKey => "api_key",
        DialogKind::Bypass => "bypass",
        DialogKind::Update => "update",
        DialogKind::Permission => "permission",
        DialogKind::Other => "other",
    }
}

/// Whether the row says anything about the program's screen: then one that is not recognised may
/// be a dialog that is new.
pub(super) fn is_readable(cli: &AgentCli) -> bool {
    cli.screen.is_described()
}

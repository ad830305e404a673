//! The demo: a small repository, and a team of scripted agents that finishes the program in it.

mod flow;
mod site;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::launch::{self, Flow, Launched, Member, MemberStatus};
use super::wait::Stop;
use super::{App, agents, liveness, log, task, template};
use crate::core::{Diagnose, Outcome, TeamName};
use crate::domain::agent::BackendKind;
use crate::domain::message::MessageType;
use crate::domain::task::{Status, Task};
use crate::domain::workflow::run::state::Status as RunStatus;

pub use site::{Site, TestRun};
pub use watch::Event;

/// The built-in template that the demo launches.
const TEMPLATE: &str = "demo";
/// How long the whole may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long agents have to end by themselves after the last task.
const END_PATIENCE: Duration = Duration::from_secs(5);
/// The pauses that agents make for the eye, in seconds.
const PAUSE: &str = "0.5";

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The directory for it has something in it.
    #[error("{} is not an empty directory", .0.display())]
    NotEmpty(PathBuf),
    /// A file cannot be written or a program not be run.
    #[error("{}", path.display())]
    Io {
        /// The file or program.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not all agents could be started.
    #[error("the team could not be started: {0}")]
    NotLaunched(String),
    /// The team did not finish.
    #[error("{why}\n{report}")]
    Stuck {
        /// What happened.
        why: String,
        /// Where everything stands.
        report: String,
        /// The team.
        team: String,
    },
    /// The merged program is not right.
    #[error("the tests of the merged program fail:\n{0}")]
    Red(String),
}

impl Diagnose for DemoError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotEmpty(_) => "directory_not_empty",
            Self::Io { .. } => "io",
            Self::NotLaunched(_) => "not_launched",
            Self::Stuck { .. } => "demo_stuck",
            Self::Red(_) => "demo_red",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotEmpty(_) => Some("name a new one with --dir DIR".into()),
            Self::Stuck { team, .. } => {
                Some(format!("look closer: clawteam board show {team}; clawteam inbox log {team}"))
            }
            _ => None,
        }
    }
}

/// What the demo shall be like.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Where the repository is made; `None` for a new directory here.
    pub dir: Option<PathBuf>,
    /// Whether to leave out the pauses made for the eye.
    pub fast: bool,
}

/// How the demo went.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// `completed`.
    pub status: &'static str,
    /// The team.
    pub team: String,
    /// How its agents ran.
    pub backend: &'static str,
    /// The repository.
    pub directory: String,
    /// How long everything took, in seconds, one decimal.
    pub seconds: f64,
    /// Tasks that were completed.
    pub tasks_completed: usize,
    /// All tasks.
    pub tasks_total: usize,
    /// Messages from workers to the leader.
    pub messages_to_leader: usize,
    /// Messages from the leader to workers.
    pub messages_from_leader: usize,
    /// Plans that were approved.
    pub plans_approved: usize,
    /// The run of the workflow.
    pub run: String,
    /// How the run ended.
    pub run_status: &'static str,
    /// The way that the run took: its visits, in order.
    pub run_path: Vec<String>,
    /// Commits of each worker.
    pub commits: BTreeMap<String, usize>,
    /// Merges into the main branch.
    pub merges: usize,
    /// Tests of the merged program that pass.
    pub tests_passed: usize,
    /// Tests of it that fail.
    pub tests_failed: usize,
}

/// Plays the demo. `tell` hears what happens, from several threads while agents are started.
pub fn play(
    app: &App,
    wish: &Wish,
    stop: &Stop,
    tell: &(dyn Fn(&Event) + Sync),
) -> Outcome<Summary> {
    let began = Instant::now();
    let parsed = template::built_in(TEMPLATE)?.expect("the demo's template is built in");
    let root = site::choose(wish.dir.as_deref())?;
    let mut request = launch::Request {
        template: TEMPLATE.into(),
        goal: "finish the program tally: all modules written, merged into main, all tests green"
            .into(),
        workspace: true,
        force: true,
        ..launch::Request::default()
    };
    let pause = if wish.fast { "0" } else { PAUSE };
    request.env.insert("DEMO_PAUSE".into(), pause.into());
    let site = Site::make(app, &root)?;
    let before = site.test()?;
    tell(&Event::Repository { directory: root.display().to_string(), before });
    request.repo = Some(root);
    let plan = launch::plan_of(app, &request, parsed)?;
    let mut watch = watch::Watch::new(app, &plan.team, &site)?;
    stop.wakes(watch.changes());
    let launched = launch::launch(
        app,
        &plan,
        launch::Hearers {
            tell: &|member| tell(&Event::Started(Box::new(member.clone()))),
            stop,
            leave: &|_| {},
        },
    )?;
    check_launched(app, &plan.team, &launched)?;
    let Some(run) = launched.workflow.clone() else {
        agents::stop_all(app, &plan.team)?;
        return Err(DemoError::NotLaunched("its workflow was not started".into()).into());
    };
    let path = Mutex::new(Vec::new());
    let note = |event: &Event| {
        if let Event::Passed { node, how } = event {
            path.lock().expect("nobody panics with it").push(format!("{node} {how}"));
        }
        tell(event);
    };
    let enough = Stop::default();
    let followed = std::thread::scope(|scope| {
        let driver = scope.spawn(|| flow::follow(app, &plan.team, &run, &enough, &note));
        let followed = follow(app, &plan.team, &run, &mut watch, began, stop, tell);
        enough.request();
        let moved = driver.join().expect("driving does not panic");
        followed.and(moved)
    });
    if let Err(failure) = followed {
        agents::stop_all(app, &plan.team)?;
        return Err(failure);
    }
    let after = site.test()?;
    if after.failed > 0 || after.passed == 0 {
        return Err(DemoError::Red(after.output).into());
    }
    let seconds = (began.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    let path = path.into_inner().expect("nobody panics with it");
    let summary = summary(app, &site, &plan.team, plan.backend, &launched, seconds, &after)?;
    let run_status = flow::status(app, &plan.team, &run)?.word();
    Ok(Summary { run: run.run.to_string(), run_status, run_path: path, ..summary })
}

/// All agents must run: each of them has a part in the play.
fn check_launched(app: &App, team: &TeamName, launched: &Launched) -> Outcome<()> {
    let failed: Vec<&Member> =
        launched.agents.iter().filter(|member| member.status != MemberStatus::Ready).collect();
    if failed.is_empty() {
        return Ok(());
    }
    agents::stop_all(app, team)?;
    let reasons: Vec<String> =
        failed.iter().map(|member| format!("{}: {}", member.name, member.message)).collect();
    Err(DemoError::NotLaunched(reasons.join("; ")).into())
}

/// Tells what happens until all tasks are completed and all agents have ended.
fn follow(
    app: &App,
    team: &TeamName,
    run: &Flow,
    watch: &mut watch::Watch<'_>,
    began: Instant,
    stop: &Stop,
    tell: &(dyn Fn(&Event) + Sync),
) -> Outcome<()> {
    let mut completed_at: Option<Instant> = None;
    loop {
        // In this order: an agent finishes its task before it ends.
        let running = liveness::all(app, team).values().any(|alive| *alive == Some(true));
        let tasks = watch.look(tell)?;
        let completed = tasks.iter().all(|task| task.status == Status::Completed);
        let ended = flow::status(app, team, run).is_ok_and(RunStatus::is_terminal);
        // Without any task somebody has removed the team.
        let done = completed && !tasks.is_empty() && ended;
        let stuck = |why: &str| Err(stuck(app, team, &tasks, why).into());
        if done && !running {
            // What happened between the last look and the last end.
            watch.look(tell)?;
            return match flow::status(app, team, run)? {
                RunStatus::Completed => Ok(()),
                _ => stuck("the workflow did not complete"),
            };
        }
        if done && completed_at.get_or_insert_with(Instant::now).elapsed() > END_PATIENCE {
            return stuck("the work is done, but agents did not end");
        }
        if stop.is_requested() {
            return stuck("interrupted; the agents were stopped");
        }
        if !running {
            return stuck("all agents have ended, but not all tasks are completed");
        }
        if began.elapsed() > PATIENCE {
            return stuck("the team did not finish in time; its agents were stopped");
        }
        watch.wait(Duration::from_millis(500));
    }
}

/// Where everything stands, for an end before its time.
fn stuck(app: &App, team: &TeamName, tasks: &[Task], why: &str) -> DemoError {
    let mut lines = vec!["Tasks that are not completed:".to_owned()];
    for task in tasks.iter().filter(|task| task.status != Status::Completed) {
        let who = task::worker(task);
        let who = if who.is_empty() { "nobody" } else { who };
        lines.push(format!("  {} {} ({}, {who})", task.id, task.subject, task.status.as_str()));
    }
    lines.push("Agents:".to_owned());
    let mut alive: Vec<_> = liveness::all(app, team).into_iter().collect();
    alive.sort();
    for (agent, alive) in alive {
        let record = liveness::record(app, team, &agent);
        let code = record.as_ref().and_then(|record| record.exit_code);
        let how = match (alive, code) {
            (Some(true), _) => "runs".to_owned(),
            (_, Some(code)) => format!("ended with status {code}"),
            _ => "does not run".to_owned(),
        };
        let last = record.map(|record| record.last_output.join(" | ")).unwrap_or_default();
        lines.push(format!("  {agent} {how}{}{last}", if last.is_empty() { "" } else { ": " }));
    }
    DemoError::Stuck { why: why.to_owned(), report: lines.join("\n"), team: team.to_string() }
}

fn summary(
    app: &App,
    site: &Site,
    team: &TeamName,
    backend: BackendKind,
    launched: &Launched,
    seconds: f64,
    tests: &TestRun,
) -> Outcome<Summary> {
    let tasks = task::all(app, team)?;
    let messages = log::newest(app, team, usize::MAX, None)?;
    let leader = launched.agents.first().map_or("", |leader| leader.name.as_str());
    let history = app.git.history(&site.root)?;
    let workers = launched.agents.iter().skip(1).map(|member| {
        let own = history.iter().filter(|c| !c.is_merge && c.author == member.name).count();
        (member.name.clone(), own)
    });
    let into_main = |subject: &str| subject.ends_with(" into main");
    Ok(Summary {
        status: "completed",
        team: team.to_string(),
        backend: backend.as_str(),
        directory: site.root.display().to_string(),
        seconds,
        tasks_completed: tasks.iter().filter(|t| t.status == Status::Completed).count(),
        tasks_total: tasks.len(),
        messages_to_leader: messages.iter().filter(|m| m.from != leader).count(),
        messages_from_leader: messages.iter().filter(|m| m.from == leader).count(),
        plans_approved: messages.iter().filter(|m| m.kind == MessageType::PlanApproved).count(),
        commits: workers.collect(),
        merges: history.iter().filter(|c| c.is_merge && into_main(&c.subject)).count(),
        run: String::new(),
        run_status: "",
        run_path: Vec::new(),
        tests_passed: tests.passed,
        tests_failed: tests.failed,
    })
}

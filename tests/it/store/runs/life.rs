//! The life of one run, by whoever happens to be there, and what must be true of it afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use clawteam::app::approval::{self, Presented};
use clawteam::app::workflow::library::{self, Make};
use clawteam::app::workflow::run::{load, records};
use clawteam::app::workflow::start::{StartOptions, start};
use clawteam::app::workflow::step::{Patience, advance};
use clawteam::app::workflow::{fork, fsck};
use clawteam::app::{App, inbox, log, task, team};
use clawteam::core::id::IdSource;
use clawteam::core::time::Clock;
use clawteam::core::{AgentName, Name, Outcome, TaskId, TeamName};
use clawteam::domain::approval::{Answer, Status as ApprovalStatus, Verdict};
use clawteam::domain::identity::Identity;
use clawteam::domain::settings::Settings;
use clawteam::domain::task::{Change, Status};
use clawteam::domain::workflow::definition::{self, Format};
use clawteam::domain::workflow::run::state::Status as RunStatus;
use clawteam::env::Env;
use clawteam::git::GitProgram;
use clawteam::proc::SystemProcesses;
use clawteam::store::vfs::Vfs;
use clawteam::store::{FsBackend, Store};
use clawteam::tmux::Tmux;
use serde_json::Value;

use super::super::sim::SimFs;
use super::super::steps::ROOT;

/// A task, a variable, a condition, an approval and news.
const FLOW: &str = r#"
schema = "clawteam.workflow/1"
name = "flow"

[nodes.plan]
type = "task"
assign = { agent = "w1" }
prompt = "Plan it"

[nodes.count]
type = "set"
vars = { n = "1 + 1" }

[nodes.ok]
type = "condition"
expr = "vars.n == 2"

[nodes.gate]
type = "approval"
title = "Ship it"

[nodes.tell]
type = "notify"
to = ["agent:w1"]
title = "Shipped"

[nodes.stop]
type = "end"
status = "failed"

[[edges]]
from = "plan"
to = "count"

[[edges]]
from = "count"
to = "ok"

[[edges]]
from = "ok"
to = "gate"
port = "yes"

[[edges]]
from = "ok"
to = "stop"
port = "no"

[[edges]]
from = "gate"
to = "tell"
"#;

/// Noon, always.
struct Noon;

impl Clock for Noon {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("an instant")
    }
}

/// Numbers that nobody else in the test gets.
struct Ids;

impl IdSource for Ids {
    fn hex(&self, digits: usize) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        format!("{number:0digits$x}")
    }
}

pub(super) fn t() -> TeamName {
    TeamName::parse("t").expect("a name")
}

fn w1() -> AgentName {
    AgentName::parse("w1").expect("a name")
}

/// A program on `fs`. It does not wait for locks.
pub(super) fn app(fs: Arc<dyn Vfs>) -> App {
    let backend = Arc::new(FsBackend::on(ROOT, fs, true));
    let store = || Store::new(backend.clone(), Duration::ZERO, Arc::new(|_| {}));
    App {
        store: store(),
        home_store: store(),
        data_dir: ROOT.into(),
        settings: Settings::default(),
        env: Env::of(&[]),
        identity: Identity {
            agent_id: "0".into(),
            agent_name: "lead".into(),
            user: String::new(),
            agent_type: String::new(),
            team_name: None,
            is_leader: false,
            plan_mode_required: false,
        },
        clock: Box::new(Noon),
        ids: Box::new(Ids),
        git: Box::new(GitProgram::new()),
        terminal: Box::new(Tmux::new(Some("/nonexistent/tmux.socket".into()))),
        processes: Box::new(SystemProcesses),
        foreign: Box::new(clawteam::foreign::SystemFiles),
        web: Arc::new(clawteam::web::WebClient),
    }
}

/// A program on `fs` that keeps all rules.
pub(super) fn honest(fs: &SimFs) -> App {
    app(Arc::new(fs.clone()))
}

/// A disk with a team and a workflow, all of it durable.
pub(super) fn prepared() -> SimFs {
    let fs = SimFs::new();
    let app = honest(&fs);
    let new = team::NewTeam {
        name: t(),
        description: String::new(),
        leader: AgentName::parse("lead").expect("a name"),
        leader_id: "0".into(),
        leader_type: "leader".into(),
    };
    team::create(&app, new).unwrap_or_else(|failure| panic!("{}", failure.message()));
    let member = team::member(&app, &w1(), "1".into(), "worker".into());
    team::add_member(&app, &t(), member).unwrap_or_else(|failure| panic!("{}", failure.message()));
    let reading = definition::read(FLOW, Format::Toml, definition::Options::default());
    let definition = reading.definition.expect("a definition");
    let make = Make { by: "ana".into(), note: String::new(), activate: true, after: None };
    let saved = library::create(&app, &t(), &definition, &make, Vec::new());
    saved.unwrap_or_else(|failure| panic!("{}", failure.message()));
    fs.settled()
}

/// What a program was told to have done; it must survive the program.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    /// The run, if it was told to have been started.
    pub(super) run: Option<Name>,
    /// How many records were written.
    pub(super) records: u64,
    /// Whether something failed, rather than the program.
    pub(super) failed: bool,
    /// The messages that were received, by what they answer to.
    pub(super) received: Vec<String>,
}

/// Starts the run, or finds it started.
pub(super) fn begin(app: &App) -> Outcome<Name> {
    let options =
        StartOptions { key: Some("k".into()), source: "test".into(), ..StartOptions::default() };
    Ok(start(app, &t(), &Name::parse("flow")?, options)?.run)
}

/// Receives what waits for the agent.
pub(super) fn receive(app: &App, told: &mut Told) -> Outcome<()> {
    let taken = inbox::take(app, &t(), &w1(), 100)?;
    let ids: Vec<String> =
        taken.messages().filter_map(|message| message.request_id.clone()).collect();
    taken.settle(app)?;
    told.received.extend(ids);
    Ok(())
}

/// The agent does its tasks.
pub(super) fn work(app: &App) -> Outcome<()> {
    for open in task::all(app, &t())? {
        if open.status == Status::Pending {
            let change = Change { status: Some(Status::Completed), ..Change::default() };
            let answer = task::Answer { result: Some("a plan".into()), ..task::Answer::default() };
            task::answer(app, &t(), &TaskId::parse(open.id)?, change, answer, "w1")?;
        }
    }
    Ok(())
}

/// A person approves.
pub(super) fn approve(app: &App) -> Outcome<()> {
    for open in approval::all(app, &t())? {
        if open.status == ApprovalStatus::Pending {
            let answer = Answer { verdict: Verdict::Approve, comment: "good".into(), sig: None };
            let presented = Presented { terminal: true, secret: None };
            approval::decide(app, &t(), &open.id, &answer, &presented, None)?;
        }
    }
    Ok(())
}

/// Moves the run as far as it goes.
pub(super) fn step(app: &App, run: &Name, told: &mut Told) -> Outcome<bool> {
    let mut each = |_: &_, record: &clawteam::domain::workflow::run::record::Record| {
        told.records = told.records.max(record.rev);
    };
    let moved = advance(app, &t(), run, 50, Patience::Wait, &mut each)?;
    Ok(moved.run.is_some_and(|run| {
        run.run.status.is_terminal()
            && run.run.outbox.iter().all(|effect| run.delivered.contains(&effect.key))
    }))
}

/// One program does all that is to be done, whatever was done before.
pub(super) fn play(app: &App, told: &mut Told) -> Outcome<()> {
    let run = begin(app)?;
    told.run = Some(run.clone());
    for _ in 0..8 {
        if step(app, &run, told)? {
            break;
        }
        receive(app, told)?;
        work(app)?;
        approve(app)?;
    }
    receive(app, told)
}

/// What a run came to, without what differs between equal ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) status: RunStatus,
    /// The transitions.
    pub(super) words: Vec<String>,
    /// Tasks, approvals and messages.
    pub(super) effects: BTreeMap<&'static str, usize>,
}

fn wrong(failure: &clawteam::core::Failure) -> String {
    failure.message()
}

/// What the run came to. Says what is wrong with it.
pub(super) fn look(fs: &SimFs, told: &Told) -> Result<Came, String> {
    look_at(fs, told).map_err(|failure| wrong(&failure))?
}

fn look_at(fs: &SimFs, told: &Told) -> Outcome<Result<Came, String>> {
    let app = honest(fs);
    let run = begin(&app)?;
    if told.run.as_ref().is_some_and(|told| *told != run) {
        return Ok(Err(format!("{:?} was told to be started, but {run} is there", told.run)));
    }
    let loaded = load(&app, &t(), &run)?;
    let all = records(&app, &t(), &run)?;
    if all.iter().enumerate().any(|(at, (record, _))| record.rev != at as u64 + 1) {
        return Ok(Err("the journal has a gap or a fork".into()));
    }
    if (all.len() as u64) < told.records {
        return Ok(Err(format!("{} records were told, {} are there", told.records, all.len())));
    }
    let mut replayed = fork::replay(&app, &t(), &run, None)?.run;
    replayed.outbox.clone_from(&loaded.run.outbox);
    if replayed != loaded.run {
        return Ok(Err("the journal does not come to the state".into()));
    }
    let checked = fsck::check(&app, &t(), &run, false)?;
    if let Some(problem) = checked.problems.first() {
        return Ok(Err(format!("fsck: {}", problem.message)));
    }
    let messages = log::newest(&app, &t(), 100, None)?;
    let mut ids: Vec<&String> =
        messages.iter().filter_map(|message| message.request_id.as_ref()).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    if ids.len() != count {
        return Ok(Err("a message was sent twice".into()));
    }
    let mut received = told.received.clone();
    received.sort();
    received.dedup();
    if received.len() != told.received.len() {
        return Ok(Err("a message was received twice".into()));
    }
    let (tasks, approvals) = (task::all(&app, &t())?, approval::all(&app, &t())?);
    let used = approvals.iter().map(|approval| approval.consumed_by.len()).sum();
    let notices = fs.tree().keys().filter(|path| is_notice(path)).count();
    let effects = [
        ("tasks", tasks.len()),
        ("approvals", approvals.len()),
        ("messages", count),
        ("approvals used", used),
        ("notices", notices),
    ];
    let word = |(record, _): &(_, Value)| -> String {
        let record: &clawteam::domain::workflow::run::record::Record = record;
        format!("{} {}", record.tr.word(), record.tr.subject().unwrap_or_default())
    };
    Ok(Ok(Came {
        status: loaded.run.status,
        words: all.iter().map(word).collect(),
        effects: effects.into(),
    }))
}

fn is_notice(path: &str) -> bool {
    path.contains("/notifications/") && path.ends_with(".json") && !path.contains("/.tmp-")
}

/// What the run comes to if nothing disturbs it.
pub(super) fn undisturbed() -> Came {
    let fs = prepared();
    let mut told = Told::default();
    let played = play(&honest(&fs), &mut told);
    played.unwrap_or_else(|failure| panic!("{}", wrong(&failure)));
    let came = look(&fs, &told).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(came.status, RunStatus::Completed, "{came:?}");
    let expected = [("approvals", 1), ("approvals used", 1), ("messages", 2), ("tasks", 1)];
    for (what, count) in expected {
        assert_eq!(came.effects[what], count, "{what}: {came:?}");
    }
    came
}

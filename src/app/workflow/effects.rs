//! Doing what transitions ask for. Everything here can be done again without harm: what it makes
//! has an identifier that comes from the effect's key.

use serde_json::{Map, Value, json};

use super::run::Loaded;
use super::{children, requests};
use crate::app::approval::{self};
use crate::app::{App, agents, inbox, liveness, notify, queue, task, team, workspace};
use crate::core::{AgentName, Digest, Exit, Name, Outcome, Span, Stamp, TaskId, TeamName};
use crate::domain::approval::{Actor, Approver, Bound, NewApproval, Requester};
use crate::domain::message::MessageType;
use crate::domain::notification::{Kind as NoticeKind, NewNotification, Principal, Refs, Severity};
use crate::domain::queue::{NewItem, Priority as ItemPriority, RunRef};
use crate::domain::task::{NewTask, Priority as TaskPriority};
use crate::domain::workflow::run::effect::{ApprovalWish, Effect, ItemWish, Note, Op, TaskWish};
use crate::domain::workflow::run::observe::Ask;

/// Who a task is for that a person does.
const HUMAN: &str = "human";

/// How long the start of an agent may take.
const SPAWN_TIME: Span = Span::seconds(120);

/// Runs that are to be woken after an effect.
type Woken = Vec<(TeamName, Name)>;

/// Does what an effect asks for. Returns the runs that are to be woken once this one's lock is let
/// go.
pub(super) fn deliver(app: &App, loaded: &Loaded, effect: &Effect) -> Outcome<Woken> {
    let team = loaded.team();
    match &effect.op {
        Op::CreateTask(wish) => create_task(app, loaded, effect, wish)?,
        Op::CloseTask { id, reason } => {
            task::close(app, team, &TaskId::parse(id.clone())?, reason)?;
        }
        Op::RequestApproval(wish) => request_approval(app, loaded, effect, wish)?,
        Op::CancelApproval { id, reason } => {
            let id = Name::parse(id.clone())?;
            let by = Actor::run(&loaded.start.run);
            fine_if_gone(approval::revoke(app, team, &id, &by, reason).map(drop))?;
        }
        Op::ConsumeApproval { id, by } => consume(app, loaded, id, by)?,
        Op::Push(wish) => push(app, loaded, wish)?,
        Op::CancelItem { item } => {
            let key = item_key(loaded, item);
            fine_if_gone(queue::cancel(app, team, &key).map(drop))?;
        }
        Op::Notify(note) => tell(app, loaded, effect, note)?,
        Op::StartChild(wish) => {
            let run = children::start(app, loaded, wish)?;
            return Ok(vec![(team.clone(), run), (team.clone(), loaded.name().clone())]);
        }
        Op::StopChild { run, reason } => {
            let run = Name::parse(run.clone())?;
            if super::step::exists(app, team, &run).is_ok() {
                let reason = reason.clone();
                stop_child(app, team, &run, effect, reason)?;
                return Ok(vec![(team.clone(), run)]);
            }
        }
        Op::DropRequest { id } => requests::forget(app, loaded, id)?,
        Op::StopAgent { agent } => {
            let agent = AgentName::parse(agent.clone())?;
            agents::stop(app, team, &agent)?;
        }
    }
    Ok(Vec::new())
}

/// What is gone needs not be called off.
fn fine_if_gone(outcome: Outcome<()>) -> Outcome<()> {
    match outcome {
        Err(failure) if failure.inner().exit() == Exit::NotFound => Ok(()),
        other => other,
    }
}

/// Leaves the wish that a child ends, once.
fn stop_child(
    app: &App,
    team: &TeamName,
    run: &Name,
    effect: &Effect,
    reason: String,
) -> Outcome<()> {
    use crate::domain::workflow::run::observe::Request;
    use crate::store::{Dir, Expect, Put, encode};
    let id = format!("parent-{}", Digest::of(effect.key.as_bytes()).start(12));
    let request = Request {
        id: id.clone(),
        by: "parent".into(),
        at: app.now_millis(),
        ask: Ask::Stop { reason, kill: false },
    };
    let key = Dir::run_requests(team, run).entry(&format!("{id}.json"));
    children::once(app, &Put::new(key, encode(&request), Expect::Absent))
}

/// What tells an item of a run's queue from those of other runs.
fn item_key(loaded: &Loaded, item: &str) -> String {
    format!("run:{}:{item}", loaded.start.run)
}

/// Where the result of an item will be. `item` is the key of the effect that made it:
/// `node#visit/attempt:what`.
pub(super) fn item_ref(loaded: &Loaded, item: &str) -> RunRef {
    let (act, rest) = item.split_once("/a").unwrap_or((item, "1:"));
    let (attempt, what) = rest.split_once(':').unwrap_or((rest, ""));
    RunRef {
        run: loaded.name().clone(),
        act: format!("{act}:{what}"),
        attempt: attempt.parse().unwrap_or(1),
    }
}

fn push(app: &App, loaded: &Loaded, wish: &ItemWish) -> Outcome<()> {
    let payload = payload(app, loaded, wish)?;
    let mut new = NewItem::new(&wish.kind, Value::Object(payload));
    new.key = Some(item_key(loaded, &wish.item));
    new.priority = match wish.priority {
        0 | 1 => ItemPriority::Low,
        2 => ItemPriority::Normal,
        3 => ItemPriority::High,
        _ => ItemPriority::Critical,
    };
    // The run has a policy of its own for another try.
    new.max_attempts = 1;
    new.timeout = Span::millis(wish.timeout);
    new.idempotent = Some(wish.idempotent);
    new.run = Some(item_ref(loaded, &wish.item));
    queue::push(app, loaded.team(), new)?;
    Ok(())
}

/// What is to be done, as the workers of the queue read it.
fn payload(app: &App, loaded: &Loaded, wish: &ItemWish) -> Outcome<Map<String, Value>> {
    let given = &wish.payload;
    let text = |field: &str| given.get(field).and_then(Value::as_str).unwrap_or_default();
    let mut payload = Map::new();
    let mut copy = |from: &str, to: &str| {
        if let Some(value) = given.get(from)
            && !is_empty(value)
        {
            payload.insert(to.to_owned(), value.clone());
        }
    };
    match wish.kind.as_str() {
        "command" => {
            copy("run", "argv");
            for same in ["shell", "cwd", "env", "stdin", "parse", "okExit"] {
                copy(same, same);
            }
            if given.get("shell") == Some(&Value::Bool(true)) {
                let words = given.get("run").and_then(Value::as_array);
                let words: Vec<&str> =
                    words.into_iter().flatten().filter_map(Value::as_str).collect();
                payload.insert("argv".into(), Value::String(words.join(" ")));
            }
        }
        "verify" => {
            copy("run", "argv");
            copy("agent", "agent");
            copy("cwd", "cwd");
        }
        _ => {
            for name in given.keys() {
                copy(name, name);
            }
        }
    }
    match wish.kind.as_str() {
        "command" => {
            let base = match text("worktree") {
                "" => loaded.start.repo.clone().unwrap_or_default(),
                agent => worktree_of(app, loaded, agent)?,
            };
            let cwd = std::path::Path::new(&base).join(text("cwd"));
            if !cwd.as_os_str().is_empty() {
                payload.insert("cwd".into(), json!(cwd.display().to_string()));
            }
        }
        "merge" => {
            if let Some(repo) = &loaded.start.repo {
                payload.insert("repo".into(), json!(repo));
            }
        }
        _ => {}
    }
    Ok(payload)
}

/// Where an agent works: its worktree, or the repository if it has none of its own.
fn worktree_of(app: &App, loaded: &Loaded, agent: &str) -> Outcome<String> {
    let agent = AgentName::parse(agent.to_owned())?;
    match workspace::of(app, loaded.team(), &agent, &app.data_dir) {
        Ok(found) => Ok(found.worktree_path),
        Err(failure) if failure.inner().code() == "workspace_not_found" => {
            Ok(loaded.start.repo.clone().unwrap_or_default())
        }
        Err(failure) => Err(failure),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn create_task(app: &App, loaded: &Loaded, effect: &Effect, wish: &TaskWish) -> Outcome<()> {
    let team = loaded.team();
    let id = TaskId::parse(wish.id.clone())?;
    let workflow = json!({
        "run": loaded.start.run,
        "node": wish.node,
        "act": wish.act,
        "attempt": wish.attempt,
        "key": format!("{}:{}", loaded.start.run, effect.key),
        "requires": {
            "response": wish.needs_response,
            "minLength": wish.min_length,
            "artifacts": wish.needs_artifact,
        },
    });
    let owner = wish.owner.clone().unwrap_or_default();
    let mut metadata = Map::new();
    metadata.insert("workflow".into(), workflow);
    let new = NewTask {
        id: id.clone(),
        subject: wish.subject.clone(),
        description: wish.description.clone(),
        priority: match wish.priority {
            0 | 1 => TaskPriority::Low,
            2 => TaskPriority::Medium,
            3 => TaskPriority::High,
            _ => TaskPriority::Urgent,
        },
        owner: owner.clone(),
        metadata,
        blocks: Vec::new(),
        blocked_by: Vec::new(),
        allow_unknown: false,
    };
    if wish.existing {
        task::take_up(app, team, &id, new)?;
    } else {
        task::create_keyed(app, team, id, new)?;
    }
    if owner.is_empty() {
        return Ok(());
    }
    if owner == HUMAN {
        return tell(app, loaded, effect, &note_of(loaded, wish));
    }
    announce(app, loaded, effect, wish, &owner)?;
    let runs = liveness::of(app, team, &owner) == Some(true);
    if let Some(spawn) = wish.spawn.as_ref().filter(|_| !runs) {
        let payload = json!({
            "agent": owner,
            "task": wish.id,
            "command": spawn.command,
            "backend": (!spawn.backend.is_empty()).then_some(&spawn.backend),
            "worktree": spawn.worktree,
            "repo": loaded.start.repo,
        });
        let mut new = NewItem::new("spawn", payload);
        new.key = Some(item_key(loaded, &format!("{}.spawn", effect.key)));
        new.timeout = SPAWN_TIME;
        queue::push(app, team, new)?;
    }
    Ok(())
}

/// What a person is told whose task it is.
fn note_of(loaded: &Loaded, wish: &TaskWish) -> Note {
    Note {
        to: HUMAN.into(),
        kind: NoticeKind::TaskReview.as_str().into(),
        severity: Severity::Warning.as_str().into(),
        title: format!("Task for you: {}", wish.subject),
        body: format!("clawteam task get {} {}", loaded.start.team, wish.id),
    }
}

/// Tells the agent of its task, once.
fn announce(
    app: &App,
    loaded: &Loaded,
    effect: &Effect,
    wish: &TaskWish,
    owner: &str,
) -> Outcome<()> {
    let team = loaded.team();
    let content = format!("Task {} is yours: {}\n\n{}", wish.id, wish.subject, wish.description);
    let digest = Digest::of(format!("{}:{}", loaded.start.run, effect.key).as_bytes());
    let message = crate::domain::message::Message {
        request_id: Some(digest.start(12).to_owned()),
        from: format!("workflow:{}", loaded.start.run),
        to: Some(owner.to_owned()),
        timestamp: stamp(loaded.run.now),
        ..inbox::text(MessageType::Message, content)
    };
    inbox::deliver_once(app, team, owner, message, loaded.run.now, &digest)
}

fn stamp(millis: u64) -> Stamp {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    chrono::DateTime::from_timestamp_millis(millis).map(Stamp::at).unwrap_or_default()
}

fn request_approval(
    app: &App,
    loaded: &Loaded,
    effect: &Effect,
    wish: &ApprovalWish,
) -> Outcome<()> {
    let id = Name::parse(wish.id.clone())?;
    let run = Actor::run(&loaded.start.run);
    let requester = Requester { id: run.id, kind: run.kind, proof: run.proof, via: None };
    let reason = format!("workflow '{}' has come to '{}'", loaded.start.workflow, wish.node);
    let mut new = NewApproval::new(requester, "workflow", &wish.title, reason);
    new.id = Some(id);
    new.key = Some(format!("{}:{}", loaded.start.run, effect.key));
    new.description.clone_from(&wish.details);
    new.run = Some(loaded.name().clone());
    new.node = Some(wish.node.clone());
    let visit = wish.act.rsplit_once('#').and_then(|(_, visit)| visit.parse().ok());
    new.act = visit;
    let parsed: Result<Vec<Approver>, _> = wish.approvers.iter().map(|a| a.parse()).collect();
    new.approvers = parsed?;
    new.quorum = wish.quorum;
    new.confidence = wish.confidence.map(percent);
    new.rubric = wish.rubric.iter().map(|(name, points)| (name.clone(), *points)).collect();
    new.risky = wish.risky;
    new.external = wish.external;
    new.require_signature = wish.sign;
    new.payload = Some(json!({"shown": wish.shown, "feedback": wish.feedback}));
    // To the millisecond the instant at which the run takes it for expired.
    let left = |at: u64| Span::millis(at.saturating_sub(app.now_millis()).max(1));
    new.timeout = wish.expires_at.map(left);
    if wish.expires_at.is_none() {
        new.on_timeout = crate::domain::approval::OnTimeout::Nothing;
    }
    new.bound = wish.digest.clone().map(|digest| Bound { digest, revision: visit.unwrap_or(0) });
    approval::create_for_run(app, loaded.team(), new)
}

fn percent(confidence: f64) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let percent = confidence.clamp(0.0, 100.0).round() as u8;
    percent
}

/// Uses an approval up: nothing else can pass by it.
fn consume(app: &App, loaded: &Loaded, id: &str, by: &str) -> Outcome<()> {
    let id = Name::parse(id.to_owned())?;
    let bound = approval::load(app, loaded.team(), &id)?.bound;
    let by = format!("{}:{by}", loaded.start.run);
    approval::consume(app, loaded.team(), &id, &by, bound.as_ref())?;
    Ok(())
}

fn tell(app: &App, loaded: &Loaded, effect: &Effect, note: &Note) -> Outcome<()> {
    let to = match note.to.as_str() {
        "lead" => {
            let leader = team::leader(app, loaded.team())?.0;
            Principal::Agent(AgentName::parse(leader.to_string())?)
        }
        other => other.parse()?,
    };
    let kind = note.kind.parse().unwrap_or(NoticeKind::Custom);
    let severity = note.severity.parse().unwrap_or(Severity::Info);
    let digest = Digest::of(format!("{}:{}", loaded.start.run, effect.key).as_bytes());
    if let Principal::Agent(agent) = &to {
        let message = crate::domain::message::Message {
            request_id: Some(digest.start(12).to_owned()),
            from: format!("workflow:{}", loaded.start.run),
            to: Some(agent.to_string()),
            timestamp: stamp(loaded.run.now),
            ..inbox::text(MessageType::Message, format!("{}\n\n{}", note.title, note.body))
        };
        let now = loaded.run.now;
        inbox::deliver_once(app, loaded.team(), agent.as_str(), message, now, &digest)?;
    }
    let mut new = NewNotification::new(kind, severity, &note.title);
    new.key = Some(format!("{}:{}", loaded.start.run, effect.key));
    new.to = to;
    new.body.clone_from(&note.body);
    new.refs = Refs { run: Some(loaded.start.run.clone()), ..Refs::default() };
    notify::post(app, loaded.team(), &new)?;
    Ok(())
}

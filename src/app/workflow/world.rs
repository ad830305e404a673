//! What a step looks at: the world as the run may care about it.

use std::cell::OnceCell;
use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::run::Loaded;
use super::{requests, view};
use crate::app::App;
use crate::app::{approval, artifact, liveness, task, team};
use crate::core::{Digest, Name, Outcome, TaskId, TeamName};
use crate::domain::approval::Status as ApprovalStatus;
use crate::domain::queue::Report;
use crate::domain::task::{Status as TaskStatus, Task};
use crate::domain::workflow::definition::{Kind, LossPolicy};
use crate::domain::workflow::run::decide;
use crate::domain::workflow::run::effect::Op;
use crate::domain::workflow::run::observe::{Facts, Found, Member, Observation, Verdict};
use crate::domain::workflow::run::start::Start;
use crate::domain::workflow::run::state::{
    Act, ActState, ArtifactRef, Fault, Millis, Output, Parts, Status, Work,
};
use crate::store::{Dir, Key, StoreError};

/// What decisions need to know of the team and of long results.
pub(super) struct World<'w> {
    app: &'w App,
    start: &'w Start,
    team: Option<TeamName>,
    members: OnceCell<Vec<Member>>,
}

impl<'w> World<'w> {
    pub(super) fn new(app: &'w App, start: &'w Start) -> Self {
        let team = TeamName::parse(start.team.clone()).ok();
        Self { app, start, team, members: OnceCell::new() }
    }

    fn find_members(&self) -> Vec<Member> {
        let Some(team) = &self.team else { return Vec::new() };
        let Ok(Some(found)) = team::find(self.app, team) else { return Vec::new() };
        let mut loads: HashMap<String, usize> = HashMap::new();
        for task in task::all(self.app, team).unwrap_or_default() {
            if task.status != TaskStatus::Completed && !task.is_settled() {
                *loads.entry(task.owner).or_insert(0) += 1;
            }
        }
        let member = |member: &crate::domain::team::Member| Member {
            name: member.name.clone(),
            role: member.agent_type.clone(),
            capabilities: capabilities(member),
            load: loads.get(&member.name).copied().unwrap_or(0),
        };
        found.value.members.iter().map(member).collect()
    }
}

/// What a member can do: a list, or words with commas between them.
fn capabilities(member: &crate::domain::team::Member) -> Vec<String> {
    match member.extra.get("capabilities") {
        Some(Value::Array(all)) => {
            all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(Value::String(text)) => {
            text.split(',').map(|can| can.trim().to_owned()).filter(|can| !can.is_empty()).collect()
        }
        _ => Vec::new(),
    }
}

impl Facts for World<'_> {
    fn members(&self) -> Vec<Member> {
        self.members.get_or_init(|| self.find_members()).clone()
    }

    fn leader(&self) -> Option<String> {
        let team = self.team.as_ref()?;
        let found = team::find(self.app, team).ok()??;
        found.value.leader().map(|leader| leader.name.clone())
    }

    fn blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        artifact::get_blob(self.app, digest).ok()
    }

    fn start(&self) -> &Start {
        self.start
    }
}

/// Looks at everything that the run may wait for.
pub(super) fn observe(app: &App, loaded: &Loaded, now: Millis) -> Outcome<Observation> {
    let mut seen = Observation {
        requests: requests::pending(app, loaded.team(), loaded.name())?,
        ..Observation::default()
    };
    seen.requests.retain(|request| !loaded.run.taken_up.contains(&request.id));
    if !seen.requests.is_empty() {
        return Ok(seen);
    }
    if loaded.run.rev == 0 && !view::must_wait_for(app, loaded)?.is_empty() {
        // It begins when the runs before it have ended: until then nothing moves.
        seen.held = true;
        return Ok(seen);
    }
    for (id, act) in loaded.run.live() {
        // What was not asked for yet cannot be missing.
        if act.state != ActState::Dispatched || is_unasked(app, loaded, act)? {
            continue;
        }
        if let Some(found) = look(app, loaded, id, act, now)? {
            seen.found.insert(id.to_owned(), found);
        }
    }
    Ok(seen)
}

/// Whether the task or the approval that a visit waits for could not be made so far: it will be
/// tried again. A task that was to be taken up and is gone will not come.
fn is_unasked(app: &App, loaded: &Loaded, act: &Act) -> Outcome<bool> {
    let Some(Work::Task { id } | Work::Approval { id }) = &act.work else {
        return Ok(false);
    };
    let open = loaded.run.outbox.iter().filter(|e| !loaded.delivered.contains(&e.key));
    for effect in open {
        match &effect.op {
            Op::CreateTask(wish) if wish.id == *id && wish.existing => {
                let task = Key::task(loaded.team(), &TaskId::parse(id.clone())?);
                return Ok(app.store.backend().read(&task)?.is_some());
            }
            Op::CreateTask(wish) if wish.id == *id => return Ok(true),
            Op::RequestApproval(wish) if wish.id == *id => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}

fn look(app: &App, loaded: &Loaded, id: &str, act: &Act, now: Millis) -> Outcome<Option<Found>> {
    let team = loaded.team();
    match &act.work {
        Some(Work::Task { id: task }) => look_at_task(app, loaded, id, act, task),
        Some(Work::Verify { .. }) => {
            let key = crate::domain::workflow::run::effect::effect_key(id, act.attempt, "verify");
            look_at_item(app, loaded, &key)
        }
        Some(Work::Item { key }) => look_at_item(app, loaded, key),
        Some(Work::Approval { id: approval }) => look_at_approval(app, team, approval),
        Some(Work::Children) => look_at_children(app, loaded, act),
        Some(Work::Event { event, after }) => look_for_event(app, loaded, id, event, *after, now),
        Some(Work::Timer | Work::Signal { .. }) | None => Ok(None),
    }
}

fn settled(code: &str, message: String) -> Option<Found> {
    Some(Found::Task {
        who: String::new(),
        error: Some(Fault::new(code, message)),
        output: Output::default(),
        artifacts: Vec::new(),
    })
}

fn look_at_task(
    app: &App,
    loaded: &Loaded,
    id: &str,
    act: &Act,
    task: &str,
) -> Outcome<Option<Found>> {
    let team = loaded.team();
    let task_id = TaskId::parse(task.to_owned())?;
    let found = match app.store.load::<Task>(&Key::task(team, &task_id)) {
        Ok(found) => found.map(|doc| doc.value),
        // Somebody is asked to repair it: the run waits for that.
        Err(error @ StoreError::Unreadable { .. }) => {
            app.warn(error.to_string());
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let Some(task) = found else {
        return Ok(settled("task_deleted", format!("task {task_id} is gone")));
    };
    let ours = task
        .workflow()
        .is_some_and(|of| of.run == *loaded.name() && of.act == id && of.attempt == act.attempt);
    if !ours {
        let message = format!("task {task_id} belongs to something else now");
        return Ok(settled("task_replaced", message));
    }
    if let Some(failed) = task.failed() {
        return Ok(Some(Found::Task {
            who: failed.by,
            error: Some(Fault::new("task_failed", failed.error)),
            output: output_of(&task),
            artifacts: artifacts_of(&task),
        }));
    }
    if task.status == TaskStatus::Completed {
        let who = task.result().map(|result| result.by).unwrap_or_else(|| task.owner.clone());
        return Ok(Some(Found::Task {
            who,
            error: None,
            output: output_of(&task),
            artifacts: artifacts_of(&task),
        }));
    }
    if let Some(closed) = task.closed() {
        return Ok(settled("task_closed", format!("task {task_id} was closed: {}", closed.reason)));
    }
    Ok(lost(app, loaded, act, &task))
}

/// Whether the agent of a task is gone, if the node cares.
fn lost(app: &App, loaded: &Loaded, act: &Act, task: &Task) -> Option<Found> {
    let place = loaded.graph.place(&act.node)?;
    let Kind::Task(node) = &place.node.kind else { return None };
    if node.loss_policy == LossPolicy::Wait {
        return None;
    }
    let worker = task::worker(task);
    let dead = !worker.is_empty() && liveness::of(app, loaded.team(), worker) == Some(false);
    // One that is about to be started has not been there yet.
    let starting = node.spawn.is_some() && act.began_at.is_none();
    (dead && !starting).then(|| Found::Lost { who: worker.to_owned() })
}

fn output_of(task: &Task) -> Output {
    let Some(result) = task.result() else { return Output::default() };
    match result.text {
        Some(text) => Output::text(text),
        None => Output { blob: Some(result.digest), bytes: result.bytes, ..Output::default() },
    }
}

fn artifacts_of(task: &Task) -> Vec<ArtifactRef> {
    let refs = task.artifacts().into_iter();
    refs.map(|a| ArtifactRef {
        name: a.name.to_string(),
        version: a.version,
        digest: a.digest,
        bytes: a.bytes,
    })
    .collect()
}

/// The result of an item of the queue, as its worker left it.
fn look_at_item(app: &App, loaded: &Loaded, key: &str) -> Outcome<Option<Found>> {
    let of = super::effects::item_ref(loaded, key);
    let document = Dir::run_results(loaded.team(), loaded.name()).entry(&of.result_file());
    let found = app.store.load::<Report>(&document)?;
    let Some(report) = found.map(|doc| doc.value) else { return Ok(None) };
    let details = match &report.output {
        Value::Object(details) => details.clone(),
        _ => Map::new(),
    };
    let mut output = match &report.output {
        Value::Null => Output::text(report.text.clone()),
        value => Output::of(value.clone()),
    };
    if !report.text.is_empty() {
        output.bytes = report.text.len() as u64;
        output.text.clone_from(&report.text);
    }
    shorten(app, &mut output)?;
    output.exit_code = report.exit_code;
    let error = match (report.ok, report.error) {
        (true, _) => None,
        (false, Some(error)) => {
            let said = report.stderr.trim_end();
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            Some(Fault { code: error.code, message: format!("{}{said}", error.message) })
        }
        (false, None) => Some(Fault::new("failed", "it failed")),
    };
    Ok(Some(Found::Item { error, output, details }))
}

/// Keeps a long text outside of the journal.
fn shorten(app: &App, output: &mut Output) -> Outcome<()> {
    let most = crate::core::limits::RESULT_BYTES_INLINE;
    if output.text.len() <= most {
        return Ok(());
    }
    output.bytes = output.text.len() as u64;
    output.blob = Some(artifact::put_blob(app, output.text.clone().into_bytes())?);
    output.text = crate::core::text::cut(&output.text, most / 4).to_owned();
    output.value = None;
    Ok(())
}

fn look_at_approval(app: &App, team: &TeamName, id: &str) -> Outcome<Option<Found>> {
    let id = Name::parse(id.to_owned())?;
    let found = match approval::load(app, team, &id) {
        Ok(found) => found,
        Err(failure) if failure.inner().exit() == crate::core::Exit::NotFound => {
            return Ok(Some(Found::Approval {
                verdict: Verdict::Cancelled,
                who: Vec::new(),
                comment: "the approval is gone".into(),
                proof: Vec::new(),
            }));
        }
        Err(failure) => return Err(failure),
    };
    let verdict = match found.status {
        ApprovalStatus::Pending => return Ok(None),
        ApprovalStatus::Approved => Verdict::Approved,
        ApprovalStatus::Rejected => Verdict::Rejected,
        ApprovalStatus::Expired => Verdict::Expired,
        ApprovalStatus::Cancelled => Verdict::Cancelled,
    };
    let decided = found.decisions.iter();
    let comments: Vec<&str> =
        found.decisions.iter().map(|d| d.comment.as_str()).filter(|c| !c.is_empty()).collect();
    Ok(Some(Found::Approval {
        verdict,
        who: decided.clone().map(|decision| decision.actor.clone()).collect(),
        comment: comments.join("\n"),
        proof: decided.map(|decision| decision.proof.as_str().to_owned()).collect(),
    }))
}

/// Which children have ended.
fn look_at_children(app: &App, loaded: &Loaded, act: &Act) -> Outcome<Option<Found>> {
    let Some(Parts::Children { children, .. }) = &act.parts else { return Ok(None) };
    let mut ended = Vec::new();
    for (n, child) in children.iter().enumerate().filter(|(_, child)| child.status.is_none()) {
        let name = Name::parse(child.run.clone())?;
        if let Some(refusal) = super::children::refusal(app, loaded, &child.run)? {
            ended.push((n, Status::Failed, Some(refusal)));
            continue;
        }
        let Ok(found) = super::run::load(app, loaded.team(), &name) else { continue };
        if !found.run.status.is_terminal() {
            continue;
        }
        let output = if found.run.status == Status::Completed {
            Value::Object(found.run.outputs)
        } else {
            json!(found.run.fault)
        };
        ended.push((n, found.run.status, Some(output.to_string())));
    }
    Ok((!ended.is_empty()).then_some(Found::Children(ended)))
}

/// The first event of a kind that a visit waits for.
fn look_for_event(
    app: &App,
    loaded: &Loaded,
    id: &str,
    event: &str,
    after: Millis,
    now: Millis,
) -> Outcome<Option<Found>> {
    let world = World::new(app, &loaded.start);
    let (graph, run) = (&loaded.graph, &loaded.run);
    for (name, data) in super::events::since(app, loaded.team(), event, after)? {
        match decide::is_awaited(graph, run, &world, now, id, &data) {
            Ok(true) => return Ok(Some(Found::Event { id: name, data })),
            Ok(false) => {}
            Err(fault) => return Ok(Some(Found::Broken(fault))),
        }
    }
    Ok(None)
}

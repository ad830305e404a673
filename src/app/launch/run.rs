//! Starting the members of a team at once.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{Flow, LaunchStatus, Launched, Member, MemberStatus, Plan, Planned, flow, make};
use crate::app::provision::Terms;
use crate::app::spawn::{self, Spawned};
use crate::app::wait::Stop;
use crate::app::{App, agents, hook, liveness};
use crate::core::{Outcome, TeamName};
use crate::domain::agent::{AgentRecord, BackendKind, RunState};
use crate::domain::event::Event;
use crate::ports::terminal::Delivery;

/// How often a request to end is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// How long starts that are under way are waited for after a request to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is said of a member that was not started because of such a request.
const INTERRUPTED: &str = "was not started: the launch was interrupted";

/// Who hears of a launch while it goes on.
#[derive(Clone, Copy)]
pub struct Hearers<'a> {
    /// Hears of each member as it comes, from several threads.
    pub tell: &'a (dyn Fn(&Member) + Sync),
    /// A request to end: nobody is started any more, and nothing that takes long is waited for.
    pub stop: &'a Stop,
    /// Hears, once the end was asked for, how the launch stands, if starts are still under way
    /// after a short time. It ends this process, or the launch waits for them.
    pub leave: &'a dyn Fn(&Launched),
}

/// Makes the team and starts its members at once. If no member runs in the end, the team is taken
/// back.
///
/// Fails if the team could not be made; a member that does not start is part of the result.
pub fn launch(app: &App, plan: &Plan, hearers: Hearers<'_>) -> Outcome<Launched> {
    let Hearers { tell, stop, .. } = hearers;
    let fresh = make::team(app, plan)?;
    let agents = start_all(app, plan, hearers);
    let agents: Vec<Member> =
        agents.into_iter().map(|member| still_there(app, &plan.team, member, tell)).collect();
    let ready = agents.iter().filter(|member| member.status == MemberStatus::Ready).count();
    let mut status = if ready == agents.len() {
        LaunchStatus::Launched
    } else if agents.iter().all(|member| member.status == MemberStatus::Failed) {
        make::take_back(app, plan, fresh)?;
        LaunchStatus::Failed
    } else if stop.is_requested() {
        LaunchStatus::Interrupted
    } else {
        LaunchStatus::Partial
    };
    // Only now: nobody could do what it asks for before, and a team that is taken back has none.
    let mut workflow = None;
    let over = matches!(status, LaunchStatus::Failed | LaunchStatus::Interrupted);
    if !over {
        let event = Event::new("TeamLaunch", plan.team.as_str());
        let event = event.with("template", plan.template.as_str());
        hook::emit(app, event.with("agent_count", agents.len()));
    }
    if let Some(flow) = plan.flow.as_ref().filter(|_| !over) {
        match flow::begin(app, plan, flow) {
            Ok(started) => workflow = Some(started),
            Err(failure) => {
                let name = flow.name();
                let why = failure.message();
                app.warn(format!(
                    "the team runs, but its workflow '{name}' was not started: {why}"
                ));
                status = LaunchStatus::Partial;
            }
        }
    }
    Ok(result(plan, status, agents, workflow))
}

fn result(
    plan: &Plan,
    status: LaunchStatus,
    agents: Vec<Member>,
    workflow: Option<Flow>,
) -> Launched {
    Launched {
        status,
        team: plan.team.to_string(),
        template: plan.template.clone(),
        backend: plan.backend.as_str(),
        agents,
        workflow,
    }
}

/// Starts all members, each in a thread, and gives them back in the order of the plan.
fn start_all(app: &App, plan: &Plan, hearers: Hearers<'_>) -> Vec<Member> {
    let Hearers { tell, stop, leave } = hearers;
    std::thread::scope(|scope| {
        let (send, heard) = mpsc::channel();
        for (n, planned) in plan.members.iter().enumerate() {
            let send = send.clone();
            scope.spawn(move || {
                let member = start(app, planned, plan.backend, stop);
                tell(&member);
                // Nobody listens only if the launch is over.
                let _ = send.send((n, member));
            });
        }
        drop(send);
        let mut members: Vec<Option<Member>> = plan.members.iter().map(|_| None).collect();
        let mut patience = None;
        loop {
            match heard.recv_timeout(LOOK) {
                Ok((n, member)) => members[n] = Some(member),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if !stop.is_requested() {
                continue;
            }
            let end = *patience.get_or_insert_with(|| Instant::now() + PATIENCE);
            if Instant::now() >= end || stop.is_urgent() {
                let known = as_they_are(app, plan, &members);
                leave(&result(plan, LaunchStatus::Interrupted, known, None));
                patience = Some(Instant::now() + PATIENCE);
            }
        }
        let members = members.into_iter().map(|member| member.expect("a start does not panic"));
        members.collect()
    })
}

/// All members as they are while some starts are still under way: who runs is registered, whoever
/// does not yet run is ended.
fn as_they_are(app: &App, plan: &Plan, members: &[Option<Member>]) -> Vec<Member> {
    let one = |(planned, member): (&Planned, &Option<Member>)| {
        if let Some(member) = member {
            return member.clone();
        }
        let agent = &planned.request.agent;
        let member = blank(planned, plan.backend);
        if spawn::register_running(app, &plan.team, agent).unwrap_or(false) {
            let message = "runs; the launch was interrupted before its prompt was seen to be taken";
            return Member { status: MemberStatus::Unbriefed, message: message.into(), ..member };
        }
        let _ = agents::stop(app, &plan.team, agent);
        Member { message: INTERRUPTED.into(), ..member }
    };
    plan.members.iter().zip(members).map(one).collect()
}

/// A member as it is after all others were started: by then it may have broken down.
fn still_there(
    app: &App,
    team: &TeamName,
    member: Member,
    tell: &(dyn Fn(&Member) + Sync),
) -> Member {
    let record = liveness::record(app, team, &member.name);
    let broken = |record: &AgentRecord| {
        record.state == RunState::Exited && record.exit_code.is_some_and(|code| code != 0)
    };
    match record.filter(|record| member.status != MemberStatus::Failed && broken(record)) {
        Some(record) => {
            let mut message = format!("it ended with status {}", record.exit_code.unwrap_or(-1));
            if !record.last_output.is_empty() {
                message.push_str(&format!("; its last output: {}", record.last_output.join(" | ")));
            }
            let member = Member { status: MemberStatus::Failed, message, ..member };
            tell(&member);
            member
        }
        None => member,
    }
}

/// Starts a member, again if its template says so.
fn start(app: &App, planned: &Planned, backend: BackendKind, stop: &Stop) -> Member {
    let terms =
        Terms { provision: planned.provision.clone(), fresh_team: true, stop: stop.clone() };
    let tries = planned.retry.map_or(1, |retry| retry.max_retries.saturating_add(1));
    let mut failures = 0;
    let spawned = loop {
        if stop.is_requested() {
            return Member { message: INTERRUPTED.into(), ..blank(planned, backend) };
        }
        match spawn::spawn_on(app, &planned.request, &terms) {
            Ok(spawned) => break Ok(spawned),
            Err(failure) => {
                failures += 1;
                let Some(retry) = planned.retry.filter(|_| failures < tries) else {
                    break Err(failure);
                };
                pause(retry.pause(failures), stop);
            }
        }
    };
    let member = blank(planned, backend);
    match spawned {
        Ok(spawned) => briefed(member, spawned),
        Err(failure) => {
            let message = failure.message();
            let message = message.strip_prefix("Error: ").unwrap_or(&message).to_owned();
            Member { message, ..member }
        }
    }
}

/// A member of which nothing is known yet.
fn blank(planned: &Planned, backend: BackendKind) -> Member {
    Member {
        name: planned.request.agent.to_string(),
        id: planned.id.clone(),
        kind: planned.kind.clone(),
        status: MemberStatus::Failed,
        backend: planned.request.backend.unwrap_or(backend).as_str(),
        message: String::new(),
        branch: None,
        cwd: None,
    }
}

/// Waits, unless the end is asked for.
fn pause(length: Duration, stop: &Stop) {
    let end = Instant::now() + length;
    while !stop.is_requested() && Instant::now() < end {
        std::thread::sleep(end.saturating_duration_since(Instant::now()).min(LOOK));
    }
}

fn briefed(member: Member, spawned: Spawned) -> Member {
    let (status, message) = match spawned.prompt {
        None | Some(Delivery::Delivered) => (MemberStatus::Ready, spawned.message),
        Some(Delivery::NotReady) => (
            MemberStatus::Unbriefed,
            "runs, but did not read its terminal; its prompt was not typed".to_owned(),
        ),
        Some(Delivery::NotTaken) => (
            MemberStatus::Unbriefed,
            "runs, but was not seen to take the prompt that was typed".to_owned(),
        ),
    };
    Member { status, message, branch: spawned.branch, cwd: Some(spawned.cwd), ..member }
}

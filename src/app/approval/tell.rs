//! Who hears of an approval.

use std::collections::BTreeSet;

use super::actor::NOBODY;
use super::plan;
use crate::app::{App, inbox, notify, team, workflow};
use crate::core::{AgentName, Name, Outcome, TeamName, UserName};
use crate::domain::approval::{
    Actor, Approval, Approver, Change, PLAN, Record, Risk, Status, Verdict,
};
use crate::domain::message::{Message, MessageType};
use crate::domain::notification::{Kind, NewNotification, Principal, Refs, Severity};
use crate::domain::team::{Recipient, resolve};
use crate::store::Put;

/// An approval with those of its changes that nobody has heard of.
pub(super) struct Told {
    /// The approval.
    pub(super) approval: Approval,
    /// The changes.
    pub(super) news: Vec<Record>,
}

/// What people must know of an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Somebody has to decide.
    Wanted,
    /// It was decided, or ended otherwise.
    Decided,
}

/// The run that waits for these changes, if there is one and it did not make them itself.
pub(super) fn waits<'a>(approval: &'a Approval, news: &[Record]) -> Option<&'a Name> {
    let run = approval.run.as_ref()?;
    let own = Actor::run(run.as_str()).id;
    let ends = |record: &Record| match &record.change {
        Change::Answered { status, .. } => *status != Status::Pending,
        Change::Expired {} => true,
        Change::Cancelled { by, .. } | Change::Invalidated { by, .. } => *by != own,
        Change::Requested { .. } | Change::Escalated { .. } | Change::Consumed { .. } => false,
    };
    news.iter().any(ends).then_some(run)
}

/// What is done when the lock is gone. Returns the approval.
pub(super) fn after(app: &App, told: Told) -> Approval {
    let Told { approval, news } = told;
    if let Some(run) = waits(&approval, &news) {
        workflow::wake(app, &approval.team, run);
    }
    let pending = approval.status == Status::Pending;
    let asked = news
        .iter()
        .any(|record| matches!(record.change, Change::Requested { .. } | Change::Escalated { .. }));
    let news = if asked && pending {
        Some(News::Wanted)
    } else {
        (!news.is_empty() && !pending).then_some(News::Decided)
    };
    if let Some(Err(failure)) = news.map(|news| announce(app, &approval, news)) {
        app.warn(format!("nobody was notified: {}", failure.message()));
    }
    approval
}

/// Makes sure that people know that they are asked, if nobody has answered yet: whoever made the
/// request may have ended before it told them.
pub(super) fn again(app: &App, approval: &Approval) -> Outcome<()> {
    let unanswered = approval.status == Status::Pending && approval.decisions.is_empty();
    if unanswered { announce(app, approval, News::Wanted) } else { Ok(()) }
}

/// The messages about changes, to be written with the document.
pub(super) fn messages(app: &App, approval: &Approval, news: &[Record]) -> Outcome<Vec<Put>> {
    let mut puts = Vec::new();
    let pending = approval.status == Status::Pending;
    for record in news {
        match &record.change {
            Change::Requested { approval: asked } if pending => {
                if approval.action_type == PLAN {
                    puts.extend(plan::asked(app, approval)?);
                    continue;
                }
                for approver in &asked.approvers {
                    puts.extend(ask(app, approval, approver)?);
                }
            }
            Change::Escalated { to, .. } if pending => puts.extend(ask(app, approval, to)?),
            Change::Answered { status, decision } if *status != Status::Pending => {
                if approval.action_type == PLAN {
                    puts.extend(plan::answered(app, approval, decision)?);
                } else {
                    puts.extend(answer(app, approval)?);
                }
            }
            Change::Expired {} | Change::Cancelled { .. } | Change::Invalidated { .. } => {
                puts.extend(answer(app, approval)?);
            }
            _ => {}
        }
    }
    Ok(puts)
}

/// The agent that an approver is, and its inbox, if it is one that can be told.
fn inbox_of(
    app: &App,
    team: &TeamName,
    approver: &Approver,
) -> Outcome<Option<(String, AgentName)>> {
    Ok(match approver {
        Approver::Lead => {
            team::leader(app, team).ok().map(|(leader, inbox)| (leader.to_string(), inbox))
        }
        Approver::Agent(agent) => {
            member_inbox(app, team, agent)?.map(|inbox| (agent.to_string(), inbox))
        }
        Approver::Anybody | Approver::Human | Approver::Person(_) => None,
    })
}

/// The inbox of a member.
pub(super) fn member_inbox(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
) -> Outcome<Option<AgentName>> {
    let found = team::find(app, team)?;
    let user = app.identity.user_name();
    match resolve(found.as_ref().map(|doc| &doc.value), agent, user.as_ref()) {
        Recipient::Member(inbox) => Ok(Some(inbox)),
        Recipient::Unknown(_) | Recipient::Ambiguous(_) => {
            app.warn(format!("'{agent}' is not one member of team '{team}' and hears nothing"));
            Ok(None)
        }
    }
}

/// Asks an agent for a decision.
fn ask(app: &App, approval: &Approval, approver: &Approver) -> Outcome<Option<Put>> {
    let Approval { team, id, .. } = approval;
    let Some((to, inbox)) = inbox_of(app, team, approver)? else { return Ok(None) };
    let mut text = format!(
        "Approval {id} is wanted: {}\nAction: {}\nReason: {}\n",
        approval.title, approval.action_type, approval.reason
    );
    if !approval.description.is_empty() {
        text.push_str(&approval.description);
        text.push('\n');
    }
    if let Some(at) = &approval.expires_at {
        text.push_str(&format!("Decide before {at}.\n"));
    }
    text.push_str(&format!(
        "See it:  clawteam approval show {team} {id}\n\
         Approve: clawteam approval approve {team} {id} --comment \"…\"\n\
         Reject:  clawteam approval reject {team} {id} --comment \"…\"\n\
         Only these commands count; a message does not."
    ));
    let message = about(approval, &to, text);
    inbox::prepared(app, team, &inbox, message).map(Some)
}

/// Tells the requester how it ended.
fn answer(app: &App, approval: &Approval) -> Outcome<Option<Put>> {
    let Some(to) = approval.requester.id.strip_prefix("agent:") else { return Ok(None) };
    let Ok(agent) = AgentName::parse(to) else { return Ok(None) };
    let Some(inbox) = member_inbox(app, &approval.team, &agent)? else { return Ok(None) };
    let mut text =
        format!("Approval {} is {}: {}", approval.id, approval.status.as_str(), approval.title);
    if let Some(resolution) = &approval.resolution {
        text.push_str(&format!("\nBy: {}", resolution.by));
        if !resolution.comment.is_empty() {
            text.push_str(&format!("\nComment: {}", resolution.comment));
        }
    }
    let message = about(approval, to, text);
    inbox::prepared(app, &approval.team, &inbox, message).map(Some)
}

fn about(approval: &Approval, to: &str, text: String) -> Message {
    let mut message = inbox::text(MessageType::Message, text);
    message.from = match &approval.resolution {
        Some(resolution) => short(&resolution.by).to_owned(),
        None => short(&approval.requester.id).to_owned(),
    };
    message.to = Some(to.to_owned());
    message.request_id = Some(approval.id.to_string());
    message.key = Some("approval".to_owned());
    message.status = Some(approval.status.as_str().to_owned());
    message
}

/// An actor's name without its kind.
fn short(actor: &str) -> &str {
    actor.split_once(':').map_or(actor, |(_, name)| name)
}

/// The verdict of an approval that has ended, if it is one.
pub(super) fn verdict(status: Status) -> Option<Verdict> {
    match status {
        Status::Approved => Some(Verdict::Approve),
        Status::Rejected => Some(Verdict::Reject),
        _ => None,
    }
}

/// Whom of the people an approver means.
fn principal(approver: &Approver) -> Option<Principal> {
    match approver {
        Approver::Anybody | Approver::Human => Some(Principal::Human),
        Approver::Person(user) => Some(Principal::User(user.clone())),
        Approver::Agent(_) | Approver::Lead => None,
    }
}

/// The person who asked, if it is one.
fn asking(approval: &Approval) -> Option<Principal> {
    let user = approval.requester.id.strip_prefix("human:")?;
    Some(match UserName::parse(user) {
        Ok(user) if user.as_str() != NOBODY => Principal::User(user),
        _ => Principal::Human,
    })
}

/// Tells people. Called without any lock, perhaps more than once for the same news.
fn announce(app: &App, approval: &Approval, news: News) -> Outcome<()> {
    // A plan is the leader's to decide about, who has it in the inbox.
    if approval.action_type == PLAN {
        return Ok(());
    }
    let (kind, to) = match news {
        News::Wanted => {
            let people: BTreeSet<Principal> =
                approval.approvers.iter().filter_map(principal).collect();
            (Kind::ApprovalRequired, people)
        }
        News::Decided => (Kind::ApprovalDecided, asking(approval).into_iter().collect()),
    };
    for to in to {
        notify::post(app, &approval.team, &notification(approval, kind, to))?;
    }
    Ok(())
}

fn notification(approval: &Approval, kind: Kind, to: Principal) -> NewNotification {
    let Approval { team, id, title, .. } = approval;
    let (title, body, severity) = if kind == Kind::ApprovalRequired {
        let body = format!(
            "{}\nclawteam approval show {team} {id}\nclawteam approval approve {team} {id}",
            approval.reason
        );
        let critical = approval.risk == Risk::Critical;
        let severity = if critical { Severity::Critical } else { Severity::Warning };
        (format!("Approval wanted: {title}"), body, severity)
    } else {
        let comment = approval.resolution.as_ref().map(|r| r.comment.clone());
        let title = format!("Approval {}: {title}", approval.status.as_str());
        (title, comment.unwrap_or_default(), Severity::Info)
    };
    NewNotification {
        key: Some(format!("approval:{id}:{}:{}", approval.rev, kind.as_str())),
        to,
        body,
        refs: Refs {
            approval: Some(id.to_string()),
            run: approval.run.as_ref().map(ToString::to_string),
            task: approval.task_ids.first().cloned(),
            ..Refs::default()
        },
        ..NewNotification::new(kind, severity, title)
    }
}

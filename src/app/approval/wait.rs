//! Waiting for decisions.

use std::time::{Duration, Instant};

use super::{change, load};
use crate::app::App;
use crate::app::wait::Stop;
use crate::core::{Name, Outcome, TeamName, limits};
use crate::domain::approval::{Approval, Status};
use crate::store::Dir;

/// What to wait for, and how.
pub struct Wait<'a> {
    /// Whose approvals.
    pub team: &'a TeamName,
    /// Which.
    pub ids: &'a [Name],
    /// Whether one that is approved is enough.
    pub any: bool,
    /// When to give up.
    pub timeout: Option<Duration>,
    /// A request to end.
    pub stop: &'a Stop,
}

/// How waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is approved.
    Approved,
    /// It is rejected.
    Rejected,
    /// It expired or was cancelled.
    Ended,
    /// The time was over.
    TimedOut,
    /// Somebody asked to end.
    Interrupted,
}

/// What the approvals come to, if nothing that can still happen would change it.
fn settled(approvals: &[Approval], any: bool) -> Option<Waited> {
    let is = |status| approvals.iter().any(|approval| approval.status == status);
    let refused = || {
        if is(Status::Rejected) {
            Some(Waited::Rejected)
        } else {
            (is(Status::Expired) || is(Status::Cancelled)).then_some(Waited::Ended)
        }
    };
    if any {
        if is(Status::Approved) {
            return Some(Waited::Approved);
        }
        return if is(Status::Pending) { None } else { refused() };
    }
    refused().or_else(|| (!is(Status::Pending)).then_some(Waited::Approved))
}

/// Waits until approvals are decided. Returns them as they are then.
pub fn wait(app: &App, wait: &Wait<'_>) -> Outcome<(Waited, Vec<Approval>)> {
    let began = Instant::now();
    let mut changes = app.store.backend().watch(&[Dir::approvals(wait.team)])?;
    wait.stop.wakes(&*changes);
    loop {
        let mut found = Vec::new();
        for id in wait.ids {
            found.push(load(app, wait.team, id)?);
        }
        if let Some(waited) = settled(&found, wait.any) {
            // Others shall see the same: what has expired is written down.
            for approval in found.iter().filter(|approval| approval.status == Status::Expired) {
                change(app, wait.team, &approval.id, |_, _| Ok(Vec::new()))?;
            }
            return Ok((waited, found));
        }
        if wait.stop.is_requested() {
            return Ok((Waited::Interrupted, found));
        }
        let left = wait.timeout.map(|limit| limit.saturating_sub(began.elapsed()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok((Waited::TimedOut, found));
        }
        // Nobody writes when an instant comes.
        let next = found.iter().filter(|approval| approval.status == Status::Pending);
        let next = next.filter_map(|a| a.expires_at.as_ref()?.instant()).min();
        let until = next.and_then(|at| (at - app.now()).to_std().ok());
        let least = Duration::from_millis(1);
        let nap = [Some(limits::POLL_INTERVAL), left, until.map(|until| until.max(least))];
        changes.wait(nap.into_iter().flatten().min().unwrap_or(limits::POLL_INTERVAL));
    }
}

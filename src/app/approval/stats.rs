//! How approvals go in a team.

use std::collections::BTreeMap;

use serde::Serialize;

use super::all;
use crate::app::App;
use crate::core::{Outcome, Stamp, TeamName};
use crate::domain::approval::{Approval, Status};

/// How the requests of one requester went.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ByRequester {
    /// All of them.
    pub total: usize,
    /// Those that were approved.
    pub approved: usize,
    /// Those that were rejected.
    pub rejected: usize,
    /// How many of the decided ones were rejected, from 0 to 1.
    pub reject_rate: f64,
}

/// How approvals go in a team.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// All approvals.
    pub total: usize,
    /// How many stand how.
    pub by_status: BTreeMap<&'static str, usize>,
    /// The median time from request to decision in seconds, if anything was decided.
    pub median_decision_seconds: Option<f64>,
    /// How the requests of each requester went.
    pub by_requester: BTreeMap<String, ByRequester>,
}

/// Counts the approvals of a team.
pub fn stats(app: &App, team: &TeamName) -> Outcome<Stats> {
    Ok(count(&all(app, team)?))
}

fn count(approvals: &[Approval]) -> Stats {
    let mut stats = Stats { total: approvals.len(), ..Stats::default() };
    for status in
        [Status::Pending, Status::Approved, Status::Rejected, Status::Expired, Status::Cancelled]
    {
        stats.by_status.insert(status.as_str(), 0);
    }
    let mut times = Vec::new();
    for approval in approvals {
        *stats.by_status.entry(approval.status.as_str()).or_default() += 1;
        let of = stats.by_requester.entry(approval.requester.id.clone()).or_default();
        of.total += 1;
        match approval.status {
            Status::Approved => of.approved += 1,
            Status::Rejected => of.rejected += 1,
            _ => continue,
        }
        let resolved = approval.resolved_at.as_ref().and_then(Stamp::instant);
        if let (Some(from), Some(to)) = (approval.created_at.instant(), resolved) {
            times.push((to - from).as_seconds_f64());
        }
    }
    for of in stats.by_requester.values_mut() {
        let decided = of.approved + of.rejected;
        if decided > 0 {
            of.reject_rate = of.rejected as f64 / decided as f64;
        }
    }
    stats.median_decision_seconds = median(&mut times);
    stats
}

fn median(times: &mut [f64]) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    let high = *times.get(middle)?;
    Some(if times.len() % 2 == 1 { high } else { f64::midpoint(times[middle - 1], high) })
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0]), Some(2.5));
    }
}

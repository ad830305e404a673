//! What agents have spent, and what their team may spend.
//!
//! A report is one document of its own, so that no two can get in each other's way; sums are made
//! from all of them whenever they are asked for. Python's ClawTeam keeps a cache of the sums beside
//! them (`summary.json`), which it brings up to date by itself.

use serde::Serialize;

use super::{App, team};
use crate::core::{Outcome, TeamName};
use crate::domain::cost::{self, CostEvent, Spending};
use crate::store::{Dir, Expect, Put, encode};

/// A report that was taken down.
#[derive(Debug, Clone, Serialize)]
pub struct Reported {
    /// The report.
    #[serde(flatten)]
    pub event: CostEvent,
    /// Where the team stands, if it has a budget.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetUse>,
}

/// How much of a budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetUse {
    /// Whether more is spent than the budget allows.
    pub budget_exceeded: bool,
    /// What is spent, in US cents.
    pub total_cost_cents: f64,
    /// What may be spent, in US cents.
    pub budget_cents: f64,
}

/// Takes down what an agent has spent.
pub fn report(app: &App, name: &TeamName, new: CostEvent) -> Outcome<Reported> {
    cost::amount(new.cost_cents)?;
    let event = CostEvent { id: app.ids.hex(8), reported_at: app.stamp(), ..new };
    let key = Dir::costs(name).entry(&event.file_name());
    app.store.backend().create(&Put::new(key, encode(&event), Expect::Absent))?;
    Ok(Reported { event, budget: budget_use(app, name)? })
}

fn budget_use(app: &App, name: &TeamName) -> Outcome<Option<BudgetUse>> {
    let Some(budget_cents) = budget_of(app, name)?.filter(|cents| *cents > 0.0) else {
        return Ok(None);
    };
    let total_cost_cents = summary(app, name)?.total_cost_cents;
    let budget_exceeded = total_cost_cents > budget_cents;
    Ok(Some(BudgetUse { budget_exceeded, total_cost_cents, budget_cents }))
}

/// What a team may spend, in US cents; `None` if there is no such team.
pub fn budget_of(app: &App, name: &TeamName) -> Outcome<Option<f64>> {
    Ok(team::find(app, name)?.map(|doc| doc.value.budget_cents))
}

/// All reports of a team, in the order of their files. What cannot be read is passed over and told.
pub fn events(app: &App, name: &TeamName) -> Outcome<Vec<CostEvent>> {
    let is_report = |name: &str| {
        name.strip_prefix("cost-").is_some_and(|rest| rest.strip_suffix(".json").is_some())
    };
    let docs = app.store.list::<CostEvent>(&Dir::costs(name), is_report)?;
    Ok(docs.into_iter().map(|(_, doc)| doc.value).collect())
}

/// What a team has spent.
pub fn summary(app: &App, name: &TeamName) -> Outcome<Spending> {
    Ok(cost::spending(name.as_str(), &events(app, name)?))
}

/// What a team may spend from now on, in US dollars; 0 or less is no limit.
pub fn set_budget(app: &App, name: &TeamName, dollars: f64) -> Outcome<()> {
    let cents = cost::amount(cost::amount(dollars)? * 100.0)?;
    team::set_budget(app, name, cents)
}

//! What agents have spent.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Extra, lax};
use crate::core::{Diagnose, Exit, Stamp};

/// A report of what an agent has spent: `costs/<team>/cost-….json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CostEvent {
    /// What the report is known by.
    #[serde(default, deserialize_with = "lax::text")]
    pub id: String,
    /// The agent.
    #[serde(alias = "agent_name")]
    pub agent_name: String,
    /// Whose model it was.
    #[serde(default, deserialize_with = "lax::text")]
    pub provider: String,
    /// The model.
    #[serde(default, deserialize_with = "lax::text")]
    pub model: String,
    /// What it read. A correction can be less than nothing.
    #[serde(alias = "input_tokens", default, deserialize_with = "lax::integer")]
    pub input_tokens: i64,
    /// What it wrote.
    #[serde(alias = "output_tokens", default, deserialize_with = "lax::integer")]
    pub output_tokens: i64,
    /// What that cost, in US cents.
    #[serde(alias = "cost_cents", default, deserialize_with = "lax::float")]
    pub cost_cents: f64,
    /// When it was reported.
    #[serde(alias = "reported_at", default)]
    pub reported_at: Stamp,
    /// The task that it was spent on.
    #[serde(alias = "task_id", default, deserialize_with = "lax::text")]
    pub task_id: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl CostEvent {
    /// The name of its file: the time comes first, so that names sort as the reports came in.
    pub fn file_name(&self) -> String {
        let stamp = self.reported_at.as_str().replace(':', "-").replace('+', "p");
        format!("cost-{stamp}-{}.json", self.id)
    }
}

/// An amount that cannot be written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an amount")]
pub struct NotAnAmount(pub String);

impl Diagnose for NotAnAmount {
    fn code(&self) -> &'static str {
        "not_an_amount"
    }

    fn hint(&self) -> Option<String> {
        Some("give a plain number, as in 12.5".into())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// `amount`, if it is a number that a document can hold.
pub fn amount(amount: f64) -> Result<f64, NotAnAmount> {
    if amount.is_finite() { Ok(amount) } else { Err(NotAnAmount(amount.to_string())) }
}

/// What a team has spent.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostSummary {
    /// In US cents.
    pub total_cost_cents: f64,
    /// What its agents read.
    pub total_input_tokens: i64,
    /// What they wrote.
    pub total_output_tokens: i64,
    /// How many reports there are.
    pub event_count: usize,
    /// US cents by agent, in the order of their first reports.
    pub by_agent: IndexMap<String, f64>,
}

/// What a team has spent, by agent, model and task.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spending {
    /// The team.
    pub team_name: String,
    /// In US cents.
    pub total_cost_cents: f64,
    /// What its agents read.
    pub total_input_tokens: i64,
    /// What they wrote.
    pub total_output_tokens: i64,
    /// US cents by agent.
    pub by_agent: IndexMap<String, f64>,
    /// US cents by model, where that was said.
    pub by_model: IndexMap<String, f64>,
    /// US cents by task, where that was said.
    pub by_task: IndexMap<String, f64>,
    /// How many reports there are.
    pub event_count: usize,
}

/// A sum of amounts that loses nothing on the way: ten times 0.1 is 1.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: f64,
    /// What did not fit into `sum` (Neumaier's compensation).
    rest: f64,
}

impl Sum {
    fn add(&mut self, amount: f64) {
        let sum = self.sum + amount;
        self.rest += if self.sum.abs() >= amount.abs() {
            (self.sum - sum) + amount
        } else {
            (amount - sum) + self.sum
        };
        self.sum = sum;
    }

    fn total(self) -> f64 {
        self.sum + self.rest
    }
}

/// Amounts by a name, in the order in which the names came first.
#[derive(Default)]
struct Shares<'e>(IndexMap<&'e str, Sum>);

impl<'e> Shares<'e> {
    fn add(&mut self, name: &'e str, amount: f64) {
        self.0.entry(name).or_default().add(amount);
    }

    fn totals(self) -> IndexMap<String, f64> {
        self.0.into_iter().map(|(name, sum)| (name.to_owned(), sum.total())).collect()
    }
}

/// Adds up reports.
pub fn spending<'e>(team: &str, events: impl IntoIterator<Item = &'e CostEvent>) -> Spending {
    let mut spent = Spending { team_name: team.to_owned(), ..Spending::default() };
    let mut total = Sum::default();
    let (mut agents, mut models, mut tasks) =
        (Shares::default(), Shares::default(), Shares::default());
    for event in events {
        total.add(event.cost_cents);
        spent.total_input_tokens = spent.total_input_tokens.saturating_add(event.input_tokens);
        spent.total_output_tokens = spent.total_output_tokens.saturating_add(event.output_tokens);
        spent.event_count += 1;
        agents.add(&event.agent_name, event.cost_cents);
        for (shares, name) in [(&mut models, &event.model), (&mut tasks, &event.task_id)] {
            if !name.is_empty() {
                shares.add(name, event.cost_cents);
            }
        }
    }
    spent.total_cost_cents = total.total();
    spent.by_agent = agents.totals();
    spent.by_model = models.totals();
    spent.by_task = tasks.totals();
    spent
}

impl From<Spending> for CostSummary {
    fn from(spent: Spending) -> Self {
        Self {
            total_cost_cents: spent.total_cost_cents,
            total_input_tokens: spent.total_input_tokens,
            total_output_tokens: spent.total_output_tokens,
            event_count: spent.event_count,
            by_agent: spent.by_agent,
        }
    }
}

/// Over how many minutes the rate is taken.
const RATE_MINUTES: f64 = 5.0;

/// US cents a minute, over the last five minutes before `now`.
pub fn rate_per_minute<'e>(
    events: impl IntoIterator<Item = &'e CostEvent>,
    now: DateTime<Utc>,
) -> f64 {
    let mut recent = Sum::default();
    for event in events {
        let age = event.reported_at.instant().map(|at| now - at);
        if age.is_some_and(|age| age.as_seconds_f64() <= RATE_MINUTES * 60.0) {
            recent.add(event.cost_cents);
        }
    }
    recent.total() / RATE_MINUTES
}

/// The shares sorted by name, as people look for them.
pub fn by_name(shares: &IndexMap<String, f64>) -> BTreeMap<&str, f64> {
    shares.iter().map(|(name, cents)| (name.as_str(), *cents)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> CostEvent {
        serde_json::from_str(text).expect("a report")
    }

    #[test]
    fn reports_are_added_up_by_agent() {
        let events = [
            read(r#"{"agentName":"b","inputTokens":1,"costCents":1.5}"#),
            read(r#"{"agent_name":"a","output_tokens":"7","cost_cents":"2"}"#),
            read(r#"{"agentName":"b","inputTokens":2,"costCents":null}"#),
        ];
        let summary = CostSummary::from(spending("t", &events));
        assert_eq!(
            serde_json::to_string(&summary).expect("a summary is JSON"),
            r#"{"totalCostCents":3.5,"totalInputTokens":3,"totalOutputTokens":7,"eventCount":3,"byAgent":{"b":1.5,"a":2.0}}"#
        );
    }

    #[test]
    fn amounts_are_added_up_without_loss() {
        let events = vec![read(r#"{"agentName":"a","costCents":0.1,"model":"m"}"#); 10];
        let spent = spending("t", &events);
        assert_eq!(spent.total_cost_cents.to_string(), "1");
        assert_eq!(spent.by_model["m"].to_string(), "1");
        assert!(spent.by_task.is_empty());
        let events = [1e16, 1.0, -1e16].map(|cost_cents| CostEvent {
            agent_name: "a".into(),
            cost_cents,
            ..CostEvent::default()
        });
        assert_eq!(spending("t", &events).total_cost_cents.to_string(), "1");
    }

    #[test]
    fn only_what_is_recent_counts_for_the_rate() {
        let event = |at: &str| CostEvent {
            cost_cents: 10.0,
            reported_at: Stamp::from(at.to_owned()),
            ..CostEvent::default()
        };
        let events = [
            event("2026-11-20T18:00:00+00:00"),
            event("2026-11-20T18:05:01+00:00"),
            event("2026-11-20T18:09:59.5+00:00"),
            event("no date"),
        ];
        let now = Stamp::from("2026-11-20T18:10:00+00:00".to_owned()).instant().expect("a date");
        assert_eq!(rate_per_minute(&events, now).to_string(), "4");
    }

    #[test]
    fn the_file_is_named_as_python_names_it() {
        let event = CostEvent {
            id: "d61e793d".into(),
            reported_at: Stamp::from("2026-11-20T17:38:09.352836+00:00".to_owned()),
            ..CostEvent::default()
        };
        assert_eq!(event.file_name(), "cost-2026-11-20T17-38-09.352836p00-00-d61e793d.json");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        assert_eq!(
            amount(f64::NAN).map_err(|error| error.to_string()),
            Err("'NaN' is not an amount".into())
        );
        assert!(amount(f64::INFINITY).is_err() && amount(-3.0).is_ok());
    }
}

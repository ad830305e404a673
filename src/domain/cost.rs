//! What agents have spent.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::lax;

/// A report of what an agent has spent: `costs/<team>/cost-….json`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CostEvent {
    /// The agent.
    #[serde(alias = "agent_name")]
    pub agent_name: String,
    /// What it read.
    #[serde(alias = "input_tokens", default)]
    pub input_tokens: u64,
    /// What it wrote.
    #[serde(alias = "output_tokens", default)]
    pub output_tokens: u64,
    /// What that cost, in US cents.
    #[serde(alias = "cost_cents", default, deserialize_with = "lax::float")]
    pub cost_cents: f64,
}

/// What a team has spent.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostSummary {
    /// In US cents.
    pub total_cost_cents: f64,
    /// What its agents read.
    pub total_input_tokens: u64,
    /// What they wrote.
    pub total_output_tokens: u64,
    /// How many reports there are.
    pub event_count: usize,
    /// US cents by agent, in the order of their first reports.
    pub by_agent: IndexMap<String, f64>,
}

/// Adds up reports.
pub fn summarize<'e>(events: impl IntoIterator<Item = &'e CostEvent>) -> CostSummary {
    let mut summary = CostSummary::default();
    for event in events {
        summary.total_cost_cents += event.cost_cents;
        summary.total_input_tokens = summary.total_input_tokens.saturating_add(event.input_tokens);
        summary.total_output_tokens =
            summary.total_output_tokens.saturating_add(event.output_tokens);
        summary.event_count += 1;
        *summary.by_agent.entry(event.agent_name.clone()).or_default() += event.cost_cents;
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_added_up_by_agent() {
        let read = |text: &str| serde_json::from_str::<CostEvent>(text).expect("a report");
        let events = [
            read(r#"{"agentName":"b","inputTokens":1,"costCents":1.5}"#),
            read(r#"{"agent_name":"a","output_tokens":7,"cost_cents":"2"}"#),
            read(r#"{"agentName":"b","inputTokens":2,"costCents":null}"#),
        ];
        let told = serde_json::to_string(&summarize(&events)).expect("a summary is JSON");
        assert_eq!(
            told,
            r#"{"totalCostCents":3.5,"totalInputTokens":3,"totalOutputTokens":7,"eventCount":3,"byAgent":{"b":1.5,"a":2.0}}"#
        );
    }
}

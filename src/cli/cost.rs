//! `clawteam cost`.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::Cx;
use crate::app::cost;
use crate::core::{Outcome, TeamName};
use crate::domain::cost::{CostEvent, Spending, by_name, rate_per_minute};
use crate::output::Table;

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(super) enum CostCommand {
    /// Report what you have spent
    Report(ReportArgs),
    /// See what a team has spent
    Show(ShowArgs),
    /// Say what a team may spend
    Budget {
        /// The team
        team: String,
        /// US dollars; 0 or less is no limit
        #[arg(allow_hyphen_values = true)]
        dollars: f64,
    },
}

/// Arguments of `cost report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The team
    team: String,
    /// Tokens that the model read
    #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
    input_tokens: i64,
    /// Tokens that the model wrote
    #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
    output_tokens: i64,
    /// What that cost, in US cents
    #[arg(long, default_value_t = 0.0, allow_hyphen_values = true)]
    cost_cents: f64,
    /// Whose model it was
    #[arg(long, default_value = "")]
    provider: String,
    /// The model
    #[arg(long, default_value = "")]
    model: String,
    /// Who spent it [default: you]
    #[arg(short, long)]
    agent: Option<String>,
    /// The task that it was spent on
    #[arg(long, default_value = "")]
    task_id: String,
}

/// Arguments of `cost show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The team
    team: String,
    /// List only the reports of this agent
    #[arg(short, long)]
    agent: Option<String>,
    /// How the total is taken apart
    #[arg(short, long, value_enum, default_value_t = By::Agent)]
    by: By,
}

/// How a total is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Agent,
    Task,
    Model,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Task => "task",
            Self::Model => "model",
        }
    }
}

/// How many reports people see.
const REPORTS_SHOWN: usize = 20;

pub(super) fn run(cx: &Cx, command: CostCommand) -> Outcome<ExitCode> {
    match command {
        CostCommand::Report(args) => report(cx, args)?,
        CostCommand::Show(args) => show(cx, args)?,
        CostCommand::Budget { team, dollars } => budget(cx, team, dollars)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn dollars(cents: f64) -> f64 {
    cents / 100.0
}

fn report(cx: &Cx, args: ReportArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let event = CostEvent {
        agent_name: args.agent.unwrap_or_else(|| cx.app.identity.agent_name.clone()),
        provider: args.provider,
        model: args.model,
        input_tokens: args.input_tokens,
        output_tokens: args.output_tokens,
        cost_cents: args.cost_cents,
        task_id: args.task_id,
        ..CostEvent::default()
    };
    cx.app.warn_if_unknown(&team);
    let reported = cost::report(&cx.app, &team, event)?;
    cx.out.result(&reported, || {
        let mut text = format!("OK Cost reported: ${:.4}", dollars(reported.event.cost_cents));
        if let Some(budget) = reported.budget.filter(|budget| budget.budget_exceeded) {
            text.push_str(&format!(
                "\nWARNING: Budget exceeded! Spent ${:.2} / ${:.2}",
                dollars(budget.total_cost_cents),
                dollars(budget.budget_cents)
            ));
        }
        text
    })
}

fn show(cx: &Cx, args: ShowArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let mut events = cost::events(&cx.app, &team)?;
    let summary = crate::domain::cost::spending(team.as_str(), &events);
    let rate = rate_per_minute(&events, cx.app.now());
    let budget = cost::budget_of(&cx.app, &team)?;
    if budget.is_none() && events.is_empty() {
        cx.app.warn_if_unknown(&team);
    }
    let budget = budget.unwrap_or_default();
    if let Some(agent) = &args.agent {
        events.retain(|event| event.agent_name == *agent);
    }
    if cx.out.json {
        return cx.out.json(&json!({
            "summary": summary,
            "budget_cents": budget,
            "cost_rate_per_min": rate,
            "events": events,
        }));
    }
    let mut text = summary_text(&summary, budget, rate, args.by);
    if !events.is_empty() {
        text.push('\n');
        text.push_str(&events_table(cx, &events));
    }
    cx.out.text(&text)
}

fn summary_text(summary: &Spending, budget: f64, rate: f64, by: By) -> String {
    let mut text = format!(
        "\nCost Summary — {}\n  Total: ${:.4}",
        summary.team_name,
        dollars(summary.total_cost_cents)
    );
    if budget > 0.0 {
        text.push_str(&format!(" / ${:.2}", dollars(budget)));
    }
    text.push_str(&format!(
        "\n  Input tokens:  {}\n  Output tokens: {}\n  Events: {}",
        thousands(summary.total_input_tokens),
        thousands(summary.total_output_tokens),
        summary.event_count
    ));
    if rate > 0.0 {
        text.push_str(&format!("\n  Rate: ${:.4}/min", dollars(rate)));
    }
    let shares = match by {
        By::Agent => &summary.by_agent,
        By::Task => &summary.by_task,
        By::Model => &summary.by_model,
    };
    if !shares.is_empty() {
        text.push_str(&format!("\n  By {}:", by.name()));
        for (name, cents) in by_name(shares) {
            text.push_str(&format!("\n    {name}: ${:.4}", dollars(cents)));
        }
    }
    text
}

fn events_table(cx: &Cx, events: &[CostEvent]) -> String {
    let mut table = Table::new("Recent Events")
        .column("Time")
        .column("Agent")
        .number("In Tokens")
        .number("Out Tokens")
        .number("Cost")
        .column("Model")
        .column("Task");
    for event in &events[events.len().saturating_sub(REPORTS_SHOWN)..] {
        table.row([
            cx.time(&event.reported_at),
            event.agent_name.clone(),
            thousands(event.input_tokens),
            thousands(event.output_tokens),
            format!("${:.4}", dollars(event.cost_cents)),
            event.model.clone(),
            event.task_id.clone(),
        ]);
    }
    table.render(cx.out.width())
}

/// `1234567` as `1,234,567`.
fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

fn budget(cx: &Cx, team: String, amount: f64) -> Outcome<()> {
    let team = TeamName::parse(team)?;
    cost::set_budget(&cx.app, &team, amount)?;
    let payload = json!({"status": "set", "team": team, "budgetDollars": amount});
    cx.out.result(&payload, || {
        if amount > 0.0 {
            format!("OK Budget set to ${amount:.2}")
        } else {
            "OK Budget removed (unlimited)".to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn numbers_are_grouped() {
        let told = [0, 7, 999, 1000, 1_234_567, -12_345].map(thousands);
        assert_eq!(told, ["0", "7", "999", "1,000", "1,234,567", "-12,345"]);
    }
}

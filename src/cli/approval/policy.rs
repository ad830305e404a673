//! `approval policy`.

use clap::{Args, Subcommand};

use super::request::{self, Subject};
use crate::app::approval;
use crate::cli::Cx;
use crate::core::{Outcome, TeamName};
use crate::domain::approval::{ApprovalError, Policy, Rule};

/// The commands of the group.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Show the policy of a team
    List {
        /// The team
        team: String,
    },
    /// Change the policy of a team
    Set(SetArgs),
    /// Say what the policy makes of a request, without asking
    Test(TestArgs),
}

/// Arguments of `approval policy set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The team
    team: String,
    /// When somebody has to decide, in CEL over `a`, `task` and `actor`
    #[arg(long, value_name = "CEL")]
    required: Option<String>,
    /// When nobody has to, as NAME=CEL; never for what is external or risky
    #[arg(long, value_name = "NAME=CEL")]
    auto_approve: Vec<String>,
    /// Take away the rule of this name
    #[arg(long, value_name = "NAME")]
    remove: Vec<String>,
    /// Whether the leader may decide where it is listed
    #[arg(long, value_name = "true|false")]
    lead_may_approve: Option<bool>,
    /// How much a part of a rubric counts, as NAME=FACTOR
    #[arg(long, value_name = "NAME=FACTOR")]
    weight: Vec<String>,
}

/// Arguments of `approval policy test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The team
    team: String,
    #[command(flatten)]
    subject: Subject,
}

pub(super) fn run(cx: &Cx, command: PolicyCommand) -> Outcome<()> {
    match command {
        PolicyCommand::List { team } => {
            let policy = approval::load_policy(&cx.app, &TeamName::parse(team)?)?;
            cx.out.result(&policy, || text(&policy))
        }
        PolicyCommand::Set(args) => set(cx, args),
        PolicyCommand::Test(args) => {
            let team = TeamName::parse(args.team)?;
            let new = request::subject(cx, "a sample".into(), "to see".into(), args.subject)?;
            let (sample, ruling) = approval::try_policy(&cx.app, &team, new)?;
            let verdict = &ruling.verdict;
            let payload = serde_json::json!({
                "verdict": verdict.verdict,
                "name": verdict.name,
                "why": verdict.why,
                "confidence": sample.confidence,
            });
            cx.out.result(&payload, || format!("{} - {}", verdict.verdict, verdict.why))
        }
    }
}

fn pair<'a>(what: &'static str, text: &'a str) -> Result<(&'a str, &'a str), ApprovalError> {
    let found = text.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
    found
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .ok_or_else(|| ApprovalError::Invalid { what, why: format!("'{text}' is not NAME=VALUE") })
}

fn set(cx: &Cx, args: SetArgs) -> Outcome<()> {
    let team = TeamName::parse(args.team)?;
    let by = super::actor(cx)?;
    let conditions = args.required.iter().map(String::as_str);
    let rules = args.auto_approve.iter().map(|text| pair("rule", text));
    let rules: Vec<(&str, &str)> = rules.collect::<Result<_, _>>()?;
    for condition in conditions.chain(rules.iter().map(|(_, when)| *when)) {
        approval::check_condition(condition)?;
    }
    let policy = approval::set_policy(&cx.app, &team, &by, |policy| {
        if let Some(required) = &args.required {
            policy.required.clone_from(required);
        }
        policy.auto_approve.retain(|rule| !args.remove.contains(&rule.name));
        for (name, when) in rules {
            crate::core::name::check("rule name", name)?;
            policy.auto_approve.retain(|rule| rule.name != name);
            policy.auto_approve.push(Rule { name: name.to_owned(), when: when.to_owned() });
        }
        if let Some(yes) = args.lead_may_approve {
            policy.lead_may_approve = yes;
        }
        for text in &args.weight {
            let (name, factor) = pair("weight", text)?;
            let factor = factor.parse::<f64>().ok().filter(|factor| factor.is_finite());
            let factor = factor.ok_or_else(|| ApprovalError::Invalid {
                what: "weight",
                why: format!("'{text}' is not NAME=FACTOR"),
            })?;
            policy.weights.insert(name.to_owned(), factor);
        }
        Ok(())
    })?;
    cx.out.result(&policy, || format!("OK\n{}", text(&policy)))
}

fn text(policy: &Policy) -> String {
    let mut lines = vec![format!("A decision is required if: {}", policy.required)];
    if policy.auto_approve.is_empty() {
        lines.push("Nothing is approved by itself.".into());
    }
    for rule in &policy.auto_approve {
        lines.push(format!("Approved by itself ({}) if: {}", rule.name, rule.when));
    }
    let may = if policy.lead_may_approve { "may" } else { "may not" };
    lines.push(format!("The leader {may} decide where it is listed."));
    for (name, factor) in &policy.weights {
        lines.push(format!("Rubric: {name} counts {factor} times."));
    }
    lines.join("\n")
}

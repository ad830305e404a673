//! Which model an agent gets.

use super::{Template, TemplateAgent};

/// What is said about models outside of a template.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelChoice<'a> {
    /// The model asked for by name.
    pub asked: Option<&'a str>,
    /// The strategy asked for, instead of the template's.
    pub strategy: Option<&'a str>,
    /// The settings' model for whoever has none.
    pub usual: Option<&'a str>,
}

/// The model of a tier unless the settings name another.
const TIERS: [(&str, &str); 3] =
    [("strong", "opus"), ("balanced", "sonnet-4.6"), ("cheap", "haiku-4.5")];

/// What the type of an agent that needs a strong model has in it.
const DEMANDING: [&str; 4] = ["leader", "reviewer", "architect", "manager"];

/// The model of the tier `name`: what `set`, which knows the settings, says, or what is usual.
pub fn tier_model(name: &str, set: impl Fn(&str) -> Option<String>) -> Option<String> {
    let usual = || TIERS.iter().find(|(tier, _)| *tier == name).map(|(_, m)| (*m).to_owned());
    set(name).or_else(usual)
}

/// The model for `agent`. `tier` gives what the settings say of a tier.
pub fn model(
    template: &Template,
    agent: &TemplateAgent,
    choice: &ModelChoice<'_>,
    tier: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let of_tier = |name: &str| tier_model(name, &tier);
    if let Some(named) = choice.asked.map(str::to_owned).or_else(|| agent.model.clone()) {
        return Some(named);
    }
    if let Some(name) = &agent.model_tier {
        return of_tier(name);
    }
    if choice.strategy.or(template.model_strategy.as_deref()) == Some("auto") {
        let kind = agent.kind.to_lowercase();
        let demanding = DEMANDING.iter().any(|word| kind.contains(word));
        return of_tier(if demanding { "strong" } else { "balanced" });
    }
    template.model.clone().or_else(|| choice.usual.map(str::to_owned))
}

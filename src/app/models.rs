//! Which model an agent gets that is started by itself.

use super::App;
use crate::core::{Diagnose, Outcome};
use crate::domain::template::tier_model;

/// There is no such tier.
#[derive(Debug, thiserror::Error)]
#[error("unknown model tier '{0}'")]
struct UnknownTier(String);

impl Diagnose for UnknownTier {
    fn code(&self) -> &'static str {
        "unknown_tier"
    }

    fn hint(&self) -> Option<String> {
        Some("strong, balanced and cheap always exist; the setting model_tiers names others".into())
    }
}

/// The model of a tier: what the setting `model_tiers` says, or what is usual.
pub fn of_tier(app: &App, tier: &str) -> Outcome<String> {
    Ok(tier_model(tier, |tier| set(app, tier)).ok_or_else(|| UnknownTier(tier.to_owned()))?)
}

/// What the setting `model_tiers` says of a tier.
pub fn set(app: &App, tier: &str) -> Option<String> {
    let tiers = app.settings.document.get("model_tiers")?;
    tiers.get(tier)?.as_str().filter(|model| !model.is_empty()).map(str::to_owned)
}

/// The model for an agent that is started by itself: the one that was asked for, that of the tier,
/// that of the profile, or the setting `default_model`.
pub fn choose(
    app: &App,
    asked: Option<String>,
    tier: Option<&str>,
    of_profile: Option<String>,
) -> Outcome<Option<String>> {
    if asked.is_some() {
        return Ok(asked);
    }
    if let Some(tier) = tier {
        return Ok(Some(of_tier(app, tier)?));
    }
    let usual = app.setting("default_model");
    Ok(of_profile.or(Some(usual).filter(|model| !model.is_empty())))
}

//! Presets, and the profiles that are made of them.

use serde_json::json;

use super::Place;
use crate::support::keys;

#[test]
fn the_built_in_presets_are_there() {
    let place = Place::new();
    let all = place.world.json(&["preset", "list"]);
    assert_eq!(
        keys(&all),
        "anthropic-official bailian bailian-coding deepseek gemini-vertex google-ai-studio \
         minimax-cn minimax-global moonshot-cn openai-official openrouter zhipu-cn zhipu-global"
    );
    let one = place.world.json(&["preset", "show", "openrouter"]);
    assert_eq!(keys(&one), "preset source");
    assert_eq!(one, all["openrouter"]);
    assert_eq!(keys(&one["preset"]), "description auth_env base_url env client_overrides");
    assert_eq!(keys(&one["preset"]["client_overrides"]), "claude codex gemini");
    let table = place.world.run(&["preset", "list"]);
    for heading in ["Name", "Source", "Clients", "Auth Env", "Base URL", "Description"] {
        assert!(table.succeeds().stdout.contains(heading), "{table}");
    }
    place.world.run(&["preset", "show", "no"]).refuses("Unknown preset 'no'");
}

#[test]
fn a_preset_of_ones_own_shadows_the_built_in_one() {
    let place = Place::new();
    let world = &place.world;
    world.run(&["preset", "set", "deepseek", "--auth-env", "MINE", "--env", "A=1"]).succeeds();
    let own = world.json(&["preset", "show", "deepseek"]);
    assert_eq!((&own["source"], &own["preset"]["auth_env"]), (&json!("local"), &json!("MINE")));
    assert_eq!(keys(&own["preset"]["client_overrides"]), "claude", "the built-in one was copied");
    world.run(&["preset", "set", "deepseek", "--env", "B=2"]).succeeds();
    assert_eq!(world.json(&["preset", "show", "deepseek"])["preset"]["env"], json!({"B": "2"}));
    let told = world.json(&["preset", "set-client", "deepseek", "codex-cli", "--model", "m"]);
    assert_eq!(told, json!({"status": "saved", "preset": "deepseek", "client": "codex-cli"}));
    assert_eq!(
        keys(&world.json(&["preset", "show", "deepseek"])["preset"]["client_overrides"]),
        "claude codex"
    );
    world.run(&["preset", "remove-client", "deepseek", "codex"]).succeeds();
    world.run(&["preset", "remove-client", "deepseek", "codex"]).refuses("'codex'");
    let told = world.json(&["preset", "copy", "deepseek", "ds"]);
    assert_eq!(told, json!({"status": "copied", "source": "deepseek", "target": "ds"}));
    world.run(&["preset", "copy", "ds", "openrouter"]).refuses("already exists");
    world.run(&["preset", "copy", "no", "x"]).refuses("Unknown preset 'no'");
    world.run(&["preset", "remove", "deepseek"]).succeeds();
    assert_eq!(world.json(&["preset", "show", "deepseek"])["source"], "builtin");
    let why = "Local preset 'deepseek' not found. (Built-ins cannot be removed.)";
    world.run(&["preset", "remove", "deepseek"]).refuses(why);
    world.run(&["preset", "remove-client", "deepseek", "claude"]).refuses(why);
}

#[test]
fn profiles_are_made_of_presets() {
    let place = Place::new();
    let world = &place.world;
    let told = world.json(&["preset", "generate-profile", "moonshot-cn", "claude-code"]);
    assert_eq!(told["profile"], "claude-moonshot-cn");
    let made = place.profile("claude-moonshot-cn");
    assert_eq!(
        (&made["agent"], &made["api_key_env"]),
        (&json!("claude"), &json!("MOONSHOT_API_KEY"))
    );
    assert_eq!(made["env"]["CLAUDE_CODE_SUBAGENT_MODEL"], "kimi-k2.5");
    world.run(&["preset", "generate-profile", "moonshot-cn", "claude"]).refuses("already exists");
    world.run(&["preset", "generate-profile", "moonshot-cn", "claude", "--force"]).succeeds();
    world.run(&["preset", "generate-profile", "moonshot-cn", "claude", "--name", "m"]).succeeds();
    let why = "Preset 'moonshot-cn' does not define a client override for 'gemini'";
    world.run(&["preset", "generate-profile", "moonshot-cn", "gemini"]).refuses(why);
    let told = world.json(&["preset", "bootstrap", "moonshot-cn"]);
    assert_eq!(
        told,
        json!({"preset": "moonshot-cn", "generated": ["kimi-moonshot-cn"], "skipped": ["claude-moonshot-cn"]})
    );
    let told = world.json(&["preset", "bootstrap", "openrouter", "--client", "codex"]);
    assert_eq!(told["generated"], json!(["codex-openrouter"]));
    world
        .run(&["preset", "bootstrap", "openrouter", "--client", "gemini", "--client", "kimi"])
        .refuses("kimi");
    assert_eq!(
        keys(&world.json(&["profile", "list"])),
        "claude-moonshot-cn m kimi-moonshot-cn codex-openrouter",
        "all or nothing"
    );
}

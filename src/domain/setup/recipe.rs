//! What each agent program gets, and where. Paths and forms are those of the programs' own
//! documentation, and of the releases of late 2026 for Claude Code, Codex, Gemini CLI and OpenClaw.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Body, Edit, Format, Target};
use crate::core::{Diagnose, Exit};

/// The programs that can be set up.
pub const AGENTS: [&str; 11] = [
    "claude", "codex", "gemini", "openclaw", "cursor", "opencode", "qwen", "kimi", "hermes",
    "nanobot", "pi",
];

/// The variables of the environment that say where a program has its settings.
pub fn variables(agent: &str) -> &'static [&'static str] {
    match agent {
        "claude" => &["CLAUDE_CONFIG_DIR"],
        "codex" => &["CODEX_HOME"],
        "gemini" => &["GEMINI_CLI_HOME"],
        "openclaw" => &["OPENCLAW_STATE_DIR", "OPENCLAW_CONFIG_PATH"],
        "opencode" => &["XDG_CONFIG_HOME"],
        "hermes" => &["HERMES_HOME"],
        "pi" => &["PI_CODING_AGENT_DIR"],
        _ => &[],
    }
}

/// The name of the skill, and of its directory.
pub const SKILL_NAME: &str = "clawteam";

/// Where things are on this machine.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The user's home directory.
    pub home: PathBuf,
    /// What the environment says of a program's own directory, by the name of the variable.
    pub dirs: Vec<(String, PathBuf)>,
    /// The project whose settings are meant, instead of the user's.
    pub project: Option<PathBuf>,
    /// How clawteam is called.
    pub program: String,
    /// Whether git may add and commit without being asked about, too.
    pub git: bool,
    /// The files that are there, of those that a recipe wants to know of.
    pub there: Vec<PathBuf>,
}

/// What a program gets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recipe {
    /// Its files.
    pub targets: Vec<Target>,
    /// Commands to run afterwards, each with the one that undoes it.
    pub commands: Vec<(Vec<String>, Vec<String>)>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// The program has no settings of that kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' has no settings for a single project")]
pub struct NoProjectSettings(pub String);

impl Diagnose for NoProjectSettings {
    fn code(&self) -> &'static str {
        "no_project_settings"
    }

    fn hint(&self) -> Option<String> {
        Some("leave out --project".into())
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// The skill that a program gets.
pub fn skill(agent: &str) -> &'static str {
    match agent {
        "openclaw" => include_str!("../../../templates/skills/openclaw.md"),
        "hermes" => include_str!("../../../templates/skills/hermes.md"),
        _ => include_str!("../../../templates/skills/generic.md"),
    }
}

impl Place {
    /// The directory that a variable of the environment names, or one below the home.
    fn dir(&self, variable: &str, below_home: &str) -> PathBuf {
        let named = self.dirs.iter().find(|(name, _)| name == variable);
        named.map_or_else(|| self.home.join(below_home), |(_, dir)| dir.clone())
    }

    fn named(&self, variable: &str) -> Option<&Path> {
        self.dirs.iter().find(|(name, _)| name == variable).map(|(_, dir)| dir.as_path())
    }

    /// The files whose presence a recipe wants to know of.
    pub fn asked(&self, agent: &str) -> Vec<PathBuf> {
        match agent {
            "openclaw" => vec![self.openclaw_config()],
            "nanobot" => vec![self.home.join(".nanobot/config.json")],
            "kimi" => vec![self.home.join(".kimi-code")],
            "opencode" => vec![self.opencode().join("opencode.jsonc")],
            _ => Vec::new(),
        }
    }

    fn is_there(&self, path: &Path) -> bool {
        self.there.iter().any(|there| there == path)
    }

    fn openclaw_state(&self) -> PathBuf {
        self.dir("OPENCLAW_STATE_DIR", ".openclaw")
    }

    fn openclaw_config(&self) -> PathBuf {
        let named = self.named("OPENCLAW_CONFIG_PATH").map(Path::to_owned);
        named.unwrap_or_else(|| self.openclaw_state().join("openclaw.json"))
    }

    fn opencode(&self) -> PathBuf {
        match &self.project {
            Some(project) => project.clone(),
            None => self.dir("XDG_CONFIG_HOME", ".config").join("opencode"),
        }
    }

    /// A command of clawteam, as a shell runs it.
    fn command(&self, words: &str) -> String {
        let safe = |c: char| c.is_ascii_alphanumeric() || "/._-+@%".contains(c);
        if self.program.chars().all(safe) {
            return format!("{} {words}", self.program);
        }
        format!("'{}' {words}", self.program.replace('\'', r"'\''"))
    }

    /// The MCP server as most programs want it.
    fn server(&self) -> Value {
        json!({"command": self.program, "args": ["mcp"]})
    }
}

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn put(names: &[&str], value: Value) -> Edit {
    Edit::Put { path: path(names), value }
}

fn offer(names: &[&str], value: Value) -> Edit {
    Edit::Offer { path: path(names), value }
}

fn add(names: &[&str], value: Value) -> Edit {
    Edit::Add { path: path(names), value }
}

fn json(path: PathBuf, edits: Vec<Edit>) -> Target {
    Target { path, body: Body::Edits(Format::Json, edits) }
}

fn whole(path: PathBuf, text: impl Into<String>) -> Target {
    Target { path, body: Body::Whole(text.into()) }
}

/// The skill below a directory of skills.
fn skill_in(skills: &Path, agent: &str) -> Target {
    whole(skills.join(SKILL_NAME).join("SKILL.md"), skill(agent))
}

/// What a program gets.
pub fn recipe(agent: &str, place: &Place) -> Result<Recipe, NoProjectSettings> {
    let project = place.project.as_deref();
    let own = ["openclaw", "kimi", "hermes", "nanobot", "pi"];
    if project.is_some() && own.contains(&agent) {
        return Err(NoProjectSettings(agent.to_owned()));
    }
    Ok(match agent {
        "claude" => claude(place),
        "codex" => codex(place),
        "gemini" => gemini(place),
        "openclaw" => openclaw(place),
        "cursor" => cursor(place),
        "opencode" => opencode(place),
        "qwen" => qwen(place),
        "kimi" => kimi(place),
        "hermes" => hermes(place),
        "nanobot" => nanobot(place),
        _ => pi(place),
    })
}

/// Hooks in the form of Claude Code: `timeout` in the program's own unit.
fn hooks(place: &Place, agent: &str, events: &[&str], timeout: Option<u32>) -> Vec<Edit> {
    let hook = |words: String| {
        let mut hook = json!({"type": "command", "command": place.command(&words)});
        if let Some(timeout) = timeout {
            hook["timeout"] = timeout.into();
        }
        json!({"hooks": [hook]})
    };
    let told =
        events.iter().map(|event| add(&["hooks", event], hook(format!("hook-event {agent}"))));
    let prime = add(&["hooks", "SessionStart"], hook(format!("prime --for {agent}")));
    told.chain([prime]).collect()
}

const CLAUDE_EVENTS: [&str; 9] = [
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PermissionRequest",
    "PostToolUse",
    "PostToolUseFailure",
    "Notification",
    "Stop",
    "SessionEnd",
];

fn claude(place: &Place) -> Recipe {
    let user = || place.dir("CLAUDE_CONFIG_DIR", ".claude");
    let dir = place.project.as_ref().map_or_else(user, |project| project.join(".claude"));
    let servers = match (&place.project, place.named("CLAUDE_CONFIG_DIR")) {
        (Some(project), _) => project.join(".mcp.json"),
        (None, Some(dir)) => dir.join(".claude.json"),
        (None, None) => place.home.join(".claude.json"),
    };
    let mut settings = hooks(place, "claude", &CLAUDE_EVENTS, Some(5));
    settings.push(add(&["permissions", "allow"], json!("Bash(clawteam:*)")));
    settings.push(add(&["permissions", "allow"], json!("mcp__clawteam")));
    if place.git {
        settings.push(add(&["permissions", "allow"], json!("Bash(git add:*)")));
        settings.push(add(&["permissions", "allow"], json!("Bash(git commit:*)")));
    }
    let server = json!({"type": "stdio", "command": place.program, "args": ["mcp"]});
    Recipe {
        targets: vec![
            json(dir.join("settings.json"), settings),
            json(servers, vec![put(&["mcpServers", "clawteam"], server)]),
            skill_in(&dir.join("skills"), "claude"),
        ],
        ..Recipe::default()
    }
}

/// What the MCP server must know of its surroundings. Codex passes on only what is named.
const IDENTITY: [&str; 7] = [
    "CLAWTEAM_AGENT_ID",
    "CLAWTEAM_AGENT_NAME",
    "CLAWTEAM_AGENT_TYPE",
    "CLAWTEAM_TEAM_NAME",
    "CLAWTEAM_USER",
    "CLAWTEAM_DATA_DIR",
    "CLAWTEAM_TMUX_SOCKET",
];

fn codex(place: &Place) -> Recipe {
    let user = || place.dir("CODEX_HOME", ".codex");
    let dir = place.project.as_ref().map_or_else(user, |project| project.join(".codex"));
    let events = [
        "SessionStart",
        "UserPromptSubmit",
        "PreToolUse",
        "PermissionRequest",
        "PostToolUse",
        "Stop",
        "SessionEnd",
    ];
    let server = json!({"command": place.program, "args": ["mcp"], "env_vars": IDENTITY});
    let mut config = vec![put(&["mcp_servers", "clawteam"], server)];
    let mut targets = Vec::new();
    if let Some(project) = &place.project {
        targets.push(skill_in(&project.join(".agents/skills"), "codex"));
    } else {
        // Rules are the user's alone. What they allow runs outside the sandbox.
        let mut rules = String::from("prefix_rule(pattern=[\"clawteam\"], decision=\"allow\")\n");
        if place.git {
            rules.push_str("prefix_rule(pattern=[\"git\", \"add\"], decision=\"allow\")\n");
            rules.push_str("prefix_rule(pattern=[\"git\", \"commit\"], decision=\"allow\")\n");
        }
        targets.push(whole(dir.join("rules/clawteam.rules"), rules));
        targets.push(skill_in(&dir.join("skills"), "codex"));
        // Works without the user's trust in the hooks, but tells only of the end of a turn.
        config.push(offer(&["notify"], json!([place.program, "hook-event", "codex"])));
    }
    targets.push(Target { path: dir.join("config.toml"), body: Body::Edits(Format::Toml, config) });
    targets.push(json(dir.join("hooks.json"), hooks(place, "codex", &events, Some(5))));
    Recipe {
        targets,
        notes: vec![
            "Codex asks once whether new hooks may run: choose \"Trust all and continue\"".into(),
        ],
        ..Recipe::default()
    }
}

fn gemini(place: &Place) -> Recipe {
    let home = place.project.clone().unwrap_or_else(|| place.dir("GEMINI_CLI_HOME", ""));
    let dir = home.join(".gemini");
    let events = [
        "SessionStart",
        "BeforeAgent",
        "BeforeTool",
        "AfterTool",
        "Notification",
        "AfterAgent",
        "SessionEnd",
    ];
    let mut settings = hooks(place, "gemini", &events, Some(5000));
    let server = json!({"command": place.program, "args": ["mcp"], "trust": true});
    settings.push(put(&["mcpServers", "clawteam"], server));
    let mut recipe = Recipe {
        targets: vec![
            json(dir.join("settings.json"), settings),
            skill_in(&dir.join("skills"), "gemini"),
        ],
        ..Recipe::default()
    };
    if place.project.is_some() {
        recipe.notes.push("Gemini CLI takes policies from the user alone: without `clawteam setup gemini` it asks before it runs clawteam".into());
        return recipe;
    }
    let commands =
        if place.git { "[\"clawteam\", \"git add\", \"git commit\"]" } else { "\"clawteam\"" };
    let policy = format!(
        "[[rule]]\ntoolName = \"run_shell_command\"\ncommandPrefix = {commands}\n\
         decision = \"allow\"\npriority = 100\n"
    );
    recipe.targets.push(whole(dir.join("policies/clawteam.toml"), policy));
    recipe
}

fn openclaw(place: &Place) -> Recipe {
    let mut targets = vec![skill_in(&place.openclaw_state().join("skills"), "openclaw")];
    let mut notes = Vec::new();
    let config = place.openclaw_config();
    if place.is_there(&config) {
        targets.push(json(config, vec![put(&["mcp", "servers", "clawteam"], place.server())]));
    } else {
        notes.push("OpenClaw has no configuration yet: run `openclaw onboard`, then this again, for the MCP server".into());
    }
    let approvals = |verb: &str| {
        ["openclaw", "approvals", "allowlist", verb, "--agent", "*", &place.program]
            .map(str::to_owned)
            .to_vec()
    };
    Recipe { targets, commands: vec![(approvals("add"), approvals("remove"))], notes }
}

fn cursor(place: &Place) -> Recipe {
    let top = place.project.clone().unwrap_or_else(|| place.home.clone());
    let dir = top.join(".cursor");
    let mut targets = vec![
        json(dir.join("mcp.json"), vec![put(&["mcpServers", "clawteam"], place.server())]),
        skill_in(&dir.join("skills"), "cursor"),
    ];
    let allow = ["Shell(clawteam)", "Mcp(clawteam:*)"].into_iter();
    let git = ["Shell(git add)", "Shell(git commit)"].into_iter().filter(|_| place.git);
    let mut edits: Vec<Edit> =
        allow.chain(git).map(|rule| add(&["permissions", "allow"], json!(rule))).collect();
    if place.project.is_some() {
        targets.push(json(dir.join("cli.json"), edits));
    } else {
        // The program demands these of the file.
        edits.insert(0, offer(&["version"], json!(1)));
        edits.insert(1, offer(&["editor", "vimMode"], json!(false)));
        edits.push(offer(&["permissions", "deny"], json!([])));
        targets.push(json(dir.join("cli-config.json"), edits));
    }
    Recipe {
        targets,
        notes: vec!["clawteam sees what Cursor does by its screen: its hooks are not used".into()],
        ..Recipe::default()
    }
}

fn opencode(place: &Place) -> Recipe {
    let dir = place.opencode();
    let with_comments = dir.join("opencode.jsonc");
    let config =
        if place.is_there(&with_comments) { with_comments } else { dir.join("opencode.json") };
    let server = json!({"type": "local", "command": [place.program, "mcp"], "enabled": true});
    let mut edits = vec![
        put(&["mcp", "clawteam"], server),
        offer(&["permission", "bash", "clawteam *"], json!("allow")),
    ];
    if place.git {
        edits.push(offer(&["permission", "bash", "git add *"], json!("allow")));
        edits.push(offer(&["permission", "bash", "git commit *"], json!("allow")));
    }
    let skills = match &place.project {
        Some(project) => project.join(".opencode/skills"),
        None => dir.join("skills"),
    };
    Recipe {
        targets: vec![json(config, edits), skill_in(&skills, "opencode")],
        ..Recipe::default()
    }
}

fn qwen(place: &Place) -> Recipe {
    let top = place.project.clone().unwrap_or_else(|| place.home.clone());
    let dir = top.join(".qwen");
    let events =
        ["SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop", "SessionEnd"];
    let mut settings = hooks(place, "qwen", &events, None);
    let server = json!({"command": place.program, "args": ["mcp"], "trust": true});
    settings.push(put(&["mcpServers", "clawteam"], server));
    settings.push(add(&["permissions", "allow"], json!("Bash(clawteam *)")));
    if place.git {
        settings.push(add(&["permissions", "allow"], json!("Bash(git add *)")));
        settings.push(add(&["permissions", "allow"], json!("Bash(git commit *)")));
    }
    Recipe {
        targets: vec![
            json(dir.join("settings.json"), settings),
            skill_in(&dir.join("skills"), "qwen"),
        ],
        ..Recipe::default()
    }
}

fn kimi(place: &Place) -> Recipe {
    let newer = place.home.join(".kimi-code");
    let dir = if place.is_there(&newer) { newer } else { place.home.join(".kimi") };
    Recipe {
        targets: vec![
            json(dir.join("mcp.json"), vec![put(&["mcpServers", "clawteam"], place.server())]),
            skill_in(&dir.join("skills"), "kimi"),
        ],
        ..Recipe::default()
    }
}

fn hermes(place: &Place) -> Recipe {
    let dir = place.dir("HERMES_HOME", ".hermes");
    Recipe {
        targets: vec![skill_in(&dir.join("skills"), "hermes")],
        notes: vec![format!(
            "the settings of Hermes are YAML, which clawteam leaves alone; for the MCP server put \
             this into {}:\nmcp_servers:\n  clawteam:\n    command: {}\n    args: [mcp]",
            dir.join("config.yaml").display(),
            json!(place.program)
        )],
        ..Recipe::default()
    }
}

fn nanobot(place: &Place) -> Recipe {
    let dir = place.home.join(".nanobot");
    let mut recipe = Recipe {
        targets: vec![skill_in(&dir.join("workspace/skills"), "nanobot")],
        ..Recipe::default()
    };
    let config = dir.join("config.json");
    if place.is_there(&config) {
        let edits = vec![put(&["tools", "mcpServers", "clawteam"], place.server())];
        recipe.targets.push(json(config, edits));
    } else {
        recipe.notes.push("nanobot has no configuration yet: run `nanobot onboard`, then this again, for the MCP server".into());
    }
    recipe
}

fn pi(place: &Place) -> Recipe {
    let dir = place.dir("PI_CODING_AGENT_DIR", ".pi/agent");
    Recipe {
        targets: vec![skill_in(&dir.join("skills"), "pi")],
        notes: vec!["Pi has neither MCP servers nor a list of allowed commands of its own".into()],
        ..Recipe::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_gets_a_skill_and_nothing_outside_its_own_directories() {
        let place = Place { home: "/h".into(), program: "/b/clawteam".into(), ..Place::default() };
        for agent in AGENTS {
            let recipe = recipe(agent, &place).expect("a recipe");
            let skills = recipe.targets.iter().filter(|target| target.path.ends_with("SKILL.md"));
            assert_eq!(skills.count(), 1, "{agent}");
            for target in &recipe.targets {
                let below = target.path.strip_prefix("/h").expect("it is in the home");
                assert!(below.to_string_lossy().starts_with('.'), "{agent} {below:?}");
            }
        }
    }

    #[test]
    fn a_project_has_files_of_its_own() {
        let place = Place {
            home: "/h".into(),
            project: Some("/p".into()),
            program: "clawteam".into(),
            ..Place::default()
        };
        for agent in AGENTS {
            match recipe(agent, &place) {
                Ok(recipe) => {
                    assert!(recipe.targets.iter().all(|target| target.path.starts_with("/p")));
                }
                Err(error) => assert_eq!(error.code(), "no_project_settings"),
            }
        }
    }

    #[test]
    fn the_environment_says_where_settings_are() {
        let place = Place {
            home: "/h".into(),
            dirs: vec![
                ("CLAUDE_CONFIG_DIR".into(), "/c".into()),
                ("CODEX_HOME".into(), "/x".into()),
                ("GEMINI_CLI_HOME".into(), "/g".into()),
            ],
            program: "/a b/clawteam".into(),
            ..Place::default()
        };
        let paths = |agent: &str| -> Vec<String> {
            let recipe = recipe(agent, &place).expect("a recipe");
            recipe.targets.iter().map(|target| target.path.display().to_string()).collect()
        };
        assert_eq!(
            paths("claude"),
            ["/c/settings.json", "/c/.claude.json", "/c/skills/clawteam/SKILL.md"]
        );
        assert!(paths("codex").contains(&"/x/config.toml".to_owned()));
        assert!(paths("gemini").contains(&"/g/.gemini/settings.json".to_owned()));
        assert_eq!(place.command("prime"), "'/a b/clawteam' prime");
    }
}

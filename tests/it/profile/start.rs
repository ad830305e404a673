//! Which profile and which model an agent starts with.

use std::fs;

use super::Place;
use crate::support::Ran;

const AGENT: &str = r#"echo "$(basename "$0") $* [$CLAWTEAM_MODEL]" > "$OUT.tmp"
mv "$OUT.tmp" "$OUT"
sleep 600"#;

/// With programs on the path that write down how they were called.
fn place(programs: &[&str]) -> Place {
    let place = Place::new();
    for program in programs {
        place.script(program, AGENT);
    }
    let top = place.world.top();
    let path = format!("{}:/usr/bin:/bin", top.display());
    place.having("PATH", &path).having("OUT", &top.join("out").display().to_string())
}

/// How the agent is called that is started so.
fn called(place: &Place, options: &[&str]) -> String {
    both(place, options).1
}

fn both(place: &Place, options: &[&str]) -> (Ran, String) {
    let spawn = ["spawn", "-t", "t", "-n", "w", "--no-workspace", "--no-skip-permissions"];
    let spawned = place.world.run(&[&spawn[..], &["--replace"], options].concat());
    spawned.exits(0);
    let out = place.world.top().join("out");
    crate::until("it was called", || out.exists());
    let text = fs::read_to_string(&out).expect("it is there");
    fs::remove_file(&out).expect("ours");
    // Its session, which is another each time, is no matter here.
    let words: Vec<&str> = text.trim().split(' ').collect();
    let session = words.iter().position(|word| *word == "--session-id");
    let kept = words
        .iter()
        .enumerate()
        .filter(|(at, _)| session.is_none_or(|session| *at != session && *at != session + 1));
    let kept: Vec<&str> = kept.map(|(_, word)| *word).collect();
    (spawned, kept.join(" "))
}

#[test]
fn a_bare_spawn_starts_what_the_settings_say_and_else_the_default_agent() {
    let place = place(&["openclaw", "claude", "codex"]);
    let world = &place.world;
    assert!(called(&place, &[]).starts_with("openclaw"));
    // One profile does not change the default agent, and several do not make it fail.
    world.run(&["profile", "set", "a", "--agent", "claude", "--model", "m1"]).succeeds();
    assert!(called(&place, &[]).starts_with("openclaw"));
    world.run(&["profile", "set", "b", "--agent", "codex", "--model", "m2"]).succeeds();
    let (told, line) = both(&place, &[]);
    assert!(line.starts_with("openclaw"), "{line}");
    told.warns("no profile is used");
    assert_eq!(called(&place, &["--profile", "b"]), "codex --model m2 [m2]");
    world.run(&["config", "set", "default_profile", "a"]).succeeds();
    assert_eq!(called(&place, &[]), "claude --permission-mode default --model m1 [m1]");
    assert_eq!(called(&place, &["--profile", "b"]), "codex --model m2 [m2]");
    assert_eq!(called(&place, &["tmux", "codex"]), "codex  []", "a command needs no profile");
    assert_eq!(
        called(&place, &["tmux", "--profile", "b", "claude"]),
        "claude --permission-mode default --model m2 [m2]"
    );
    world.run(&["config", "set", "default_profile", "gone"]).succeeds();
    let bare = ["spawn", "-t", "t", "-n", "y"];
    world.run(&bare).refuses("Configured default_profile 'gone' was not found");
    let named = [&bare[..], &["--profile", "no"]].concat();
    world.run(&named).refuses("Unknown profile 'no'");
    assert!(!world.names("agents/t").iter().any(|name| name.starts_with('y')));
}

#[test]
fn the_model_is_the_one_asked_for_then_that_of_the_profile_then_the_usual_one() {
    let place = place(&["claude"]);
    let world = &place.world;
    let claude = ["tmux", "claude"];
    let with = |options: &[&str]| called(&place, &[options, &claude[..]].concat());
    world.run(&["config", "set", "default_model", "usual"]).succeeds();
    assert_eq!(with(&[]), "claude --permission-mode default --model usual [usual]");
    assert_eq!(
        with(&["--model-tier", "strong"]),
        "claude --permission-mode default --model opus [opus]"
    );
    world.run(&["config", "set", "model_tiers", r#"{"strong": "mine", "tiny": "t"}"#]).succeeds();
    assert_eq!(
        with(&["--model-tier", "strong"]),
        "claude --permission-mode default --model mine [mine]"
    );
    assert_eq!(with(&["--model-tier", "tiny"]), "claude --permission-mode default --model t [t]");
    assert_eq!(
        with(&["--model-tier", "cheap"]),
        "claude --permission-mode default --model haiku-4.5 [haiku-4.5]"
    );
    world.run(&["profile", "set", "p", "--agent", "claude", "--model", "own"]).succeeds();
    assert_eq!(with(&["--profile", "p"]), "claude --permission-mode default --model own [own]");
    assert_eq!(
        with(&["--profile", "p", "--model", "asked"]),
        "claude --permission-mode default --model asked [asked]"
    );
    let bad = ["spawn", "-t", "t", "-n", "z", "--model-tier", "huge", "tmux", "claude"];
    world.run(&bad).refuses("unknown model tier 'huge'");
    let both = [&bad[..], &["--model", "m"]].concat();
    world.run(&both).is_misused();
}

#[test]
fn a_launched_team_runs_with_the_profile() {
    let place = place(&["claude"]);
    let world = &place.world;
    world.run(&["profile", "set", "p", "--agent", "claude", "--model", "own"]).succeeds();
    let template = "[template]\nname = \"solo\"\n[template.leader]\nname = \"lead\"\ntask = \"x\"\nmodel = \"other\"\n";
    let dir = world.home().join(".clawteam/templates");
    fs::create_dir_all(&dir).expect("a directory can be made");
    fs::write(dir.join("solo.toml"), template).expect("ours");
    let launch = ["launch", "solo", "-t", "t", "-b", "subprocess", "--profile", "p"];
    world.run(&launch).exits(0);
    let out = world.top().join("out");
    crate::until("it was called", || out.exists());
    let text = fs::read_to_string(&out).expect("it is there");
    assert!(text.starts_with("claude") && text.contains("--model own"), "{text}");
    let plan = world.document("agents/t/lead.plan.json");
    assert_eq!(plan["profile"], "p");
    let again = ["launch", "solo", "-t", "u", "--model-strategy", "best"];
    world.run(&again).refuses("unknown model strategy 'best'");
    let unknown = ["launch", "solo", "-t", "u", "--profile", "no"];
    world.run(&unknown).refuses("Unknown profile 'no'");
    assert_eq!(world.names("teams"), ["t"]);
}

#[test]
fn skills_reach_every_agent() {
    let place = place(&["claude", "kimi"]);
    let world = &place.world;
    let skills = world.home().join(".claude/skills");
    let own = world.cwd().join(".claude/skills");
    for (path, text) in [
        (skills.join("one/SKILL.md"), "Skill number one"),
        (skills.join("one/other.md"), "not this"),
        (skills.join("two/b.md"), "not this either"),
        (skills.join("two/a.md"), "Skill number two"),
        (skills.join("three.md"), "Skill number three"),
        (own.join("four/SKILL.md"), "Skill number four"),
        (world.home().join("secret.md"), "never this"),
    ] {
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory can be made");
        fs::write(path, text).expect("ours");
    }
    let all = ["--skill", "one", "--skill", "two", "--skill", "three", "--skill", "four"];
    let expected =
        "Skill number one\n\nSkill number two\n\nSkill number three\n\nSkill number four";
    let line = called(&place, &[&all[..], &["tmux", "claude"]].concat());
    assert!(line.contains(expected), "{line}");
    // This one has no option for it.
    let line = called(&place, &[&all[..], &["--task", "Dig", "tmux", "kimi"]].concat());
    assert!(line.contains(expected) && line.contains("Dig"), "{line}");
    let (told, _) = both(&place, &["--skill", "nope", "tmux", "claude"]);
    told.warns("skill 'nope' not found");
    let spawn = ["spawn", "-t", "t", "-n", "z", "--skill", "../../secret", "tmux", "claude"];
    world.run(&spawn).refuses("Invalid skill name");
}

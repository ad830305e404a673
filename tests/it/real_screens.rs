//! Screens that the real agent programs showed, and what is read in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use clawteam::domain::agent_cli::Catalog;
use clawteam::domain::agent_cli::screen::{self, Reading};

/// What each screen is read as: for a dialog its kind, the option that is chosen and how many
/// there are; for a draft how it begins.
const SCREENS: &[(&str, &str)] = &[
    ("claude/trust", "dialog trust: Yes, I trust this folder, of 2"),
    ("claude/api-key", "dialog api_key: No (recommended), of 2"),
    ("claude/bypass", "dialog bypass: No, exit, of 2"),
    ("claude/ready", "ready"),
    ("claude/ready-bypass", "ready"),
    ("claude/draft", "draft line one"),
    ("claude/working", "working"),
    ("claude/working-draft", "working with a draft more"),
    ("claude/working-queued", "working"),
    ("claude/permission-shell", "dialog permission: Yes, of 3"),
    ("claude/permission-edit", "dialog permission: Yes, of 3"),
    ("claude/idle", "ready"),
    ("codex/starting", "starting"),
    ("codex/trust", "dialog trust: Trust and continue, of 2"),
    ("codex/hooks", "dialog other: Review hooks, of 3"),
    ("codex/ready", "ready"),
    ("codex/draft", "draft line one"),
    ("codex/working", "working"),
    ("codex/permission-shell", "dialog permission: Yes, proceed (y), of 3"),
    ("codex/idle", "ready"),
    ("gemini/trust", "dialog trust: Trust folder (proj), of 3"),
    ("gemini/auth", "dialog other: Use Gemini API Key, of 3"),
    ("gemini/ready", "ready"),
    ("gemini/draft", "draft one"),
    ("gemini/working", "working"),
    ("gemini/permission-shell", "dialog permission: Allow once, of 3"),
    ("gemini/permission-edit", "dialog permission: Allow once, of 4"),
    ("gemini/idle", "ready"),
    ("openclaw/starting", "starting"),
    ("openclaw/ready", "ready"),
    ("openclaw/draft", "draft line one"),
    ("openclaw/working", "working"),
];

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/screens")
}

fn first(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_end()
}

fn told(reading: &Reading) -> String {
    match reading {
        Reading::Starting => "starting".into(),
        Reading::Ready => "ready".into(),
        Reading::Unknown => "unknown".into(),
        Reading::Draft { text } => format!("draft {}", first(text)),
        Reading::Working { draft: None } => "working".into(),
        Reading::Working { draft: Some(text) } => format!("working with a draft {}", first(text)),
        Reading::Dialog(dialog) => {
            let kind = serde_json::to_value(dialog.kind).expect("a word");
            let chosen = dialog.highlighted.and_then(|at| dialog.options.get(at));
            let chosen = chosen.map_or("nothing", String::as_str);
            let kind = kind.as_str().expect("a word");
            format!("dialog {kind}: {chosen}, of {}", dialog.options.len())
        }
    }
}

#[test]
fn what_the_real_programs_show_is_understood() {
    let mut wrong = String::new();
    for (name, expected) in SCREENS {
        let (program, _) = name.split_once('/').expect("a program and a name");
        let row = Catalog::built_in().named(program).expect("it is in the catalog");
        let file = directory().join(format!("{name}.txt"));
        let screen = fs::read_to_string(&file).expect(name);
        let seen = told(&screen::read(row, &screen));
        if seen != *expected {
            wrong += &format!("{name}: {seen}, not {expected}\n");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_screen_is_looked_at() {
    let listed: BTreeSet<String> = SCREENS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut there = BTreeSet::new();
    for program in fs::read_dir(directory()).expect("a directory").flatten() {
        for file in fs::read_dir(program.path()).into_iter().flatten().flatten() {
            let name = file.path().with_extension("");
            let name = name.strip_prefix(directory()).expect("it is below").display().to_string();
            there.insert(name);
        }
    }
    assert_eq!(listed, there);
}

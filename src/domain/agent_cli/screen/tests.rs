use super::*;
use crate::domain::agent_cli::Catalog;

fn see(program: &str, screen: &str) -> Reading {
    read(Catalog::built_in().named(program).expect("it is known"), screen)
}

fn asked(program: &str, screen: &str) -> Dialog {
    match see(program, screen) {
        Reading::Dialog(dialog) => dialog,
        other => panic!("{other:?} on\n{screen}"),
    }
}

const RULE: &str = "────────────────────────────────────────────────────────────────";

const CLAUDE_TRUST: &str = "\
────────────────────────────────────────────────────────────────
 Accessing workspace:

 /home/u/project

 Quick safety check: Is this a project you created or one you trust? (Like your own code, a
 well-known open source project, or work from your team). If not, take a moment to review what's
 in this folder first.

 Claude Code'll be able to read, edit, and execute files here.

 Security guide

   1. Yes, I trust this folder
 ❯ 2. No, exit

 Enter to confirm · Esc to cancel
";

const CLAUDE_KEY: &str = "\
 Detected a custom API key in your environment

 ANTHROPIC_API_KEY: sk-ant-...abcdef

 Do you want to use this API key?

   1. Yes
 ❯ 2. No (recommended) ✔

 Enter to confirm · Esc to cancel
";

const CLAUDE_BYPASS: &str = "\
 WARNING: Claude Code running in Bypass Permissions mode

 In Bypass Permissions mode, Claude Code will not ask for your approval before running potentially
 dangerous commands.

 By proceeding, you accept all responsibility for actions taken while running in Bypass Permissions
 mode.

 https://code.claude.com/docs/en/security

 ❯ 1. No, exit
   2. Yes, I accept

 Enter to confirm · Esc to cancel
";

const CLAUDE_PERMISSION: &str = "\
● I will remove it.

────────────────────────────────────────────────────────────────
 Bash command

   rm -rf build
   Remove the build directory

 Do you want to proceed?
 ❯ 1. Yes
   2. Yes, and don't ask again for rm commands in /home/u/project
   3. No, and tell Claude what to do differently (esc)
";

const CODEX_TRUST: &str = "\
> You are in /home/u/project

  Do you trust the contents of this directory? Working with untrusted contents
  comes with higher risk of prompt injection.

› 1. Yes, continue
  2. No, quit

  Press enter to continue
";

const CODEX_UPDATE: &str = "\
  ✨ Update available! 0.50.0 -> 0.51.0

  Release notes: https://github.com/openai/codex/releases/latest

› 1. Update now (runs `npm install -g @openai/codex`)
  2. Skip
  3. Skip until next version

  Press enter to continue
";

const CODEX_PERMISSION: &str = "\
  Would you like to run the following command?

  Reason: the test needs the network

  $ cargo test --workspace

› 1. Yes, proceed (y)
  2. Yes, and don't ask again for commands that start with `cargo test` (p)
  3. No, and tell Codex what to do differently (esc)

  Press enter to confirm or esc to cancel
";

const GEMINI_TRUST: &str = "\
╭──────────────────────────────────────────────────────────────╮
│ Do you trust this folder?                                    │
│                                                              │
│ Trusting a folder allows Gemini to execute commands it       │
│ suggests.                                                    │
│                                                              │
│ ● 1. Trust folder (project)                                  │
│   2. Trust parent folder (u)                                 │
│   3. Don't trust (esc)                                       │
│                                                              │
╰──────────────────────────────────────────────────────────────╯
";

fn claude_with(composer: &str, status: &str) -> String {
    format!(
        "❯ 1. do this\n  2. and that\n\n● Done.\n{status}\n{RULE}\n❯ {composer}\n{RULE}\n  ? for shortcuts\n"
    )
}

#[test]
fn dialogs_are_read_with_what_would_be_chosen() {
    for (program, screen, name, kind, options, highlighted) in [
        ("claude", CLAUDE_TRUST, "trust-folder", DialogKind::Trust, 2, 1),
        ("claude", CLAUDE_KEY, "api-key", DialogKind::ApiKey, 2, 1),
        ("claude", CLAUDE_BYPASS, "bypass-mode", DialogKind::Bypass, 2, 0),
        ("claude", CLAUDE_PERMISSION, "permission", DialogKind::Permission, 3, 0),
        ("codex", CODEX_TRUST, "trust-folder", DialogKind::Trust, 2, 0),
        ("codex", CODEX_UPDATE, "update", DialogKind::Update, 3, 0),
        ("codex", CODEX_PERMISSION, "permission", DialogKind::Permission, 3, 0),
        ("gemini", GEMINI_TRUST, "trust-folder", DialogKind::Trust, 3, 0),
    ] {
        let dialog = asked(program, screen);
        let seen = (&*dialog.name, dialog.kind, dialog.options.len(), dialog.highlighted);
        assert_eq!(seen, (name, kind, options, Some(highlighted)), "{screen}");
    }
}

#[test]
fn a_permission_prompt_is_told_with_what_it_is_about() {
    let dialog = asked("claude", CLAUDE_PERMISSION);
    let text =
        "Bash command\n\n  rm -rf build\n  Remove the build directory\n\nDo you want to proceed?";
    assert_eq!(dialog.text, text);
    assert_eq!(dialog.options[0], "Yes");
    let dialog = asked("codex", CODEX_PERMISSION);
    assert!(dialog.text.contains("$ cargo test --workspace"), "{}", dialog.text);
}

#[test]
fn an_option_over_two_lines_is_one() {
    let screen = " Do you want to proceed?\n ❯ 1. Yes\n   2. Yes, and don't ask again for\n      rm commands\n   3. No\n";
    let dialog = asked("claude", screen);
    assert_eq!(dialog.options, ["Yes", "Yes, and don't ask again for rm commands", "No"]);
}

#[test]
fn an_unknown_question_is_a_dialog_without_a_name() {
    let screen = " Which colour?\n\n ❯ 1. Red\n   2. Blue\n\n Enter to confirm\n";
    let dialog = asked("claude", screen);
    assert_eq!((&*dialog.name, dialog.kind), (UNNAMED, DialogKind::Other));
    assert_eq!(dialog.text, "Which colour?");
}

#[test]
fn an_answer_without_numbers_is_chosen_from_a_dialog_that_is_known() {
    let screen = " Do you trust this folder?\n\n> Yes, I trust this folder\n  No, exit\n";
    let dialog = asked("claude", screen);
    assert_eq!(dialog.options, ["Yes, I trust this folder", "No, exit"]);
    assert_eq!(dialog.highlighted, Some(0));
}

#[test]
fn a_composer_is_empty_or_holds_a_draft() {
    assert_eq!(see("claude", &claude_with("", "")), Reading::Ready);
    assert_eq!(see("claude", &claude_with("Try \"write a test for x.rs\"", "")), Reading::Ready);
    let draft = |text: &str| Reading::Draft { text: text.into() };
    assert_eq!(see("claude", &claude_with("fix the", "")), draft("fix the"));
    assert_eq!(see("claude", &claude_with("two\n  lines", "")), draft("two\nlines"));
    let codex =
        "• Done.\n\n\n› Explain this codebase\n\n  ? for shortcuts       100% context left\n";
    assert_eq!(see("codex", codex), Reading::Ready);
    assert_eq!(see("codex", &codex.replace("Explain this codebase", "do it")), draft("do it"));
    let gemini = "╭────────────────────────╮\n│ >   Type your message or @path/to/file │\n╰────────────────────────╯\n ~/p   no sandbox   auto\n";
    assert_eq!(see("gemini", gemini), Reading::Ready);
    let typed = gemini.replace("  Type your message or @path/to/file", "hello");
    assert_eq!(see("gemini", &typed), draft("hello"));
}

#[test]
fn a_faint_example_is_no_draft_whatever_it_says() {
    let below = "  gpt-5-codex default · /w\n  ← for agents · ? for shortcuts\n";
    let screen = |composer: &str| format!("• Done.\n\n› {composer}\n\n{below}");
    let faint = "\x1b[7mA\x1b[27m\x1b[2mny new example\x1b[0m";
    assert_eq!(see("codex", &screen(faint)), Reading::Ready);
    let typed = Reading::Draft { text: "Any new example".into() };
    assert_eq!(see("codex", &screen("\x1b[38;5;2mAny new example\x1b[0m")), typed);
    assert_eq!(see("codex", &screen("Any new example")), typed);
}

#[test]
fn work_is_seen_and_so_is_what_is_typed_meanwhile() {
    let status = "✻ Orbiting… (5s · ↓ 120 tokens · esc to interrupt)";
    assert_eq!(see("claude", &claude_with("", status)), Reading::Working { draft: None });
    let draft = Reading::Working { draft: Some("more".into()) };
    assert_eq!(see("claude", &claude_with("more", status)), draft);
    let codex =
        "• Working (0s • esc to interrupt)\n\n› Explain this codebase\n\n  100% context left\n";
    assert_eq!(see("codex", codex), Reading::Working { draft: None });
}

#[test]
fn a_composer_that_comes_before_the_first_question_is_not_ready() {
    let early = "› Ask Codex to do anything\n\n  ? for shortcuts\n";
    assert_eq!(see("codex", early), Reading::Starting);
    let status = "  gpt-5-codex default · /w\n  ← for agents · ? for shortcuts\n";
    let there = format!("› Ask Codex to do anything\n\n{status}");
    assert_eq!(see("codex", &there), Reading::Ready);
    let folder = "  Folder access\n  /w\n\n  Trust this folder? Codex can read, edit, and run files \
                  here.\n\n› 1. Trust and continue\n  2. Back to Agent Command Center\n\n  enter \
                  continue · esc back\n";
    let dialog = asked("codex", folder);
    assert_eq!((dialog.kind, dialog.highlighted), (DialogKind::Trust, Some(0)));
}

#[test]
fn a_spinner_is_work_and_its_end_is_not() {
    let spin = |line: &str| see("claude", &claude_with("", line));
    let working = Reading::Working { draft: None };
    assert_eq!(spin("✶ Undulating…"), working);
    assert_eq!(spin("* Photosynthesizing… (3s · ↑ 37 tokens)"), working);
    assert_eq!(spin("✻ Baked for 0s"), Reading::Ready);
}

#[test]
fn a_composer_between_two_rules_is_read() {
    let screen = |status: &str, typed: &str| {
        format!(
            " session agent:main:main\n {status}\n agent main | deliver:off\n{RULE}\n{typed}\n{RULE}\n"
        )
    };
    assert_eq!(see("openclaw", &screen("local ready | idle", "")), Reading::Ready);
    let draft = Reading::Draft { text: "hello".into() };
    assert_eq!(see("openclaw", &screen("local ready | idle", "hello")), draft);
    let working = Reading::Working { draft: None };
    assert_eq!(see("openclaw", &screen("⠦ kerfuffling… • 2s | local ready", "")), working);
    let starting = "⠋ starting up • 5s | subscribing to session events";
    assert_eq!(see("openclaw", &screen(starting, "")), Reading::Starting);
}

#[test]
fn a_question_in_the_talk_is_no_dialog() {
    let talk = format!("{CLAUDE_PERMISSION}\n\n● That is what it asked.\n\n{RULE}\n❯ \n{RULE}\n");
    assert_eq!(see("claude", &talk), Reading::Ready);
}

#[test]
fn nothing_is_read_into_what_is_not_known() {
    assert_eq!(see("claude", ""), Reading::Starting);
    assert_eq!(see("claude", "\n \n"), Reading::Starting);
    assert_eq!(see("claude", "Segmentation fault\n$ "), Reading::Unknown);
    let other = Catalog::built_in().find(&["my-agent".to_owned()]);
    assert_eq!(read(&other, "hello\n> "), Reading::Unknown);
}

#[test]
fn no_text_is_too_odd_to_be_read() {
    for screen in
        ["\x1b", "\x1b[", "\x1b]0;t", "❯", "1. ", "│", "99. x\n❯ 1. y\n", "\x1b[38;5m\x1b[2;m❯ x"]
    {
        for row in Catalog::built_in().rows() {
            let _ = read(row, screen);
        }
    }
}

#[test]
fn what_a_question_shows_between_edges_belongs_to_it_and_does_not_say_what_it_is() {
    let edge = "╌".repeat(64);
    let long = (0..40).map(|n| format!(" {n} line")).collect::<Vec<_>>().join("\n");
    let screen = format!(
        "{RULE}\n Create file\n new.txt\n{edge}\n Do you want to use this API key?\n{long}\n{edge}\n \
         Do you want to create new.txt?\n ❯ 1. Yes\n   2. No\n"
    );
    let dialog = asked("claude", &screen);
    assert_eq!(dialog.kind, DialogKind::Permission);
    assert!(dialog.text.starts_with("Create file\nnew.txt\n"), "{}", dialog.text);
    assert!(dialog.text.contains("39 line\n") && dialog.text.ends_with("create new.txt?"));
    let (_, rest) = screen.split_once(" 7 line").expect("it is there");
    let dialog = asked("claude", &format!(" 7 line{rest}"));
    assert_eq!(dialog.kind, DialogKind::Permission, "its upper edge is off the screen");
    assert!(dialog.text.starts_with("7 line\n"), "{}", dialog.text);
}

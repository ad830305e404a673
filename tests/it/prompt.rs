//! What agents are told when they are started.

use clawteam::domain::prompt::{Brief, Mission, build, leader_of, task_of};
use clawteam::domain::template::{commands, sleeps};

fn mission() -> Mission {
    Mission {
        task: "Repair the parser.\n\nIt drops the last field.\n".into(),
        intent: Some("The import must work on Monday".into()),
        end_state: Some("All tests pass".into()),
        constraints: vec!["No new dependencies".into(), "Keep the interface".into()],
        team_size: 4,
    }
}

fn brief(mission: &Mission) -> Brief<'_> {
    Brief {
        agent_name: "alice",
        agent_id: "0123456789ab",
        agent_type: "developer",
        team: "t1",
        leader: "lead",
        user: "kim",
        mission,
        workspace_dir: Some("/data/workspaces/t1/alice"),
        branch: Some("clawteam/t1/alice"),
        isolated: true,
        context: None,
    }
}

#[test]
fn the_whole_prompt_is_as_it_was_agreed() {
    let expected = include_str!("prompt.golden.md");
    assert_eq!(build(&brief(&mission())), expected);
}

#[test]
fn a_leader_answers_to_the_user() {
    let mission = mission();
    let text = build(&Brief { agent_name: "lead", ..brief(&mission) });
    assert!(text.contains("`clawteam workspace merge t1 <agent>`"), "{text}");
    assert!(text.contains("Go on until the user tells you to end"), "{text}");
    assert!(!text.contains("inbox send t1 lead"), "{text}");
}

#[test]
fn sections_without_content_are_left_out() {
    let mission = Mission::of("Do it.");
    let brief = Brief { user: "", workspace_dir: None, branch: None, ..brief(&mission) };
    let text = build(&brief);
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
    assert_eq!(
        headings,
        [
            "## Identity",
            "## Shared Memory",
            "## Task",
            "## Coordination Protocol",
            "## Worker Loop Protocol",
            "## Self-Evaluation"
        ]
    );
    assert!(!text.contains("User:"), "{text}");
    assert!(text.ends_with("\n\n"), "it ends with an empty line");
}

#[test]
fn a_shared_directory_is_called_by_its_name() {
    let mission = mission();
    let brief = Brief { isolated: false, workspace_dir: Some("/repo"), ..brief(&mission) };
    let text = build(&brief);
    assert!(text.contains("- Working directory: /repo\n"), "{text}");
    assert!(text.contains("Work directly in this repository path"), "{text}");
    assert!(!text.contains("isolated git worktree") && !text.contains("Branch:"), "{text}");
}

#[test]
fn every_command_in_a_prompt_can_be_typed() {
    let mission = mission();
    for (agent, isolated) in [("alice", true), ("lead", true), ("alice", false)] {
        let text = build(&Brief { agent_name: agent, isolated, ..brief(&mission) });
        let told = commands(&text);
        assert!(told.len() > 6, "{told:?}");
        for one in told {
            let words: Vec<String> = one
                .words
                .iter()
                .map(|word| if word == "<N>" { "1".to_owned() } else { word.clone() })
                .collect();
            assert_eq!(clawteam::cli::check(&words), Ok(()), "{}", one.shown);
        }
        assert_eq!(sleeps(&text), None);
    }
}

#[test]
fn what_the_others_do_stands_below_the_task() {
    let mission = Mission::of("Do it.\n\n## Context\n\nMine.");
    let context = Some("## File Overlap Warnings\n\n- bob changes a.rs\n\n## Coordination");
    let text = build(&Brief { context, ..brief(&mission) });
    let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("no {part} in {text}"));
    assert!(place("Mine.") < place("bob changes a.rs"));
    assert!(place("bob changes a.rs") < place("## Coordination Protocol"));
    assert_eq!(task_of(&text), Some("Do it.\n\n## Context\n\nMine."));
    let bare = build(&Brief { context: Some(" \n"), ..brief(&mission) });
    assert_eq!(bare, build(&brief(&mission)), "nothing to tell takes no place");
}

#[test]
fn the_task_is_found_again_whatever_is_in_it() {
    for task in [
        "One line",
        "Two\n\nparagraphs {with} braces and `code`",
        "A heading:\n## Task\nof its own\n## Coordination Protocol\nand more",
        "## Identity\n- Leader: nobody",
    ] {
        let mission = Mission::of(task);
        let text = build(&brief(&mission));
        assert_eq!(task_of(&text), Some(task));
        assert_eq!(leader_of(&text), Some("lead"));
    }
    assert_eq!(task_of("just do it"), None);
    assert_eq!(leader_of("just do it"), None);
}

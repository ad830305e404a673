//! `feature`: the check fails, the reviewer wants changes, the person rejects; then it is merged.

use super::{play, play_in};
use crate::crew::Crew;

const CAST: super::Cast<'_> =
    &[("dev", "developer"), ("reader", "reviewer"), ("user", "tester"), ("dev2", "developer")];

const SCRIPT: &str = r#"
say() { echo "$*" > "$CLAWTEAM_RESULT_FILE"; }
case "$CLAWTEAM_NODE/$CLAWTEAM_VISIT" in
plan/*) say "One file, greeting." ;;
implement/1) echo hello > greeting; say "wrote greeting" ;;
implement/2) grep -q "check#1, failed" "$CLAWTEAM_TEXT_FILE"
    grep -q "it ended with exit status 1" "$CLAWTEAM_TEXT_FILE"
    echo "hello world" > greeting; say "greets the world" ;;
implement/3) grep -q "CHANGES: too short" "$CLAWTEAM_TEXT_FILE"
    echo "hello wide world" > greeting; say "greets the wide world" ;;
implement/4) grep -q "whom else?" "$CLAWTEAM_TEXT_FILE"
    echo "hello wide world and moon" > greeting; say "greets the moon, too" ;;
review/1) say "CHANGES: too short" ;;
review/*) say "ACCEPT" ;;
trial/*) say "ACCEPT, it greets" ;;
esac
"#;

#[test]
fn work_comes_back_until_all_agree_and_is_merged() {
    let inputs = r#"goal = "greet", check = "grep -q world greeting""#;
    let mut play = play("feature", inputs, CAST, SCRIPT);
    play.decide("approve", "reject", "whom else?");
    play.decide("approve", "approve", "nice");
    play.end().exits(0);
    let crew = &play.crew;
    assert_eq!(crew.git(&["show", "main:greeting"]), "hello wide world and moon");
    assert_eq!(play.outputs()["rounds"], 4);
    let tasks = play.tasks("implement");
    assert_eq!(tasks.len(), 4);
    assert!(tasks.iter().all(|task| task["owner"] == tasks[0]["owner"]), "one developer");
    // Nobody looks at what fails its check.
    assert_eq!(play.tasks("review").len(), 3);
    assert!(play.news().contains(&"The feature is done: greet".to_owned()), "{:?}", play.news());
    play.everybody_goes();
}

#[test]
fn a_team_of_one_without_worktrees_can_do_it_too() {
    let mut play = play_in(
        Crew::without_tmux().repository(),
        "--no-workspace",
        "feature",
        r#"goal = "greet", check = "test -e greeting""#,
        &[],
        r#"
say() { echo "$*" > "$CLAWTEAM_RESULT_FILE"; }
case "$CLAWTEAM_NODE" in
implement) echo hello > greeting; say "wrote greeting" ;;
*) say "ACCEPT" ;;
esac
"#,
    );
    play.decide("approve", "approve", "fine");
    play.end().exits(0);
    assert_eq!(play.crew.git(&["show", "main:greeting"]), "hello");
    assert_eq!(play.outputs()["developer"], "lead");
    let log = play.json(&["workflow", "log", "t", &play.run]).to_string();
    assert!(log.contains("in_place#1"), "there was nothing to merge");
    play.everybody_goes();
}

#[test]
fn what_an_agent_cannot_do_fails_in_its_own_words() {
    let script = r#"
echo sketch > "$CLAWTEAM_ARTIFACTS_DIR/sketch"
echo "I do not understand the goal." > "$CLAWTEAM_RESULT_FILE"
[ "$CLAWTEAM_NODE" = plan ] || exit 3
"#;
    let cast = &[("dev", "developer")];
    let mut play = play("feature", r#"goal = "greet""#, cast, script);
    play.end().exits(13);
    let planned = &play.tasks("plan")[0];
    assert_eq!(planned["metadata"]["artifacts"][0]["name"], "sketch", "{planned}");
    let status = play.json(&["workflow", "status", "t", &play.run]);
    let why = status["reason"]["message"].as_str().expect("a reason");
    assert_eq!(why, "node 'implement': I do not understand the goal.");
    play.everybody_goes();
}

//! `nightly`: it looks around, has failing tests repaired, and reports in any case.

use super::{play, play_in};
use crate::crew::Crew;

const SCRIPT: &str = r#"
grep -q "it is broken" "$CLAWTEAM_TEXT_FILE"
echo yes > works
echo "it was broken" > "$CLAWTEAM_RESULT_FILE"
"#;

#[test]
fn failing_tests_are_repaired_and_all_is_reported() {
    let crew = Crew::without_tmux().repository();
    std::fs::write(crew.world.cwd().join("code"), "x\n// TODO: y\n").expect("a file");
    crew.git(&["add", "code"]);
    let who = ["-c", "user.name=u", "-c", "user.email=u@h", "commit", "-q", "-m", "Code"];
    crew.git(&who);
    let old = "tree=$(git write-tree) && git branch old $(GIT_COMMITTER_DATE='2020-01-02T03:04:05Z' \
               GIT_AUTHOR_DATE='2020-01-02T03:04:05Z' git -c user.name=u -c user.email=u@h \
               commit-tree $tree -m old)";
    let mut sh = std::process::Command::new("sh");
    let made = sh.args(["-c", old]).current_dir(crew.world.cwd()).status();
    assert!(made.expect("sh runs").success());
    let inputs = r#"test = "test -e works || { echo it is broken; exit 1; }""#;
    let mut play =
        play_in(crew, "--workspace", "nightly", inputs, &[("fix", "maintainer")], SCRIPT);
    play.end().exits(0);
    let outputs = play.outputs();
    assert_eq!(outputs["tests"], "failed");
    assert_eq!(outputs["repaired"], true);
    assert_eq!(outputs["branches"], serde_json::json!(["2020-01-02 old"]));
    assert_eq!(outputs["notes"], serde_json::json!(["code:2:// TODO: y"]));
    assert_eq!(play.tasks("repair")[0]["owner"], "fix");
    let title = "Nightly: THE TESTS FAILED, 1 old branches, 1 notes in the code";
    assert!(play.news().contains(&title.to_owned()), "{:?}", play.news());
    play.everybody_goes();
}

#[test]
fn without_tests_and_trouble_no_agent_is_asked() {
    let mut play = play("nightly", "", &[], "exit 1");
    play.end().exits(0);
    assert!(play.tasks("repair").is_empty());
    let title = "Nightly: no tests, 0 old branches, 0 notes in the code";
    assert!(play.news().contains(&title.to_owned()), "{:?}", play.news());
}

//! `research`: two of three are enough, and the report is rewritten until it is sound.

use super::play;
use crate::until;

const CAST: super::Cast<'_> = &[
    ("r1", "researcher"),
    ("r2", "researcher"),
    ("r3", "researcher"),
    ("pen", "writer"),
    ("eye", "reviewer"),
];

/// Whoever looks into practice does not come to an end; the others wait until they have begun, so
/// that there is somebody to be late.
const SCRIPT: &str = r#"
say() { echo "$*" > "$CLAWTEAM_RESULT_FILE"; }
case "$CLAWTEAM_NODE/$CLAWTEAM_VISIT" in
practice/*) : > "$CLAWTEAM_DATA_DIR/begun"
    while [ ! -e "$CLAWTEAM_DATA_DIR/enough" ]; do sleep 0.05; done; say "too late" ;;
pro/*|contra/*) while [ ! -e "$CLAWTEAM_DATA_DIR/begun" ]; do sleep 0.05; done
    say "About $CLAWTEAM_NODE" ;;
write/1) say "A first report about it, of some length at least." ;;
write/2) grep -q "WRONG: no source" "$CLAWTEAM_TEXT_FILE"
    say "A second report about it, with a source." ;;
sources/1) say "WRONG: no source" ;;
sources/*|logic/*) say "SOUND" ;;
*) say "About $CLAWTEAM_NODE" ;;
esac
"#;

#[test]
fn two_answers_are_enough_and_the_report_is_checked() {
    let mut play = play("research", r#"question = "Why?""#, CAST, SCRIPT);
    play.end().exits(0);
    let outputs = play.outputs();
    assert_eq!(outputs["report"], "A second report about it, with a source.");
    assert_eq!(outputs["rounds"], 2);
    assert_eq!(outputs["is_sound"], true);
    let late = &play.tasks("practice")[0];
    assert!(late["metadata"]["closed"].is_object(), "it is called off: {late}");
    let asked: Vec<_> =
        ["pro", "contra", "practice"].map(|n| play.tasks(n)[0]["owner"].clone()).into();
    assert_eq!(asked.len(), 3);
    assert!(asked[0] != asked[1] && asked[1] != asked[2] && asked[0] != asked[2], "{asked:?}");
    assert!(play.news().contains(&"Answered: Why?".to_owned()), "{:?}", play.news());
    // What comes too late changes nothing, and its agent ends like the others.
    play.crew.world.put("enough", "");
    play.everybody_goes();
    until("the late answer is kept", || play.tasks("practice")[0].to_string().contains("too late"));
    assert_eq!(play.outputs()["rounds"], 2);
}

#[test]
fn what_stays_doubtful_is_said_to_be() {
    let script = r#"
case "$CLAWTEAM_NODE" in
sources) echo "SOUND" > "$CLAWTEAM_RESULT_FILE" ;;
logic) echo "WRONG: it does not follow" > "$CLAWTEAM_RESULT_FILE" ;;
*) echo "An answer that is long enough for a report." > "$CLAWTEAM_RESULT_FILE" ;;
esac
"#;
    let mut play = play("research", r#"question = "Why?", rounds = 1"#, &[], script);
    play.end().exits(0);
    assert_eq!(play.outputs()["rounds"], 2);
    assert_eq!(play.outputs()["is_sound"], false);
    let news = play.news();
    assert!(news.contains(&"Answered, with doubts: Why?".to_owned()), "{news:?}");
    play.everybody_goes();
}

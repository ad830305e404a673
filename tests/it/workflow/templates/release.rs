//! `release`: sent back once, merged, and published or held.

use super::{Play, play};

const CAST: super::Cast<'_> = &[("rel", "release-manager"), ("pen", "writer")];

const SCRIPT: &str = r#"
say() { echo "$*" > "$CLAWTEAM_RESULT_FILE"; }
case "$CLAWTEAM_NODE/$CLAWTEAM_VISIT" in
prepare/1) echo 1.4.0 > VERSION; say "version set" ;;
prepare/2) grep -q "the change log is missing" "$CLAWTEAM_TEXT_FILE"
    echo "1.4.0: better" > CHANGES; say "version and change log" ;;
notes/*) say "It is better ($CLAWTEAM_VISIT)." ;;
esac
"#;

const INPUTS: &str = r#"version = "1.4.0", build = "cp VERSION built", test = "grep -q 1.4.0 VERSION", publish = "echo $RELEASE_VERSION >> ../published""#;

/// Up to the question whether it shall be published now.
fn merged() -> Play {
    let play = play("release", INPUTS, CAST, SCRIPT);
    let asked = play.asked("approve");
    assert_eq!(asked["title"], "Release 1.4.0: is this what shall go out?");
    play.decide("approve", "reject", "the change log is missing");
    play.decide("approve", "approve", "now it is there");
    play.asked("go_live");
    assert_eq!(play.crew.git(&["show", "main:CHANGES"]), "1.4.0: better");
    assert!(!play.crew.world.top().join("published").exists(), "nobody has approved that yet");
    play
}

#[test]
fn it_is_sent_back_then_merged_and_published() {
    let mut play = merged();
    play.decide("go_live", "approve", "go");
    play.end().exits(0);
    let published = std::fs::read_to_string(play.crew.world.top().join("published"));
    assert_eq!(published.expect("it was published"), "1.4.0\n");
    assert_eq!(play.outputs()["prepared"], 2);
    assert_eq!(play.outputs()["notes"], "It is better (2).");
    assert!(play.news().contains(&"1.4.0 is released".to_owned()), "{:?}", play.news());
    play.everybody_goes();
}

#[test]
fn what_is_rejected_at_the_end_is_merged_but_not_published() {
    let mut play = merged();
    play.decide("go_live", "reject", "not on a Friday");
    let ended = play.end();
    ended.exits(13);
    let status = play.json(&["workflow", "status", "t", &play.run]);
    assert_eq!(status["status"], "failed");
    assert!(status["reason"].to_string().contains("was not to be published"), "{status}");
    assert!(!play.crew.world.top().join("published").exists());
    let news = play.news();
    assert!(news.contains(&"1.4.0 is merged, but not published".to_owned()), "{news:?}");
    play.everybody_goes();
}

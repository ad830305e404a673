//! `bug-triage`: a bug comes back until it is gone, or is left to people.

use serde_json::json;

use super::play;

const SCRIPT: &str = r#"
say() { echo "$*" > "$CLAWTEAM_RESULT_FILE"; }
about() { grep -q "$1" "$CLAWTEAM_TEXT_FILE"; }
case "$CLAWTEAM_NODE" in
triage)
    if about "Crash"; then say '{"kind": "urgent", "why": "data is lost", "where": "save"}'
    elif about "again"; then say '{"kind": "duplicate", "why": "as before", "where": "save"}'
    elif [ "$CLAWTEAM_ATTEMPT" = 1 ]; then say "it is a bug, I think"
    else say '{"kind": "bug", "why": "wrong colour", "where": "theme"}'; fi ;;
fix) if about "STILL THERE"; then say "second try"; else say "first try"; fi ;;
confirm) if about "Crash" && about "second try"; then say "FIXED"; else say "STILL THERE"; fi ;;
sum_up) about "Colour"; say "one fixed, one open" ;;
esac
"#;

#[test]
fn each_report_is_worked_through() {
    let inputs = r#"attempts = 2, reports = ["Crash on save", "Crash again", "Colour"]"#;
    // "Crash again" is decided by its second word.
    let inputs = inputs.replace("Crash again", "The same again");
    let cast = &[("tri", "triager"), ("dev", "developer"), ("test", "tester")];
    let mut play = play("bug-triage", &inputs, cast, SCRIPT);
    play.end().exits(0);
    let outputs = play.outputs();
    assert_eq!(
        outputs["reports"],
        json!([
            {"report": "Crash on save", "kind": "urgent", "open": false},
            {"report": "The same again", "kind": "duplicate", "open": false},
            {"report": "Colour", "kind": "bug", "open": true},
        ])
    );
    assert_eq!(outputs["open"], json!(["Colour"]));
    // Two rounds for the crash, and two in vain for the colour.
    assert_eq!(play.tasks("fix").len(), 4);
    // An answer that says nothing is asked for again.
    assert_eq!(play.tasks("triage").len(), 4);
    let news = play.news();
    assert!(news.contains(&"Urgent bug: Crash on save".to_owned()), "{news:?}");
    assert!(news.contains(&"3 reports worked through, 1 still open".to_owned()), "{news:?}");
    play.everybody_goes();
}

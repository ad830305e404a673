//! `profile test` runs the program and looks at what it says.

use super::Place;
use crate::support::keys;

fn profile(place: &Place, body: &str, options: &[&str]) {
    let program = place.script("claude", body);
    let set = ["profile", "set", "p", "--command", &program];
    place.world.run(&[&set[..], options].concat()).exits(0);
}

#[test]
fn a_program_that_answers_works() {
    let place = Place::with(&[("WORK_KEY", "sk-work-1234")]);
    let body = r#"for word; do last=$word; done; echo "$last $ANTHROPIC_AUTH_TOKEN" | grep -o 'CLAWTEAM.*'; pwd >&2"#;
    profile(&place, body, &["--api-key-env", "WORK_KEY"]);
    let told = place.world.json(&["profile", "test", "p"]);
    assert_eq!(
        keys(&told),
        "profile agent command returncode stdout stderr timed_out token_seen ok"
    );
    assert_eq!((&told["ok"], &told["agent"]), (&true.into(), &"claude".into()));
    assert_eq!(told["stdout"], "CLAWTEAM_PROFILE_OK ***\n", "its key is not shown");
    let told =
        place.world.json(&["profile", "test", "p", "--prompt", "CLAWTEAM says hi", "--cwd", "/"]);
    assert_eq!(
        (&told["stdout"], &told["stderr"]),
        (&"CLAWTEAM says hi ***\n".into(), &"/\n".into())
    );
    let told = place.world.run(&["profile", "test", "p"]);
    told.exits(0);
    assert!(told.stdout.starts_with("OK Profile 'p' works"), "{told}");
    place.world.run(&["profile", "test", "p", "--cwd", "/no/such"]).exits(1);
    place.world.run(&["profile", "test", "q"]).refuses("Unknown profile 'q'");
}

#[test]
fn one_that_fails_or_says_something_else_or_nothing_does_not() {
    let place = Place::new();
    profile(&place, "echo no key; exit 9", &[]);
    let told = place.world.run(&["--json", "profile", "test", "p"]);
    assert_eq!(
        (&told.exits(1).json()["returncode"], &told.json()["ok"]),
        (&9.into(), &false.into())
    );
    profile(&place, "echo hello", &[]);
    let told = place.world.run(&["--json", "profile", "test", "p"]);
    assert_eq!(told.exits(1).json()["token_seen"], false);
    profile(&place, "sleep 600", &[]);
    let told = place.world.run(&["--json", "profile", "test", "p", "--timeout", "0.3"]);
    assert_eq!(told.exits(1).json()["timed_out"], true);
    place.world.run(&["profile", "set", "p", "--command", "no-such-program-here"]).exits(0);
    place.world.run(&["profile", "test", "p"]).exits(1);
}

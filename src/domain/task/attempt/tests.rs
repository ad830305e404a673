use super::*;
use crate::domain::task::{Change, Others, claim, complete_dependents, ready, update};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).expect("a date")
}

fn task(id: &str, status: Status) -> Task {
    Task { id: id.into(), subject: "s".into(), status, ..Task::default() }
}

fn demanding(requires: &Requires) -> Task {
    let mut task = task("w", Status::InProgress);
    let workflow = json!({"run": "r1", "node": "n", "key": "k", "requires": requires});
    task.metadata.insert("workflow".into(), workflow);
    task
}

fn artifact(name: &str) -> ArtifactRef {
    let name = Name::parse(name).expect("a name");
    ArtifactRef { name, version: 1, digest: Digest::of(b"x"), bytes: 1 }
}

fn set(
    task: &Task,
    status: Status,
    result: Option<&str>,
    names: &[&str],
) -> Result<Task, TaskError> {
    let artifacts = names.iter().map(|name| artifact(name)).collect();
    let handed = Handed { result: result.map(str::to_owned), artifacts };
    let change = Change { status: Some(status), handed, ..Change::default() };
    update(task, &change, "ann", false, &Others::new(), now())
}

fn failing(task: &Task) -> Task {
    fail(task, "no way", &Handed::default(), "ann", now()).expect("it can fail")
}

#[test]
fn a_failed_task_is_blocked_for_every_program_and_nobody_can_claim_it() {
    let mut working = task("a", Status::InProgress);
    working.locked_by = "ann".into();
    let failed = failing(&working);
    assert_eq!((failed.status, &failed.locked_by[..]), (Status::Blocked, ""));
    assert_eq!((failed.standing(), failed.reason().as_deref()), ("failed", Some("no way")));
    let refused = claim(&failed, "ann", &Others::new(), now());
    assert!(refused.expect_err("nobody can").to_string().ends_with("it is failed: no way"));
    assert!(ready(std::slice::from_ref(&failed), "ann").is_empty());
    for status in [Status::InProgress, Status::Completed] {
        assert!(matches!(set(&failed, status, None, &[]), Err(TaskError::HasFailed { .. })));
    }
}

#[test]
fn a_failed_task_stays_failed_when_what_it_waited_for_is_done() {
    let mut waiting = task("a", Status::Blocked);
    waiting.blocked_by = vec!["b".into()];
    let (failed, open) = (failing(&waiting), Task { id: "c".into(), ..waiting });
    let released = complete_dependents("b", [&failed, &open].into_iter(), now());
    let standing: Vec<_> = released.iter().map(Task::standing).collect();
    assert_eq!(standing, ["failed", "pending"]);
}

#[test]
fn opening_again_keeps_what_was() {
    let failed = failing(&task("a", Status::InProgress));
    let open = set(&failed, Status::Pending, None, &[]).expect("it can be opened");
    assert_eq!((open.standing(), open.metadata.contains_key("failed")), ("pending", false));
    let done = set(&open, Status::Completed, Some("fine"), &["r"]).expect("it can be completed");
    let again = set(&done, Status::Pending, None, &[]).expect("it can be opened");
    assert!(again.result().is_none() && again.artifacts().is_empty());
    let history = again.metadata["history"].as_array().expect("a list");
    let was: Vec<_> = history.iter().map(|entry| &entry["was"]).collect();
    assert_eq!(was, ["failed", "completed"]);
    assert_eq!(history[0]["failed"]["error"], "no way");
    assert_eq!(history[1]["result"]["text"], "fine");
    let given_back = set(&task("b", Status::InProgress), Status::Pending, None, &[]);
    assert!(!given_back.expect("it can be given back").metadata.contains_key("history"));
}

#[test]
fn another_program_overrules_a_failure() {
    let mut moved = failing(&task("a", Status::InProgress));
    moved.status = Status::InProgress;
    assert_eq!(moved.standing(), "in_progress");
    assert!(set(&moved, Status::Completed, None, &[]).is_ok());
}

#[test]
fn what_a_workflow_demands_must_be_there() {
    let least = |response, min_length, artifacts| Requires { response, min_length, artifacts };
    let code = |requires: &Requires, result, names: &[&str]| {
        let done = set(&demanding(requires), Status::Completed, result, names);
        done.err().map(|error| crate::core::Diagnose::code(&error))
    };
    let (response, artifact) = (Some("response_required"), Some("artifact_required"));
    for (requires, result, names, expected) in [
        (least(false, 0, false), None, &[][..], None),
        (least(true, 0, false), None, &[], response),
        (least(true, 0, false), Some("  \n"), &[], response),
        (least(true, 0, false), Some("x"), &[], None),
        (least(false, 3, false), Some(" ab "), &[], response),
        (least(false, 3, false), Some("\u{e9}\u{e9}\u{e9}"), &[], None),
        (least(true, 0, true), Some("x"), &[], artifact),
        (least(false, 0, true), None, &["r"], None),
    ] {
        assert_eq!(code(&requires, result, names), expected, "{requires:?} {result:?} {names:?}");
    }
}

#[test]
fn what_was_handed_in_before_counts() {
    let demands = demanding(&Requires { response: true, min_length: 0, artifacts: true });
    let first = set(&demands, Status::InProgress, Some("so far"), &["r"]).expect("it is open");
    assert!(set(&first, Status::Completed, None, &[]).is_ok());
    let again = set(&first, Status::InProgress, None, &["r", "s"]).expect("it is open");
    let names: Vec<String> = again.artifacts().iter().map(|a| a.name.to_string()).collect();
    assert_eq!(names, ["r", "s"]);
}

#[test]
fn a_long_result_is_kept_elsewhere() {
    let long = "x".repeat(limits::RESULT_BYTES_INLINE + 1);
    let done = set(&task("a", Status::InProgress), Status::Completed, Some(&long), &[]);
    let result = done.expect("it can be completed").result().expect("a result");
    assert_eq!((result.text, result.bytes), (None, long.len() as u64));
    assert_eq!(result.digest, Digest::of(long.as_bytes()));
}

#[test]
fn a_closed_task_hears_nothing_any_more() {
    let closed = close(&task("a", Status::InProgress), "too late", now()).expect("it was open");
    assert_eq!((closed.status, closed.standing()), (Status::Blocked, "closed"));
    assert!(close(&closed, "again", now()).is_none());
    for status in Status::ALL {
        assert!(matches!(set(&closed, status, None, &[]), Err(TaskError::AttemptClosed { .. })));
    }
    let claimed = claim(&closed, "ann", &Others::new(), now());
    assert!(matches!(claimed, Err(TaskError::AttemptClosed { .. })));
    let failed = fail(&closed, "x", &Handed::default(), "ann", now());
    assert!(matches!(failed, Err(TaskError::AttemptClosed { .. })));
    let done = set(&task("b", Status::InProgress), Status::Completed, None, &[]).expect("done");
    let done = close(&done, "settled", now()).expect("it was not closed");
    assert_eq!((done.status, done.standing()), (Status::Completed, "completed"));
}

#[test]
fn late_results_are_kept_but_not_without_end() {
    let mut task = close(&task("a", Status::InProgress), "too late", now()).expect("it was open");
    for number in 0..LATE_RESULTS_MAX + 2 {
        task = note_late(&task, "completed", &format!("late {number}"), "ann", now());
    }
    let late = task.metadata["lateResults"].as_array().expect("a list");
    assert_eq!(late.len(), LATE_RESULTS_MAX);
    assert_eq!((&late[0]["text"], &late[0]["wanted"]), (&json!("late 2"), &json!("completed")));
    assert_eq!(task.standing(), "closed");
}

#[test]
fn a_completed_task_does_not_fail() {
    let done = task("a", Status::Completed);
    let failed = fail(&done, "x", &Handed::default(), "ann", now());
    assert!(matches!(failed, Err(TaskError::IsCompleted { .. })));
}

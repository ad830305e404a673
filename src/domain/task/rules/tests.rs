use super::*;
use crate::domain::task::{ready, stats};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).expect("a date")
}

fn task(id: &str, status: Status, blocked_by: &[&str]) -> Task {
    Task {
        id: id.into(),
        subject: format!("task {id}"),
        status,
        blocked_by: blocked_by.iter().map(|id| (*id).to_owned()).collect(),
        ..Task::default()
    }
}

fn others(tasks: &[Task]) -> Others<'_> {
    tasks.iter().map(|task| (task.id.as_str(), task)).collect()
}

fn new(id: &str, blocked_by: &[&str]) -> NewTask {
    NewTask {
        id: TaskId::parse(id).expect("a good id"),
        subject: "s".into(),
        description: String::new(),
        priority: Priority::Medium,
        owner: String::new(),
        blocks: vec![],
        blocked_by: blocked_by.iter().map(|id| (*id).to_owned()).collect(),
        allow_unknown: false,
        metadata: Extra::new(),
    }
}

fn set(status: Status) -> Change {
    Change { status: Some(status), ..Change::default() }
}

#[test]
fn a_new_task_waits_only_for_what_is_open() {
    let tasks = [task("done", Status::Completed, &[]), task("open", Status::Pending, &[])];
    let made = create(new("n", &["done", "open", "open"]), &others(&tasks), now()).expect("made");
    assert_eq!((made.status, made.blocked_by), (Status::Blocked, vec!["open".to_owned()]));
    let free = create(new("n", &["done"]), &others(&tasks), now()).expect("made");
    assert_eq!((free.status, free.blocked_by.len()), (Status::Pending, 0));
}

#[test]
fn unknown_blockers_are_refused_unless_allowed() {
    let refused = create(new("n", &["ghost"]), &Others::new(), now());
    assert_eq!(refused, Err(TaskError::UnknownBlocker(vec!["ghost".into()])));
    let allowed = NewTask { allow_unknown: true, ..new("n", &["ghost"]) };
    let made = create(allowed, &Others::new(), now()).expect("made");
    assert_eq!(made.status, Status::Blocked);
}

#[test]
fn cycles_are_refused_by_name() {
    let tasks = [task("a", Status::Pending, &[]), task("b", Status::Blocked, &["a"])];
    let change = Change { add_blocked_by: vec!["b".into()], ..Change::default() };
    let refused = update(&tasks[0], &change, "w", false, &others(&tasks), now());
    assert_eq!(
        refused.expect_err("a cycle").to_string(),
        "Task dependencies cannot contain cycles: a -> b -> a"
    );
    let itself = Change { add_blocked_by: vec!["a".into()], ..Change::default() };
    let refused = update(&tasks[0], &itself, "w", false, &others(&tasks), now());
    assert_eq!(refused, Err(TaskError::BlockedByItself("a".into())));
}

#[test]
fn one_works_on_a_task_at_a_time() {
    let free = task("a", Status::Pending, &[]);
    let none = Others::new();
    let mine = update(&free, &set(Status::InProgress), "w1", false, &none, now()).expect("free");
    assert_eq!((mine.owner.as_str(), mine.locked_by.as_str()), ("w1", "w1"));
    assert!(!mine.started_at.is_empty());
    assert!(update(&mine, &set(Status::InProgress), "w1", false, &none, now()).is_ok());
    assert!(matches!(
        update(&mine, &set(Status::InProgress), "w2", false, &none, now()),
        Err(TaskError::Locked { .. })
    ));
    let dead = update(&mine, &set(Status::InProgress), "w2", true, &none, now()).expect("dead");
    assert_eq!((dead.owner.as_str(), dead.locked_by.as_str()), ("w1", "w2"));
    let force = Change { force: true, ..set(Status::InProgress) };
    assert!(update(&mine, &force, "w2", false, &none, now()).is_ok());
}

#[test]
fn every_status_can_follow_every_other() {
    for from in Status::ALL {
        for to in Status::ALL {
            let changed =
                update(&task("a", from, &[]), &set(to), "w", false, &Others::new(), now());
            assert_eq!(changed.expect("allowed").status, to, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn completing_measures_the_time_and_frees_the_task() {
    let mut started = task("a", Status::InProgress, &[]);
    started.locked_by = "w".into();
    started.started_at = Stamp::at(now() - chrono::TimeDelta::milliseconds(1_234));
    let none = Others::new();
    let done = update(&started, &set(Status::Completed), "x", false, &none, now()).expect("done");
    assert_eq!(done.duration_seconds(), Some(1.23));
    assert!(done.locked_by.is_empty() && done.locked_at.is_empty());
    assert!((stats([&done]).avg_duration_seconds - 1.23).abs() < 1e-9);
}

#[test]
fn dependents_are_released_when_the_last_blocker_is_done() {
    let tasks = [
        task("one", Status::Blocked, &["a"]),
        task("two", Status::Blocked, &["a", "b"]),
        task("other", Status::Blocked, &["b"]),
        task("by-hand", Status::Pending, &["a"]),
    ];
    let changed = complete_dependents("a", tasks.iter(), now());
    let states: Vec<(&str, Status, usize)> =
        changed.iter().map(|t| (t.id.as_str(), t.status, t.blocked_by.len())).collect();
    assert_eq!(
        states,
        [("one", Status::Pending, 0), ("two", Status::Blocked, 1), ("by-hand", Status::Pending, 0)]
    );
}

#[test]
fn the_best_ready_task_comes_first() {
    let mut tasks = vec![
        task("old", Status::Pending, &[]),
        task("urgent", Status::Pending, &[]),
        task("new", Status::Pending, &[]),
        task("waits", Status::Blocked, &["old"]),
        task("freed", Status::Blocked, &["done"]),
        task("done", Status::Completed, &[]),
        task("theirs", Status::Pending, &[]),
        task("taken", Status::InProgress, &[]),
        task("held", Status::Blocked, &[]),
    ];
    for (n, task) in tasks.iter_mut().enumerate() {
        task.created_at = Stamp::from(format!("2026-01-01T00:00:{n:02}+00:00"));
    }
    tasks[1].priority = Priority::Urgent;
    tasks[6].owner = "somebody".into();
    let ids: Vec<&str> = ready(&tasks, "me").iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["urgent", "old", "new", "freed"]);
    for task in &tasks {
        let claimed = claim(task, "me", &others(&tasks), now());
        assert_eq!(claimed.is_ok(), ids.contains(&task.id.as_str()), "{}", task.id);
    }
}

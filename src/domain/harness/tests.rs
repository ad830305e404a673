use super::gate::{Facts, Gate, reasons};
use super::*;

fn run() -> Harness {
    let new = NewHarness {
        phases: vec![],
        human_gates: None,
        goal: "G".into(),
        cli: "claude".into(),
        agent_count: 3,
        wave_parallelism: 0,
        evaluator_count: 1,
        backend: None,
        repo: String::new(),
    };
    Harness::new("0123456789ab".into(), "t".into(), new, now())
}

fn now() -> Stamp {
    Stamp::from("2026-01-01T00:00:00+00:00".to_owned())
}

fn names(run: &Harness) -> Vec<&str> {
    run.on_shift().map(|hand| hand.name.as_str()).collect()
}

#[test]
fn gates_are_part_of_the_document() {
    let text = serde_json::to_string(&run()).expect("a run is JSON");
    let again: Harness = serde_json::from_str(&text).expect("it can be read");
    assert_eq!(again, run());
    let gates = again.gates.expect("gates");
    assert_eq!(
        gates["plan"],
        [Gate::Artifacts { names: vec!["spec.md".into()] }, Gate::HumanApproval]
    );
    assert_eq!(gates["verify"], [Gate::TasksCompleted]);
    assert_eq!(gates.len(), 2);
}

#[test]
fn a_run_of_pythons_clawteam_has_the_usual_gates() {
    let text = r#"{"harness_id": "ab", "team_name": "t", "current_phase": "plan",
        "phases": ["discuss", "plan", "execute"], "phase_roles": {}, "phase_history": [],
        "artifacts": {}, "goal": "", "cli": "claude", "agent_count": 3, "later": 1}"#;
    let run: Harness = serde_json::from_str(text).expect("it can be read");
    let why = reasons(&run, &Facts::default());
    assert_eq!(
        why,
        ["Missing artifacts: spec.md", "Human approval required: clawteam harness approve t"]
    );
    assert_eq!(run.extra["later"], 1);
}

#[test]
fn a_gate_opens_when_everything_is_there() {
    let mut run = run();
    assert!(reasons(&run, &Facts { open_tasks: 3, ..Facts::default() }).is_empty());
    assert!(run.advance(now()));
    assert_eq!(reasons(&run, &Facts::default()).len(), 2);
    run.artifacts.insert("spec.md".into(), "/x".into());
    run.artifacts.insert("approval-plan.json".into(), "/y".into());
    assert!(reasons(&run, &Facts::default()).is_empty());
    let broken = Facts { contract_problems: vec!["P".into()], ..Facts::default() };
    assert_eq!(reasons(&run, &broken), ["1 problem with the sprint contracts: P"]);
    assert!(run.advance(now()) && run.advance(now()));
    assert_eq!(run.current_phase, "verify");
    let open = Facts { open_tasks: 2, ..Facts::default() };
    assert_eq!(reasons(&run, &open), ["2 task(s) not completed"]);
    let failed = Facts { evaluation_failed: Some("no".into()), ..Facts::default() };
    assert!(reasons(&run, &failed)[0].starts_with("The evaluation did not pass: no"));
    assert!(run.advance(now()) && !run.advance(now()));
    assert!(run.is_over());
}

#[test]
fn a_planner_stays_for_the_plan_and_executors_come_with_their_phase() {
    let mut run = run();
    let mut count = 0;
    let mut fresh = |role: &str| {
        count += 1;
        format!("{role}-{count}")
    };
    assert!(run.plan_hands(&now(), &mut fresh));
    assert!(!run.plan_hands(&now(), &mut fresh), "once is enough");
    run.advance(now());
    assert!(!run.plan_hands(&now(), &mut fresh), "the same planner plans");
    assert_eq!(names(&run), ["planner-1"]);
    run.advance(now());
    assert_eq!(names(&run), [""; 0]);
    run.wave_parallelism = 2;
    assert!(run.plan_hands(&now(), &mut fresh));
    assert_eq!(names(&run), ["executor-2", "executor-3"]);
    run.hands.iter_mut().for_each(|hand| hand.started = true);
    run.advance(now());
    run.evaluator_count = 2;
    assert!(run.plan_hands(&now(), &mut fresh));
    assert_eq!(names(&run), ["evaluator-4", "evaluator-5"]);
    assert_eq!(run.evaluation_of("evaluator-5"), "eval-report.evaluator-5.json");
    assert_eq!(run.evaluation_of("me"), "eval-report.json");
    run.artifacts.insert(run.evaluation_of("evaluator-5"), "x".into());
    assert!(run.is_evaluated_by("evaluator-5") && !run.is_evaluated_by("evaluator-4"));
    // Back: the same executors in their old worktrees, to be started again.
    assert!(run.roll_back("execute", now()));
    assert!(!run.is_evaluated_by("evaluator-5"));
    assert!(run.plan_hands(&now(), &mut fresh));
    assert_eq!(names(&run), ["executor-2", "executor-3"]);
    assert!(run.on_shift().all(|hand| !hand.started));
}

#[test]
fn going_back_withdraws_what_was_said_about_it() {
    let mut run = run();
    for name in ["spec.md", "approval-plan.json", "approval-verify.json", "eval-report.json"] {
        run.artifacts.insert(name.into(), name.into());
    }
    assert!(!run.roll_back("plan", now()), "it is not an earlier one");
    run.advance(now());
    run.advance(now());
    run.advance(now());
    assert!(run.roll_back("execute", now()));
    let left: Vec<&String> = run.artifacts.keys().collect();
    assert_eq!(left, ["spec.md", "approval-plan.json"]);
    assert!(run.roll_back("plan", now()));
    assert_eq!(run.artifacts.len(), 1);
    assert_eq!(run.phase_history.len(), 5);
}

//! Team templates that name a workflow.

use crate::crew::Crew;
use crate::support::names;

fn template(workflow: &str) -> String {
    format!(
        "[template]\nbackend = \"subprocess\"\ncommand = [\"sh\", \"-c\", \"sleep 600\"]\n{workflow}\n\
         [template.leader]\nname = \"lead\"\n"
    )
}

#[test]
fn what_the_template_says_of_its_workflow_is_shown() {
    let crew = Crew::without_tmux();
    let shown = crew.world.run(&["template", "show", "feature-team"]);
    for part in ["Workflow: feature", "goal = \"{goal}\""] {
        assert!(shown.stdout.contains(part), "not `{part}`\n{shown}");
    }
    let told = crew.world.json(&["template", "show", "feature-team"]);
    assert_eq!(told["workflow"], "feature");
    assert_eq!(told["workflow_inputs"]["goal"], "{goal}");
}

#[test]
fn a_workflow_that_cannot_be_run_is_refused_before_anything_is_made() {
    let crew = Crew::without_tmux();
    crew.template("a", &template("workflow = \"nothing\""));
    crew.template("b", &template("workflow = \"feature\""));
    crew.template(
        "c",
        &template("workflow = \"feature\"\nworkflow_inputs = { gaol = \"{goal}\" }"),
    );
    crew.template("d", &template("workflow = \"broken\""));
    crew.template("e", &template("workflow = \"../x\""));
    let workflows = crew.world.home().join(".clawteam/workflows");
    std::fs::create_dir_all(&workflows).expect("a directory can be made");
    std::fs::write(workflows.join("broken.toml"), "nodes = { a = { type = \"tsk\" } }")
        .expect("a file can be written");
    for (name, code, part) in [
        ("a", "unknown_workflow", "names the workflow 'nothing'"),
        ("b", "bad_workflow", "'goal' is missing"),
        ("c", "bad_workflow", "there is no input 'gaol'"),
        ("d", "bad_workflow", "tsk"),
        ("e", "invalid_template", "workflow name"),
    ] {
        let ran = crew.world.run(&["--json", "launch", name, "-t", "t", "-g", "x"]);
        let told = ran.refuses_with(code);
        assert!(
            told["error"].as_str().is_some_and(|e| e.contains(part)) && told["hint"].is_string(),
            "{ran}"
        );
    }
    assert_eq!(crew.world.names("teams"), [""; 0]);
    assert_eq!(names(&crew.world.data()).iter().filter(|n| *n == "runs").count(), 0);
}

#[test]
fn a_launch_makes_the_workflow_and_starts_one_run() {
    let crew = Crew::without_tmux();
    let flow = "workflow = \"feature\"\nworkflow_inputs = { goal = \"{goal} for {team_name}\" }";
    crew.template("team", &template(flow));
    let ran = crew.world.run(&["launch", "team", "-t", "t", "-g", "tea"]);
    ran.exits(0);
    assert!(ran.stdout.contains("Workflow 'feature' is started as feature-"), "{ran}");
    assert!(ran.stdout.contains("clawteam workflow drive t feature-"), "{ran}");
    let listed = crew.world.json(&["workflow", "list", "t"]);
    assert_eq!(listed[0]["status"], "active", "{listed}");
    let runs = crew.world.json(&["workflow", "history", "t"]);
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "{runs}");
    assert_eq!(runs[0]["source"], "launch");
    let tasks = crew.world.json(&["task", "list", "t"]);
    assert_eq!(tasks[0]["subject"], "Plan: tea for t", "the run has begun");
    assert_eq!(tasks[0]["owner"], "lead");

    // A team of the same name uses what is there, also if somebody has changed it.
    crew.world.run(&["team", "cleanup", "t", "--force"]).succeeds();
    let again = ["--json", "launch", "team", "-t", "t", "-g", "cake"];
    let again = crew.world.run(&again).exits(0).json();
    assert_ne!(again["workflow"]["run"], runs[0]["run"]);
    crew.world.run(&["team", "cleanup", "t", "--force"]).succeeds();
}

//! The workflows that come with clawteam, from the launch of a team to the end of the run, with
//! scripted agents.

mod bugs;
mod feature;
mod nightly;
mod release;
mod research;
mod teams;

use serde_json::Value;

use crate::crew::Crew;
use crate::support::{Ran, Running};
use crate::until;

/// A team of scripted agents and the run that it works on.
struct Play {
    crew: Crew,
    run: String,
    driver: Option<Running>,
}

/// Who is in the team `t` besides its leader: name and type.
type Cast<'a> = &'a [(&'a str, &'a str)];

/// Launches the team `t`, which works by `workflow` with `inputs` (TOML) and does each task and
/// approval as `script` says, and begins to drive its run.
fn play(workflow: &str, inputs: &str, cast: Cast<'_>, script: &str) -> Play {
    let crew = Crew::without_tmux().repository();
    play_in(crew, "--workspace", workflow, inputs, cast, script)
}

/// The same in a place that was prepared, with worktrees or (`--no-workspace`) without.
fn play_in(
    crew: Crew,
    worktrees: &str,
    workflow: &str,
    inputs: &str,
    cast: Cast<'_>,
    script: &str,
) -> Play {
    let file = crew.world.top().join("script.sh");
    std::fs::write(&file, script).expect("a file can be written");
    let file = file.display();
    let mut text = format!(
        r#"
[template]
name = "cast"
backend = "subprocess"
command = ["clawteam", "scripted-agent", "--script", "{file}"]
workflow = "{workflow}"
workflow_inputs = {{ {inputs} }}
[template.leader]
name = "lead"
task = "Take the tasks that are ready."
"#
    );
    for (name, kind) in cast {
        text.push_str(&format!(
            "[[template.agents]]\nname = \"{name}\"\ntype = \"{kind}\"\ntask = \"Take the tasks that are ready.\"\n"
        ));
    }
    crew.template("cast", &text);
    let launch = ["--json", "launch", "cast", "-t", "t", worktrees, "--force"];
    let told = crew.world.run(&launch).exits(0).json();
    assert_eq!(told["status"], "launched", "{told}");
    assert_eq!(told["workflow"]["name"], workflow);
    let run = told["workflow"]["run"].as_str().expect("a run").to_owned();
    let line = ["--json", "workflow", "drive", "t", &run, "--timeout", "60s"];
    let driver = Some(crew.world.call(&line).start());
    Play { crew, run, driver }
}

impl Play {
    fn json(&self, arguments: &[&str]) -> Value {
        self.crew.world.json(arguments)
    }

    /// Waits until an approval of this node is wanted, and gives it.
    fn asked(&self, node: &str) -> Value {
        let mut found = Value::Null;
        until(&format!("an approval of '{node}' is wanted"), || {
            let pending = self.json(&["approval", "list", "t", "--status", "pending"]);
            let pending = pending.as_array().expect("a list").iter();
            let mut of_node = pending.filter(|approval| approval["node"] == node);
            found = of_node.next().cloned().unwrap_or_default();
            found.is_object()
        });
        found
    }

    /// Waits until an approval of this node is wanted, and decides about it as a person.
    fn decide(&self, node: &str, verb: &str, comment: &str) {
        let asked = self.asked(node);
        let id = asked["id"].as_str().expect("an id");
        self.crew.world.run(&["approval", verb, "t", id, "--comment", comment]).succeeds();
    }

    /// Waits for the end of the run.
    fn end(&mut self) -> Ran {
        self.driver.take().expect("it is driven").finish()
    }

    /// The outputs of the run.
    fn outputs(&self) -> Value {
        self.json(&["workflow", "outputs", "t", &self.run])
    }

    /// The tasks of a node, in the order in which they were made.
    fn tasks(&self, node: &str) -> Vec<Value> {
        let tasks = self.json(&["task", "list", "t"]);
        let mut tasks = tasks.as_array().expect("a list").clone();
        tasks.retain(|task| task["metadata"]["workflow"]["node"] == node);
        tasks.sort_by_key(|task| task["createdAt"].to_string());
        tasks
    }

    /// The notifications, as kind and title.
    fn news(&self) -> Vec<String> {
        let listed = self.json(&["notify", "list", "t"]);
        let listed = listed["notifications"].as_array().or(listed.as_array()).cloned();
        let title = |one: Value| one["title"].as_str().unwrap_or_default().to_owned();
        listed.expect("a list").into_iter().map(title).collect()
    }

    /// Every agent ends by itself when the run has ended.
    fn everybody_goes(&self) {
        until("no agent is left", || self.crew.runners().is_empty());
    }
}

#[test]
fn each_has_nothing_that_could_be_better() {
    let crew = Crew::without_tmux();
    crew.world.team(&[]);
    let listed = crew.world.json(&["workflow", "templates"]);
    let listed = listed.as_array().expect("a list");
    let names: Vec<&str> = listed.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["bug-triage", "demo", "feature", "nightly", "release", "research"]);
    for name in names.into_iter().filter(|name| *name != "demo") {
        let made =
            crew.world.json(&["workflow", "create", "t", "--from-template", name, "--activate"]);
        assert_eq!(made["problems"], serde_json::json!([]), "{name}");
        crew.world.run(&["workflow", "validate", "t", name, "--strict"]).exits(0);
        let drawn = crew.world.run(&["workflow", "graph", "t", name]);
        assert!(drawn.stdout.lines().count() > 10, "{drawn}");
    }
}

//! Worktrees that are made ready before their agents start, and taken down again.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::Value;

use super::crew::Crew;
use super::until;

/// A repository that says what its worktrees need.
fn project(workspace: &str) -> Crew {
    let crew = Crew::new().repository();
    crew.world_file(".clawteam/workspace.toml", workspace);
    crew
}

impl Crew {
    /// Writes a file of the working directory.
    fn world_file(&self, name: &str, text: &str) {
        let path = self.world.cwd().join(name);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("can be made");
        fs::write(path, text).expect("a file can be written");
    }

    fn worktree(&self, team: &str, agent: &str) -> PathBuf {
        self.world.data().join(format!("workspaces/{team}/{agent}"))
    }

    /// Starts an agent that waits, in a worktree of its own.
    fn spawn(&self, team: &str, agent: &str) -> super::support::Ran {
        let spawn = ["--json", "spawn", "subprocess", "-w", "-t", team, "-n", agent, "--", "sh"];
        self.world.run(&[&spawn[..], &["-c", "env > seen.env; sleep 600"]].concat())
    }

    /// The value of a variable in the environment of an agent.
    fn variable(&self, team: &str, agent: &str, name: &str) -> Option<String> {
        let file = self.worktree(team, agent).join("seen.env");
        let text = fs::read_to_string(file).ok()?;
        text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned))
    }

    fn read(&self, team: &str, agent: &str, name: &str) -> String {
        fs::read_to_string(self.worktree(team, agent).join(name)).unwrap_or_default()
    }
}

#[test]
fn a_worktree_gets_what_its_repository_says_before_its_agent_starts() {
    let crew = project(
        "copy = [\".env\", \"conf\", \"*.local\"]\nsymlink = [\"deps\"]\nports = 5\n\
         setup = [\"echo $CLAWTEAM_AGENT_NAME $CLAWTEAM_PORT_BASE > made\", \"cat .env >> made\"]\n",
    );
    crew.world_file(".env", "KEY=1\n");
    crew.world_file("conf/a", "a\n");
    crew.world_file("conf/.env.test", "KEY=2\n");
    crew.world_file("conf/deep/server.key", "secret\n");
    crew.world_file("b.local", "b\n");
    crew.world_file(".env.local", "KEY=3\n");
    crew.world_file("deps/d", "d\n");
    let spawned = crew.spawn("t", "w");
    spawned.exits(0);
    let base: u16 = {
        until("the agent has told its environment", || {
            crew.variable("t", "w", "CLAWTEAM_PORT_COUNT").is_some()
        });
        crew.variable("t", "w", "CLAWTEAM_PORT_BASE").expect("a base").parse().expect("a port")
    };
    assert!(base >= 20_000, "{base}");
    assert_eq!(crew.variable("t", "w", "CLAWTEAM_PORT_COUNT").as_deref(), Some("5"));
    assert_eq!(crew.read("t", "w", "made"), format!("w {base}\nKEY=1\n"));
    assert_eq!(crew.read("t", "w", "conf/a") + &crew.read("t", "w", "b.local"), "a\nb\n");
    assert_eq!(crew.read("t", "w", "deps/d"), "d\n");
    let tree = crew.worktree("t", "w");
    for secret in ["conf/.env.test", "conf/deep/server.key", ".env.local"] {
        assert!(!tree.join(secret).exists(), "{secret} was copied");
    }
    spawned.warns("2 files that may hold secrets were not copied");
    // Nobody commits what was put there.
    spawned.warns("git did not ignore");
    let status = super::crew::git(&tree, &["status", "--short"]);
    assert_eq!(status, "?? made\n?? seen.env");
    let log = fs::read_to_string(crew.world.data().join("agents/t/w.setup.log")).expect("a log");
    assert!(log.contains("$ cat .env >> made\n[status 0 after"), "{log}");
}

#[test]
fn what_is_there_is_left_alone_and_links_are_not_followed() {
    let crew = project("copy = [\"out/file\", \"kept\"]\n");
    let outside = crew.world.top().join("outside");
    fs::create_dir(&outside).expect("a directory can be made");
    crew.world_file("kept", "committed\n");
    symlink(&outside, crew.world.cwd().join("out")).expect("a link can be made");
    crew.git(&["add", "out", "kept"]);
    crew.git(&["-c", "user.name=u", "-c", "user.email=u@h", "commit", "-qm", "more"]);
    // In the checkout the link has become a directory, and the file was changed.
    fs::remove_file(crew.world.cwd().join("out")).expect("it is ours");
    crew.world_file("out/file", "x\n");
    crew.world_file("kept", "changed\n");
    crew.spawn("t", "w").refuses_with("io");
    assert_eq!(super::support::names(&outside), [""; 0]);
    assert!(!crew.worktree("t", "w").exists(), "it was taken back");
    crew.world_file(".clawteam/workspace.toml", "copy = [\"kept\", \"nothing/*\"]\n");
    crew.spawn("t", "w").exits(0).warns("lacks what is not there: nothing/*");
    assert_eq!(crew.read("t", "w", "kept"), "committed\n");
}

#[test]
fn an_agent_whose_worktree_is_not_ready_is_not_started() {
    let crew = project(
        "setup = [\"echo first\", \"for n in 1 2 3 4 5 6 7; do echo line $n; done; exit 3\"]\n\
         teardown = [\"touch $CLAWTEAM_REPO_ROOT/torn\"]\n",
    );
    let spawned = crew.spawn("t", "w");
    let told = spawned.refuses_with("setup_failed");
    let message = told["error"].as_str().expect("an error");
    assert!(message.contains("ended with status 3"), "{message}");
    assert!(message.contains("line 3 | line 4 | line 5 | line 6 | line 7"), "{message}");
    assert!(!message.contains("line 2"), "{message}");
    let log = fs::read_to_string(crew.world.data().join("agents/t/w.setup.log")).expect("a log");
    assert!(log.contains("first\n[status 0") && log.contains("line 1\n"), "{log}");
    assert!(told["hint"].as_str().expect("a hint").contains("agents/t/w.setup.log"), "{told}");
    assert!(crew.world.cwd().join("torn").exists(), "what it began was taken down");
    assert!(!crew.worktree("t", "w").exists());
    assert_eq!(crew.git(&["branch", "--list", "clawteam/*"]), "");
    assert_eq!(crew.world.json(&["team", "discover"]), Value::Array(vec![]));
    assert_eq!(crew.runners(), [""; 0]);
}

#[test]
fn a_command_that_takes_too_long_is_ended() {
    let crew = project("setup = [\"sleep 600\"]\ntimeout = \"300ms\"\n");
    let told = crew.spawn("t", "w").refuses_with("setup_failed");
    let message = told["error"].as_str().expect("an error");
    assert!(message.contains("took longer than 300ms and was ended"), "{message}");
}

#[test]
fn a_worktree_is_set_up_once_and_taken_down_before_it_goes() {
    let crew = project(
        "setup = [\"echo up >> $CLAWTEAM_REPO_ROOT/log\"]\n\
         teardown = [\"test -d . && echo down $CLAWTEAM_AGENT_NAME >> $CLAWTEAM_REPO_ROOT/log\", \"exit 9\"]\n",
    );
    let log = || fs::read_to_string(crew.world.cwd().join("log")).unwrap_or_default();
    crew.spawn("t", "w").exits(0);
    let again =
        ["spawn", "subprocess", "-w", "-t", "t", "-n", "w", "--replace", "--", "sleep", "600"];
    crew.world.run(&again).exits(0);
    assert_eq!(log(), "up\n");
    crew.world_file(
        ".clawteam/workspace.toml",
        "setup = [\"echo up >> $CLAWTEAM_REPO_ROOT/log\", \"echo more >> $CLAWTEAM_REPO_ROOT/log\"]\n\
         teardown = [\"echo down $CLAWTEAM_AGENT_NAME >> $CLAWTEAM_REPO_ROOT/log\", \"exit 9\"]\n",
    );
    crew.world.run(&again).exits(0);
    assert_eq!(log(), "up\nmore\n", "only what was not run before");
    let cleaned = crew.world.run(&["workspace", "cleanup", "t", "--agent", "w", "--force"]);
    cleaned.exits(0).warns("`exit 9` ended with status 9");
    assert_eq!(log(), "up\nmore\ndown w\n");
    assert!(!crew.worktree("t", "w").exists(), "a teardown that fails keeps nothing");
}

#[test]
fn each_agent_has_ports_of_its_own_until_it_leaves() {
    let crew = project("ports = 3\nport_base = 23000\n");
    let base = |team: &str, agent: &str| -> u16 {
        crew.spawn(team, agent).exits(0);
        until("the agent has told its environment", || {
            crew.variable(team, agent, "CLAWTEAM_PORT_COUNT").is_some()
        });
        crew.variable(team, agent, "CLAWTEAM_PORT_BASE").expect("a base").parse().expect("a port")
    };
    let mut bases = [base("a", "x"), base("a", "y"), base("b", "x")];
    let first = bases[0];
    bases.sort_unstable();
    assert!(bases.windows(2).all(|pair| pair[0] + 3 <= pair[1]), "{bases:?}");
    crew.world.run(&["team", "cleanup", "a", "--force"]).exits(0);
    // Somebody listens there now.
    let listener = std::net::TcpListener::bind(("127.0.0.1", first + 1)).expect("it is free");
    let next = base("c", "x");
    assert!(
        next > first + 1 && !bases[1..].contains(&next) || bases[1] == next,
        "{next} {bases:?}"
    );
    drop(listener);
    let leases = crew.world.document("ports.json");
    let held = leases["leases"].as_array().expect("leases").len();
    assert_eq!(held, 2, "those of a team that is gone are free: {leases}");
    crew.world.run(&["--json", "doctor"]).exits(0);
}

#[test]
fn a_file_that_is_wrong_is_told_with_its_place() {
    let crew = project("copy = [\"../x\"]\n");
    let told = crew.spawn("t", "w").refuses_with("invalid_workspace_file");
    let message = told["error"].as_str().expect("an error");
    assert!(message.contains("workspace.toml: line 1, column 9: copy: '../x' is not"), "{message}");
    crew.world_file(".clawteam/workspace.toml", "setup = []\ncopies = []\n");
    crew.spawn("t", "w").exits(0).warns("line 2, column 1: copies is not known");
}

#[test]
fn a_template_adds_to_what_the_repository_says() {
    let crew = project("setup = [\"echo all > all\"]\n");
    crew.template(
        "pair",
        r#"
        [template]
        command = ["sh", "-c", "sleep 600"]
        backend = "subprocess"
        [template.workspace]
        setup = ["echo team > team"]
        [template.leader]
        name = "lead"
        [[template.agents]]
        name = "w"
        workspace = { setup = ["echo own > own"], ports = 2 }
        "#,
    );
    crew.world.run(&["launch", "pair", "-t", "p", "-w"]).exits(0);
    for (agent, name, there) in [
        ("lead", "all", true),
        ("lead", "team", true),
        ("lead", "own", false),
        ("w", "all", true),
        ("w", "team", true),
        ("w", "own", true),
    ] {
        assert_eq!(crew.worktree("p", agent).join(name).exists(), there, "{agent} {name}");
    }
    let shared = crew.world.run(&["launch", "pair", "-t", "s"]);
    shared.exits(0).warns("'w' has no worktree of its own: nothing is copied, linked or set up");
}

#[test]
fn one_failed_setup_does_not_keep_the_others_from_work() {
    let crew = Crew::new().repository();
    crew.template(
        "half",
        r#"
        [template]
        command = ["sh", "-c", "sleep 600"]
        backend = "subprocess"
        [template.leader]
        name = "lead"
        [[template.agents]]
        name = "w"
        workspace = { setup = ["echo no such thing; exit 1"] }
        "#,
    );
    let launched = crew.world.run(&["--json", "launch", "half", "-t", "h", "-w"]);
    launched.exits(1);
    let told = launched.json();
    assert_eq!(told["status"], "partial");
    assert_eq!(told["agents"][0]["status"], "ready");
    assert_eq!(told["agents"][1]["status"], "failed");
    let reason = told["agents"][1]["message"].as_str().expect("a reason");
    assert!(reason.contains("its last output: no such thing"), "{reason}");
}

#[test]
fn a_worktree_of_an_openclaw_project_holds_all_of_it() {
    let crew = Crew::new().repository();
    crew.world_file("openclaw.json", "{}\n");
    crew.world_file("README.md", "read\n");
    crew.world_file("src/main.c", "main\n");
    crew.git(&["add", "."]);
    crew.git(&["-c", "user.name=u", "-c", "user.email=u@h", "commit", "-qm", "project"]);
    crew.spawn("t", "w").exits(0);
    let whole = crew.read("t", "w", "README.md") + &crew.read("t", "w", "src/main.c");
    assert_eq!(whole, "read\nmain\n");
    until("the agent has written", || crew.variable("t", "w", "CLAWTEAM_TEAM_NAME").is_some());
    crew.world.run(&["workspace", "checkpoint", "t", "w"]).exits(0);
    crew.world.run(&["workspace", "merge", "t", "w", "--no-cleanup"]).exits(0);
    let held = crew.git(&["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(held, "README.md\nopenclaw.json\nseen.env\nsrc/main.c");
}

#[test]
fn changes_that_a_worktree_does_not_hold_are_told() {
    let crew = Crew::new().repository();
    crew.world_file("kept", "old\n");
    crew.git(&["add", "."]);
    crew.git(&["-c", "user.name=u", "-c", "user.email=u@h", "commit", "-qm", "kept"]);
    let quiet = crew.spawn("t", "w");
    quiet.exits(0);
    assert!(!quiet.stderr.contains("since the last commit"), "{quiet}");
    crew.world_file("kept", "new\n");
    crew.spawn("t", "x").exits(0).warns("(kept): worktrees begin with that commit");
    assert_eq!(crew.read("t", "x", "kept"), "old\n");
    crew.template("one", "[template]\ncommand = [\"true\"]\n[template.leader]\nname = \"l\"\n");
    let planned = crew.world.run(&["launch", "one", "-w", "--dry-run", "--backend", "subprocess"]);
    planned.exits(0).warns("1 file of");
}

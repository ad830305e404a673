//! What agents change, and where that meets, in real repositories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::crew::{Crew, git};

const WHO: [&str; 4] = ["-c", "user.name=u", "-c", "user.email=u@h"];

/// A team with worktrees, made by agents that ended at once.
struct Yard {
    crew: Crew,
}

impl Yard {
    fn new(agents: &[&str]) -> Self {
        let crew = Crew::new().repository();
        let lines = (1..=30).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n") + "\n";
        fs::write(crew.world.cwd().join("long.txt"), &lines).expect("a file can be written");
        fs::write(crew.world.cwd().join("both.txt"), &lines).expect("a file can be written");
        crew.git(&["add", "."]);
        crew.git(&[&WHO[..], &["commit", "-qm", "Files"]].concat());
        for agent in agents {
            let spawn = ["spawn", "subprocess", "--team", "t", "-n", agent, "-w", "--", "true"];
            crew.world.json(&spawn);
        }
        Self { crew }
    }

    fn tree(&self, agent: &str) -> PathBuf {
        self.crew.world.data().join("workspaces/t").join(agent)
    }

    fn write(&self, agent: &str, file: &str, content: &str) {
        let file = self.tree(agent).join(file);
        fs::create_dir_all(file.parent().expect("it is below")).expect("a directory can be made");
        fs::write(file, content).expect("a file can be written");
    }

    /// Changes line `number` of a file in the agent's worktree.
    fn change(&self, agent: &str, file: &str, number: usize, to: &str) {
        let text = fs::read_to_string(self.tree(agent).join(file)).expect("the file is there");
        let with = |(n, line)| if n + 1 == number { to.to_owned() } else { String::from(line) };
        let lines: Vec<String> = text.lines().enumerate().map(with).collect();
        self.write(agent, file, &(lines.join("\n") + "\n"));
    }

    fn commit(&self, agent: &str, subject: &str) {
        git(&self.tree(agent), &["add", "-A"]);
        git(&self.tree(agent), &[&WHO[..], &["commit", "-qm", subject]].concat());
    }

    fn context(&self, arguments: &[&str]) -> Value {
        self.crew.world.json(&[&["context"], arguments].concat())
    }

    fn severities(&self, arguments: &[&str]) -> BTreeMap<String, String> {
        let found = self.context(&[&["conflicts", "t"], arguments].concat());
        let entry = |entry: &Value| {
            let text = |field: &str| entry[field].as_str().expect("a text").to_owned();
            (text("file"), text("severity"))
        };
        found.as_array().expect("a list").iter().map(entry).collect()
    }
}

#[test]
fn a_diff_counts_commits_and_shows_what_is_not_committed() {
    let yard = Yard::new(&["w1"]);
    yard.change("w1", "long.txt", 3, "changed");
    yard.write("w1", "new/file", "a\nb\n");
    fs::write(yard.tree("w1").join("bin"), b"\0\x01\x02").expect("a file can be written");
    yard.commit("w1", "First");
    yard.change("w1", "both.txt", 1, "not yet");
    yard.write("w1", "draft", "x\n");

    let told = yard.context(&["diff", "t", "w1"]);
    assert_eq!(told["files_changed"], json!(["bin", "long.txt", "new/file"]));
    assert_eq!((&told["insertions"], &told["deletions"]), (&json!(3), &json!(1)));
    assert_eq!(told["commit_count"], 1);
    assert!(told["diff_stat"].as_str().expect("a text").contains("long.txt"), "{told}");
    assert_eq!(told["summary"], "w1: 3 file(s), +3/-1, 1 commit(s), 2 files not committed");
    assert_eq!(told["uncommitted"]["files"], json!(["both.txt", "draft"]));

    // The base has gone on meanwhile: that is not the agent's work.
    fs::write(yard.crew.world.cwd().join("other"), "o\n").expect("a file can be written");
    yard.crew.git(&["add", "."]);
    yard.crew.git(&[&WHO[..], &["commit", "-qm", "Elsewhere"]].concat());
    let later = yard.context(&["diff", "t", "w1"]);
    assert_eq!(later, told);

    let nobody = yard.context(&["diff", "t", "--agent", "nobody"]);
    assert_eq!(nobody["summary"], "nobody: 0 file(s), +0/-0, 0 commit(s)");
    assert_eq!(nobody["files_changed"], json!([]));
}

#[test]
fn conflicts_have_the_severity_that_a_merge_would_show() {
    let yard = Yard::new(&["w1", "w2", "w3"]);
    yard.change("w1", "long.txt", 10, "one");
    yard.change("w2", "long.txt", 10, "two");
    yard.change("w1", "both.txt", 2, "near the top");
    yard.change("w3", "both.txt", 20, "near the end");
    yard.write("w2", "same", "s\n");
    yard.write("w3", "same", "s\n");
    yard.write("w1", "own", "o\n");
    for agent in ["w1", "w2", "w3"] {
        yard.commit(agent, "Work");
    }
    let told = yard.context(&["conflicts", "t"]);
    assert_eq!(
        told,
        json!([
            {"file": "long.txt", "agents": ["w1", "w2"], "severity": "high"},
            {"file": "both.txt", "agents": ["w1", "w3"], "severity": "medium"},
            {"file": "same", "agents": ["w2", "w3"], "severity": "low"}
        ])
    );
    let board = yard.crew.world.json(&["board", "show", "t"]);
    let conflicts = &board["conflicts"];
    assert_eq!(conflicts["totalOverlaps"], 3);
    assert_eq!((&conflicts["highSeverity"], &conflicts["mediumSeverity"]), (&json!(1), &json!(1)));

    let files = yard.context(&["files", "t"]);
    assert_eq!(files["both.txt"], json!(["w1", "w3"]));
    assert_eq!(files["own"], json!(["w1"]));
}

/// Lines inserted above by one agent move the numbers of what it changed below. Counted by each
/// agent's own numbers, the same place looks different, and different places look the same.
#[test]
fn places_are_counted_in_the_version_that_both_began_with() {
    let yard = Yard::new(&["w1", "w2"]);
    let moved = |file: &str| {
        let old = fs::read_to_string(yard.tree("w1").join(file)).expect("it is there");
        yard.write("w1", file, &("new\n".repeat(10) + &old));
    };
    moved("long.txt");
    yard.change("w1", "long.txt", 30, "line 20 of old");
    yard.change("w2", "long.txt", 20, "otherwise");
    moved("both.txt");
    yard.change("w1", "both.txt", 25, "line 15 of old");
    yard.change("w2", "both.txt", 25, "far below");
    yard.commit("w1", "Moved");
    yard.commit("w2", "Stayed");
    let found = yard.severities(&[]);
    assert_eq!(found["long.txt"], "high");
    assert_eq!(found["both.txt"], "medium");
}

#[test]
fn work_that_is_not_committed_counts_and_is_marked() {
    let yard = Yard::new(&["w1", "w2"]);
    yard.change("w1", "long.txt", 5, "one");
    yard.commit("w1", "Committed");
    yard.change("w2", "long.txt", 5, "two");
    yard.write("w1", "untracked", "1\n");
    yard.write("w2", "untracked", "2\n");
    let told = yard.context(&["conflicts", "t"]);
    assert_eq!(
        told,
        json!([
            {"file": "long.txt", "agents": ["w1", "w2"], "severity": "high", "uncommitted": ["w2"]},
            {"file": "untracked", "agents": ["w1", "w2"], "severity": "high",
             "uncommitted": ["w1", "w2"]}
        ])
    );
    assert_eq!(yard.context(&["conflicts", "t", "--committed"]), json!([]));
    let shown = yard.crew.world.run(&["context", "files", "t"]);
    shown.succeeds();
    assert!(shown.stdout.contains("w1, w2*") && shown.stdout.contains("not committed"), "{shown}");
    // Looking changed nothing: neither index nor files.
    assert_eq!(git(&yard.tree("w2"), &["diff", "--cached", "--name-only"]), "");
}

#[test]
fn file_names_and_subjects_may_hold_anything() {
    let yard = Yard::new(&["w1", "w2"]);
    let names = ["a|b|c", "two\nlines", "tab\there", "\"quoted\"", "-dash", "grün x", "d/[red]e"];
    for name in names {
        yard.write("w1", name, "1\n");
        yard.write("w2", name, "2\n");
    }
    yard.commit("w1", "sub|ject|with [red]bars[/red]");
    yard.commit("w2", "other");
    let found = yard.severities(&[]);
    let expected: BTreeSet<&str> = names.into_iter().collect();
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected);
    assert!(found.values().all(|severity| severity == "high"));

    let log = yard.context(&["log", "t"]);
    let own = log.as_array().expect("a list").iter().find(|entry| entry["agent"] == "w1");
    let own = own.expect("its commit");
    assert_eq!(own["message"], "sub|ject|with [red]bars[/red]");
    let files: BTreeSet<&str> =
        own["files"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(files, expected);
    let shown = yard.crew.world.run(&["context", "log", "t"]);
    assert!(shown.stdout.contains("[red]bars[/red]"), "{shown}");
}

#[test]
fn the_log_is_newest_first_whatever_the_time_zone() {
    let yard = Yard::new(&["w1", "w2"]);
    for (agent, subject, date) in [
        ("w1", "early", "2026-01-01T12:00:00+09:00"),
        ("w2", "late", "2026-01-01T10:00:00-05:00"),
        ("w1", "middle", "2026-01-01T10:00:00+00:00"),
    ] {
        yard.write(agent, subject, "x\n");
        git(&yard.tree(agent), &["add", "-A"]);
        let date = format!("--date={date}");
        git(&yard.tree(agent), &[&WHO[..], &["commit", "-qm", subject, &date]].concat());
    }
    let log = yard.context(&["log", "t"]);
    let said = |field: &str| -> Vec<String> {
        let entries = log.as_array().expect("a list").iter();
        entries.map(|entry| entry[field].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(said("message"), ["late", "middle", "early"]);
    assert_eq!(said("timestamp")[0], "2026-01-01T10:00:00-05:00");
    assert_eq!(yard.context(&["log", "t", "-n", "1"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn what_an_agent_should_know_is_told_to_it() {
    let yard = Yard::new(&["w1", "w2", "w3"]);
    let world = &yard.crew.world;
    let none = yard.context(&["inject", "t", "w1"]);
    assert!(none["context"].as_str().expect("a text").starts_with("No cross-agent context"));

    yard.change("w1", "long.txt", 5, "one");
    yard.change("w2", "long.txt", 6, "two");
    yard.commit("w2", "Change the long one");
    yard.write("w3", "api", "x\n");
    yard.commit("w3", "Write the interface");
    let first = world.task(&["The interface", "--owner", "w3"]);
    world.task(&["Use it", "--owner", "w1", "--blocked-by", &first]);

    let told = yard.context(&["inject", "t", "--agent", "w1"]);
    let text = told["context"].as_str().expect("a text");
    assert!(
        text.starts_with("# ") && text.lines().next().expect("a line").contains("w1"),
        "{text}"
    );
    for part in [
        "## File Overlap Warnings\n\n- [high] long.txt: also changed by w2\n",
        "## Recent Related Changes\n\n- [w2] ",
        " Change the long one (files: long.txt)",
        "## Upstream Dependency Changes\n\n- w3: 1 file(s), +1/-0, 1 commit(s)",
    ] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

#[test]
fn outside_of_a_repository_there_is_nothing_to_see() {
    let crew = Crew::new();
    crew.world.team(&[]);
    for command in ["files", "conflicts", "log"] {
        crew.world.run(&["context", command, "t"]).refuses("Not inside a git repository");
        let told = crew.world.run(&["--json", "context", command, "t"]);
        told.refuses_with("not_a_repository");
    }
    crew.world.run(&["context", "diff", "t"]).is_misused();
}

/// Every way in which two agents can change a short file, held against git's own merge.
#[test]
fn the_severity_is_that_of_gits_merge() {
    let yard = Yard::new(&["w1", "w2"]);
    let versions: [&[&str]; 11] = [
        &["a", "b", "c", "d"],
        &["A", "b", "c", "d"],
        &["a", "b", "c", "D"],
        &["a", "B", "c", "d"],
        &["a", "B", "C", "d"],
        &["a", "d"],
        &["a", "b", "c", "d", "e"],
        &["x", "a", "b", "c", "d"],
        &["a", "b", "y", "c", "d"],
        &[],
        &["A", "b", "c", "D"],
    ];
    let text = |lines: &[&str]| lines.join("\n") + "\n";
    let names: Vec<(usize, usize)> =
        (1..versions.len()).flat_map(|a| (1..versions.len()).map(move |b| (a, b))).collect();
    for (a, b) in &names {
        yard.write("w1", &format!("f{a}-{b}"), &text(versions[0]));
    }
    // Both begin with the files: they are on the base.
    yard.commit("w1", "Begin");
    yard.crew.git(&["merge", "-q", "--ff-only", "clawteam/t/w1"]);
    git(&yard.tree("w2"), &["merge", "-q", "--ff-only", "main"]);
    for (a, b) in &names {
        yard.write("w1", &format!("f{a}-{b}"), &text(versions[*a]));
        yard.write("w2", &format!("f{a}-{b}"), &text(versions[*b]));
    }
    yard.commit("w1", "One");
    yard.commit("w2", "Two");
    let found = yard.severities(&[]);
    // The merge fails, and says for each file what it came to.
    let mut merge = std::process::Command::new("git");
    merge.args(WHO).args(["merge", "-q", "clawteam/t/w2"]).current_dir(yard.tree("w1"));
    let done = merge.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git runs");
    assert!(!done.status.success());
    let unmerged = git(&yard.tree("w1"), &["diff", "--name-only", "--diff-filter=U"]);
    let unmerged: BTreeSet<&str> = unmerged.lines().collect();
    assert!(unmerged.len() > 20, "{unmerged:?}");
    for (a, b) in &names {
        let name = format!("f{a}-{b}");
        let expected = match (unmerged.contains(name.as_str()), a == b) {
            (true, _) => "high",
            (false, true) => "low",
            (false, false) => "medium",
        };
        assert_eq!(found[&name], expected, "{:?} and {:?}", versions[*a], versions[*b]);
    }
}

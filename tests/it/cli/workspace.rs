//! `clawteam workspace`, on real repositories.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{World, keys};

/// A repository in the working directory, and agents of team `t` with worktrees of it.
struct Shop {
    world: World,
}

impl Shop {
    fn new(agents: &[&str]) -> Self {
        let world = World::new();
        let shop = Self { world };
        shop.git(&["init", "-q", "-b", "main"]);
        shop.git(&["config", "user.name", "Ada"]);
        shop.git(&["config", "user.email", "ada@example.org"]);
        shop.write("shared.txt", "one\n");
        shop.git(&["add", "-A"]);
        shop.git(&["commit", "-q", "-m", "First"]);
        shop.world.team(&[]);
        for agent in agents {
            shop.spawn(agent, &["true"]);
            crate::until("the agent has ended", || shop.alive(agent) == json!(false));
        }
        shop
    }

    fn spawn(&self, agent: &str, command: &[&str]) {
        let line = ["spawn", "subprocess", "-t", "t", "-n", agent, "--workspace", "--"];
        self.world.run(&[&line[..], command].concat()).exits(0);
    }

    fn alive(&self, agent: &str) -> Value {
        let status = self.world.json(&["team", "status", "t"]);
        let members = status["members"].as_array().expect("a list");
        members.iter().find(|m| m["name"] == agent).expect("a member")["alive"].clone()
    }

    fn git_at(&self, at: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(at)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.world.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null())
            .output()
            .expect("git starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.git_at(&self.world.cwd(), arguments)
    }

    fn worktree(&self, agent: &str) -> PathBuf {
        self.world.data().join("workspaces/t").join(agent)
    }

    fn write(&self, file: &str, content: &str) {
        std::fs::write(self.world.cwd().join(file), content).expect("it can be written");
    }

    fn change(&self, agent: &str, file: &str, content: &str) {
        std::fs::write(self.worktree(agent).join(file), content).expect("it can be written");
    }

    fn run(&self, arguments: &[&str]) -> crate::support::Ran {
        self.world.run(&[&["workspace"], arguments].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.world.json(&[&["workspace"], arguments].concat())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Nobody is left running, whatever became of the test.
        self.world.run(&["team", "cleanup", "t", "--force"]);
    }
}

#[test]
fn worktrees_are_removed_from_their_own_repository_wherever_one_stands() {
    let shop = Shop::new(&["w1", "w2"]);
    shop.change("w1", "precious.txt", "work\n");
    let other = shop.world.top().join("other");
    std::fs::create_dir(&other).expect("it can be made");
    shop.git_at(&other, &["init", "-q", "-b", "main"]);
    let refs = ["for-each-ref", "--format=%(refname)"];
    for words in [&["workspace", "cleanup", "t", "w1"][..], &["team", "cleanup", "t", "--force"]] {
        shop.world.call(words).at(&other).run().exits(0);
    }
    assert!(!shop.worktree("w1").exists() && !shop.worktree("w2").exists());
    assert_eq!(shop.git(&["branch", "--list", "clawteam/*"]), "");
    assert!(shop.git(&refs).contains("refs/clawteam/salvage/t/w1/"), "{}", shop.git(&refs));
    assert_eq!(shop.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(shop.git_at(&other, &refs), "");
}

#[test]
fn list_tells_the_worktrees() {
    let shop = Shop::new(&["w1", "w2"]);
    let listed = shop.json(&["list", "t"]);
    assert_eq!(keys(&listed), "workspaces");
    let first = &listed["workspaces"][0];
    assert_eq!(
        keys(first),
        "agent_name agent_id team_name branch_name worktree_path repo_root repo_subpath \
         base_branch created_at"
    );
    assert_eq!(
        json!([first["branch_name"], first["base_branch"]]),
        json!(["clawteam/t/w1", "main"])
    );
    let text = shop.run(&["list", "t", "--repo", "."]);
    for word in ["Workspaces - t", "┃ Agent ", "┃ Branch ", "┃ Path ", "┃ Created ", "│ w2 "]
    {
        assert!(text.succeeds().stdout.contains(word), "{text}");
    }
    let none = shop.run(&["list", "nope"]);
    assert_eq!(
        none.warns("Team 'nope' not found").stdout,
        "No active workspaces for team 'nope'\n"
    );
}

#[test]
fn status_and_checkpoint() {
    let shop = Shop::new(&["w1"]);
    shop.run(&["status", "t", "w1"]).shows("Clean — no changes.");
    assert_eq!(
        shop.json(&["checkpoint", "t", "w1"]),
        json!({"status": "no_changes", "team": "t", "agent": "w1"})
    );
    shop.change("w1", "new file.txt", "x\n");
    shop.change("w1", "shared.txt", "one\ntwo\n");
    let status = shop.json(&["status", "t", "--agent", "w1"]);
    assert_eq!(
        keys(&status),
        "status team agent staged unstaged untracked staged_stat unstaged_stat"
    );
    assert_eq!(
        json!([status["status"], status["staged"], status["unstaged"], status["untracked"]]),
        json!(["dirty", [], ["shared.txt"], ["new file.txt"]])
    );
    let text = shop.run(&["status", "t", "w1"]);
    assert!(text.succeeds().stdout.contains("Unstaged:\n shared.txt"), "{text}");
    assert!(text.stdout.ends_with("Untracked:\n new file.txt\n"), "{text}");
    shop.git_at(&shop.worktree("w1"), &["add", "shared.txt"]);
    let text = shop.run(&["status", "t", "w1"]);
    assert!(text.succeeds().stdout.starts_with("Staged:\n shared.txt"), "{text}");

    let made = shop.world.json_as("w1", &["workspace", "checkpoint", "t", "-m", "My [work]"]);
    assert_eq!(keys(&made), "status team agent commit");
    assert_eq!(made["status"], "checkpoint_created");
    let last = shop.git(&["log", "-1", "--format=%s", "clawteam/t/w1"]);
    assert_eq!(last, "My [work]");
    shop.change("w1", "more", "x");
    let text = shop.run(&["checkpoint", "t", "-a", "w1"]);
    assert!(text.succeeds().stdout.starts_with("OK Checkpoint of 'w1' created ("), "{text}");
    let last = shop.git(&["log", "-1", "--format=%s", "clawteam/t/w1"]);
    assert!(last.starts_with("[clawteam] checkpoint: w1 @ 20"), "{last}");
    shop.run(&["checkpoint", "t", "w1"]).shows("No changes to commit for 'w1'");

    for verb in ["status", "checkpoint"] {
        shop.run(&[verb, "t", "nobody"]).refuses("No workspace found for nobody");
        shop.run(&["--json", verb, "t", "nobody"]).refuses_with("workspace_not_found");
        shop.run(&["--json", verb, "nope", "w1"]).refuses_with("workspace_not_found");
        shop.run(&[verb, "t", "w1", "--agent", "w2"]).is_misused();
    }
    std::fs::remove_dir_all(shop.worktree("w1")).expect("it can be removed");
    shop.run(&["--json", "status", "t", "w1"]).exits(1);
}

#[test]
fn merge_brings_work_home_and_cleans_up() {
    let shop = Shop::new(&["w1", "w2"]);
    shop.change("w1", "w1.txt", "x\n");
    shop.change("w2", "w2.txt", "x\n");
    let merged = shop.json(&["merge", "t", "w1"]);
    assert_eq!(keys(&merged), "status team agent output target commit");
    assert_eq!(
        json!([merged["status"], merged["team"], merged["agent"], merged["target"]]),
        json!(["merged", "t", "w1", "main"])
    );
    assert_eq!(merged["commit"], shop.git(&["rev-parse", "main"]));
    assert!(shop.world.cwd().join("w1.txt").is_file(), "the checkout did not follow");
    assert!(!shop.worktree("w1").exists());
    assert_eq!(shop.git(&["branch", "--list", "clawteam/t/w1"]), "");
    assert_eq!(shop.json(&["list", "t"])["workspaces"].as_array().map(Vec::len), Some(1));

    let text = shop.run(&["merge", "t", "--agent", "w2", "--no-cleanup"]);
    assert!(text.succeeds().stdout.starts_with("OK Merged 'w2' into main ("), "{text}");
    assert!(shop.worktree("w2").is_dir());
    let again = shop.run(&["merge", "t", "w2", "--no-cleanup"]);
    again.shows("OK Nothing to merge: 'main' already holds this work");
    shop.git(&["branch", "other", "main~1"]);
    let other = shop.json(&["merge", "t", "w2", "--target", "other", "--no-cleanup"]);
    assert_eq!(other["target"], "other");
    assert_eq!(shop.git(&["branch", "--show-current"]), "main");
}

#[test]
fn a_merge_that_cannot_be_changes_nothing_and_says_so() {
    let shop = Shop::new(&["w1"]);
    shop.change("w1", "shared.txt", "theirs\n");
    shop.write("shared.txt", "ours\n");
    shop.git(&["commit", "-q", "-a", "-m", "Ours"]);
    let before = shop.git(&["rev-parse", "main"]);
    let failed = shop.run(&["merge", "t", "w1", "--json"]);
    let told = failed.exits(1).json();
    assert!(failed.stderr.is_empty(), "{failed}");
    assert_eq!(keys(&told), "status team agent output conflicts error code hint");
    assert_eq!(
        json!([told["status"], told["team"], told["agent"], told["conflicts"], told["code"]]),
        json!(["merge_failed", "t", "w1", ["shared.txt"], "merge_conflict"])
    );
    assert!(told["output"].as_str().expect("text").contains("CONFLICT"), "{failed}");
    shop.run(&["merge", "t", "w1"]).refuses("'w1' and main conflict in shared.txt");
    assert_eq!(shop.git(&["rev-parse", "main"]), before);
    assert_eq!(shop.git(&["status", "--porcelain"]), "");
    assert!(shop.worktree("w1").is_dir());

    for (line, code) in [
        (&["merge", "t", "nobody", "--json"][..], "workspace_not_found"),
        (&["merge", "nope", "w1", "--json"], "workspace_not_found"),
        (&["merge", "t", "w1", "--target", "no/such", "--json"], "no_merge_target"),
        (&["merge", "t", "w1", "--target=--output=x", "--json"], "no_merge_target"),
    ] {
        let told = shop.run(line).exits(1).json();
        assert_eq!(json!([told["status"], told["code"]]), json!(["merge_failed", code]));
    }
    shop.run(&["merge", "t", "nobody"]).refuses("No workspace found for nobody");
    shop.git(&["reset", "-q", "--hard", "main~1"]);
    shop.write("shared.txt", "uncommitted\n");
    let told = shop.run(&["merge", "t", "w1", "--json"]).exits(1).json();
    assert_eq!(json!([told["status"], told["code"]]), json!(["merge_failed", "checkout_dirty"]));
    let kept = std::fs::read_to_string(shop.world.cwd().join("shared.txt"));
    assert_eq!(kept.expect("it is there"), "uncommitted\n");
}

#[test]
fn cleanup_saves_what_was_not_merged_and_salvage_brings_it_back() {
    let shop = Shop::new(&["w1", "w2", "w3"]);
    shop.change("w1", "precious.txt", "work\n");
    shop.change("w2", "other.txt", "more\n");
    let cleaned = shop.json(&["cleanup", "t", "w1"]);
    assert_eq!(keys(&cleaned), "status team agent count workspaces");
    assert_eq!(json!([cleaned["status"], cleaned["count"]]), json!(["cleaned", 1]));
    let reference = cleaned["workspaces"][0]["salvaged"].as_str().expect("it was saved");
    assert!(reference.starts_with("refs/clawteam/salvage/t/w1/20"), "{reference}");
    assert!(!shop.worktree("w1").exists());
    let rest = shop.run(&["cleanup", "t"]);
    assert!(rest.succeeds().stdout.starts_with("OK 2 workspaces removed\n"), "{rest}");
    assert!(rest.stdout.contains("saved: refs/clawteam/salvage/t/w2/"), "{rest}");
    assert!(!rest.stdout.contains("t/w3/"), "there was nothing to save\n{rest}");
    shop.run(&["cleanup", "t", "--agent", "w1"]).shows("No workspace found for w1");
    assert_eq!(shop.json(&["cleanup", "t", "-a", "w1"])["status"], "not_found");
    assert_eq!(shop.json(&["cleanup", "t"])["count"], 0);

    let listed = shop.json(&["salvage", "list", "t"]);
    assert_eq!(keys(&listed), "team salvage");
    let saved = &listed["salvage"];
    assert_eq!(saved.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(
        keys(&saved[0]),
        "name team agent reference commit saved_at unmerged_commits uncommitted_files repo_root"
    );
    assert_eq!(
        json!([saved[0]["agent"], saved[0]["uncommitted_files"]]),
        json!(["w1", ["precious.txt"]])
    );
    let only = shop.json(&["salvage", "list", "t", "--agent", "w2"]);
    assert_eq!(only["salvage"].as_array().map(Vec::len), Some(1));
    let text = shop.run(&["salvage", "list", "t"]);
    assert!(text.succeeds().stdout.contains("precious.txt"), "{text}");

    let name = saved[0]["name"].as_str().expect("text");
    let shown = shop.run(&["salvage", "show", "t", name]);
    assert!(shown.succeeds().stdout.contains("+work"), "{shown}");
    assert!(
        shop.json(&["salvage", "show", "t", name])["diff"]
            .as_str()
            .expect("text")
            .contains("+work")
    );
    let restored = shop.json(&["salvage", "restore", "t", name]);
    assert_eq!(keys(&restored), "status team agent reference branch commit");
    let branch = restored["branch"].as_str().expect("text");
    assert_eq!(shop.git(&["show", &format!("{branch}:precious.txt")]), "work");
    shop.run(&["salvage", "restore", "t", "latest", "--branch", "mine"]).succeeds();
    assert_eq!(shop.git(&["show", "mine:other.txt"]), "more");
    shop.run(&["--json", "salvage", "restore", "t", name]).refuses_with("git_failed");
    shop.run(&["--json", "salvage", "restore", "t", name, "--branch=-x"])
        .refuses_with("git_failed");
    for verb in ["show", "restore"] {
        shop.run(&["--json", "salvage", verb, "t", "nobody/x"]).refuses_with("salvage_not_found");
        shop.run(&["--json", "salvage", verb, "t", "refs/heads/main"])
            .refuses_with("salvage_not_found");
        shop.run(&["salvage", verb, "nope"]).refuses("no saved work 'latest' of team 'nope'");
    }
}

#[test]
fn work_is_saved_again_and_again_within_a_second() {
    let shop = Shop::new(&[]);
    for n in 0..3 {
        shop.spawn("w1", &["true"]);
        crate::until("the agent has ended", || shop.alive("w1") == json!(false));
        shop.change("w1", "work.txt", &format!("{n}\n"));
        shop.run(&["cleanup", "t", "w1"]).exits(0);
    }
    let listed = shop.json(&["salvage", "list", "t"]);
    assert_eq!(listed["salvage"].as_array().map(Vec::len), Some(3), "{listed}");
}

#[test]
fn salvage_is_found_where_one_says_it_is() {
    let shop = Shop::new(&["w1"]);
    shop.change("w1", "precious.txt", "work\n");
    shop.run(&["cleanup", "t"]).succeeds();
    // Nothing of the team is left but what is in the repository.
    std::fs::remove_dir_all(shop.world.data()).expect("it can be removed");
    let away = shop.world.top();
    let repo = shop.world.cwd();
    let list = ["--json", "workspace", "salvage", "list", "t"];
    let nowhere = shop.world.call(&list).at(&away).run();
    assert_eq!(nowhere.succeeds().json()["salvage"], json!([]));
    let repo = repo.to_str().expect("a plain path");
    let found = shop.world.call(&[&list[..], &["--repo", repo]].concat()).at(&away).run();
    assert_eq!(found.succeeds().json()["salvage"].as_array().map(Vec::len), Some(1));
}

#[test]
fn who_still_works_keeps_the_worktree() {
    let shop = Shop::new(&["w2"]);
    shop.spawn("w1", &["sleep", "600"]);
    crate::until("the agent runs", || shop.alive("w1") == json!(true));
    shop.change("w1", "precious.txt", "work\n");
    shop.run(&["cleanup", "t", "w1"]).refuses("still running: w1");
    shop.run(&["--json", "cleanup", "t"]).refuses_with("agent_running");
    assert!(shop.worktree("w1").is_dir() && shop.worktree("w2").is_dir(), "half of it was done");
    let merged = shop.json(&["merge", "t", "w1"]);
    assert_eq!(json!([merged["status"], merged["kept"]]), json!(["merged", true]));
    assert!(shop.worktree("w1").is_dir());
    shop.change("w1", "later.txt", "more\n");
    let cleaned = shop.json(&["cleanup", "t", "--force"]);
    assert_eq!(cleaned["count"], 2);
    assert!(cleaned["workspaces"].to_string().contains("refs/clawteam/salvage/t/w1/"));
    assert_eq!(shop.alive("w1"), json!(false));
    assert!(!shop.worktree("w1").exists());
}

#[test]
fn a_repository_that_was_not_written_down_is_named_or_around() {
    let shop = Shop::new(&["w1", "w2"]);
    let path = "workspaces/t/workspace-registry.json";
    let mut registry = shop.world.document(path);
    registry["repo_root"] = json!("");
    registry["future"] = json!({"kept": true});
    for workspace in registry["workspaces"].as_array_mut().expect("a list") {
        workspace["repo_root"] = json!("");
    }
    shop.world.put(path, registry.to_string());
    shop.change("w1", "w1.txt", "x\n");
    let away = shop.world.top();
    let merge = ["--json", "workspace", "merge", "t", "w1"];
    let lost = shop.world.call(&merge).at(&away).run();
    assert_eq!(lost.exits(1).json()["code"], "not_a_repository");
    let repo = shop.world.cwd();
    let repo = ["--repo", repo.to_str().expect("a plain path")];
    let merged = shop.world.call(&[&merge[..], &repo].concat()).at(&away).run();
    merged.succeeds();
    shop.run(&["cleanup", "t", "w2"]).succeeds();
    assert_eq!(shop.world.document(path)["future"], json!({"kept": true}));
}

#[test]
fn the_board_warns_of_files_that_several_agents_change() {
    let shop = Shop::new(&["w1", "w2"]);
    let conflicts = || shop.world.json(&["board", "show", "t"])["conflicts"].clone();
    assert_eq!(
        conflicts(),
        json!({"overlaps": [], "totalOverlaps": 0, "highSeverity": 0, "mediumSeverity": 0,
               "lowSeverity": 0})
    );
    shop.change("w1", "shared.txt", "theirs\n");
    shop.change("w1", "übung file.txt", "x\n");
    shop.change("w2", "shared.txt", "one\ntwo\n");
    shop.change("w2", "übung file.txt", "y\n");
    for agent in ["w1", "w2"] {
        shop.run(&["checkpoint", "t", agent]).succeeds();
    }
    let found = conflicts();
    assert_eq!(
        found["overlaps"],
        json!([
            {"file": "shared.txt", "agents": ["w1", "w2"], "severity": "high"},
            {"file": "übung file.txt", "agents": ["w1", "w2"], "severity": "high"}
        ])
    );
    let text = shop.world.run(&["board", "show", "t"]);
    assert!(text.succeeds().stdout.contains(" Conflict Warnings (2 high, 0 medium) "), "{text}");
    assert!(text.stdout.contains("│ high: shared.txt (w1, w2) "), "{text}");
}

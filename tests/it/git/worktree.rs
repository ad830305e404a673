//! Worktrees: made, committed, removed.

use std::fs;
use std::thread;

use clawteam::ports::Git;
use clawteam::ports::git::GitError;

use super::{BRANCH, Fixture, write};

#[test]
fn a_worktree_starts_a_branch_at_its_base() {
    let fixture = Fixture::new();
    let before = fixture.state(&fixture.root);
    let head = fixture.id("HEAD", &fixture.root);
    let path = fixture.path();
    assert!(!fixture.git.add_worktree(&fixture.root, &path, BRANCH, "main").unwrap());
    assert_eq!(fixture.id("HEAD", &path), head);
    assert_eq!(fixture.run(&path, &["symbolic-ref", "--short", "HEAD"]), BRANCH);
    assert_eq!(fs::read_to_string(path.join("README")).unwrap(), "hello\n");
    assert_eq!(fixture.state(&fixture.root), before);
    let config = fs::read_to_string(fixture.root.join(".git/config")).unwrap();
    assert!(!config.contains("[branch"), "{config}");
}

#[test]
fn a_worktree_that_is_there_is_kept_with_its_work() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    write(&path.join("work"), "unsaved\n");
    let before = fixture.state(&path);
    assert!(fixture.git.add_worktree(&fixture.root, &path, BRANCH, "main").unwrap());
    assert_eq!(fixture.state(&path), before);
}

#[test]
fn a_worktree_in_the_middle_of_a_rebase_is_kept() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.commit(&path, "README", "theirs\n");
    fixture.commit(&fixture.root, "README", "ours\n");
    fixture.fails(&path, &["rebase", "-q", "main"]);
    let before = fixture.state(&path);
    assert!(fixture.git.add_worktree(&fixture.root, &path, BRANCH, "main").unwrap());
    assert_eq!(fixture.state(&path), before);
}

#[test]
fn an_existing_branch_is_reused_as_it_is() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let commit = fixture.commit(&path, "work", "w\n");
    fixture.git.remove_worktree(&fixture.root, &path).unwrap();
    fixture.commit(&fixture.root, "later", "l\n");
    assert!(fixture.git.add_worktree(&fixture.root, &path, BRANCH, "main").unwrap());
    assert_eq!(fixture.id("HEAD", &path), commit);
}

#[test]
fn a_commit_can_be_the_base() {
    let fixture = Fixture::new();
    let first = fixture.id("HEAD", &fixture.root);
    fixture.commit(&fixture.root, "second", "2\n");
    fixture.run(&fixture.root, &["checkout", "-q", "--detach", &first]);
    let base = fixture.git.discover(&fixture.root).unwrap().head;
    let path = fixture.path();
    fixture.git.add_worktree(&fixture.root, &path, BRANCH, &base).unwrap();
    assert_eq!(fixture.id("HEAD", &path), first);
    assert!(!path.join("second").exists());
}

#[test]
fn a_branch_is_preferred_to_a_tag_of_the_same_name() {
    let fixture = Fixture::new();
    fixture.run(&fixture.root, &["tag", "main"]);
    let head = fixture.commit(&fixture.root, "second", "2\n");
    let path = fixture.worktree();
    assert_eq!(fixture.id("HEAD", &path), head);
}

#[test]
fn a_repository_without_commits_is_told() {
    let fixture = Fixture::empty();
    let error =
        fixture.git.add_worktree(&fixture.root, &fixture.path(), BRANCH, "main").unwrap_err();
    assert!(matches!(error, GitError::NoCommits { .. }), "{error}");
    assert!(!fixture.path().exists());
}

#[test]
fn an_unknown_base_is_told() {
    let fixture = Fixture::new();
    let before = fixture.refs();
    let error =
        fixture.git.add_worktree(&fixture.root, &fixture.path(), BRANCH, "nope").unwrap_err();
    assert!(matches!(&error, GitError::UnknownRevision { name, .. } if name == "nope"), "{error}");
    assert!(!fixture.path().exists());
    assert_eq!(fixture.refs(), before);
}

#[test]
fn what_is_no_worktree_is_left_alone() {
    let fixture = Fixture::new();
    let refs = fixture.refs();
    let path = fixture.path();
    write(&path.join("precious"), "x");
    let error = fixture.git.add_worktree(&fixture.root, &path, BRANCH, "main").unwrap_err();
    assert!(error.to_string().contains("exists and is not a worktree"), "{error}");
    assert_eq!(fs::read_to_string(path.join("precious")).unwrap(), "x");

    // A repository of its own is none either, nor is a file.
    fixture.run(&path, &["init", "-q"]);
    fixture.git.add_worktree(&fixture.root, &path, BRANCH, "main").unwrap_err();
    assert_eq!(fs::read_to_string(path.join("precious")).unwrap(), "x");
    let file = path.join("precious");
    fixture.git.add_worktree(&fixture.root, &file, BRANCH, "main").unwrap_err();
    assert_eq!(fs::read_to_string(file).unwrap(), "x");
    assert_eq!(fixture.refs(), refs);
}

#[test]
fn a_worktree_on_another_branch_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let before = fixture.worktrees();
    let error = fixture.git.add_worktree(&fixture.root, &path, "other", "main").unwrap_err();
    assert!(error.to_string().contains(&format!("on refs/heads/{BRANCH}")), "{error}");
    assert_eq!(fixture.worktrees(), before);
    assert!(fixture.git.resolve(&fixture.root, "other").unwrap().is_none());
}

#[test]
fn a_branch_checked_out_elsewhere_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let other = fixture.top().join("workspaces/second");
    let before = fixture.worktrees();
    let error = fixture.git.add_worktree(&fixture.root, &other, BRANCH, "main").unwrap_err();
    let expected = format!("already checked out at '{}'", path.display());
    assert!(error.to_string().contains(&expected), "{error}");
    let error = fixture.git.add_worktree(&fixture.root, &other, "main", "main").unwrap_err();
    assert!(error.to_string().contains("already checked out"), "{error}");
    assert!(!other.exists());
    assert_eq!(fixture.worktrees(), before);
}

#[test]
fn a_worktree_deleted_by_hand_is_made_anew_and_only_its_record_is_pruned() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let other = fixture.top().join("workspaces/t.1/other");
    fixture.git.add_worktree(&fixture.root, &other, "clawteam/t.1/other", "main").unwrap();
    let commit = fixture.commit(&path, "work", "w\n");
    fs::remove_dir_all(&path).unwrap();
    fs::remove_dir_all(&other).unwrap();

    assert!(fixture.git.add_worktree(&fixture.root, &path, BRANCH, "main").unwrap());
    assert_eq!(fixture.id("HEAD", &path), commit);
    assert!(fixture.worktrees().contains(&format!("worktree {}\n", other.display())));

    // An empty directory is no obstacle.
    fs::remove_dir_all(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(fixture.git.add_worktree(&fixture.root, &path, BRANCH, "main").unwrap());
    assert_eq!(fixture.id("HEAD", &path), commit);
}

#[test]
fn a_failed_worktree_leaves_no_branch() {
    let fixture = Fixture::new();
    fixture.commit(&fixture.root, ".gitattributes", "*.x filter=broken\n");
    fixture.commit(&fixture.root, "file.x", "x\n");
    fixture.run(&fixture.root, &["config", "filter.broken.smudge", "false"]);
    fixture.run(&fixture.root, &["config", "filter.broken.required", "true"]);
    let before = (fixture.refs(), fixture.worktrees());
    let error =
        fixture.git.add_worktree(&fixture.root, &fixture.path(), BRANCH, "main").unwrap_err();
    assert!(error.to_string().contains("smudge filter"), "{error}");
    assert!(!fixture.path().exists());
    assert_eq!((fixture.refs(), fixture.worktrees()), before);
}

#[test]
fn a_hook_that_refuses_does_not_unmake_a_worktree() {
    let fixture = Fixture::new();
    fixture.refusing_hook("post-checkout");
    let path = fixture.worktree();
    assert!(fixture.hook_ran());
    assert_eq!(fixture.run(&path, &["symbolic-ref", "--short", "HEAD"]), BRANCH);
}

#[test]
fn many_worktrees_can_be_made_at_once() {
    let fixture = Fixture::new();
    let head = fixture.id("HEAD", &fixture.root);
    thread::scope(|scope| {
        for number in 0..8 {
            let fixture = &fixture;
            scope.spawn(move || {
                let path = fixture.top().join(format!("workspaces/t/a{number}"));
                let branch = format!("clawteam/t/a{number}");
                let reused = fixture.git.add_worktree(&fixture.root, &path, &branch, "main");
                assert!(!reused.unwrap());
            });
        }
    });
    for number in 0..8 {
        let path = fixture.top().join(format!("workspaces/t/a{number}"));
        assert_eq!(fixture.id("HEAD", &path), head);
        assert_eq!(
            fixture.run(&path, &["symbolic-ref", "HEAD"]),
            format!("refs/heads/clawteam/t/a{number}")
        );
        assert!(fixture.git.status(&path).unwrap().is_clean());
    }
    assert_eq!(fixture.worktrees().matches("worktree ").count(), 9);
}

#[test]
fn a_lock_file_is_waited_for() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    write(&path.join("new"), "n\n");
    let lock = fixture.root.join(".git/worktrees/agent-1/index.lock");
    fs::write(&lock, "").unwrap();
    // The lock goes away as soon as a git has failed.
    let lock_name = lock.display();
    let git = fixture.with_wrapper(&format!("[ $status = 0 ] || rm -f '{lock_name}'"));
    assert!(git.commit_all(&path, "All").unwrap().is_some());
    assert!(!lock.exists());
}

#[test]
fn everything_is_committed_without_asking_anyone() {
    let fixture = Fixture::new();
    for hook in ["pre-commit", "commit-msg", "prepare-commit-msg"] {
        fixture.refusing_hook(hook);
    }
    fixture.run(&fixture.root, &["config", "commit.gpgSign", "true"]);
    fixture.run(&fixture.root, &["config", "gpg.program", "false"]);
    let path = fixture.worktree();
    assert_eq!(fixture.git.commit_all(&path, "Nothing").unwrap(), None);
    let base = fixture.id("HEAD", &path);

    fs::remove_file(path.join("README")).unwrap();
    write(&path.join("a file\nwith größe"), "x\n");
    write(&path.join("deep/new"), "n\n");
    let commit = fixture.git.commit_all(&path, "# A title\n\nText").unwrap().unwrap();
    assert_eq!(fixture.id("HEAD", &path), commit);
    assert_eq!(fixture.id("HEAD^", &path), base);
    assert_eq!(fixture.run(&path, &["log", "-1", "--format=%B"]).trim(), "# A title\n\nText");
    assert_eq!(
        fixture.run(&path, &["ls-tree", "-r", "-z", "--name-only", "HEAD"]),
        "a file\nwith größe\0deep/new\0"
    );
    assert!(fixture.git.status(&path).unwrap().is_clean());
    assert!(!fixture.hook_ran());
    assert_eq!(fixture.git.commit_all(&path, "Nothing").unwrap(), None);
}

#[test]
fn an_identity_is_made_up_only_where_none_is_configured() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let author = |number: &str| {
        write(&path.join("work"), number);
        fixture.git.commit_all(&path, "Work").unwrap().unwrap();
        fixture.run(&path, &["log", "-1", "--format=%cn <%ce>"])
    };
    let made_up = "clawteam <clawteam@localhost>";
    if std::env::var_os("GIT_COMMITTER_NAME").is_none() {
        assert_eq!(author("1"), made_up);
    }
    fixture.run(&fixture.root, &["config", "user.name", "Grace"]);
    fixture.run(&fixture.root, &["config", "user.email", "grace@example.org"]);
    let git = fixture.git.clone().with_env("GIT_COMMITTER_NAME", "Eve");
    assert_ne!(author("2"), made_up);
    write(&path.join("work"), "3");
    git.commit_all(&path, "Work").unwrap().unwrap();
    let committer = fixture.run(&path, &["log", "-1", "--format=%cn"]);
    assert_eq!(committer, "Eve");
}

#[test]
fn a_finished_merge_is_committed_but_conflicts_are_not() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.commit(&path, "README", "theirs\n");
    fixture.commit(&fixture.root, "README", "ours\n");
    fixture.fails(&path, &["merge", "-q", "main"]);
    let before = fixture.state(&path);
    let error = fixture.git.commit_all(&path, "All").unwrap_err();
    assert!(error.to_string().contains("unresolved conflicts in README"), "{error}");
    assert_eq!(fixture.state(&path), before);

    // Resolved to what was there before, there is still a merge to record.
    write(&path.join("README"), "theirs\n");
    fixture.run(&path, &["add", "README"]);
    let commit = fixture.git.commit_all(&path, "All").unwrap().unwrap();
    assert_eq!(fixture.run(&path, &["rev-parse", "HEAD^2"]), fixture.id("main", &fixture.root));
    assert_eq!(fixture.id("HEAD", &path), commit);
}

#[test]
fn a_failed_commit_leaves_the_index_as_it_was() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    write(&path.join("new"), "n\n");
    write(&path.join("README"), "changed\n");
    let before = fixture.state(&path);
    let git = fixture.git.clone().with_env("GIT_AUTHOR_DATE", "no date");
    let error = git.commit_all(&path, "All").unwrap_err();
    assert!(error.to_string().contains("invalid date"), "{error}");
    assert_eq!(fixture.state(&path), before);
}

#[test]
fn repositories_inside_a_worktree_are_not_committed_as_links() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    for name in ["with commit", "without"] {
        write(&path.join(name).join("file"), "x\n");
        fixture.run(&path.join(name), &["init", "-q"]);
    }
    fixture.commit(&path.join("with commit"), "more", "y\n");
    write(&path.join("new"), "n\n");
    fixture.git.commit_all(&path, "All").unwrap().unwrap();
    assert_eq!(fixture.run(&path, &["ls-tree", "-r", "--name-only", "HEAD"]), "README\nnew");
    assert_eq!(fixture.git.commit_all(&path, "All").unwrap(), None);
}

#[test]
fn only_registered_worktrees_are_removed() {
    let fixture = Fixture::new();
    let plain = fixture.top().join("plain");
    write(&plain.join("precious"), "x");
    let error = fixture.git.remove_worktree(&fixture.root, &plain).unwrap_err();
    assert!(error.to_string().contains("not a worktree"), "{error}");
    assert!(plain.join("precious").exists());
    let error = fixture.git.remove_worktree(&fixture.root, &fixture.root).unwrap_err();
    assert!(error.to_string().contains("own working tree"), "{error}");
    assert!(fixture.root.join("README").exists());

    let other = Fixture::new();
    let foreign = other.worktree();
    fixture.git.remove_worktree(&fixture.root, &foreign).unwrap_err();
    assert!(foreign.join("README").exists());

    let path = fixture.worktree();
    write(&path.join("README"), "changed\n");
    write(&path.join("untracked"), "x\n");
    fixture.git.remove_worktree(&fixture.root, &path).unwrap();
    assert!(!path.exists());
    assert!(fixture.git.resolve(&fixture.root, BRANCH).unwrap().is_some());
}

#[test]
fn a_worktree_deleted_by_hand_is_forgotten_alone() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let other = fixture.top().join("workspaces/t.1/other");
    fixture.git.add_worktree(&fixture.root, &other, "clawteam/t.1/other", "main").unwrap();
    fs::remove_dir_all(fixture.top().join("workspaces")).unwrap();
    fixture.git.remove_worktree(&fixture.root, &path).unwrap();
    let left = fixture.worktrees();
    assert!(!left.contains("agent-1"), "{left}");
    assert!(left.contains("other"), "{left}");
}

#[test]
fn a_worktree_without_its_link_can_be_removed() {
    let fixture = Fixture::new();
    for empty in [false, true] {
        let path = fixture.worktree();
        fs::remove_file(path.join(".git")).unwrap();
        if empty {
            fs::remove_file(path.join("README")).unwrap();
        }
        fixture.git.remove_worktree(&fixture.root, &path).unwrap();
        assert!(!path.exists());
        assert!(!fixture.worktrees().contains("agent-1"));
    }
}

#[test]
fn a_branch_is_deleted_only_at_the_expected_commit_and_when_unused() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let first = fixture.id("HEAD", &path);
    let error = fixture.git.delete_branch(&fixture.root, BRANCH, &first).unwrap_err();
    assert!(error.to_string().contains("checked out at"), "{error}");
    let second = fixture.commit(&path, "work", "w\n");
    fixture.run(&path, &["config", &format!("branch.{BRANCH}.remote"), "origin"]);
    fixture.git.remove_worktree(&fixture.root, &path).unwrap();
    for wrong in [first.as_str(), "", "HEAD"] {
        let error = fixture.git.delete_branch(&fixture.root, BRANCH, wrong).unwrap_err();
        assert!(error.to_string().contains("by now"), "{error}");
    }
    assert_eq!(fixture.git.resolve(&fixture.root, BRANCH).unwrap(), Some(second.clone()));
    fixture.git.delete_branch(&fixture.root, BRANCH, &second).unwrap();
    assert_eq!(fixture.git.resolve(&fixture.root, BRANCH).unwrap(), None);
    let config = fs::read_to_string(fixture.root.join(".git/config")).unwrap();
    assert!(!config.contains("[branch"), "{config}");
    let error = fixture.git.delete_branch(&fixture.root, BRANCH, &second).unwrap_err();
    assert!(matches!(error, GitError::UnknownRevision { .. }), "{error}");
}

#[test]
fn a_branch_being_rebased_is_not_deleted() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let commit = fixture.commit(&path, "README", "theirs\n");
    fixture.commit(&fixture.root, "README", "ours\n");
    fixture.fails(&path, &["rebase", "-q", "main"]);
    let error = fixture.git.delete_branch(&fixture.root, BRANCH, &commit).unwrap_err();
    assert!(error.to_string().contains("being rebased"), "{error}");
    fixture.run(&path, &["rebase", "--abort"]);
    assert_eq!(fixture.id("HEAD", &path), commit);
}

//! Work kept aside.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use clawteam::core::Diagnose;
use clawteam::ports::Git;
use clawteam::ports::git::{GitError, Salvage};

use super::{BRANCH, Fixture, SALVAGE, write};

const SAVED_AT: i64 = 1_767_225_600;

/// Salvages the agent's worktree and checks that nothing but the reference came to be.
fn salvage(fixture: &Fixture) -> Option<Salvage> {
    let path = fixture.path();
    let look = || {
        let worktree = path.join(".git").exists().then(|| fixture.state(&path));
        let all = fixture.run(&fixture.root, &["for-each-ref", "--exclude=refs/clawteam/"]);
        (fixture.state(&fixture.root), worktree, all, fixture.worktrees())
    };
    let before = look();
    let saved = fixture.git.salvage(&fixture.root, &path, BRANCH, SALVAGE).unwrap();
    assert_eq!(look(), before);
    let listed = fixture.git.list_salvage(&fixture.root, "refs/clawteam/salvage/t.1").unwrap();
    assert_eq!(listed, Vec::from_iter(saved.clone()));
    if let Some(saved) = &saved {
        assert_eq!((saved.reference.as_str(), saved.saved_at), (SALVAGE, SAVED_AT));
        assert_eq!(fixture.id(SALVAGE, &fixture.root), saved.commit);
    }
    saved
}

fn saved(fixture: &Fixture) -> Salvage {
    salvage(fixture).expect("there is something to save")
}

/// Removes worktree and branch, as happens after a salvage, and everything unreachable.
fn clear(fixture: &Fixture) {
    let tip = fixture.id(BRANCH, &fixture.root);
    fixture.git.remove_worktree(&fixture.root, &fixture.path()).unwrap();
    fixture.git.delete_branch(&fixture.root, BRANCH, &tip).unwrap();
    fixture.run(&fixture.root, &["reflog", "expire", "--expire=now", "--all"]);
    fixture.run(&fixture.root, &["gc", "-q", "--prune=now"]);
}

#[test]
fn where_nothing_would_be_lost_nothing_is_saved() {
    let fixture = Fixture::new();
    fixture.worktree();
    assert_eq!(salvage(&fixture), None);
    // Ignored files are not work.
    write(&fixture.root.join(".git/info/exclude"), "*.log\n");
    write(&fixture.path().join("build.log"), "x");
    assert_eq!(salvage(&fixture), None);
    assert_eq!(fixture.refs().matches("refs/clawteam").count(), 0);
    // Neither the worktree nor the branch ever existed.
    let nowhere = fixture.top().join("nowhere");
    let saved = fixture.git.salvage(&fixture.root, &nowhere, "nothing", SALVAGE).unwrap();
    assert_eq!(saved, None);
}

#[test]
fn every_kind_of_uncommitted_work_comes_back() {
    let fixture = Fixture::new();
    for file in ["gone", "both", "mode", "staged gone"] {
        write(&fixture.root.join(file), "1\n");
    }
    fixture.commit(&fixture.root, "more", "1\n");
    let path = fixture.worktree();

    write(&path.join("README"), "unstaged\n");
    write(&path.join("both"), "staged\n");
    write(&path.join("only staged"), "s\n");
    fixture.run(&path, &["add", "both", "only staged"]);
    fixture.run(&path, &["rm", "-q", "staged gone"]);
    write(&path.join("both"), "unstaged\n");
    fs::remove_file(path.join("only staged")).unwrap();
    fs::remove_file(path.join("gone")).unwrap();
    fs::set_permissions(path.join("mode"), fs::Permissions::from_mode(0o755)).unwrap();
    write(&path.join("deep/größe\nand line"), "u\n");
    symlink("deep/nowhere", path.join("link")).unwrap();

    let saved = saved(&fixture);
    assert_eq!(saved.unmerged_commits, 0);
    let expected = [
        "README",
        "both",
        "deep/größe\nand line",
        "gone",
        "link",
        "mode",
        "only staged",
        "staged gone",
    ];
    assert_eq!(saved.uncommitted_files, expected);
    clear(&fixture);

    fixture.git.restore_salvage(&fixture.root, SALVAGE, BRANCH).unwrap();
    assert!(fixture.git.add_worktree(&fixture.root, &path, BRANCH, "main").unwrap());
    let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
    assert_eq!(read("README"), "unstaged\n");
    assert_eq!(read("both"), "unstaged\n");
    assert_eq!(read("deep/größe\nand line"), "u\n");
    assert_eq!(fs::read_link(path.join("link")).unwrap(), Path::new("deep/nowhere"));
    assert_eq!(path.join("mode").metadata().unwrap().permissions().mode() & 0o111, 0o111);
    for absent in ["gone", "staged gone", "only staged"] {
        assert!(!path.join(absent).exists(), "{absent}");
    }
    // What was staged is below, and only there.
    let staged = format!("{}^2", saved.commit);
    assert_eq!(fixture.show(&staged, "only staged"), "s");
    assert_eq!(fixture.show(&staged, "both"), "staged");
    assert_eq!(fixture.show(&staged, "README"), "hello");
}

#[test]
fn what_is_staged_as_it_lies_there_needs_no_second_parent() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    write(&path.join("new"), "n\n");
    fixture.run(&path, &["add", "new"]);
    let saved = saved(&fixture);
    assert_eq!(saved.uncommitted_files, ["new"]);
    let parents = fixture.run(&fixture.root, &["log", "-1", "--format=%P", SALVAGE]);
    assert_eq!(parents, fixture.id(BRANCH, &fixture.root));
}

#[test]
fn staged_work_taken_back_from_the_files_is_saved_and_shown() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    write(&path.join("README"), "staged\n");
    fixture.run(&path, &["add", "README"]);
    write(&path.join("README"), "hello\n");
    let saved = saved(&fixture);
    assert_eq!(saved.uncommitted_files, ["README"]);
    assert_eq!(fixture.show(&format!("{}^2", saved.commit), "README"), "staged");
    let shown = fixture.git.show_salvage(&fixture.root, SALVAGE).unwrap();
    assert!(shown.contains("+staged"), "{shown}");
}

#[test]
fn a_change_in_the_instant_of_the_last_index_write_is_seen() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    // Same size and same times as the index believes: only the content tells, and only the age of
    // the index tells that it has to be looked at.
    fixture.run(&fixture.root, &["config", "core.trustctime", "false"]);
    fixture.run(&fixture.root, &["config", "core.checkStat", "minimal"]);
    let instant = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    let set_back = |file: &Path| {
        fs::File::options().write(true).open(file).unwrap().set_modified(instant).unwrap();
    };
    let file = path.join("README");
    set_back(&file);
    fixture.run(&path, &["update-index", "--refresh"]);
    fs::write(&file, "HELLO\n").unwrap();
    set_back(&file);
    set_back(&fixture.root.join(".git/worktrees/agent-1/index"));
    let saved = saved(&fixture);
    assert_eq!(saved.uncommitted_files, ["README"]);
    assert_eq!(fixture.show(SALVAGE, "README"), "HELLO");
}

#[test]
fn unmerged_commits_are_kept_as_they_are() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.commit(&path, "one", "1\n");
    let tip = fixture.commit(&path, "two", "2\n");
    let saved = saved(&fixture);
    assert_eq!((saved.commit.as_str(), saved.unmerged_commits), (tip.as_str(), 2));
    assert_eq!(saved.uncommitted_files, [] as [&str; 0]);
    clear(&fixture);
    let listed = fixture.git.list_salvage(&fixture.root, "refs/clawteam/salvage/").unwrap();
    assert_eq!(listed, [saved]);
    assert_eq!(fixture.show(SALVAGE, "two"), "2");
}

#[test]
fn commits_held_elsewhere_are_not_saved_again() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let tip = fixture.commit(&path, "one", "1\n");
    for name in ["refs/heads/keep", "refs/tags/keep", "refs/remotes/origin/keep"] {
        fixture.run(&fixture.root, &["update-ref", name, &tip]);
        assert_eq!(salvage(&fixture), None, "{name}");
        fixture.run(&fixture.root, &["update-ref", "-d", name]);
    }
    // Another salvage is no home: it is there to be deleted.
    fixture.run(&fixture.root, &["update-ref", "refs/clawteam/other", &tip]);
    assert_eq!(saved(&fixture).commit, tip);
}

#[test]
fn merged_and_squashed_work_is_not_saved() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.commit(&path, "one", "1\n");
    fixture.commit(&path, "two", "2\n");
    fixture.run(&fixture.root, &["merge", "-q", "--squash", BRANCH]);
    fixture.run(&fixture.root, &["commit", "-q", "-m", "Squashed"]);
    assert_eq!(salvage(&fixture), None);
    // Also when the target went on since.
    fixture.commit(&fixture.root, "later", "l\n");
    assert_eq!(salvage(&fixture), None);
    // Uncommitted work on top of it is still worth saving.
    write(&path.join("new"), "n\n");
    let saved = saved(&fixture);
    assert_eq!((saved.unmerged_commits, saved.uncommitted_files), (0, vec!["new".to_owned()]));
}

#[test]
fn a_squash_with_any_other_tree_is_no_proof() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let tip = fixture.commit(&path, "one", "1\n");
    fixture.commit(&fixture.root, "other", "o\n");
    fixture.run(&fixture.root, &["merge", "-q", "--squash", BRANCH]);
    fixture.run(&fixture.root, &["commit", "-q", "-m", "Squashed"]);
    assert_eq!(saved(&fixture).commit, tip);
}

#[test]
fn commits_that_cancel_out_are_still_saved() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.commit(&path, "README", "tried\n");
    let tip = fixture.commit(&path, "README", "hello\n");
    assert_eq!(saved(&fixture).commit, tip);
}

#[test]
fn commits_and_uncommitted_work_are_saved_together() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let tip = fixture.commit(&path, "one", "1\n");
    write(&path.join("two"), "2\n");
    let saved = saved(&fixture);
    assert_eq!((saved.unmerged_commits, saved.uncommitted_files.len()), (1, 1));
    clear(&fixture);
    assert_eq!(fixture.id(&format!("{SALVAGE}^1"), &fixture.root), tip);
    let shown = fixture.git.show_salvage(&fixture.root, SALVAGE).unwrap();
    for expected in ["one | 1 +", "two | 1 +", "+1", "+2", "2 files changed"] {
        assert!(shown.contains(expected), "{expected} is not in {shown}");
    }
}

#[test]
fn a_detached_head_ahead_of_its_branch_is_saved() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.run(&path, &["checkout", "-q", "--detach"]);
    let ahead = fixture.commit(&path, "one", "1\n");
    let saved = saved(&fixture);
    assert_eq!((saved.commit.as_str(), saved.unmerged_commits), (ahead.as_str(), 1));
}

#[test]
fn a_head_that_left_its_branch_is_saved_with_it() {
    for dirty in [false, true] {
        let fixture = Fixture::new();
        let path = fixture.worktree();
        let branch = fixture.commit(&path, "one", "1\n");
        fixture.run(&path, &["checkout", "-q", "--detach", "HEAD^"]);
        let head = fixture.commit(&path, "two", "2\n");
        if dirty {
            write(&path.join("three"), "3\n");
        }
        let saved = saved(&fixture);
        assert_eq!(saved.unmerged_commits, 2);
        assert_eq!(saved.uncommitted_files.len(), usize::from(dirty));
        clear(&fixture);
        for commit in [&head, &branch] {
            fixture.run(&fixture.root, &["merge-base", "--is-ancestor", commit, SALVAGE]);
        }
        assert_eq!(fixture.show(SALVAGE, "two"), "2");
    }
}

#[test]
fn a_merge_or_rebase_under_way_is_saved() {
    for action in ["merge", "rebase"] {
        let fixture = Fixture::new();
        let path = fixture.worktree();
        let tip = fixture.commit(&path, "README", "theirs\n");
        fixture.commit(&fixture.root, "README", "ours\n");
        fixture.fails(&path, &[action, "-q", "main"]);
        write(&path.join("new"), "n\n");
        let saved = saved(&fixture);
        assert_eq!(saved.uncommitted_files, ["README", "new"], "{action}");
        assert_eq!(saved.unmerged_commits, 1, "{action}");
        assert!(fixture.show(SALVAGE, "README").contains("<<<<<<<"), "{action}");
        fixture.run(&fixture.root, &["merge-base", "--is-ancestor", &tip, SALVAGE]);
    }
}

#[test]
fn an_unborn_branch_is_saved() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.run(&path, &["checkout", "-q", "--orphan", "alone"]);
    write(&path.join("new"), "n\n");
    let saved = saved(&fixture);
    assert_eq!(saved.uncommitted_files, ["README", "new"]);
    assert_eq!(fixture.show(SALVAGE, "new"), "n");
    assert!(fixture.git.show_salvage(&fixture.root, SALVAGE).unwrap().contains("new"));
}

#[test]
fn a_worktree_deleted_by_hand_leaves_commits_and_staged_work() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let tip = fixture.commit(&path, "one", "1\n");
    write(&path.join("two"), "2\n");
    fixture.run(&path, &["add", "two"]);
    write(&path.join("three"), "3\n");
    fs::remove_dir_all(&path).unwrap();
    let saved = saved(&fixture);
    assert_eq!((saved.unmerged_commits, saved.uncommitted_files), (1, vec!["two".to_owned()]));
    clear(&fixture);
    assert_eq!(fixture.id(&format!("{SALVAGE}^1"), &fixture.root), tip);
    assert_eq!(fixture.show(SALVAGE, "two"), "2");
}

#[test]
fn a_branch_without_any_worktree_is_saved() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let tip = fixture.commit(&path, "one", "1\n");
    fixture.git.remove_worktree(&fixture.root, &path).unwrap();
    assert_eq!(saved(&fixture).commit, tip);
    // A foreign directory at its place is not looked at.
    write(&path.join("foreign"), "x\n");
    fixture.run(&fixture.root, &["update-ref", "-d", SALVAGE]);
    assert_eq!(saved(&fixture).commit, tip);
}

#[test]
fn a_worktree_whose_link_is_lost_is_saved() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    write(&path.join("new"), "n\n");
    fs::remove_file(path.join(".git")).unwrap();
    assert_eq!(saved(&fixture).uncommitted_files, ["new"]);
    // The same if it leads to another repository now.
    fixture.run(&fixture.root, &["update-ref", "-d", SALVAGE]);
    fixture.run(&path, &["init", "-q"]);
    let saved = fixture.git.salvage(&fixture.root, &path, BRANCH, SALVAGE).unwrap().unwrap();
    assert_eq!(saved.uncommitted_files, ["new"]);
}

#[test]
fn files_of_repositories_inside_are_saved_as_files() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    for name in ["with größe", "without"] {
        write(&path.join(name).join("deep/file"), "x\n");
        fixture.run(&path.join(name), &["init", "-q"]);
    }
    fixture.commit(&path.join("with größe"), "more", "y\n");
    fs::remove_file(path.join("with größe/deep/file")).unwrap();
    let saved = saved(&fixture);
    assert_eq!(saved.uncommitted_files, ["with größe/more", "without/deep/file"]);
    assert_eq!(fixture.show(SALVAGE, "without/deep/file"), "x");
}

#[test]
fn submodules_do_not_stop_a_salvage() {
    let fixture = Fixture::new();
    let library = Fixture::new();
    let url = library.root.to_str().unwrap();
    let allow = ["-c", "protocol.file.allow=always"];
    fixture.run(&fixture.root, &[allow[0], allow[1], "submodule", "add", "-q", url, "lib"]);
    fixture.run(&fixture.root, &["commit", "-q", "-m", "Add lib"]);
    let path = fixture.worktree();
    assert_eq!(salvage(&fixture), None);
    fixture.run(&path, &[allow[0], allow[1], "submodule", "update", "-q", "--init"]);
    assert_eq!(salvage(&fixture), None);
    fixture.commit(&path.join("lib"), "inner", "i\n");
    write(&path.join("new"), "n\n");
    assert_eq!(saved(&fixture).uncommitted_files, ["lib", "new"]);
    fixture.git.remove_worktree(&fixture.root, &path).unwrap();
    assert!(!path.exists());
}

#[test]
fn refusing_hooks_and_a_missing_identity_do_not_matter() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    for hook in ["pre-commit", "commit-msg", "post-index-change", "post-commit"] {
        fixture.refusing_hook(hook);
    }
    fixture.run(&fixture.root, &["config", "commit.gpgSign", "true"]);
    fixture.run(&fixture.root, &["config", "gpg.program", "false"]);
    write(&path.join("new"), "n\n");
    saved(&fixture);
    assert_eq!(fixture.show(SALVAGE, "new"), "n");
}

#[test]
fn a_salvage_is_never_overwritten() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.commit(&path, "one", "1\n");
    let first = saved(&fixture).commit;
    fixture.commit(&path, "two", "2\n");
    let error = fixture.git.salvage(&fixture.root, &path, BRANCH, SALVAGE).unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
    assert_eq!(fixture.id(SALVAGE, &fixture.root), first);
}

#[test]
fn a_file_that_cannot_be_saved_fails_the_salvage() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    write(&path.join("x.big"), "x\n");
    write(&path.join(".gitattributes"), "*.big filter=broken\n");
    fixture.run(&fixture.root, &["config", "filter.broken.clean", "false"]);
    fixture.run(&fixture.root, &["config", "filter.broken.required", "true"]);
    let error = fixture.git.salvage(&fixture.root, &path, BRANCH, SALVAGE).unwrap_err();
    assert!(error.to_string().contains("x.big"), "{error}");
    assert_eq!(fixture.refs().matches("refs/clawteam").count(), 0);
}

#[test]
fn salvages_are_listed_by_age_below_a_prefix() {
    let fixture = Fixture::new();
    let head = fixture.id("HEAD", &fixture.root);
    for name in ["t/b/20260102T000000Z", "t/a/20260103T000000Z", "t/a/20260101T000000Z"] {
        fixture
            .run(&fixture.root, &["update-ref", &format!("refs/clawteam/salvage/{name}"), &head]);
    }
    fixture.run(&fixture.root, &["update-ref", "refs/clawteam/salvage/t2/a/1", &head]);
    let list = |prefix: &str| {
        let prefix = format!("refs/clawteam/salvage/{prefix}");
        let found = fixture.git.list_salvage(&fixture.root, &prefix).unwrap();
        let names = found.into_iter().map(|saved| saved.reference);
        names.map(|name| name.replace("refs/clawteam/salvage/", "")).collect::<Vec<_>>()
    };
    let of_t = ["t/a/20260101T000000Z", "t/b/20260102T000000Z", "t/a/20260103T000000Z"];
    assert_eq!(list("t"), of_t);
    assert_eq!(list("t/"), of_t);
    assert_eq!(list("t/b"), of_t[1..2]);
    assert_eq!(list("none"), [] as [&str; 0]);
}

#[test]
fn a_salvage_is_restored_to_a_new_branch_only() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let tip = fixture.commit(&path, "one", "1\n");
    saved(&fixture);
    let before = fixture.refs();
    let error = fixture.git.restore_salvage(&fixture.root, SALVAGE, "main").unwrap_err();
    assert!(error.to_string().contains("already exists"), "{error}");
    let missing = "refs/clawteam/salvage/none";
    for error in [
        fixture.git.restore_salvage(&fixture.root, missing, "new").unwrap_err(),
        fixture.git.show_salvage(&fixture.root, missing).unwrap_err(),
    ] {
        assert!(matches!(&error, GitError::UnknownRevision { name, .. } if name == missing));
        assert!(error.hint().is_some());
    }
    assert_eq!(fixture.refs(), before);
    fixture.git.restore_salvage(&fixture.root, SALVAGE, "rescued-1.0").unwrap();
    assert_eq!(fixture.id("refs/heads/rescued-1.0", &fixture.root), tip);
}

#[test]
fn a_salvage_merged_since_can_still_be_shown() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.commit(&path, "one", "1\n");
    saved(&fixture);
    fixture.run(&fixture.root, &["merge", "-q", "--ff-only", SALVAGE]);
    let shown = fixture.git.show_salvage(&fixture.root, SALVAGE).unwrap();
    assert!(shown.contains("one | 1 +"), "{shown}");
}

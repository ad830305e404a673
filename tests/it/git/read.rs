//! Discovery, names and status.

use std::fs;

use clawteam::core::Diagnose;
use clawteam::ports::Git;
use clawteam::ports::git::{GitError, WorktreeStatus};

use super::{BRANCH, Fixture, write};

#[test]
fn a_repository_is_found_from_any_directory_in_it() {
    let fixture = Fixture::new();
    let deep = fixture.root.join("src/größe x");
    fs::create_dir_all(&deep).unwrap();

    let at_top = fixture.git.discover(&fixture.root).unwrap();
    assert_eq!(at_top.root, fixture.root);
    assert_eq!((at_top.subpath.as_str(), at_top.head.as_str()), ("", "main"));
    assert!(!at_top.detached);

    let below = fixture.git.discover(&deep).unwrap();
    assert_eq!(below.root, fixture.root);
    assert_eq!(below.subpath, "src/größe x");

    let link = fixture.top().join("link");
    std::os::unix::fs::symlink(&deep, &link).unwrap();
    assert_eq!(fixture.git.discover(&link).unwrap(), below);
}

#[test]
fn a_detached_head_is_told_by_its_short_hash() {
    let fixture = Fixture::new();
    fixture.run(&fixture.root, &["checkout", "-q", "--detach"]);
    let found = fixture.git.discover(&fixture.root).unwrap();
    assert!(found.detached);
    assert_eq!(found.head, fixture.run(&fixture.root, &["rev-parse", "--short", "HEAD"]));
}

#[test]
fn a_linked_worktree_is_a_root_of_its_own_in_the_same_repository() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    let found = fixture.git.discover(&path).unwrap();
    assert_eq!((found.root.as_path(), found.head.as_str()), (path.as_path(), BRANCH));
    let common = fixture.root.join(".git").canonicalize().unwrap();
    assert_eq!(fixture.git.common_dir(&path).unwrap(), common);
    assert_eq!(fixture.git.common_dir(&fixture.root).unwrap(), common);

    let other = fixture.top().join("workspaces/t.1/other");
    fixture.git.add_worktree(&path, &other, "clawteam/t.1/other", BRANCH).unwrap();
    fixture.commit(&other, "new", "n\n");
    fixture.git.remove_worktree(&path, &other).unwrap();
    assert!(!other.exists());
}

#[test]
fn outside_of_a_repository_there_is_an_error_with_a_hint() {
    let fixture = Fixture::empty();
    for place in [fixture.top(), fixture.top().join("nowhere"), fixture.root.join(".git")] {
        let error = fixture.git.discover(&place).unwrap_err();
        assert!(matches!(error, GitError::NotARepository { .. }), "{place:?}: {error}");
        assert!(error.hint().is_some());
    }
    let error = fixture.git.common_dir(&fixture.top()).unwrap_err();
    assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
    let error = fixture.git.resolve(&fixture.top(), "main").unwrap_err();
    assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
}

#[test]
fn an_unborn_branch_is_discovered_by_name() {
    let fixture = Fixture::empty();
    let found = fixture.git.discover(&fixture.root).unwrap();
    assert_eq!((found.head.as_str(), found.detached), ("main", false));
}

#[test]
fn names_are_resolved_to_commits() {
    let fixture = Fixture::new();
    let head = fixture.id("HEAD", &fixture.root);
    fixture.run(&fixture.root, &["tag", "-a", "-m", "One", "v1"]);
    for name in ["main", "HEAD", "v1", "refs/heads/main", &head, &head[..8]] {
        assert_eq!(fixture.git.resolve(&fixture.root, name).unwrap(), Some(head.clone()), "{name}");
    }
    let blob = fixture.id("HEAD:README", &fixture.root);
    let absent = "0123456789012345678901234567890123456789";
    for name in ["nothing", "", "--all", "a b", "main..main", absent, &blob] {
        assert_eq!(fixture.git.resolve(&fixture.root, name).unwrap(), None, "{name}");
    }
}

#[test]
fn status_tells_staged_unstaged_and_untracked_apart() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    assert_eq!(fixture.git.status(&path).unwrap(), WorktreeStatus::default());
    assert!(fixture.git.status(&path).unwrap().is_clean());

    fixture.commit(&path, "tracked größe", "1\n");
    fixture.commit(&path, "gone", "1\n");
    write(&path.join("README"), "changed\n");
    fixture.run(&path, &["add", "README"]);
    write(&path.join("tracked größe"), "2\n");
    fs::remove_file(path.join("gone")).unwrap();
    write(&path.join("deep/new line\nname"), "x");
    write(&path.join(".gitignore"), "*.log\n");
    write(&path.join("build.log"), "x");
    let before = fixture.state(&path);

    let status = fixture.git.status(&path).unwrap();
    assert_eq!(status.staged, ["README"]);
    assert_eq!(status.unstaged, ["gone", "tracked größe"]);
    assert_eq!(status.untracked, [".gitignore", "deep/new line\nname"]);
    assert!(status.staged_stat.contains("README | 2 +-"), "{}", status.staged_stat);
    assert!(status.unstaged_stat.contains("2 files changed"), "{}", status.unstaged_stat);
    assert!(status.unstaged_stat.contains("größe"), "{}", status.unstaged_stat);
    assert!(!status.is_clean());
    assert_eq!(fixture.state(&path), before);
}

#[test]
fn files_that_only_a_filter_changes_are_not_changes() {
    let fixture = Fixture::new();
    fixture.commit(&fixture.root, ".gitattributes", "*.up filter=up\n");
    fixture.run(&fixture.root, &["config", "filter.up.clean", "tr a-z A-Z"]);
    fixture.run(&fixture.root, &["config", "filter.up.smudge", "tr A-Z a-z"]);
    fixture.commit(&fixture.root, "x.up", "abc\n");
    let path = fixture.worktree();
    assert_eq!(fs::read_to_string(path.join("x.up")).unwrap(), "abc\n");
    // Touched, so that the content has to be looked at.
    fs::write(path.join("x.up"), "abc\n").unwrap();
    assert_eq!(fixture.git.status(&path).unwrap().unstaged, [] as [&str; 0]);
    assert!(fixture.git.salvage(&fixture.root, &path, BRANCH, super::SALVAGE).unwrap().is_none());
}

#[test]
fn an_emptied_worktree_is_not_the_repository_around_it() {
    let fixture = Fixture::new();
    let inside = fixture.root.join("plain");
    fs::create_dir(&inside).unwrap();
    write(&fixture.root.join("precious"), "x");
    let before = fixture.state(&fixture.root);
    for error in [
        fixture.git.status(&inside).unwrap_err(),
        fixture.git.commit_all(&inside, "oops").unwrap_err(),
        fixture.git.status(&fixture.top().join("missing")).unwrap_err(),
        fixture.git.commit_all(&fixture.top().join("missing"), "oops").unwrap_err(),
    ] {
        assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
    }
    assert_eq!(fixture.state(&fixture.root), before);
}

#[test]
fn repositories_that_only_the_program_can_read_work_too() {
    let fixture = Fixture::empty();
    let root = fixture.top().join("other");
    fs::create_dir(&root).unwrap();
    let at = fixture.top();
    fixture.run(&at, &["init", "-q", "-b", "main", "--object-format=sha256", "other"]);
    let head = fixture.commit(&root, "README", "hello\n");
    assert_eq!(head.len(), 64);
    fs::create_dir(root.join("deep")).unwrap();

    let found = fixture.git.discover(&root.join("deep")).unwrap();
    assert_eq!((found.root.as_path(), found.subpath.as_str()), (root.as_path(), "deep"));
    assert_eq!((found.head.as_str(), found.detached), ("main", false));
    assert_eq!(fixture.git.resolve(&root, "main").unwrap(), Some(head.clone()));
    assert_eq!(fixture.git.resolve(&root, "nothing").unwrap(), None);
    assert_eq!(fixture.git.common_dir(&root).unwrap(), root.join(".git"));

    let path = fixture.path();
    assert!(!fixture.git.add_worktree(&root, &path, BRANCH, "main").unwrap());
    write(&path.join("new"), "n\n");
    write(&path.join("README"), "changed\n");
    let status = fixture.git.status(&path).unwrap();
    assert_eq!((status.unstaged, status.untracked), (vec!["README".into()], vec!["new".into()]));
    let saved = fixture.git.salvage(&root, &path, BRANCH, super::SALVAGE).unwrap().unwrap();
    assert_eq!(saved.uncommitted_files, ["README", "new"]);
    let commit = fixture.git.commit_all(&path, "All").unwrap().unwrap();
    fixture.git.merge(&root, BRANCH, "main", "Merge").unwrap();
    fixture.git.remove_worktree(&root, &path).unwrap();
    fixture.git.delete_branch(&root, BRANCH, &commit).unwrap();
    assert_eq!(fs::read_to_string(root.join("new")).unwrap(), "n\n");
}

//! Merges.

use std::fs;
use std::path::Path;

use clawteam::core::Diagnose;
use clawteam::ports::Git;
use clawteam::ports::git::{GitError, MergeOutcome};

use super::{BRANCH, Fixture, write};

/// The agent's worktree with one commit, and `main` with another.
fn diverged() -> Fixture {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.commit(&path, "work", "w\n");
    fixture.commit(&fixture.root, "later", "l\n");
    fixture
}

fn merge(fixture: &Fixture) -> Result<MergeOutcome, GitError> {
    fixture.git.merge(&fixture.root, BRANCH, "main", "Merge the work")
}

fn merged(outcome: MergeOutcome) -> String {
    match outcome {
        MergeOutcome::Merged { commit, summary } => {
            assert!(!summary.is_empty());
            commit
        }
        other => panic!("not merged: {other:?}"),
    }
}

/// Nothing of a merge is left but what is told: no temporary worktree.
fn assert_swept(fixture: &Fixture, worktrees: usize) {
    let list = fixture.worktrees();
    assert_eq!(list.matches("worktree ").count(), worktrees, "{list}");
}

#[test]
fn a_clean_checkout_follows_the_merge() {
    let fixture = diverged();
    let (old, source) = (fixture.id("main", &fixture.root), fixture.id(BRANCH, &fixture.root));
    let before = fixture.state(&fixture.path());
    write(&fixture.root.join("untracked"), "mine\n");
    let commit = merged(merge(&fixture).unwrap());
    assert_eq!(fixture.id("main", &fixture.root), commit);
    assert_eq!(fixture.run(&fixture.root, &["symbolic-ref", "--short", "HEAD"]), "main");
    assert_eq!(
        fixture.run(&fixture.root, &["log", "-1", "--format=%P %s"]),
        format!("{old} {source} Merge the work")
    );
    assert_eq!(fs::read_to_string(fixture.root.join("work")).unwrap(), "w\n");
    assert_eq!(fs::read_to_string(fixture.root.join("untracked")).unwrap(), "mine\n");
    assert_eq!(fixture.run(&fixture.root, &["status", "--porcelain"]), "?? untracked");
    assert_eq!(fixture.state(&fixture.path()), before);
    assert_swept(&fixture, 2);
}

#[test]
fn what_could_be_fast_forwarded_still_gets_a_merge_commit() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.commit(&path, "work", "w\n");
    let commit = merged(merge(&fixture).unwrap());
    assert_eq!(fixture.id(&format!("{commit}^2"), &path), fixture.id(BRANCH, &path));
    assert_eq!(fixture.id(&format!("{commit}^{{tree}}"), &path), fixture.id("HEAD^{tree}", &path));
}

#[test]
fn a_target_that_is_nowhere_checked_out_moves_alone() {
    let fixture = diverged();
    fixture.run(&fixture.root, &["checkout", "-q", "-b", "elsewhere"]);
    write(&fixture.root.join("README"), "dirty\n");
    write(&fixture.root.join("staged"), "s\n");
    fixture.run(&fixture.root, &["add", "staged"]);
    let before = fixture.state(&fixture.root);
    let commit = merged(merge(&fixture).unwrap());
    assert_eq!(fixture.id("refs/heads/main", &fixture.root), commit);
    assert_eq!(fixture.show("main", "work"), "w");
    assert_eq!(fixture.show("main", "README"), "hello");
    assert_eq!(fixture.state(&fixture.root), before);
    assert_swept(&fixture, 2);
}

#[test]
fn a_target_checked_out_in_a_linked_worktree_is_kept_in_step() {
    let fixture = diverged();
    fixture.run(&fixture.root, &["checkout", "-q", "--detach"]);
    let linked = fixture.top().join("linked");
    fixture.run(&fixture.root, &["worktree", "add", "-q", linked.to_str().unwrap(), "main"]);
    let before = fixture.state(&fixture.root);
    merged(merge(&fixture).unwrap());
    assert_eq!(fs::read_to_string(linked.join("work")).unwrap(), "w\n");
    assert_eq!(fixture.run(&linked, &["status", "--porcelain"]), "");
    assert_eq!(fixture.state(&fixture.root), before);
}

fn assert_dirty(fixture: &Fixture, expected: &[&str]) {
    let before = (fixture.state(&fixture.root), fixture.refs());
    let error = merge(fixture).unwrap_err();
    match &error {
        GitError::CheckoutDirty { branch, path, files } => {
            assert_eq!((branch.as_str(), path), ("main", &fixture.root));
            assert_eq!(files, expected);
        }
        other => panic!("{other}"),
    }
    assert!(error.hint().is_some());
    assert_eq!((fixture.state(&fixture.root), fixture.refs()), before);
    assert_swept(fixture, 2);
}

#[test]
fn a_checkout_with_changes_is_refused() {
    let fixture = diverged();
    write(&fixture.root.join("README"), "dirty\n");
    assert_dirty(&fixture, &["README"]);
    fixture.run(&fixture.root, &["add", "README"]);
    assert_dirty(&fixture, &["README"]);
    fixture.run(&fixture.root, &["reset", "-q", "--hard"]);
    fixture.run(&fixture.root, &["mv", "later", "a größe\nname"]);
    assert_dirty(&fixture, &["a größe\nname", "later"]);
    fixture.run(&fixture.root, &["reset", "-q", "--hard"]);
    fs::remove_file(fixture.root.join("later")).unwrap();
    assert_dirty(&fixture, &["later"]);
}

#[test]
fn a_checkout_with_changes_is_refused_before_any_work() {
    let fixture = diverged();
    write(&fixture.root.join("README"), "dirty\n");
    let record = fixture.top().join("runs");
    let git = fixture.with_wrapper(&format!("echo \"$*\" >> '{}'", record.display()));
    git.merge(&fixture.root, BRANCH, "main", "M").unwrap_err();
    let runs = fs::read_to_string(record).unwrap();
    assert!(runs.contains("diff --name-only") && !runs.contains("worktree add"), "{runs}");
}

#[test]
fn an_untracked_file_in_the_way_is_kept() {
    let fixture = diverged();
    write(&fixture.root.join("work"), "mine\n");
    let before = (fixture.state(&fixture.root), fixture.refs());
    let error = merge(&fixture).unwrap_err();
    assert!(error.to_string().contains("untracked working tree files"), "{error}");
    assert_eq!((fixture.state(&fixture.root), fixture.refs()), before);
    assert_swept(&fixture, 2);
}

#[test]
fn conflicts_are_listed_and_change_nothing() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    for file in ["a größe\nname", "-dash", "clean"] {
        write(&path.join(file), "theirs\n");
    }
    fixture.commit(&path, "README", "theirs\n");
    for file in ["a größe\nname", "-dash"] {
        write(&fixture.root.join(file), "ours\n");
    }
    fs::remove_file(fixture.root.join("README")).unwrap();
    fixture.commit(&fixture.root, "later", "l\n");
    let before = (fixture.state(&fixture.root), fixture.state(&path), fixture.refs());
    match merge(&fixture).unwrap() {
        MergeOutcome::Conflicts { files, output } => {
            assert_eq!(files, ["-dash", "README", "a größe\nname"]);
            assert!(output.contains("CONFLICT (modify/delete): README"), "{output}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((fixture.state(&fixture.root), fixture.state(&path), fixture.refs()), before);
    assert_swept(&fixture, 2);
}

#[test]
fn what_is_already_there_is_up_to_date() {
    let fixture = Fixture::new();
    fixture.worktree();
    // Even where the checkout would be in the way.
    write(&fixture.root.join("README"), "dirty\n");
    assert_eq!(merge(&fixture).unwrap(), MergeOutcome::UpToDate);
    fixture.run(&fixture.root, &["checkout", "-q", "README"]);
    fixture.commit(&fixture.path(), "work", "w\n");
    merged(merge(&fixture).unwrap());
    assert_eq!(merge(&fixture).unwrap(), MergeOutcome::UpToDate);
}

#[test]
fn only_a_local_branch_can_be_the_target() {
    let fixture = diverged();
    fixture.run(&fixture.root, &["tag", "v1"]);
    let head = fixture.id("HEAD", &fixture.root);
    let before = fixture.refs();
    for target in ["nothing", "v1", "HEAD", head.as_str(), ""] {
        let error = fixture.git.merge(&fixture.root, BRANCH, target, "M").unwrap_err();
        assert!(matches!(error, GitError::UnknownRevision { .. }), "{target}: {error}");
        assert!(error.to_string().contains(&format!("'refs/heads/{target}'")), "{error}");
        assert!(error.hint().unwrap().contains("local branch"));
    }
    let error = fixture.git.merge(&fixture.root, "nothing", "main", "M").unwrap_err();
    assert!(matches!(&error, GitError::UnknownRevision { name, .. } if name == "nothing"));
    assert_eq!(fixture.refs(), before);
}

#[test]
fn hooks_cannot_refuse_a_merge() {
    let fixture = diverged();
    for hook in ["pre-commit", "pre-merge-commit", "commit-msg", "prepare-commit-msg"] {
        fixture.refusing_hook(hook);
    }
    fixture.refusing_hook("post-checkout");
    merged(merge(&fixture).unwrap());
    assert!(!fixture.hook_ran());
}

#[test]
fn a_refusal_by_the_reference_store_leaves_everything() {
    let fixture = diverged();
    fixture.run(&fixture.root, &["checkout", "-q", "-b", "elsewhere"]);
    let hook = fixture.root.join(".git/hooks/reference-transaction");
    // Lets everything pass but a change of `main`.
    write(&hook, "#!/bin/sh\n[ \"$1\" = prepared ] || exit 0\n! grep -q refs/heads/main\n");
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let before = (fixture.state(&fixture.root), fixture.refs());
    let error = merge(&fixture).unwrap_err();
    assert!(error.to_string().contains("aborted by hook"), "{error}");
    assert_eq!((fixture.state(&fixture.root), fixture.refs()), before);
    assert_swept(&fixture, 2);
}

/// A script for the wrapper that commits to the bare branch `main` after git has made a merge.
fn rival(fixture: &Fixture, times: usize) -> String {
    let count = fixture.top().join("rivals");
    format!(
        "case \"$*\" in *--no-ff*)
            count=$(cat '{count}' 2>/dev/null || echo 0)
            if [ $count -lt {times} ]; then
                echo $((count + 1)) > '{count}'
                cd '{root}'
                export GIT_AUTHOR_NAME=R GIT_AUTHOR_EMAIL=r@r GIT_COMMITTER_NAME=R GIT_COMMITTER_EMAIL=r@r
                new=$(git commit-tree -p main -m \"Rival $count\" 'main^{{tree}}')
                git update-ref refs/heads/main $new
            fi;;
        esac",
        count = count.display(),
        root = fixture.root.display(),
    )
}

#[test]
fn a_target_that_moves_meanwhile_is_merged_anew() {
    let fixture = diverged();
    fixture.run(&fixture.root, &["checkout", "-q", "-b", "elsewhere"]);
    let git = fixture.with_wrapper(&rival(&fixture, 2));
    let commit = merged(git.merge(&fixture.root, BRANCH, "main", "M").unwrap());
    assert_eq!(fixture.id("main", &fixture.root), commit);
    let below = format!("{commit}^1");
    assert_eq!(fixture.run(&fixture.root, &["log", "-1", "--format=%s", &below]), "Rival 1");
    assert_swept(&fixture, 2);
}

#[test]
fn a_target_that_never_rests_is_given_up() {
    let fixture = diverged();
    fixture.run(&fixture.root, &["checkout", "-q", "-b", "elsewhere"]);
    let git = fixture.with_wrapper(&rival(&fixture, 3));
    let error = git.merge(&fixture.root, BRANCH, "main", "M").unwrap_err();
    assert!(error.to_string().contains("moved during each of 3 attempts"), "{error}");
    assert_eq!(fixture.run(&fixture.root, &["log", "-1", "--format=%s", "main"]), "Rival 2");
    assert_swept(&fixture, 2);
}

#[test]
fn a_target_with_another_tree_afterwards_is_told() {
    let fixture = diverged();
    // Runs right after the branch was moved, as a careless hook would.
    let script = "case \"$*\" in *--ff-only*) git checkout -q HEAD^ -- . && git rm -qf work && \
        git -c user.name=R -c user.email=r@r commit -qm Spoiled;; esac";
    let git = fixture.with_wrapper(script);
    let error = git.merge(&fixture.root, BRANCH, "main", "M").unwrap_err();
    let found = fixture.id("main^{tree}", &fixture.root);
    match &error {
        GitError::TreeDiffers { branch, expected, found: told } => {
            assert_eq!((branch.as_str(), told), ("main", &found));
            assert_eq!(expected, &fixture.id("main^^{tree}", &fixture.root));
        }
        other => panic!("{other}"),
    }
    assert_swept(&fixture, 2);
}

#[test]
fn a_merge_of_unrelated_histories_is_refused() {
    let fixture = Fixture::new();
    fixture.run(&fixture.root, &["checkout", "-q", "--orphan", "alone"]);
    fixture.commit(&fixture.root, "other", "o\n");
    fixture.run(&fixture.root, &["checkout", "-q", "main"]);
    let before = (fixture.state(&fixture.root), fixture.refs());
    let error = fixture.git.merge(&fixture.root, "alone", "main", "M").unwrap_err();
    assert!(error.to_string().contains("unrelated histories"), "{error}");
    assert_eq!((fixture.state(&fixture.root), fixture.refs()), before);
    assert_swept(&fixture, 1);
}

#[test]
fn a_target_in_the_middle_of_something_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.worktree();
    fixture.commit(&path, "work", "w\n");
    fixture.run(&fixture.root, &["checkout", "-q", "-b", "other"]);
    fixture.commit(&fixture.root, "README", "theirs\n");
    fixture.run(&fixture.root, &["checkout", "-q", "main"]);
    fixture.commit(&fixture.root, "README", "ours\n");
    fixture.fails(&fixture.root, &["rebase", "-q", "other"]);
    let before = (fixture.state(&fixture.root), fixture.refs());
    let error = merge(&fixture).unwrap_err();
    assert!(error.to_string().contains("being rebased"), "{error}");
    assert_eq!((fixture.state(&fixture.root), fixture.refs()), before);

    fixture.run(&fixture.root, &["rebase", "--abort"]);
    fixture.fails(&fixture.root, &["merge", "-q", "other"]);
    assert_dirty(&fixture, &["README"]);
}

#[test]
fn merging_does_not_depend_on_the_user_settings() {
    let fixture = diverged();
    for (name, value) in [
        ("commit.gpgSign", "true"),
        ("gpg.program", "false"),
        ("merge.ff", "only"),
        ("merge.verifySignatures", "true"),
        ("merge.stat", "false"),
        ("branch.main.mergeOptions", "--squash --no-ff"),
        ("diff.noprefix", "true"),
        ("diff.external", "false"),
        ("color.ui", "always"),
        ("core.pager", "false"),
        ("core.editor", "false"),
        ("user.useConfigOnly", "true"),
    ] {
        fixture.run(&fixture.root, &["config", name, value]);
    }
    let (old, source) = (fixture.id("main", &fixture.root), fixture.id(BRANCH, &fixture.root));
    merged(merge(&fixture).unwrap());
    let parents = fixture.run(&fixture.root, &["log", "-1", "--no-color", "--format=%P"]);
    assert_eq!(parents, format!("{old} {source}"));
}

#[test]
fn temporary_files_stay_out_of_the_repository() {
    let fixture = diverged();
    let list = |path: &Path| {
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = list(&fixture.root.join(".git/worktrees"));
    merged(merge(&fixture).unwrap());
    assert_eq!(list(&fixture.root.join(".git/worktrees")), before);
    assert_eq!(list(&fixture.root), [".git", "README", "later", "work"]);
}

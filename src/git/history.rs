//! Making a repository, and reading what was committed in it.

use std::collections::BTreeMap;
use std::path::Path;

use super::GitProgram;
use crate::ports::git::{CommitInfo, GitError};

impl GitProgram {
    pub(super) fn make_repository(
        &self,
        directory: &Path,
        branch: &str,
        identity: (&str, &str),
    ) -> Result<(), GitError> {
        // `init --initial-branch` is newer than some gits that are around.
        self.at(directory).args(["init", "--quiet"]).bytes()?;
        let head = format!("refs/heads/{branch}");
        self.at_top(directory).args(["symbolic-ref", "HEAD", &head]).bytes()?;
        let settings =
            [("user.name", identity.0), ("user.email", identity.1), ("commit.gpgSign", "false")];
        for (name, value) in settings {
            self.at_top(directory).args(["config", "--local", name, value]).bytes()?;
        }
        Ok(())
    }

    pub(super) fn read_history(&self, root: &Path) -> Result<Vec<CommitInfo>, GitError> {
        let format = "--format=%H%x00%an%x00%P%x00%s";
        let run = self.at(root).args(["log", "--branches", "--reverse", "--topo-order", format]);
        let text = run.text()?;
        Ok(text.lines().filter_map(commit).collect())
    }

    pub(super) fn read_changed_lines(
        &self,
        root: &Path,
        base: &str,
        branch: &str,
    ) -> Result<BTreeMap<String, Vec<(usize, usize)>>, GitError> {
        let range = format!("{base}...refs/heads/{branch}");
        let plain = ["--no-color", "--no-ext-diff", "--no-renames", "-U0"];
        let run = self.at(root).setting("core.quotePath", "false").arg("diff").args(plain);
        let run = run.args(["--src-prefix=a/", "--dst-prefix=b/", "--end-of-options"]);
        let bytes = run.args([range.as_str(), "--"]).bytes()?;
        Ok(changed_lines(&String::from_utf8_lossy(&bytes)))
    }
}

/// The places in a diff without context.
fn changed_lines(diff: &str) -> BTreeMap<String, Vec<(usize, usize)>> {
    let mut files: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    let mut file: Option<&str> = None;
    // How many lines of the present place are still to come; they may look like anything.
    let mut left = 0;
    for line in diff.lines() {
        if left > 0 && line.starts_with(['+', '-']) {
            left -= 1;
        } else if let Some(names) = line.strip_prefix("diff --git ") {
            // Both names are the same: a binary or an empty file has no other line with its name.
            let name = names.get(names.len() / 2 + 1..).and_then(|name| name.strip_prefix("b/"));
            file = name;
            if let Some(name) = name {
                files.entry(name.to_owned()).or_default();
            }
        } else if let Some((removed, added)) = place(line) {
            left = removed.1 + added.1;
            if let Some(places) = file.and_then(|name| files.get_mut(name)) {
                places.push((added.0, added.0 + added.1.max(1) - 1));
            }
        }
    }
    files
}

/// Start and length of what was removed and of what was added, from `@@ -1,2 +3,4 @@`.
fn place(line: &str) -> Option<((usize, usize), (usize, usize))> {
    let (removed, rest) = line.strip_prefix("@@ -")?.split_once(" +")?;
    let added = rest.split(' ').next()?;
    let part = |text: &str| {
        let (start, length) = text.split_once(',').unwrap_or((text, "1"));
        Some((start.parse().ok()?, length.parse().ok()?))
    };
    Some((part(removed)?, part(added)?))
}

fn commit(line: &str) -> Option<CommitInfo> {
    let mut fields = line.split('\0');
    let (id, author, parents) = (fields.next()?, fields.next()?, fields.next()?);
    Some(CommitInfo {
        id: id.to_owned(),
        author: author.to_owned(),
        is_merge: parents.contains(' '),
        subject: fields.next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_whatever_the_lines_look_like() {
        let diff = "diff --git a/a b.txt b/a b.txt\nindex 1..2 100644\n--- a/a b.txt\n\
                    +++ b/a b.txt\n@@ -3 +3,2 @@ fn x\n-old\n+@@ -9 +9 @@\n+diff --git a/x b/x\n\
                    @@ -7,2 +8,0 @@\n-a\n-b\n\\ No newline at end of file\n\
                    diff --git a/bin b/bin\nBinary files a/bin and b/bin differ\n";
        let found = changed_lines(diff);
        let expected = [("a b.txt".to_owned(), vec![(3, 4), (8, 8)]), ("bin".to_owned(), vec![])];
        assert_eq!(found, BTreeMap::from(expected));
    }
}

//! Making a repository, and reading what was committed in it.

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

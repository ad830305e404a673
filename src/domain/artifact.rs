//! Artifacts: what tasks and runs bring forth, in versions that never change.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Extra;
use crate::core::{Diagnose, Digest, Exit, Name, Stamp, TaskId, limits};

/// The schema of [`Artifact`].
pub const SCHEMA: &str = "clawteam.artifact/1";

/// What an artifact can belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnerKind {
    /// A task.
    Task,
    /// A run of a workflow.
    Run,
}

impl OwnerKind {
    /// The kind as documents and paths name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Run => "run",
        }
    }
}

/// Whom an artifact belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// What it is.
    pub kind: OwnerKind,
    /// Its identifier.
    pub id: Name,
}

impl Owner {
    /// A task.
    pub fn task(id: &TaskId) -> Self {
        let id = Name::parse(id.as_str()).expect("a task id is checked as a name is");
        Self { kind: OwnerKind::Task, id }
    }

    /// A run.
    pub fn run(id: &Name) -> Self {
        Self { kind: OwnerKind::Run, id: id.clone() }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", self.kind.as_str(), self.id)
    }
}

/// A version of an artifact. Never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Its number, from 1 on.
    pub version: u32,
    /// The digest of its content, under which the content is kept.
    pub digest: Digest,
    /// How long the content is.
    pub bytes: u64,
    /// What kind of content it is, as far as its name and its first bytes tell.
    pub media_type: String,
    /// Who added it.
    pub by: String,
    /// When.
    pub at: Stamp,
    /// Where it comes from: a file, or what made it.
    #[serde(default)]
    pub source: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An artifact: `artifacts/<team>/<kind>-<owner>/<name>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The format of the document.
    pub schema: String,
    /// Its name, which is its own among those of its owner.
    pub name: Name,
    /// Whom it belongs to.
    pub owner: Owner,
    /// Its versions, oldest first.
    pub versions: Vec<Version>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Why an artifact cannot be added or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// There is no such artifact.
    #[error("{owner} has no artifact '{name}'")]
    NotFound {
        /// Whose it would be.
        owner: Owner,
        /// The name.
        name: Name,
        /// The team.
        team: String,
    },
    /// There is no such version.
    #[error("artifact '{name}' has no version {version}, only 1 to {latest}")]
    NoVersion {
        /// The artifact.
        name: Name,
        /// The version that was asked for.
        version: u32,
        /// The last one.
        latest: u32,
    },
    /// It is too large.
    #[error(
        "{what} has {bytes} bytes; an artifact has at most {} (256 MiB)",
        limits::ARTIFACT_BYTES_MAX
    )]
    TooLarge {
        /// What is too large.
        what: String,
        /// How large it is.
        bytes: u64,
    },
    /// The content of a version is gone.
    #[error("the content {path} is missing")]
    Missing {
        /// The file.
        path: String,
    },
    /// The content of a version is not what was put there.
    #[error("the content {path} is damaged: its digest is {found}")]
    Damaged {
        /// The file.
        path: String,
        /// The digest of what is there.
        found: Digest,
    },
}

impl Diagnose for ArtifactError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "artifact_not_found",
            Self::NoVersion { .. } => "version_not_found",
            Self::TooLarge { .. } => "artifact_too_large",
            Self::Missing { .. } => "blob_missing",
            Self::Damaged { .. } => "blob_damaged",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { owner, team, .. } => Some(format!(
                "see what there is: clawteam artifact list {team} --{} {}",
                owner.kind.as_str(),
                owner.id
            )),
            Self::NoVersion { .. } => None,
            Self::TooLarge { .. } => {
                Some("keep it elsewhere, and add a file that says where and its digest".into())
            }
            Self::Missing { .. } | Self::Damaged { .. } => Some(
                "adding the same content again repairs it; `clawteam doctor` names all such files"
                    .into(),
            ),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } | Self::NoVersion { .. } => Exit::NotFound,
            Self::TooLarge { .. } | Self::Missing { .. } | Self::Damaged { .. } => Exit::Invalid,
        }
    }
}

/// Content that is to become a version.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// Its digest.
    pub digest: Digest,
    /// How long it is.
    pub bytes: u64,
    /// What kind of content it is.
    pub media_type: String,
    /// Who adds it.
    pub by: String,
    /// When.
    pub at: Stamp,
    /// Where it comes from.
    pub source: String,
}

impl Artifact {
    /// An artifact without versions.
    pub fn new(owner: Owner, name: Name) -> Self {
        let (versions, extra) = (Vec::new(), Extra::new());
        Self { schema: SCHEMA.into(), name, owner, versions, extra }
    }

    /// The newest version; `None` only before there is any.
    pub fn latest(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// A version, or the newest.
    pub fn version(&self, number: Option<u32>) -> Result<&Version, ArtifactError> {
        let latest = self.latest().map_or(0, |version| version.version);
        let number = number.unwrap_or(latest);
        let found = self.versions.iter().find(|version| version.version == number);
        found.ok_or(ArtifactError::NoVersion { name: self.name.clone(), version: number, latest })
    }

    /// Adds a version, unless the newest one has this content. Whether it did.
    pub fn add(&mut self, new: NewVersion) -> bool {
        if self.latest().is_some_and(|latest| latest.digest == new.digest) {
            return false;
        }
        self.versions.push(Version {
            version: self.latest().map_or(0, |latest| latest.version) + 1,
            digest: new.digest,
            bytes: new.bytes,
            media_type: new.media_type,
            by: new.by,
            at: new.at,
            source: new.source,
            extra: Extra::new(),
        });
        true
    }
}

/// Endings of names with what is behind them. Everything else is text if it reads as text.
const MEDIA_TYPES: [(&str, &str); 18] = [
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("csv", "text/csv"),
    ("css", "text/css"),
    ("js", "text/javascript"),
    ("diff", "text/x-diff"),
    ("patch", "text/x-diff"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("toml", "application/toml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
    ("gz", "application/gzip"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
];

/// What kind of content `bytes` with the name `name` are.
pub fn media_type(name: &str, bytes: &[u8]) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match MEDIA_TYPES.iter().find(|(known, _)| *known == ending) {
        Some((_, media_type)) => media_type,
        None if is_text(bytes) => "text/plain",
        None => "application/octet-stream",
    }
}

/// Whether `bytes` are text that can be compared line by line.
pub fn is_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> NewVersion {
        NewVersion {
            digest: Digest::of(text.as_bytes()),
            bytes: text.len() as u64,
            media_type: "text/plain".into(),
            by: "ann".into(),
            at: Stamp::from("2026-01-01T00:00:00+00:00".to_owned()),
            source: "a file".into(),
        }
    }

    fn artifact() -> Artifact {
        let owner = Owner::task(&TaskId::parse("t1").expect("a task id"));
        Artifact::new(owner, Name::parse("report.md").expect("a name"))
    }

    #[test]
    fn a_version_is_added_only_if_the_content_is_another() {
        let mut artifact = artifact();
        let added = ["a", "a", "b", "a"].map(|text| artifact.add(content(text)));
        assert_eq!(added, [true, false, true, true]);
        let seen: Vec<_> =
            artifact.versions.iter().map(|v| (v.version, v.digest.clone())).collect();
        let expected = [(1, "a"), (2, "b"), (3, "a")];
        assert_eq!(seen, expected.map(|(number, text)| (number, Digest::of(text.as_bytes()))));
    }

    #[test]
    fn a_version_is_found_by_its_number() {
        let mut artifact = artifact();
        assert!(artifact.version(None).is_err(), "there is none yet");
        artifact.add(content("a"));
        artifact.add(content("b"));
        let number = |wanted| artifact.version(wanted).map(|version| version.version);
        assert_eq!([number(None), number(Some(1))], [Ok(2), Ok(1)]);
        assert!(matches!(number(Some(3)), Err(ArtifactError::NoVersion { latest: 2, .. })));
        assert!(number(Some(0)).is_err());
    }

    #[test]
    fn what_a_content_is_can_be_told() {
        for (name, bytes, expected) in [
            ("a.md", &b"# x"[..], "text/markdown"),
            ("A.PNG", b"\x89PNG\0", "image/png"),
            ("notes", "gr\u{fc}n".as_bytes(), "text/plain"),
            ("notes", b"a\0b", "application/octet-stream"),
            ("notes", b"\xff\xfe", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name, bytes), expected, "{name}");
        }
    }
}

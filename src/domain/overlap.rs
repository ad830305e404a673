//! Files that several agents change, and how likely that is a conflict.

use serde::Serialize;

use crate::core::{FileChange, Place};

/// What merging two changes of a file comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// They contradict each other: git would not merge them by itself.
    High,
    /// They are in other places of the file.
    Medium,
    /// Both made the same of it.
    Low,
}

impl Severity {
    /// The severity as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// A file that several agents change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlap {
    /// The file.
    pub file: String,
    /// The agents, sorted.
    pub agents: Vec<String>,
    /// The worst that two of them have come to.
    pub severity: Severity,
    /// Those of the agents whose change of it is not committed, or not all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncommitted: Vec<String>,
}

/// What two changes of a file, both counted from the same older version, come to.
///
/// The rule is that of git's three-way merge: changes that meet or lie side by side contradict
/// each other unless they are the same; a file that one deletes and the other changes does, too.
pub fn severity(one: &FileChange, two: &FileChange) -> Severity {
    if one.deleted && two.deleted {
        return Severity::Low;
    }
    if one.deleted || two.deleted {
        return Severity::High;
    }
    if one.content == two.content {
        return Severity::Low;
    }
    if one.binary || two.binary {
        return Severity::High;
    }
    let contradicts = |a: &Place| two.places.iter().any(|b| a != b && touches(a, b));
    if one.places.iter().any(contradicts) { Severity::High } else { Severity::Medium }
}

/// Whether no unchanged line is between two places.
fn touches(a: &Place, b: &Place) -> bool {
    a.start <= b.start + b.removed && b.start <= a.start + a.removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(places: &[(usize, usize, u64)]) -> FileChange {
        let places: Vec<Place> = places
            .iter()
            .map(|(start, removed, digest)| Place {
                start: *start,
                removed: *removed,
                added: 1,
                digest: *digest,
            })
            .collect();
        let content = format!("{places:?}");
        FileChange { path: "f".into(), deleted: false, binary: false, content, places }
    }

    #[test]
    fn changes_that_meet_contradict_each_other_unless_they_are_the_same() {
        let of = |a: &[(usize, usize, u64)], b: &[(usize, usize, u64)]| {
            let (a, b) = (change(a), change(b));
            assert_eq!(severity(&a, &b), severity(&b, &a));
            severity(&a, &b)
        };
        assert_eq!(of(&[(3, 2, 1)], &[(4, 1, 2)]), Severity::High, "the same line");
        assert_eq!(of(&[(3, 2, 1)], &[(5, 1, 2)]), Severity::High, "the next line");
        assert_eq!(of(&[(3, 2, 1)], &[(6, 1, 2)]), Severity::Medium, "a line between them");
        assert_eq!(of(&[(3, 0, 1)], &[(3, 0, 2)]), Severity::High, "added at the same place");
        assert_eq!(of(&[(3, 0, 1)], &[(4, 0, 2)]), Severity::Medium);
        assert_eq!(of(&[(3, 1, 1)], &[(3, 1, 1)]), Severity::Low, "the same change");
        assert_eq!(of(&[(3, 1, 1), (9, 1, 2)], &[(3, 1, 1)]), Severity::Medium);
    }

    #[test]
    fn files_that_go_or_are_no_text_contradict_every_change() {
        let text = change(&[(1, 1, 1)]);
        let gone = FileChange { deleted: true, places: vec![], ..text.clone() };
        let binary = |content: &str| FileChange {
            binary: true,
            places: vec![],
            content: content.into(),
            ..text.clone()
        };
        assert_eq!(severity(&gone, &gone), Severity::Low);
        assert_eq!(severity(&gone, &text), Severity::High);
        assert_eq!(severity(&binary("a"), &binary("b")), Severity::High);
        assert_eq!(severity(&binary("a"), &binary("a")), Severity::Low);
    }
}

//! Records that hold on to each other: each names the digest of the one before it.
//!
//! A line of such a journal is a JSON object whose last two fields are `prev`, the hash of the
//! record before it (`null` for the first), and `hash`, the SHA-256 of `prev` followed by the line
//! without `hash`. Whoever changes, removes or adds a line in the middle breaks the chain there.
//! What the chain does not tell: a missing end, and a chain that was made anew as a whole.

use serde::Serialize;
use serde_json::Value;

use crate::core::{Diagnose, Digest};

/// A record as it is appended to its journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The line, without a line break.
    pub line: Vec<u8>,
    /// Its hash: what the next record names.
    pub hash: Digest,
}

/// The records of a journal whose chain is whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chain {
    /// The records, oldest first, with `prev` and `hash`.
    pub records: Vec<Value>,
    /// The hash of the last one.
    pub head: Option<Digest>,
    /// The numbers of lines that were not written to their end and are passed over; 1 is the
    /// first.
    pub torn: Vec<usize>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// It does not have the hash that it names, or names none.
    Edited,
    /// It names another predecessor than the record before it: something was removed, added or
    /// put elsewhere.
    Unlinked,
    /// It cannot be understood, and the record after it does not follow the one before it.
    Unreadable,
}

/// A journal was changed by somebody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {}", match .breach {
    Breach::Edited => "was changed after it was written",
    Breach::Unlinked => "does not follow the one before it: a record was removed, added or moved",
    Breach::Unreadable => "cannot be understood, and the next one does not follow without it",
})]
pub struct BrokenChain {
    /// The number of the first bad line; 1 is the first.
    pub line: usize,
    /// What is wrong with it.
    pub breach: Breach,
}

impl Diagnose for BrokenChain {
    fn code(&self) -> &'static str {
        "broken_chain"
    }

    fn hint(&self) -> Option<String> {
        Some("compare the file with a backup; `clawteam doctor` checks all journals".into())
    }
}

/// What stands between a record and its hash.
const HASH: &[u8] = b",\"hash\":\"";
/// The length of a line's end: the field `hash` and the closing brace.
const TAIL: usize = HASH.len() + 64 + 2;

/// Makes a record the successor of the one with the hash `prev`. `record` must be an object with
/// neither `prev` nor `hash`.
pub fn link<T: Serialize>(prev: Option<&Digest>, record: &T) -> Link {
    let mut line = serde_json::to_vec(record).expect("records have text keys and finite numbers");
    debug_assert!(line.starts_with(b"{"), "a record is an object");
    line.pop();
    if line.len() > 1 {
        line.push(b',');
    }
    match prev {
        Some(prev) => {
            line.extend_from_slice(b"\"prev\":\"");
            line.extend_from_slice(prev.as_str().as_bytes());
            line.extend_from_slice(b"\"}");
        }
        None => line.extend_from_slice(b"\"prev\":null}"),
    }
    let hash = Digest::of_parts(&[prev.map_or(&[], |prev| prev.as_str().as_bytes()), &line]);
    line.pop();
    line.extend_from_slice(HASH);
    line.extend_from_slice(hash.as_str().as_bytes());
    line.extend_from_slice(b"\"}");
    Link { line, hash }
}

/// The record before `line` and the hash of `line`, if the line has the hash that it names.
fn check<'l>(line: &'l [u8], value: &'l Value) -> Option<(Option<&'l str>, Digest)> {
    let (body, tail) = line.split_at_checked(line.len().checked_sub(TAIL)?)?;
    let named = tail.strip_prefix(HASH)?.strip_suffix(b"\"}")?;
    let prev = match value.get("prev")? {
        Value::Null => None,
        other => Some(other.as_str()?),
    };
    let hash = Digest::of_parts(&[prev.unwrap_or_default().as_bytes(), body, b"}"]);
    // A second field of that name would win when the line is read.
    let read = value.get("hash")?.as_str()?;
    (hash.as_str().as_bytes() == named && hash.as_str() == read).then_some((prev, hash))
}

/// Reads a journal from its beginning and checks its chain.
pub fn verify(journal: &[u8]) -> Result<Chain, BrokenChain> {
    verify_after(None, 0, journal)
}

/// Reads what follows the record with the hash `prev`, which is in line `line` (0: nothing comes
/// before), and checks that it goes on from there.
pub fn verify_after(prev: Option<&Digest>, line: usize, rest: &[u8]) -> Result<Chain, BrokenChain> {
    let mut chain = Chain { head: prev.cloned(), ..Chain::default() };
    // Torn lines since the last good one.
    let mut passed = None;
    for (index, text) in rest.split(|byte| *byte == b'\n').enumerate() {
        let number = line + index + 1;
        if text.is_empty() {
            continue;
        }
        let Ok(value @ Value::Object(_)) = serde_json::from_slice::<Value>(text) else {
            passed = passed.or(Some(number));
            chain.torn.push(number);
            continue;
        };
        let Some((before, hash)) = check(text, &value) else {
            return Err(BrokenChain { line: number, breach: Breach::Edited });
        };
        if before != chain.head.as_ref().map(Digest::as_str) {
            return Err(match passed {
                Some(line) => BrokenChain { line, breach: Breach::Unreadable },
                None => BrokenChain { line: number, breach: Breach::Unlinked },
            });
        }
        chain.records.push(value);
        chain.head = Some(hash);
        passed = None;
    }
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn journal(records: &[Value]) -> Vec<Vec<u8>> {
        let mut head = None;
        let made = records.iter().map(|record| {
            let link = link(head.as_ref(), record);
            head = Some(link.hash);
            link.line
        });
        made.collect()
    }

    fn text(lines: &[Vec<u8>]) -> Vec<u8> {
        let mut text = lines.join(&b'\n');
        text.push(b'\n');
        text
    }

    fn some(count: usize) -> Vec<Vec<u8>> {
        let records: Vec<Value> =
            (0..count).map(|n| json!({"n": n, "x": 0.1 + n as f64, "s": "é\"\n"})).collect();
        journal(&records)
    }

    #[test]
    fn a_chain_reads_back() {
        let lines = some(4);
        let chain = verify(&text(&lines)).expect("it is whole");
        assert_eq!(chain.records.len(), 4);
        assert_eq!(chain.records[2]["n"], 2);
        assert_eq!(chain.records[0]["prev"], Value::Null);
        assert_eq!(chain.records[3]["prev"], chain.records[2]["hash"]);
        assert_eq!(chain.head.map(String::from), chain.records[3]["hash"].as_str().map(Into::into));
        let empty = link(None, &json!({}));
        assert_eq!(verify(&empty.line).expect("it is whole").records.len(), 1);
        assert_eq!(verify(b""), Ok(Chain::default()));
    }

    #[test]
    fn a_chain_goes_on_where_it_was_left() {
        let lines = some(5);
        let start = verify(&text(&lines[..3])).expect("it is whole");
        let rest = verify_after(start.head.as_ref(), 3, &text(&lines[3..])).expect("it goes on");
        assert_eq!(rest.records[0]["n"], 3);
        let gap = verify_after(start.head.as_ref(), 3, &text(&lines[4..]));
        assert_eq!(gap, Err(BrokenChain { line: 4, breach: Breach::Unlinked }));
        assert_eq!(
            verify_after(start.head.as_ref(), 3, b"").map(|chain| chain.head),
            Ok(start.head)
        );
    }

    #[test]
    fn what_was_not_written_to_its_end_is_passed_over() {
        let lines = some(3);
        let mut torn = lines.clone();
        torn.insert(2, lines[2][..20].to_vec());
        let chain = verify(&text(&torn)).expect("it is whole");
        assert_eq!((chain.records.len(), &chain.torn[..]), (3, &[3][..]));
    }

    #[test]
    fn the_first_bad_line_is_named() {
        let lines = some(4);
        let without = |n: usize| {
            let mut lines = lines.clone();
            lines.remove(n);
            lines
        };
        let broken = |line, breach| Err(BrokenChain { line, breach });
        assert_eq!(verify(&text(&without(1))), broken(2, Breach::Unlinked));
        assert_eq!(verify(&text(&without(0))), broken(1, Breach::Unlinked));
        let mut ruined = lines.clone();
        ruined[1] = b"rubbish".to_vec();
        assert_eq!(verify(&text(&ruined)), broken(2, Breach::Unreadable));
        let mut twice = lines.clone();
        twice[2] = lines[1].clone();
        assert_eq!(verify(&text(&twice)), broken(3, Breach::Unlinked));
        let mut unhashed = lines;
        unhashed[3] = br#"{"n":3,"prev":null}"#.to_vec();
        assert_eq!(verify(&text(&unhashed)), broken(4, Breach::Edited));
    }

    proptest! {
        #[test]
        fn no_byte_can_be_changed(count in 2_usize..6, at: prop::sample::Index, to in 32_u8..127) {
            let whole = text(&some(count));
            let mut changed = whole.clone();
            let at = at.index(whole.len());
            prop_assume!(changed[at] != to && changed[at] != b'\n');
            changed[at] = to;
            let line = whole[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            match verify(&changed) {
                Err(broken) => prop_assert_eq!(broken.line, line),
                // The last line can look as if it had not been written to its end.
                Ok(chain) => prop_assert_eq!((line, chain.torn), (count, vec![count])),
            }
        }
    }
}

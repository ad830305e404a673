//! What holds after every step of every run.

use std::collections::HashSet;

use clawteam::domain::workflow::graph::Graph;
use clawteam::domain::workflow::run::apply::apply;
use clawteam::domain::workflow::run::record::{Record, Tr};
use clawteam::domain::workflow::run::state::{Run, Status};

/// Looks on while a run moves.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    /// Every key of an effect that there was.
    keys: HashSet<String>,
}

/// A record as it is read back from a journal.
pub(crate) fn reread_record(record: &Record) -> Record {
    let line = serde_json::to_string(record).expect("a line");
    let again: Record = serde_json::from_str(&line).expect("a record");
    assert_eq!(&again, record, "a record is not what was written: {line}");
    again
}

/// A state as it is read back from its document.
pub(crate) fn reread_run(run: &Run) -> Run {
    let text = serde_json::to_string(run).expect("a document");
    let again: Run = serde_json::from_str(&text).expect("a state");
    assert_eq!(&again, run, "a state is not what was written: {text}");
    again
}

impl Watch {
    /// Checks one step: from `before`, by `record`, to `after`.
    pub(crate) fn step(&mut self, graph: &Graph, before: &Run, record: &Record, after: &Run) {
        let again = apply(graph, reread_run(before), &reread_record(record));
        assert_eq!(&again, after, "a record that was read back leads elsewhere: {record:?}");
        reread_run(after);
        self.light(before, record, after);
    }

    /// The same without reading anything back, where there are very many steps.
    pub(crate) fn light(&mut self, before: &Run, record: &Record, after: &Run) {
        assert_eq!(after.rev, before.rev + 1, "{record:?}");
        assert!(after.now >= before.now && after.now == record.now, "time went back: {record:?}");
        if before.status.is_terminal() {
            let asked = matches!(record.tr, Tr::Operator { .. });
            assert!(asked, "a run that has ended moved by itself: {record:?}");
        }
        assert_ne!(after.fault.as_ref().map(|f| f.code.as_str()), Some("corrupt_record"));
        let old: HashSet<&str> = before.outbox.iter().map(|e| e.key.as_str()).collect();
        let mut seen = HashSet::new();
        for effect in &after.outbox {
            assert!(seen.insert(&effect.key), "{} is there twice: {record:?}", effect.key);
            if !old.contains(effect.key.as_str()) {
                let new = self.keys.insert(effect.key.clone());
                assert!(new, "{} was used before: {record:?}", effect.key);
            }
        }
        for key in &record.acked {
            assert!(!after.outbox.iter().any(|e| e.key == *key), "{key} is done, but waits");
        }
        ended(after);
        parents_are_honest(after);
    }
}

/// A run that has ended has nothing left that could move, and says when it ended.
fn ended(run: &Run) {
    assert_eq!(run.ended_at.is_some(), run.status.is_terminal(), "{run:?}");
    if run.status.is_terminal() {
        assert!(run.live().next().is_none(), "something lives in a run that has ended: {run:?}");
        assert_eq!(run.fault.is_some(), run.status != Status::Completed, "{run:?}");
    }
    if run.status == Status::Completed {
        let waits = run.places.keys().find(|join| run.has_tokens(join));
        assert_eq!(waits, None, "results wait in a run that has completed");
    }
}

/// Identities say what they are, and live visits are complete.
fn parents_are_honest(run: &Run) {
    for (id, act) in &run.acts {
        assert_eq!(id, &format!("{}#{}", act.node, act.visit));
        let known = run.visits_of.get(&act.node).copied().unwrap_or(0);
        assert!(act.visit <= known, "{id} of {known} visits");
    }
    let total: u32 = run.visits_of.values().sum();
    assert_eq!(run.visits, total, "visits do not add up: {run:?}");
}

//! The tools, a row each. Names, parameters and answers of the first twenty-six are those of
//! Python's ClawTeam; the rest is what a leader needs besides.

mod agents;
mod board;
mod mailbox;
mod plan;
mod runtime;
mod task;
mod team;
mod workspace;

use super::args::Param;
use super::call::{Answer, Call};
use crate::core::Outcome;

/// How a tool may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// It changes nothing.
    Reads,
    /// It changes documents, quickly.
    Writes,
    /// It starts programs or works on repositories, and may take its time. Nobody waits for it.
    Works,
}

/// A tool.
pub(super) struct Tool {
    /// Its name.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) about: &'static str,
    /// What it takes.
    pub(super) params: &'static [Param],
    /// How it may be called.
    pub(super) nature: Nature,
    /// What it does.
    pub(super) run: fn(Call) -> Outcome<Answer>,
}

const GROUPS: &[&[Tool]] = &[
    team::TOOLS,
    task::TOOLS,
    mailbox::TOOLS,
    plan::TOOLS,
    board::TOOLS,
    workspace::TOOLS,
    agents::TOOLS,
    runtime::TOOLS,
];

/// All tools.
pub(super) fn all() -> impl Iterator<Item = &'static Tool> {
    GROUPS.iter().copied().flatten()
}

/// A tool by its name.
pub(super) fn find(name: &str) -> Option<&'static Tool> {
    all().find(|tool| tool.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_tool_has_a_name_of_its_own_and_says_what_it_does() {
        let names: BTreeSet<&str> = all().map(|tool| tool.name).collect();
        assert_eq!(names.len(), all().count());
        for tool in all() {
            assert!(!tool.about.is_empty(), "{}", tool.name);
            let params: BTreeSet<&str> = tool.params.iter().map(|param| param.name).collect();
            assert_eq!(params.len(), tool.params.len(), "{}", tool.name);
        }
    }
}

//! The documents of a team and the rules for changing them.
//!
//! Everything here is a function of its arguments: no I/O, no clock, no randomness. Field names
//! and defaults are those of Python's ClawTeam, so that both can work on the same files; what a
//! document holds beyond the fields known here is kept as it is.

pub mod activity;
pub mod agent;
pub mod agent_cli;
pub mod agent_state;
pub mod approval;
pub mod artifact;
pub mod board;
pub mod chain;
pub mod cost;
pub mod event;
pub mod expr;
pub mod fence;
pub mod fields;
pub mod harness;
pub mod hook;
pub mod identity;
pub mod lax;
pub mod leader_watch;
pub mod message;
pub mod notification;
pub mod notify_rules;
pub mod overlap;
pub mod plugin;
pub mod prime;
pub mod profile;
pub mod prompt;
pub mod provision;
pub mod queue;
pub mod runtime;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod settings;
pub mod setup;
pub mod task;
pub mod team;
pub mod template;
pub mod timer;
pub mod workflow;
pub mod workspace;

/// Fields of a document that this version does not know. They survive every rewrite.
pub type Extra = serde_json::Map<String, serde_json::Value>;

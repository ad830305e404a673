//! clawteam: lead a team of CLI coding agents on plain files.
//!
//! | module | what is in it |
//! |---|---|
//! | [`core`] | names, stamps, limits, what an error can tell about itself |
//! | [`domain`] | the documents and the rules, without I/O |
//! | [`store`] | documents on disk: atomic commits, locks, queues, change feeds |
//! | [`ports`] | what the use cases need from outside, as traits |
//! | [`git`], [`tmux`], [`proc`], [`web`], [`foreign`], [`dotfiles`] | the adapters behind these traits |
//! | [`app`] | the use cases: load, apply a rule, commit, act |
//! | [`agent`] | the scripted agent |
//! | [`mcp`] | the use cases as tools for agents |
//! | [`output`] | everything that is printed |
//! | [`cli`] | what can be typed |
//!
//! `docs/architecture.md` follows a task and a message from the command line to the disk, and
//! lists what always holds.

#![forbid(unsafe_code)]

pub mod agent;
pub mod app;
pub mod cli;
pub mod core;
pub mod domain;
pub mod dotfiles;
pub mod env;
pub mod foreign;
pub mod git;
pub mod mcp;
pub mod output;
pub mod ports;
pub mod proc;
pub mod store;
pub mod tmux;
pub mod web;

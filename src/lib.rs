//! clawteam: lead a team of CLI coding agents on plain files.

#![forbid(unsafe_code)]

pub mod app;
pub mod core;
pub mod domain;
pub mod env;
pub mod git;
pub mod ports;
pub mod store;
pub mod proc;
pub mod tmux;

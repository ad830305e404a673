//! clawteam: lead a team of CLI coding agents on plain files.

#![forbid(unsafe_code)]

pub mod agent;
pub mod app;
pub mod cli;
pub mod core;
pub mod domain;
pub mod env;
pub mod git;
pub mod output;
pub mod ports;
pub mod proc;
pub mod store;
pub mod tmux;

//! clawteam: lead a team of CLI coding agents on plain files.

#![forbid(unsafe_code)]

pub mod core;
pub mod ports;
pub mod proc;
pub mod tmux;

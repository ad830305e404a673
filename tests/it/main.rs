//! Behaviour of the built program.

mod git;
mod install;

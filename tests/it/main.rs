//! Behaviour of the built program.

mod git;

//! Workflows: a graph of work, and the rules by which it moves.
//!
//! A [`definition`] says what shall happen. A run of it has a state, which is what its journal of
//! transitions comes to.

pub mod definition;
pub mod graph;
pub mod import;
pub mod meta;
pub mod run;

//! A run of a workflow: its state, its journal, and the rules by which one follows from the other.
//!
//! A step first looks at the world ([`observe`]), finds the one transition that comes next
//! ([`enabled`]), decides what it comes to ([`decide`]), and writes that down ([`record`]). What a
//! record does to the state ([`apply`]) depends on nothing else, so that the journal gives the
//! state at any time.

pub mod apply;
pub mod decide;
pub mod effect;
pub mod enabled;
pub mod join;
pub mod lineage;
pub mod observe;
pub mod record;
pub mod scenario;
pub mod start;
pub mod state;

pub use super::definition::SUCCESS;

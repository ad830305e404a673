//! Behaviour of the built program.

mod store;

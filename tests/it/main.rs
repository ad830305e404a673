//! Behaviour of the built program.

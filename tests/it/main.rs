//! Behaviour of the built program.

mod install;

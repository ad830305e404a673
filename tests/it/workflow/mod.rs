//! Workflows.

mod rules;

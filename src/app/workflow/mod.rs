//! Workflows: graphs of work that move one durable step at a time.

pub mod wake;

pub use wake::wake;

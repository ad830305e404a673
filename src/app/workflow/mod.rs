//! Workflows: graphs of work that move one durable step at a time.

pub mod library;
mod library_error;
pub mod patterns;
pub mod wake;

pub use library_error::LibraryError;
pub use wake::wake;

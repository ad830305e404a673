//! Workflows: graphs of work that move one durable step at a time.

mod children;
pub mod drive;
mod due;
mod effects;
mod error;
mod events;
pub mod explain;
pub mod fork;
pub mod fsck;
pub mod gc;
pub mod history;
pub mod library;
mod library_error;
pub mod patterns;
pub mod requests;
pub mod run;
pub mod start;
pub mod step;
pub mod view;
mod wake;
mod world;

pub use due::{Due, drive_due};
pub use error::RunError;
pub use events::happened;
pub use library_error::LibraryError;
pub use run::Loaded;
pub use wake::wake;

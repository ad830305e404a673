//! The vocabulary that every other module speaks.
//!
//! Nothing here does I/O, reads a clock or draws a random number.

pub mod change;
pub mod diagnose;
pub mod digest;
pub mod id;
pub mod limits;
pub mod name;
pub mod place;
pub mod span;
pub mod text;
pub mod time;

pub use change::{FileChange, Place};
pub use diagnose::{Diagnose, Exit, Failure, Outcome};
pub use digest::Digest;
pub use id::TaskId;
pub use name::{AgentName, Name, TeamName, UserName};
pub use place::{Delivery, ProcessId, Window};
pub use span::Span;
pub use time::Stamp;

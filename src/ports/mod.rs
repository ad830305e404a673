//! What the application needs from the outside world, as traits over plain types.
//!
//! The adapters (`git`, `tmux`, `proc`, `web`, `foreign`, `dotfiles`) implement them; `app` knows only
//! the traits.

pub mod dotfiles;
pub mod foreign;
pub mod git;
pub mod process;
pub mod terminal;
pub mod web;

pub use dotfiles::Dotfiles;
pub use foreign::{ForeignFile, ForeignFiles};
pub use git::{Git, GitError};
pub use process::{Captured, Cut, Handover, Host, ProcessId, Processes, Program};
pub use terminal::{Terminal, TerminalError};
pub use web::Web;

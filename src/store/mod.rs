//! Documents: reading them, and changing them whole or not at all.
//!
//! Below are bytes with revisions ([`Backend`]), above are typed documents ([`Store`]). Nothing
//! outside this module opens a file of the data directory.

mod backend;
pub mod check;
mod doc;
mod error;
mod fs;
mod key;
mod mem;

pub use backend::{
    Backend, Blob, Changes, Claim, Commit, Each, Expect, Guard, Mode, Patience, Place, Put, Queued,
    Revision, Tick,
};
pub use doc::{Doc, Documents, Listener, Listing, Locked, Notice, Store, encode};
pub use error::{Holder, StoreError};
pub use fs::FsBackend;
pub use fs::vfs;
pub use key::{Dir, Key, Scope};
pub use mem::MemBackend;

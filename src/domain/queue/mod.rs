//! Work that is slow or remote: items that workers lease, do and finish.
//!
//! An item that is not finished is a document of its own whose name sorts as items are taken (see
//! [`Slot`]). A lease is a document beside it: who holds it may finish the item, and nobody else.

pub mod breaker;
mod model;
pub mod payload;
pub mod rules;
mod slot;

#[cfg(test)]
mod tests;

pub use model::{
    Backoff, Entry, Fault, Item, LEASE_SCHEMA, Lease, Machine, NewItem, Priority, QueueError,
    Report, RunRef, SCHEMA, State, Status, UnknownPriority,
};
pub use slot::Slot;

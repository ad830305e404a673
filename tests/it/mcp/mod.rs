//! `clawteam mcp`, as its clients see it.

mod agents;
mod client;
mod protocol;
mod tools;

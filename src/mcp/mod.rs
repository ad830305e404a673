//! clawteam as an MCP server: the same use cases as the command line, for agents that rather call
//! tools than type commands.
//!
//! | file | what is in it |
//! |---|---|
//! | `tools/` | the table of tools, a row each, and what each of them calls |
//! | `args` | parameters: their schema, and reading what a client gave |
//! | `call` | one call: who acts, and what is answered |
//! | `serve` | the protocol; the only place with an async runtime |

mod args;
mod call;
mod serve;
mod tools;

pub use serve::{ServeError, serve};

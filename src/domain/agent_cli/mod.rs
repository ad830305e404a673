//! Agent programs as data: how each is recognised, run, spoken to and read.
//!
//! A row of the catalog is enough to support a program; see [`AgentCli`] for what it says. One
//! that has no row runs as it is; its prompt is typed into its terminal, or passed with `-p` where
//! there is none.

mod answer;
mod catalog;
mod docker;
mod line;
mod row;
pub mod screen;

pub use answer::{Answer, Permit, answer};
pub use catalog::{BadRow, Catalog, GENERIC, RowFile};
pub use line::{Call, CommandLine, McpServer, command_line};
pub use row::{
    AgentCli, Allow, Composer, DialogKind, DialogSpec, Level, NoLevel, Otherwise, OwnState,
    Permissions, Screen, Server, Words,
};

/// How the program of a command is run, by the rows that come with clawteam.
pub fn find(command: &[String]) -> AgentCli {
    Catalog::built_in().find(command)
}

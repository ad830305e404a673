//! What a workflow is: nodes, edges between them, and bounds.

mod action;
mod check;
mod diff;
mod draw;
mod export;
mod model;
mod node;
mod parse;
mod people;
pub mod ports;
mod problem;
mod read;
mod route;
mod schema;
mod task;
#[cfg(test)]
mod tests;

pub use action::{
    Checkpoint, Command, Http, Merge, MergeConflict, MergeStrategy, Notify, Parse, Plugin,
};
pub use check::{
    DEPTH_MAX, EDGES_MAX, Lookup, NODES_MAX, Stats, VARIABLES, World, check, check_reading,
    fits as input_fits, starts, stats,
};
pub use diff::{Change, Difference, difference, set_path};
pub use draw::{Overlay, draw};
pub use export::{dot, graph, mermaid, toml};
pub use model::{
    Advance, Concurrency, Definition, Edge, Input, InputKind, LifeStatus, Limits, NodeDefaults,
    Overlap, SCHEMA, SUCCESS,
};
pub use node::{Kind, Node, OnFailure, Retry, RetryCause, SkipPolicy};
pub use parse::Format;
pub use people::{Approval, Meeting, Missing, OnTimeout};
pub use problem::{Level, Problem, any_error};
pub use read::{BYTES_MAX, Options, Reading, from_tree, read};
pub use route::{
    Body, Condition, Delay, End, EndStatus, Join, JoinMode, Loop, Map, MergeOutputs, OnError,
    Parallel, Set, Subworkflow, Switch, SwitchCase, Tolerate, Wait, WaitFrom, XorFallback,
};
pub use task::{
    Assign, Checks, Context, ContextFrom, Fallback, LossPolicy, RetryMode, Spawn, Strategy, Task,
    Verify,
};

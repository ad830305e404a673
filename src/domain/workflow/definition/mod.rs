//! What a workflow is: nodes, edges between them, and bounds.

mod action;
mod model;
mod node;
mod people;
mod route;
mod task;

pub use action::{
    Checkpoint, Command, Http, Merge, MergeConflict, MergeStrategy, Notify, Parse, Plugin,
};
pub use model::{
    Advance, Concurrency, Definition, Edge, Input, InputKind, LifeStatus, Limits, NodeDefaults,
    Overlap, SCHEMA, SUCCESS,
};
pub use node::{Kind, Node, OnFailure, Retry, RetryCause, SkipPolicy};
pub use people::{Approval, Meeting, Missing, OnTimeout};
pub use route::{
    Body, Condition, Delay, End, EndStatus, Join, JoinMode, Loop, Map, MergeOutputs, OnError,
    Parallel, Set, Subworkflow, Switch, SwitchCase, Tolerate, Wait, WaitFrom, XorFallback,
};
pub use task::{
    Assign, Checks, Context, ContextFrom, Fallback, LossPolicy, RetryMode, Spawn, Strategy, Task,
    Verify,
};

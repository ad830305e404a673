//! Tasks: what there is to do, who does it and what waits for what.

mod attempt;
pub mod graph;
mod model;
mod rules;
pub mod select;

pub use attempt::{
    ArtifactRef, Closed, Failed, Handed, Requires, TaskResult, WorkflowRef, close, fail, is_long,
    note_late, reopen_for,
};
pub use model::{OnDisk, Priority, Status, Task, UnknownPriority, UnknownStatus};
pub use rules::{
    Change, KEPT, NewTask, Others, REOPENED, TaskError, claim, complete_dependents, create,
    regated, release, update,
};
pub use select::{Stats, ready, stats};

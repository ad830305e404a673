//! Tasks: what there is to do, who does it and what waits for what.

pub mod graph;
mod model;
mod rules;
pub mod select;

pub use model::{OnDisk, Priority, Status, Task, UnknownPriority, UnknownStatus};
pub use rules::{
    Change, NewTask, Others, REOPENED, TaskError, claim, complete_dependents, create, regated,
    release, update,
};
pub use select::{Stats, ready, stats};

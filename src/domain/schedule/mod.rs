//! What happens at which times: exactly one start for each slot.
//!
//! A slot is an instant at which a schedule says that something shall happen. Which slots there
//! are depends on the schedule alone, so that every process comes to the same ones; which of them
//! are over is one instant, the watermark, which only rises. A slot that shall start something is
//! noted before, and taken off that list after: what happens in between can be done again.

mod clock;
mod model;
mod rules;

#[cfg(test)]
mod tests;

pub use clock::{check, jitter, next, slots_between};
pub use model::{
    Fired, Misfire, Overlap, SCHEDULE_SCHEMA, Schedule, ScheduleError, ScheduleState, Target,
    Timing, Weekday, Window,
};
pub use rules::{Due, due, key, plan, settle, skip_until};

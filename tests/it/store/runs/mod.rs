//! Runs of workflows on the simulated file system: power and processes fail at every moment.

mod explore;
mod life;
mod rivals;
mod rules;

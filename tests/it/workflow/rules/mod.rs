//! The rules by which a run moves: pure functions, driven through a scripted world.

mod build;
mod check;
mod exhaustive;
mod model;
mod moves;
mod steps;
mod twin;
mod world;

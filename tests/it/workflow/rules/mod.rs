//! The rules by which a run moves: pure functions, driven through a scripted world.

mod build;
mod chance;
mod check;
mod crash;
mod exhaustive;
mod model;
mod moves;
mod random;
mod steps;
mod twin;
mod world;

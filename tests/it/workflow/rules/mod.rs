//! The rules by which a run moves: pure functions, driven through a scripted world.

mod build;
mod chance;
mod check;
mod crash;
mod ends;
mod exhaustive;
mod limits;
mod loops;
mod model;
mod moves;
mod operators;
mod people;
mod random;
mod steps;
mod twin;
mod world;

//! The rules by which a run moves: pure functions, driven through a scripted world.

#![expect(clippy::cast_possible_truncation, reason = "the numbers of these tests are small")]

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

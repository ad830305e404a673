//! The `clawteam` program.

fn main() {}

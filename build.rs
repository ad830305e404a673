//! Links the program at a fixed address where that is possible.
//!
//! It is started for every command, and with the tables of time zones and texts linked in, moving
//! it to another address took longer than most commands. The libraries it uses keep theirs.

#[expect(clippy::disallowed_methods, reason = "cargo speaks by environment variables")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let env = std::env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    if os == "linux" && env == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}

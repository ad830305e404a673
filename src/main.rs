//! The `clawteam` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    clawteam::cli::main()
}

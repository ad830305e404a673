//! The real agent programs, led by clawteam: `./install.sh test-agents` installs them and runs this.
//!
//! It is no part of the everyday suite, because of the size of what it installs. The programs talk
//! to a scripted model on loopback, so it costs nothing and needs no account.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(clippy::disallowed_methods, reason = "it sets up and looks at everything itself")]

mod flags;
mod model;
mod play;
mod programs;
mod report;
mod world;

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use model::Model;
use programs::Programs;
use report::Report;

/// What went wrong, in full.
type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "\
usage: agents --dir DIR [--report FILE] [ONLY...]   check the programs that are installed in DIR
       agents serve PORT SCRIPTS [LOG]              only serve the scripted model
ONLY are parts of the names of checks: flags, claude, codex, openclaw, tmux, subprocess, …";

fn main() -> ExitCode {
    let mut args: Vec<String> = env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == "serve") {
        return told(serve(&args[1..]));
    }
    let mut take = |name: &str| {
        let at = args.iter().position(|word| word == name)?;
        args.remove(at);
        (at < args.len()).then(|| PathBuf::from(args.remove(at)))
    };
    let (dir, file) = (take("--dir"), take("--report"));
    let Some(dir) = dir else {
        // As part of `cargo test`, without anything installed.
        println!("left out: the real agent programs. To run them, type: ./install.sh test-agents");
        return ExitCode::SUCCESS;
    };
    if let Some(unknown) = args.iter().find(|word| word.starts_with('-')) {
        eprintln!("unknown option: {unknown}\n{USAGE}");
        return ExitCode::from(2);
    }
    told(check(&dir, file, &args))
}

fn told(result: Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves the model for trying things by hand.
fn serve(args: &[String]) -> Result<bool> {
    let [port, scripts, rest @ ..] = args else { return Err(USAGE.into()) };
    let port = port.parse().map_err(|_| format!("'{port}' is no port"))?;
    let text = std::fs::read_to_string(scripts).map_err(|error| format!("{scripts}: {error}"))?;
    let scripts: BTreeMap<_, _> =
        serde_json::from_str(&text).map_err(|error| format!("{scripts}: {error}"))?;
    let model = Model::serve(port, scripts, rest.first().map(PathBuf::from))
        .map_err(|error| error.to_string())?;
    println!("serving {} until it is stopped", model.url("SCRIPT"));
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}

/// Runs all checks, or those whose names contain one of `only`.
fn check(dir: &std::path::Path, file: Option<PathBuf>, only: &[String]) -> Result<bool> {
    let programs = Programs::find(dir)?;
    let mut report = Report::new(&programs, only);
    flags::check(&programs, &mut report);
    play::all(&programs, &mut report);
    println!("\n{}", report.summary());
    if let Some(file) = file {
        report.write(&file)?;
        println!("written: {}", file.display());
    }
    Ok(report.passed())
}

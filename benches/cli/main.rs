//! The commands as whole processes, side by side with what they are compared to.
//!
//! `cargo bench --bench cli` measures everything, `cargo bench --bench cli -- NAME...` the parts so
//! named, and `--quick` takes few runs, to see that it works. `docs/performance.md` tells more.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![allow(clippy::disallowed_methods, reason = "it sets up and measures everything itself")]

mod agents;
mod launch;
mod measure;
mod workflow;
mod world;

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use measure::{Result, Row, in_turn, median, run, table, time, timed};
use world::{TEAM, World, compile, make_dir, python};

const CREATE: [&str; 5] = ["--json", "task", "create", TEAM, "Measure this"];
const MESSAGE: &str = "Please measure this";
const SEND: [&str; 5] = ["inbox", "send", TEAM, "leader", MESSAGE];
const RECEIVE: [&str; 5] = ["inbox", "receive", TEAM, "-a", "leader"];
const LIST: [&str; 3] = ["task", "list", TEAM];
const LIST_JSON: [&str; 4] = ["--json", "task", "list", TEAM];

/// Everything that the parts share.
struct Bench {
    /// The clawteam that is measured.
    ours: PathBuf,
    /// A directory of this run, on the file system of `target`: a memory file system would make
    /// every fsync free.
    dir: PathBuf,
    /// Where cargo builds.
    target: PathBuf,
    quick: bool,
    rows: Vec<Row>,
}

type Part = fn(&mut Bench) -> Result<()>;

const PARTS: [(&str, Part); 10] = [
    ("version", version),
    ("durable", durable),
    ("python", against_python),
    ("list", long_lists),
    ("parallel", parallel),
    ("workflow", workflow::workflow),
    ("message", agents::message),
    ("status", agents::status),
    ("idle", agents::idle),
    ("launch", launch::launch),
];

fn main() -> ExitCode {
    // cargo adds --bench.
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let names: Vec<&str> =
        args.iter().map(String::as_str).filter(|arg| *arg != "--quick").collect();
    let known = PARTS.map(|(name, _)| name);
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        eprintln!("unknown part: {unknown}; there are: {}", known.join(", "));
        return ExitCode::from(2);
    }
    match measure_all(&names, args.iter().any(|arg| arg == "--quick")) {
        Ok(rows) => {
            if !rows.is_empty() {
                println!("\n{}", table(&rows));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\n{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure_all(names: &[&str], quick: bool) -> Result<Vec<Row>> {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = tmp.parent().unwrap_or(tmp).to_path_buf();
    make_dir(tmp)?;
    let dir = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(tmp)
        .map_err(|error| format!("{}: {error}", tmp.display()))?;
    let ours = env::var_os("CLAWTEAM_BENCH_PROGRAM")
        .map_or_else(|| env!("CARGO_BIN_EXE_clawteam").into(), PathBuf::from);
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!("{} on {} {}, {cores} cores", ours.display(), env::consts::OS, env::consts::ARCH);
    let mut bench = Bench { ours, dir: dir.path().into(), target, quick, rows: Vec::new() };
    for (name, part) in PARTS {
        if names.is_empty() || names.contains(&name) {
            eprintln!("measuring: {name}");
            part(&mut bench)?;
        }
    }
    Ok(bench.rows)
}

impl Bench {
    fn runs(&self, runs: usize) -> usize {
        if self.quick { (runs / 10).max(3) } else { runs }
    }

    fn world(&self, name: &str) -> Result<World> {
        World::new(&self.ours, &self.dir, name)
    }

    /// Our world and the Python one, or `None`, which was then explained.
    fn worlds(&self, name: &str) -> Result<Option<(World, World)>> {
        match python(&self.target) {
            Ok(program) => {
                let theirs = World::new(&program, &self.dir, &format!("{name}-python"))?;
                Ok(Some((self.world(&format!("{name}-ours"))?, theirs)))
            }
            Err(error) => {
                eprintln!("left out: there is no Python clawteam to compare with: {error}");
                Ok(None)
            }
        }
    }

    /// The program that writes one document durably, and a directory for its documents.
    fn bare(&self, name: &str) -> Result<impl Fn() -> Command + Sync + use<>> {
        let program = compile("durable_write", &self.dir)?;
        let dir = self.dir.join(name);
        make_dir(&dir)?;
        Ok(move || {
            let mut command = Command::new(&program);
            command.arg(&dir).env_clear();
            command
        })
    }
}

fn version(bench: &mut Bench) -> Result<()> {
    let empty = compile("empty", &bench.dir)?;
    let world = bench.world("version")?;
    let times = in_turn(
        bench.runs(500),
        || time(&mut world.command(&["--version"])),
        || time(Command::new(&empty).env_clear()),
    )?;
    bench.rows.push(Row::at_most("`--version` / an empty Rust program", times, 1.6));
    Ok(())
}

fn durable(bench: &mut Bench) -> Result<()> {
    for (what, args) in [("task create", CREATE), ("inbox send", SEND)] {
        let world = bench.world(&format!("durable {what}"))?;
        let bare = bench.bare(&format!("bare {what}"))?;
        let runs = bench.runs(200);
        let times = in_turn(runs, || time(&mut world.command(&args)), || time(&mut bare()))?;
        bench.rows.push(Row::at_most(&format!("`{what}` / a bare durable write"), times, 2.0));
    }
    Ok(())
}

fn against_python(bench: &mut Bench) -> Result<()> {
    let Some((ours, theirs)) = bench.worlds("python")? else { return Ok(()) };
    let runs = bench.runs(21);
    for (what, args) in [
        ("task create", &CREATE[..]),
        ("inbox send", &SEND),
        ("inbox receive", &RECEIVE),
        ("task list", &LIST),
    ] {
        // Each has one message to receive, and leaves none behind.
        let once = |world: &World| {
            if args == RECEIVE {
                run(&mut world.command(&SEND))?;
            }
            let (taken, output) = timed(&mut world.command(args))?;
            if args == RECEIVE && !String::from_utf8_lossy(&output.stdout).contains(MESSAGE) {
                return Err(format!("the message was not received: {output:?}"));
            }
            if args == SEND {
                run(&mut world.command(&RECEIVE))?;
            }
            Ok(taken)
        };
        let times = in_turn(runs, || once(&ours), || once(&theirs))?;
        bench.rows.push(Row::faster(&format!("`{what}` / Python 0.2.0"), times, 50.0));
    }
    Ok(())
}

fn long_lists(bench: &mut Bench) -> Result<()> {
    const TASKS: u32 = 10_000;
    let Some((ours, theirs)) = bench.worlds("list")? else { return Ok(()) };
    for world in [&ours, &theirs] {
        world.write_tasks(TASKS)?;
        let listed = ids(&run(&mut world.command(&LIST_JSON))?.stdout)?.len();
        if listed != TASKS as usize {
            return Err(format!("{listed} tasks are listed of {TASKS}"));
        }
    }
    for (what, args, runs) in [("task list --json", &LIST_JSON[..], 11), ("task list", &LIST, 5)] {
        let times = in_turn(
            bench.runs(runs),
            || time(&mut ours.command(args)),
            || time(&mut theirs.command(args)),
        )?;
        bench.rows.push(Row::faster(
            &format!("`{what}`, 10,000 tasks / Python 0.2.0"),
            times,
            15.0,
        ));
    }
    Ok(())
}

/// The ids in what a command printed: of one task, or of a list of them.
fn ids(json: &[u8]) -> Result<BTreeSet<String>> {
    let value: serde_json::Value = serde_json::from_slice(json)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(json)))?;
    let tasks = value.as_array().cloned().unwrap_or_else(|| vec![value]);
    Ok(tasks.iter().filter_map(|task| task["id"].as_str()).map(String::from).collect())
}

/// Runs `each` command in 16 threads, `count` times in every one, each as soon as the last ended.
/// How long it took, and what they printed.
fn crowd(count: usize, each: impl Fn() -> Command + Sync) -> Result<(Duration, Vec<Vec<u8>>)> {
    let start = Instant::now();
    let printed = thread::scope(|scope| {
        let work = || (0..count).map(|_| Ok(run(&mut each())?.stdout)).collect::<Result<Vec<_>>>();
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(work)).collect();
        let results = threads.into_iter().map(|thread| thread.join().expect("it does not panic"));
        results.collect::<Result<Vec<_>>>()
    })?;
    Ok((start.elapsed(), printed.into_iter().flatten().collect()))
}

fn parallel(bench: &mut Bench) -> Result<()> {
    let world = bench.world("parallel")?;
    let bare = bench.bare("bare parallel")?;
    let count = bench.runs(25);
    let (mut ours, mut reference) = (Vec::new(), Vec::new());
    let mut acknowledged = Vec::new();
    for _ in 0..bench.runs(7) {
        let (taken, printed) = crowd(count, || world.command(&CREATE))?;
        ours.push(taken);
        acknowledged.extend(printed);
        reference.push(crowd(count, &bare)?.0);
    }

    let kept = ids(&run(&mut world.command(&LIST_JSON))?.stdout)?;
    let mut lost = 0;
    for printed in &acknowledged {
        lost += usize::from(!ids(printed)?.iter().any(|id| kept.contains(id)));
    }
    let processes = 16.0 * f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let rate = |times| processes / median(times).as_secs_f64();
    let (ours, reference) = (rate(ours), rate(reference));
    bench.rows.push(Row {
        what: "16 at once, `task create` / a bare durable write".into(),
        ours: format!("{ours:.0} a second"),
        reference: format!("{reference:.0} a second"),
        ratio: format!("{:.0} %", 100.0 * ours / reference),
        target: "at least 60 %".into(),
        met: ours >= 0.6 * reference,
    });
    bench.rows.push(Row {
        what: "16 at once, tasks lost".into(),
        ours: format!("{lost} of {}", acknowledged.len()),
        reference: "none".into(),
        ratio: String::new(),
        target: "none".into(),
        met: lost == 0 && kept.len() == acknowledged.len(),
    });
    Ok(())
}

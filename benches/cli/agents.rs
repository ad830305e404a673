//! Agents in tmux: how soon a message is in the composer of one that is idle, what it costs to ask
//! for the state of many, and what they cost while nothing happens.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::Bench;
use crate::measure::{Result, Row, in_turn, median, milliseconds, run, time};
use crate::world::{TEAM, World, compile, make_dir};

/// The row of the catalog for the program that the agents are.
const COMPOSER: &str = "title = \"A composer\"\n[screen]\ncomposer = { prefix = [\"❯\"] }\n";

/// Agents that run, in a tmux server of their own.
struct Crew {
    world: World,
    socket: PathBuf,
    log: PathBuf,
}

impl Crew {
    /// `count` agents that have a composer and nothing to do.
    fn new(bench: &Bench, name: &str, count: usize) -> Result<Self> {
        let program = compile("composer", &bench.dir)?;
        let world = bench.world(name)?;
        let rows = world.path(".clawteam/agents");
        make_dir(&rows)?;
        fs::write(rows.join("composer.toml"), COMPOSER).map_err(|error| error.to_string())?;
        let socket = std::env::temp_dir().join(format!("clawteam-{}-{name}", std::process::id()));
        let log = world.path("composed");
        let crew = Self { world, socket, log };
        for number in 0..count {
            let agent = format!("agent-{number}");
            let program = program.display().to_string();
            let log = crew.log.display().to_string();
            run(&mut crew.command(&[
                "spawn",
                "tmux",
                "-t",
                TEAM,
                "-n",
                &agent,
                "--no-workspace",
                "--force",
                "--",
                &program,
                &log,
            ]))?;
        }
        Ok(crew)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("CLAWTEAM_TMUX_SOCKET", &self.socket).env("TERM", "xterm-256color");
        command
    }

    fn tmux(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(&self.socket).args(args).env_remove("TMUX");
        command
    }

    /// How many texts have been whole in a composer, and when the last one was.
    fn composed(&self) -> (usize, u128) {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let last = text.lines().next_back().and_then(|line| line.parse().ok());
        (text.lines().count(), last.unwrap_or_default())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let _ = self.command(&["team", "cleanup", TEAM, "--force"]).output();
        let _ = self.tmux(&["kill-server"]).output();
        let _ = fs::remove_file(&self.socket);
    }
}

fn nanoseconds_since_1970() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos())
}

/// From the start of the command until the text is whole in the composer of an idle agent.
pub(crate) fn message(bench: &mut Bench) -> Result<()> {
    const MOST: Duration = Duration::from_millis(150);
    let crew = Crew::new(bench, "message", 1)?;
    let mut times = Vec::new();
    for number in 0..bench.runs(50) {
        let before = crew.composed().0;
        let start = nanoseconds_since_1970();
        let text = format!("message {number}: {}", "what is to be done next. ".repeat(8));
        run(&mut crew.command(&["runtime", "inject", TEAM, "agent-0", "--summary", &text]))?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while crew.composed().0 == before {
            if Instant::now() > deadline {
                return Err(format!("message {number} did not reach the composer"));
            }
            thread::sleep(Duration::from_millis(1));
        }
        let taken = crew.composed().1.saturating_sub(start);
        times.push(Duration::from_nanos(u64::try_from(taken).unwrap_or(u64::MAX)));
    }
    let ours = median(times);
    bench.rows.push(Row {
        what: "a message until it is in the composer of an idle agent".into(),
        ours: milliseconds(ours),
        reference: String::new(),
        ratio: String::new(),
        target: "at most 150 ms".into(),
        met: ours <= MOST,
    });
    Ok(())
}

/// `team status` against the one call of tmux that it makes.
pub(crate) fn status(bench: &mut Bench) -> Result<()> {
    let agents = if bench.quick { 5 } else { 50 };
    let crew = Crew::new(bench, "status", agents)?;
    let ids = run(&mut crew.tmux(&["list-panes", "-a", "-F", "#{pane_id}"]))?;
    let ids = String::from_utf8_lossy(&ids.stdout).into_owned();
    let list = "#{pane_id} #{pane_height} #{pane_dead} #{pid}:#{start_time}";
    let mut look = vec!["list-panes", "-a", "-F", list];
    for id in ids.lines() {
        look.extend([";", "capture-pane", "-p", "-e", "-t", id]);
    }
    let ask = ["--json", "team", "status", TEAM];
    let times =
        in_turn(bench.runs(50), || time(&mut crew.command(&ask)), || time(&mut crew.tmux(&look)))?;
    let what = format!("`team status` of {agents} agents / one call of tmux");
    bench.rows.push(Row::at_most(&what, times, 3.0));
    Ok(())
}

/// What clawteam's own processes use while twenty agents wait.
pub(crate) fn idle(bench: &mut Bench) -> Result<()> {
    const AGENTS: usize = 20;
    /// A millisecond for each agent: a wake-up or two, no polling.
    const MOST: Duration = Duration::from_millis(20);
    let crew = Crew::new(bench, "idle", AGENTS)?;
    let minute = Duration::from_secs(if bench.quick { 6 } else { 60 });
    let ours = processes(&bench.ours);
    if ours.len() < AGENTS {
        return Err(format!("{} processes of clawteam run {AGENTS} agents", ours.len()));
    }
    let before = used(&ours);
    thread::sleep(minute);
    let after = used(&processes(&bench.ours));
    drop(crew);
    let spent = after.saturating_sub(before);
    bench.rows.push(Row {
        what: format!(
            "processor time of clawteam for {AGENTS} idle agents, {} s",
            minute.as_secs()
        ),
        ours: milliseconds(spent),
        reference: String::new(),
        ratio: String::new(),
        target: "at most 20 ms".into(),
        met: spent <= MOST,
    });
    Ok(())
}

/// The processes that run `program`.
fn processes(program: &Path) -> Vec<PathBuf> {
    let runs = |dir: &PathBuf| {
        let exe = fs::read_link(dir.join("exe"));
        exe.is_ok_and(|exe| program.canonicalize().is_ok_and(|program| program == exe))
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    all.filter(runs).collect()
}

/// The processor time that they have used so far: the first number of `schedstat`, in nanoseconds.
fn used(processes: &[PathBuf]) -> Duration {
    let one = |dir: &PathBuf| {
        let tasks = fs::read_dir(dir.join("task")).into_iter().flatten().flatten();
        let each = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        each.sum::<u64>()
    };
    Duration::from_nanos(processes.iter().map(one).sum())
}

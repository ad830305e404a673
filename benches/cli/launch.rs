//! Launching a team, against starting the same programs by hand in tmux.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::Bench;
use crate::measure::{Result, Row, in_turn, run, timed};
use crate::world::{World, compile, make_dir};

/// How many agents.
const AGENTS: usize = 8;
/// The team.
const CREW: &str = "crew";
/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What both ways need.
struct Place {
    world: World,
    /// The programs say here that they were prompted.
    taken: PathBuf,
    /// The program of every agent.
    agent: PathBuf,
    socket: PathBuf,
    /// What each of them is told, as `launch` tells it.
    prompt: PathBuf,
}

pub(crate) fn launch(bench: &mut Bench) -> Result<()> {
    if Command::new("tmux").arg("-V").output().is_err() {
        eprintln!("left out: tmux is not installed");
        return Ok(());
    }
    let place = Place::new(bench)?;
    let times = in_turn(bench.runs(11), || place.launched(), || place.by_hand())?;
    let what = "`launch` of 8 agents until all are prompted / by hand in tmux";
    bench.rows.push(Row::at_most(what, times, 1.5));
    Ok(())
}

impl Place {
    fn new(bench: &Bench) -> Result<Self> {
        let world = bench.world("launch")?;
        let dir = bench.dir.join("launch");
        let agent = compile("agent", &bench.dir)?;
        let taken = dir.join("taken");
        make_dir(&taken)?;
        // The path of a socket must be short.
        let socket = std::env::temp_dir().join(format!("ct-bench-{}.sock", std::process::id()));
        let prompt = dir.join("prompt");
        let place = Self { world, taken, agent, socket, prompt };
        place.write_template(&dir)?;
        let planned = run(place.launch().arg("--dry-run").arg("--json"))?;
        let plan: serde_json::Value =
            serde_json::from_slice(&planned.stdout).map_err(|error| error.to_string())?;
        let text = plan["agents"][1]["prompt"].as_str().ok_or("the plan has no prompt")?;
        fs::write(&place.prompt, text).map_err(|error| error.to_string())?;
        Ok(place)
    }

    fn write_template(&self, home: &Path) -> Result<()> {
        let templates = home.join(".clawteam/templates");
        make_dir(&templates)?;
        let command = serde_json::json!([self.agent, self.taken]);
        let mut text = format!(
            "[template]\ncommand = {command}\nbackend = \"tmux\"\n\n[template.leader]\nname = \"a0\"\n"
        );
        for n in 1..AGENTS {
            text.push_str(&format!("\n[[template.agents]]\nname = \"a{n}\"\n"));
        }
        fs::write(templates.join("crew.toml"), text).map_err(|error| error.to_string())
    }

    fn launch(&self) -> Command {
        let mut command = self.world.command(&["launch", "crew", "-t", CREW, "--force"]);
        command.args(["--goal", "see how long it takes"]);
        command.env("CLAWTEAM_TMUX_SOCKET", &self.socket);
        command
    }

    fn launched(&self) -> Result<Duration> {
        self.clear()?;
        let (taken, _) = timed(&mut self.launch())?;
        let prompted = self.prompted();
        let mut cleanup = self.world.command(&["team", "cleanup", CREW, "--force"]);
        run(cleanup.env("CLAWTEAM_TMUX_SOCKET", &self.socket))?;
        self.clear()?;
        match prompted {
            AGENTS => Ok(taken),
            fewer => Err(format!("`launch` has ended, but only {fewer} were prompted")),
        }
    }

    /// The same as a careful person's script would do it: start all, and give each its prompt when
    /// it shows where to type.
    fn by_hand(&self) -> Result<Duration> {
        self.clear()?;
        let start = Instant::now();
        for n in 0..AGENTS {
            let name = format!("a{n}");
            let first = ["-f", "/dev/null", "new-session", "-d", "-s", "hand", "-n"];
            let next = ["new-window", "-d", "-t", "=hand", "-n"];
            let mut tmux = self.tmux(if n == 0 { &first } else { &next });
            run(tmux.arg(&name).arg(&self.agent).arg(&self.taken).arg(&name))?;
        }
        for n in 0..AGENTS {
            let target = format!("=hand:a{n}");
            Self::wait(|| {
                let screen = run(&mut self.tmux(&["capture-pane", "-p", "-t", &target]));
                Ok(screen.is_ok_and(|screen| screen.stdout.starts_with(b"ready")))
            })?;
            run(self.tmux(&["load-buffer", "-b", "prompt"]).arg(&self.prompt))?;
            run(&mut self.tmux(&["paste-buffer", "-p", "-d", "-b", "prompt", "-t", &target]))?;
            run(&mut self.tmux(&["send-keys", "-t", &target, "Enter"]))?;
        }
        Self::wait(|| Ok(self.prompted() == AGENTS))?;
        let taken = start.elapsed();
        self.clear()?;
        Ok(taken)
    }

    fn tmux(&self, args: &[&str]) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(&self.socket).args(args).env_remove("TMUX");
        tmux
    }

    fn prompted(&self) -> usize {
        fs::read_dir(&self.taken).map_or(0, Iterator::count)
    }

    fn wait(holds: impl Fn() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds()? {
            if Instant::now() > deadline {
                return Err("the programs did not get ready".into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// No server, and no marks of an earlier turn.
    fn clear(&self) -> Result<()> {
        let _ = self.tmux(&["kill-server"]).output();
        let _ = fs::remove_dir_all(&self.taken);
        make_dir(&self.taken)
    }
}

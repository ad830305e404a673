//! Sessions of agents, and their ends and returns, with programs that write what the real ones
//! write.

mod comeback;
mod end;
mod found;
mod records;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::support::World;
use super::until;

/// A place with a tmux server of its own, which ends with the test.
struct Place {
    world: World,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.world.clear();
    }
}

/// What every fake program does first: it notes its start. Asked for its version or its options, it
/// only answers.
const BEGIN: &str = r#"case " $* " in *" --help "*|*" -h "*|*" --version "*) printf '%s\n' 1.0 --session-id --session --resume --message --local; exit 0 ;; esac
say() { printf '%s\n' "$*" >> "$HOME/calls"; }
say "$CLAWTEAM_AGENT_NAME $PWD $0 $*"
now() { date -u +%Y-%m-%dT%H:%M:%S.000Z; }
json() { printf '%s' "$1" | awk 'BEGIN { ORS = "" } { gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); gsub(/\t/, " "); if (NR > 1) print "\\n"; print }'; }
id=; resumed=; prompt=
"#;

/// Claude Code, as far as its sessions go: it takes a name for a new session once, goes on with
/// one that it has written, and writes with its first prompt.
const CLAUDE: &str = r#"
while [ $# -gt 0 ]; do
  case "$1" in
    --session-id) id=$2; shift ;;
    --resume) id=$2; resumed=1; shift ;;
    -p) prompt=$2; shift ;;
  esac
  shift
done
dir="$HOME/.claude/projects/$(printf '%s' "$PWD" | tr -c 'A-Za-z0-9' '-')"
file="$dir/$id.jsonl"
if [ -n "$resumed" ] && [ ! -e "$file" ]; then echo "No conversation found with session ID: $id"; exit 1; fi
if [ -z "$resumed" ] && [ -e "$file" ]; then echo "Session ID $id is already in use."; exit 1; fi
mkdir -p "$dir"
write() {
  printf '{"type":"user","message":{"role":"user","content":"%s"},"sessionId":"%s","cwd":"%s","timestamp":"%s"}\n' \
    "$(json "$1")" "$id" "$PWD" "$(now)" >> "$file"
  printf '{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"On it."},{"type":"tool_use","name":"Bash","input":{"command":"ls"}}]},"sessionId":"%s","timestamp":"%s"}\n' "$id" "$(now)" >> "$file"
}
[ -n "$prompt" ] && write "$prompt"
"#;

/// Codex: it makes up its own name for a session.
const CODEX: &str = r#"
[ "$1" = exec ] && shift
if [ "$1" = resume ]; then id=$2; resumed=1; shift 2; fi
while [ $# -gt 0 ]; do
  case "$1" in
    --model|--sandbox|-c|--ask-for-approval|--add-dir) shift ;;
    -*) ;;
    *) prompt=$1 ;;
  esac
  shift
done
dir="$HOME/.codex/sessions/2026/11/21"; mkdir -p "$dir"
if [ -n "$resumed" ]; then
  file=$(ls "$dir"/rollout-*-"$id".jsonl 2>/dev/null) || { echo "no session $id"; exit 1; }
else
  id="0000$$-1111-7000-8000-$(date +%s%N | cut -c1-12)"; file="$dir/rollout-2026-11-21T00-00-00-$id.jsonl"
fi
write() {
  [ -e "$file" ] || printf '{"timestamp":"%s","type":"session_meta","payload":{"id":"%s","timestamp":"%s","cwd":"%s","thread_source":"user"}}\n' "$(now)" "$id" "$(now)" "$PWD" > "$file"
  printf '{"timestamp":"%s","type":"response_item","payload":{"type":"message","role":"user","content":[{"type":"input_text","text":"%s"}]}}\n' "$(now)" "$(json "$1")" >> "$file"
  printf '{"timestamp":"%s","type":"response_item","payload":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Done."}]}}\n' "$(now)" >> "$file"
}
[ -n "$prompt" ] && write "$prompt"
"#;

/// How a fake program goes on: it stays, and reads its terminal where it has one.
const COMPOSER: &str = r#"
if [ -t 0 ]; then
  printf '❯ '
  while IFS= read -r line; do [ -n "$line" ] && write "$line"; printf '❯ '; done
else
  exec tail -f --pid="$TEST_PROCESS" /dev/null
fi"#;

/// The words that start agent `w` of team `t` in the background.
fn background<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let start = "spawn subprocess --team t -n w --no-workspace --no-skip-permissions";
    start.split(' ').chain(more.iter().copied()).collect()
}

impl Place {
    fn new() -> Self {
        Self { world: World::new() }
    }

    fn with(variables: &[(&str, &str)]) -> Self {
        let world =
            variables.iter().fold(World::new(), |world, (name, value)| world.env(name, value));
        Self { world }
    }

    /// With a repository as the working directory.
    fn repository() -> Self {
        let place = Self::new();
        place.world.commit_a_file();
        place
    }

    /// A program called `name` in a directory of its own.
    fn program(&self, name: &str, parts: &[&str]) -> String {
        let dir = self.world.top().join("bin");
        fs::create_dir_all(&dir).expect("a directory can be made");
        let path = dir.join(name);
        let body = format!("#!/bin/sh\n{BEGIN}{}\n", parts.concat());
        fs::write(&path, body).expect("a file can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        path.display().to_string()
    }

    fn claude(&self) -> String {
        self.program("claude", &[CLAUDE, COMPOSER])
    }

    fn codex(&self) -> String {
        self.program("codex", &[CODEX, COMPOSER])
    }

    /// Starts an agent of team `t`, without a worktree.
    fn spawn(&self, backend: &str, agent: &str, options: &[&str], command: &[&str]) -> Value {
        let words = [
            "spawn",
            backend,
            "--team",
            "t",
            "-n",
            agent,
            "--no-workspace",
            "--no-skip-permissions",
        ];
        let told = self.world.run(&[&["--json"], &words[..], options, &["--"], command].concat());
        told.exits(0);
        told.json()
    }

    fn record(&self, agent: &str) -> Value {
        self.world.document(&format!("agents/t/{agent}.json"))
    }

    fn until_state(&self, agent: &str, state: &str) -> Value {
        until(&format!("{agent} is {state}"), || self.record(agent)["state"] == state);
        self.record(agent)
    }

    fn session(&self, agent: &str) -> Value {
        self.world.json(&["session", "show", "t", "-a", agent])
    }

    fn until_verified(&self, agent: &str) -> Value {
        until(&format!("the session of {agent} is verified"), || {
            self.session(agent)["state"]["verified"] == true
        });
        self.session(agent)
    }

    /// How the fake programs were called: agent, directory, program and arguments.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.world.home().join("calls")).unwrap_or_default();
        let starts = |line: &&str| line.contains("/bin/");
        text.lines().filter(starts).map(str::to_owned).collect()
    }

    fn log(&self) -> String {
        self.world.json(&["inbox", "log", "t"]).to_string()
    }

    fn alive(&self, agent: &str) -> Value {
        let status = self.world.json(&["team", "status", "t"]);
        let members = status["members"].as_array().expect("members").clone();
        let member = members.into_iter().find(|member| member["name"] == agent);
        member.expect("it is a member")["alive"].clone()
    }
}

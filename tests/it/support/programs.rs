//! Parts of programs that act as agents, and whether such a program runs.

use std::process::Command;

use clawteam::ports::Processes;
use clawteam::proc::SystemProcesses;
use serde_json::Value;

use crate::until;

/// Whether the process runs whose number stands in a document. One that has ended and that nobody
/// has collected does not.
pub(crate) fn exists(pid: &Value) -> bool {
    let pid = pid.as_u64().and_then(|pid| u32::try_from(pid).ok());
    pid.is_some_and(|pid| SystemProcesses.identify(pid).is_some())
}

/// Kills processes in their order. Without its runner, a program can be gone before its turn.
pub(crate) fn kill(pids: &[&Value]) {
    let numbers = pids.iter().map(ToString::to_string);
    Command::new("kill").arg("-9").args(numbers).output().expect("kill runs");
    until("they are gone", || pids.iter().all(|pid| !exists(pid)));
}

/// A program that stays until it is ended, or until the test process is gone, whose number is in
/// `TEST_PROCESS`.
pub(crate) const STAY: &str = "exec tail -f --pid=\"$TEST_PROCESS\" /dev/null";

/// What a program waits for that is to end by itself: that clawteam has registered this start.
pub(crate) const REGISTERED: &str = r#"
registered() {
  instance=$(sed -n 's/.*"instance": "\([^"]*\)".*/\1/p' "$CLAWTEAM_DATA_DIR/agents/t/$CLAWTEAM_AGENT_NAME.json")
  [ -n "$instance" ] && grep -q "$instance" "$CLAWTEAM_DATA_DIR/teams/t/spawn_registry.json"
}
until registered; do sleep 0.02; done
"#;

//! Harness runs: by hand from start to end, by a conductor, and by conductors that are killed.

mod conduct;
mod crash;
mod walk;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use super::crew::Crew;
use super::support::{Running, World};

/// An agent for every role. The planner hands in what plans need, executors do tasks, and the
/// evaluator hands in a report. Each writes down that it was started.
const AGENT: &str = r##"#!/bin/sh
cd "${CLAWTEAM_WORKSPACE_DIR:-.}" || exit 1
here=$(dirname "$0")
echo "$CLAWTEAM_AGENT_TYPE $CLAWTEAM_AGENT_NAME $PWD" >> "$here/starts"
team=$CLAWTEAM_TEAM_NAME
hand_in() { "$CLAWTEAM_BIN" harness artifact add "$team" "$1" --file - > /dev/null; }
contract() { printf '{"id": "%s", "title": "Part %s", "wave": %s, "depends_on": [%s]}' "$@"; }
case $CLAWTEAM_AGENT_TYPE in
planner)
    echo "# What to make" | hand_in spec.md
    contract a a 1 '' | hand_in sprint-contract-001.json
    contract b b 1 '"a"' | hand_in sprint-contract-002.json
    contract c c 2 '' | hand_in sprint-contract-003.json
    "$CLAWTEAM_BIN" lifecycle idle "$team" > /dev/null
    exec tail -f --pid="$TEST_PROCESS" /dev/null ;;
executor)
    while kill -0 "$TEST_PROCESS" 2> /dev/null; do
        [ -e "$here/crash-$CLAWTEAM_AGENT_NAME" ] && exit 3
        task=$("$CLAWTEAM_BIN" --json task claim "$team" next | sed -n 's/^  "id": "\(.*\)",$/\1/p')
        if [ -n "$task" ]; then
            sleep "${PACE:-0.05}"
            echo "$task" > "work-$task"
            "$CLAWTEAM_BIN" task update "$team" "$task" --status completed > /dev/null
        else
            sleep 0.1
        fi
    done ;;
evaluator)
    if [ -e "$here/fail" ] || { [ -e "$here/one-fails" ] && mkdir "$here/failed" 2> /dev/null; }; then
        echo '{"passed": false, "summary": "part b is wrong"}' | hand_in eval-report.json
    else
        echo '{"passed": true}' | hand_in eval-report.json
    fi
    exec tail -f --pid="$TEST_PROCESS" /dev/null ;;
esac
"##;

/// A place for runs, with an agent.
struct Stage {
    crew: Crew,
}

impl Stage {
    fn new() -> Self {
        let crew = Crew::new().repository();
        let stage = Self { crew };
        let file = stage.agent();
        fs::write(&file, AGENT).expect("a file can be written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it is ours");
        stage
    }

    fn world(&self) -> &World {
        &self.crew.world
    }

    fn agent(&self) -> PathBuf {
        self.crew.world.top().join("agent.sh")
    }

    /// What the agents wrote down at their start.
    fn starts(&self) -> Vec<String> {
        let text = fs::read_to_string(self.crew.world.top().join("starts")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn harness(&self, arguments: &[&str]) -> Value {
        self.world().json(&[&["harness"], arguments].concat())
    }

    fn status(&self) -> Value {
        self.harness(&["status", "t"])
    }

    /// Starts conducting with the agent, in the background.
    fn conduct(&self, options: &[&str]) -> Running {
        let agent = self.agent().display().to_string();
        let fixed = ["harness", "conduct", "t", "--goal", "Make it", "--cli", &agent];
        let backend = ["--backend", "subprocess", "--poll", "1"];
        self.world().call(&[&["--json"], &fixed[..], &backend, options].concat()).start()
    }
}

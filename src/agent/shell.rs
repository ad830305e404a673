//! Running scripts, and committing what they did.

use std::process::{Command, Stdio};

use super::AgentError;

/// Commits are made in the name of the agent, whoever the machine belongs to.
fn signed(command: &mut Command, name: &str, team: &str) {
    // Set where clawteam was started from a hook: another repository than the one we work in.
    for elsewhere in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(elsewhere);
    }
    let mail = format!("{name}@{team}.clawteam.invalid");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), name).env(format!("GIT_{role}_EMAIL"), &mail);
    }
}

/// Runs `script` with `/bin/sh -e` here, its output shown, with `vars` in its environment. Returns
/// its exit status.
pub(super) fn run(
    script: &str,
    name: &str,
    team: &str,
    vars: &[(&str, String)],
) -> Result<u8, AgentError> {
    let mut command = Command::new("/bin/sh");
    command.args(["-e", "-c", script, name]).stdin(Stdio::null());
    command.envs(vars.iter().map(|(name, value)| (name, value)));
    signed(&mut command, name, team);
    let status =
        command.status().map_err(|source| AgentError::Run { program: "/bin/sh".into(), source })?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255))
}

/// Commits everything that changed here. Returns the short hash; `None` if nothing changed or
/// this is no repository.
pub(super) fn commit(message: &str, name: &str, team: &str) -> Result<Option<String>, AgentError> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        signed(&mut command, name, team);
        let output = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
        output.map_err(|source| AgentError::Run { program: "git".into(), source })
    };
    if !git(&["rev-parse", "--is-inside-work-tree"])?.status.success() {
        return Ok(None);
    }
    let _ = git(&["add", "-A"])?;
    if git(&["diff", "--cached", "--quiet"])?.status.success() {
        return Ok(None);
    }
    let done =
        git(&["-c", "commit.gpgSign=false", "commit", "--quiet", "--no-verify", "-m", message])?;
    if !done.status.success() {
        let reason = format!("exit status {}", done.status.code().unwrap_or(-1));
        return Err(AgentError::Command { command: "git commit".into(), reason });
    }
    let hash = git(&["rev-parse", "--short", "HEAD"])?;
    Ok(Some(String::from_utf8_lossy(&hash.stdout).trim().to_owned()))
}

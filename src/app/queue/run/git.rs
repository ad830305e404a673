//! Work on repositories: merging, committing, and checking what is in a worktree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::command::{capture, environment, program, report};
use super::{Answer, Job};
use crate::app::workspace::{self, MergeWish, WorkspaceError};
use crate::core::{AgentName, Failure, Outcome};
use crate::domain::queue::QueueError;
use crate::domain::queue::payload::{self, Parse};
use crate::ports::Program;

/// Merges the work of agents, or branches, one after the other. The first conflict ends it: what
/// was merged before stays merged, and nothing is left half-merged.
pub(super) fn merge(job: &Job<'_>) -> Result<Answer, QueueError> {
    let wanted: payload::Merge = payload::read("merge", &job.item.payload)?;
    let mut merged = Vec::new();
    let failed = if wanted.agents.is_empty() {
        merge_branches(job, &wanted, &mut merged)
    } else {
        merge_agents(job, &wanted, &mut merged)
    };
    let output = json!({"merged": merged});
    Ok(match failed {
        Ok(()) => Answer::done(output, String::new()),
        Err(failure) => {
            let mut answer = refused(job, &failure);
            answer.report.output = output;
            let conflict = failure.downcast();
            if let Some(WorkspaceError::Conflicts { agent, target, conflicts, output, .. }) =
                conflict
            {
                answer.report.output["conflicts"] = json!(conflicts);
                answer.report.output["agent"] = json!(agent);
                answer.report.output["into"] = json!(target);
                answer.report.text.clone_from(output);
                // The same branches contradict each other each time.
                answer.permanent = true;
            }
            answer
        }
    })
}

fn merge_agents(job: &Job<'_>, wanted: &payload::Merge, merged: &mut Vec<Value>) -> Outcome<()> {
    let here = wanted.repo.as_ref().map_or_else(|| job.app.data_dir.clone(), PathBuf::from);
    for agent in &wanted.agents {
        let wish = MergeWish {
            target: wanted.into.as_deref(),
            clean_up: wanted.cleanup,
            here: &here,
            squash: wanted.strategy == payload::Strategy::Squash,
        };
        merged.push(json!(workspace::merge(job.app, job.team, agent, wish)?));
    }
    Ok(())
}

fn merge_branches(job: &Job<'_>, wanted: &payload::Merge, merged: &mut Vec<Value>) -> Outcome<()> {
    let repository = PathBuf::from(wanted.repo.clone().unwrap_or_default());
    let target = wanted.into.clone().unwrap_or_default();
    let squash = wanted.strategy == payload::Strategy::Squash;
    for branch in &wanted.branches {
        let one = workspace::merge_branch(job.app, &repository, branch, &target, squash)?;
        merged.push(json!(one));
    }
    Ok(())
}

/// Commits what is in the worktrees of agents.
pub(super) fn checkpoint(job: &Job<'_>) -> Result<Answer, QueueError> {
    let wanted: payload::Checkpoint = payload::read("checkpoint", &job.item.payload)?;
    let mut commits = Map::new();
    let mut all = || -> Outcome<()> {
        for agent in &wanted.agents {
            let made = workspace::checkpoint(job.app, job.team, agent, wanted.message.clone())?;
            let commit = workspace::head(job.app, job.team, agent)?;
            if let Some(tag) = &wanted.tag {
                let many = wanted.agents.len() > 1;
                let tag = if many { format!("{tag}-{agent}") } else { tag.clone() };
                workspace::tag(job.app, job.team, agent, &tag, &commit)?;
            }
            let told = json!({"commit": commit, "changed": made.is_some()});
            commits.insert(agent.to_string(), told);
        }
        Ok(())
    };
    let failed = all();
    let output = json!({"agents": commits});
    Ok(match failed {
        Ok(()) => Answer::done(output, String::new()),
        Err(failure) => {
            let mut answer = refused(job, &failure);
            answer.report.output = output;
            answer
        }
    })
}

fn refused(job: &Job<'_>, failure: &Failure) -> Answer {
    let mut answer = Answer::failed(job, failure.inner().code(), failure.message());
    answer.permanent = failure.inner().code() == "workspace_not_found";
    answer
}

/// Runs a check in an agent's worktree. The answer says which commit it is about.
pub(super) fn verify(job: &Job<'_>) -> Result<Answer, QueueError> {
    let wanted: payload::Verify = payload::read("verify", &job.item.payload)?;
    let bad =
        |reason: &str| QueueError::BadPayload { kind: "verify".into(), reason: reason.into() };
    let argv = wanted.argv.words(wanted.shell).map_err(bad)?;
    let place = match place(job, &wanted.agent, wanted.cwd.as_deref()) {
        Ok(place) => place,
        Err(failure) => return Ok(refused(job, &failure)),
    };
    if let Some(expected) = &wanted.commit {
        let moved = if place.commit != *expected {
            Some(format!("the worktree is at {}, not at {expected}", place.commit))
        } else if place.dirty {
            Some(format!("the worktree has changes that are not in {expected}"))
        } else {
            None
        };
        if let Some(why) = moved {
            return Ok(Answer::hopeless(job, "commit_moved", why));
        }
    }
    let mut vars = BTreeMap::from([
        ("CLAWTEAM_VERIFY_AGENT".to_owned(), wanted.agent.to_string()),
        ("CLAWTEAM_VERIFY_COMMIT".to_owned(), place.commit.clone()),
    ]);
    vars.extend(wanted.env);
    let program = Program {
        env: environment(job, &vars),
        stdout_max: wanted.output_max,
        ..program(job, argv, place.cwd)
    };
    let mut answer = match capture(job, &program) {
        Ok(captured) => report(job, captured, &wanted.ok_exit, Parse::None),
        Err(answer) => return Ok(*answer),
    };
    answer.report.output =
        json!({"agent": wanted.agent, "commit": place.commit, "dirty": place.dirty});
    Ok(answer)
}

/// Where a check runs, and what is there.
struct Place {
    cwd: PathBuf,
    commit: String,
    /// Whether there are changes that are in no commit.
    dirty: bool,
}

fn place(job: &Job<'_>, agent: &AgentName, inside: Option<&str>) -> Outcome<Place> {
    let commit = workspace::head(job.app, job.team, agent)?;
    let dirty = !workspace::status(job.app, job.team, agent)?.is_clean();
    let workspace = workspace::of(job.app, job.team, agent, &job.app.data_dir)?;
    let top = Path::new(&workspace.worktree_path);
    let sub = inside.unwrap_or(&workspace.repo_subpath);
    let cwd = if sub.is_empty() { top.to_owned() } else { top.join(sub) };
    Ok(Place { cwd, commit, dirty })
}

//! Worktrees of agents, and getting their work home.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{App, agents, hook, liveness, provision};
use crate::core::{AgentName, Diagnose, Name, Outcome, TeamName};
use crate::domain::Extra;
use crate::domain::event::Event;
use crate::domain::workspace::{self, Provisioned, Workspace, WorkspaceRegistry};
use crate::ports::git::{MergeOutcome, Repository, Salvage, WorktreeStatus};
use crate::store::{Dir, Key, Locked, Scope, StoreError};

/// Why work cannot be got at.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// The agent has no worktree.
    #[error("No workspace found for {agent}")]
    NotFound {
        /// The agent.
        agent: String,
        /// Its team.
        team: String,
    },
    /// The branch started from a commit that is on no branch.
    #[error("the branch of '{agent}' started from {base}, which is not a branch")]
    NoTarget {
        /// The agent.
        agent: String,
        /// Where its branch started.
        base: String,
    },
    /// There is no such saved work.
    #[error("no saved work '{name}' of team '{team}'")]
    NoSalvage {
        /// What was asked for.
        name: String,
        /// The team.
        team: String,
    },
    /// The branches contradict each other.
    #[error("'{agent}' and {target} conflict in {}", conflicts.join(", "))]
    Conflicts {
        /// The agent.
        agent: String,
        /// The branch that was to be merged into.
        target: String,
        /// The agent's worktree.
        path: String,
        /// The files in conflict.
        conflicts: Vec<String>,
        /// What git said about them.
        output: String,
    },
    /// Somebody works in the worktree that was to be removed.
    #[error("still running: {}", .0.join(", "))]
    Running(Vec<String>),
}

impl Diagnose for WorkspaceError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "workspace_not_found",
            Self::NoTarget { .. } => "no_merge_target",
            Self::NoSalvage { .. } => "salvage_not_found",
            Self::Conflicts { .. } => "merge_conflict",
            Self::Running(_) => "agent_running",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { team, .. } => {
                Some(format!("see the workspaces: clawteam workspace list {team}"))
            }
            Self::NoTarget { .. } => Some("name the branch to merge into with --target".into()),
            Self::NoSalvage { team, .. } => {
                Some(format!("see what was saved: clawteam workspace salvage list {team}"))
            }
            Self::Conflicts { target, path, .. } => Some(format!(
                "nothing was changed; merge {target} into the agent's branch in {path}, then try again"
            )),
            Self::Running(_) => {
                Some("wait until they are done, or say --force to end them first".into())
            }
        }
    }
}

/// The worktrees of a team.
pub fn registry(app: &App, team: &TeamName) -> Result<WorkspaceRegistry, StoreError> {
    let found = app.store.load::<WorkspaceRegistry>(&Key::workspace_registry(team))?;
    let mut registry = found.map(|doc| doc.value).unwrap_or_default();
    registry.fill_in_repository();
    Ok(registry)
}

/// The worktree of an agent. Where nobody wrote down its repository, that is the one around
/// `here`.
pub fn of(app: &App, team: &TeamName, agent: &AgentName, here: &Path) -> Outcome<Workspace> {
    with_repository(app, recorded(app, team, agent)?, here)
}

/// The worktree of an agent, as it was written down.
fn recorded(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Workspace> {
    let found = registry(app, team)?.of(agent.as_str()).cloned();
    let missing = || WorkspaceError::NotFound { agent: agent.to_string(), team: team.to_string() };
    Ok(found.ok_or_else(missing)?)
}

fn with_repository(app: &App, mut workspace: Workspace, here: &Path) -> Outcome<Workspace> {
    if workspace.repo_root.is_empty() {
        workspace.repo_root = app.git.discover(here)?.root.display().to_string();
    }
    Ok(workspace)
}

fn change(app: &App, team: &TeamName, rule: impl FnOnce(&mut WorkspaceRegistry)) -> Outcome<()> {
    let mut locked = app.store.lock(&Scope::Workspaces(team.clone()))?;
    let key = Key::workspace_registry(team);
    let found = app.store.load::<WorkspaceRegistry>(&key)?;
    let revision = found.as_ref().map(|doc| doc.revision);
    let mut registry = found.map(|doc| doc.value).unwrap_or_default();
    if registry.team_name.is_empty() {
        registry.team_name = team.to_string();
    }
    rule(&mut registry);
    locked.put(key, &registry, revision)?;
    Ok(())
}

/// Keeps other clawteam processes from changing the same repository meanwhile.
fn lock_repository<'a>(app: &'a App, root: &Path) -> Outcome<Locked<'a>> {
    let common = app.git.common_dir(root)?;
    let digest = xxhash_rust::xxh3::xxh3_64(common.to_string_lossy().as_bytes());
    let digest = Name::parse(format!("{digest:016x}"))?;
    Ok(app.store.lock(&Scope::Repository(digest))?)
}

/// A worktree ready for an agent.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The worktree.
    pub workspace: Workspace,
    /// Where in it the agent works.
    pub cwd: PathBuf,
    /// Whether the branch, with earlier work on it, was there already.
    pub reused: bool,
}

/// Makes the worktree of an agent, or takes up the one it had.
pub fn prepare(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    agent_id: &str,
    repository: &Repository,
) -> Outcome<Prepared> {
    app.store.backend().create_dir(&Dir::workspaces(team))?;
    let path = app.data_dir.join(Dir::workspaces(team).child(agent.as_str()).as_str());
    let branch = workspace::branch(team, agent);
    let earlier = registry(app, team)?.of(agent.as_str()).cloned();
    let kept = path.exists();
    let reused = {
        let _locked = lock_repository(app, &repository.root)?;
        app.git.add_worktree(&repository.root, &path, &branch, &repository.head)?
    };
    // What was done in an earlier worktree went with it.
    let provisioned = earlier.as_ref().filter(|_| kept).and_then(|w| w.provisioned.clone());
    let base_branch = match earlier {
        // The branch goes where it was meant to go when it was made.
        Some(earlier) if reused && !earlier.base_branch.is_empty() => earlier.base_branch,
        _ => repository.head.clone(),
    };
    let workspace = Workspace {
        agent_name: agent.to_string(),
        agent_id: agent_id.to_owned(),
        team_name: team.to_string(),
        branch_name: branch,
        worktree_path: path.display().to_string(),
        repo_root: repository.root.display().to_string(),
        repo_subpath: repository.subpath.clone(),
        base_branch,
        created_at: app.stamp(),
        provisioned,
        extra: Extra::new(),
    };
    change(app, team, |registry| registry.record(workspace.clone()))?;
    // Joining nothing would leave a slash at the end.
    let inside = Some(path.join(&repository.subpath)).filter(|_| !repository.subpath.is_empty());
    let cwd = inside.filter(|inside| inside.is_dir()).unwrap_or(path);
    Ok(Prepared { workspace, cwd, reused })
}

/// Writes down how an agent's worktree was made ready.
pub(super) fn provisioned(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    state: Provisioned,
) -> Outcome<()> {
    change(app, team, |registry| {
        let mut workspaces = registry.workspaces.iter_mut();
        if let Some(workspace) = workspaces.find(|w| w.agent_name == agent.as_str()) {
            workspace.provisioned = Some(state);
        }
    })
}

/// Keeps what was put into a worktree from being committed. Returns what git did not ignore before.
pub(super) fn keep_out_of_commits(
    app: &App,
    workspace: &Workspace,
    paths: &[PathBuf],
) -> Outcome<Vec<String>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let _locked = lock_repository(app, Path::new(&workspace.repo_root))?;
    Ok(app.git.exclude(Path::new(&workspace.worktree_path), paths)?)
}

/// What is uncommitted in an agent's worktree.
pub fn status(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<WorktreeStatus> {
    Ok(app.git.status(Path::new(&recorded(app, team, agent)?.worktree_path))?)
}

/// Commits everything in an agent's worktree. `None` if there was nothing to commit.
pub fn checkpoint(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    message: Option<String>,
) -> Outcome<Option<String>> {
    let workspace = recorded(app, team, agent)?;
    let message = message.unwrap_or_else(|| {
        format!("[clawteam] checkpoint: {agent} @ {}", app.now().format("%Y%m%d-%H%M%S"))
    });
    Ok(app.git.commit_all(Path::new(&workspace.worktree_path), &message)?)
}

/// How a merge went.
#[derive(Debug, Clone, Serialize)]
pub struct Merged {
    /// `merged`.
    pub status: &'static str,
    /// The team.
    pub team: String,
    /// The agent.
    pub agent: String,
    /// What there is to say.
    pub output: String,
    /// The branch that was merged into.
    pub target: String,
    /// The merge commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Where work was saved when the worktree went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salvaged: Option<String>,
    /// Whether the worktree should have gone but stayed, because the agent still runs in it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

/// Which merge is wanted.
#[derive(Debug, Clone, Copy)]
pub struct MergeWish<'a> {
    /// The branch to merge into, if it is not the one that the agent's branch started from.
    pub target: Option<&'a str>,
    /// Whether the worktree goes after a successful merge.
    pub clean_up: bool,
    /// Where to look for a repository that is not written down.
    pub here: &'a Path,
    /// Whether the work becomes one commit rather than a merge.
    pub squash: bool,
}

/// Merges an agent's work. What is not committed yet is committed first. The worktree of an agent
/// that still runs always stays.
pub fn merge(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    wish: MergeWish<'_>,
) -> Outcome<Merged> {
    let workspace = of(app, team, agent, wish.here)?;
    let root = Path::new(&workspace.repo_root);
    let target = wish.target.unwrap_or(&workspace.base_branch).to_owned();
    if app.git.resolve(root, &format!("refs/heads/{target}"))?.is_none() {
        let base = target;
        return Err(WorkspaceError::NoTarget { agent: agent.to_string(), base }.into());
    }
    let event = Event::new("BeforeWorkspaceMerge", team.as_str());
    let event = event.with("agent_name", agent.as_str());
    hook::ask(app, event.with("branch", workspace.branch_name.as_str()))?;
    let path = Path::new(&workspace.worktree_path);
    if path.exists() {
        app.git.commit_all(path, &format!("[clawteam] pre-merge checkpoint: {agent}"))?;
    }
    let (output, commit) = match bring(app, root, &workspace.branch_name, &target, wish.squash)? {
        MergeOutcome::Merged { commit, summary } => (summary, Some(commit)),
        MergeOutcome::UpToDate => (format!("'{target}' already holds this work"), None),
        MergeOutcome::Conflicts { files, output } => {
            return Err(WorkspaceError::Conflicts {
                agent: agent.to_string(),
                target,
                path: workspace.worktree_path,
                conflicts: files,
                output,
            }
            .into());
        }
    };
    let kept = wish.clean_up && liveness::of(app, team, agent.as_str()) == Some(true);
    let salvaged =
        if wish.clean_up && !kept { remove(app, team, &workspace)?.salvaged } else { None };
    Ok(Merged {
        status: "merged",
        team: team.to_string(),
        agent: agent.to_string(),
        output,
        target,
        commit,
        salvaged,
        kept,
    })
}

/// Merges `branch` into `target`, while no other clawteam process changes the repository.
fn bring(
    app: &App,
    root: &Path,
    branch: &str,
    target: &str,
    squash: bool,
) -> Outcome<MergeOutcome> {
    let _locked = lock_repository(app, root)?;
    Ok(if squash {
        app.git.squash(root, branch, target, &format!("Squash {branch} into {target}"))?
    } else {
        app.git.merge(root, branch, target, &format!("Merge {branch} into {target}"))?
    })
}

/// A branch that was merged.
#[derive(Debug, Clone, Serialize)]
pub struct MergedBranch {
    /// The branch.
    pub branch: String,
    /// The branch that was merged into.
    pub target: String,
    /// The new commit; nothing if all of it was there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Merges `branch` into `target` in the repository around `here`.
pub fn merge_branch(
    app: &App,
    here: &Path,
    branch: &str,
    target: &str,
    squash: bool,
) -> Outcome<MergedBranch> {
    let root = app.git.discover(here)?.root;
    let commit = match bring(app, &root, branch, target, squash)? {
        MergeOutcome::Merged { commit, .. } => Some(commit),
        MergeOutcome::UpToDate => None,
        MergeOutcome::Conflicts { files, output } => {
            return Err(WorkspaceError::Conflicts {
                agent: branch.to_owned(),
                target: target.to_owned(),
                path: root.display().to_string(),
                conflicts: files,
                output,
            }
            .into());
        }
    };
    Ok(MergedBranch { branch: branch.to_owned(), target: target.to_owned(), commit })
}

/// The commit that an agent's worktree is at.
pub fn head(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<String> {
    let workspace = recorded(app, team, agent)?;
    let missing = || WorkspaceError::NotFound { agent: agent.to_string(), team: team.to_string() };
    Ok(app.git.resolve(Path::new(&workspace.worktree_path), "HEAD")?.ok_or_else(missing)?)
}

/// Names a commit of an agent's repository.
pub fn tag(app: &App, team: &TeamName, agent: &AgentName, name: &str, commit: &str) -> Outcome<()> {
    let workspace = recorded(app, team, agent)?;
    Ok(app.git.tag(Path::new(&workspace.worktree_path), name, commit)?)
}

/// A worktree that was removed.
#[derive(Debug, Clone, Serialize)]
pub struct Removed {
    /// Whose it was.
    pub agent: String,
    /// The branch that went with it.
    pub branch: String,
    /// Where its work was saved; nothing if all of it is merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salvaged: Option<String>,
}

/// Removes an agent's worktree and branch, after saving whatever would be lost.
pub fn remove(app: &App, team: &TeamName, workspace: &Workspace) -> Outcome<Removed> {
    let root = PathBuf::from(&workspace.repo_root);
    let path = Path::new(&workspace.worktree_path);
    let branch = &workspace.branch_name;
    provision::tear_down(app, team, workspace);
    let mut removed =
        Removed { agent: workspace.agent_name.clone(), branch: branch.clone(), salvaged: None };
    if app.git.discover(&root).is_ok() {
        let _locked = lock_repository(app, &root)?;
        let reference = free_reference(app, &root, team, &workspace.agent_name)?;
        removed.salvaged =
            app.git.salvage(&root, path, branch, &reference)?.map(|saved| saved.reference);
        app.git.remove_worktree(&root, path)?;
        if let Some(tip) = app.git.resolve(&root, &format!("refs/heads/{branch}"))? {
            app.git.delete_branch(&root, branch, &tip)?;
        }
    } else {
        app.warn(format!(
            "the repository {} is gone; the files in {} are left there",
            root.display(),
            path.display()
        ));
    }
    change(app, team, |registry| registry.forget(&workspace.agent_name))?;
    let event = Event::new("AfterWorkspaceCleanup", team.as_str());
    hook::emit(app, event.with("agent_name", workspace.agent_name.as_str()));
    Ok(removed)
}

/// A name for saved work that is not in use: two worktrees of an agent can go in one second.
fn free_reference(app: &App, root: &Path, team: &TeamName, agent: &str) -> Outcome<String> {
    let time = app.now().format("%Y%m%dT%H%M%SZ");
    let first = workspace::salvage_reference(team.as_str(), agent, &time.to_string());
    let mut reference = first.clone();
    let mut number = 1;
    while app.git.resolve(root, &reference)?.is_some() {
        number += 1;
        reference = format!("{first}-{number}");
    }
    Ok(reference)
}

/// What a clean-up did.
#[derive(Debug, Clone, Serialize)]
pub struct Cleaned {
    /// `cleaned`, or `not_found` if the agent that was named has no worktree.
    pub status: &'static str,
    /// The team.
    pub team: String,
    /// The agent, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// How many worktrees were removed.
    pub count: usize,
    /// These worktrees.
    pub workspaces: Vec<Removed>,
}

/// Removes the worktree of an agent, or those of all. Refuses if somebody still works in one of
/// them, unless `force` allows to end these agents first.
pub fn clean_up(
    app: &App,
    team: &TeamName,
    agent: Option<&AgentName>,
    force: bool,
    here: &Path,
) -> Outcome<Cleaned> {
    let mut wanted = registry(app, team)?.workspaces;
    wanted.retain(|workspace| agent.is_none_or(|agent| workspace.agent_name == agent.as_str()));
    let alive = liveness::all(app, team);
    let runs = |w: &&Workspace| alive.get(&w.agent_name).copied().flatten() == Some(true);
    let running: Vec<String> = wanted.iter().filter(runs).map(|w| w.agent_name.clone()).collect();
    if !running.is_empty() && !force {
        return Err(WorkspaceError::Running(running).into());
    }
    for name in running {
        if !agents::stop(app, team, &AgentName::parse(name.clone())?)? {
            app.warn(format!("agent '{name}' could not be stopped"));
        }
    }
    let status = if agent.is_some() && wanted.is_empty() { "not_found" } else { "cleaned" };
    let mut workspaces = Vec::new();
    for workspace in wanted {
        let workspace = with_repository(app, workspace, here)?;
        workspaces.push(remove(app, team, &workspace)?);
    }
    Ok(Cleaned {
        status,
        team: team.to_string(),
        agent: agent.map(ToString::to_string),
        count: workspaces.len(),
        workspaces,
    })
}

/// The repositories that hold saved work of a team: those of its worktrees, and the one around
/// `here`.
fn repositories(app: &App, team: &TeamName, here: &Path) -> Outcome<Vec<PathBuf>> {
    let registry = registry(app, team)?;
    let mut roots: Vec<PathBuf> =
        registry.workspaces.iter().map(|w| PathBuf::from(&w.repo_root)).collect();
    if !registry.repo_root.is_empty() {
        roots.push(PathBuf::from(&registry.repo_root));
    }
    if let Ok(repository) = app.git.discover(here) {
        roots.push(repository.root);
    }
    roots.sort();
    roots.dedup();
    roots.retain(|root| app.git.discover(root).is_ok());
    Ok(roots)
}

/// The saved work of a team, oldest first, each with its repository.
pub fn salvaged(app: &App, team: &TeamName, here: &Path) -> Outcome<Vec<(PathBuf, Salvage)>> {
    let prefix = format!("refs/clawteam/salvage/{team}/");
    let mut all = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for root in repositories(app, team, here)? {
        // Two worktrees of one repository share their references.
        if seen.insert(app.git.common_dir(&root)?) {
            let saved = app.git.list_salvage(&root, &prefix)?;
            all.extend(saved.into_iter().map(|one| (root.clone(), one)));
        }
    }
    all.sort_by_key(|(_, one)| one.saved_at);
    Ok(all)
}

/// The saved work that `name` means: a reference, its end, or `latest`.
fn find_salvage(
    app: &App,
    team: &TeamName,
    here: &Path,
    name: &str,
) -> Outcome<(PathBuf, Salvage)> {
    let mut all = salvaged(app, team, here)?;
    let found = if name == "latest" {
        all.pop()
    } else {
        let suffix = format!("/{name}");
        all.into_iter().rfind(|(_, one)| one.reference == name || one.reference.ends_with(&suffix))
    };
    let missing = || WorkspaceError::NoSalvage { name: name.to_owned(), team: team.to_string() };
    Ok(found.ok_or_else(missing)?)
}

/// What saved work holds.
pub fn show_salvage(
    app: &App,
    team: &TeamName,
    here: &Path,
    name: &str,
) -> Outcome<(Salvage, String)> {
    let (root, saved) = find_salvage(app, team, here, name)?;
    let text = app.git.show_salvage(&root, &saved.reference)?;
    Ok((saved, text))
}

/// Makes a branch of saved work. Returns the branch.
pub fn restore_salvage(
    app: &App,
    team: &TeamName,
    here: &Path,
    name: &str,
    branch: Option<&str>,
) -> Outcome<(Salvage, String)> {
    let (root, saved) = find_salvage(app, team, here, name)?;
    let default = saved.reference.replacen("refs/clawteam/salvage/", "clawteam-restored/", 1);
    let branch = branch.unwrap_or(&default).to_owned();
    app.git.restore_salvage(&root, &saved.reference, &branch)?;
    Ok((saved, branch))
}

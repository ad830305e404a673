//! What the agents of a team change, and where that meets.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset};
use indexmap::IndexMap;
use serde::Serialize;

use super::{App, task, workspace};
use crate::core::text::{count, cut, printable};
use crate::core::{AgentName, Diagnose, FileChange, Outcome, TeamName};
use crate::domain::overlap::{self, Overlap, Severity};
use crate::domain::task::{Status, Task};
use crate::domain::workspace::Workspace;
use crate::ports::git::{GitError, Version};

/// There is no repository to look at.
#[derive(Debug, thiserror::Error)]
#[error("Not inside a git repository")]
struct NoRepository;

impl Diagnose for NoRepository {
    fn code(&self) -> &'static str {
        "not_a_repository"
    }

    fn hint(&self) -> Option<String> {
        Some("run this inside the team's repository, or name it with --repo PATH".into())
    }
}

/// The work of one agent: its branch, and the worktree that it lies in.
#[derive(Debug, Clone)]
pub struct Side {
    /// The agent.
    pub agent: String,
    root: PathBuf,
    branch: String,
    base: String,
    /// Where the branch left its base.
    from: String,
    worktree: PathBuf,
}

/// The work of a team's agents. One whose branch or base is gone is left out and told.
///
/// `repo` is the repository; `None` for the one that was written down, or the one around `here`.
pub fn sides(app: &App, team: &TeamName, repo: Option<&Path>) -> Outcome<Vec<Side>> {
    let (sides, unseen) = find_sides(app, team, repo)?;
    for problem in unseen {
        app.warn(problem);
    }
    Ok(sides)
}

/// The same without a word of those whose work cannot be seen.
pub fn sides_seen(app: &App, team: &TeamName) -> Outcome<Vec<Side>> {
    Ok(find_sides(app, team, None)?.0)
}

/// The sides, and why some of them cannot be seen.
fn find_sides(
    app: &App,
    team: &TeamName,
    repo: Option<&Path>,
) -> Outcome<(Vec<Side>, Vec<String>)> {
    let registry = workspace::registry(app, team)?;
    let fallback = match repo {
        Some(named) => Some(app.git.discover(named).map_err(no_repository)?.root),
        None if registry.repo_root.is_empty() => {
            Some(app.git.discover(Path::new(".")).map_err(no_repository)?.root)
        }
        None => None,
    };
    if registry.workspaces.is_empty() {
        let root = fallback.clone().unwrap_or_else(|| registry.repo_root.clone().into());
        app.git.common_dir(&root).map_err(no_repository)?;
    }
    let (mut sides, mut unseen) = (Vec::new(), Vec::new());
    for workspace in &registry.workspaces {
        let named = Path::new(&workspace.repo_root);
        let root = match (&fallback, workspace.repo_root.is_empty()) {
            (Some(root), _) if repo.is_some() => root.as_path(),
            (Some(root), true) => root.as_path(),
            _ => named,
        };
        match side(app, root, workspace) {
            Ok(side) => sides.push(side),
            Err(error) if error.code() == "not_a_repository" => return Err(NoRepository.into()),
            Err(error) => {
                let agent = &workspace.agent_name;
                unseen.push(format!("the work of '{agent}' cannot be seen: {error}"));
            }
        }
    }
    Ok((sides, unseen))
}

fn no_repository(error: GitError) -> crate::core::Failure {
    if error.code() == "not_a_repository" { NoRepository.into() } else { error.into() }
}

fn side(app: &App, root: &Path, workspace: &Workspace) -> Result<Side, GitError> {
    let (base, branch) = (&workspace.base_branch, &workspace.branch_name);
    let from = app.git.ancestor(root, base, branch)?;
    Ok(Side {
        agent: workspace.agent_name.clone(),
        root: root.to_owned(),
        branch: branch.clone(),
        base: base.clone(),
        // A branch that has nothing in common with its base is all of it the agent's work.
        from: from.unwrap_or_else(|| base.clone()),
        worktree: PathBuf::from(&workspace.worktree_path),
    })
}

impl Side {
    fn committed(&self) -> Version<'_> {
        Version::Committed(&self.branch)
    }

    /// What the agent has changed since `from`, with or without what it has not committed. A
    /// worktree that is gone holds nothing.
    fn changes(&self, app: &App, from: &str, whole: bool) -> Result<Vec<FileChange>, GitError> {
        if whole {
            let lying = Version::InWorktree(&self.worktree);
            match app.git.changes(&self.root, from, &lying) {
                Err(error) if error.code() == "not_a_repository" => {}
                found => return found,
            }
        }
        app.git.changes(&self.root, from, &self.committed())
    }

    /// What lies in the worktree and is in no commit.
    fn uncommitted(&self, app: &App) -> Result<Vec<FileChange>, GitError> {
        let lying = Version::InWorktree(&self.worktree);
        match app.git.changes(&self.root, &self.branch, &lying) {
            Err(error) if error.code() == "not_a_repository" => Ok(Vec::new()),
            found => found,
        }
    }
}

/// What an agent has changed since its branch began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WorkDiff {
    /// The files that its commits changed.
    pub files_changed: Vec<String>,
    /// Lines that they added.
    pub insertions: usize,
    /// Lines that they removed.
    pub deletions: usize,
    /// `git diff --stat`.
    pub diff_stat: String,
    /// How many commits there are.
    pub commit_count: usize,
    /// All of that in a line.
    pub summary: String,
    /// What is in its worktree and in no commit.
    pub uncommitted: Uncommitted,
}

/// Work that is in no commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Uncommitted {
    /// The files.
    pub files: Vec<String>,
    /// Lines that were added.
    pub insertions: usize,
    /// Lines that were removed.
    pub deletions: usize,
}

fn lines(changes: &[FileChange]) -> (usize, usize) {
    let added = changes.iter().map(FileChange::insertions).sum();
    (added, changes.iter().map(FileChange::deletions).sum())
}

fn paths(changes: &[FileChange]) -> Vec<String> {
    changes.iter().map(|change| change.path.clone()).collect()
}

/// What `agent` has changed; nothing if it has no worktree.
pub fn diff(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    repo: Option<&Path>,
) -> Outcome<WorkDiff> {
    let sides = sides(app, team, repo)?;
    let Some(side) = sides.iter().find(|side| side.agent == agent.as_str()) else {
        let summary = summary(agent.as_str(), 0, (0, 0), 0);
        return Ok(WorkDiff { summary, ..WorkDiff::default() });
    };
    diff_of(app, side)
}

fn summary(agent: &str, files: usize, (added, removed): (usize, usize), commits: usize) -> String {
    format!("{agent}: {files} file(s), +{added}/-{removed}, {commits} commit(s)")
}

fn diff_of(app: &App, side: &Side) -> Outcome<WorkDiff> {
    let changes = app.git.changes(&side.root, &side.from, &side.committed())?;
    let lying = side.uncommitted(app)?;
    let (commit_count, _) = app.git.commits(&side.root, &side.base, &side.branch, 0)?;
    let (insertions, deletions) = lines(&changes);
    let uncommitted = lines(&lying);
    let mut summary = summary(&side.agent, changes.len(), (insertions, deletions), commit_count);
    if !lying.is_empty() {
        summary.push_str(&format!(", {} not committed", count(lying.len(), "file")));
    }
    Ok(WorkDiff {
        files_changed: paths(&changes),
        insertions,
        deletions,
        diff_stat: app.git.diff_stat(&side.root, &side.from, &side.branch)?,
        commit_count,
        summary,
        uncommitted: Uncommitted {
            files: paths(&lying),
            insertions: uncommitted.0,
            deletions: uncommitted.1,
        },
    })
}

/// Which agents change which file, and which of them have not committed that.
pub type FileOwners = BTreeMap<String, IndexMap<String, bool>>;

/// Every file that agents change, with these agents; true marks one whose change of the file is
/// not committed, or not all of it. `whole` is whether such work counts.
pub fn files(app: &App, sides: &[Side], whole: bool) -> Outcome<FileOwners> {
    let mut owners = FileOwners::new();
    for side in sides {
        for change in side.changes(app, &side.from, whole)? {
            owners.entry(change.path).or_default().insert(side.agent.clone(), false);
        }
        if whole {
            for change in side.uncommitted(app)? {
                // A change that was taken back by hand is none.
                if let Some(agents) = owners.get_mut(&change.path)
                    && let Some(lying) = agents.get_mut(&side.agent)
                {
                    *lying = true;
                }
            }
        }
    }
    Ok(owners)
}

/// The changes of each agent since a commit, by the agent's number and that commit.
type Known = HashMap<(usize, String), HashMap<String, FileChange>>;

/// The files that several agents change, those that will conflict first. `whole` is whether work
/// counts that is in no commit.
pub fn conflicts(app: &App, sides: &[Side], whole: bool) -> Outcome<Vec<Overlap>> {
    let mut shared: Vec<(String, IndexMap<String, bool>)> =
        files(app, sides, whole)?.into_iter().filter(|(_, agents)| agents.len() > 1).collect();
    let mut known = Known::new();
    let mut overlaps = Vec::new();
    for (file, agents) in &mut shared {
        agents.sort_keys();
        let of = |agent: &String| sides.iter().position(|side| side.agent == *agent);
        let numbers: Vec<usize> = agents.keys().filter_map(of).collect();
        let mut worst = None;
        for (place, one) in numbers.iter().enumerate() {
            for two in &numbers[place + 1..] {
                let found = compare(app, sides, (*one, *two), file, whole, &mut known)?;
                worst = worst.into_iter().chain(found).min();
            }
        }
        let Some(severity) = worst else { continue };
        overlaps.push(Overlap {
            file: file.clone(),
            agents: agents.keys().cloned().collect(),
            severity,
            uncommitted: agents.iter().filter(|(_, l)| **l).map(|(a, _)| a.clone()).collect(),
        });
    }
    overlaps.sort_by_key(|overlap| overlap.severity);
    Ok(overlaps)
}

/// What merging the changes of two agents to a file comes to; `None` if they work in different
/// repositories.
fn compare(
    app: &App,
    sides: &[Side],
    (one, two): (usize, usize),
    file: &str,
    whole: bool,
    known: &mut Known,
) -> Outcome<Option<Severity>> {
    let (a, b) = (&sides[one], &sides[two]);
    if a.root != b.root && app.git.common_dir(&a.root)? != app.git.common_dir(&b.root)? {
        return Ok(None);
    }
    // What they last had in common is what a merge starts from.
    let Some(from) = app.git.ancestor(&a.root, &a.branch, &b.branch)? else {
        return Ok(Some(Severity::High));
    };
    for number in [one, two] {
        if let Entry::Vacant(place) = known.entry((number, from.clone())) {
            let changes = sides[number].changes(app, &from, whole)?;
            let by_path = changes.into_iter().map(|change| (change.path.clone(), change));
            place.insert(by_path.collect());
        }
    }
    let change = |number: usize| known.get(&(number, from.clone())).and_then(|c| c.get(file));
    Ok(Some(match (change(one), change(two)) {
        (Some(one), Some(two)) => overlap::severity(one, two),
        // One of them has by now what the other began with.
        _ => Severity::Low,
    }))
}

/// A commit of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// The agent.
    pub agent: String,
    /// The commit.
    pub hash: String,
    /// The first line of its message.
    pub message: String,
    /// When its author made it, in the author's own time.
    pub timestamp: String,
    /// The files that it touched.
    pub files: Vec<String>,
}

/// The newest commits of all agents, newest first.
pub fn log(app: &App, sides: &[Side], limit: usize) -> Outcome<Vec<LogEntry>> {
    let mut entries = Vec::new();
    for side in sides {
        let (_, commits) = app.git.commits(&side.root, &side.base, &side.branch, limit)?;
        entries.extend(commits.into_iter().map(|commit| {
            let entry = LogEntry {
                agent: side.agent.clone(),
                hash: commit.id,
                message: commit.subject,
                timestamp: local_time(commit.seconds, commit.offset),
                files: commit.files,
            };
            (commit.seconds, entry)
        }));
    }
    // Commits of one agent keep their order.
    entries.sort_by_key(|(seconds, _)| std::cmp::Reverse(*seconds));
    Ok(entries.into_iter().map(|(_, entry)| entry).take(limit).collect())
}

fn local_time(seconds: i64, offset_minutes: i32) -> String {
    let zone = FixedOffset::east_opt(offset_minutes.saturating_mul(60));
    let at = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    match zone {
        Some(zone) => at.with_timezone(&zone).to_rfc3339(),
        None => at.to_rfc3339(),
    }
}

/// How many commits of others are looked at for what concerns an agent.
const RECENT_MAX: usize = 20;
/// How many lines a section of the context has. A prompt is read at a price.
const SECTION_LINES_MAX: usize = 20;
/// How many files are named in a line.
const FILES_NAMED_MAX: usize = 5;

/// What an agent should know of the work of the others, as text for its prompt; `None` if there
/// is nothing.
pub fn inject(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    repo: Option<&Path>,
) -> Outcome<Option<String>> {
    let sides = sides(app, team, repo)?;
    let sections = [
        ("File Overlap Warnings", overlap_lines(app, &sides, agent.as_str())?),
        ("Recent Related Changes", recent_lines(app, &sides, agent.as_str())?),
        ("Upstream Dependency Changes", upstream_lines(app, team, &sides, agent.as_str())?),
    ];
    let mut text = format!("# Cross-agent context for {agent}\n");
    let title = text.len();
    for (heading, lines) in sections.iter().filter(|(_, lines)| !lines.is_empty()) {
        text.push_str(&format!("\n## {heading}\n\n"));
        for line in lines.iter().take(SECTION_LINES_MAX) {
            text.push_str(&format!("- {}\n", printable(line, false)));
        }
        if lines.len() > SECTION_LINES_MAX {
            text.push_str(&format!("- … and {} more\n", lines.len() - SECTION_LINES_MAX));
        }
    }
    Ok((text.len() > title).then_some(text))
}

/// The same for a prompt that is being written: whatever goes wrong is no reason not to start an
/// agent.
pub fn for_prompt(app: &App, team: &TeamName, agent: &AgentName) -> Option<String> {
    // Most teams have nothing to look at yet.
    let registry = workspace::registry(app, team).ok()?;
    if registry.workspaces.iter().all(|workspace| workspace.agent_name == agent.as_str()) {
        return None;
    }
    inject(app, team, agent, None).ok().flatten()
}

fn overlap_lines(app: &App, sides: &[Side], agent: &str) -> Outcome<Vec<String>> {
    let all = conflicts(app, sides, true)?;
    let ours = all.iter().filter(|overlap| overlap.agents.iter().any(|other| other == agent));
    Ok(ours
        .map(|overlap| {
            let others: Vec<String> = overlap
                .agents
                .iter()
                .filter(|other| *other != agent)
                .map(|other| {
                    let lying = overlap.uncommitted.contains(other);
                    if lying { format!("{other} (not committed)") } else { other.clone() }
                })
                .collect();
            let severity = overlap.severity.as_str();
            format!("[{severity}] {}: also changed by {}", overlap.file, others.join(", "))
        })
        .collect())
}

fn recent_lines(app: &App, sides: &[Side], agent: &str) -> Outcome<Vec<String>> {
    let Some(own) = sides.iter().find(|side| side.agent == agent) else { return Ok(Vec::new()) };
    let ours: BTreeSet<String> = paths(&own.changes(app, &own.from, true)?).into_iter().collect();
    let recent = log(app, sides, RECENT_MAX)?;
    let related = recent.iter().filter_map(|entry| {
        let shared: Vec<&str> =
            entry.files.iter().filter(|file| ours.contains(*file)).map(String::as_str).collect();
        if entry.agent == agent || shared.is_empty() {
            return None;
        }
        let named = shared.iter().take(FILES_NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
        let more = if shared.len() > FILES_NAMED_MAX { ", …" } else { "" };
        let hash = entry.hash.get(..8).unwrap_or(&entry.hash);
        let subject = cut(&entry.message, 120);
        Some(format!("[{}] {hash} {subject} (files: {named}{more})", entry.agent))
    });
    Ok(related.collect())
}

fn upstream_lines(app: &App, team: &TeamName, sides: &[Side], agent: &str) -> Outcome<Vec<String>> {
    let tasks = task::all(app, team)?;
    let is_open = |task: &&Task| task.owner == agent && task.status != Status::Completed;
    let blockers: BTreeSet<&str> = tasks
        .iter()
        .filter(is_open)
        .flat_map(|task| task.blocked_by.iter().map(String::as_str))
        .collect();
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    for task in tasks.iter().filter(|task| blockers.contains(task.id.as_str())) {
        let owner = task.owner.as_str();
        if owner.is_empty() || owner == agent || !seen.insert(owner) {
            continue;
        }
        if let Some(side) = sides.iter().find(|side| side.agent == owner) {
            let subject = cut(&task.subject, 80);
            lines.push(format!("{} (your work waits for: {subject})", diff_of(app, side)?.summary));
        }
    }
    Ok(lines)
}

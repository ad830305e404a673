//! What one document says of another.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::Value;

use super::scan::{Scan, key_of};
use super::{Fix, Severity};

/// Checks all references among what `scan` has seen.
pub(super) fn check(scan: &mut Scan<'_>) {
    let teams = teams(scan);
    scan.report.teams = teams.len();
    homeless(scan, &teams);
    for (team, members) in &teams {
        tasks(scan, team, members.as_ref());
        registries(scan, team, members.as_ref());
    }
    contents(scan);
    history(scan);
}

/// Versions of artifacts, and results of tasks, whose content is not there.
fn contents(scan: &mut Scan<'_>) {
    let mut missing = Vec::new();
    for (path, document) in &scan.documents {
        for (what, digest) in referred(path, document) {
            if !has_blob(scan, &digest) {
                missing.push((path.clone(), what, digest));
            }
        }
    }
    for (path, what, digest) in missing {
        scan.find(
            Severity::Error,
            "missing_blob",
            &path,
            format!("the content of {what} is missing: blobs/sha256/{}/{digest}", start(&digest)),
            "adding the same content again, as an artifact, puts it back",
        );
    }
}

/// What a document keeps elsewhere: in words, and its digest.
fn referred(path: &str, document: &Value) -> Vec<(String, String)> {
    if path.starts_with("artifacts/") {
        let versions = document.get("versions").and_then(Value::as_array);
        let referred = |version: &Value| {
            let number = version.get("version").map(ToString::to_string).unwrap_or_default();
            Some((format!("version {number}"), text(version, "digest")?))
        };
        return versions.into_iter().flatten().filter_map(referred).collect();
    }
    let result = document.pointer("/metadata/result").filter(|_| path.starts_with("tasks/"));
    // A short one stands in the task itself.
    let kept = result.filter(|result| result.get("text").is_none());
    let digest = kept.and_then(|result| text(result, "digest"));
    digest.map(|digest| ("the result".to_owned(), digest)).into_iter().collect()
}

fn start(digest: &str) -> &str {
    digest.get(..2).unwrap_or(digest)
}

fn has_blob(scan: &Scan<'_>, digest: &str) -> bool {
    // What is no digest is no path either.
    let plain = !digest.is_empty() && digest.bytes().all(|b| b.is_ascii_hexdigit());
    let path = format!("blobs/sha256/{}/{digest}", start(digest));
    plain && scan.doctor.backend.vfs().exists(&scan.path_of(&path))
}

/// The teams with the names of their members; `None` if the team's document cannot be understood.
fn teams(scan: &Scan<'_>) -> BTreeMap<String, Option<BTreeSet<String>>> {
    let mut teams = BTreeMap::new();
    for name in scan.used.get("teams").into_iter().flatten() {
        let path = format!("teams/{name}/config.json");
        if let Some(config) = scan.documents.get(&path) {
            let members = config.get("members").and_then(Value::as_array);
            let names = |members: &Vec<Value>| {
                members.iter().filter_map(|member| text(member, "name")).collect()
            };
            teams.insert(name.clone(), members.map(names));
        } else if scan.doctor.backend.vfs().exists(&scan.path_of(&path)) {
            teams.insert(name.clone(), None);
        }
    }
    teams
}

fn text(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().map(str::to_owned)
}

/// Data of teams that do not exist.
fn homeless(scan: &mut Scan<'_>, teams: &BTreeMap<String, Option<BTreeSet<String>>>) {
    let remedy = |team: &str| {
        format!("`clawteam team spawn-team {team}` makes the team again, with what is there")
    };
    for (top, names) in scan.used.clone() {
        let (code, what) = match &top[..] {
            "teams" => {
                ("team_without_config", "has data but no config.json: the team is not there")
            }
            "tasks" => ("tasks_of_unknown_team", "holds tasks of a team that is not there"),
            "workspaces" => {
                ("workspaces_of_unknown_team", "holds worktrees of a team that is not there")
            }
            _ => continue,
        };
        for name in names.iter().filter(|name| !teams.contains_key(*name)) {
            let severity = if top == "teams" { Severity::Warning } else { Severity::Info };
            scan.find(severity, code, &format!("{top}/{name}"), what, remedy(name));
        }
    }
}

/// The documents in a collection, with their names.
fn documents<'s>(scan: &'s Scan<'_>, prefix: &str) -> Vec<(&'s String, &'s Value)> {
    scan.documents
        .range(prefix.to_owned()..)
        .take_while(|(path, _)| path.starts_with(prefix))
        .collect()
}

fn tasks(scan: &mut Scan<'_>, team: &str, members: Option<&BTreeSet<String>>) {
    let prefix = format!("tasks/{team}/task-");
    let id = |path: &str| path[prefix.len()..].trim_end_matches(".json").to_owned();
    let known: HashSet<String> =
        documents(scan, &prefix).into_iter().map(|(path, _)| id(path)).collect();
    let mut found = Vec::new();
    for (path, task) in documents(scan, &prefix) {
        let task_id = id(path);
        let blockers = task.get("blockedBy").or_else(|| task.get("blocked_by"));
        for blocker in blockers.and_then(Value::as_array).into_iter().flatten() {
            let Some(blocker) = blocker.as_str().filter(|id| !known.contains(*id)) else {
                continue;
            };
            found.push((
                path.clone(),
                "dangling_blocker",
                format!("task {task_id} waits for task {blocker}, which does not exist"),
                format!(
                    "`clawteam task update {team} {task_id} --status pending` frees it, or \
                     remove {blocker} from blockedBy in the file"
                ),
            ));
        }
        let Some(members) = members else { continue };
        for (field, what) in [("owner", "belongs to"), ("lockedBy", "is locked by")] {
            let Some(name) = text(task, field).filter(|name| !is_member(name, members)) else {
                continue;
            };
            found.push((
                path.clone(),
                "not_a_member",
                format!("task {task_id} {what} {name}, who is not a member of {team}"),
                format!(
                    "`clawteam team add-member {team} {name}`, or \
                     `clawteam task update {team} {task_id} --owner NAME --force`"
                ),
            ));
        }
    }
    for (path, code, message, remedy) in found {
        scan.find(Severity::Warning, code, &path, message, remedy);
    }
}

/// Nobody is no dangling reference.
fn is_member(name: &str, members: &BTreeSet<String>) -> bool {
    name.is_empty() || members.contains(name)
}

fn registries(scan: &mut Scan<'_>, team: &str, members: Option<&BTreeSet<String>>) {
    let Some(members) = members else { return };
    let spawned = format!("teams/{team}/spawn_registry.json");
    let worktrees = format!("workspaces/{team}/workspace-registry.json");
    let mut names: Vec<(String, String)> = Vec::new();
    if let Some(Value::Object(agents)) = scan.documents.get(&spawned) {
        names.extend(agents.keys().map(|name| (spawned.clone(), name.clone())));
    }
    let entries = scan.documents.get(&worktrees).and_then(|registry| registry.get("workspaces"));
    for entry in entries.and_then(Value::as_array).into_iter().flatten() {
        names.extend(text(entry, "agent_name").map(|name| (worktrees.clone(), name)));
    }
    for (path, name) in names.into_iter().filter(|(_, name)| !is_member(name, members)) {
        scan.find(
            Severity::Warning,
            "not_a_member",
            &path,
            format!("lists {name}, who is not a member of {team}"),
            format!("`clawteam team add-member {team} {name}`"),
        );
    }
}

/// Messages that wait in an inbox but are not in the team's history, neither under the name that
/// clawteam gives the entry nor, as Python's has another number, with the same content.
fn history(scan: &mut Scan<'_>) {
    let is_event = |path: &str| path.starts_with("teams/") && path.contains("/events/");
    let team_of = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
    let events = scan.documents.iter().filter(|(path, _)| is_event(path));
    let contents: HashSet<(String, String)> =
        events.map(|(path, value)| (team_of(path), value.to_string())).collect();
    let mut missing = Vec::new();
    for (path, message) in &scan.messages {
        let team = team_of(path);
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.trim_end_matches(".json").trim_end_matches(".consumed");
        let log = format!("teams/{team}/events/{}.json", stem.replacen("msg-", "evt-", 1));
        let filed = scan.doctor.backend.vfs().exists(&scan.path_of(&log));
        if !filed && !contents.contains(&(team, message.to_string())) {
            missing.push((path.clone(), log));
        }
    }
    for (path, log) in missing {
        let fix = Fix::FileMessage { message: key_of(&path), log: key_of(&log) };
        scan.find(
            Severity::Warning,
            "message_without_history",
            &path,
            "this message is not in the history of its team",
            "files it; receiving it would do so, too",
        )
        .fix = Some(fix);
    }
}

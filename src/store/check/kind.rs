//! Which files belong into a data directory, by their paths.

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A JSON object.
    Document,
    /// One JSON object a line.
    Lines,
    /// A message in an inbox; `taken` if somebody has begun to receive it.
    Message { taken: bool },
    /// Content under its digest.
    Blob,
    /// A lock.
    Lock,
    /// A journal of a commit under way.
    Journal,
    /// Something half-written, by the process of that number if it said so.
    Temporary(Option<u32>),
    /// Something that is not looked into: texts, and what was put aside before.
    Other,
    /// Nothing that clawteam knows.
    Foreign,
}

/// What to do with a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    /// Look at what is in it.
    Into,
    /// Leave it alone: worktrees, what was put aside, what other programs keep there.
    Past,
    /// Nobody knows what it is.
    Foreign,
}

/// Directories at the top whose documents are not checked one by one.
const LEFT_ALONE: [&str; 10] = [
    "activity",
    "hooks",
    "plugins",
    "quarantine",
    "queues",
    "setup",
    "skills",
    "templates",
    "trash",
    "wakes",
];

/// Directories at the top with collections of documents.
const WALKED: [&str; 22] = [
    "agents",
    "approvals",
    "artifacts",
    "auth",
    "blobs",
    "breakers",
    "costs",
    "harness",
    "journal",
    "locks",
    "notifications",
    "plans",
    "probes",
    "queue",
    "runs",
    "schedules",
    "sessions",
    "snapshots",
    "tasks",
    "teams",
    "workflows",
    "workspaces",
];

/// What the directory at `path` (relative, with `/`) is.
pub(super) fn walk(path: &str) -> Walk {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        [top] | [top, _] if WALKED.contains(&top) => Walk::Into,
        ["workspaces" | "agents", _, _] | ["teams", _, "redis"] => Walk::Past,
        [top] if LEFT_ALONE.contains(&top) => Walk::Past,
        ["artifacts" | "notifications" | "runs" | "workflows", _, _]
        | ["runs", _, _, "requests" | "results"]
        | ["workflows", _, _, "keys"]
        | ["blobs", "sha256", _]
        | ["plans" | "harness", ..]
        | ["queue", _, "open" | "leased" | "done" | "dead"]
        | ["teams", _, "inboxes" | "dead_letters" | "events" | "peers"]
        | ["teams", _, "inboxes" | "dead_letters", _] => Walk::Into,
        _ => Walk::Foreign,
    }
}

/// What the file at `path` (relative, with `/`) is.
pub(super) fn kind(path: &str) -> Kind {
    let parts: Vec<&str> = path.split('/').collect();
    let name = parts.last().copied().unwrap_or(path);
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    if let Some(temporary) = temporary(name, extension) {
        return temporary;
    }
    if extension == "lock" {
        return Kind::Lock;
    }
    match (&parts[..parts.len() - 1], extension) {
        ([], "json") if matches!(stem, "config" | "ports") => Kind::Document,
        ([], _) if name == ".health-check" => Kind::Other,
        (["teams", _], "json") if TEAM_DOCUMENTS.contains(&stem) => Kind::Document,
        (["teams", _], _) if name == ".sequence" => Kind::Other,
        (["teams", _, "inboxes", _], "json") if stem.starts_with("msg-") => {
            Kind::Message { taken: false }
        }
        (["teams", _, "inboxes", _], "consumed") if stem.starts_with("msg-") => {
            Kind::Message { taken: true }
        }
        (["teams", _, "events"], "json") if stem.starts_with("evt-") => Kind::Document,
        (["tasks", _], "json") if stem.starts_with("task-") => Kind::Document,
        (["costs", _], "json") if stem.starts_with("cost-") || stem == "summary" => Kind::Document,
        (["snapshots", _], "json") if stem.starts_with("snap-") => Kind::Document,
        (["workspaces", _], "json") if stem == "workspace-registry" => Kind::Document,
        // What agents hand in may be anything.
        (["harness", _, _, "artifacts", ..], _) => Kind::Other,
        (
            ["breakers" | "probes"]
            | ["teams", _, "peers"]
            | ["sessions" | "agents" | "approvals" | "notifications" | "schedules", _]
            | ["auth", "tokens" | "keys"]
            | ["artifacts" | "notifications" | "runs" | "workflows", _, _]
            | ["runs", _, _, "requests" | "results"]
            | ["workflows", _, _, "keys"]
            | ["queue", _, "open" | "leased" | "done" | "dead"]
            | ["harness", ..],
            "json",
        ) => Kind::Document,
        (["harness", ..] | ["approvals" | "agents", _] | ["runs" | "workflows", _, _], "jsonl") => {
            Kind::Lines
        }
        (["blobs", "sha256", start], "") if name.starts_with(start) => Kind::Blob,
        (["agents"], "toml")
        | (["agents", _], "md" | "log")
        | (["teams", _, "dead_letters", _] | ["harness", _, ..], _)
        | (["plans", ..], "md")
        | (["journal"], "done") => Kind::Other,
        (["journal"], "json") => Kind::Journal,
        _ => Kind::Foreign,
    }
}

const TEAM_DOCUMENTS: [&str; 6] =
    ["agent_health", "config", "leader_watch_state", "redis", "runtime_state", "spawn_registry"];

/// Files that a writer renames when they are whole: `.tmp-<pid>-<hex>` is ours, `*.tmp` and
/// `.tmp-<hex>.json` are Python's.
fn temporary(name: &str, extension: &str) -> Option<Kind> {
    if extension == "tmp" {
        return Some(Kind::Temporary(None));
    }
    let rest = name.strip_prefix(".tmp-")?;
    let pid = rest.split_once('-').and_then(|(pid, _)| pid.parse().ok());
    (pid.is_some() || extension == "json").then_some(Kind::Temporary(pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_what_a_file_is() {
        let cases = [
            ("config.json", Kind::Document),
            ("config.json.lock", Kind::Lock),
            ("notes.txt", Kind::Foreign),
            ("teams/a.b/config.json", Kind::Document),
            ("teams/a/config.tmp", Kind::Temporary(None)),
            ("teams/a/.sequence", Kind::Other),
            ("teams/a/mail.lock", Kind::Lock),
            ("teams/a/inboxes/b/msg-1-00000000.json", Kind::Message { taken: false }),
            ("teams/a/inboxes/b/msg-1-00000000.consumed", Kind::Message { taken: true }),
            ("teams/a/inboxes/b/.tmp-0a1b2c3d.json", Kind::Temporary(None)),
            ("teams/a/inboxes/b/.tmp-4711-0a1b2c3d", Kind::Temporary(Some(4711))),
            ("teams/a/inboxes/b/readme.md", Kind::Foreign),
            ("teams/a/events/evt-restored-000001.json", Kind::Document),
            ("teams/a/dead_letters/b/msg-1.json.meta.json", Kind::Other),
            ("tasks/a/.tasks.lock", Kind::Lock),
            ("tasks/a/task-1-abcdefgh.tmp", Kind::Temporary(None)),
            ("tasks/a/todo.json", Kind::Foreign),
            ("harness/a/exit-journal.jsonl", Kind::Lines),
            ("harness/a/run-1/state.json", Kind::Document),
            ("harness/a/run-1/artifacts/list.json", Kind::Other),
            ("approvals/a/ap-0a1b2c3d.json", Kind::Document),
            ("approvals/a/ap-0a1b2c3d.jsonl", Kind::Lines),
            ("approvals/a/policy.json", Kind::Document),
            ("approvals/a/approvals.lock", Kind::Lock),
            ("auth/tokens/0a1b2c3d4e5f.json", Kind::Document),
            ("auth/keys/0a1b2c3d4e5f6a7b.json", Kind::Document),
            ("auth/secret.json", Kind::Foreign),
            ("queue/a/open/2-1-1-0a1b2c3d4e5f.json", Kind::Document),
            ("queue/a/stray.json", Kind::Foreign),
            ("schedules/a/nightly.json", Kind::Document),
            ("plans/a/x-1.md", Kind::Other),
            ("plans/x-1.md", Kind::Other),
            ("artifacts/a/task-1/report.md.json", Kind::Document),
            ("artifacts/a/artifacts.lock", Kind::Lock),
            ("blobs/sha256/ab/abcd", Kind::Blob),
            ("blobs/sha256/ab/cdef", Kind::Foreign),
            ("blobs/sha256/ab/.tmp-4711-0a1b2c3d", Kind::Temporary(Some(4711))),
            ("notifications/a/rules.json", Kind::Document),
            ("notifications/a/human/k12.json", Kind::Document),
            ("journal/tasks-a.json", Kind::Journal),
            ("journal/tasks-a.done", Kind::Other),
            (".DS_Store", Kind::Foreign),
        ];
        for (path, expected) in cases {
            assert_eq!(kind(path), expected, "{path}");
        }
    }

    #[test]
    fn worktrees_and_the_quarantine_are_not_entered() {
        let cases = [
            ("teams", Walk::Into),
            ("teams/a/inboxes/b", Walk::Into),
            ("teams/a/stuff", Walk::Foreign),
            ("workspaces/a", Walk::Into),
            ("workspaces/a/ann", Walk::Past),
            ("harness/a/run-1", Walk::Into),
            ("quarantine", Walk::Past),
            ("workflows/a/release", Walk::Into),
            ("runs/a/release-1/results", Walk::Into),
            ("wakes", Walk::Past),
            ("backup", Walk::Foreign),
        ];
        for (path, expected) in cases {
            assert_eq!(walk(path), expected, "{path}");
        }
    }
}

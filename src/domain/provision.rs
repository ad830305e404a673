//! What a worktree gets besides the files that git keeps: files of the repository's own checkout,
//! commands that make it ready and take it down again, and ports.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fields::{self, Fields, Findings, Level, Problem};
use crate::core::{Diagnose, Span};

/// How a repository says what its worktrees need: a file at this place in its checkout.
pub const PROJECT_FILE: &str = ".clawteam/workspace.toml";

/// How long a command may take unless somebody says otherwise.
pub const USUAL_TIMEOUT: Span = Span::seconds(600);

/// The first port that is given out unless somebody says otherwise: well above those of known
/// services, well below those that systems give to outgoing connections.
pub const FIRST_PORT: u16 = 20_000;

/// The most ports that one agent can have.
pub const PORTS_MAX: u16 = 1_000;

/// What a worktree gets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provision {
    /// Files and directories that are copied from the checkout, relative to its top; `*` and `?`
    /// stand for characters of a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copy: Vec<String>,
    /// Files and directories of the checkout that the worktree shares by a symbolic link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symlink: Vec<String>,
    /// Shell commands that make the worktree ready, run in it one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<String>,
    /// Shell commands that are run before it is removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teardown: Vec<String>,
    /// How long each of these commands may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How many ports the agent gets for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<u16>,
    /// The first port that may be given out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_base: Option<u16>,
}

/// Why a project file is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {}", list(problems))]
pub struct ProvisionError {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Diagnose for ProvisionError {
    fn code(&self) -> &'static str {
        "invalid_workspace_file"
    }

    fn hint(&self) -> Option<String> {
        Some("its keys are copy, symlink, setup, teardown, timeout, ports and port_base".into())
    }
}

impl Provision {
    /// What is asked for here and in `more`: lists are joined, and `more` has the last word where
    /// there can be only one.
    #[must_use]
    pub fn with(&self, more: &Self) -> Self {
        Self {
            copy: joined(&self.copy, &more.copy),
            symlink: joined(&self.symlink, &more.symlink),
            setup: joined(&self.setup, &more.setup),
            teardown: joined(&self.teardown, &more.teardown),
            timeout: more.timeout.or(self.timeout),
            ports: more.ports.or(self.ports),
            port_base: more.port_base.or(self.port_base),
        }
    }

    /// Whether there is something that only a worktree can get.
    pub fn needs_worktree(&self) -> bool {
        !(self.copy.is_empty()
            && self.symlink.is_empty()
            && self.setup.is_empty()
            && self.teardown.is_empty())
    }
}

/// Both lists, what is in both only once: it is done when it is first asked for.
fn joined(first: &[String], then: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    first.iter().chain(then).filter(|one| seen.insert(one.as_str())).cloned().collect()
}

/// Reads a project file. The problems that come with it are warnings.
pub fn parse(text: &str, file: &str) -> Result<(Provision, Vec<Problem>), ProvisionError> {
    let bad = |problems| ProvisionError { file: file.to_owned(), problems };
    let document = fields::parse(text).map_err(|problem| bad(vec![problem]))?;
    let mut found = Findings::new(text);
    let provision = read(Fields::new(document.get_ref(), 0, "", &mut found));
    if found.has_errors() {
        found.problems.retain(|problem| problem.level == Level::Error);
        return Err(bad(found.problems));
    }
    Ok((provision, found.problems))
}

/// Reads what a table says, and notes what does not fit.
pub(super) fn read(mut fields: Fields<'_, '_>) -> Provision {
    let provision = Provision {
        copy: paths(&mut fields, "copy", true),
        symlink: paths(&mut fields, "symlink", false),
        setup: commands(&mut fields, "setup"),
        teardown: commands(&mut fields, "teardown"),
        timeout: fields.span("timeout"),
        ports: fields.port("ports"),
        port_base: fields.port("port_base"),
    };
    if provision.ports.is_some_and(|ports| ports > PORTS_MAX) {
        fields.wrong("ports", &format!("at most {PORTS_MAX}"));
    }
    if provision.port_base.is_some() && provision.ports.is_none() && !fields.has("ports") {
        fields.odd("port_base", "has no effect without ports");
    }
    fields.finish();
    provision
}

fn commands(fields: &mut Fields<'_, '_>, key: &'static str) -> Vec<String> {
    let commands = fields.placed_texts(key);
    let path = fields.path_of(key);
    for (_, at) in commands.iter().filter(|(command, _)| command.trim().is_empty()) {
        fields.findings().error(*at, &path, format!("{path}: a command is empty"));
    }
    commands.into_iter().map(|(command, _)| command).collect()
}

fn paths(fields: &mut Fields<'_, '_>, key: &'static str, wildcards: bool) -> Vec<String> {
    let paths = fields.placed_texts(key);
    let path = fields.path_of(key);
    for (text, at) in &paths {
        let why = if !is_inside(text) {
            "is not a path inside of the repository"
        } else if !wildcards && text.contains(['*', '?']) {
            "has wildcards, which only `copy` understands"
        } else {
            continue;
        };
        fields.findings().error(*at, &path, format!("{path}: '{text}' {why}"));
    }
    paths.into_iter().map(|(text, _)| text.trim_end_matches('/').to_owned()).collect()
}

/// Whether a path leads to something inside of a directory, and not into what is git's.
fn is_inside(path: &str) -> bool {
    let trimmed = path.trim_end_matches('/');
    !trimmed.is_empty()
        && !path.contains('\0')
        && trimmed.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && trimmed.split('/').all(|part| !part.eq_ignore_ascii_case(".git"))
}

/// Whether a file of this name is likely to hold secrets: it is copied only if it is named.
pub fn is_secret(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        ".env",
        ".envrc",
        ".npmrc",
        ".netrc",
        ".pypirc",
        ".pgpass",
        "credentials.json",
        "id_rsa",
        "id_ed25519",
    ];
    const ENDS: [&str; 5] = [".pem", ".key", ".p12", ".pfx", ".keystore"];
    const SAMPLES: [&str; 4] = [".example", ".sample", ".template", ".dist"];
    let name = name.to_ascii_lowercase();
    if SAMPLES.iter().any(|end| name.ends_with(end)) {
        return false;
    }
    NAMES.contains(&name.as_str())
        || name.starts_with(".env.")
        || ENDS.iter().any(|end| name.ends_with(end))
}

/// Ports that belong to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortLease {
    /// The team.
    pub team: String,
    /// The agent.
    pub agent: String,
    /// The first port.
    pub base: u16,
    /// How many there are.
    pub count: u16,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: super::Extra,
}

/// Which ports belong to whom: `ports.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// `clawteam.ports/1`.
    pub schema: String,
    /// The leases.
    #[serde(default)]
    pub leases: Vec<PortLease>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: super::Extra,
}

impl Default for Ports {
    fn default() -> Self {
        let extra = super::Extra::new();
        Self { schema: "clawteam.ports/1".into(), leases: Vec::new(), extra }
    }
}

impl Ports {
    /// The first `count` ports in a row from `first` on that belong to nobody and that are `free`.
    /// `None` if there are none.
    pub fn gap(&self, first: u16, count: u16, free: impl Fn(u16) -> bool) -> Option<u16> {
        let mut base = u32::from(first);
        'next: while u16::try_from(base + u32::from(count) - 1).is_ok() {
            let end = base + u32::from(count);
            for lease in &self.leases {
                let (from, to) =
                    (u32::from(lease.base), u32::from(lease.base) + u32::from(lease.count));
                if from < end && base < to {
                    base = to;
                    continue 'next;
                }
            }
            // From the last on: behind one that is taken, the search goes on.
            for port in (base..end).rev() {
                if !u16::try_from(port).is_ok_and(&free) {
                    base = port + 1;
                    continue 'next;
                }
            }
            return u16::try_from(base).ok();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(base: u16, count: u16) -> PortLease {
        let extra = crate::domain::Extra::new();
        PortLease { team: "t".into(), agent: "a".into(), base, count, extra }
    }

    #[test]
    fn ports_are_given_out_where_nobody_has_any() {
        let ports = Ports { leases: vec![lease(100, 10), lease(115, 5)], ..Ports::default() };
        assert_eq!(ports.gap(100, 5, |_| true), Some(110));
        assert_eq!(ports.gap(100, 6, |_| true), Some(120));
        assert_eq!(ports.gap(95, 5, |_| true), Some(95));
        assert_eq!(ports.gap(120, 3, |port| port != 121), Some(122));
        assert_eq!(ports.gap(u16::MAX, 1, |_| true), Some(u16::MAX));
        assert_eq!(ports.gap(u16::MAX, 2, |_| true), None);
        assert_eq!(ports.gap(100, 5, |_| false), None);
    }

    #[test]
    fn files_that_hold_secrets_are_known_by_their_names() {
        for name in [".env", ".env.local", ".ENV", "server.key", "ca.pem", ".npmrc", "id_rsa"] {
            assert!(is_secret(name), "{name}");
        }
        for name in [".env.example", "environment", "key.txt", "README.md", ".envelope"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn what_leads_out_of_the_repository_is_refused_with_its_place() {
        let text = "copy = [\n  \"a\",\n  \"../b\",\n  \"/etc\",\n  \".git/config\",\n]\n\
                    symlink = [\"*.x\"]\nsetup = [\" \"]\nports = 0\ncolour = 1\n";
        let error = parse(text, "f").expect_err("it is wrong");
        let told: Vec<(usize, usize)> =
            error.problems.iter().map(|problem| (problem.line, problem.column)).collect();
        assert_eq!(told, [(3, 3), (4, 3), (5, 3), (7, 12), (8, 10), (9, 9)], "{error}");
    }

    #[test]
    fn who_speaks_later_adds_and_has_the_last_word() {
        let (first, _) = parse("copy = [\"a\"]\nsetup = [\"x\"]\nports = 5", "f").expect("fine");
        let (then, _) =
            parse("copy = [\"a\", \"b/\"]\nports = 7\ntimeout = \"2m\"", "f").expect("fine");
        let both = first.with(&then);
        assert_eq!(both.copy, ["a", "b"]);
        assert_eq!((both.setup.len(), both.ports), (1, Some(7)));
        assert_eq!(both.timeout, Some(Span::seconds(120)));
    }
}

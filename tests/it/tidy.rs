//! The habits of this code, held by a test: what may know of what, and where things are done.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What each module of the first level may name as `crate::…` besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("env", &[]),
    ("domain", &["core"]),
    ("ports", &["core"]),
    ("store", &["core"]),
    ("foreign", &["core", "ports"]),
    ("git", &["core", "ports"]),
    ("proc", &["core", "ports"]),
    ("tmux", &["core", "ports"]),
    ("web", &["core", "ports"]),
    ("dotfiles", &["core", "ports"]),
    ("agent", &["core", "domain"]),
    ("app", &["core", "domain", "env", "ports", "store"]),
    // Another face of the use cases, beside the command line.
    ("mcp", &["app", "core", "domain"]),
    ("output", &["core", "store::Notice"]),
    (
        "cli",
        &[
            "agent", "app", "core", "domain", "dotfiles", "env", "foreign", "git", "mcp", "output",
            "ports", "proc", "store", "tmux", "web",
        ],
    ),
];

/// The adapters are put together in one place.
const ADAPTERS: &[&str] =
    &["dotfiles::", "foreign::", "git::", "proc::", "tmux::", "web::", "store::FsBackend"];
const COMPOSITION: &[&str] = &["src/cli/main.rs", "src/cli/setup.rs"];

/// Something that is done in few places only.
struct Reserved {
    what: &'static str,
    /// How it looks in the code.
    signs: &'static [&'static str],
    /// Files, and directories that end with `/`.
    places: &'static [&'static str],
}

const RESERVED: &[Reserved] = &[
    Reserved {
        what: "writing to standard output and standard error",
        signs: &["print!(", "println!(", "stdout()", "stderr()"],
        // The size of the user's terminal is asked of its handle.
        places: &["src/output/", "src/tmux/view.rs", "src/tmux/pane.rs"],
    },
    Reserved {
        what: "opening files",
        signs: &["std::fs", "std::{fs", "File::open", "File::create", "OpenOptions::new"],
        places: &[
            "src/store/fs/",
            "src/git/",
            "src/proc/",
            "src/tmux/",
            // What the programs of agents wrote.
            "src/foreign/",
            // Settings of other programs.
            "src/dotfiles/",
            // Files that the user named.
            "src/cli/plan.rs",
            "src/cli/approval/files.rs",
            "src/cli/file.rs",
            "src/cli/scripted_agent.rs",
            // What the scripts of an agent hand in.
            "src/agent/tray.rs",
            // Those of the user's service manager.
            "src/cli/timer.rs",
            // The repository that the demo is about.
            "src/app/demo/site.rs",
        ],
    },
    Reserved {
        what: "reading the environment",
        signs: &["std::env::var", "env::var", "std::env::args", "env::args"],
        places: &[
            "src/env.rs",
            // Which tmux the user sits in.
            "src/tmux/view.rs",
            // The command line, for those who wait for a lock.
            "src/store/fs/lock.rs",
        ],
    },
    Reserved {
        what: "starting programs",
        signs: &[
            "std::process::Command",
            "std::process::{Command",
            "std::process::{Child, Command",
        ],
        places: &[
            "src/git/",
            "src/proc/",
            "src/tmux/",
            "src/agent/",
            // The command that the user wants to be run for each message.
            "src/cli/inbox.rs",
            // The tests of the program that the demo is about.
            "src/app/demo/site.rs",
        ],
    },
    Reserved { what: "the calls of fs2", signs: &["fs2::"], places: &["src/store/fs/"] },
];

const LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may be longer: what they hold belongs together.
const LONG: &[(&str, usize)] = &[("tests/it/store/sim.rs", 700)];

/// A file of this package.
struct Source {
    /// Relative to the top, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// Lines of code with their numbers, comments left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(n, line)| (n + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The module of the first level that it is part of.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let first = inside.split('/').next()?;
        let name = first.strip_suffix(".rs").unwrap_or(first);
        (!matches!(name, "lib" | "main")).then_some(name)
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            self.path == *place || place.ends_with('/') && self.path.starts_with(place)
        })
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directories: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = directories.iter().map(|name| top().join(name)).collect();
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory of this package") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let path = path.strip_prefix(top()).expect("it is below").display().to_string();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 5, "nothing was looked at");
    found
}

/// The paths that follow `crate::` in a line.
fn crate_paths(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::").filter_map(|(at, found)| {
        // `$crate::` and `some_crate::` are something else.
        let before = line[..at].chars().next_back();
        let named = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
        (!named).then(|| {
            let path = &line[at + found.len()..];
            let end = path.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            &path[..end.unwrap_or(path.len())]
        })
    })
}

fn is_below(path: &str, allowed: &str) -> bool {
    path.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn report(found: String) {
    assert!(found.is_empty(), "\n{found}");
}

#[test]
fn modules_know_only_those_below() {
    let mut found = String::new();
    for source in sources(&["src"]) {
        let Some(module) = source.module() else { continue };
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            let _ = writeln!(found, "{}: the module `{module}` has no layer", source.path);
            continue;
        };
        for (number, line) in source.code() {
            for path in crate_paths(line) {
                let own = is_below(path, module);
                // A group says nothing here; its parts are checked where they stand.
                let fine = own || allowed.iter().any(|allowed| is_below(path, allowed));
                if !fine {
                    let _ = writeln!(
                        found,
                        "{}:{number}: `{module}` must not know `{path}`",
                        source.path
                    );
                }
                let adapter = ADAPTERS.iter().any(|adapter| path.starts_with(adapter));
                if module == "cli" && adapter && !source.is_in(COMPOSITION) {
                    let _ = writeln!(
                        found,
                        "{}:{number}: adapters are put together elsewhere",
                        source.path
                    );
                }
            }
            if line.contains("super::super") {
                let _ = writeln!(found, "{}:{number}: say `crate::…` instead", source.path);
            }
        }
    }
    report(found);
}

#[test]
fn few_places_touch_the_world() {
    let mut found = String::new();
    for source in sources(&["src"]) {
        // What is for tests only comes last in a file.
        let code = source.code().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        for (number, line) in code {
            for reserved in RESERVED.iter().filter(|reserved| !source.is_in(reserved.places)) {
                let bounded = |sign: &&&str| {
                    line.match_indices(**sign).any(|(at, _)| {
                        let before = line[..at].chars().next_back();
                        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '.'))
                    })
                };
                if let Some(sign) = reserved.signs.iter().find(bounded) {
                    let _ = writeln!(
                        found,
                        "{}:{number}: `{sign}`: {} is done elsewhere",
                        source.path, reserved.what
                    );
                }
            }
        }
    }
    report(found);
}

#[test]
fn places_with_a_permission_use_it() {
    let sources = sources(&["src"]);
    for reserved in RESERVED {
        for place in reserved.places {
            let used = sources.iter().filter(|source| source.is_in(&[place])).any(|source| {
                source.code().any(|(_, line)| reserved.signs.iter().any(|sign| line.contains(sign)))
            });
            assert!(used, "{place} has no need for {}", reserved.what);
        }
    }
}

#[test]
fn files_are_short() {
    let mut found = String::new();
    for source in sources(&["src", "tests", "benches"]) {
        let lines = source.text.lines().count();
        let exception = LONG.iter().find(|(path, _)| *path == source.path);
        if lines > exception.map_or(LINES_MAX, |(_, most)| *most) {
            let _ = writeln!(found, "{}: {lines} lines", source.path);
        }
    }
    report(found);
}

#[test]
fn functions_are_short() {
    let mut found = String::new();
    for source in sources(&["src", "tests", "benches"]) {
        // The formatter puts the end of a function under its beginning.
        let mut open: Option<(usize, usize, &str)> = None;
        for (number, line) in source.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let word = line.trim_start();
            let begins = ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "const fn "];
            match open {
                None if begins.iter().any(|begin| word.starts_with(begin)) => {
                    let whole = word.ends_with(';') || word.ends_with('}');
                    open = (!whole).then_some((number, indent, word));
                }
                Some((begin, at, name)) if indent == at && word.starts_with('}') => {
                    let lines = number - begin + 1;
                    if lines > FUNCTION_LINES_MAX {
                        let place = begin + 1;
                        let _ = writeln!(found, "{}:{place}: {lines} lines: {name}", source.path);
                    }
                    open = None;
                }
                // A declaration over several lines, without a body.
                Some((_, at, _)) if indent == at && word.ends_with(';') => open = None,
                _ => {}
            }
        }
    }
    report(found);
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    for source in sources(&["src", "tests", "benches"]) {
        // Tests of a module that is described beside them.
        if source.path.starts_with("src/") && source.path.ends_with("/tests.rs") {
            continue;
        }
        assert!(source.text.starts_with("//! "), "{} does not", source.path);
    }
}

#[test]
fn nothing_is_left_half_done() {
    // Written in two parts, so that they are not found here.
    let banned: Vec<String> =
        [("to", "do!"), ("unimple", "mented!"), ("db", "g!("), ("FIX", "ME"), ("XX", "X")]
            .map(|(a, b)| format!("{a}{b}"))
            .into();
    let mut found = String::new();
    for source in sources(&["src", "tests", "benches"]) {
        for (number, line) in source.text.lines().enumerate() {
            for word in banned.iter().filter(|word| line.contains(word.as_str())) {
                // Six of them end the name of a temporary file.
                if word.starts_with('X') && line.contains(&word.repeat(2)) {
                    continue;
                }
                let _ = writeln!(found, "{}:{}: {word}", source.path, number + 1);
            }
        }
    }
    report(found);
}

#[test]
fn every_test_file_is_reached() {
    let mut reached = BTreeSet::new();
    let mut pending = vec!["tests/it/main.rs".to_owned()];
    while let Some(path) = pending.pop() {
        let text = std::fs::read_to_string(top().join(&path)).expect("a file that was named");
        let directory = match path.strip_suffix("/main.rs").or(path.strip_suffix("/mod.rs")) {
            Some(directory) => directory.to_owned(),
            None => path.trim_end_matches(".rs").to_owned(),
        };
        let named = text.lines().filter_map(|line| {
            let line = line.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            line.strip_prefix("mod ")?.strip_suffix(';')
        });
        for name in named {
            let flat = format!("{directory}/{name}.rs");
            let deep = format!("{directory}/{name}/mod.rs");
            pending.push(if top().join(&flat).is_file() { flat } else { deep });
        }
        reached.insert(path);
    }
    let all: BTreeSet<String> = sources(&["tests/it"]).into_iter().map(|s| s.path).collect();
    assert_eq!(reached, all);
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let found: Vec<&str> =
        crate_paths("use crate::a::B; fn f(x: &crate::c) -> $crate::d { my_crate::e }").collect();
    assert_eq!(found, ["a::B", "c"]);
    assert!(is_below("store::Notice", "store") && is_below("store", "store"));
    assert!(!is_below("storehouse::x", "store") && !is_below("store", "store::Notice"));
}

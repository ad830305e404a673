//! Agent programs as data: how each is told what to do.
//!
//! A row of `catalog.toml` is enough to support a program. One that has no row runs as it is; its
//! prompt is typed into its terminal, or passed with `-p` where there is none.

use serde::Deserialize;

use super::agent::BackendKind;

/// How one agent program is run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentCli {
    /// Its name.
    pub name: String,
    /// The file names that it is known by.
    pub programs: Vec<String>,
    /// What follows a command of one word.
    #[serde(default)]
    pub insert: Words,
    /// What lets it act without asking.
    #[serde(default)]
    pub skip: Vec<String>,
    /// Whether it refuses `skip` for root.
    #[serde(default)]
    pub skip_refused_as_root: bool,
    /// What is always added.
    #[serde(default)]
    pub always: Vec<String>,
    /// What names its session.
    #[serde(default)]
    pub session: Words,
    /// What names the directory to work in.
    #[serde(default)]
    pub cwd: Vec<String>,
    /// What names the model.
    #[serde(default)]
    pub model: Vec<String>,
    /// What carries the prompt; nothing where it is typed in.
    #[serde(default)]
    pub prompt: Words,
    /// Variables that it must not inherit from an agent that starts it.
    #[serde(default)]
    pub unset: Vec<String>,
}

/// Words of a command line, by backend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// In a terminal.
    #[serde(default)]
    pub tmux: Vec<String>,
    /// In the background.
    #[serde(default)]
    pub subprocess: Vec<String>,
}

impl Words {
    /// The words for a backend.
    pub fn of(&self, backend: BackendKind) -> &[String] {
        match backend {
            BackendKind::Tmux => &self.tmux,
            BackendKind::Subprocess => &self.subprocess,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Catalog {
    agent: Vec<AgentCli>,
}

/// All agent programs that are known.
pub fn catalog() -> Vec<AgentCli> {
    let catalog: Catalog =
        toml::from_str(include_str!("catalog.toml")).expect("the built-in catalog is valid");
    catalog.agent
}

/// The last component of a program's path.
pub fn file_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// How the program of a command is run; a program without a row is taken as it is.
pub fn find(command: &[String]) -> AgentCli {
    let program = command.first().map_or("", |program| file_name(program)).to_lowercase();
    let known = catalog().into_iter().find(|row| row.programs.contains(&program));
    known.unwrap_or_else(|| AgentCli {
        name: "generic".into(),
        programs: vec![program],
        insert: Words::default(),
        skip: vec![],
        skip_refused_as_root: false,
        always: vec![],
        session: Words::default(),
        cwd: vec![],
        model: vec![],
        prompt: Words { tmux: vec![], subprocess: vec!["-p".into(), "{prompt}".into()] },
        unset: vec![],
    })
}

/// Whether a word names an agent program, rather than a backend.
pub fn is_known(word: &str) -> bool {
    catalog().iter().any(|row| row.programs.iter().any(|program| program == file_name(word)))
}

/// What is known when a command line is made.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// What was asked for.
    pub command: &'a [String],
    /// How it runs.
    pub backend: BackendKind,
    /// Whether it may act without asking.
    pub skip_permissions: bool,
    /// Whether it runs as root.
    pub as_root: bool,
    /// The model, if one was named.
    pub model: Option<&'a str>,
    /// The directory to work in.
    pub cwd: &'a str,
    /// A name for its session.
    pub session: &'a str,
    /// What it is told to do.
    pub prompt: Option<&'a str>,
}

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Whether the prompt is to be typed into the program's terminal.
    pub paste: bool,
    /// What the user asked for that this program cannot do.
    pub warnings: Vec<String>,
}

/// Makes the command line of an agent. Words that the user gave are not repeated.
pub fn command_line(cli: &AgentCli, call: &Call<'_>) -> CommandLine {
    let mut argv = call.command.to_vec();
    let mut warnings = Vec::new();
    if argv.len() == 1 {
        argv.extend(cli.insert.of(call.backend).iter().cloned());
    }
    if call.skip_permissions && call.as_root && cli.skip_refused_as_root {
        warnings.push(format!(
            "{} refuses {} for root; it will ask before it acts",
            cli.name,
            cli.skip.join(" ")
        ));
    } else if call.skip_permissions {
        add(&mut argv, &cli.skip, call, "");
    }
    add(&mut argv, cli.session.of(call.backend), call, call.session);
    add(&mut argv, &cli.cwd, call, call.cwd);
    add(&mut argv, &cli.always, call, "");
    if let Some(model) = call.model {
        if cli.model.is_empty() {
            warnings
                .push(format!("{} takes no model; '{model}' is only in CLAWTEAM_MODEL", cli.name));
        }
        add(&mut argv, &cli.model, call, model);
    }
    let words = cli.prompt.of(call.backend);
    if let Some(prompt) = call.prompt
        && !words.is_empty()
    {
        argv.extend(words.iter().map(|word| word.replace("{prompt}", prompt)));
    }
    CommandLine { argv, paste: call.prompt.is_some() && words.is_empty(), warnings }
}

/// Adds words with `value` in the place of `{}`, unless the first of them is there already.
fn add(argv: &mut Vec<String>, words: &[String], call: &Call<'_>, value: &str) {
    let Some(first) = words.first() else { return };
    let assigned = format!("{first}=");
    let given = |word: &String| word == first || word.starts_with(&assigned);
    if !call.command.iter().any(given) {
        argv.extend(words.iter().map(|word| word.replace("{}", value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &str, backend: BackendKind) -> String {
        let command: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let call = Call {
            command: &command,
            backend,
            skip_permissions: true,
            as_root: false,
            model: Some("M"),
            cwd: "/w",
            session: "clawteam-t-a",
            prompt: Some("P"),
        };
        let made = command_line(&find(&command), &call);
        let paste = if made.paste { " <paste" } else { "" };
        format!("{}{paste}", made.argv.join(" "))
    }

    #[test]
    fn each_program_is_called_in_its_own_way_in_a_terminal() {
        for (command, expected) in [
            ("claude", "claude --dangerously-skip-permissions --model M <paste"),
            ("codex", "codex --dangerously-bypass-approvals-and-sandbox --model M P"),
            ("gemini", "gemini --yolo --model M -i P"),
            ("kimi", "kimi --yolo -w /w --model M --print -p P"),
            ("kimi -w /x", "kimi -w /x --yolo --model M --print -p P"),
            ("nanobot", "nanobot agent -w /w -m P"),
            ("hermes", "hermes chat --yolo --source tool -m M -q P"),
            ("qwen", "qwen --yolo --model M -p P"),
            ("opencode", "opencode --yolo --model M -p P"),
            ("openclaw", "openclaw tui --session clawteam-t-a --model M --message P"),
            ("openclaw agent", "openclaw agent --session clawteam-t-a --model M --message P"),
            ("pi", "pi --model M <paste"),
            ("/opt/bin/my-agent --fast", "/opt/bin/my-agent --fast <paste"),
        ] {
            assert_eq!(line(command, BackendKind::Tmux), expected);
        }
    }

    #[test]
    fn each_program_is_called_in_its_own_way_in_the_background() {
        for (command, expected) in [
            ("claude", "claude --dangerously-skip-permissions --model M -p P"),
            ("codex", "codex exec --dangerously-bypass-approvals-and-sandbox --model M P"),
            ("gemini", "gemini --yolo --model M -p P"),
            ("openclaw", "openclaw agent --local --session-id clawteam-t-a --model M --message P"),
            ("my-agent", "my-agent -p P"),
        ] {
            assert_eq!(line(command, BackendKind::Subprocess), expected);
        }
    }

    #[test]
    fn root_is_told_what_it_cannot_have() {
        let command = vec!["claude".to_owned()];
        let call = Call {
            command: &command,
            backend: BackendKind::Tmux,
            skip_permissions: true,
            as_root: true,
            model: None,
            cwd: "/w",
            session: "s",
            prompt: None,
        };
        let made = command_line(&find(&command), &call);
        assert_eq!(made.argv, ["claude"]);
        assert_eq!(made.warnings.len(), 1);
        assert!(is_known("codex") && is_known("/usr/bin/claude") && !is_known("tmux"));
    }
}

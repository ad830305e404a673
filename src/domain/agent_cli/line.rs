//! The command line of an agent.

use std::collections::BTreeSet;

use super::docker;
use super::row::{AgentCli, Level, Words};
use crate::domain::agent::BackendKind;

/// The longest prompt that is put on a command line, in bytes. Linux refuses a single argument of
/// 128 KiB (`MAX_ARG_STRLEN`); this leaves room.
const PROMPT_MAX: usize = 120_000;

/// Variables that an agent in a container gets passed through.
const IN_CONTAINER: [&str; 8] = [
    "CLAWTEAM_AGENT_ID",
    "CLAWTEAM_AGENT_NAME",
    "CLAWTEAM_AGENT_TYPE",
    "CLAWTEAM_TEAM_NAME",
    "CLAWTEAM_AGENT_LEADER",
    "CLAWTEAM_USER",
    "CLAWTEAM_WORKSPACE_DIR",
    "CLAWTEAM_MODEL",
];

/// What is known when a command line is made.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// What was asked for.
    pub command: &'a [String],
    /// How it runs.
    pub backend: BackendKind,
    /// How much it may do without asking.
    pub level: Level,
    /// Whether it runs as root.
    pub as_root: bool,
    /// Whether it is told that it runs in a sandbox.
    pub sandboxed: bool,
    /// The model, if one was named.
    pub model: Option<&'a str>,
    /// What is added to its system prompt.
    pub system_prompt: Option<&'a str>,
    /// Which of the program's own agents is used.
    pub agent: Option<&'a str>,
    /// An MCP server that it gets.
    pub mcp: Option<&'a McpServer>,
    /// The directory to work in.
    pub cwd: &'a str,
    /// Whether the directory is trusted.
    pub trusted: bool,
    /// Whether the server that the program talks to is there; `None` where nobody looked.
    pub served: Option<bool>,
    /// The options that the program's help shows, if that is known.
    pub flags: Option<&'a BTreeSet<String>>,
    /// The data directory.
    pub data: &'a str,
    /// A name for its session.
    pub session: &'a str,
    /// A new UUID for its session.
    pub uuid: &'a str,
    /// The session that it goes on with.
    pub resume: Option<&'a str>,
    /// What it is told to do.
    pub prompt: Option<&'a str>,
    /// The file that the prompt is in, for one that is too long for a command line.
    pub prompt_file: &'a str,
}

impl<'a> Call<'a> {
    /// A call of `command` with nothing else said.
    pub fn new(command: &'a [String], backend: BackendKind, level: Level) -> Self {
        Self {
            command,
            backend,
            level,
            as_root: false,
            sandboxed: false,
            model: None,
            system_prompt: None,
            agent: None,
            mcp: None,
            cwd: "",
            trusted: false,
            served: None,
            flags: None,
            data: "",
            session: "",
            uuid: "",
            resume: None,
            prompt: None,
            prompt_file: "",
        }
    }
}

/// An MCP server for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServer {
    /// Its program.
    pub program: String,
    /// Its description as `.mcp.json` has it.
    pub json: String,
}

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Which of them holds the prompt.
    pub prompt_at: Option<usize>,
    /// What the agent is told in all, wherever it is passed.
    pub prompt: Option<String>,
    /// Whether the prompt is to be typed into the program's terminal.
    pub paste: bool,
    /// Whether the program shows its dialogs and its composer in a terminal.
    pub interactive: bool,
    /// How much it really may do without asking.
    pub level: Level,
    /// The session that it runs in, if that is known beforehand.
    pub session: Option<String>,
    /// What the user asked for that this program cannot do.
    pub warnings: Vec<String>,
}

/// A command line in the making.
struct Maker<'a> {
    cli: &'a AgentCli,
    call: &'a Call<'a>,
    /// How words are chosen: a command can need no terminal although it is in one.
    backend: BackendKind,
    argv: Vec<String>,
    warnings: Vec<String>,
}

/// Makes the command line of an agent. Words that the user gave are not repeated.
pub fn command_line(cli: &AgentCli, call: &Call<'_>) -> CommandLine {
    let plain = call.command.iter().skip(1).any(|word| cli.background.contains(word));
    let backend = if plain { BackendKind::Subprocess } else { call.backend };
    let argv = call.command.to_vec();
    let mut maker = Maker { cli, call, backend, argv, warnings: Vec::new() };
    maker.run();
    let session = maker.session();
    let level = maker.permissions();
    maker.served();
    maker.add(&cli.cwd, call.cwd);
    maker.add(&cli.always, "");
    maker.add(&cli.keep_path, "");
    if call.trusted {
        maker.add(&cli.trust, "");
    }
    maker.model();
    if let Some(agent) = call.agent {
        maker.asked("--openclaw-agent", &cli.agent, agent, "");
    }
    if let Some(server) = call.mcp {
        maker.mcp(server);
    }
    let prompt = maker.system_prompt();
    let prompt_at = maker.prompt(prompt.as_deref());
    let typed = cli.prompt.of(backend).is_empty();
    let paste = prompt.is_some() && typed;
    let interactive = backend == BackendKind::Tmux && (typed || prompt.is_none());
    maker.check_flags();
    let Maker { argv, warnings, .. } = maker;
    CommandLine { argv, prompt_at, prompt, paste, interactive, level, session, warnings }
}

impl Maker<'_> {
    /// Adds words with `value` in the place of `{}`, unless the first of them is there already or
    /// this release of the program may not have it. Returns whether they are there now.
    fn add(&mut self, words: &Words, value: &str) -> bool {
        let words = words.of(self.backend);
        let Some(first) = words.first() else { return false };
        if self.is_given(first) {
            return true;
        }
        let option = first.split('=').next().unwrap_or(first);
        let optional = self.cli.optional.contains(first);
        let there = !optional || self.call.flags.is_some_and(|flags| flags.contains(option));
        if there {
            let data = self.call.data;
            let fill = |word: &String| word.replace("{}", value).replace("{data}", data);
            self.argv.extend(words.iter().map(fill));
        }
        there
    }

    /// Adds words for something that the user asked for with `option`: where nothing is known of
    /// the release, too. What cannot be passed is told, with `instead`.
    fn asked(&mut self, option: &str, words: &Words, value: &str, instead: &str) {
        let words = words.of(self.backend);
        let Some(first) = words.first().cloned() else {
            let name = &self.cli.name;
            self.warnings.push(format!("{name} has nothing for {option} '{value}'{instead}"));
            return;
        };
        if self.is_given(&first) {
            return;
        }
        if self.call.flags.is_some_and(|flags| !flags.contains(&first)) {
            let name = &self.cli.name;
            self.warnings.push(format!(
                "this release of {name} has no {first}; '{value}' is not passed to it{instead}"
            ));
            return;
        }
        let fill = |word: &String| word.replace("{}", value);
        let words: Vec<String> = words.iter().map(fill).collect();
        self.argv.extend(words);
    }

    /// What makes the program do without its server, if that is not there.
    fn served(&mut self) {
        let Some(server) = &self.cli.server else { return };
        let given = server.given.iter().any(|option| self.is_given(option));
        if given || self.call.served != Some(false) || server.without.of(self.backend).is_empty() {
            return;
        }
        if !self.add(&server.without, "") && self.call.flags.is_some() {
            self.warnings.push(format!(
                "nothing listens on port {}; {} may need its server running",
                server.port, self.cli.name
            ));
        }
    }

    /// Tells of options that the program's help does not show.
    fn check_flags(&mut self) {
        let Some(flags) = self.call.flags else { return };
        let command = self.call.command;
        let own = self.argv.iter().filter(|word| word.starts_with("--") && !command.contains(word));
        let unknown: Vec<String> = own
            .map(|word| word.split('=').next().unwrap_or(word).to_owned())
            .filter(|option| !flags.contains(option))
            .collect();
        for option in unknown {
            let name = &self.cli.name;
            self.warnings.push(format!(
                "the help of this release of {name} does not show {option}; if it does not start, \
                 see: clawteam agent show {name}"
            ));
        }
    }

    /// Whether the user gave an option.
    fn is_given(&self, option: &str) -> bool {
        let assigned = format!("{option}=");
        self.call.command.iter().any(|word| word == option || word.starts_with(&assigned))
    }

    /// What follows a program that was named without anything else.
    fn run(&mut self) {
        let names = IN_CONTAINER;
        docker::with_directory(&mut self.argv, self.call.cwd, &names);
        let words = self.cli.run.of(self.backend);
        match docker::program_at(&self.argv) {
            Ok(at) if at + 1 == self.argv.len() => self.argv.extend(words.iter().cloned()),
            Ok(_) => {}
            Err(_) if words.is_empty() => {}
            Err(_) => {
                self.argv.push(self.cli.name.clone());
                self.argv.extend(words.iter().cloned());
            }
        }
    }

    /// Names the session, or goes on with one. Returns it if it is known.
    fn session(&mut self) -> Option<String> {
        if self.cli.session_given.iter().any(|option| self.is_given(option)) {
            return None;
        }
        if let Some(id) = self.call.resume {
            if !self.cli.resume.of(self.backend).is_empty() {
                self.add(&self.cli.resume, id);
                return Some(id.to_owned());
            }
            self.warnings
                .push(format!("{} cannot go on with a session; it starts afresh", self.cli.name));
        }
        let words = self.cli.session.of(self.backend);
        let uuid = words.iter().any(|word| word.contains("{uuid}"));
        if words.first().is_none_or(|first| self.is_given(first)) {
            return None;
        }
        let call = self.call;
        let fill = |word: &String| word.replace("{uuid}", call.uuid).replace("{}", call.session);
        self.argv.extend(words.iter().map(fill));
        Some(if uuid { call.uuid } else { call.session }.to_owned())
    }

    /// Adds what its permission level asks for. Returns the level that it really has, as far as is
    /// known.
    fn permissions(&mut self) -> Level {
        let (cli, call) = (self.cli, self.call);
        let table = &cli.permissions;
        if table.given.iter().any(|option| self.is_given(option)) {
            return call.level;
        }
        let refused = table.refused_as_root.contains(&call.level);
        if refused && call.as_root && !call.sandboxed {
            let words = table.of(call.level).map(|words| words.of(self.backend).join(" "));
            let tell = table.sandbox_env.first().map_or(String::new(), |name| {
                format!("; in a sandbox, set {name}=1 in its environment")
            });
            self.warnings.push(format!(
                "{} refuses {} for root; it will ask before it acts{tell}",
                cli.name,
                words.unwrap_or_default()
            ));
            if let Some(words) = &table.ask {
                self.add(words, "");
            }
            return Level::Ask;
        }
        let known = [Level::Full, Level::Edit, Level::Ask];
        let mut known = known.into_iter().filter(|level| table.of(*level).is_some()).peekable();
        if known.peek().is_none() {
            return call.level;
        }
        let level = known.find(|level| *level <= call.level).unwrap_or(Level::Ask);
        if level != call.level {
            self.warnings.push(format!(
                "{} has no permission level '{}'; it runs with '{level}'",
                cli.name, call.level
            ));
        }
        if let Some(words) = table.of(level) {
            self.add(words, "");
        }
        level
    }

    fn model(&mut self) {
        let Some(model) = self.call.model else { return };
        let words = self.cli.model.of(self.backend);
        if !(self.is_given("--model") || self.is_given("-m") && words.contains(&"-m".to_owned())) {
            self.asked("--model", &self.cli.model, model, "; CLAWTEAM_MODEL holds it");
        }
    }

    fn mcp(&mut self, server: &McpServer) {
        let words = self.cli.mcp.of(self.backend);
        if words.is_empty() {
            self.warnings.push(format!(
                "{} takes no MCP server on its command line; use: clawteam setup {}",
                self.cli.name, self.cli.name
            ));
        }
        let fill = |word: &String| {
            word.replace("{program}", &server.program).replace("{json}", &server.json)
        };
        self.argv.extend(words.iter().map(fill));
    }

    /// Passes what is added to the system prompt; a program that has no option for it reads it at
    /// the beginning of its prompt. Returns the prompt.
    fn system_prompt(&mut self) -> Option<String> {
        let prompt = self.call.prompt.map(str::to_owned);
        let Some(system) = self.call.system_prompt else { return prompt };
        if system.len() <= PROMPT_MAX && self.add(&self.cli.system_prompt, system) {
            return prompt;
        }
        Some(prompt.map_or_else(|| system.to_owned(), |prompt| format!("{system}\n\n{prompt}")))
    }

    /// Adds the prompt where it is passed so. Returns the place of the argument that holds it.
    fn prompt(&mut self, prompt: Option<&str>) -> Option<usize> {
        let words = self.cli.prompt.of(self.backend);
        let prompt = prompt.filter(|_| !words.is_empty())?;
        let long = prompt.len() > PROMPT_MAX;
        let pointer = format!(
            "Your instructions are in the file {}. Read all of it, then do what it says.",
            self.call.prompt_file
        );
        let said = if long { &pointer } else { prompt };
        let first = self.argv.len();
        self.argv.extend(words.iter().map(|word| word.replace("{prompt}", said)));
        let at = words.iter().position(|word| word.contains("{prompt}"));
        at.filter(|_| !long).map(|at| first + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::agent_cli::find;

    fn call(command: &[String], backend: BackendKind) -> Call<'_> {
        Call {
            model: Some("M"),
            cwd: "/w",
            data: "/d",
            session: "clawteam-t-a",
            uuid: "U",
            prompt: Some("P"),
            prompt_file: "/p",
            ..Call::new(command, backend, Level::Full)
        }
    }

    fn words(command: &str) -> Vec<String> {
        command.split(' ').map(str::to_owned).collect()
    }

    fn shown(made: &CommandLine) -> String {
        format!("{}{}", made.argv.join(" "), if made.paste { " <paste" } else { "" })
    }

    fn line(command: &str, backend: BackendKind) -> String {
        let command = words(command);
        shown(&command_line(&find(&command), &call(&command, backend)))
    }

    #[test]
    fn each_program_is_called_in_its_own_way_in_a_terminal() {
        for (command, expected) in [
            ("claude", "claude --session-id U --dangerously-skip-permissions --model M <paste"),
            ("claude -c", "claude -c --dangerously-skip-permissions --model M <paste"),
            ("codex", "codex --dangerously-bypass-approvals-and-sandbox --model M <paste"),
            ("codex exec", "codex exec --dangerously-bypass-approvals-and-sandbox --model M P"),
            ("gemini", "gemini --yolo --model M <paste"),
            ("kimi", "kimi --yolo -w /w --model M --print -p P"),
            ("kimi -w /x", "kimi -w /x --yolo --model M --print -p P"),
            ("nanobot", "nanobot agent -w /w -m P"),
            ("hermes", "hermes chat --yolo --source tool -m M -q P"),
            ("qwen", "qwen --yolo --model M -p P"),
            ("opencode", "opencode --yolo --model M -p P"),
            ("openclaw", "openclaw tui --session clawteam-t-a --model M <paste"),
            ("openclaw agent", "openclaw agent --session-id clawteam-t-a --model M --message P"),
            ("cursor-agent", "cursor-agent --force --model M <paste"),
            ("pi", "pi --model M <paste"),
            ("/opt/bin/my-agent --fast", "/opt/bin/my-agent --fast <paste"),
        ] {
            assert_eq!(line(command, BackendKind::Tmux), expected);
        }
    }

    #[test]
    fn each_program_is_called_in_its_own_way_in_the_background() {
        for (command, expected) in [
            ("claude", "claude --session-id U --dangerously-skip-permissions --model M -p P"),
            ("codex", "codex exec --dangerously-bypass-approvals-and-sandbox --model M P"),
            ("gemini", "gemini --yolo --model M -p P"),
            ("openclaw", "openclaw agent --local --session-id clawteam-t-a --model M --message P"),
            ("my-agent", "my-agent -p P"),
        ] {
            assert_eq!(line(command, BackendKind::Subprocess), expected);
        }
    }

    #[test]
    fn a_session_is_gone_on_with_in_the_programs_own_way() {
        for (command, tmux, subprocess) in [
            (
                "claude",
                "claude --resume S --permission-mode default",
                "claude --resume S --permission-mode default -p P",
            ),
            ("codex", "codex resume S", "codex exec resume S P"),
            ("gemini", "gemini --resume S", "gemini --resume S -p P"),
            ("opencode", "opencode --session S -p P", "opencode --session S -p P"),
            (
                "nanobot",
                "nanobot agent --session S -w /w -m P",
                "nanobot agent --session S -w /w -m P",
            ),
            (
                "openclaw",
                "openclaw tui --session agent:main:resume:S",
                "openclaw agent --local --session-id S --message P",
            ),
        ] {
            let command = words(command);
            for (backend, expected) in
                [(BackendKind::Tmux, tmux), (BackendKind::Subprocess, subprocess)]
            {
                let call = Call {
                    level: Level::Ask,
                    model: None,
                    resume: Some("S"),
                    ..call(&command, backend)
                };
                let made = command_line(&find(&command), &call);
                assert_eq!(shown(&made).trim_end_matches(" <paste"), expected);
                assert_eq!(made.session.as_deref(), Some("S"));
            }
        }
    }

    #[test]
    fn levels_are_words_and_root_is_told_what_it_cannot_have() {
        let made = |program: &str, level, as_root, sandboxed| {
            let command = words(program);
            let call = Call {
                level,
                as_root,
                sandboxed,
                model: None,
                prompt: None,
                uuid: "U",
                ..call(&command, BackendKind::Tmux)
            };
            let made = command_line(&find(&command), &call);
            (made.argv[1..].join(" "), made.level, made.warnings.len())
        };
        let claude = "--session-id U";
        for (level, as_root, sandboxed, words, real, warnings) in [
            (Level::Ask, true, false, " --permission-mode default", Level::Ask, 0),
            (Level::Edit, true, false, " --permission-mode acceptEdits", Level::Edit, 0),
            (Level::Full, false, false, " --dangerously-skip-permissions", Level::Full, 0),
            (Level::Full, true, false, " --permission-mode default", Level::Ask, 1),
            (Level::Full, true, true, " --dangerously-skip-permissions", Level::Full, 0),
        ] {
            let expected = (format!("{claude}{words}"), real, warnings);
            assert_eq!(made("claude", level, as_root, sandboxed), expected);
        }
        assert_eq!(made("kimi", Level::Edit, false, false), ("-w /w".into(), Level::Ask, 1));
        // Nobody knows what a program without a row does.
        assert_eq!(made("tool", Level::Full, true, false), (String::new(), Level::Full, 0));
    }

    #[test]
    fn options_that_not_every_release_has_are_passed_where_its_help_shows_them() {
        let known = |flags: &str| flags.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        let made = |command: &str, flags: Option<&BTreeSet<String>>| {
            let command = words(command);
            let call = Call {
                flags,
                served: Some(false),
                agent: Some("A"),
                level: Level::Ask,
                prompt: None,
                ..call(&command, BackendKind::Tmux)
            };
            let made = command_line(&find(&command), &call);
            (made.argv[1..].join(" "), made.warnings.len())
        };
        let old = known("--session --model --agent");
        let new = known("--session --local");
        let session = "tui --session clawteam-t-a";
        let all = format!("{session} --model M --agent A");
        assert_eq!(made("openclaw", None), (all.clone(), 0));
        assert_eq!(made("openclaw", Some(&old)), (all, 1));
        assert_eq!(made("openclaw", Some(&new)), (format!("{session} --local"), 2));
        assert_eq!(made("codex", None).0, "--model M");
        let codex = known("--model --no-daemon --config");
        let expected = "--no-daemon --config=allow_login_shell=false --model M";
        assert_eq!(made("codex", Some(&codex)).0, expected);
        let (argv, warnings) = made("claude", Some(&known("--model")));
        assert_eq!((&*argv, warnings), ("--session-id U --permission-mode default --model M", 3));
    }

    #[test]
    fn what_does_not_fit_an_option_goes_another_way() {
        let long = "x".repeat(PROMPT_MAX + 1);
        let command = words("qwen");
        let long_call = Call { prompt: Some(&long), ..call(&command, BackendKind::Tmux) };
        let made = command_line(&find(&command), &long_call);
        assert!(made.argv.last().expect("words").contains("the file /p"), "{:?}", made.argv);
        assert_eq!(made.prompt_at, None);
        assert_eq!(made.prompt.as_deref(), Some(&*long));

        let command = words("codex");
        let system = Call { system_prompt: Some("S"), ..call(&command, BackendKind::Tmux) };
        assert_eq!(command_line(&find(&command), &system).prompt.as_deref(), Some("S\n\nP"));
        let command = words("claude");
        let system = Call { system_prompt: Some("S"), ..call(&command, BackendKind::Tmux) };
        let made = command_line(&find(&command), &system);
        assert!(made.argv.ends_with(&["--append-system-prompt".to_owned(), "S".to_owned()]));
        assert_eq!(made.prompt.as_deref(), Some("P"));
    }

    #[test]
    fn a_container_is_told_where_to_work() {
        let made = line("docker run --rm hkuds/nanobot", BackendKind::Tmux);
        assert!(made.starts_with("docker run --rm -w /w -v /w:/w -e CLAWTEAM_AGENT_ID "), "{made}");
        assert!(made.ends_with(" hkuds/nanobot nanobot agent -w /w -m P"), "{made}");
    }
}

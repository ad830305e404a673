//! The agent programs that keep conversations, and how a command line says which one is meant.

use crate::domain::agent_cli::AgentCli;

/// An agent program that keeps its conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// Claude Code.
    Claude,
    /// OpenAI Codex.
    Codex,
    /// Gemini CLI.
    Gemini,
    /// OpenCode.
    Opencode,
    /// OpenClaw.
    Openclaw,
    /// nanobot.
    Nanobot,
    /// Qwen Code.
    Qwen,
    /// Kimi CLI.
    Kimi,
    /// Pi.
    Pi,
    /// Hermes.
    Hermes,
    /// Cursor's agent.
    Cursor,
}

/// All of them, in the order in which they are tried.
pub const ALL: [Client; 11] = [
    Client::Claude,
    Client::Codex,
    Client::Gemini,
    Client::Opencode,
    Client::Openclaw,
    Client::Nanobot,
    Client::Qwen,
    Client::Kimi,
    Client::Pi,
    Client::Hermes,
    Client::Cursor,
];

/// Which session a command line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// None: the program begins a new one.
    Nothing,
    /// This one.
    Session(String),
    /// One that only the program knows (its latest, for example), or none that is kept.
    Unknown,
}

/// The options of a program that are about sessions.
struct Options {
    /// Those that are followed by a session.
    valued: &'static [&'static str],
    /// Those that mean a session without naming it.
    bare: &'static [&'static str],
}

impl Client {
    /// The name, as documents have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
            Self::Openclaw => "openclaw",
            Self::Nanobot => "nanobot",
            Self::Qwen => "qwen",
            Self::Kimi => "kimi",
            Self::Pi => "pi",
            Self::Hermes => "hermes",
            Self::Cursor => "cursor",
        }
    }

    /// The program called `name` in a document, or by its user.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let name = match name.as_str() {
            "claude-code" => "claude",
            "codex-cli" => "codex",
            "gemini-cli" => "gemini",
            "qwen-code" => "qwen",
            "cursor-agent" => "cursor",
            "kimi-cli" => "kimi",
            other => other,
        };
        ALL.into_iter().find(|client| client.as_str() == name)
    }

    /// The program that a command runs, if it is known to keep conversations.
    pub fn of(cli: &AgentCli) -> Option<Self> {
        Self::parse(&cli.name).or_else(|| cli.programs.iter().find_map(|name| Self::parse(name)))
    }

    /// As the programs document themselves (`--help`), autumn 2026.
    fn options(self) -> Options {
        let (valued, bare): (&[&str], &[&str]) = match self {
            Self::Claude => (
                &["--session-id", "--resume", "-r"],
                &["--continue", "-c", "--no-session-persistence"],
            ),
            // Subcommands; see `codex`.
            Self::Codex => (&[], &["--last"]),
            Self::Gemini => (&["--session-id", "--resume", "-r"], &[]),
            Self::Opencode => (&["--session", "-s"], &["--continue", "-c"]),
            Self::Openclaw => (&["--session-id", "--session", "--session-key"], &[]),
            Self::Nanobot => (&["--session", "-s"], &[]),
            Self::Qwen => (&["--session-id", "--resume", "-r"], &["--continue", "-c"]),
            Self::Kimi => (&["--session", "-S", "--resume", "-r"], &["--continue", "-C"]),
            Self::Pi => (&["--session"], &["--continue", "-c", "--resume", "-r", "--no-session"]),
            Self::Hermes => (&["--resume", "-r"], &["--continue", "-c"]),
            Self::Cursor => (&["--resume"], &["--continue"]),
        };
        Options { valued, bare }
    }

    /// Which session the command names already.
    pub fn named(self, command: &[String]) -> Named {
        if self == Self::Codex {
            return codex(command);
        }
        let options = self.options();
        let mut words = command.iter().skip(1).peekable();
        while let Some(word) = words.next() {
            let (option, assigned) = match word.split_once('=') {
                Some((option, value)) => (option, Some(value)),
                None => (word.as_str(), None),
            };
            if options.bare.contains(&option) {
                return Named::Unknown;
            }
            if options.valued.contains(&option) {
                let next = words.peek().filter(|next| !next.starts_with('-'));
                let value = assigned.map(str::to_owned).or_else(|| next.map(|s| (*s).clone()));
                return match value {
                    Some(value) if !value.is_empty() && value != "latest" => Named::Session(value),
                    _ => Named::Unknown,
                };
            }
        }
        Named::Nothing
    }
}

impl Client {
    /// The command without what it says about sessions.
    pub fn without_session(self, command: &[String]) -> Vec<String> {
        let options = self.options();
        let mut kept = Vec::new();
        let mut words = command.iter().peekable();
        kept.extend(words.next().cloned());
        while let Some(word) = words.next() {
            let option = word.split_once('=').map_or(word.as_str(), |(option, _)| option);
            let subcommand = self == Self::Codex && matches!(word.as_str(), "resume" | "fork");
            if options.valued.contains(&option) || subcommand {
                if option == word {
                    words.next_if(|next| !next.starts_with('-'));
                }
            } else if !options.bare.contains(&option) {
                kept.push(word.clone());
            }
        }
        kept
    }
}

/// `codex [exec] resume ID`; a fork gets an identifier that only Codex knows.
fn codex(command: &[String]) -> Named {
    let mut words = command.iter().skip(1).skip_while(|word| *word == "exec");
    match words.next().map(String::as_str) {
        Some("resume") => {
            let rest: Vec<&String> = words.collect();
            let id = rest.iter().find(|word| !word.starts_with('-'));
            match id {
                Some(id) if !rest.iter().any(|word| *word == "--last") => {
                    Named::Session((*id).clone())
                }
                _ => Named::Unknown,
            }
        }
        Some("fork") => Named::Unknown,
        _ => Named::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_a_command_says_of_its_session_can_be_left_out() {
        for (command, expected) in [
            ("claude --session-id x --verbose", "claude --verbose"),
            ("claude -c --resume=x", "claude"),
            ("claude --resume --verbose", "claude --verbose"),
            ("codex exec resume old --json", "codex exec --json"),
            ("codex resume --last", "codex"),
            ("openclaw tui --session=k", "openclaw tui"),
            ("gemini -r latest", "gemini"),
        ] {
            let command = words(command);
            let client = Client::parse(&command[0]).expect("it is known");
            assert_eq!(client.without_session(&command).join(" "), expected);
        }
    }

    #[test]
    fn a_session_that_the_user_named_is_seen() {
        let named = |id: &str| Named::Session(id.to_owned());
        for (command, expected) in [
            ("claude", Named::Nothing),
            ("claude --model m", Named::Nothing),
            ("claude --session-id a", named("a")),
            ("claude --resume=a", named("a")),
            ("claude -r a", named("a")),
            ("claude --resume --verbose", Named::Unknown),
            ("claude --no-session-persistence", Named::Unknown),
            ("codex resume a", named("a")),
            ("codex exec resume --json a", named("a")),
            ("codex resume --last", Named::Unknown),
            ("codex fork a", Named::Unknown),
            ("codex exec", Named::Nothing),
            ("gemini --resume latest", Named::Unknown),
            ("gemini --resume 9", named("9")),
            ("opencode -s a", named("a")),
            ("openclaw tui --session a", named("a")),
            ("nanobot agent --session a", named("a")),
        ] {
            let command = words(command);
            let client = Client::parse(&command[0]).expect("it is known");
            assert_eq!(client.named(&command), expected, "{command:?}");
        }
    }
}

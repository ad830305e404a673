//! What the beginning of a transcript says about it.

use serde_json::Value;

use super::Client;

/// What a transcript says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// What the program calls the session.
    pub id: String,
    /// Where the program ran, if it says so.
    pub cwd: Option<String>,
    /// When the session began, as ISO 8601, if it says so.
    pub started: Option<String>,
}

/// Reads the beginning of a transcript. `stem`: the name of the file without its ending.
/// `None` if this is not a conversation of an agent (that of a part of one, for example).
pub fn read(client: Client, stem: &str, bytes: &[u8]) -> Option<Head> {
    let text = String::from_utf8_lossy(bytes);
    let lines = || text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let word = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
    match client {
        // Every line names the session and the directory.
        Client::Claude | Client::Qwen => {
            let cwd = lines().find_map(|line| word(&line, "cwd"));
            let started = lines().find_map(|line| word(&line, "timestamp"));
            if lines().next().is_some_and(|line| line["isSidechain"] == true) {
                return None;
            }
            Some(Head { id: stem.to_owned(), cwd, started })
        }
        Client::Codex => {
            let first = lines().next().filter(|line| line["type"] == "session_meta")?;
            let meta = &first["payload"];
            // Codex also thinks for itself, of a title for example.
            if !matches!(meta["thread_source"].as_str(), None | Some("user")) {
                return None;
            }
            Some(Head {
                id: word(meta, "id")?,
                cwd: word(meta, "cwd"),
                started: word(meta, "timestamp").or_else(|| word(&first, "timestamp")),
            })
        }
        Client::Gemini => {
            // One document until 2026, then a line for each message after a line about them all.
            let whole = serde_json::from_str::<Value>(&text).ok();
            let first = whole.or_else(|| lines().next());
            let (id, started) = match first {
                Some(first) if first["kind"] == "subagent" => return None,
                Some(first) => (word(&first, "sessionId"), word(&first, "startTime")),
                // A long document of which only the beginning is known.
                None => (member(&text, "sessionId"), member(&text, "startTime")),
            };
            Some(Head { id: id?, cwd: None, started })
        }
        Client::Openclaw | Client::Pi => {
            let first = lines().next().filter(|line| line["type"] == "session")?;
            let id = if client == Client::Pi { word(&first, "id")? } else { stem.to_owned() };
            Some(Head { id, cwd: word(&first, "cwd"), started: word(&first, "timestamp") })
        }
        Client::Nanobot | Client::Kimi | Client::Opencode | Client::Hermes | Client::Cursor => {
            Some(Head { id: stem.to_owned(), ..Head::default() })
        }
    }
}

/// The text of a member near the beginning of a JSON document that is cut off.
fn member(text: &str, key: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("\"{key}\""))?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// Which of `marks` stands first in `text`. Every agent's prompt begins with who it is; what it
/// reads later may speak of others.
pub fn first_of<'m>(text: &str, marks: &[&'m str]) -> Option<&'m str> {
    let places = marks.iter().filter(|mark| !mark.is_empty());
    let found = places.filter_map(|mark| text.find(mark).map(|at| (at, *mark)));
    found.min_by_key(|(at, _)| *at).map(|(_, mark)| mark)
}

/// The name of the directory in which Claude Code keeps what belongs to `cwd`: every character
/// but ASCII letters and digits becomes `-`.
pub fn flat(cwd: &str) -> String {
    // Claude counts as JavaScript does.
    let units = cwd.encode_utf16().map(|unit| char::from_u32(unit.into()).unwrap_or('-'));
    units.map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_says_in_its_own_way_what_a_session_is_called() {
        let codex = r#"{"timestamp":"2026-11-21T10:00:00.000Z","type":"session_meta","payload":{"id":"u","timestamp":"2026-11-21T09:59:59.000Z","cwd":"/w"}}"#;
        let head = read(Client::Codex, "rollout-x", codex.as_bytes()).expect("a head");
        assert_eq!((head.id.as_str(), head.cwd.as_deref()), ("u", Some("/w")));
        assert_eq!(head.started.as_deref(), Some("2026-11-21T09:59:59.000Z"));
        let claude = "{\"type\":\"summary\"}\n{\"cwd\":\"/w\",\"timestamp\":\"T\"}\n";
        let head = read(Client::Claude, "uuid", claude.as_bytes()).expect("a head");
        assert_eq!((head.id.as_str(), head.cwd.as_deref()), ("uuid", Some("/w")));
        for gemini in [
            "{\n \"sessionId\": \"g\",\n \"startTime\": \"S\",\n \"messages\": [{\"cut",
            "{\"sessionId\":\"g\",\"startTime\":\"S\"}\n{\"id\":\"1\"}\n",
            "{\"sessionId\":\"g\",\"startTime\":\"S\",\"messages\":[]}",
        ] {
            let head = read(Client::Gemini, "session-x", gemini.as_bytes()).expect("a head");
            assert_eq!((head.id.as_str(), head.started.as_deref()), ("g", Some("S")), "{gemini}");
        }
        assert_eq!(read(Client::Codex, "x", b"{\"type\":\"message\"}"), None);
        assert_eq!(read(Client::Codex, "x", b""), None);
    }

    #[test]
    fn who_is_named_first_is_whose_prompt_it_is() {
        assert_eq!(first_of("x bb then aa", &["aa", "bb"]), Some("bb"));
        assert_eq!(first_of("x", &["aa", ""]), None);
    }

    #[test]
    fn a_directory_is_flattened_as_claude_does_it() {
        assert_eq!(flat("/tmp/a.b/c_d é"), "-tmp-a-b-c-d--");
    }
}

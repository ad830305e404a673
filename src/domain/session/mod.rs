//! Conversations of agents with their programs: which one an agent has, and how sure that is.

pub mod back;
pub mod client;
pub mod head;
pub mod transcript;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Extra;
use crate::core::Stamp;

pub use client::{Client, Named};

/// The session of an agent: `sessions/<team>/<agent>.json`, in the form that Python's ClawTeam
/// reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The agent.
    pub agent_name: String,
    /// Its team.
    pub team_name: String,
    /// What its program calls the session; empty if that is not known.
    #[serde(default)]
    pub session_id: String,
    /// The task that it worked on last.
    #[serde(default)]
    pub last_task_id: String,
    /// When this was written down.
    #[serde(default)]
    pub saved_at: Stamp,
    /// Where this is known from. See the accessors for the fields that have a meaning here.
    #[serde(default)]
    pub state: Extra,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How sure it is that a session is that of its agent. Greater is surer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Nothing was said.
    Unknown,
    /// The program was told to use this session; nobody has seen that it does.
    Generated,
    /// It is the only one that it can be.
    Latest,
    /// It speaks of the agent.
    Hinted,
    /// The program, or what it wrote, says so.
    Exact,
}

impl Confidence {
    /// The confidence as documents name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Generated => "generated",
            Self::Latest => "latest",
            Self::Hinted => "hinted",
            Self::Exact => "exact",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "generated" => Self::Generated,
            "latest" => Self::Latest,
            "hinted" => Self::Hinted,
            "exact" => Self::Exact,
            _ => Self::Unknown,
        }
    }
}

/// A session that was found, or made up, for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The program.
    pub client: Client,
    /// What the program calls the session.
    pub id: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// `generated`, `provided`, `environment`, `transcript`, `hook` or `client-list`.
    pub source: &'static str,
    /// The file with the conversation, once it was seen.
    pub transcript: Option<String>,
}

impl Session {
    fn text(&self, key: &str) -> &str {
        self.state.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The program that has the session, as it was written down.
    pub fn client(&self) -> &str {
        self.text("client")
    }

    /// Where it is known from.
    pub fn source(&self) -> &str {
        self.text("source")
    }

    /// Where the program ran.
    pub fn cwd(&self) -> &str {
        self.text("cwd")
    }

    /// How sure it is.
    pub fn confidence(&self) -> Confidence {
        Confidence::parse(self.text("confidence"))
    }

    /// The file with the conversation, once it was seen.
    pub fn transcript(&self) -> Option<&str> {
        Some(self.text("transcript")).filter(|path| !path.is_empty())
    }

    /// In which start of the agent it was written down.
    pub fn instance(&self) -> &str {
        self.text("instance")
    }

    /// Whether the program was seen to have written this session.
    pub fn is_verified(&self) -> bool {
        self.state.get("verified").and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether `found` says more than is known already: another session only if it is at least as
    /// sure, the same one if it is surer or was not verified before.
    pub fn yields_to(&self, found: &Found) -> bool {
        if self.session_id.is_empty() {
            return true;
        }
        if self.session_id == found.id {
            let seen = found.transcript.is_some() && !self.is_verified();
            return seen || found.confidence > self.confidence();
        }
        found.confidence >= self.confidence()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: &str, confidence: &str, verified: bool) -> Session {
        let state = serde_json::json!({"confidence": confidence, "verified": verified});
        Session {
            agent_name: "a".into(),
            team_name: "t".into(),
            session_id: id.into(),
            last_task_id: String::new(),
            saved_at: Stamp::empty(),
            state: state.as_object().cloned().unwrap_or_default(),
            extra: Extra::new(),
        }
    }

    fn found(id: &str, confidence: Confidence, seen: bool) -> Found {
        let transcript = seen.then(|| "/f".to_owned());
        Found {
            client: Client::Claude,
            id: id.into(),
            confidence,
            source: "transcript",
            transcript,
        }
    }

    #[test]
    fn a_session_gives_way_only_to_one_that_is_as_sure() {
        use Confidence::{Exact, Generated, Hinted, Latest};
        for (known, verified, other, seen, yields) in [
            ("exact", true, Latest, true, false),
            ("exact", true, Hinted, true, false),
            ("exact", true, Exact, true, true),
            ("generated", false, Latest, true, true),
            ("latest", true, Generated, false, false),
            ("", false, Generated, false, true),
        ] {
            let known_session = session("one", known, verified);
            assert_eq!(
                known_session.yields_to(&found("two", other, seen)),
                yields,
                "{known} {other:?}"
            );
        }
        assert!(session("", "exact", true).yields_to(&found("x", Latest, true)));
        assert!(session("one", "generated", false).yields_to(&found("one", Exact, true)));
        assert!(!session("one", "exact", true).yields_to(&found("one", Exact, true)));
    }

    #[test]
    fn what_python_wrote_is_read_and_survives() {
        let text = r#"{"agentName":"w","teamName":"t","sessionId":"s","state":{"client":"codex","confidence":"hinted","x":1},"y":2}"#;
        let session: Session = serde_json::from_str(text).expect("a session");
        assert_eq!((session.client(), session.confidence()), ("codex", Confidence::Hinted));
        let back = serde_json::to_value(&session).expect("JSON");
        assert_eq!((&back["state"]["x"], &back["y"]), (&1.into(), &2.into()));
    }
}

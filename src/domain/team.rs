//! A team and its members.

use serde::{Deserialize, Serialize};

use super::{Extra, lax};
use crate::core::name::NameError;
use crate::core::{AgentName, Diagnose, Stamp, UserName};

/// A team: `teams/<team>/config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Team {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The agent id of its leader.
    #[serde(rename = "leadAgentId", alias = "lead_agent_id", default)]
    pub lead_agent_id: String,
    /// When it was made.
    #[serde(rename = "createdAt", alias = "created_at", default)]
    pub created_at: Stamp,
    /// In the order in which they joined.
    #[serde(default)]
    pub members: Vec<Member>,
    /// What it may spend, in US cents; 0 or less is no limit.
    #[serde(
        rename = "budgetCents",
        alias = "budget_cents",
        default,
        deserialize_with = "lax::float"
    )]
    pub budget_cents: f64,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A member of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name in the team.
    pub name: String,
    /// The user it belongs to; empty if the team has one user.
    #[serde(default)]
    pub user: String,
    /// Its identifier.
    #[serde(rename = "agentId", alias = "agent_id", default)]
    pub agent_id: String,
    /// What it does, in a word.
    #[serde(rename = "agentType", alias = "agent_type", default = "general_purpose")]
    pub agent_type: String,
    /// When it joined.
    #[serde(rename = "joinedAt", alias = "joined_at", default)]
    pub joined_at: Stamp,
    /// The model it runs on, if that is known.
    #[serde(rename = "modelName", alias = "model_name", default)]
    pub model_name: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The type of a member of which nothing is said.
pub const GENERAL_PURPOSE: &str = "general-purpose";

fn general_purpose() -> String {
    GENERAL_PURPOSE.to_owned()
}

/// Why a team could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// There is no such team.
    #[error("Team '{0}' not found")]
    NotFound(String),
    /// There is such a team already.
    #[error("Team '{0}' already exists")]
    Exists(String),
    /// The team has a member of that name and user.
    #[error("Agent '{name}' (user={}) already in team", if user.is_empty() { "(none)" } else { user })]
    MemberExists {
        /// The member's name.
        name: String,
        /// Its user.
        user: String,
    },
    /// Another member's mail lies in the inbox that the new one would have.
    #[error("the inbox '{inbox}' of '{name}' is already that of member '{other}'")]
    InboxTaken {
        /// The new member's name.
        name: String,
        /// The inbox.
        inbox: String,
        /// Who has it.
        other: String,
    },
    /// The team has no member who leads it.
    #[error("No leader found")]
    NoLeader,
    /// A name is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl Diagnose for TeamError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "team_not_found",
            Self::Exists(_) => "team_exists",
            Self::MemberExists { .. } => "member_exists",
            Self::InboxTaken { .. } => "inbox_taken",
            Self::NoLeader => "no_leader",
            Self::Name(error) => error.code(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound(_) => Some("list the teams: clawteam team discover".into()),
            _ => None,
        }
    }
}

impl Member {
    /// The name of this member's inbox: `<user>_<name>`, or the name alone without a user.
    pub fn inbox_name(&self) -> String {
        inbox_name(&self.user, &self.name)
    }

    /// The same, checked.
    pub fn inbox(&self) -> Result<AgentName, NameError> {
        AgentName::parse_as("inbox name", self.inbox_name())
    }
}

fn inbox_name(user: &str, name: &str) -> String {
    if user.is_empty() { name.to_owned() } else { format!("{user}_{name}") }
}

impl Team {
    /// The member who leads: the one with the lead's id, else the first.
    pub fn leader(&self) -> Option<&Member> {
        self.members
            .iter()
            .find(|member| member.agent_id == self.lead_agent_id)
            .or_else(|| self.members.first())
    }

    /// The member of that name, if exactly one has it.
    pub fn member(&self, name: &str) -> Option<&Member> {
        let mut found = self.members.iter().filter(|member| member.name == name);
        let first = found.next();
        if found.next().is_some() { None } else { first }
    }

    /// Adds a member. Refuses one that is there already, and one whose inbox is another's.
    pub fn add(&mut self, member: Member) -> Result<(), TeamError> {
        if self.members.iter().any(|m| m.name == member.name && m.user == member.user) {
            return Err(TeamError::MemberExists { name: member.name, user: member.user });
        }
        let inbox = member.inbox()?;
        if let Some(other) = self.members.iter().find(|m| m.inbox_name() == inbox.as_str()) {
            return Err(TeamError::InboxTaken {
                name: member.name,
                inbox: inbox.to_string(),
                other: other.name.clone(),
            });
        }
        self.members.push(member);
        Ok(())
    }
}

/// Whose inbox a recipient's name means, seen by `user`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// That of a member.
    Member(AgentName),
    /// No member: the name is taken as that of an inbox.
    Unknown(AgentName),
    /// Several users have a member of that name.
    Ambiguous(Vec<String>),
}

/// Finds the inbox for `name`: that of the member of this user, else of the only member of that
/// name, else the inbox called so.
pub fn resolve(team: Option<&Team>, name: &AgentName, user: Option<&UserName>) -> Recipient {
    let members = team.map_or(&[][..], |team| &team.members);
    let named: Vec<&Member> = members.iter().filter(|m| m.name == name.as_str()).collect();
    if let Some(user) = user
        && let Some(mine) = named.iter().find(|member| member.user == user.as_str())
        && let Ok(inbox) = mine.inbox()
    {
        return Recipient::Member(inbox);
    }
    match named[..] {
        [only] => only.inbox().map_or_else(|_| Recipient::Unknown(name.clone()), Recipient::Member),
        [] if members.iter().any(|m| m.inbox_name() == name.as_str()) => {
            Recipient::Member(name.clone())
        }
        [] => Recipient::Unknown(name.clone()),
        _ => Recipient::Ambiguous(named.iter().map(|member| member.inbox_name()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, user: &str) -> Member {
        Member {
            name: name.into(),
            user: user.into(),
            agent_id: format!("id-{user}-{name}"),
            agent_type: general_purpose(),
            joined_at: Stamp::empty(),
            model_name: String::new(),
            extra: Extra::new(),
        }
    }

    fn team(members: Vec<Member>) -> Team {
        let text = r#"{"name": "t"}"#;
        Team { members, ..serde_json::from_str(text).expect("only the name is required") }
    }

    fn agent(name: &str) -> AgentName {
        AgentName::parse(name).expect("a good name")
    }

    #[test]
    fn a_member_joins_once_per_user() {
        let mut team = team(vec![member("w", "")]);
        assert!(matches!(team.add(member("w", "")), Err(TeamError::MemberExists { .. })));
        assert!(team.add(member("w", "bob")).is_ok());
        assert_eq!(
            team.add(member("w", "")).expect_err("w is there").to_string(),
            "Agent 'w' (user=(none)) already in team"
        );
    }

    #[test]
    fn two_members_never_share_an_inbox() {
        let mut team = team(vec![member("alice_w", "")]);
        assert!(matches!(team.add(member("w", "alice")), Err(TeamError::InboxTaken { .. })));
    }

    #[test]
    fn recipients_are_found_by_user_then_by_name_then_by_inbox() {
        let bob = UserName::parse("bob").expect("a good name");
        let team = team(vec![member("lead", ""), member("w", "alice"), member("w", "bob")]);
        let find = |name: &str, user: Option<&UserName>| resolve(Some(&team), &agent(name), user);
        assert_eq!(find("w", Some(&bob)), Recipient::Member(agent("bob_w")));
        assert_eq!(find("w", None), Recipient::Ambiguous(vec!["alice_w".into(), "bob_w".into()]));
        assert_eq!(find("alice_w", None), Recipient::Member(agent("alice_w")));
        assert_eq!(find("lead", Some(&bob)), Recipient::Member(agent("lead")));
        assert_eq!(find("ghost", None), Recipient::Unknown(agent("ghost")));
        assert_eq!(resolve(None, &agent("x"), None), Recipient::Unknown(agent("x")));
    }

    #[test]
    fn the_leader_is_found_by_id_else_first() {
        let mut some = team(vec![member("a", ""), member("b", "")]);
        assert_eq!(some.leader().map(|m| m.name.as_str()), Some("a"));
        some.lead_agent_id = "id--b".into();
        assert_eq!(some.leader().map(|m| m.name.as_str()), Some("b"));
        assert_eq!(team(vec![]).leader(), None);
    }

    #[test]
    fn unknown_fields_survive() {
        let text = r#"{"name":"t","future":{"a":[1]},"members":[{"name":"m","colour":"red"}]}"#;
        let team: Team = serde_json::from_str(text).expect("a team");
        let back = serde_json::to_value(&team).expect("a document");
        assert_eq!(back["future"]["a"][0], 1);
        assert_eq!(back["members"][0]["colour"], "red");
    }
}

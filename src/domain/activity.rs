//! What happened in a team, as lines that Gource draws: `seconds|who|A or M|/path`.

use super::message::Message;
use super::task::{Status, Task};
use super::team::Team;
use crate::core::Stamp;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Event {
    /// When, in seconds since the epoch.
    pub at: i64,
    /// Who did it.
    pub who: String,
    /// `A` for what is new, `M` for what has changed.
    pub kind: char,
    /// What it was done to, as a path that begins with `/`.
    pub path: String,
}

impl Event {
    /// An event; what would break a line of the log is replaced.
    pub fn new(at: i64, who: &str, kind: char, parts: &[&str]) -> Self {
        let mut path = String::new();
        let mut last = "";
        for part in parts.iter().flat_map(|part| part.split('/')).filter(|part| !part.is_empty()) {
            if part != last {
                path.push('/');
                path.push_str(&clean(part));
            }
            last = part;
        }
        Self { at, who: clean(who), kind, path }
    }

    /// The line of the log.
    pub fn line(&self) -> String {
        format!("{}|{}|{}|{}", self.at, self.who, self.kind, self.path)
    }
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c == '|' || c.is_control() { '_' } else { c }).collect()
}

fn seconds(stamp: &Stamp) -> Option<i64> {
    stamp.instant().map(|instant| instant.timestamp())
}

/// The name of the member whose inbox or name `text` is.
fn member_name<'a>(team: Option<&'a Team>, text: &'a str) -> &'a str {
    let members = team.map(|team| team.members.as_slice()).unwrap_or_default();
    let member = members.iter().find(|member| member.inbox_name() == text);
    member.map_or(text, |member| member.name.as_str())
}

/// What happened to the members, tasks and messages of a team. Things without a time are left out.
pub fn of_team(team: Option<&Team>, tasks: &[Task], messages: &[Message]) -> Vec<Event> {
    let mut events = Vec::new();
    for member in team.iter().flat_map(|team| &team.members) {
        if let Some(at) = seconds(&member.joined_at) {
            events.push(Event::new(at, &member.name, 'A', &["team", &member.name]));
        }
    }
    for task in tasks {
        let who = if task.owner.is_empty() { "system" } else { &task.owner };
        let name = format!("{}_{}", task.id, task.subject.replace('/', "_"));
        if let Some(at) = seconds(&task.created_at) {
            events.push(Event::new(at, who, 'A', &["tasks", "pending", &name]));
        }
        if task.status != Status::Pending
            && let Some(at) = seconds(&task.updated_at)
        {
            let kind = if task.status == Status::Completed { 'A' } else { 'M' };
            events.push(Event::new(at, who, kind, &["tasks", task.status.as_str(), &name]));
        }
    }
    for message in messages {
        let from = member_name(team, &message.from);
        let to = member_name(team, message.to.as_deref().unwrap_or("all"));
        if let Some(at) = seconds(&message.timestamp) {
            events.push(Event::new(at, from, 'M', &["messages", from, to, message.kind.as_str()]));
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_four_fields_whatever_people_write() {
        let event = Event::new(7, "a|b", 'M', &["x", "x/y|z\n", "/y"]);
        assert_eq!(event.line(), "7|a_b|M|/x/y_z_/y");
    }
}

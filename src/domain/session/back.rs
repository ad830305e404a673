//! What an agent is told that was started again.

use std::fmt::Write as _;

/// What there is to say to an agent that is back.
#[derive(Debug, Clone, Default)]
pub struct Back<'a> {
    /// The agent.
    pub agent: &'a str,
    /// Its team.
    pub team: &'a str,
    /// Where it works.
    pub cwd: &'a str,
    /// Why it was started again, as the end of a sentence.
    pub why: &'a str,
    /// How many messages wait for it.
    pub unread: usize,
    /// Its tasks that are not completed, each with identifier, status and subject.
    pub tasks: Vec<(String, String, String)>,
}

/// What an agent reads that goes on with its old conversation.
pub fn resumed(back: &Back<'_>) -> String {
    let mut text = format!(
        "You are back: {}, and this conversation goes on where it stopped. You are still agent \
         `{}` of team `{}`, in {}.\n",
        back.why, back.agent, back.team, back.cwd
    );
    news(back, &mut text);
    text.push_str(
        "Before you go on, look at what is already done: `git status`, `git log`, and your tasks.\n",
    );
    text
}

/// What follows its first instructions for an agent whose old conversation is not to be had.
pub fn afresh(back: &Back<'_>) -> String {
    let mut text = format!(
        "## Started Again\n\nYou were at work on this before: {}. Your earlier conversation is not \
         to be had, but what you did is still in {}.\n",
        back.why, back.cwd
    );
    news(back, &mut text);
    text.push_str(
        "Before you begin, look at what is already done: `git status`, `git log`, and your tasks.\n",
    );
    text
}

/// The line for an agent that was asked to go on with a session while it gets instructions.
pub fn line(id: &str) -> String {
    format!("You go on with your earlier session ({id}); what you read there still holds.\n")
}

fn news(back: &Back<'_>, text: &mut String) {
    let (team, agent) = (back.team, back.agent);
    if back.unread > 0 {
        let _ = writeln!(
            text,
            "- Messages that wait for you: {}. Read them: `clawteam inbox receive {team} --agent {agent}`",
            back.unread
        );
    }
    for (id, status, subject) in &back.tasks {
        let _ = writeln!(text, "- Your task {id} ({status}): {subject}");
    }
    if !back.tasks.is_empty() {
        let _ = writeln!(
            text,
            "- Take a pending task of yours up again: `clawteam task update {team} ID --status in_progress`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_is_back_hears_what_waits_for_it() {
        let back = Back {
            agent: "w",
            team: "t",
            cwd: "/w",
            why: "the machine was restarted",
            unread: 2,
            tasks: vec![("1a".into(), "in_progress".into(), "Dig".into())],
        };
        for text in [resumed(&back), afresh(&back)] {
            for part in
                ["the machine was restarted", "inbox receive t --agent w", "1a (in_progress): Dig"]
            {
                assert!(text.contains(part), "{part} is missing in\n{text}");
            }
        }
        let quiet = resumed(&Back { unread: 0, tasks: vec![], ..back });
        assert!(!quiet.contains("wait for you") && !quiet.contains("Your task"), "{quiet}");
    }
}

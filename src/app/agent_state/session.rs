//! The session of an agent, as its program itself named it.

use crate::app::{App, session};
use crate::core::{AgentName, Outcome, TeamName};
use crate::domain::agent_state::Heard;
use crate::domain::session::Client;

/// Writes down which session the agent has, if that is not known yet. Only an event that names the
/// transcript is about the agent's own conversation: Codex, for one, also reports the threads in
/// which it thinks up titles.
pub(super) fn remember(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    program: &str,
    heard: &Heard,
) -> Outcome<()> {
    let (Some(id), Some(transcript)) = (&heard.session_id, &heard.transcript) else {
        return Ok(());
    };
    let Some(client) = Client::parse(program) else { return Ok(()) };
    let begins = heard.event == "SessionStart";
    session::observed(app, team, agent, client, id, transcript, begins)
}

//! Writing down an agent's session as soon as its program shows it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::keep;
use super::locate::{self, Seek};
use crate::app::App;
use crate::core::Outcome;
use crate::domain::agent::LaunchPlan;
use crate::domain::session::{Client, Confidence, Found, Named};

/// The first pause between two looks. Each is twice as long as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(300);
/// After so long nobody looks any more until the agent ends: an idle agent shall cost nothing.
const LOOKING_MAX: Duration = Duration::from_secs(600);

/// What there is to watch for.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// How the agent was started.
    pub plan: &'a LaunchPlan,
    /// What keeps its conversations.
    pub client: Client,
}

/// What to watch for in an agent that is started by `plan`; `None` if its program keeps nothing
/// that could be found. The session that the program was told to use is written down now.
pub fn watch<'a>(app: &App, plan: &'a LaunchPlan) -> Outcome<Option<Watch<'a>>> {
    let Some(client) = locate::client_of_plan(plan) else { return Ok(None) };
    if let Named::Session(id) = client.named(&plan.argv) {
        let given = client.named(&plan.command) == Named::Session(id.clone());
        let source = if given { "provided" } else { "generated" };
        let confidence = Confidence::Generated;
        keep(app, plan, &Found { client, id, confidence, source, transcript: None })?;
    }
    Ok(Some(Watch { plan, client }))
}

/// Looks once. Returns whether the session was seen in what the program wrote.
pub fn capture(app: &App, watch: Watch<'_>) -> Outcome<bool> {
    let (team, agent) = crate::app::start::names(watch.plan)?;
    let seek = Seek::of(app, &team, &agent, watch.plan, watch.client);
    let Some(found) = seek.find()? else { return Ok(false) };
    keep(app, watch.plan, &found)?;
    Ok(found.transcript.is_some())
}

/// Looks once for the session of an agent's last start.
pub(in crate::app) fn look(app: &App, plan: &LaunchPlan) -> Outcome<()> {
    if let Some(client) = locate::client_of_plan(plan) {
        capture(app, Watch { plan, client })?;
    }
    Ok(())
}

impl Watch<'_> {
    /// Looks again and again, less and less often, until the session was seen or `over` is told or
    /// dropped. Trouble is no reason to disturb the agent.
    pub fn until_seen(self, app: &App, over: &Receiver<()>) {
        let began = Instant::now();
        let mut pause = PAUSE_MIN;
        // Asking OpenCode starts a program; once is enough while the agent runs.
        if self.client == Client::Opencode {
            pause = Duration::from_secs(10);
        }
        while began.elapsed() < LOOKING_MAX {
            if over.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            if matches!(capture(app, self), Ok(true)) || self.client == Client::Opencode {
                return;
            }
            pause *= 2;
        }
    }
}

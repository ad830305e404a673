//! What clawteam does: load documents, apply a rule, commit, act on the outside.
//!
//! Nothing here prints or parses arguments; the command line and every other face call the same
//! functions.

pub mod agent_rows;
pub mod agent_state;
pub mod agents;
pub mod approval;
pub mod artifact;
pub mod board;
pub mod cleanup;
pub mod comeback;
pub mod context;
pub mod cost;
pub mod demo;
pub mod doctor;
mod environment;
mod equip;
pub mod gource;
pub mod harness;
pub mod hook;
pub mod inbox;
pub mod launch;
pub mod leader_watch;
pub mod lifecycle;
pub mod liveness;
pub mod log;
pub mod models;
pub mod notify;
pub mod permission;
pub mod plugin;
pub mod preview;
pub mod prime;
pub mod probe;
pub mod profile;
pub mod provision;
pub mod queue;
pub mod respawn;
mod restart;
pub mod run;
pub mod runner;
pub mod runtime;
pub mod schedule;
pub mod secret;
pub mod session;
pub mod settings;
pub mod setup;
pub mod shutdown;
pub mod skill;
pub mod spawn;
mod spawned;
mod start;
pub mod startup;
pub mod task;
pub mod team;
pub mod template;
pub mod tick;
pub mod wait;
pub mod workflow;
pub mod workspace;
pub mod zombie;

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::core::id::IdSource;
use crate::core::time::Clock;
use crate::core::{Stamp, TeamName};
use crate::domain::identity::Identity;
use crate::domain::settings::Settings;
use crate::env::Env;
use crate::ports::{ForeignFiles, Git, Processes, Terminal, Web};
use crate::store::{Notice, Store};

/// What the use cases work with.
pub struct App {
    /// The data directory.
    pub store: Store,
    /// The directory of the settings, in the user's home.
    pub home_store: Store,
    /// Where the data directory is, as an absolute path.
    pub data_dir: PathBuf,
    /// The settings as they were at the start.
    pub settings: Settings,
    /// The environment.
    pub env: Env,
    /// Who calls.
    pub identity: Identity,
    /// The present.
    pub clock: Box<dyn Clock>,
    /// Fresh identifiers.
    pub ids: Box<dyn IdSource>,
    /// Repositories.
    pub git: Box<dyn Git>,
    /// Terminal windows.
    pub terminal: Box<dyn Terminal>,
    /// Processes.
    pub processes: Box<dyn Processes>,
    /// What agents' programs wrote about their conversations.
    pub foreign: Box<dyn ForeignFiles>,
    /// Web services. Shared with calls that nobody waits for any more.
    pub web: Arc<dyn Web>,
}

impl App {
    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The present instant as a document holds it.
    pub fn stamp(&self) -> Stamp {
        self.clock.stamp()
    }

    /// The present in milliseconds since the epoch.
    pub fn now_millis(&self) -> u64 {
        u64::try_from(self.now().timestamp_millis()).unwrap_or(0)
    }

    /// The present in seconds since the epoch.
    pub fn now_seconds(&self) -> f64 {
        let now = self.now();
        // Whole seconds fit into the 52 bits for a hundred million years.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let seconds = now.timestamp() as f64;
        seconds + f64::from(now.timestamp_subsec_micros()) / 1e6
    }

    /// Tells the user of something odd that does not stop the command.
    pub fn warn(&self, text: impl Into<String>) {
        self.store.notify(&Notice::Warning { text: text.into() });
    }

    /// Tells the user of something that happens as it should.
    pub fn tell(&self, text: impl Into<String>) {
        self.store.notify(&Notice::Told { text: text.into() });
    }

    /// Warns if there is no such team: a command that only needs files works all the same.
    pub fn warn_if_unknown(&self, team: &TeamName) {
        if let Ok(None) = self.store.backend().read(&crate::store::Key::team(team)) {
            self.warn(format!("Team '{team}' not found"));
        }
    }
}

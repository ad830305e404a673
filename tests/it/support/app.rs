//! The use cases on the data directory of a test, as the program puts them together.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clawteam::app::App;
use clawteam::core::id::IdSource;
use clawteam::core::time::Clock;
use clawteam::domain::identity::Identity;
use clawteam::domain::settings::Settings;
use clawteam::env::Env;
use clawteam::git::GitProgram;
use clawteam::proc::SystemProcesses;
use clawteam::store::{FsBackend, Store};
use clawteam::tmux::Tmux;

use super::World;

/// The clock of the machine, which a test can set forward.
#[derive(Clone, Default)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(crate) fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(self.0.load(Ordering::SeqCst))
    }
}

struct Ids;

impl IdSource for Ids {
    fn hex(&self, digits: usize) -> String {
        uuid::Uuid::new_v4().simple().to_string()[..digits].to_owned()
    }
}

/// For an agent `name` on the data of `world`, by `clock`.
pub(crate) fn app(world: &World, name: &str, clock: &TestClock) -> App {
    let store = |root| {
        let backend = Arc::new(FsBackend::new(root, true));
        Store::new(backend, Duration::from_secs(20), Arc::new(|_| {}))
    };
    let path = std::env::var("PATH").unwrap_or_default();
    let home = world.home().display().to_string();
    App {
        store: store(world.data()),
        home_store: store(world.home().join(".clawteam")),
        data_dir: world.data(),
        settings: Settings::default(),
        env: Env::of(&[("PATH", &path), ("HOME", &home)]),
        identity: Identity {
            agent_id: "0".into(),
            agent_name: name.into(),
            user: String::new(),
            agent_type: String::new(),
            team_name: None,
            is_leader: false,
            plan_mode_required: false,
        },
        clock: Box::new(clock.clone()),
        ids: Box::new(Ids),
        git: Box::new(GitProgram::new()),
        terminal: Box::new(Tmux::new(Some(world.top().join("tmux.socket")))),
        processes: Box::new(SystemProcesses),
        foreign: Box::new(clawteam::foreign::SystemFiles),
        web: Arc::new(clawteam::web::WebClient),
    }
}

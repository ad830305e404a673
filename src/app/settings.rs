//! Reading and changing the settings.

use std::time::Instant;

use serde::Serialize;
use serde_json::{Map, Value};

use super::App;
use crate::core::Outcome;
use crate::domain::settings::{self, Effective, Settings, Source};
use crate::env::Env;
use crate::store::{Commit, Expect, Key, Notice, Put, Scope, Store, StoreError, encode};

/// The settings file, or nothing but defaults if there is none. One that cannot be understood is
/// told, and changes nothing.
pub fn load(home: &Store) -> Result<Settings, StoreError> {
    match home.load::<Map<String, Value>>(&Key::settings()) {
        Ok(found) => Ok(Settings { document: found.map(|doc| doc.value).unwrap_or_default() }),
        Err(error @ StoreError::Unreadable { .. }) => {
            home.notify(&Notice::PassedOver { reason: error.to_string() });
            Ok(Settings::default())
        }
        Err(error) => Err(error),
    }
}

/// The value in force of the setting `key`, which must exist.
pub fn effective(settings: &Settings, env: &Env, key: &str) -> Effective {
    let setting = settings::find(key).expect("the program asks only for settings that exist");
    settings.effective(setting, setting.env.and_then(|name| env.get(name)))
}

impl App {
    /// The value in force of a setting.
    pub fn setting(&self, key: &str) -> String {
        effective(&self.settings, &self.env, key).value
    }

    /// The value in force of a setting that is a number.
    pub fn setting_seconds(&self, key: &str) -> std::time::Duration {
        let seconds = self.setting(key).parse::<f64>().unwrap_or(0.0);
        std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

/// A setting with its value.
pub fn get(app: &App, key: &str) -> Outcome<Effective> {
    let setting = settings::find(key)?;
    Ok(app.settings.effective(setting, setting.env.and_then(|name| app.env.get(name))))
}

/// All settings with their values, in the order of the file.
pub fn all(app: &App) -> Vec<(&'static str, Effective)> {
    settings::SETTINGS.iter().map(|s| (s.key, effective(&app.settings, &app.env, s.key))).collect()
}

/// Changes one setting. A file that cannot be understood is left as it is.
pub fn set(app: &App, key: &str, value: &str) -> Outcome<()> {
    let setting = settings::find(key)?;
    setting.parse(value)?;
    if key == "approval_proof" {
        super::approval::only_people(app, "change how people show who they are")?;
    }
    change(app, |settings| Ok(settings.set(setting, value)?))
}

/// Changes the settings file: `edit` gets what is in it now, under the lock. What it does not
/// touch stays as it is, understood or not. A file that is no JSON object is left alone.
pub fn change<T>(app: &App, edit: impl FnOnce(&mut Settings) -> Outcome<T>) -> Outcome<T> {
    let mut locked = app.home_store.lock(&Scope::Settings)?;
    let found = app.home_store.load::<Map<String, Value>>(&Key::settings())?;
    let revision = found.as_ref().map(|doc| doc.revision);
    let mut changed = Settings { document: found.map(|doc| doc.value).unwrap_or_default() };
    let result = edit(&mut changed)?;
    let expect = revision.map_or(Expect::Absent, Expect::Revision);
    let put = Put { secret: true, ..Put::new(Key::settings(), encode(&changed.document), expect) };
    locked.commit(&Commit { puts: vec![put], ..Commit::default() })?;
    Ok(result)
}

/// Whether the data directory can be used.
#[derive(Debug, Clone, Serialize)]
pub struct DataDirHealth {
    /// Where it is.
    pub data_dir: String,
    /// Where that comes from.
    pub data_dir_source: Source,
    /// Whether it exists.
    pub exists: bool,
    /// Whether it can be written to.
    pub writable: bool,
    /// How long writing, reading and removing a small file took; -1 if it failed.
    pub latency_ms: f64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_error: Option<String>,
    /// Whether it is the top of a file system of its own.
    pub is_mount: bool,
    /// Teams in it.
    pub teams_count: usize,
    /// The user.
    pub user: String,
    /// Where that comes from.
    pub user_source: Source,
}

/// Tries the data directory.
pub fn health(app: &App) -> Outcome<DataDirHealth> {
    let began = Instant::now();
    let backend = app.store.backend();
    let probe = crate::store::Dir::top().entry(&format!(".health-check-{}", app.ids.hex(8)));
    let tried = (|| -> Result<(), StoreError> {
        backend.create_dir(&crate::store::Dir::top())?;
        backend.create(&Put::new(probe.clone(), b"ok".to_vec(), Expect::Absent))?;
        backend.read(&probe)?;
        backend.discard(&probe)
    })();
    let millis = (began.elapsed().as_secs_f64() * 100_000.0).round() / 100.0;
    let place = backend.place();
    let dir = effective(&app.settings, &app.env, "data_dir");
    let user = effective(&app.settings, &app.env, "user");
    Ok(DataDirHealth {
        data_dir: app.data_dir.display().to_string(),
        data_dir_source: dir.source,
        exists: place.exists,
        writable: tried.is_ok(),
        latency_ms: if tried.is_ok() { millis } else { -1.0 },
        write_error: tried.err().map(|error| crate::core::diagnose::chain(&error)),
        is_mount: place.is_mount,
        teams_count: super::team::names(app)?.len(),
        user: user.value,
        user_source: user.source,
    })
}

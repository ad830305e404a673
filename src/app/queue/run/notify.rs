//! Telling of notifications.

use serde_json::json;

use super::{Answer, Job};
use crate::app::notify::deliver;
use crate::domain::notify_rules::Errand;
use crate::domain::queue::{QueueError, payload};

/// Runs an errand of a notification.
pub(super) fn notify(job: &Job<'_>) -> Result<Answer, QueueError> {
    let errand: Errand = payload::read("notify", &job.item.payload)?;
    Ok(match deliver::deliver(job.app, job.team, &errand) {
        Ok(told) => Answer::done(json!({ "told": told }), String::new()),
        Err(failure) => Answer::failed(job, failure.inner().code(), failure.message()),
    })
}

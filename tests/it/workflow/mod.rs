//! `clawteam workflow`.

mod clock;
mod definition;
mod flows;
mod gates;
mod import;
mod processes;
mod rules;
mod secrets;
mod templates;
mod verbs;

use serde_json::Value;

use crate::support::Ran;

/// It ended with this status, and its answer has this code. Returns the answer.
#[track_caller]
fn refused(ran: &Ran, status: i32, code: &str) -> Value {
    let told = ran.exits(status).json();
    assert_eq!(told["code"], code, "{ran}");
    told
}

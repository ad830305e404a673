//! Transitions and times in words.

use serde_json::{Value, json};

use crate::cli::Cx;
use crate::core::Stamp;
use crate::core::text::cut;
use crate::domain::workflow::run::record::{Begin, Cause, Next, Operation, Record, Settled, Tr};
use crate::domain::workflow::run::state::Millis;

/// An instant for people.
pub(super) fn time(cx: &Cx, millis: Millis) -> String {
    let instant = chrono::DateTime::from_timestamp_millis(i64::try_from(millis).unwrap_or(0));
    cx.time(&instant.map(Stamp::at).unwrap_or_default())
}

/// A transition on one line.
pub(super) fn line(cx: &Cx, record: &Record) -> String {
    let (subject, detail) = describe(&record.tr);
    let text = format!(
        "{:>4}  {}  {:<8} {:<20} {}",
        record.rev,
        time(cx, record.now),
        record.tr.word(),
        subject,
        detail
    );
    text.trim_end().to_owned()
}

/// A transition in a few fields; `workflow log --raw` has all of it.
pub(super) fn brief(record: &Record) -> Value {
    let (subject, why) = describe(&record.tr);
    let next = match &record.tr {
        Tr::Settle { result, .. } => Some(&result.next),
        Tr::Join { result, .. } => result.as_ref().map(|result| &result.next),
        Tr::Start { begin: Begin::Done { result, .. }, .. } => Some(&result.next),
        Tr::Start { begin: Begin::Skipped { next }, .. } => Some(next),
        _ => None,
    };
    let port = match next {
        Some(Next::Follow { port, .. } | Next::Visit { port, .. }) => Some(port),
        _ => None,
    };
    json!({
        "rev": record.rev,
        "at": record.now,
        "k": record.tr.word(),
        "act": record.tr.subject().map_or(subject, str::to_owned),
        "port": port,
        "why": why,
    })
}

/// What a transition concerns, and what it comes to.
pub(super) fn describe(tr: &Tr) -> (String, String) {
    match tr {
        Tr::Operator { by, does, .. } => operator(by, does),
        Tr::Deadline => (String::new(), "the run took longer than it may".into()),
        Tr::Verify { act, .. } => (act.clone(), "was said to be done; is being checked".into()),
        Tr::Settle { act, cause, result, .. } => {
            let how = cause_in_words(cause);
            (act.clone(), join(&[&how, &settled(result)]))
        }
        Tr::Part { act, .. } => (act.clone(), "goes on".into()),
        Tr::Again { act } => (act.clone(), "is tried again".into()),
        Tr::Start { act, attempt, begin } => (format!("{act}/a{attempt}"), begins(begin)),
        Tr::Join { node, why, take, result, .. } => {
            let from: Vec<&str> = take.iter().map(|(_, act)| act.as_str()).collect();
            let why = serde_json::to_value(why).unwrap_or_default();
            let why = why.as_str().unwrap_or_default().to_owned();
            let result = result.as_ref().map_or_else(|| "ends here".into(), settled);
            (node.clone(), join(&[&format!("{why}: {}", from.join(", ")), &result]))
        }
        Tr::EffectDead { key, error } => (key.clone(), error.clone()),
        Tr::Complete { fault, .. } => {
            let why = fault.as_ref().map(|fault| format!("failed: {}", fault.message));
            (String::new(), why.unwrap_or_default())
        }
        Tr::Fork { from, by } => (String::new(), format!("from {from}, by {by}")),
    }
}

fn operator(by: &str, does: &Operation) -> (String, String) {
    let detail = match does {
        Operation::Stop { reason, .. } | Operation::Pause { reason } => reason.clone(),
        Operation::Resume { .. } => String::new(),
        Operation::Retry { acts, .. } => acts.join(", "),
        Operation::Skip { act, result } => join(&[act, &settled(result)]),
        Operation::Set { vars } => Value::Object(vars.clone()).to_string(),
        Operation::Signal { name, .. } => name.clone(),
        Operation::Refuse { verb, fault } => format!("{verb}: {}", fault.message),
    };
    (by.to_owned(), detail)
}

fn begins(begin: &Begin) -> String {
    match begin {
        Begin::Done { result, .. } => settled(result),
        Begin::Skipped { next } => join(&["skipped", &goes(next)]),
        Begin::Dispatched(dispatch) => {
            let who = dispatch.assignee.as_ref().map(|who| format!("for {who}"));
            let work = dispatch.work.as_ref().map(|work| {
                let value = serde_json::to_value(work).unwrap_or_default();
                let kind = value["kind"].as_str().unwrap_or_default().to_owned();
                let name = ["id", "key", "name", "event"].iter().find_map(|f| value[*f].as_str());
                format!("{kind} {}", name.unwrap_or_default())
            });
            join(&[&work.unwrap_or_default(), &who.unwrap_or_default()])
        }
    }
}

fn cause_in_words(cause: &Cause) -> String {
    match cause {
        Cause::Task { who } if !who.is_empty() => format!("by {who}"),
        Cause::Approval { who, comment, .. } => {
            let said = if comment.is_empty() { String::new() } else { format!(": {comment}") };
            format!("by {}{said}", who.join(", "))
        }
        Cause::Timeout => "time is over".into(),
        Cause::Lost => "agent lost".into(),
        Cause::Check => "checked".into(),
        _ => String::new(),
    }
}

fn settled(result: &Settled) -> String {
    let error =
        result.error.as_ref().map(|fault| format!("failed: {} ({})", fault.message, fault.code));
    let error = error.unwrap_or_default();
    let output = result.output.as_ref().filter(|_| result.error.is_none()).map(|output| {
        let first = output.text.lines().next().unwrap_or_default();
        cut(first, 60).to_owned()
    });
    join(&[cut(&error, 200), &output.unwrap_or_default(), &goes(&result.next)])
}

fn goes(next: &Next) -> String {
    match next {
        Next::Follow { port, edges } if edges.is_empty() => format!("{port}: the branch ends"),
        Next::Follow { port, edges } => format!("{port}: {}", edges.join(", ")),
        Next::Visit { port, nodes, .. } => format!("{port}: {}", nodes.join(", ")),
        Next::Retry { .. } => "is tried again".into(),
        Next::Pause { .. } => "the run pauses".into(),
        Next::Fail { fault } => format!("the run fails: {}", fault.code),
        Next::End { status, .. } => format!("the run ends: {}", status.word()),
    }
}

fn join(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(" · ")
}

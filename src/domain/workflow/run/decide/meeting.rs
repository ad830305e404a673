//! Meetings: everybody speaks in turn, each speech a task, and a lead concludes.

use serde_json::Value;

use super::context::View;
use super::start::{Beginning, Begun, dispatched, id_for};
use crate::domain::workflow::definition::{Kind, Meeting, Missing, RetryCause, SUCCESS};
use crate::domain::workflow::run::effect::effect_key;
use crate::domain::workflow::run::effect::{Effect, Op, TaskWish};
use crate::domain::workflow::run::record::{Cause, Tr};
use crate::domain::workflow::run::state::{Act, Fault, Output, Parts, Speech, Work};

/// How long one may take to speak, in milliseconds.
const TURN: u64 = 600_000;

/// What a conclusion holds.
const CONCLUSION: &str = r#"{"decision": "…", "summary": "…", "actions": ["…"], "risks": ["…"], "blockers": ["…"], "owner": "…"}"#;

pub(super) fn begin(beginning: &Beginning<'_>, meeting: &Meeting) -> Begun {
    let parts = Parts::Meeting { speeches: Vec::new(), turn: 0 };
    let (work, due, effect) = turn(beginning, meeting, &[], 0)?;
    Ok(dispatched(work, Some(parts), Some(due), vec![effect]))
}

/// Who speaks in a turn; `None`: the lead concludes.
fn speaker(meeting: &Meeting, turn: u32) -> Option<&str> {
    let count = u32::try_from(meeting.participants.len()).unwrap_or(u32::MAX);
    let turns = count.saturating_mul(meeting.rounds.unwrap_or(1));
    (turn < turns).then(|| meeting.participants[(turn % count) as usize].as_str())
}

/// The task of a turn.
fn turn(
    beginning: &Beginning<'_>,
    meeting: &Meeting,
    speeches: &[Speech],
    turn: u32,
) -> Result<(Work, u64, Effect), Fault> {
    let view = &beginning.view;
    let topic = beginning.render(&meeting.topic)?;
    let topic = if topic.is_empty() { beginning.act.node.clone() } else { topic };
    let what = format!("turn{turn}");
    let id = id_for(view, &beginning.key(&what), 12);
    let kind = if meeting.meeting_type.is_empty() { "review" } else { &meeting.meeting_type };
    let mut text = format!("{kind} meeting: {topic}\n");
    for point in &meeting.agenda {
        text.push_str(&format!("- {point}\n"));
    }
    if !speeches.is_empty() {
        text.push_str("\n## Said so far\n");
        for speech in speeches {
            text.push_str(&format!("\n### {}\n{}\n", speech.by, speech.text));
        }
    }
    let team = &view.facts.start().team;
    let (who, subject) = if let Some(who) = speaker(meeting, turn) {
        text.push_str(&format!(
            "\nIt is your turn to speak:\nclawteam task update {team} {id} --status completed --result \"WHAT YOU SAY\"\n"
        ));
        (who.to_owned(), format!("Speak: {topic}"))
    } else {
        text.push_str(&format!(
            "\nConclude the meeting. Answer with JSON only:\n{CONCLUSION}\n\
             clawteam task update {team} {id} --status completed --result-file FILE\n"
        ));
        let lead =
            if meeting.lead.is_empty() { view.facts.leader() } else { Some(meeting.lead.clone()) };
        let lead = lead.or_else(|| meeting.participants.first().cloned());
        (lead.unwrap_or_default(), format!("Conclude: {topic}"))
    };
    let wish = TaskWish {
        id: id.clone(),
        subject,
        description: text,
        owner: Some(who),
        priority: beginning.priority(),
        act: beginning.id.to_owned(),
        node: beginning.act.node.clone(),
        attempt: beginning.attempt,
        needs_response: true,
        min_length: 1,
        ..TaskWish::default()
    };
    let due = view.now + meeting.turn_timeout.map_or(TURN, crate::core::Span::as_millis);
    let effect = Effect { key: beginning.key(&what), op: Op::CreateTask(Box::new(wish)) };
    Ok((Work::Task { id }, due, effect))
}

/// What the task of a turn came to; `None`: the time was over.
pub(super) fn spoken(
    view: &View<'_>,
    id: &str,
    act: &Act,
    meeting: &Meeting,
    said: Result<Output, Fault>,
) -> Tr {
    let node = view.graph.find(&act.node).unwrap_or_default();
    let Some(Parts::Meeting { speeches, turn: now }) = &act.parts else {
        let fault = Fault::new("no_meeting", format!("'{id}' is no meeting any more"));
        return super::failed(view, id, Cause::Meeting, RetryCause::Failure, fault);
    };
    let mut speeches = speeches.clone();
    let late = said.is_err();
    let Some(who) = speaker(meeting, *now) else {
        return conclude(view, id, said);
    };
    match said {
        Ok(output) => speeches.push(Speech { by: who.to_owned(), text: view.whole_text(&output) }),
        Err(fault) if meeting.on_missing == Missing::Fail => {
            let message = format!("{who} did not speak: {}", fault.message);
            let fault = Fault::new("speaker_missing", message);
            return super::failed(view, id, Cause::Meeting, RetryCause::Failure, fault);
        }
        Err(_) => {}
    }
    let next = now + 1;
    let least = meeting.min_speakers.unwrap_or(1) as usize;
    if speaker(meeting, next).is_none() && speeches.len() < least {
        let message = format!("{} spoke, {least} are needed", speeches.len());
        let fault = Fault::new("too_few_speakers", message);
        return super::failed(view, id, Cause::Meeting, RetryCause::Failure, fault);
    }
    let beginning = Beginning { view: view.at(act), id, act, node, attempt: act.attempt };
    match turn(&beginning, meeting, &speeches, next) {
        Ok((work, due, effect)) => {
            // Whoever was too late shall not go on.
            let mut effects = Vec::new();
            if late && let Some(Work::Task { id: task }) = &act.work {
                let key = effect_key(id, act.attempt, &format!("close{now}"));
                let reason = "the turn is over".to_owned();
                effects.push(Effect { key, op: Op::CloseTask { id: task.clone(), reason } });
            }
            effects.push(effect);
            Tr::Part {
                act: id.to_owned(),
                parts: Parts::Meeting { speeches, turn: next },
                work: Some(work),
                due_at: Some(due),
                effects,
            }
        }
        Err(fault) => super::failed(view, id, Cause::Meeting, RetryCause::Failure, fault),
    }
}

/// What the lead concluded. Words alone are no conclusion.
fn conclude(view: &View<'_>, id: &str, said: Result<Output, Fault>) -> Tr {
    let checked = said.and_then(|output| {
        let value = output.value.clone().or_else(|| Output::text(view.whole_text(&output)).value);
        let good = value.as_ref().is_some_and(|value| {
            value.get("decision").is_some_and(Value::is_string)
                && value.get("summary").is_some_and(Value::is_string)
        });
        if good {
            return Ok(output);
        }
        let message = format!("the conclusion is no JSON object like {CONCLUSION}");
        Err(Fault::new("bad_conclusion", message))
    });
    match checked {
        Ok(output) => super::succeeded(view, id, Cause::Meeting, SUCCESS, Some(output), Vec::new()),
        Err(fault) => super::failed(view, id, Cause::Meeting, RetryCause::Failure, fault),
    }
}

/// The meeting that a visit is, if it is one.
pub(super) fn of<'v>(view: &View<'v>, act: &Act) -> Option<&'v Meeting> {
    match &view.graph.place(&act.node)?.node.kind {
        Kind::Meeting(meeting) => Some(meeting),
        _ => None,
    }
}

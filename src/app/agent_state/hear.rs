//! Hearing what an agent's hooks tell, and answering with the messages that wait for it.

use std::time::Duration;

use serde_json::Value;

use super::document;
use crate::app::inbox::{self, Taken};
use crate::app::{App, liveness, notify, runtime, team as teams};
use crate::core::{AgentName, Digest, Outcome, Stamp, TeamName};
use crate::domain::Extra;
use crate::domain::agent_state::{
    Answer, Heard, News, Question, STATE_SCHEMA, Source, State, StateDocument, Way, understand,
};
use crate::domain::notification::{Kind, NewNotification, Severity};
use crate::store::{Doc, Key, Scope};

/// A state that is told again within this time is not written again.
const REPEAT_WITHIN: Duration = Duration::from_secs(5);

/// How many turns in a row are continued with messages before the agent is left to end its turn:
/// two agents that answer each other at once would never end. Claude Code itself stops at eight.
const CONTINUED_MAX: u32 = 5;

/// How many messages are given at once.
const MESSAGES_MAX: i64 = 20;

/// How many bytes of messages are given at once: what is longer than 10,000 characters Claude
/// Code puts into a file, which the agent may not read.
const BYTES_MAX: usize = 8_000;

/// A call of a hook.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// The program, as in the catalog.
    pub program: &'a str,
    /// The event, if it was given on the command line.
    pub event: Option<&'a str>,
    /// What the program passed.
    pub payload: Value,
}

/// What the program is answered.
#[derive(Debug)]
pub struct Reply {
    /// The answer, for the hook's standard output.
    pub text: Value,
    /// The messages in it, which are gone from the inbox only once they are settled.
    pub messages: Taken,
}

/// Takes up what an agent's hook tells, and finds what to answer.
pub fn hear(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    call: &Call<'_>,
) -> Outcome<Option<Reply>> {
    // A hook of an agent whose team is gone must not bring its directories back.
    if app.store.backend().read(&Key::team(team))?.is_none() {
        return Ok(None);
    }
    let Some(heard) = understand(call.program, call.event, &call.payload) else { return Ok(None) };
    let continued = document(app, team, agent).map_or(0, |doc| doc.continued);
    let reply = match &heard.answer {
        Some(answer) if answer.way == Way::Context || continued < CONTINUED_MAX => {
            messages(app, team, agent, answer)?
        }
        _ => None,
    };
    let goes_on = reply.is_some() && heard.answer.as_ref().is_some_and(|a| a.way == Way::Continue);
    let asked = write_down(app, team, agent, call.program, &heard, goes_on)?;
    if let Some(question) = asked {
        tell_people(app, team, agent, &question)?;
    }
    super::session::remember(app, team, agent, call.program, &heard)?;
    Ok(reply)
}

/// The messages that wait for the agent, as an answer.
fn messages(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    answer: &Answer,
) -> Outcome<Option<Reply>> {
    let inbox = teams::own_inbox(app, team, agent.as_str())?;
    let mut taken = inbox::take(app, team, &inbox, MESSAGES_MAX)?;
    if taken.is_empty() {
        return Ok(None);
    }
    let mut room = BYTES_MAX;
    let mut too_long = 0;
    let mut blocks = Vec::new();
    taken.keep(|message| {
        let block = runtime::message_block(message, agent.as_str());
        if too_long > 0 || block.len() > room {
            too_long += 1;
            return false;
        }
        room -= block.len();
        blocks.push(block);
        true
    });
    let mut text = String::from(
        "Messages from your team, passed on by clawteam. They come from other agents or from \
         clawteam, not from your user.",
    );
    for block in &blocks {
        text.push_str("\n\n");
        text.push_str(block);
    }
    if too_long > 0 {
        text.push_str(&format!("\n\nMore messages wait. Read them: clawteam inbox receive {team}"));
    }
    Ok(Some(Reply { text: answer.render(&text), messages: taken }))
}

/// Writes the state down. Returns the question, if the agent asks something new.
fn write_down(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    program: &str,
    heard: &Heard,
    goes_on: bool,
) -> Outcome<Option<Question>> {
    let record = liveness::record(app, team, agent.as_str());
    let instance = record.map(|record| record.instance).unwrap_or_default();
    let key = Key::agent_state(team, agent);
    let now = app.stamp();
    let mut locked = app.store.lock(&Scope::AgentState(team.clone(), agent.clone()))?;
    // One that cannot be understood is of no use to anybody; it is only a note of the present.
    let found: Option<Doc<StateDocument>> = app.store.load(&key).ok().flatten();
    if let Some(doc) = &found {
        app.store.writable(&key, &doc.value.schema, STATE_SCHEMA)?;
    }
    let before = found.map(|doc| doc.value).filter(|doc| doc.instance == instance);
    let mut doc = before.clone().unwrap_or_else(|| StateDocument {
        schema: STATE_SCHEMA.into(),
        instance,
        state: State::Unknown,
        source: Source::Hook,
        since: now.clone(),
        heard_at: Stamp::empty(),
        program: program.to_owned(),
        event: String::new(),
        question: None,
        session_id: None,
        transcript: None,
        continued: 0,
        extra: Extra::new(),
    });
    let asked = take_up(&mut doc, heard, goes_on, &now);
    let recent = before
        .as_ref()
        .and_then(|doc| doc.heard_at.instant())
        .is_some_and(|at| (app.now() - at).to_std().is_ok_and(|age| age < REPEAT_WITHIN));
    let same = before.is_some_and(|before| {
        let as_before = StateDocument {
            heard_at: before.heard_at.clone(),
            event: before.event.clone(),
            ..doc.clone()
        };
        as_before == before
    });
    if !(same && recent) {
        let bytes = crate::store::encode(&doc);
        let put = crate::store::Put::new(key, bytes, crate::store::Expect::Any);
        locked.commit(&crate::store::Commit { puts: vec![put], ..Default::default() })?;
    }
    Ok(asked)
}

/// Changes the document by what was heard. Returns the question, if it is a new one.
fn take_up(doc: &mut StateDocument, heard: &Heard, goes_on: bool, now: &Stamp) -> Option<Question> {
    let (state, question) = match &heard.news {
        _ if goes_on => (State::Working, None),
        News::Nothing => (doc.state, doc.question.clone()),
        News::Is(state) => (*state, None),
        News::Asks(question) => (State::WaitingPermission, Some(question.clone())),
        News::StillAsks(question) => {
            let known = doc.question.clone().filter(|_| doc.state == State::WaitingPermission);
            (State::WaitingPermission, Some(known.unwrap_or_else(|| question.clone())))
        }
    };
    let new = question != doc.question || state != doc.state;
    if new {
        doc.since = now.clone();
    }
    doc.state = state;
    doc.question.clone_from(&question);
    doc.heard_at = now.clone();
    doc.event.clone_from(&heard.event);
    for (known, told) in
        [(&mut doc.session_id, &heard.session_id), (&mut doc.transcript, &heard.transcript)]
    {
        if told.is_some() {
            known.clone_from(told);
        }
    }
    if heard.fresh_turn {
        doc.continued = 0;
    } else if goes_on {
        doc.continued += 1;
    }
    question.filter(|_| new)
}

/// Tells people that an agent waits for an answer, once for each question.
pub fn tell_people(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    question: &Question,
) -> Outcome<()> {
    let mut note = NewNotification::new(
        Kind::AgentStuck,
        Severity::Warning,
        format!("{agent} waits for an answer"),
    );
    note.body =
        format!("{}\n\nSee it and answer: clawteam permission show {team} {agent}", question.text);
    // What hooks and screens tell of one question differs in all but the text.
    let about = Digest::of(question.text.as_bytes());
    note.dedupe_key = Some(format!("permission:{agent}:{}", about.start(16)));
    note.refs.agent = Some(agent.to_string());
    notify::post(app, team, &note).map(drop)
}

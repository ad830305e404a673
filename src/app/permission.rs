//! Dialogs of agents that wait for a person: finding them, and answering one.
//!
//! An answer is bound to the question that was shown. Before a key is pressed the screen is read
//! again, and nothing is pressed unless it shows the same question; the option is then chosen by
//! moving to it and seeing that it is chosen.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::json;

use super::agent_state::{self, Look, Screens};
use super::{App, approval, start, team as teams};
use crate::core::{AgentName, Diagnose, Digest, Exit, Outcome, Stamp, TeamName, Window};
use crate::domain::agent_cli::AgentCli;
use crate::domain::agent_state::{Question, Screen, Source, State, Word, choose, numbered};
use crate::domain::approval::ActorKind;
use crate::store::{Key, Scope};

/// The pause between two looks.
const POLL: Duration = Duration::from_millis(25);
/// How long a program may take to move its mark to another option.
const MOVE_MAX: Duration = Duration::from_secs(2);
/// After how long the keys of an answer are pressed again.
const PRESS_AGAIN: Duration = Duration::from_millis(1500);
/// How long a dialog may take to go once it was answered.
const GONE_MAX: Duration = Duration::from_secs(5);

/// An agent that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The team.
    pub team: TeamName,
    /// The agent.
    pub agent: AgentName,
    /// What it asks, in full.
    #[serde(flatten)]
    pub question: Question,
    /// What tells this question from any other. An answer names it.
    pub digest: Digest,
    /// Since when it asks, if that is known.
    #[serde(skip_serializing_if = "Stamp::is_empty")]
    pub since: Stamp,
    /// Where this is known from.
    pub source: Option<Source>,
    /// Whether it can be answered here: its dialog is on a screen that can be read.
    pub answerable: bool,
}

/// An answer that was given.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// What was asked.
    #[serde(flatten)]
    pub request: Request,
    /// The option that was chosen, in the program's own words.
    pub answer: String,
    /// Who chose it.
    pub by: String,
    /// When.
    pub at: Stamp,
}

/// Why a dialog was not answered.
#[derive(Debug, thiserror::Error)]
pub enum PermissionError {
    /// The agent asks nothing.
    #[error("agent '{agent}' asks nothing (it is {state})")]
    Nothing {
        /// The agent.
        agent: String,
        /// What it does.
        state: String,
    },
    /// It asks something else by now.
    #[error("agent '{agent}' asks something else than what was answered; nothing was pressed")]
    Changed {
        /// The team.
        team: String,
        /// The agent.
        agent: String,
    },
    /// No digest was given.
    #[error("an answer must say which question it is for: --digest {digest}")]
    Unbound {
        /// The digest of what is asked now.
        digest: String,
    },
    /// The word means none of the options.
    #[error("'{word}' is none of the answers to this question")]
    NoOption {
        /// What was answered.
        word: String,
        /// The options.
        options: Vec<String>,
    },
    /// The dialog is not on a screen that can be read.
    #[error("the dialog of agent '{agent}' is not on its screen, or cannot be read there")]
    Unreadable {
        /// The team.
        team: String,
        /// The agent.
        agent: String,
    },
    /// The keys were pressed, and the dialog is still there.
    #[error("agent '{agent}' did not take the answer")]
    NotTaken {
        /// The agent.
        agent: String,
    },
    /// An agent may not answer.
    #[error("{actor} may not answer the questions of agents: that is for people")]
    PeopleOnly {
        /// Who tried.
        actor: String,
    },
}

impl Diagnose for PermissionError {
    fn code(&self) -> &'static str {
        match self {
            Self::Nothing { .. } => "no_permission_request",
            Self::Changed { .. } => "permission_changed",
            Self::Unbound { .. } => "digest_required",
            Self::NoOption { .. } => "no_such_option",
            Self::Unreadable { .. } => "dialog_unreadable",
            Self::NotTaken { .. } => "stalled",
            Self::PeopleOnly { .. } => "human_required",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Changed { team, agent } => {
                Some(format!("see what it asks now: clawteam permission show {team} {agent}"))
            }
            Self::Unbound { .. } => Some("read the question first: it may have changed".into()),
            Self::NoOption { options, .. } => {
                let all = options.iter().enumerate();
                let all: Vec<String> = all.map(|(n, text)| format!("{}: {text}", n + 1)).collect();
                Some(format!("name an option by its number: {}", all.join("; ")))
            }
            Self::Unreadable { team, agent } => Some(format!(
                "answer it in its window: clawteam board attach {team}, window {agent}"
            )),
            Self::PeopleOnly { .. } => Some(
                "answer from a shell of your own; the lead may if the approval policy lets it \
                 (leadMayApprove)"
                    .into(),
            ),
            _ => None,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Nothing { .. } => Exit::NotFound,
            Self::Changed { .. } => Exit::Conflict,
            Self::Unbound { .. } | Self::NoOption { .. } => Exit::Usage,
            Self::Unreadable { .. } => Exit::Illegal,
            Self::NotTaken { .. } => Exit::TimedOut,
            Self::PeopleOnly { .. } => Exit::Forbidden,
        }
    }
}

fn request(team: &TeamName, look: Look) -> Option<Request> {
    let question = look.seen.question.filter(|_| look.seen.state == State::WaitingPermission)?;
    Some(Request {
        team: team.clone(),
        agent: look.agent,
        digest: question.digest(),
        since: look.seen.since,
        source: look.seen.source,
        answerable: matches!(look.screen, Some(Screen::Dialog(_))),
        question,
    })
}

/// Every agent of a team that waits for an answer.
pub fn list(app: &App, team: &TeamName) -> Outcome<Vec<Request>> {
    let members = teams::load(app, team)?.members;
    let mut names: Vec<AgentName> =
        members.iter().filter_map(|m| AgentName::parse(m.name.clone()).ok()).collect();
    names.dedup();
    let looks = agent_state::look(app, team, &names, Screens::All);
    Ok(looks.into_iter().filter_map(|look| request(team, look)).collect())
}

/// What one agent asks.
pub fn show(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<Request> {
    teams::load(app, team)?;
    let look = agent_state::of(app, team, agent, Screens::All)?;
    let state = look.seen.words();
    let agent = agent.to_string();
    Ok(request(team, look).ok_or(PermissionError::Nothing { agent, state })?)
}

/// Answers what an agent asks, if that is still what `digest` was made of.
pub fn answer(
    app: &App,
    team: &TeamName,
    agent: &AgentName,
    word: &str,
    digest: Option<&str>,
) -> Outcome<Answered> {
    let by = answerer(app, team, agent)?;
    let locked = app.store.lock(&Scope::Terminal(team.clone(), agent.clone()))?;
    let look = agent_state::of(app, team, agent, Screens::All)?;
    let request = request(team, look.clone()).ok_or_else(|| PermissionError::Nothing {
        agent: agent.to_string(),
        state: look.seen.words(),
    })?;
    let Some(digest) = digest else {
        return Err(PermissionError::Unbound { digest: request.digest.to_string() }.into());
    };
    if digest.len() < 8 || !request.digest.as_str().starts_with(digest) {
        let (team, agent) = (team.to_string(), agent.to_string());
        return Err(PermissionError::Changed { team, agent }.into());
    }
    let unreadable =
        || PermissionError::Unreadable { team: team.to_string(), agent: agent.to_string() };
    let (Some(Screen::Dialog(shown)), Some(cli), Some(window)) =
        (&look.screen, &look.cli, look.window())
    else {
        return Err(unreadable().into());
    };
    let keys = Keys { app, team, agent, cli, window, shown };
    let pressed = keys.press(word);
    let at = app.stamp();
    match pressed {
        Ok(answer) => {
            let done = Answered { request, answer, by, at };
            record(app, team, word, &done, "answered")?;
            drop(locked);
            // A question at its start kept its prompt back.
            if let Err(failure) = start::go_on(app, team, agent) {
                app.warn(format!("the prompt of '{agent}': {}", failure.message()));
            }
            Ok(done)
        }
        Err(failure) => {
            // Keys were pressed, whatever came of it.
            if failure.inner().code() == "stalled" {
                let done = Answered { request, answer: word.to_owned(), by, at };
                record(app, team, word, &done, "not_taken")?;
            }
            Err(failure)
        }
    }
}

/// Who answers: a person, or the lead if the team's policy lets it decide approvals. Nobody
/// answers for itself.
fn answerer(app: &App, team: &TeamName, agent: &AgentName) -> Outcome<String> {
    let actor = approval::actor(app, &approval::Presented::default())?;
    if actor.kind == ActorKind::Agent {
        let standing = approval::standing(app, team, &actor)?;
        let own = actor.agent_name() == Some(agent.as_str());
        if own || !(standing.is_lead && standing.lead_may_decide) {
            return Err(PermissionError::PeopleOnly { actor: actor.id }.into());
        }
    }
    Ok(actor.id)
}

/// Writes down who answered what.
fn record(app: &App, team: &TeamName, word: &str, done: &Answered, outcome: &str) -> Outcome<()> {
    let line = json!({
        "at": done.at,
        "agent": done.request.agent,
        "by": done.by,
        "answer": word,
        "outcome": outcome,
        "option": done.answer,
        "kind": done.request.question.kind,
        "tool": done.request.question.tool,
        "text": done.request.question.text,
        "digest": done.request.digest,
    });
    let line = serde_json::to_vec(&line).expect("text keys");
    let key = Key::permission_journal(team);
    app.store.backend().append(&key, &line)?;
    Ok(app.store.backend().confirm(&key)?)
}

/// A dialog that is being answered.
struct Keys<'a> {
    app: &'a App,
    team: &'a TeamName,
    agent: &'a AgentName,
    cli: &'a AgentCli,
    window: &'a Window,
    shown: &'a Question,
}

impl Keys<'_> {
    /// Chooses the option that `word` means. Returns it.
    fn press(&self, word: &str) -> Outcome<String> {
        let spec =
            self.cli.dialogs.iter().find(|spec| Some(&spec.name) == self.shown.dialog.as_ref());
        let options = &self.shown.options;
        let no_option =
            || PermissionError::NoOption { word: word.to_owned(), options: options.clone() };
        if options.is_empty() {
            let keys = spec.and_then(|spec| match Word::parse(word)? {
                Word::Allow => Some(spec.yes_keys.clone()),
                Word::Deny => Some(spec.no_keys.clone()),
                Word::AllowAlways => None,
            });
            let keys = keys.filter(|keys| !keys.is_empty()).ok_or_else(no_option)?;
            self.confirm(&keys)?;
            return Ok(keys.join(" "));
        }
        let (yes, no) = spec.map_or((&[][..], &[][..]), |spec| (&spec.yes[..], &spec.no[..]));
        let at = match Word::parse(word) {
            Some(word) => choose(options, word, yes, no),
            None => numbered(options, word),
        };
        let at = at.ok_or_else(no_option)?;
        self.move_to(at)?;
        self.confirm(&["Enter".to_owned()])?;
        Ok(options[at].clone())
    }

    fn changed(&self) -> PermissionError {
        let (team, agent) = (self.team.to_string(), self.agent.to_string());
        PermissionError::Changed { team, agent }
    }

    fn send(&self, keys: &[String]) -> Outcome<()> {
        if self.app.terminal.press(self.window, keys)? {
            Ok(())
        } else {
            Err(self.changed().into())
        }
    }

    /// The dialog as it is now; `None` if it is gone or another one.
    fn now(&self) -> Outcome<Option<Question>> {
        let shown = self.app.terminal.screens(std::slice::from_ref(self.window))?;
        let Some(shown) = shown.into_iter().flatten().next() else { return Ok(None) };
        match agent_state::read(self.cli, &shown.screen) {
            Screen::Dialog(question) if question.digest() == self.shown.digest() => {
                Ok(Some(question))
            }
            _ => Ok(None),
        }
    }

    /// Moves the mark to an option, key by key, and sees that it gets there.
    fn move_to(&self, at: usize) -> Outcome<()> {
        let unreadable = || PermissionError::Unreadable {
            team: self.team.to_string(),
            agent: self.agent.to_string(),
        };
        let limit = Instant::now() + MOVE_MAX;
        let mut pressed_at: Option<usize> = None;
        loop {
            let Some(question) = self.now()? else { return Err(self.changed().into()) };
            let Some(mark) = question.default.and_then(|number| number.checked_sub(1)) else {
                return Err(unreadable().into());
            };
            if mark == at {
                return Ok(());
            }
            if Instant::now() >= limit {
                return Err(unreadable().into());
            }
            // One key at a time: what it did is seen before the next.
            if pressed_at != Some(mark) {
                let key = if mark < at { "Down" } else { "Up" };
                self.send(&[key.to_owned()])?;
                pressed_at = Some(mark);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Presses the keys that answer, and sees the question go. Some programs take no key in the
    /// first moment, lest something typed for their composer answers; so the keys are pressed again
    /// while the same question stands there with the same mark.
    fn confirm(&self, keys: &[String]) -> Outcome<()> {
        let limit = Instant::now() + GONE_MAX;
        let marked = self.now()?.ok_or_else(|| self.changed())?.default;
        self.send(keys)?;
        let mut again = Instant::now() + PRESS_AGAIN;
        while let Some(question) = self.now()? {
            let now = Instant::now();
            if now >= limit || question.default != marked {
                return Err(PermissionError::NotTaken { agent: self.agent.to_string() }.into());
            }
            if now >= again {
                self.send(keys)?;
                again = now + PRESS_AGAIN;
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

//! Typing a text into an agent's composer, and seeing what comes of it.

use std::time::{Duration, Instant};

use super::error::RuntimeError;
use super::given::{Fate, Ledger};
use super::{App, Mode};
use crate::app::agent_state::{self, Look, Screens};
use crate::core::text::{cut, printable};
use crate::core::{AgentName, Outcome, Stamp, TeamName, Window};
use crate::domain::agent_cli::AgentCli;
use crate::domain::agent_state::{Screen, State};
use crate::ports::terminal::Delivery;
use crate::store::{Locked, Scope};

/// The pause between two looks.
const POLL: Duration = Duration::from_millis(25);
/// When the submit key is pressed once more because the text still stands in the composer: some
/// programs take a key that follows a paste at once for a part of it.
const AGAIN: [Duration; 2] = [Duration::from_millis(700), Duration::from_secs(2)];
/// How long a pasted text may take to appear.
const APPEAR_MAX: Duration = Duration::from_secs(2);
/// How many characters of a question or a draft an error shows.
const SHOWN_MAX: usize = 200;

/// A text to be typed.
pub(super) struct Text<'a> {
    pub(super) team: &'a TeamName,
    pub(super) agent: &'a AgentName,
    /// What makes it known again; stands in the text.
    pub(super) id: &'a str,
    pub(super) block: &'a str,
    pub(super) mode: Mode,
    /// How long to wait for the agent to become idle.
    pub(super) patience: Duration,
    /// How long to wait for it to react.
    pub(super) reaction: Duration,
}

/// What came of typing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    /// The agent has it.
    Given,
    /// It had it before.
    Before(Fate),
}

/// Types a text, unless it was given before.
pub(super) fn type_in(app: &App, text: &Text<'_>) -> Outcome<Typed> {
    let until = Instant::now() + text.patience;
    loop {
        if text.mode == Mode::WhenIdle {
            wait_until_idle(app, text, until)?;
        }
        let scope = Scope::Terminal(text.team.clone(), text.agent.clone());
        let mut locked = app.store.lock(&scope)?;
        let mut ledger = Ledger::load(app, text.team, text.agent)?;
        let fate = ledger.fate(text.id);
        if let Some(Fate::Typed) = fate {
            return Ok(Typed::Before(Fate::Typed));
        }
        let look = agent_state::of(app, text.team, text.agent, Screens::All)?;
        if fate == Some(Fate::Typing) && on_screen(app, &look, text.id) {
            // Whoever typed it was killed before it could say so.
            ledger.set(text.id, Some(Fate::Typed), app.stamp());
            ledger.save(&mut locked, text.team, text.agent, Vec::new())?;
            return Ok(Typed::Before(Fate::Typed));
        }
        match check(text, &look, fate) {
            Ok(()) => {}
            // Somebody else was faster; the agent works now.
            Err(RuntimeError::Busy { .. })
                if text.mode == Mode::WhenIdle && Instant::now() < until =>
            {
                drop(locked);
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        return attempt(app, text, &look, &mut locked, &mut ledger).map(|()| Typed::Given);
    }
}

/// Waits until the agent waits for a text.
fn wait_until_idle(app: &App, text: &Text<'_>, until: Instant) -> Outcome<()> {
    let dirs = [crate::store::Dir::agents(text.team)];
    let mut changes = app.store.backend().watch(&dirs)?;
    loop {
        let look = agent_state::of(app, text.team, text.agent, Screens::All)?;
        match check(text, &look, None) {
            Err(RuntimeError::Busy { .. }) if Instant::now() < until => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(()),
        }
        let left = until.saturating_duration_since(Instant::now());
        changes.wait(left.min(Duration::from_millis(250)));
    }
}

/// Whether the agent may be typed to.
fn check(text: &Text<'_>, look: &Look, fate: Option<Fate>) -> Result<(), RuntimeError> {
    let agent = text.agent.to_string();
    let line = |text: &str| cut(&printable(text, false), SHOWN_MAX).to_owned();
    if look.seen.state.is_over() {
        let (team, exit_code) = (text.team.to_string(), look.seen.exit_code);
        return Err(RuntimeError::Dead { team, agent, exit_code });
    }
    if look.window().is_none() {
        let target = look.entry.as_ref().map(|entry| entry.tmux_target.clone());
        let target = target
            .filter(|target| !target.is_empty())
            .unwrap_or_else(|| format!("clawteam-{}:{agent}", text.team));
        return Err(RuntimeError::NoTarget { team: text.team.to_string(), agent, target });
    }
    if look.seen.state == State::WaitingPermission {
        let question = look.seen.question.as_ref().map_or("", |question| question.text.as_str());
        let (team, question) = (text.team.to_string(), line(question));
        return Err(RuntimeError::Blocked { team, agent, question });
    }
    if let Some(draft) = look.screen.as_ref().and_then(Screen::draft)
        && !is_ours(draft, text.id, fate)
    {
        return Err(RuntimeError::ComposerBusy { agent, draft: line(draft) });
    }
    let free = match look.seen.state {
        State::Ready | State::Idle => true,
        // A program of which nothing is known is asked by its terminal, further on.
        State::Unknown => {
            look.cli.as_ref().is_some_and(|cli| !agent_state::is_readable(cli))
                && look.screen == Some(Screen::Unknown)
        }
        _ => false,
    };
    if free {
        return Ok(());
    }
    if text.mode == Mode::Now {
        let unclear = look.seen.state == State::Unknown && look.screen == Some(Screen::Unknown);
        let (team, agent) = (text.team.to_string(), agent);
        return if unclear { Err(RuntimeError::Unclear { team, agent }) } else { Ok(()) };
    }
    let (state, seconds) = (look.seen.words(), text.patience.as_secs());
    Err(RuntimeError::Busy { agent, state, seconds })
}

/// Whether a draft is this text, which was typed before and not sent. Programs show a long paste
/// by a few words.
fn is_ours(draft: &str, id: &str, fate: Option<Fate>) -> bool {
    let short = draft.to_lowercase().contains("pasted");
    draft.contains(id) || short && matches!(fate, Some(Fate::Stalled | Fate::Typing))
}

/// Whether the window shows the id of a text outside of the composer, or in it.
fn on_screen(app: &App, look: &Look, id: &str) -> bool {
    let Some(window) = look.window() else { return false };
    app.terminal
        .screens(std::slice::from_ref(window))
        .is_ok_and(|shown| shown.iter().flatten().any(|shown| shown.screen.contains(id)))
        && look.screen.as_ref().and_then(Screen::draft).is_none()
}

fn attempt(
    app: &App,
    text: &Text<'_>,
    look: &Look,
    locked: &mut Locked<'_>,
    ledger: &mut Ledger,
) -> Outcome<()> {
    let mut note = |fate: Option<Fate>| {
        ledger.set(text.id, fate, app.stamp());
        ledger.save(locked, text.team, text.agent, Vec::new())
    };
    note(Some(Fate::Typing))?;
    let outcome = enter(app, text, look);
    match &outcome {
        Ok(()) => note(Some(Fate::Typed))?,
        Err(failure) if failure.inner().code() == "stalled" => note(Some(Fate::Stalled))?,
        // Nothing was typed.
        Err(_) => note(None)?,
    }
    outcome
}

fn stalled(text: &Text<'_>) -> RuntimeError {
    RuntimeError::Stalled {
        team: text.team.to_string(),
        agent: text.agent.to_string(),
        seconds: text.reaction.as_secs(),
        id: text.id.to_owned(),
    }
}

/// Types the text and watches what comes of it.
fn enter(app: &App, text: &Text<'_>, look: &Look) -> Outcome<()> {
    let gone = || RuntimeError::Dead {
        team: text.team.to_string(),
        agent: text.agent.to_string(),
        exit_code: None,
    };
    let window = look.window().ok_or_else(gone)?.clone();
    let heard = look.hook.as_ref().map(|hook| hook.heard_at.clone());
    let deadline = Instant::now() + text.reaction;
    let known = look.screen.as_ref().filter(|screen| **screen != Screen::Unknown);
    let Some(cli) = look.cli.as_ref().filter(|_| known.is_some()) else {
        // Nothing is known of its screen; its terminal shows whether it reads.
        let patience = text.reaction.min(Duration::from_secs(3));
        return match app.terminal.deliver(&window, text.block, patience)? {
            Delivery::Delivered => Ok(()),
            Delivery::NotReady => {
                Err(RuntimeError::NotReading { agent: text.agent.to_string() }.into())
            }
            Delivery::NotTaken => Err(stalled(text).into()),
        };
    };
    let before = screen_text(app, &window)?;
    // A text that stands there already is ours: it was typed before, and not sent.
    if look.screen.as_ref().and_then(Screen::draft).is_none() {
        if !app.terminal.paste(&window, text.block)? {
            return Err(gone().into());
        }
        if !appears(app, text, cli, &window, &before)? {
            return Err(stalled(text).into());
        }
    }
    submit(app, text, cli, &window, &before, heard.as_ref(), deadline)
}

fn screen_text(app: &App, window: &Window) -> Outcome<String> {
    let shown = app.terminal.screens(std::slice::from_ref(window))?;
    Ok(shown.into_iter().flatten().next().map(|shown| shown.screen).unwrap_or_default())
}

/// Waits until the pasted text is in the composer.
fn appears(
    app: &App,
    text: &Text<'_>,
    cli: &AgentCli,
    window: &Window,
    before: &str,
) -> Outcome<bool> {
    let limit = Instant::now() + APPEAR_MAX.min(text.reaction);
    loop {
        let shown = screen_text(app, window)?;
        match agent_state::read(cli, &shown) {
            Screen::Dialog(question) => {
                // It came up while we typed. Its submit key is not ours to press.
                return Err(RuntimeError::Blocked {
                    team: text.team.to_string(),
                    agent: text.agent.to_string(),
                    question: cut(&printable(&question.text, false), SHOWN_MAX).to_owned(),
                }
                .into());
            }
            screen if screen.draft().is_some() => return Ok(true),
            // A program that shows what was pasted elsewhere.
            _ if shown != before && Instant::now() + Duration::from_secs(1) >= limit => {
                return Ok(true);
            }
            _ if Instant::now() >= limit => return Ok(false),
            _ => std::thread::sleep(POLL),
        }
    }
}

/// Presses the submit key and waits until the agent reacts.
fn submit(
    app: &App,
    text: &Text<'_>,
    cli: &AgentCli,
    window: &Window,
    before: &str,
    heard: Option<&Stamp>,
    deadline: Instant,
) -> Outcome<()> {
    let key = cli.screen.submit.clone();
    let pressed_at = Instant::now();
    app.terminal.press(window, std::slice::from_ref(&key))?;
    let mut again = AGAIN.iter();
    let mut next = again.next();
    loop {
        std::thread::sleep(POLL);
        let hook = agent_state::document(app, text.team, text.agent);
        let told =
            hook.is_some_and(|hook| Some(&hook.heard_at) != heard && hook.state == State::Working);
        let shown = screen_text(app, window)?;
        let screen = agent_state::read(cli, &shown);
        let done = match &screen {
            Screen::Composer | Screen::Starting | Screen::Unknown => shown != before,
            // What it does now may need an answer.
            Screen::Working { draft: None } | Screen::Dialog(_) => true,
            Screen::Draft { .. } | Screen::Working { .. } => false,
        };
        if told || done {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(stalled(text).into());
        }
        let stands = screen.draft().is_some();
        if stands && next.is_some_and(|after| pressed_at.elapsed() >= *after) {
            app.terminal.press(window, std::slice::from_ref(&key))?;
            next = again.next();
        }
    }
}

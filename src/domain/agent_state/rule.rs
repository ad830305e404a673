//! Weighing what the sources say.

use std::time::Duration;

use super::{Question, Screen, Seen, Source, State, StateDocument};
use crate::core::Stamp;

/// How long a hook's word stands without a look at the screen. A program draws what it tells its
/// hooks within this time.
pub const HOOK_TRUSTED: Duration = Duration::from_secs(2);

/// How long a hook's word that a turn is under way stands against a screen that shows none. A
/// screen can be misread where a new version of the program changed its words; but a turn that
/// its user broke off is told by no hook.
pub const SCREEN_TRUSTED: Duration = Duration::from_secs(30);

/// How fresh the last entry of a transcript must be to show that a turn is under way.
const TRANSCRIPT_FRESH: Duration = Duration::from_secs(5);

/// What the runner wrote down, checked against the table of processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// clawteam did not start it.
    NotOurs,
    /// The runner is there, the program not yet.
    Starting,
    /// The program runs.
    Alive {
        /// Since when.
        since: Stamp,
        /// Whether it has a terminal of its own.
        terminal: bool,
        /// Whether it was given something to do when it was started.
        given_work: bool,
    },
    /// The program could not be run.
    Failed {
        /// When that was found out.
        at: Stamp,
    },
    /// The program has ended.
    Ended {
        /// When.
        at: Stamp,
        /// Its exit status.
        exit_code: Option<i32>,
        /// Whether clawteam ended it.
        stopped: bool,
        /// Whether something else made it end while it worked.
        interrupted: bool,
    },
    /// The program is gone, and its runner is about to write down how it ended.
    Ending,
    /// The program is gone and nobody wrote down how it ended: its runner was killed, or the
    /// machine was.
    Gone,
}

/// All that is known of an agent at one moment.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// What the runner says.
    pub run: Run,
    /// What the hooks told of *this* start of the agent, and how long ago.
    pub hook: Option<(&'a StateDocument, Duration)>,
    /// How long ago the transcript grew.
    pub transcript: Option<Duration>,
    /// What the screen shows, if it was looked at.
    pub screen: Option<&'a Screen>,
}

/// What the agent is doing.
///
/// A program that is gone is dead or finished, whatever its hooks told before. While it runs, its
/// hooks are believed, with three exceptions that only a screen can show: a dialog that no hook
/// told of, a question that was answered meanwhile, and a turn that its user broke off.
pub fn judge(evidence: &Evidence<'_>) -> Seen {
    let seen = |state, source, since: &Stamp| Seen {
        state,
        source: Some(source),
        since: since.clone(),
        question: None,
        exit_code: None,
    };
    match &evidence.run {
        Run::Failed { at } => {
            Seen { exit_code: Some(127), ..seen(State::Dead, Source::Runner, at) }
        }
        Run::Ended { at, exit_code, stopped, interrupted } => {
            // Some programs end with 0 when their window is closed.
            let good = *stopped || *exit_code == Some(0) && !interrupted;
            let state = if good { State::Finished } else { State::Dead };
            Seen { exit_code: *exit_code, ..seen(state, Source::Runner, at) }
        }
        // Whether it is finished or dead the next look will tell.
        Run::Ending => seen(State::Unknown, Source::Runner, &Stamp::empty()),
        Run::Gone => seen(State::Dead, Source::Runner, &Stamp::empty()),
        Run::Starting => seen(State::Starting, Source::Runner, &Stamp::empty()),
        Run::NotOurs => match evidence.hook {
            Some((hook, _)) => told(hook),
            None => Seen::nothing(),
        },
        Run::Alive { since, terminal, given_work } => {
            let from_hook = evidence
                .hook
                // A session that ended in a program that runs on: the program is between two
                // sessions, or at its very end. The screen knows.
                .filter(|(hook, _)| !hook.state.is_over() && hook.state != State::Unknown);
            match from_hook {
                Some((hook, age)) => hooked(hook, age, evidence),
                None => unhooked(evidence, since, *terminal, *given_work),
            }
        }
    }
}

/// The hook's own word.
fn told(hook: &StateDocument) -> Seen {
    Seen {
        state: hook.state,
        source: Some(hook.source),
        since: hook.since.clone(),
        question: hook.question.clone(),
        exit_code: None,
    }
}

fn on_screen(state: State, question: Option<Question>) -> Seen {
    Seen { state, source: Some(Source::Screen), since: Stamp::empty(), question, exit_code: None }
}

/// What a running program does that told it itself.
fn hooked(hook: &StateDocument, age: Duration, evidence: &Evidence<'_>) -> Seen {
    let quiet = evidence.transcript.is_none_or(|grew| grew >= SCREEN_TRUSTED);
    match (hook.state, evidence.screen) {
        // The screen has the options that can be answered; what is asked the hook knows better.
        (State::WaitingPermission, Some(Screen::Dialog(shown))) => {
            let question = match &hook.question {
                Some(told) if !told.text.is_empty() => Question {
                    text: told.text.clone(),
                    tool: told.tool.clone(),
                    shown: Some(shown.text.clone()),
                    ..shown.clone()
                },
                _ => shown.clone(),
            };
            Seen { question: Some(question), ..told(hook) }
        }
        (_, Some(Screen::Dialog(shown))) => {
            on_screen(State::WaitingPermission, Some(shown.clone()))
        }
        (State::WaitingPermission, Some(Screen::Composer | Screen::Draft { .. }))
            if age >= HOOK_TRUSTED =>
        {
            on_screen(State::Idle, None)
        }
        (State::Working | State::Starting, Some(Screen::Composer | Screen::Draft { .. }))
            if age >= SCREEN_TRUSTED && quiet =>
        {
            on_screen(State::Idle, None)
        }
        (State::WaitingPermission | State::Idle | State::Ready, Some(Screen::Working { .. }))
            if age >= HOOK_TRUSTED =>
        {
            on_screen(State::Working, None)
        }
        _ => told(hook),
    }
}

/// What a running program does that has no hooks.
fn unhooked(evidence: &Evidence<'_>, since: &Stamp, terminal: bool, given_work: bool) -> Seen {
    let by = |state, source| Seen {
        state,
        source: Some(source),
        since: Stamp::empty(),
        question: None,
        exit_code: None,
    };
    if !terminal {
        // A program in the background works from its start to its end.
        return Seen { since: since.clone(), ..by(State::Working, Source::Runner) };
    }
    let growing = evidence.transcript.is_some_and(|grew| grew < TRANSCRIPT_FRESH);
    match evidence.screen {
        Some(Screen::Dialog(question)) => {
            on_screen(State::WaitingPermission, Some(question.clone()))
        }
        Some(Screen::Working { .. }) => by(State::Working, Source::Screen),
        Some(Screen::Starting) => by(State::Starting, Source::Screen),
        Some(Screen::Composer | Screen::Draft { .. }) if given_work => {
            by(State::Idle, Source::Screen)
        }
        Some(Screen::Composer | Screen::Draft { .. }) => by(State::Ready, Source::Screen),
        Some(Screen::Unknown) | None if growing => by(State::Working, Source::Transcript),
        Some(Screen::Unknown) | None => by(State::Unknown, Source::Runner),
    }
}

/// Whether the screen of a program that runs in a terminal could change what [`judge`] says: only
/// then is it worth a look.
pub fn needs_screen(hook: Option<(&StateDocument, Duration)>) -> bool {
    match hook {
        None => true,
        Some((hook, age)) => match hook.state {
            State::Idle | State::Ready => false,
            State::Working => age >= HOOK_TRUSTED,
            _ => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Extra;
    use crate::domain::agent_state::STATE_SCHEMA;

    fn note(state: State) -> StateDocument {
        StateDocument {
            schema: STATE_SCHEMA.into(),
            instance: "i".into(),
            state,
            source: Source::Hook,
            since: Stamp::from("2026-01-01T00:00:00+00:00".to_owned()),
            heard_at: Stamp::empty(),
            program: "claude".into(),
            event: "e".into(),
            question: (state == State::WaitingPermission).then(question),
            session_id: None,
            transcript: None,
            continued: 0,
            extra: Extra::new(),
        }
    }

    fn question() -> Question {
        Question { kind: "permission".into(), text: "Bash: ls".into(), ..Question::default() }
    }

    fn shown() -> Question {
        let options = vec!["Yes".to_owned(), "No".to_owned()];
        Question { kind: "permission".into(), text: "Run it?".into(), options, ..question() }
    }

    fn alive(terminal: bool, given_work: bool) -> Run {
        Run::Alive { since: Stamp::empty(), terminal, given_work }
    }

    fn working() -> Screen {
        Screen::Working { draft: None }
    }

    fn screens() -> [Option<Screen>; 7] {
        [
            None,
            Some(Screen::Starting),
            Some(Screen::Dialog(shown())),
            Some(working()),
            Some(Screen::Composer),
            Some(Screen::Draft { text: "x".into() }),
            Some(Screen::Unknown),
        ]
    }

    const AGES: [u64; 4] = [0, 3, 31, 4000];

    /// Every combination of what a hook, a transcript and a screen can say.
    fn every(run: &Run, mut check: impl FnMut(&Evidence<'_>, &Seen)) {
        let notes: Vec<Option<StateDocument>> =
            State::ALL.into_iter().map(|state| Some(note(state))).chain([None]).collect();
        for hook in &notes {
            for age in AGES.map(Duration::from_secs) {
                for transcript in [None, Some(0), Some(60)] {
                    for screen in &screens() {
                        let evidence = Evidence {
                            run: run.clone(),
                            hook: hook.as_ref().map(|hook| (hook, age)),
                            transcript: transcript.map(Duration::from_secs),
                            screen: screen.as_ref(),
                        };
                        check(&evidence, &judge(&evidence));
                    }
                }
            }
        }
    }

    #[test]
    fn a_program_that_is_gone_is_never_idle_whatever_its_hooks_told() {
        let at = Stamp::empty();
        let ended = |exit_code, stopped| Run::Ended {
            at: at.clone(),
            exit_code,
            stopped,
            interrupted: false,
        };
        let interrupted =
            Run::Ended { at: at.clone(), exit_code: Some(0), stopped: false, interrupted: true };
        for (run, state, code) in [
            (Run::Gone, State::Dead, None),
            (Run::Ending, State::Unknown, None),
            (Run::Failed { at: at.clone() }, State::Dead, Some(127)),
            (ended(Some(0), false), State::Finished, Some(0)),
            (ended(Some(7), false), State::Dead, Some(7)),
            (ended(Some(143), true), State::Finished, Some(143)),
            (ended(None, false), State::Dead, None),
            (interrupted, State::Dead, Some(0)),
            (Run::Starting, State::Starting, None),
        ] {
            every(&run, |_, seen| {
                assert_eq!((seen.state, seen.exit_code), (state, code), "{run:?}");
                assert_eq!(seen.source, Some(Source::Runner));
            });
        }
    }

    #[test]
    fn a_program_that_runs_is_never_dead() {
        for run in [alive(true, true), alive(true, false), alive(false, true)] {
            every(&run, |evidence, seen| {
                assert!(!seen.state.is_over(), "{evidence:?}");
                let asks = seen.state == State::WaitingPermission;
                assert_eq!(asks, seen.question.is_some(), "{evidence:?}");
            });
        }
    }

    #[test]
    fn a_dialog_on_the_screen_is_never_overlooked() {
        every(&alive(true, true), |evidence, seen| {
            if matches!(evidence.screen, Some(Screen::Dialog(_))) {
                assert_eq!(seen.state, State::WaitingPermission, "{evidence:?}");
                let question = seen.question.as_ref().expect("it asks");
                assert_eq!(question.options, shown().options);
            }
        });
    }

    #[test]
    fn what_a_hook_just_told_stands_unless_a_dialog_shows_otherwise() {
        every(&alive(true, true), |evidence, seen| {
            let Some((hook, age)) = evidence.hook else { return };
            let dialog = matches!(evidence.screen, Some(Screen::Dialog(_)));
            let told = !hook.state.is_over() && hook.state != State::Unknown;
            if told && age < HOOK_TRUSTED && !dialog {
                assert_eq!((seen.state, seen.source), (hook.state, Some(Source::Hook)));
            }
        });
    }

    #[test]
    fn a_screen_is_looked_at_wherever_it_could_matter() {
        // Where no look is needed, no screen but a dialog changes anything.
        every(&alive(true, true), |evidence, seen| {
            if !needs_screen(evidence.hook) {
                let blind = judge(&Evidence { screen: None, ..evidence.clone() });
                let expected =
                    matches!(evidence.screen, Some(Screen::Dialog(_) | Screen::Working { .. }));
                assert!(expected || blind == *seen, "{evidence:?}");
            }
        });
        assert!(needs_screen(None));
    }

    #[test]
    fn a_question_answered_and_a_turn_broken_off_are_seen_on_the_screen() {
        let judged = |state, age, transcript: Option<u64>, screen: Screen| {
            let note = note(state);
            let evidence = Evidence {
                run: alive(true, true),
                hook: Some((&note, Duration::from_secs(age))),
                transcript: transcript.map(Duration::from_secs),
                screen: Some(&screen),
            };
            judge(&evidence).state
        };
        assert_eq!(judged(State::WaitingPermission, 3, None, working()), State::Working);
        assert_eq!(judged(State::WaitingPermission, 3, None, Screen::Composer), State::Idle);
        assert_eq!(judged(State::Working, 29, None, Screen::Composer), State::Working);
        assert_eq!(judged(State::Working, 31, None, Screen::Composer), State::Idle);
        assert_eq!(judged(State::Working, 31, Some(2), Screen::Composer), State::Working);
        assert_eq!(judged(State::Working, 31, Some(99), Screen::Unknown), State::Working);
        assert_eq!(judged(State::Idle, 3, None, working()), State::Working);
    }

    #[test]
    fn without_hooks_the_screen_decides_and_unknown_is_a_state() {
        use Source as S;

        let judged = |terminal, given, transcript: Option<u64>, screen: Option<Screen>| {
            let evidence = Evidence {
                run: alive(terminal, given),
                hook: None,
                transcript: transcript.map(Duration::from_secs),
                screen: screen.as_ref(),
            };
            let seen = judge(&evidence);
            (seen.state, seen.source.expect("something tells that it runs"))
        };
        assert_eq!(judged(true, true, None, Some(Screen::Composer)), (State::Idle, S::Screen));
        assert_eq!(judged(true, false, None, Some(Screen::Composer)), (State::Ready, S::Screen));
        assert_eq!(judged(true, true, None, Some(Screen::Unknown)), (State::Unknown, S::Runner));
        assert_eq!(judged(true, true, Some(1), Some(Screen::Unknown)).1, S::Transcript);
        assert_eq!(judged(true, true, Some(9), None), (State::Unknown, S::Runner));
        assert_eq!(judged(false, true, None, None), (State::Working, S::Runner));
    }

    #[test]
    fn an_agent_that_clawteam_did_not_start_is_as_its_hooks_say() {
        let idle = note(State::Idle);
        let evidence = |hook| Evidence { run: Run::NotOurs, hook, transcript: None, screen: None };
        assert_eq!(judge(&evidence(Some((&idle, Duration::ZERO)))).state, State::Idle);
        assert_eq!(judge(&evidence(None)), Seen::nothing());
    }
}

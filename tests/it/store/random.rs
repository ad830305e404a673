//! Random lives of a store against a model of it.

use clawteam::store::Key;
use proptest::prelude::*;

use super::explore::live;
use super::scenarios::{A, B, C, change, doc, inbox, mail, message, tasks, team};
use super::steps::Step;

const TEXTS: [&str; 3] = [A, B, C];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const MESSAGES: [&str; 4] = ["msg-1", "msg-2", "msg-3", "msg-4"];

/// A commit of one to four documents, some written and some removed.
fn changes() -> impl Strategy<Value = Step> {
    let whats = proptest::collection::vec(proptest::option::of(0..=TEXTS.len()), NAMES.len());
    whats.prop_map(|whats| {
        let mut puts = Vec::new();
        let mut deletes = Vec::new();
        for (name, what) in NAMES.iter().zip(whats) {
            match what {
                Some(text) if text < TEXTS.len() => puts.push(doc(name, TEXTS[text])),
                Some(_) => deletes.push(*name),
                None => {}
            }
        }
        change(puts, &deletes)
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        4 => changes(),
        1 => Just(Step::Append { key: Key::exit_journal(&team()), line: "{\"line\": 1}" }),
        1 => (0..MESSAGES.len()).prop_map(|which| {
            Step::Settle { dir: inbox("ann"), names: vec![MESSAGES[which]] }
        }),
        1 => Just(Step::CreateDir(inbox("bob"))),
    ];
    (proptest::collection::vec(one, 3..12), proptest::collection::vec(0..12_usize, 4)).prop_map(
        |(mut steps, places)| {
            // Each message is sent once: names are never used again.
            for (name, place) in MESSAGES.into_iter().zip(places) {
                let place = place.min(steps.len());
                steps.insert(place, Step::Create(message("ann", name, TEXTS[place % 3])));
            }
            steps
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_store_is_what_its_model_says_however_often_programs_end(
        steps in steps(),
        ends in proptest::collection::vec((0..60_usize, 0..40_usize), 1..6),
    ) {
        let lived = live(&steps, &ends, &[tasks(), mail()]);
        prop_assert!(lived.is_ok(), "{}", lived.unwrap_err());
    }
}

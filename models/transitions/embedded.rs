//! The table is the one of the embedded store. Both take random stories, give the same answers and leave the same
//! records. `tests/store/model.rs` compares the embedded store with `rotate.lua`.
//!
//! The limits of the model hold here, too: idle lifetimes are long, no call is held up, and there is one clock.

mod both;

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use self::both::{Both, MAX_AGES};
use crate::record::SESSIONS;

#[derive(Debug, Clone)]
enum Step {
    Login {
        /// The node that calls, by its absolute lifetime.
        node: usize,
        session: usize,
        expired: bool,
    },
    /// With a granted token, or with one so much ahead of it, as after a failover.
    Rotate {
        node: usize,
        token: usize,
        ahead: u8,
        attempt: u8,
        steps_ago: usize,
        accuse: bool,
    },
    EndSession(usize),
    EndSubject {
        steps_ago: usize,
    },
    Hour,
}

fn step() -> impl Strategy<Value = Step> {
    let token = prop_oneof![3 => Just(0usize), 4 => 1usize..3, 2 => 3usize..16];
    let ahead = prop_oneof![10 => Just(0u8), 1 => 1u8..4];
    let node = || prop_oneof![6 => Just(0usize), 1 => 1..MAX_AGES.len()];
    let steps_ago = || prop_oneof![3 => Just(0usize), 1 => 1usize..8];
    prop_oneof![
        3 => (node(), 0..SESSIONS, prop::bool::weighted(0.2))
            .prop_map(|(node, session, expired)| Step::Login { node, session, expired }),
        24 => (node(), token, ahead, 1u8..3, steps_ago(), any::<bool>()).prop_map(
            |(node, token, ahead, attempt, steps_ago, accuse)| {
                Step::Rotate { node, token, ahead, attempt, steps_ago, accuse }
            }
        ),
        1 => (0..SESSIONS).prop_map(Step::EndSession),
        1 => steps_ago().prop_map(|steps_ago| Step::EndSubject { steps_ago }),
        4 => Just(Step::Hour),
    ]
}

/// Plays a story to both, and returns their answers.
fn compare(grace: u8, steps: &[Step]) -> Result<Vec<String>, TestCaseError> {
    let (mut both, mut met) = (Both::new(grace), Vec::new());
    for (number, step) in steps.iter().enumerate() {
        both.begin();
        let (expected, answer) = both.take(step);
        prop_assert_eq!(&answer, &expected, "step {} {:?}", number, step);
        let (expected, state) = both.states();
        prop_assert_eq!(state, expected, "the state after step {} {:?}", number, step);
        met.push(answer);
    }
    Ok(met)
}

fn check(grace: u8) {
    let met = RefCell::new(BTreeSet::new());
    let config = Config { cases: 5000, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), 1..60), |steps| {
        met.borrow_mut().extend(compare(grace, &steps)?);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let met = met.into_inner();
    for name in ["unknown", "ended", "replayed", "rotated", "rolled back", "late", "suspect", "reused"] {
        assert!(met.iter().any(|answer| answer.starts_with(name)), "the stories are too short: never {name}");
    }
}

#[test]
fn the_table_and_the_embedded_store_tell_the_same_story_without_grace() {
    check(0);
}

#[test]
fn the_table_and_the_embedded_store_tell_the_same_story_with_two_hours_of_grace() {
    check(2);
}

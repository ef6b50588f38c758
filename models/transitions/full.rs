//! The table as it is keeps every promise, in every order of events within the scopes.

use crate::question::{Finding, ask};
use crate::record::Token;
use crate::scopes::{
    ENDS, EVERYWHERE, FIRST_AGE, GRACE, HONEST, HUNG_UP, LOWERED_AGE, LOWERED_AGE_IN_GRACE, THEFT,
    THEFT_TWICE,
};
use crate::steps::Scope;
use crate::table::{Answer, Table};

fn keeps_every_promise(scope: Scope) -> Finding {
    let found = ask(Table::FULL, scope.clone(), None);
    println!("{}: {} states", scope.name, found.states);
    if let Some(broken) = &found.broken {
        panic!("{}: {}", scope.name, broken);
    }
    found
}

#[test]
fn an_honest_client_gets_on_whatever_is_lost_late_or_doubled_and_whoever_is_primary() {
    let found = keeps_every_promise(HONEST);
    let one = Token::first(0);
    let met = [Answer::Rotated(one), Answer::Replayed(one), Answer::RolledBack(one), Answer::Late];
    for answer in met {
        assert!(found.has_met(answer), "the scope is too small: never {answer:?}");
    }
    assert!(!found.has_met(Answer::Reused) && !found.has_met(Answer::Ended));
}

#[test]
fn an_honest_client_may_hang_up_on_a_busy_node_and_move_on() {
    let found = keeps_every_promise(HUNG_UP);
    assert!(found.has_met(Answer::Suspect), "the scope is too small");
    assert!(!found.has_met(Answer::Reused) && !found.has_met(Answer::Ended));
}

#[test]
fn a_thief_and_a_client_never_both_go_on() {
    for scope in [THEFT, THEFT_TWICE] {
        let found = keeps_every_promise(scope);
        assert!(found.has_met(Answer::Reused), "the scope is too small");
    }
}

#[test]
fn what_has_ended_stays_ended() {
    let found = keeps_every_promise(ENDS);
    assert!(found.has_met(Answer::Ended) && found.has_met(Answer::Unknown), "the scope is too small");
}

#[test]
fn whoever_ends_many_ends_those_that_were_there_and_no_others() {
    let found = keeps_every_promise(EVERYWHERE);
    assert!(found.has_met(Answer::Reused) && found.has_met(Answer::Ended), "the scope is too small");
}

#[test]
fn a_grace_window_closes_for_everybody() {
    let found = keeps_every_promise(GRACE);
    assert!(found.has_met(Answer::Replayed(Token::first(0))) && found.has_met(Answer::Reused));
}

#[test]
fn a_lowered_age_ends_sessions_and_accuses_nobody() {
    for scope in [FIRST_AGE, LOWERED_AGE, LOWERED_AGE_IN_GRACE] {
        let found = keeps_every_promise(scope);
        let one = Token::first(0);
        for answer in [Answer::Unknown, Answer::Rotated(one), Answer::Replayed(one)] {
            assert!(found.has_met(answer), "the scope is too small: never {answer:?}");
        }
    }
}

//! Each line of the table has a reason: without the line a promise breaks. Run with `--nocapture` to read how.

use crate::question::ask;
use crate::scopes::{
    CLOCKS_EVERYWHERE, ENDS, EVERYWHERE, FIRST_AGE, GRACE, HONEST, HUNG_UP, LONG, LOWERED_AGE, THEFT,
};
use crate::steps::Scope;
use crate::table::{
    Age, Ahead, Create, Doubles, EndSubject, Ended, Grace, Late, Missing, Reuse, Successor, Table,
};
use crate::world::Broken;

pub fn breaks(promise: Broken, scope: Scope, table: Table) {
    let name = scope.name;
    let Some(broken) = ask(table, scope, Some(promise)).broken else {
        panic!("{name}: no counterexample to \"{promise}\"");
    };
    println!("{}", broken);
}

#[test]
fn a_missing_record_is_not_made_up_from_the_token() {
    breaks(Broken::Revived, ENDS, Table { missing: Missing::Believed, ..Table::FULL });
}

/// Without the setting, a session from before keeps no end, or the old one.
#[test]
fn a_lowered_age_holds_for_older_sessions() {
    for scope in [FIRST_AGE, LOWERED_AGE] {
        breaks(Broken::Outlived, scope, Table { age: Age::Stored, ..Table::FULL });
    }
}

/// Without the stored end, a node with a higher setting would extend a session.
#[test]
fn a_raised_age_extends_no_session() {
    for scope in [FIRST_AGE, LOWERED_AGE] {
        breaks(Broken::Outlived, scope, Table { age: Age::Own, ..Table::FULL });
    }
}

#[test]
fn a_rotation_writes_the_least_end() {
    breaks(Broken::Outlived, FIRST_AGE, Table { age: Age::Unwritten, ..Table::FULL });
}

/// Without the deletion, a node with a higher setting would go on with a session that was refused.
#[test]
fn a_session_refused_for_its_age_is_gone() {
    breaks(Broken::Outlived, FIRST_AGE, Table { age: Age::Kept, ..Table::FULL });
}

#[test]
fn the_token_of_an_ended_session_is_no_theft() {
    breaks(Broken::FalseAlarm, ENDS, Table { ended: Ended::Reuse, ..Table::FULL });
}

#[test]
fn the_same_attempt_gets_its_answer_again() {
    breaks(Broken::FalseAlarm, HONEST, Table { replays_the_attempt: false, ..Table::FULL });
}

#[test]
fn a_successor_is_derived_not_drawn() {
    breaks(Broken::FalseAlarm, HONEST, Table { successor: Successor::Drawn, ..Table::FULL });
}

#[test]
fn the_current_token_is_rotated() {
    breaks(Broken::FalseAlarm, HONEST, Table { rotates: false, ..Table::FULL });
}

#[test]
fn grace_gives_the_same_successor() {
    breaks(Broken::SingleUse, GRACE, Table { grace: Grace::Forks, ..Table::FULL });
}

#[test]
fn the_grace_window_does_not_move() {
    breaks(Broken::MissedReuse, GRACE, Table { grace: Grace::Reanchors, ..Table::FULL });
}

#[test]
fn a_token_ahead_of_its_record_is_healed() {
    breaks(Broken::FalseAlarm, HONEST, Table { ahead: Ahead::LeftOut, ..Table::FULL });
}

#[test]
fn a_token_of_the_same_generation_is_not_ahead() {
    breaks(Broken::SingleUse, THEFT, Table { ahead: Ahead::HealedWithoutJti, ..Table::FULL });
}

#[test]
fn a_call_from_before_the_rotation_proves_nothing() {
    breaks(Broken::FalseAlarm, HONEST, Table { late: Late::LeftOut, ..Table::FULL });
}

#[test]
fn a_call_from_after_the_rotation_proves_something() {
    breaks(Broken::MissedReuse, THEFT, Table { late: Late::Always, ..Table::FULL });
}

/// After a clock that was ahead, calls stay late until the present clock has caught up.
#[test]
fn a_token_far_behind_is_stolen_whatever_the_clocks_say() {
    breaks(Broken::MissedReuse, LONG, Table { late: Late::Unlimited, ..Table::FULL });
}

/// The client hangs up on a busy node and moves on elsewhere before the node gets to the call.
#[test]
fn nobody_is_accused_whose_client_is_gone() {
    breaks(Broken::FalseAlarm, HUNG_UP, Table { suspects: false, ..Table::FULL });
}

#[test]
fn reuse_ends_sessions_and_not_only_its_own() {
    for reuse in [Reuse::OnlyRefuses, Reuse::EndsOwn] {
        breaks(Broken::Spared, EVERYWHERE, Table { reuse, ..Table::FULL });
    }
}

#[test]
fn reuse_spares_a_login_that_came_after_it_was_sent() {
    breaks(Broken::KilledLogin, EVERYWHERE, Table { reuse: Reuse::EndsAll, ..Table::FULL });
}

#[test]
fn a_login_looks_for_a_tombstone() {
    breaks(Broken::Revived, ENDS, Table { create: Create::WithoutTombstone, ..Table::FULL });
}

#[test]
fn a_login_has_a_deadline_before_its_tombstone_expires() {
    breaks(Broken::Revived, ENDS, Table { create: Create::WithoutDeadline, ..Table::FULL });
}

#[test]
fn a_logout_everywhere_spares_a_login_that_came_after_it_was_sent() {
    breaks(Broken::KilledLogin, EVERYWHERE, Table { end_subject: EndSubject::EndsAll, ..Table::FULL });
}

#[test]
fn a_session_from_the_future_is_old() {
    breaks(Broken::Spared, CLOCKS_EVERYWHERE, Table { ends_the_future: false, ..Table::FULL });
}

#[test]
fn an_end_that_was_lost_is_repeated() {
    breaks(Broken::LostEnd, ENDS, Table { repeats_lost_ends: false, ..Table::FULL });
}

#[test]
fn a_primary_that_was_given_up_is_not_believed() {
    breaks(Broken::LostEnd, ENDS, Table { doubles: Doubles::AtAnyTime, ..Table::FULL });
}

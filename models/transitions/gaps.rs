//! The limits of the table: promises break if a node dates calls more simply, and one line's limit has its price.

use crate::lines::breaks;
use crate::question::ask;
use crate::scopes::{CLOCKS, CLOCKS_EVERYWHERE, VERY_LATE};
use crate::table::{Dated, Everywhere, Late, Table};
use crate::world::Broken;

#[test]
fn a_call_that_outlives_a_failover_to_a_clock_that_is_ahead_must_not_be_dated_by_that_clock() {
    breaks(Broken::FalseAlarm, CLOCKS, Table { dated: Dated::AnyMoment, ..Table::FULL });
}

#[test]
fn a_logout_everywhere_that_is_sent_to_another_primary_must_ask_that_one_for_the_time() {
    let asked_once = Table { everywhere: Everywhere::AskedOnce, ..Table::FULL };
    breaks(Broken::Spared, CLOCKS_EVERYWHERE, asked_once);
    breaks(Broken::KilledLogin, CLOCKS_EVERYWHERE, asked_once);
}

#[test]
fn clocks_that_disagree_do_no_harm() {
    for scope in [CLOCKS, CLOCKS_EVERYWHERE] {
        let found = ask(Table::FULL, scope, None);
        assert!(found.broken.is_none(), "{}", found.broken.unwrap_or_default());
    }
}

/// The price of the limit. A call that waits while its session moves on five times would be taken for a theft. So the
/// script also looks at the call's time on its way (`Policy::held_up`). The model has no durations, so it cannot.
#[test]
fn a_call_that_waits_for_five_rotations_would_accuse_an_honest_client() {
    breaks(Broken::FalseAlarm, VERY_LATE, Table::FULL);
    let unlimited = Table { late: Late::Unlimited, ..Table::FULL };
    assert!(ask(unlimited, VERY_LATE, None).broken.is_none(), "it is the limit that does it");
}

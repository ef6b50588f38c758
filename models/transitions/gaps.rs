//! What the table does not promise: where it ends, how that looks, and what would close it.

use crate::lines::breaks;
use crate::question::ask;
use crate::scopes::{CLOCKS, CLOCKS_EVERYWHERE, VERY_LATE};
use crate::table::{Dated, Everywhere, Late, Table};
use crate::world::Broken;

/// Each master dates calls and records by its own clock, and a failover puts one clock's records beside another's calls.
const BY_CONNECTION: Table =
    Table { dated: Dated::OnItsConnection, everywhere: Everywhere::AskedAnew, ..Table::FULL };

#[test]
fn a_call_that_outlives_a_failover_to_a_clock_that_is_ahead_accuses_an_honest_client() {
    breaks(Broken::FalseAlarm, CLOCKS, Table::FULL);
}

#[test]
fn a_logout_everywhere_that_outlives_a_failover_misjudges_what_is_older_where_clocks_disagree() {
    breaks(Broken::Spared, CLOCKS_EVERYWHERE, Table::FULL);
    breaks(Broken::KilledLogin, CLOCKS_EVERYWHERE, Table::FULL);
}

#[test]
fn clocks_that_disagree_do_no_harm_where_nothing_is_dated_that_is_older_than_its_connection() {
    for scope in [CLOCKS, CLOCKS_EVERYWHERE] {
        let found = ask(BY_CONNECTION, scope, None);
        assert!(found.broken.is_none(), "{}", found.broken.unwrap_or_default());
    }
}

/// The price of the limit: a call that waits while its chain moves on five times is taken for a theft.
#[test]
fn a_call_that_waits_for_five_rotations_accuses_an_honest_client() {
    breaks(Broken::FalseAlarm, VERY_LATE, Table::FULL);
    let unlimited = Table { late: Late::Unlimited, ..Table::FULL };
    assert!(ask(unlimited, VERY_LATE, None).broken.is_none(), "it is the limit that does it");
}

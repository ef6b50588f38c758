//! How an acknowledged refresh and an acknowledged logout fare in accidents: each row of the table in `docs/operate/redis-failover.md`,
//! measured on servers with the users of `ops/redis/users.acl`.

mod accident;
mod measure;

use self::accident::{Accident, Deployment};
use self::measure::measure;
use crate::stack::text_of;

const TABLE: &str = "docs/operate/redis-failover.md";

/// A row of the table: the names of a deployment and an accident, and their outcome.
struct Row {
    deployment: &'static str,
    accident: &'static str,
}

/// The outcome of a row, as the table promises it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    refresh: String,
    logout: String,
    logout_with_nodes: String,
}

impl Outcome {
    fn of(cells: [&str; 3]) -> Self {
        let [refresh, logout, logout_with_nodes] = cells.map(str::to_owned);
        Self { refresh, logout, logout_with_nodes }
    }
}

impl Row {
    fn promised(&self) -> Outcome {
        let text = text_of(TABLE);
        let cells = |line: &str| line.trim_matches('|').split('|').map(|it| it.trim().to_owned()).collect();
        let rows = text.lines().filter(|line| line.starts_with('|')).map(cells);
        let mut found = rows.filter(|row: &Vec<String>| row[0] == self.deployment && row[1] == self.accident);
        let row = found.next().unwrap_or_else(|| panic!("{TABLE}: no row '{}'", self.deployment));
        Outcome::of([&row[2], &row[3], &row[4]])
    }
}

macro_rules! row {
    ($name:ident, $deployment:literal, $accident:literal, $start:expr, $kind:expr, $settings:expr) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let row = Row { deployment: $deployment, accident: $accident };
            let measured = measure($start, $kind, &$settings).await;
            assert_eq!(measured, row.promised(), "{}", row.accident);
        }
    };
}

const NO_WAIT: [(&str, &str); 0] = [];
const WAIT: [(&str, &str); 1] = [("REDIS_WAIT_REPLICAS", "1")];

/// A real window is ten seconds long; a test need not wait so long for its end.
const WANTS_ONE: [&str; 4] = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "5"];

row!(
    one_server_without_persistence,
    "one server, `appendonly no`, no snapshots",
    "Redis killed and started again",
    || Deployment::one(&["--appendonly", "no"]),
    Accident::Restart,
    NO_WAIT
);
row!(
    one_server_with_an_append_only_file,
    "one server, `appendfsync everysec`",
    "Redis killed and started again",
    || Deployment::one(&["--appendfsync", "everysec"]),
    Accident::Restart,
    NO_WAIT
);
row!(
    one_server_that_loses_power,
    "one server, `appendfsync everysec`",
    "power cut: the file lacks what was written last",
    || Deployment::one(&["--appendfsync", "everysec"]),
    Accident::PowerCut,
    NO_WAIT
);
row!(
    one_server_that_syncs_before_it_answers_and_loses_power,
    "one server, `appendfsync always`",
    "power cut: the file lacks what was not synced",
    || Deployment::one_watched(&["--appendfsync", "always"]),
    Accident::PowerCutUnsynced,
    NO_WAIT
);
row!(
    one_server_with_snapshots,
    "one server, `appendonly no`, snapshots",
    "Redis killed and started again, after its last snapshot",
    || Deployment::one(&["--appendonly", "no", "--save", "3600 1"]),
    Accident::Snapshot,
    NO_WAIT
);
row!(
    sentinel_with_replicas_that_follow,
    "Sentinel",
    "primary killed",
    || Deployment::sentinel(&[]),
    Accident::Killed,
    NO_WAIT
);
row!(
    sentinel_with_replicas_that_lag,
    "Sentinel",
    "primary killed, no replica had it yet",
    || Deployment::sentinel(&[]),
    Accident::KilledAhead,
    NO_WAIT
);
row!(
    sentinel_and_a_node_that_waits,
    "Sentinel, `REDIS_WAIT_REPLICAS=1`",
    "primary killed, no replica had it yet",
    || Deployment::sentinel(&[]),
    Accident::KilledAhead,
    WAIT
);
row!(
    sentinel_and_a_primary_that_has_not_noticed_yet_that_its_replicas_are_gone,
    "Sentinel, `min-replicas-to-write 1`",
    "primary cut off from its replicas, then killed within `min-replicas-max-lag` seconds",
    || Deployment::sentinel_behind_proxies(&WANTS_ONE),
    Accident::Parted,
    NO_WAIT
);
row!(
    sentinel_and_a_primary_that_has_noticed_that_its_replicas_are_gone,
    "Sentinel, `min-replicas-to-write 1`",
    "primary cut off from its replicas, after `min-replicas-max-lag` seconds, then killed",
    || Deployment::sentinel_behind_proxies(&WANTS_ONE),
    Accident::PartedLong,
    NO_WAIT
);
row!(
    sentinel_that_fails_over_in_order,
    "Sentinel",
    "`SENTINEL FAILOVER`",
    || Deployment::sentinel(&[]),
    Accident::InOrder,
    NO_WAIT
);
row!(
    sentinel_and_a_primary_that_does_not_know_that_it_was_deposed,
    "Sentinel, `min-replicas-to-write 1`",
    "`SENTINEL FAILOVER`, acknowledged by the former primary after the promotion",
    || Deployment::sentinel(&WANTS_ONE),
    Accident::Deposed,
    NO_WAIT
);
row!(
    sentinel_and_a_primary_that_wants_all_its_replicas_and_was_deposed,
    "Sentinel, `min-replicas-to-write` as many as there are replicas",
    "`SENTINEL FAILOVER`, after the promotion",
    || Deployment::sentinel(&["--min-replicas-to-write", "2", "--min-replicas-max-lag", "10"]),
    Accident::DeposedStrictly,
    NO_WAIT
);
row!(
    sentinel_and_a_primary_that_wakes_up_deposed,
    "Sentinel",
    "primary frozen, and thawed when another has taken over",
    || Deployment::sentinel(&[]),
    Accident::Frozen,
    NO_WAIT
);
row!(
    cluster_with_replicas_that_follow,
    "Cluster",
    "primary killed",
    || Deployment::cluster(&[]),
    Accident::Killed,
    NO_WAIT
);
row!(
    cluster_with_replicas_that_lag,
    "Cluster",
    "primary killed, its replica did not have it yet",
    || Deployment::cluster(&[]),
    Accident::KilledAhead,
    NO_WAIT
);
row!(
    cluster_and_a_node_that_waits,
    "Cluster, `REDIS_WAIT_REPLICAS=1`",
    "primary killed, its replica did not have it yet",
    || Deployment::cluster(&[]),
    Accident::KilledAhead,
    WAIT
);
row!(
    cluster_that_fails_over_in_order,
    "Cluster",
    "`CLUSTER FAILOVER`",
    || Deployment::cluster(&[]),
    Accident::InOrder,
    NO_WAIT
);
row!(
    cluster_and_a_primary_that_wakes_up_deposed,
    "Cluster",
    "primary frozen, and thawed when another has taken over",
    || Deployment::cluster(&[]),
    Accident::Frozen,
    NO_WAIT
);
row!(
    cluster_and_a_primary_that_has_not_noticed_yet_that_its_replica_is_gone,
    "Cluster, `min-replicas-to-write 1`",
    "primary cut off from its replica, then killed within `min-replicas-max-lag` seconds",
    || Deployment::cluster_behind_proxies(&WANTS_ONE),
    Accident::Parted,
    NO_WAIT
);
row!(
    cluster_and_a_primary_that_has_noticed_that_its_replica_is_gone,
    "Cluster, `min-replicas-to-write 1`",
    "primary cut off from its replica, after `min-replicas-max-lag` seconds, then killed",
    || Deployment::cluster_behind_proxies(&WANTS_ONE),
    Accident::PartedLong,
    NO_WAIT
);

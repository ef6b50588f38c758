//! What an acknowledged refresh and an acknowledged logout survive: each row of the table in `docs/redis.md`, measured.

mod accident;

use reqwest::Method;

use self::accident::{Accident, Deployment};
use crate::stack::text_of;
use crate::support::api::{Api, Tokens, claims};
use crate::support::gateway::Gateway;

const TABLE: &str = "docs/redis.md";

/// A row of the table: what is said of a deployment and an accident, and what it comes to.
struct Row {
    deployment: &'static str,
    accident: &'static str,
}

/// What the table promises of a row.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    refresh: String,
    logout: String,
    logout_with_nodes: String,
}

impl Row {
    fn promised(&self) -> Outcome {
        let text = text_of(TABLE);
        let cells = |line: &str| line.trim_matches('|').split('|').map(|it| it.trim().to_owned()).collect();
        let rows = text.lines().filter(|line| line.starts_with('|')).map(cells);
        let mut found = rows.filter(|row: &Vec<String>| row[0] == self.deployment && row[1] == self.accident);
        let row = found.next().unwrap_or_else(|| panic!("{TABLE}: no row '{}'", self.deployment));
        Outcome { refresh: row[2].clone(), logout: row[3].clone(), logout_with_nodes: row[4].clone() }
    }
}

/// Two runs: with nodes that are all started anew after the accident, and with one that has run on.
async fn measure(row: Row, start: impl Fn() -> Deployment, accident: Accident, settings: &[(&str, &str)]) {
    let (refresh, logout) = with_new_nodes(start(), accident, settings).await;
    let logout_with_nodes = with_a_node_that_ran_on(start(), accident, settings).await;
    assert_eq!(Outcome { refresh, logout, logout_with_nodes }, row.promised(), "{}", row.accident);
}

async fn with_new_nodes(
    mut deployment: Deployment,
    accident: Accident,
    settings: &[(&str, &str)],
) -> (String, String) {
    let node = Gateway::on(&deployment.url(), settings);
    let (refreshed, ended) = acknowledged(&mut deployment, &node.api(), accident, !settings.is_empty()).await;
    drop(node);
    deployment.suffer(accident);
    let node = Gateway::on(&deployment.url(), settings);
    let is_kept = deployment.jti_of(&refreshed).is_some_and(|jti| jti == claims(&refreshed.refresh)["jti"]);
    let refresh = match (node.api().refresh_until_decided(&refreshed.refresh).await.status.as_u16(), is_kept)
    {
        (200, true) => "kept",
        (200, false) => "healed",
        _ => "refused",
    };
    let logout =
        if node.api().refresh_until_decided(&ended.refresh).await.status == 200 { "lost" } else { "kept" };
    (refresh.to_owned(), logout.to_owned())
}

async fn with_a_node_that_ran_on(
    mut deployment: Deployment,
    accident: Accident,
    settings: &[(&str, &str)],
) -> String {
    let nodes = [Gateway::on(&deployment.url(), settings), Gateway::on(&deployment.url(), settings)];
    let (_, ended) = acknowledged(&mut deployment, &nodes[0].api(), accident, !settings.is_empty()).await;
    heard(&nodes[1], &ended).await;
    deployment.suffer(accident);
    let shown = nodes[1].api().refresh_until_decided(&ended.refresh).await;
    let again = Gateway::on(&deployment.url(), settings).api().refresh_until_decided(&ended.refresh).await;
    match (shown.status.as_u16(), again.status.as_u16()) {
        (400, 400) => "kept".to_owned(),
        other => format!("lost: {other:?}"),
    }
}

/// One session that was refreshed, and one that was logged out, each answered with 200 just before the accident; where
/// no 200 is to be had without replicas, before they were lost.
async fn acknowledged(
    deployment: &mut Deployment,
    api: &Api,
    accident: Accident,
    waits: bool,
) -> (Tokens, Tokens) {
    let (first, ended) = (api.login("alice").await, api.login("alice").await);
    deployment.prepare(accident);
    if accident == Accident::Refused {
        api.refresh(&first.refresh).await.expect_error(503, "temporarily_unavailable");
    }
    if waits || accident == Accident::Refused {
        api.revoke(&ended.refresh).await.expect_error(503, "temporarily_unavailable");
        deployment.catch_up();
        end(api, &ended).await;
        if waits {
            deployment.prepare(accident);
        }
    } else {
        end(api, &ended).await;
    }
    if accident == Accident::Refused {
        return (first, ended);
    }
    (api.refresh_until_decided(&first.refresh).await.tokens(), ended)
}

async fn end(api: &Api, session: &Tokens) {
    for _ in 0..1000 {
        if api.revoke(&session.refresh).await.status == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no logout within ten seconds");
}

/// Another node knows of an end as soon as the feed has told it.
async fn heard(node: &Gateway, ended: &Tokens) {
    let api = node.api();
    for _ in 0..1000 {
        if api.me(Method::GET, "", &ended.access).await.status == 401 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("not heard of within ten seconds");
}

macro_rules! row {
    ($name:ident, $deployment:literal, $accident:literal, $start:expr, $kind:expr, $settings:expr) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let row = Row { deployment: $deployment, accident: $accident };
            measure(row, $start, $kind, &$settings).await;
        }
    };
}

const NO_WAIT: [(&str, &str); 0] = [];
const WAIT: [(&str, &str); 1] = [("REDIS_WAIT_REPLICAS", "1")];

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
    sentinel_with_replicas_that_follow,
    "Sentinel",
    "master killed",
    || Deployment::sentinel(&[]),
    Accident::Killed,
    NO_WAIT
);
row!(
    sentinel_with_replicas_that_lag,
    "Sentinel",
    "master killed, no replica had it yet",
    || Deployment::sentinel(&[]),
    Accident::KilledAhead,
    NO_WAIT
);
row!(
    sentinel_and_a_node_that_waits,
    "Sentinel, `REDIS_WAIT_REPLICAS=1`",
    "master killed, no replica had it yet",
    || Deployment::sentinel(&[]),
    Accident::KilledAhead,
    WAIT
);
row!(
    sentinel_and_a_master_that_wants_replicas,
    "Sentinel, `min-replicas-to-write 1`",
    "master cut off from its replicas, then killed",
    || Deployment::sentinel(&["--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"]),
    Accident::Refused,
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

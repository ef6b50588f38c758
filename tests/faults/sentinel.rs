//! Real Sentinels: a session's refreshes go on through any trouble of the primary, and of some of the Sentinels.

use reqwest::Method;
use token_gateway_testkit::api::decided;
use token_gateway_testkit::chain::Chain;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::sentinel::Sentinel;

use crate::GATEWAY;

/// A node with metrics, on the primary that Sentinels name.
fn node(sentinel: &Sentinel) -> Gateway {
    GATEWAY.on(&sentinel.gateway_url(), &[("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")])
}

async fn nobody_was_accused(node: &Gateway) {
    let metrics = node.metrics().await;
    for count in ["refreshes_total{outcome=\"reused\"} 0", "sessions_ended_total{reason=\"reuse\"} 0"] {
        assert!(metrics.contains(&format!("token_gateway_{count}")), "{count} is not in\n{metrics}");
    }
    assert!(!node.log().contains("reuse"), "{}", node.log());
}

type Deed = fn(&mut Sentinel, usize);

/// Refreshes a session before, while and after another server takes over from the primary, because of `strike`; then
/// `mend` undoes the damage.
async fn goes_on(strike: Deed, mend: Deed) {
    let mut sentinel = Sentinel::start();
    let (node, former) = (node(&sentinel), sentinel.primary());
    let mut chain = Chain::begin(node.api(), "alice").await;
    chain.refresh().await;
    let failover = move || {
        strike(&mut sentinel, former);
        sentinel.wait_for_another(former);
        mend(&mut sentinel, former);
        sentinel.wait_until_whole();
        sentinel
    };
    let sentinel = chain.meanwhile(failover).await;
    let primary = sentinel.primary();
    assert_ne!(primary, former);
    assert_eq!(chain.record_on(&sentinel.servers[primary]), chain.record());
    let (api, session) = (node.api(), chain.tokens.session);
    assert_eq!(decided(|| api.user(Method::GET, "alice", "")).await.sessions(), [session]);
    nobody_was_accused(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_goes_on_when_the_primary_is_killed_and_comes_back_as_a_replica() {
    goes_on(|all, primary| all.servers[primary].stop(), |all, former| all.servers[former].run()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_goes_on_when_the_primary_is_frozen_and_wakes_up_deposed() {
    goes_on(|all, primary| all.servers[primary].freeze(), |all, former| all.servers[former].thaw()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_goes_on_when_a_replica_takes_over_in_order() {
    goes_on(|all, _| all.begin_failover(), |_, _| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_sentinel_dead_and_one_frozen_a_node_comes_up_and_finds_the_primary_again() {
    let mut sentinel = Sentinel::start();
    sentinel.stop_watcher(0);
    sentinel.freeze_watcher(1);
    let node = node(&sentinel);
    let api = node.api();
    let mut chain = Chain::begin(api.clone(), "alice").await;
    chain.refresh().await;
    decided(|| api.send(api.request(Method::GET, "/readyz"))).await;
    let primary = &sentinel.servers[sentinel.primary()];
    primary.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    chain.refresh().await;
    assert_eq!(chain.record_on(primary), chain.record());
    nobody_was_accused(&node).await;
}

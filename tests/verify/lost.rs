//! Events lost by Redis, or taken out of the feed by somebody: gateways repair the feed, and nodes wait for the repair.

use std::time::{Duration, Instant};

use reqwest::Method;
use token_gateway_testkit::api::{Tokens, decided};
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::proxy::Proxy;
use token_gateway_testkit::redis::{Login, Redis};
use token_gateway_verify::Outcome;

use super::feed::from_redis;
use super::{ENDED, LIMIT, builder, fresh, unaccepted};
use crate::GATEWAY;

const FEED: &str = "tg:revocations";

async fn log_out(gateway: &Gateway, tokens: &Tokens) {
    assert_eq!(gateway.api().revoke(&tokens.refresh).await.status, 200);
}

/// Returns as soon as the gateway has read the whole feed.
async fn wait_for_denylist(gateway: &Gateway) {
    let (api, tokens) = (gateway.api(), gateway.api().login("nobody").await);
    let asked = decided(|| api.send(api.request(Method::GET, "/verify").bearer_auth(&tokens.access))).await;
    assert_eq!(asked.status, 200);
}

/// Two ended sessions, and a gateway with both in its denylist.
async fn two_ended() -> (Redis, Gateway, [Tokens; 2]) {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let ended = [gateway.api().login("alice").await, gateway.api().login("bob").await];
    for tokens in &ended {
        log_out(&gateway, tokens).await;
    }
    wait_for_denylist(&gateway).await;
    (redis, gateway, ended)
}

/// Without persistence the feed is gone; gateways repair it from their denylists, and the node waits for the repair.
#[tokio::test]
async fn what_ended_before_redis_lost_its_memory_is_known_once_the_node_is_fresh_again() {
    let mut redis = Redis::start_with(&["--appendonly", "no"]);
    let gateway = GATEWAY.start(&redis);
    let tokens = gateway.api().login("alice").await;
    let feed = super::redis(&redis.url());
    let before = fresh(builder().feed(feed).max_stale(Duration::from_secs(2)).start().expect("sound")).await;
    log_out(&gateway, &tokens).await;
    assert_eq!(unaccepted(&before, &tokens.access).await, ENDED);
    redis.stop();
    redis.run();
    let after = from_redis(&redis.url()).await;
    assert_eq!(after.verify(&tokens.access).await, ENDED, "a node that started since");
    let before = fresh(before).await;
    assert_eq!(before.verify(&tokens.access).await, ENDED);
}

/// A node that starts beside such a server has nothing to compare; it sees only the server's young age.
#[tokio::test]
async fn a_node_gives_no_verdict_before_gateways_have_repeated_what_a_young_server_lacks() {
    let mut redis = Redis::start_with(&["--appendonly", "no"]);
    let gateway = GATEWAY.start(&redis);
    let tokens = gateway.api().login("alice").await;
    log_out(&gateway, &tokens).await;
    gateway.freeze();
    redis.stop();
    redis.run();
    starts_before_it_is_repeated(&redis, &gateway, &tokens).await;
}

/// A feed with a first entry younger than the retention leaves a node nothing to compare, either.
#[tokio::test]
async fn a_node_gives_no_verdict_before_gateways_have_repeated_what_was_trimmed_just_before_its_start() {
    let (redis, gateway, ended) = two_ended().await;
    eventually("it is young no more", LIMIT, async || (redis.uptime() >= 6).then_some(())).await;
    gateway.freeze();
    assert_eq!(redis.ask::<u64>(&["XTRIM", FEED, "MAXLEN", "1"]), 1);
    starts_before_it_is_repeated(&redis, &gateway, &ended[0]).await;
}

async fn starts_before_it_is_repeated(redis: &Redis, gateway: &Gateway, ended: &Tokens) {
    let before = redis.calls("xrange");
    let verifier = builder().feed(super::redis(&redis.url())).start().expect("sound settings");
    eventually("it has read the feed", LIMIT, async || (redis.calls("xrange") > before).then_some(())).await;
    gateway.thaw();
    let verdict = eventually("a verdict", LIMIT, async || {
        let outcome = verifier.verify(&ended.access).await;
        (!matches!(outcome, Outcome::Unknown(_))).then_some(outcome)
    })
    .await;
    assert_eq!(verdict, ENDED);
}

/// Gateways notice, and publish again the events still needed.
#[tokio::test]
async fn a_feed_that_somebody_has_trimmed_is_filled_again() {
    let (redis, _gateway, ended) = two_ended().await;
    // The older half, then all of it.
    for left in ["1", "0"] {
        assert!(redis.ask::<u64>(&["XTRIM", FEED, "MAXLEN", left]) > 0);
        eventually("it is filled again", LIMIT, async || {
            (redis.ask::<u64>(&["XLEN", FEED]) >= 2).then_some(())
        })
        .await;
        let verifier = from_redis(&redis.url()).await;
        for tokens in &ended {
            assert_eq!(verifier.verify(&tokens.access).await, ENDED);
        }
    }
}

/// Before anybody has looked at it again.
#[tokio::test]
async fn a_feed_that_was_empty_and_is_trimmed_right_after_its_first_entry_is_filled_again() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    wait_for_denylist(&gateway).await;
    let tokens = gateway.api().login("alice").await;
    log_out(&gateway, &tokens).await;
    assert_eq!(redis.ask::<u64>(&["XTRIM", FEED, "MAXLEN", "0"]), 1);
    eventually("it is filled again", LIMIT, async || (redis.ask::<u64>(&["XLEN", FEED]) == 1).then_some(()))
        .await;
    let verifier = from_redis(&redis.url()).await;
    assert_eq!(verifier.verify(&tokens.access).await, ENDED);
}

/// Nobody can have passed on events published and trimmed while nothing came through to the node.
#[tokio::test]
async fn a_node_that_was_cut_off_while_the_feed_was_trimmed_is_not_fresh_before_it_is_filled_again() {
    let port = token_gateway_testkit::free_port();
    let redis = Redis::start_behind(Proxy::before(port), port, Login::Anybody, &[], |_| Vec::new());
    let gateway = GATEWAY.on(&redis.url(), &[]);
    let mut ended = Vec::new();
    for n in 0..4 {
        ended.push(gateway.api().login(&format!("user-{n}")).await);
    }
    log_out(&gateway, &ended[0]).await;
    wait_for_denylist(&gateway).await;
    let verifier = from_redis(&redis.proxy().url()).await;
    assert_eq!(unaccepted(&verifier, &ended[0].access).await, ENDED);
    redis.proxy().hold();
    for tokens in &ended[1..] {
        log_out(&gateway, tokens).await;
    }
    gateway.freeze();
    assert_eq!(redis.ask::<u64>(&["XTRIM", FEED, "MAXLEN", "0"]), 4);
    let (before, released) = (redis.calls("xrange"), Instant::now());
    redis.proxy().release();
    eventually("it asks again", LIMIT, async || (redis.calls("xrange") > before + 1).then_some(())).await;
    gateway.thaw();
    let is_fresh = || verifier.stale().is_some_and(|stale| stale < released.elapsed());
    eventually("it is fresh", LIMIT, async || is_fresh().then_some(())).await;
    for tokens in &ended {
        assert_eq!(verifier.verify(&tokens.access).await, ENDED);
    }
}

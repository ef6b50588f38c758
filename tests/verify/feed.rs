//! A node's ways to learn of a logout: over HTTP, and from Redis, whatever happens in between.

use std::time::Duration;

use token_gateway_testkit::balancer::Balancer;
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;
use token_gateway_verify::{Feed, Verifier};

use super::{ENDED, STALE, accepted, builder, fresh, unaccepted, verifier};
use crate::GATEWAY;

/// A verifier on the feed in Redis, after it has read it.
pub(super) async fn from_redis(url: &str) -> Verifier {
    fresh(builder().feed(super::redis(url)).start().expect("sound settings")).await
}

#[tokio::test]
async fn a_logout_is_known_over_http_and_from_redis_before_the_token_expires() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for verifier in [verifier(&gateway).await, from_redis(&redis.url()).await] {
        let (stays, goes) = (api.login("alice").await, api.login("alice").await);
        accepted(&verifier, &goes.access).await;
        assert_eq!(api.revoke(&goes.refresh).await.status, 200);
        assert_eq!(unaccepted(&verifier, &goes.access).await, ENDED);
        let access = accepted(&verifier, &stays.access).await;
        assert_eq!((access.subject().as_str(), access.session().as_str()), ("alice", stays.session.as_str()));
    }
}

#[tokio::test]
async fn a_logout_of_a_subject_beyond_ascii_is_known_over_http_and_from_redis() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for verifier in [verifier(&gateway).await, from_redis(&redis.url()).await] {
        for sub in ["a\u{2028}b", "a\u{2029}b", "Zo\u{eb} \u{1f98a}"] {
            let tokens = api.login(sub).await;
            assert_eq!(accepted(&verifier, &tokens.access).await.subject().as_str(), sub);
            assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
            assert_eq!(unaccepted(&verifier, &tokens.access).await, ENDED, "{sub:?}");
        }
    }
}

/// The whole retention is read first.
#[tokio::test]
async fn a_node_that_starts_late_knows_of_what_ended_before() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let tokens = gateway.api().login("alice").await;
    assert_eq!(gateway.api().revoke(&tokens.refresh).await.status, 200);
    for verifier in [verifier(&gateway).await, from_redis(&redis.url()).await] {
        assert_eq!(verifier.verify(&tokens.access).await, ENDED);
    }
}

/// A verifier with an address that leads to this node, for the time being.
async fn behind_a_balancer(node: &Gateway) -> (Balancer, Verifier) {
    let balancer = Balancer::start().await;
    balancer.send_to(&[node]);
    let feed = Feed::http(&format!("{}/v1/revocations", balancer.url()), WEB.key).expect("a URL");
    let settings = builder().feed(feed).max_stale(Duration::from_secs(2));
    (balancer, fresh(settings.start().expect("sound settings")).await)
}

/// Another node of the gateway, behind the same address, goes on where the first one stopped.
#[tokio::test]
async fn what_ended_while_a_node_was_cut_off_from_the_gateway_is_known_once_it_is_fresh_again() {
    let redis = Redis::start();
    let (first, other) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    let (balancer, verifier) = behind_a_balancer(&first).await;
    let tokens = other.api().login("alice").await;
    accepted(&verifier, &tokens.access).await;
    drop(first);
    assert_eq!(other.api().revoke(&tokens.refresh).await.status, 200);
    assert_eq!(unaccepted(&verifier, &tokens.access).await, STALE);
    balancer.send_to(&[&other]);
    let verifier = fresh(verifier).await;
    assert_eq!(verifier.verify(&tokens.access).await, ENDED);
}

/// The node sends nothing, and does not hang up either.
#[tokio::test]
async fn a_node_of_the_gateway_that_falls_silent_is_left_for_another() {
    let redis = Redis::start();
    let (first, other) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    let (balancer, verifier) = behind_a_balancer(&first).await;
    let tokens = other.api().login("alice").await;
    first.freeze();
    balancer.send_to(&[&other]);
    assert_eq!(other.api().revoke(&tokens.refresh).await.status, 200);
    assert_eq!(unaccepted(&verifier, &tokens.access).await, STALE);
    let verifier = fresh(verifier).await;
    assert_eq!(verifier.verify(&tokens.access).await, ENDED);
}

/// The rights in `docs/guides/follow-the-revocation-feed.md`.
#[tokio::test]
async fn a_user_who_may_only_read_the_feed_is_enough() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let rights = [
        "ACL",
        "SETUSER",
        "api",
        "on",
        ">of-the-tests",
        "%R~tg:*revocations",
        "+xrange",
        "+xread",
        "+info",
        "+time",
    ];
    redis.ask::<String>(&rights);
    let verifier = from_redis(&redis.url().replace("redis://", "redis://api:of-the-tests@")).await;
    let tokens = gateway.api().login("alice").await;
    assert_eq!(gateway.api().revoke(&tokens.refresh).await.status, 200);
    assert_eq!(unaccepted(&verifier, &tokens.access).await, ENDED);
    assert_eq!(redis.ask::<Vec<redis::Value>>(&["ACL", "LOG"]), []);
}

/// A clone is enough; with the last one the connection goes.
#[tokio::test]
async fn with_the_last_clone_the_feed_is_left() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let verifier = from_redis(&redis.url()).await;
    let blocked = || redis.info("blocked_clients").and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
    eventually("both read the feed", super::LIMIT, async || (blocked() == 2).then_some(())).await;
    let clone = verifier.clone();
    drop(verifier);
    accepted(&clone, &gateway.api().login("alice").await.access).await;
    drop(clone);
    eventually("one is left", super::LIMIT, async || (blocked() == 1).then_some(())).await;
}

//! Lost answers, ends and connections: nodes repeat and repair them, and no client notices.

use std::time::Duration;

use token_gateway_testkit::proxy::{Fault, Proxy};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

use super::outage::{connections, replica_of};
use crate::GATEWAY;

#[tokio::test]
async fn a_refresh_whose_answer_was_lost_is_sent_once_more_as_the_same_attempt() {
    let redis = Redis::start();
    let proxy = Proxy::before(redis.port());
    let gateway = GATEWAY.start_with(&redis, &[("REDIS_URL", &proxy.url()), ("WORKERS", "1")]);
    let api = gateway.api();
    for round in 0..5 {
        let first = api.login(&format!("user-{round}")).await;
        proxy.strike(Fault::CloseAfter, 1);
        let second = api.refresh(&first.refresh).await.tokens();
        assert_eq!(api.refresh(&second.refresh).await.status, 200);
    }
    assert_eq!(proxy.struck().values().sum::<u64>(), 5);
}

/// As after a failover to a replica without the end and without its revocation event.
#[tokio::test]
async fn an_end_that_redis_has_lost_is_repeated_though_nobody_asks() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let tokens = gateway.api().login("alice").await;
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    redis.ask::<u64>(&["COPY", &key, "as-it-was"]);
    assert_eq!(gateway.api().revoke(&tokens.refresh).await.status, 200);
    redis.ask::<u64>(&["DEL", "tg:revocations"]);
    redis.ask::<u64>(&["COPY", "as-it-was", &key, "REPLACE"]);
    redis.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]);
    wait_for("it is ended and published again", Duration::from_secs(10), || {
        let told: Vec<Option<String>> = redis.ask(&["HMGET", &key, "state", "announced"]);
        (told == [Some("ended".to_owned()), Some("1".to_owned())]).then_some(())
    });
    assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 1);
}

/// A deposed primary goes on acknowledging for a while.
#[tokio::test]
async fn what_is_acknowledged_over_a_connection_that_was_given_up_does_not_count() {
    let redis = Redis::start();
    let settings = [("REDIS_WAIT_REPLICAS", "1"), ("WORKERS", "1"), ("REDIS_TIMEOUT_MS", "8000")];
    let gateway = GATEWAY.start_with(&redis, &settings);
    let tokens = gateway.api().login("alice").await;
    let replica = replica_of(&redis);
    // One connection each for the worker, the subscriber and the feed.
    wait_for("its connections", Duration::from_secs(5), || {
        (connections(&redis, |_| true).len() == 3).then_some(())
    });
    let before = connections(&redis, |_| true);
    replica.freeze();
    let (api, token) = (gateway.api(), tokens.refresh.clone());
    let logout = tokio::spawn(async move { api.revoke(&token).await });
    let waits = |line: &str| line.contains("cmd=wait");
    while connections(&redis, waits).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for id in &before {
        redis.ask::<u64>(&["CLIENT", "KILL", "ID", id]);
    }
    let others = || connections(&redis, |line| !waits(line));
    while !(others().is_disjoint(&before) && others().len() == 3) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    replica.thaw();
    assert_eq!(logout.await.expect("no panic").status, 200);
    assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 2, "the event was published once more");
}

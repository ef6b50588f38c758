//! Redis answers, and refuses: it loads, it is busy, it is no primary, it lacks replicas.

use std::time::Duration;

use reqwest::Method;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::proxy::{Fault, Proxy};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::{eventually, wait_for};

use super::outage::{connections, every_call_is_unavailable, ready_again};
use crate::GATEWAY;

/// With the lines of single connections in the log.
const LINK_LINES: (&str, &str) = ("RUST_LOG", "info,token_gateway_redis_link=debug");

const SETTINGS: [(&str, &str); 3] = [("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1"), LINK_LINES];

/// Polls until the node reports Redis's refusal with this code.
async fn says(node: &Gateway, code: &str) {
    let admin = Api::new(&node.admin());
    eventually("the node says why", Duration::from_secs(10), async || {
        let answer = admin.send(admin.request(Method::GET, "/readyz")).await;
        (answer.status == 503 && answer.text.contains(code)).then_some(())
    })
    .await;
}

/// Each key takes as long to load as the test wants, so loading lasts until the test has seen it.
#[tokio::test(flavor = "multi_thread")]
async fn while_redis_loads_every_call_is_503_and_afterwards_the_same_refresh_token_works() {
    const FILL: &str = "for n = 1, 20000 do redis.call('SET', 'filler:' .. n, n) end";
    let slow = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"];
    let mut redis = Redis::start_with(&[&["--appendonly", "no"], &slow[..]].concat());
    let node = GATEWAY.start_with(&redis, &SETTINGS);
    let api = node.api();
    let tokens = api.login("alice").await;
    redis.ask::<()>(&["EVAL", FILL, "0"]);
    redis.ask::<String>(&["SAVE"]);
    redis.stop();
    redis.begin();
    says(&node, "LOADING").await;
    every_call_is_unavailable(&api, &tokens).await;
    assert_eq!(api.send(api.request(Method::GET, "/livez")).await.status, 200);
    says(&node, "LOADING").await;
    eventually("it loads faster", Duration::from_secs(5), async || {
        redis.try_ask::<String>(&["CONFIG", "SET", "key-load-delay", "0"])
    })
    .await;
    ready_again(&api).await;
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
}

/// A server with an answer is healthy: its connection stays.
#[tokio::test(flavor = "multi_thread")]
async fn while_a_script_keeps_redis_busy_every_call_is_503_and_no_connection_is_given_up() {
    let redis = Redis::start_with(&["--busy-reply-threshold", "100"]);
    let node = GATEWAY.start_with(&redis, &SETTINGS);
    let api = node.api();
    let tokens = api.login("alice").await;
    let mut spinning = redis.connect();
    let spin = std::thread::spawn(move || {
        redis::cmd("EVAL").arg("while true do end").arg(0).query::<redis::Value>(&mut spinning)
    });
    says(&node, "BUSY").await;
    every_call_is_unavailable(&api, &tokens).await;
    assert_eq!(api.send(api.request(Method::GET, "/livez")).await.status, 200);
    says(&node, "BUSY").await;
    redis.ask::<String>(&["SCRIPT", "KILL"]);
    assert!(spin.join().expect("no panic").is_err(), "it spun until it was killed");
    ready_again(&api).await;
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
    assert!(!node.log().contains("connection to Redis lost"), "{}", node.log());
}

/// A node behind a proxy to Redis, with all its connections: one each for the worker, the subscriber and the feed.
fn node_behind(proxy: &Proxy, redis: &Redis) -> Gateway {
    let node = GATEWAY.on(&proxy.url(), &[("WORKERS", "1"), LINK_LINES]);
    let all = || (connections(redis, |_| true).len() == 3).then_some(());
    wait_for("its connections", Duration::from_secs(5), all);
    node
}

/// As behind a name, or Sentinels, which lead to the new primary by then.
#[tokio::test]
async fn what_a_demoted_primary_refuses_is_sent_once_more_as_the_same_attempt_over_a_new_connection() {
    let redis = Redis::start();
    let proxy = Proxy::before(redis.port());
    let node = node_behind(&proxy, &redis);
    let api = node.api();
    for code in ["READONLY", "NOREPLICAS", "MASTERDOWN"] {
        let tokens = api.login("alice").await;
        proxy.strike(Fault::Refuse(code), 1);
        let next = api.refresh(&tokens.refresh).await.tokens();
        proxy.strike(Fault::Refuse(code), 1);
        assert_eq!(api.revoke(&next.refresh).await.status, 200);
        api.refresh(&next.refresh).await.expect_error(400, "invalid_grant");
        let said = format!("connection to Redis lost: Redis at 127.0.0.1:{} answered {code}", proxy.port());
        wait_for("the log", Duration::from_secs(5), || {
            (node.log().matches(&said).count() == 2).then_some(())
        });
    }
    assert_eq!(proxy.struck()["refused"], 6);
}

/// A call is repeated once. A second refusal is 503, and works when the caller repeats the request.
#[tokio::test]
async fn what_is_refused_over_the_new_connection_too_is_503() {
    let redis = Redis::start();
    let proxy = Proxy::before(redis.port());
    let node = node_behind(&proxy, &redis);
    let api = node.api();
    let tokens = api.login("alice").await;
    // The refresh, and the first call on the new connection.
    proxy.strike(Fault::Refuse("READONLY"), 1);
    proxy.strike(Fault::Refuse("READONLY"), 2);
    api.refresh(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    ready_again(&api).await;
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
    assert_eq!(proxy.struck()["refused"], 2);
}

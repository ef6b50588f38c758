//! More requests at once than may be in flight.

use futures_util::future::join_all;
use reqwest::Method;
use token_gateway_testkit::api::{Api, Tokens};
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;

use crate::GATEWAY;

async fn in_flight(node: &Gateway, count: usize) {
    let line = format!("store_in_flight {count}\n");
    eventually("they are in flight", std::time::Duration::from_secs(5), async || {
        node.metrics().await.contains(&line).then_some(())
    })
    .await;
}

fn refresh(api: &Api, tokens: &Tokens) -> tokio::task::JoinHandle<u16> {
    let (api, token) = (api.clone(), tokens.refresh.clone());
    tokio::spawn(async move { api.refresh(&token).await.status.as_u16() })
}

/// Their deadline is ten seconds away; they do not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn who_finds_as_many_in_flight_as_may_be_is_503_long_before_the_deadline() {
    let redis = Redis::start();
    let settings = [
        ("REDIS_MAX_IN_FLIGHT", "2"),
        ("REDIS_TIMEOUT_MS", "10000"),
        ("WORKERS", "1"),
        ("ADMIN_ADDR", "127.0.0.1:0"),
    ];
    let node = GATEWAY.start_with(&redis, &settings);
    let api = node.api();
    let users: Vec<String> = (0..12).map(|n| format!("user-{n}")).collect();
    let mut logins = Vec::new();
    for user in &users {
        logins.push(api.login(user).await);
    }
    for _ in 0..2 {
        redis.freeze();
        let (first, others) = logins.split_at(2);
        let held: Vec<_> = first.iter().map(|tokens| refresh(&api, tokens)).collect();
        in_flight(&node, 2).await;
        for answer in join_all(others.iter().map(|tokens| api.refresh(&tokens.refresh))).await {
            answer.expect_error(503, "temporarily_unavailable");
            assert!(answer.text.contains("too many requests are in flight"), "{answer:?}");
        }
        assert!(held.iter().all(|one| !one.is_finished()), "others were refused because of these");
        assert_eq!(api.send(api.request(Method::GET, "/livez")).await.status, 200);
        redis.thaw();
        for one in held {
            assert_eq!(one.await.expect("no panic"), 200);
        }
        // Nobody's place is lost, and nobody was accused.
        logins.drain(..2);
        for tokens in &mut logins {
            *tokens = api.refresh(&tokens.refresh).await.tokens();
        }
    }
}

//! `/livez`, `/readyz`, `/metrics`, and paths without a resource.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::{eventually, wait_for};

use crate::GATEWAY;

async fn get(api: &Api, path: &str) -> Answer {
    api.send(api.request(Method::GET, path)).await
}

#[tokio::test]
async fn a_node_is_alive_and_ready_in_one_word() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for (path, word) in [("/livez", "alive"), ("/readyz", "ready")] {
        let answer = get(&api, path).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, word));
        assert_eq!(api.send(api.request(Method::HEAD, path)).await.status, 200);
        let post = api.send(api.request(Method::POST, path)).await;
        post.expect_error(405, "invalid_request");
        assert_eq!(post.header("allow"), Some("GET, HEAD"));
    }
}

#[tokio::test]
async fn without_redis_a_node_is_alive_but_unready_and_the_admin_address_says_why() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("ADMIN_ADDR", "127.0.0.1:0")]);
    let (api, admin) = (gateway.api(), Api::new(&gateway.admin()));
    let sound = json!({"ready": true, "draining": false, "store": "ok", "warnings": []});
    eventually("the feed is read", Duration::from_secs(10), async || {
        (get(&admin, "/readyz").await.json() == sound).then_some(())
    })
    .await;
    redis.stop();
    eventually("the last answer holds no longer", Duration::from_secs(5), async || {
        let answer = get(&api, "/readyz").await;
        (answer.status == 503 && answer.text == "unready").then_some(())
    })
    .await;
    assert_eq!(get(&api, "/livez").await.status, 200);
    let full = get(&admin, "/readyz").await;
    assert_eq!((full.status.as_u16(), &full.json()["ready"]), (503, &json!(false)));
    assert!(full.json()["store"].as_str().is_some_and(|why| !why.is_empty() && why != "ok"), "{full:?}");
    redis.run();
    let began = std::time::Instant::now();
    while get(&api, "/readyz").await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "still unready");
    }
}

#[tokio::test]
async fn an_unknown_path_is_404_in_our_json() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for path in
        ["/", "/oauth", "/oauth/token/", "/v1/sessions/1", "/v1/me", "/metrics", "/%00", "/OAuth/Token"]
    {
        for method in [Method::GET, Method::POST] {
            api.send(api.request(method, path)).await.expect_error(404, "not_found");
        }
    }
}

#[tokio::test]
async fn metrics_are_on_the_admin_address_and_nothing_else_of_the_api_is() {
    let gateway = GATEWAY.embedded_with(&[("ADMIN_ADDR", "127.0.0.1:0")]);
    let admin = Api::new(&gateway.admin());
    let metrics = get(&admin, "/metrics").await;
    assert_eq!(metrics.status, 200);
    let media_type = metrics.header("content-type").unwrap();
    assert!(media_type.starts_with("application/openmetrics-text"), "{media_type}");
    assert!(metrics.text.ends_with("# EOF\n"), "{}", metrics.text);
    get(&gateway.api(), "/metrics").await.expect_error(404, "not_found");
    admin.issue(&json!({"sub": "alice"})).await.expect_error(404, "not_found");
    assert_eq!(get(&admin, "/livez").await.status, 200);
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let gateway = GATEWAY.embedded_with(&[("ADMIN_ADDR", "127.0.0.1:0"), ("MAX_SESSIONS_PER_SUBJECT", "2")]);
    let (api, admin) = (gateway.api(), Api::new(&gateway.admin()));
    let first = api.login("alice").await;
    let second = api.refresh_as(&first.refresh, "the-key-of-this-attempt").await.tokens();
    api.refresh_as(&first.refresh, "the-key-of-this-attempt").await.tokens();
    api.refresh("nonsense").await;
    api.login("alice").await;
    api.login("alice").await;
    api.reuse(&first.refresh).await;
    api.refresh(&second.refresh).await.expect_error(400, "invalid_grant");
    let (bob, carol) = (api.login("bob").await, api.login("carol").await);
    api.revoke(&bob.refresh).await;
    api.user(Method::DELETE, "carol", &format!("/{}", carol.session)).await.ended();
    get(&api, "/nowhere").await;
    get(&api, "/oauth/token").await;
    let text = get(&admin, "/metrics").await.text;
    for line in [
        "sessions_created_total 5",
        "refreshes_total{outcome=\"rotated\"} 1",
        "refreshes_total{outcome=\"replayed\"} 1",
        "refreshes_total{outcome=\"refused\"} 1",
        "refreshes_total{outcome=\"ended\"} 2",
        "refreshes_total{outcome=\"reused\"} 0",
        "sessions_ended_total{reason=\"evicted\"} 1",
        "sessions_ended_total{reason=\"logout\"} 1",
        "sessions_ended_total{reason=\"admin\"} 1",
        "http_requests_total{route=\"/oauth/token\",method=\"POST\",status=\"200\"} 2",
        "http_requests_total{route=\"/oauth/token\",method=\"POST\",status=\"400\"} 3",
        "http_requests_total{route=\"/oauth/token\",method=\"GET\",status=\"405\"} 1",
        "http_requests_total{route=\"/v1/users/{sub}/sessions/{sid}\",method=\"DELETE\",status=\"200\"} 1",
        "http_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\"} 1",
        "store_seconds_count{operation=\"issue\"} 5",
        "store_in_flight 0",
    ] {
        assert!(text.contains(&format!("\ntoken_gateway_{line}\n")), "{line} is not in:\n{text}");
    }
}

#[tokio::test]
async fn reuse_is_counted_with_every_session_it_ended() {
    let gateway = GATEWAY.embedded_with(&[("ADMIN_ADDR", "127.0.0.1:0")]);
    let (api, admin) = (gateway.api(), Api::new(&gateway.admin()));
    let first = api.login("alice").await;
    api.login("alice").await;
    api.refresh(&first.refresh).await.tokens();
    api.reuse(&first.refresh).await;
    let text = get(&admin, "/metrics").await.text;
    assert!(text.contains("token_gateway_refreshes_total{outcome=\"reused\"} 1\n"), "{text}");
    assert!(text.contains("token_gateway_sessions_ended_total{reason=\"reuse\"} 2\n"), "{text}");
}

/// A container's health checks come every few seconds, for ever.
#[tokio::test]
async fn a_health_check_that_goes_well_leaves_no_line_and_one_that_does_not_leaves_one() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    for path in ["/livez", "/readyz"] {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(api.send(api.request(method, path)).await.status, 200);
        }
    }
    redis.stop();
    eventually("the node is not ready", Duration::from_secs(10), async || {
        (get(&api, "/readyz").await.status == 503).then_some(())
    })
    .await;
    get(&api, "/nowhere").await;
    api.send(api.request(Method::POST, "/livez")).await;
    let log = wait_for("the last line is written", Duration::from_secs(5), || {
        Some(gateway.log()).filter(|log| log.contains("POST /livez 405"))
    });
    assert!(log.contains("GET /readyz 503"), "{log}");
    for line in log.lines().filter(|line| line.contains(" access ")) {
        assert!(!line.contains(" 200 "), "{line}");
    }
}

//! Writes that Redis refuses, for want of memory or of a disk, are said by the log, `/readyz` and the metrics.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::Api;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::{eventually, wait_for};

use crate::GATEWAY;

const SETTINGS: [(&str, &str); 2] = [("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")];

const FILLER: &str = "filler";

fn count(node: &Gateway, words: &str) -> usize {
    node.log().lines().filter(|line| line.contains(words)).count()
}

async fn readiness(node: &Gateway) -> Value {
    let admin = Api::new(&node.admin());
    admin.send(admin.request(Method::GET, "/readyz")).await.json()
}

async fn metric(node: &Gateway, name: &str) -> u64 {
    let admin = Api::new(&node.admin());
    let text = admin.send(admin.request(Method::GET, "/metrics")).await.text;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}: {text}")).trim().parse().expect("a number")
}

/// A want of memory has a line at each end, whatever the number of logins. `/readyz` in full names server and remedy.
#[tokio::test]
async fn a_want_of_memory_has_a_line_at_each_end_a_warning_and_a_count() {
    const REFUSED: &str = r#"token_gateway_store_errors_total{error="out_of_memory"}"#;
    let redis = Redis::start();
    let node = GATEWAY.start_with(&redis, &SETTINGS);
    let (api, login) = (node.api(), json!({"sub": "alice"}));
    let tokens = api.login("alice").await;
    assert_eq!(metric(&node, REFUSED).await, 0);
    redis.fill(FILLER);
    let mut refused = 0;
    eventually("it has its line", Duration::from_secs(20), async || {
        api.issue(&login).await.expect_error(503, "temporarily_unavailable");
        refused += 1;
        (count(&node, "partly ready: ") == 1).then_some(())
    })
    .await;
    assert_eq!(metric(&node, REFUSED).await, refused);
    let said = readiness(&node).await;
    let warnings = said["warnings"].to_string();
    assert_eq!((&said["ready"], &said["store"]), (&json!(true), &json!("ok")));
    let (server, log) = (redis.address(), node.log());
    for words in [&*server, "OOM", "logins and changes of claims get 503", "raise maxmemory"] {
        assert!(warnings.contains(words), "{words}: {warnings}");
        assert!(
            log.lines().any(|line| line.contains("partly ready: ") && line.contains(words)),
            "{words}: {log}"
        );
    }
    assert!(count(&node, "answered OOM to EVALSHA of create") <= 1, "{log}");
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
    redis.make_room(FILLER);
    wait_for("the end has its line", Duration::from_secs(20), || {
        (count(&node, "ready in all parts again after ") == 1).then_some(())
    });
    assert_eq!(api.issue(&login).await.status, 201);
    assert_eq!(count(&node, "partly ready: "), 1, "{}", node.log());
}

/// Nobody signs in, and the log says it all the same; a login now and then is enough for a line at once.
#[tokio::test]
async fn a_single_login_without_memory_has_a_line() {
    let redis = Redis::start();
    let node = GATEWAY.start_with(&redis, &SETTINGS);
    let api = node.api();
    let tokens = api.login("alice").await;
    redis.fill(FILLER);
    api.issue(&json!({"sub": "alice"})).await.expect_error(503, "temporarily_unavailable");
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
    wait_for("the want has its line", Duration::from_secs(20), || {
        (count(&node, "partly ready: ") == 1).then_some(())
    });
}

/// A node looks at itself once a second. In this order, a node has just looked when the line of the one before is there.
#[tokio::test]
async fn the_first_refused_login_has_its_line_before_the_next_look_and_further_ones_have_none() {
    const NODES: usize = 6;
    const REFUSED: &str = "answered OOM to EVALSHA of create";
    let redis = Redis::start();
    let nodes: Vec<_> = (0..NODES).map(|_| GATEWAY.start_with(&redis, &SETTINGS)).collect();
    for node in &nodes {
        node.api().login("alice").await;
    }
    redis.fill(FILLER);
    let mut prompt = 0;
    for node in nodes.iter().rev() {
        let login = json!({"sub": "alice"});
        node.api().issue(&login).await.expect_error(503, "temporarily_unavailable");
        let refused = Instant::now();
        wait_for("its line", Duration::from_secs(20), || (count(node, REFUSED) == 1).then_some(()));
        prompt += usize::from(refused.elapsed() < Duration::from_millis(300));
        node.api().issue(&login).await.expect_error(503, "temporarily_unavailable");
    }
    assert!(prompt >= NODES - 2, "{prompt} of {NODES}");
    for node in &nodes {
        assert_eq!(count(node, REFUSED), 1, "{}", node.log());
    }
}

#[tokio::test]
async fn a_node_that_starts_without_memory_says_so_at_once() {
    let redis = Redis::start();
    redis.fill(FILLER);
    let node = GATEWAY.start_with(&redis, &SETTINGS);
    wait_for("its warnings", Duration::from_secs(10), || (count(&node, "answered OOM") > 0).then_some(()));
    assert!(count(&node, "of maxmemory") > 0, "{}", node.log());
}

#[tokio::test]
async fn from_four_fifths_of_maxmemory_on_readyz_and_a_starting_node_warn_with_both_numbers() {
    let redis = Redis::start();
    let limit = redis.fill_nearly(FILLER);
    let node = GATEWAY.start_with(&redis, &SETTINGS);
    let said = readiness(&node).await;
    let warnings = said["warnings"].to_string();
    assert_eq!(said["ready"], true);
    let both = format!("of {limit} bytes");
    for words in [&*redis.address(), "% of maxmemory", &both, "raise maxmemory"] {
        assert!(warnings.contains(words), "{words}: {warnings}");
        assert!(count(&node, words) > 0, "{words}: {}", node.log());
    }
    redis.limit_memory(limit * 2);
    // An answer about readiness holds for a moment.
    eventually("the warning is gone", Duration::from_secs(5), async || {
        (!readiness(&node).await["warnings"].to_string().contains("maxmemory")).then_some(())
    })
    .await;
}

/// The node asks by itself: nobody looks at `/readyz` here, and no call fails.
#[tokio::test]
async fn memory_that_becomes_scarce_has_a_line_within_seconds() {
    let redis = Redis::start();
    let node = GATEWAY.start_with(&redis, &SETTINGS);
    node.api().login("alice").await;
    assert_eq!(count(&node, "maxmemory"), 0, "{}", node.log());
    redis.fill_nearly(FILLER);
    wait_for("it has its line", Duration::from_secs(30), || {
        (count(&node, "% of maxmemory") == 1).then_some(())
    });
    let line = node.log().lines().find(|line| line.contains("% of maxmemory")).map(str::to_owned);
    let line = line.expect("the line");
    assert!(line.contains("WARN") && line.contains(&redis.address()), "{line}");
}

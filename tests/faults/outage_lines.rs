//! A lasting outage is one line when it begins and one when it ends, whatever the number of workers, servers and
//! Sentinels.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::sentinel::Sentinel;
use token_gateway_testkit::{eventually, wait_for};

use crate::GATEWAY;

const SETTINGS: [(&str, &str); 2] = [("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "4")];

/// The lines at warn and at info, without those of requests.
fn lines(node: &Gateway) -> Vec<String> {
    let is_said = |line: &&str| {
        ["WARN", "INFO", "ERROR"].iter().any(|level| line.contains(level)) && !line.contains("INFO  access ")
    };
    node.log().lines().filter(is_said).map(str::to_owned).collect()
}

fn count(node: &Gateway, words: &str) -> usize {
    lines(node).iter().filter(|line| line.contains(words)).count()
}

/// A node at work, with the line of its connection to each of so many primaries.
async fn node(url: &str, primaries: usize) -> Gateway {
    let node = GATEWAY.on(url, &SETTINGS);
    eventually("it serves", Duration::from_secs(10), async || {
        let answer = node.api().issue(&json!({"sub": "alice"})).await;
        (answer.status == 201 && count(&node, "connected to Redis at ") == primaries).then_some(())
    })
    .await;
    node
}

/// Users are turned away for some seconds.
async fn is_out(node: &Gateway) {
    eventually("the outage has its line", Duration::from_secs(20), async || {
        node.api().issue(&json!({"sub": "alice"})).await;
        (count(node, "not ready: ") == 1).then_some(())
    })
    .await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        node.api().issue(&json!({"sub": "alice"})).await.expect_error(503, "temporarily_unavailable");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The log has two new lines: the begin of the outage, with these words, and its end.
async fn has_two_lines(node: &Gateway, before: usize, words: &[&str]) {
    wait_for("the end has its line", Duration::from_secs(60), || {
        (count(node, "ready again after ") == 1).then_some(())
    });
    eventually("it serves again", Duration::from_secs(10), async || {
        (node.api().issue(&json!({"sub": "alice"})).await.status == 201).then_some(())
    })
    .await;
    let new = &lines(node)[before..];
    let [begin, end] = new else { panic!("{new:#?}") };
    assert!(begin.contains("WARN") && begin.contains("not ready: store unavailable: "), "{begin}");
    assert!(words.iter().all(|words| begin.contains(words)), "{words:?}: {begin}");
    assert!(end.contains("INFO") && end.contains("ready again after "), "{end}");
}

/// The log says the same as `/readyz`.
async fn agrees_with_readyz(node: &Gateway, words: &str) {
    let admin = Api::new(&node.admin());
    let answer = admin.send(admin.request(Method::GET, "/readyz")).await;
    assert!(answer.status == 503 && answer.text.contains(words), "{answer:?}");
}

#[tokio::test]
async fn a_redis_that_was_killed_is_two_lines() {
    let mut redis = Redis::start();
    let node = node(&redis.url(), 1).await;
    let before = lines(&node).len();
    redis.stop();
    is_out(&node).await;
    agrees_with_readyz(&node, "Connection refused").await;
    redis.run();
    let address = redis.address();
    has_two_lines(&node, before, &[&address, "Connection refused", "start it"]).await;
}

#[tokio::test]
async fn a_frozen_redis_is_two_lines() {
    let redis = Redis::start();
    let node = node(&redis.url(), 1).await;
    let before = lines(&node).len();
    redis.freeze();
    is_out(&node).await;
    agrees_with_readyz(&node, "no answer").await;
    redis.thaw();
    has_two_lines(&node, before, &[&redis.address(), "no answer", "is it frozen"]).await;
}

#[tokio::test]
async fn a_password_that_was_changed_is_two_lines() {
    let redis = Redis::start();
    redis.ask::<String>(&["ACL", "SETUSER", "gateway", "on", ">right", "~*", "+@all"]);
    let node = node(&redis.url().replace("redis://", "redis://gateway:right@"), 1).await;
    let before = lines(&node).len();
    redis.ask::<String>(&["ACL", "SETUSER", "gateway", "resetpass", ">other"]);
    redis.ask::<u64>(&["CLIENT", "KILL", "USER", "gateway"]);
    is_out(&node).await;
    agrees_with_readyz(&node, "WRONGPASS").await;
    redis.ask::<String>(&["ACL", "SETUSER", "gateway", ">right"]);
    has_two_lines(&node, before, &[&redis.address(), "WRONGPASS", "REDIS_URL"]).await;
    assert!(!node.log().contains("right@"), "{}", node.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_cluster_that_was_killed_is_two_lines() {
    let mut cluster = Cluster::start();
    let node = node(&cluster.gateway_url(), 3).await;
    let before = lines(&node).len();
    cluster.servers.iter_mut().for_each(Redis::stop);
    is_out(&node).await;
    cluster.servers.iter_mut().for_each(Redis::run);
    has_two_lines(&node, before, &["Connection refused", "Redis at 127.0.0.1:"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_sentinels_cannot_replace_is_two_lines() {
    let mut sentinel = Sentinel::start_with(1, &[]);
    let (primary, node) = (sentinel.primary(), node(&sentinel.gateway_url(), 1).await);
    let before = lines(&node).len();
    (1..3).for_each(|watcher| sentinel.stop_watcher(watcher));
    sentinel.servers[primary].stop();
    is_out(&node).await;
    sentinel.servers[primary].run();
    let address = sentinel.servers[primary].address();
    has_two_lines(
        &node,
        before,
        &[&address, "announced by the Sentinel at", "Connection refused", "CKQUORUM"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_leaves_one_line_with_the_new_primary() {
    let sentinel = Sentinel::start();
    let node = node(&sentinel.gateway_url(), 1).await;
    let primary = &sentinel.servers[sentinel.fail_over()];
    let words = format!("connected to Redis at {}", primary.address());
    eventually("it serves again", Duration::from_secs(20), async || {
        let answer = node.api().issue(&json!({"sub": "alice"})).await;
        (answer.status == 201 && count(&node, &words) == 1).then_some(())
    })
    .await;
    sentinel.wait_until_whole();
    node.api().login("alice").await;
    assert_eq!(count(&node, "connected to Redis at "), 2, "{}", node.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_of_a_cluster_that_stays_away_is_two_lines() {
    let mut cluster = Cluster::with_replicas(&[]);
    let node = node(&cluster.gateway_url(), 3).await;
    let before = lines(&node).len();
    let dead = cluster.primary_of("tg:{alice}:sessions");
    let (replica, address) = (cluster.replica_of(dead), cluster.servers[dead].address());
    cluster.servers[replica].stop();
    cluster.servers[dead].stop();
    wait_for("the outage has its line", Duration::from_secs(30), || {
        (count(&node, "partly ready: ") == 1).then_some(())
    });
    cluster.servers[dead].run();
    cluster.servers[replica].run();
    wait_for("the end has its line", Duration::from_secs(60), || {
        (count(&node, "ready in all parts again after ") == 1).then_some(())
    });
    let new = &lines(&node)[before..];
    assert!(new.len() == 2 && new[0].contains(&address) && new[0].contains("WARN"), "{new:#?}");
}

#[tokio::test]
async fn a_node_that_starts_before_redis_has_one_line_at_each_end() {
    let mut redis = Redis::start();
    redis.stop();
    let node = GATEWAY.on(&redis.url(), &SETTINGS);
    is_out(&node).await;
    redis.run();
    wait_for("the end has its line", Duration::from_secs(20), || {
        (count(&node, "ready again after ") == 1).then_some(())
    });
    assert_eq!(count(&node, "WARN"), 1, "{}", node.log());
    assert_eq!(count(&node, "starting, but not ready: store unavailable: Redis at "), 1, "{}", node.log());
    assert_eq!(count(&node, "connected to Redis at "), 1, "{}", node.log());
}

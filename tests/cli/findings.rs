//! Findings of `check` about the state and the settings of Redis. The full `/readyz` reports the same.

use std::time::Duration;

use serde_json::Value;
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::sentinel::Sentinel;
use token_gateway_testkit::{eventually, wait_for};

use super::check::check;
use crate::GATEWAY;
use crate::faults::replica_of;

/// Settings for `check` alone, because only operators may ask for them.
const ASKED_OF_CONFIG: [&str; 2] = ["hash-max-listpack-value", "cluster-require-full-coverage"];

/// Everything amiss in Redis, as `check` finds it: severity, and subject and message in the words of `/readyz`.
fn amiss(url: &str, settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let said: Vec<Value> = serde_json::from_str(&check(url, settings, true).stdout).expect("JSON");
    let text = |finding: &Value, name: &str| finding[name].as_str().expect("text").to_owned();
    let found = said.iter().filter(|finding| finding["severity"] != "ok");
    let found = found.filter(|finding| !ASKED_OF_CONFIG.contains(&finding["subject"].as_str().unwrap()));
    found
        .map(|it| (text(it, "severity"), format!("{}: {}", text(it, "subject"), text(it, "message"))))
        .collect()
}

async fn readiness(node: &Gateway) -> Answer {
    let admin = Api::new(&node.admin());
    admin.send(admin.request(reqwest::Method::GET, "/readyz")).await
}

/// A node with its full readiness at the admin address.
fn node(url: &str, settings: &[(&str, &str)]) -> Gateway {
    GATEWAY.on(url, &[settings, &[("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")]].concat())
}

/// `check` finds this and nothing else amiss. A node is ready all the same, and reports it in the same words.
async fn both_say(url: &str, settings: &[(&str, &str)], wanted: &[(&str, &str)]) {
    let node = node(url, settings);
    let mut said = amiss(url, settings);
    said.dedup();
    assert_eq!(said.len(), wanted.len(), "{said:?}");
    for ((severity, message), wanted) in said.iter().zip(wanted) {
        assert!((severity.as_str(), message.starts_with(wanted.1)) == (wanted.0, true), "{said:?}");
    }
    let words: Vec<_> = said.into_iter().map(|(_, message)| message).collect();
    eventually("the node says the same", Duration::from_secs(10), async || {
        let answer = readiness(&node).await;
        (answer.status == 200 && answer.json()["warnings"] == serde_json::json!(words)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_keeps_only_snapshots_is_a_warning_with_a_remedy() {
    let redis = Redis::start_with(&["--appendonly", "no"]);
    both_say(&redis.url(), &[], &[("warning", "appendonly: off")]).await;
    assert!(amiss(&redis.url(), &[])[0].1.contains("set appendonly yes"));
}

#[tokio::test]
async fn fewer_replicas_than_a_logout_waits_for_are_a_problem() {
    let redis = Redis::start();
    let waits = [("REDIS_WAIT_REPLICAS", "1")];
    let wanted = [("problem", "replicas: 0, but REDIS_WAIT_REPLICAS is 1")];
    both_say(&redis.url(), &waits, &wanted).await;
    let _replica = replica_of(&redis);
    both_say(&redis.url(), &waits, &[]).await;
}

#[tokio::test]
async fn a_primary_with_two_replicas_should_want_one_of_them() {
    let redis = Redis::start();
    let _first = replica_of(&redis);
    both_say(&redis.url(), &[], &[]).await; // a single one could not be spared
    let _second = replica_of(&redis);
    both_say(&redis.url(), &[], &[("warning", "min-replicas-to-write: not in force")]).await;
    redis.ask::<String>(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    both_say(&redis.url(), &[], &[]).await;
    redis.ask::<String>(&["CONFIG", "SET", "min-replicas-max-lag", "0"]);
    both_say(&redis.url(), &[], &[("warning", "min-replicas-to-write: not in force")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_nobody_can_succeed_is_a_warning() {
    let mut sentinel = Sentinel::start_with(1, &[]);
    let (url, primary) = (sentinel.gateway_url(), sentinel.primary());
    both_say(&url, &[], &[]).await;
    sentinel.servers[1 - primary].stop();
    wait_for("the primary notices", Duration::from_secs(10), || {
        sentinel.servers[primary].info("connected_slaves").filter(|count| count == "0")
    });
    both_say(&url, &[], &[("warning", "replicas: 0: nobody takes over")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn primaries_that_nobody_can_succeed_are_a_warning_each() {
    let cluster = Cluster::start();
    let url = cluster.gateway_url();
    let said = amiss(&url, &[]);
    assert_eq!(said.len(), 3, "{said:?}");
    for server in &cluster.servers {
        let wanted = format!("replicas: {}: 0: nobody takes over", server.address());
        assert!(
            said.iter().any(|(severity, it)| severity == "warning" && it.starts_with(&wanted)),
            "{said:?}"
        );
    }
    let node = node(&url, &[]);
    eventually("the node says so", Duration::from_secs(10), async || {
        let text = readiness(&node).await.text;
        let has = |server: &Redis| text.contains(&format!("replicas: {}: 0: nobody takes", server.address()));
        cluster.servers.iter().all(has).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_replica_is_a_problem_and_a_node_on_one_is_not_ready() {
    let primary = Redis::start();
    let replica = replica_of(&primary);
    let said = amiss(&replica.url(), &[]);
    let [(severity, message)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(
        (
            severity.as_str(),
            message.contains(&format!("role: {}: this server's role is 'slave'", replica.address()))
        ),
        ("problem", true)
    );
    assert!(message.contains("let REDIS_URL point at the primary"), "{message}");
    let node = node(&replica.url(), &[]);
    let told = readiness(&node).await;
    assert_eq!((told.status.as_u16(), &told.json()["ready"]), (503, &Value::Bool(false)));
    assert!(told.json()["store"].as_str().is_some_and(|why| why.contains("READONLY")), "{told:?}");
}

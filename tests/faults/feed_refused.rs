//! A feed that cannot be read: how often a node tries on, what it logs, and when it is fresh again.

use std::time::{Duration, Instant};

use reqwest::Method;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::{eventually, wait_for};

use crate::GATEWAY;

const SETTINGS: [(&str, &str); 3] =
    [("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1"), ("VERIFY_MAX_STALE_SECONDS", "2")];

/// More tries than a reader with growing pauses makes in six seconds; without such pauses there are 50 and more.
const TRIES_IN_SIX_SECONDS: u64 = 9;

/// How often the server has refused a command.
fn rejected(redis: &Redis, command: &str) -> u64 {
    let stats: String = redis.ask(&["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:")));
    let count = line.and_then(|line| line.split_once("rejected_calls=")?.1.split(',').next()?.parse().ok());
    count.unwrap_or(0)
}

fn lines(node: &Gateway, words: &str) -> usize {
    node.log().lines().filter(|line| line.contains(words)).count()
}

async fn verify(node: &Gateway, access: &str) -> u16 {
    let api = node.api();
    api.send(api.request(Method::GET, "/verify").bearer_auth(access)).await.status.as_u16()
}

async fn verify_becomes(node: &Gateway, access: &str, status: u16, within: Duration) {
    let what = format!("/verify answers {status}");
    eventually(&what, within, async || (verify(node, access).await == status).then_some(())).await;
}

/// The node serves logins all the while.
async fn six_seconds_pass(node: &Gateway) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(6) {
        node.api().login("bob").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The snapshot can be read, or not even that.
#[tokio::test]
async fn a_feed_that_redis_refuses_is_tried_less_and_less_and_logged_once() {
    for command in ["xread", "xrange", "info"] {
        let redis = Redis::start();
        let node = GATEWAY.start_with(&redis, &SETTINGS);
        let access = node.api().login("alice").await.access;
        verify_becomes(&node, &access, 200, Duration::from_secs(20)).await;
        redis.ask::<String>(&["ACL", "SETUSER", "default", &format!("-{command}")]);
        redis.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]);
        let before = refused_reads(&node, &redis, command);
        six_seconds_pass(&node).await;
        let tries = refused_reads(&node, &redis, command) - before;
        assert!(tries <= TRIES_IN_SIX_SECONDS, "{command}: {tries}");
        let upper = command.to_uppercase();
        let said = format!(
            "cannot read the feed 'tg:revocations', trying on: store unavailable: Redis at {} answered NOPERM to {upper}",
            redis.address()
        );
        assert_eq!(lines(&node, &said), 1, "{}", node.log());
        assert_eq!(lines(&node, &format!("; grant its user +{command}")), 1, "{}", node.log());
        assert_eq!(lines(&node, "cannot read the feed"), 1, "{}", node.log());
        redis.ask::<String>(&["ACL", "SETUSER", "default", &format!("+{command}")]);
        verify_becomes(&node, &access, 200, Duration::from_secs(40)).await;
        let again = "reading the feed 'tg:revocations' again";
        wait_for("it says so", Duration::from_secs(40), || (lines(&node, again) == 1).then_some(()));
    }
}

/// `INFO` is also asked for by links and by `/readyz`, so that reads of it are counted by the log.
fn refused_reads(node: &Gateway, redis: &Redis, command: &str) -> u64 {
    if command == "info" {
        return lines(node, "cannot read the feed") as u64;
    }
    rejected(redis, command)
}

#[tokio::test]
async fn a_command_that_the_server_does_not_know_is_tried_less_and_less_too() {
    let redis = Redis::start_with(&["--rename-command", "XREAD", "gone"]);
    let node = GATEWAY.start_with(&redis, &SETTINGS);
    let said = "answered ERR to XREAD (unknown command 'XREAD'); this server knows no such command";
    wait_for("the log", Duration::from_secs(10), || (lines(&node, said) == 1).then_some(()));
    let errors = || redis.calls("xrange");
    let before = errors();
    six_seconds_pass(&node).await;
    assert!(
        errors() - before <= 4 * TRIES_IN_SIX_SECONDS,
        "a try asks for the snapshot, and for the first entry"
    );
    assert_eq!(lines(&node, "cannot read the feed"), 1, "{}", node.log());
}

/// The pauses have grown meanwhile.
#[tokio::test]
async fn after_an_outage_verify_is_fresh_soon_and_the_log_has_one_line_at_each_end() {
    let mut redis = Redis::start();
    let node = GATEWAY.start_with(&redis, &SETTINGS);
    let access = node.api().login("alice").await.access;
    verify_becomes(&node, &access, 200, Duration::from_secs(20)).await;
    redis.stop();
    let stopped = Instant::now();
    verify_becomes(&node, &access, 503, Duration::from_secs(20)).await;
    eventually("it was away for long", Duration::from_secs(20), async || {
        (stopped.elapsed() > Duration::from_secs(8)).then_some(())
    })
    .await;
    redis.run();
    let back = Instant::now();
    verify_becomes(&node, &access, 200, Duration::from_secs(10)).await;
    assert!(back.elapsed() < Duration::from_secs(6), "{:?}", back.elapsed());
    wait_for("it says so", Duration::from_secs(5), || (lines(&node, "ready again after") == 1).then_some(()));
    assert_eq!(lines(&node, "WARN"), 1, "the begin of the outage: {}", node.log());
}

/// The password is wrong, and later right again: nobody starts the node anew.
#[tokio::test]
async fn a_node_whose_password_is_changed_logs_it_once_and_comes_back_by_itself() {
    let redis = Redis::start();
    redis.ask::<String>(&["ACL", "SETUSER", "gateway", "on", ">right", "~*", "+@all"]);
    let node = GATEWAY.on(&redis.url().replace("redis://", "redis://gateway:right@"), &SETTINGS);
    let access = node.api().login("alice").await.access;
    verify_becomes(&node, &access, 200, Duration::from_secs(20)).await;
    redis.ask::<String>(&["ACL", "SETUSER", "gateway", "resetpass", ">other"]);
    redis.ask::<u64>(&["CLIENT", "KILL", "USER", "gateway"]);
    let began = Instant::now();
    eventually("some seconds pass", Duration::from_secs(20), async || {
        verify(&node, &access).await;
        (began.elapsed() > Duration::from_secs(4)).then_some(())
    })
    .await;
    assert_eq!((lines(&node, "not ready: "), lines(&node, "WARN")), (1, 1), "{}", node.log());
    redis.ask::<String>(&["ACL", "SETUSER", "gateway", ">right"]);
    verify_becomes(&node, &access, 200, Duration::from_secs(10)).await;
    assert!(!node.log().contains("right@") && node.log().contains("REDIS_URL"), "{}", node.log());
}

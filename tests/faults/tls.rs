//! Redis over TLS, with a CA of one's own and a certificate for the client.

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::Tokens;
use token_gateway_testkit::api::decided;
use token_gateway_testkit::chain::Chain;
use token_gateway_testkit::cluster::Cluster;
use token_gateway_testkit::free_port;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::sentinel::Sentinel;
use token_gateway_testkit::tls::{Certificates, borrowed};

use super::lets_nobody_in;
use crate::GATEWAY;

/// A Redis with a TLS port beside its plain one; tests look at it through the plain one.
fn redis_over_tls(certificates: &Certificates) -> Redis {
    Redis::start_over_tls(free_port(), certificates, &[])
}

#[tokio::test]
async fn a_node_reaches_redis_over_tls_and_shows_its_certificate() {
    let certificates = Certificates::make();
    let redis = redis_over_tls(&certificates);
    let url = format!("rediss://127.0.0.1:{}", redis.public_port());
    let node = node_with(&certificates, &url);
    let api = node.api();
    let tokens = api.login("alice").await;
    let next = api.refresh(&tokens.refresh).await.tokens();
    assert_eq!(api.user(Method::DELETE, "alice", "").await.ended(), [next.session]);
    assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 1, "it is that Redis");

    let mut all = vec![("REDIS_URL", url.as_str())];
    let settings = certificates.node_settings();
    all.extend(borrowed(&settings));
    let check = GATEWAY.command("check", &all).output().expect("it ends");
    let text = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success() && text.contains("role"), "{text}");
}

#[tokio::test]
async fn without_the_right_certificates_nothing_is_believed_and_nothing_is_told() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let redis = redis_over_tls(&certificates);
    let url = format!("rediss://127.0.0.1:{}", redis.public_port());
    let [ca, certificate, key] = ["ca.pem", "client.pem", "client.key"].map(|name| certificates.path(name));
    let [other_ca, other_certificate, other_key] =
        ["ca.pem", "client.pem", "client.key"].map(|name| others.path(name));
    let own = [("REDIS_TLS_CERT", certificate.as_str()), ("REDIS_TLS_KEY", key.as_str())];
    let foreign = [("REDIS_TLS_CERT", other_certificate.as_str()), ("REDIS_TLS_KEY", other_key.as_str())];
    let cases = [
        ("another CA", vec![("REDIS_TLS_CA", other_ca.as_str()), own[0], own[1]]),
        ("no certificate", vec![("REDIS_TLS_CA", ca.as_str())]),
        ("a certificate of another CA", vec![("REDIS_TLS_CA", ca.as_str()), foreign[0], foreign[1]]),
        ("the system's CAs", own.to_vec()),
    ];
    for (what, settings) in cases {
        let node = GATEWAY.on(&url, &settings);
        let answer = node.api().issue(&json!({"sub": "alice"})).await;
        answer.expect_error(503, "temporarily_unavailable");
        let log = node.log();
        assert!(log.contains("not ready: store unavailable: Redis at 127.0.0.1:"), "{what}: {log}");
        let secret = std::fs::read_to_string(&key).expect("a key");
        assert!(secret.lines().skip(1).take(2).all(|line| !log.contains(line)), "{what}: {log}");
    }
}

#[tokio::test]
async fn a_plain_connection_to_a_tls_port_is_503() {
    let certificates = Certificates::make();
    let redis = redis_over_tls(&certificates);
    let node = GATEWAY.on(&format!("redis://127.0.0.1:{}", redis.public_port()), &[]);
    node.api().issue(&json!({"sub": "alice"})).await.expect_error(503, "temporarily_unavailable");
}

/// A user's session from login to logout, on any primary; 503 during the search for another.
async fn lives_and_ends(node: &Gateway, user: &str) {
    let (api, mut chain) = (node.api(), Chain::begin(node.api(), user).await);
    for _ in 0..3 {
        chain.refresh().await;
    }
    let Tokens { refresh, session, .. } = chain.tokens;
    assert_eq!(decided(|| api.user(Method::GET, user, "")).await.sessions(), [session]);
    assert_eq!(decided(|| api.revoke(&refresh)).await.status, 200);
    let refused = decided(|| api.refresh(&refresh)).await;
    refused.expect_error(400, "invalid_grant");
}

/// A node with another CA never gets as far as a session, and logs the reason.
async fn believes_no_other(url: &str, certificates: &Certificates) {
    let (mut settings, others) = (certificates.node_settings(), Certificates::make());
    settings[0] = others.node_settings()[0].clone();
    for text in lets_nobody_in(url, &borrowed(&settings)).await {
        assert!(text.contains("invalid peer certificate"), "{text}");
    }
}

fn node_with(certificates: &Certificates, url: &str) -> Gateway {
    GATEWAY.on(url, &borrowed(&certificates.node_settings()))
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_sentinels_everything_goes_over_tls_after_a_failover_too() {
    let certificates = Certificates::make();
    let sentinel = Sentinel::over_tls(&certificates);
    let node = node_with(&certificates, &sentinel.gateway_url());
    lives_and_ends(&node, "alice").await;
    let primary = sentinel.fail_over();
    sentinel.wait_until_whole(); // the former primary acknowledges nothing more
    lives_and_ends(&node, "bob").await;
    assert_eq!(sentinel.servers[primary].ask::<u64>(&["XLEN", "tg:revocations"]), 2);
    believes_no_other(&sentinel.gateway_url(), &certificates).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_everything_goes_over_tls_and_so_do_redirections() {
    let certificates = Certificates::make();
    let cluster = Cluster::over_tls(&certificates);
    let node = node_with(&certificates, &cluster.gateway_url());
    for n in 0..12 {
        lives_and_ends(&node, &format!("user-{n}")).await;
    }
    let parts = cluster.sizes();
    assert!(parts.iter().all(|keys| *keys > 1), "on every primary: {parts:?}");
    cluster.begin_move("tg:{alice}:sessions").finish(); // MOVED
    lives_and_ends(&node, "alice").await;
    believes_no_other(&cluster.gateway_url(), &certificates).await;
}

//! Redis over TLS, with a CA of one's own and a certificate for the client.

use reqwest::Method;
use serde_json::json;

use crate::support::gateway::{Gateway, command};
use crate::support::tls::Certificates;

#[tokio::test]
async fn a_node_reaches_redis_over_tls_and_shows_its_certificate() {
    let certificates = Certificates::make();
    let (redis, port) = certificates.redis();
    let url = format!("rediss://127.0.0.1:{port}");
    let [ca, certificate, key] = ["ca.pem", "client.pem", "client.key"].map(|name| certificates.path(name));
    let settings = [("REDIS_TLS_CA", ca.as_str()), ("REDIS_TLS_CERT", &certificate), ("REDIS_TLS_KEY", &key)];
    let node = Gateway::on(&url, &settings);
    let api = node.api();
    let tokens = api.login("alice").await;
    let next = api.refresh(&tokens.refresh).await.tokens();
    assert_eq!(api.user(Method::DELETE, "alice", "").await.ended(), [next.session]);
    assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 1, "it is that Redis");

    let mut all = vec![("REDIS_URL", url.as_str())];
    all.extend(settings);
    let check = command("check", &all).output().expect("it ends");
    let text = String::from_utf8_lossy(&check.stdout);
    assert!(check.status.success() && text.contains("role"), "{text}");
}

#[tokio::test]
async fn without_the_right_certificates_nothing_is_believed_and_nothing_is_told() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let (_redis, port) = certificates.redis();
    let url = format!("rediss://127.0.0.1:{port}");
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
        let node = Gateway::on(&url, &settings);
        let answer = node.api().issue(&json!({"sub": "alice"})).await;
        answer.expect_error(503, "temporarily_unavailable");
        let log = node.log();
        assert!(log.contains("cannot connect to Redis"), "{what}: {log}");
        let secret = std::fs::read_to_string(&key).expect("a key");
        assert!(secret.lines().skip(1).take(2).all(|line| !log.contains(line)), "{what}: {log}");
    }
}

#[tokio::test]
async fn a_plain_connection_to_a_tls_port_is_503() {
    let certificates = Certificates::make();
    let (_redis, port) = certificates.redis();
    let node = Gateway::on(&format!("redis://127.0.0.1:{port}"), &[]);
    node.api().issue(&json!({"sub": "alice"})).await.expect_error(503, "temporarily_unavailable");
}

//! The secrets that a node was given: its settings, and the credentials of services.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use crate::GATEWAY;

const PASSWORD: &str = "password-that-must-not-be-shown";
const WRONG_PASSWORD: &str = "wrong-password-that-must-not-be-shown";
const SIGNING: &str = "signing-secret-that-must-not-be-shown";
const REFRESH: &str = "refresh-secret-that-must-not-be-shown";
const PREVIOUS: &str = "previous-secret-that-must-not-be-shown";
const WRONG_KEY: &str = "service-key-that-must-not-be-shown";

/// A Redis in which the gateways' user has a password.
fn guarded_redis() -> Redis {
    let password = format!(">{PASSWORD}");
    Redis::start_with(&["--user", "gateway", "on", &password, "~*", "&*", "+@all"])
}

/// A node at the lowest log level. Its secrets are set as operators set them: in base64.
fn talkative(redis: &Redis, password: &str) -> Gateway {
    let url = format!("redis://gateway:{password}@127.0.0.1:{}", redis.port());
    let [signing, refresh, previous] =
        [SIGNING, REFRESH, PREVIOUS].map(|secret| format!("base64:{}", STANDARD.encode(secret)));
    GATEWAY.start_with(
        redis,
        &[
            ("REDIS_URL", &url),
            ("SIGNING_SECRET", &signing),
            ("REFRESH_SECRET", &refresh),
            ("REFRESH_SECRET_PREVIOUS", &previous),
            ("ADMIN_ADDR", "127.0.0.1:0"),
            ("RUST_LOG", "trace"),
        ],
    )
}

/// Everything secret, as it is and as it travels.
fn secrets() -> Vec<String> {
    let pair = |key: &str| STANDARD.encode(format!("web:{key}"));
    let mut secrets = vec![WEB.key.to_owned(), pair(WEB.key), pair(WRONG_KEY)];
    for secret in [PASSWORD, WRONG_PASSWORD, SIGNING, REFRESH, PREVIOUS, WRONG_KEY] {
        secrets.extend([secret.to_owned(), STANDARD.encode(secret), format!("{:?}", secret.as_bytes())]);
    }
    secrets
}

/// Sends good and bad credentials of a service, in each of their forms; then Redis goes away. Returns the answers.
async fn good_and_bad_days(api: &Api, redis: &mut Redis) -> String {
    let login = |key: &str| api.request(Method::POST, "/v1/sessions").basic_auth("web", Some(key));
    let body = json!({"sub": "alice"});
    let tokens = api.send(login(WEB.key).json(&body)).await.tokens();
    let in_body = [("token", "x"), ("client_id", "web"), ("client_secret", WRONG_KEY)];
    let mut bad = vec![
        api.send(login(WRONG_KEY).json(&body)).await,
        api.send(login(WEB.key).body(WEB.key.to_owned())).await,
        api.send(api.form("/oauth/revoke", &in_body)).await,
        api.send(api.refresh_request(&tokens.refresh).basic_auth("web", Some(WRONG_KEY))).await,
        api.send(api.refresh_request(SIGNING)).await,
        api.send(api.request(Method::GET, &format!("/{WRONG_KEY}"))).await,
    ];
    redis.stop();
    bad.push(api.refresh(&tokens.refresh).await);
    assert!(bad.iter().all(|answer| !answer.status.is_success()), "{bad:?}");
    format!("{bad:?}")
}

/// An operator's view of a node: its log, its metrics, and its readiness.
async fn seen_by_operators(gateway: &Gateway) -> Vec<(&'static str, String)> {
    let admin = Api::new(&gateway.admin());
    let text = async |path| admin.send(admin.request(Method::GET, path)).await.text;
    vec![
        ("readiness", text("/readyz").await),
        ("the metrics", text("/metrics").await),
        ("the log", gateway.log()),
    ]
}

#[track_caller]
fn expect_no_secret_in(seen: &[(&str, String)]) {
    for (place, text) in seen {
        assert!(!text.is_empty(), "{place}");
        for secret in secrets() {
            assert!(!text.contains(&secret), "{place} shows {secret}:\n{text}");
        }
    }
}

/// Requirement SECRET-1.
#[tokio::test]
async fn what_a_node_was_given_to_keep_is_shown_nowhere_on_good_days_and_bad() {
    let mut redis = guarded_redis();
    let gateway = talkative(&redis, PASSWORD);
    let mut seen = vec![("an answer", good_and_bad_days(&gateway.api(), &mut redis).await)];
    seen.extend(seen_by_operators(&gateway).await);
    expect_no_secret_in(&seen);
    redis.run();
    let locked_out = talkative(&redis, WRONG_PASSWORD);
    let seen = seen_by_operators(&locked_out).await;
    assert!(seen[0].1.contains("\"ready\":false"), "{seen:?}");
    expect_no_secret_in(&seen);
}

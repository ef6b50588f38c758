//! The `jti` of access tokens: one for each content.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Api, claims, fresh_key};
use token_gateway_testkit::redis::Redis;

use crate::GATEWAY;

/// Replays a refresh, with a scope or without one, and returns the claims of its access token.
async fn replay(api: &Api, refresh: &str, key: &str, scope: Option<&str>) -> Value {
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh)];
    form.extend(scope.map(|scope| ("scope", scope)));
    let answer = api.send(api.form("/oauth/token", &form).header("Idempotency-Key", key)).await;
    claims(&answer.tokens().access)
}

/// Tokens with one `jti` have one content, and tokens with one content have one `jti`.
#[track_caller]
fn expect_one_id_for_each_content(tokens: &[Value]) {
    for (n, one) in tokens.iter().enumerate() {
        for other in &tokens[n + 1..] {
            assert_eq!(one["jti"] == other["jti"], one == other, "{one}\n{other}");
        }
    }
}

async fn login(api: &Api) -> String {
    let body = json!({"sub": "alice", "scope": "read write", "claims": {"role": "admin"}});
    api.issue(&body).await.tokens().refresh
}

#[tokio::test]
async fn a_replay_with_another_scope_or_none_has_another_jti() {
    for gateway in [GATEWAY.embedded(), GATEWAY.embedded_with(&[("REFRESH_GRACE_SECONDS", "60")])] {
        let api = gateway.api();
        let (first, key) = (login(&api).await, fresh_key());
        let mut tokens = Vec::new();
        for scope in [Some("read"), None, Some("write"), Some("read write"), Some("write read"), Some("read")]
        {
            tokens.push(replay(&api, &first, &key, scope).await);
        }
        expect_one_id_for_each_content(&tokens);
        let ids: HashSet<_> = tokens.iter().map(|token| token["jti"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 4, "none is all of the scope: {tokens:?}");
    }
}

#[tokio::test]
async fn a_replay_after_the_claims_have_changed_has_another_jti() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (first, key) = (login(&api).await, fresh_key());
    let mut tokens = vec![replay(&api, &first, &key, None).await];
    let sid = tokens[0]["sid"].as_str().unwrap().to_owned();
    for new in [json!({"role": "guest"}), json!({"role": "guest", "x": 1}), json!({})] {
        let change = api.service(Method::PATCH, &format!("/v1/users/alice/sessions/{sid}"));
        assert_eq!(api.send(change.json(&json!({ "claims": new }))).await.status, 200);
        tokens.push(replay(&api, &first, &key, None).await);
        tokens.push(replay(&api, &first, &key, None).await);
    }
    expect_one_id_for_each_content(&tokens);
    assert_ne!(tokens[0]["jti"], tokens[1]["jti"]);
    assert_eq!(tokens[1]["jti"], tokens[2]["jti"]);
}

#[tokio::test]
async fn a_replay_by_a_node_with_other_settings_or_a_minute_later_has_another_jti() {
    let redis = Redis::start();
    let settings: [&[(&str, &str)]; 5] = [
        &[],
        &[("ACCESS_TTL_SECONDS", "300")],
        &[("AUDIENCE", "other")],
        &[("SESSION_MAX_AGE_SECONDS", "600")],
        &[],
    ];
    let nodes: Vec<_> = settings.iter().map(|settings| GATEWAY.start_with(&redis, settings)).collect();
    let (first, key) = (login(&nodes[0].api()).await, fresh_key());
    let mut tokens = Vec::new();
    for node in &nodes {
        tokens.push(replay(&node.api(), &first, &key, None).await);
    }
    redis.age(Duration::from_secs(61));
    tokens.push(replay(&nodes[0].api(), &first, &key, None).await);
    expect_one_id_for_each_content(&tokens);
    assert_eq!(tokens[0], tokens[4], "the same answer again");
    let ids: HashSet<_> = tokens[..4].iter().map(|token| token["jti"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4, "{tokens:?}");
}

#[tokio::test]
async fn a_jti_is_that_of_the_refresh_token_and_22_characters_more() {
    let gateway = GATEWAY.embedded();
    let tokens = gateway.api().login("alice").await;
    let (access, refresh) = (claims(&tokens.access), claims(&tokens.refresh));
    let rest = access["jti"].as_str().unwrap().strip_prefix(refresh["jti"].as_str().unwrap()).unwrap();
    let digest = rest.strip_prefix('.').unwrap();
    assert_eq!(digest.len(), 22, "{rest}");
    assert!(digest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')), "{rest}");
}

//! `POST /oauth/introspect` (RFC 7662).

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api, claims};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};

use super::craft::Craft;
use crate::GATEWAY;

async fn ask(api: &Api, token: &str) -> Answer {
    ask_with(api, &[("token", token)]).await
}

async fn ask_with(api: &Api, form: &[(&str, &str)]) -> Answer {
    let answer = api.send(api.form("/oauth/introspect", form).bearer_auth(WEB.key)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer
}

async fn is_active(api: &Api, token: &str) -> bool {
    let answer = ask(api, token).await;
    let active = answer.json()["active"].as_bool().expect("a boolean");
    assert!(
        active || answer.json() == json!({"active": false}),
        "exactly that, and nothing more: {answer:?}"
    );
    active
}

/// The answer for an active token: its claims, and `active`.
fn told(token: &str) -> Value {
    let mut expected = claims(token);
    expected["active"] = true.into();
    expected
}

/// Requirement INTROSPECT-4.
#[tokio::test]
async fn of_an_active_token_the_claims_are_told_as_they_stand_in_it() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let body = json!({"sub": "Zo\u{eb}", "scope": "a b", "aud": "shop", "claims": {"n": 1.5, "deep": [{"x": null}], "active": "no"}});
    let tokens = api.issue(&body).await.tokens();
    for token in [&tokens.access, &tokens.refresh] {
        for hint in [None, Some("access_token"), Some("refresh_token"), Some("nonsense")] {
            let mut form = vec![("token", token.as_str())];
            form.extend(hint.map(|hint| ("token_type_hint", hint)));
            assert_eq!(ask_with(&api, &form).await.json(), told(token), "{hint:?}");
        }
    }
}

/// Requirement INTROSPECT-1.
#[tokio::test]
async fn without_credentials_it_is_401_and_without_the_role_403() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let form = || api.form("/oauth/introspect", &[("token", &tokens.access)]);
    let answer = api.send(form()).await;
    answer.expect_error(401, "invalid_client");
    assert!(answer.header("www-authenticate").is_some_and(|it| it.starts_with("Bearer ")), "{answer:?}");
    let answer = api.send(form().basic_auth("web", Some("wrong"))).await;
    answer.expect_error(401, "invalid_client");
    assert!(answer.header("www-authenticate").is_some_and(|it| it.starts_with("Basic ")), "{answer:?}");
    api.send(form().bearer_auth(&tokens.access)).await.expect_error(401, "invalid_client");
    api.send(form().bearer_auth(ISSUE_ONLY.key)).await.expect_error(403, "insufficient_scope");
    let query = api.request(Method::GET, &format!("/oauth/introspect?token={}", tokens.access));
    let answer = api.send(query.bearer_auth(WEB.key)).await;
    answer.expect_error(405, "invalid_request");
    assert_eq!(answer.header("allow"), Some("POST"));
    let missing = api.send(api.form("/oauth/introspect", &[]).bearer_auth(WEB.key)).await;
    missing.expect_error(400, "invalid_request");
}

/// Requirement INTROSPECT-2.
#[tokio::test]
async fn expired_ended_foreign_malformed_and_truncated_tokens_are_inactive() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let (access, refresh) = (Craft::access(&tokens.access), Craft::refresh(&tokens.refresh));
    for craft in [access, refresh] {
        for (name, value) in [
            ("exp", json!(1_000_000_000)),
            ("iss", json!("https://other.example.test")),
            ("sub", json!("bob")),
            ("sid", json!("4830719265501837429")),
            ("nbf", json!(9_999_999_999_u64)),
        ] {
            assert!(!is_active(&api, &craft.clone().claim(name, value).sign()).await, "{name}");
        }
        assert!(is_active(&api, &craft.sign()).await, "refused for no other reason");
        assert!(!is_active(&api, &craft.sign()[1..]).await);
        assert!(!is_active(&api, craft.sign().trim_end_matches(|c| c != '.')).await);
    }
    for nonsense in ["x", "a.b.c", &"x".repeat(10_000)] {
        assert!(!is_active(&api, nonsense).await);
    }
    assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    for token in [&tokens.access, &tokens.refresh] {
        assert!(!is_active(&api, token).await, "its session has ended");
    }
}

/// Requirement INTROSPECT-3.
#[tokio::test]
async fn a_rotated_refresh_token_is_inactive_and_asking_neither_rotates_nor_raises_the_alarm() {
    let redis = Redis::start();
    let gateways = [GATEWAY.start(&redis), GATEWAY.start(&redis)];
    let [api, other] = gateways.each_ref().map(Gateway::api);
    let old = api.login("alice").await;
    let new = api.refresh(&old.refresh).await.tokens();
    let record = |fields: &[&str]| {
        let key = format!("tg:{{alice}}:session:{}", new.session);
        redis.ask::<Vec<String>>(&[&["HMGET", key.as_str()], fields].concat())
    };
    let fields = ["state", "jti", "gen", "prev", "rotated_at"];
    let (before, expiry) = (
        record(&fields),
        redis.ask::<i64>(&["PEXPIRETIME", &format!("tg:{{alice}}:session:{}", new.session)]),
    );
    for _ in 0..3 {
        assert!(!is_active(&other, &old.refresh).await);
        assert!(is_active(&other, &new.refresh).await);
        assert!(
            is_active(&other, &old.access).await,
            "an access token lives until it expires or its session ends"
        );
    }
    assert_eq!(record(&fields), before, "asking changes nothing");
    assert_eq!(redis.ask::<i64>(&["PEXPIRETIME", &format!("tg:{{alice}}:session:{}", new.session)]), expiry);
    api.refresh(&new.refresh).await.tokens();
    assert_eq!(other.me(Method::DELETE, "", &new.access).await.status, 200);
    assert!(!is_active(&api, &new.access).await, "at once on the other node");
}

#[tokio::test]
async fn not_knowing_is_503_and_never_inactive() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    redis.stop();
    for token in [&tokens.access, &tokens.refresh] {
        let request = api.form("/oauth/introspect", &[("token", token)]).bearer_auth(WEB.key);
        api.send(request).await.expect_error(503, "temporarily_unavailable");
    }
}

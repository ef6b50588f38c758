//! `/verify`: the question of a reverse proxy before it lets a request through.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::{Answer, Api, decided};
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;

use super::craft::Craft;
use crate::GATEWAY;

/// As a proxy does with the header of the user's request.
async fn verify(api: &Api, method: Method, path: &str, token: &str) -> Answer {
    decided(|| api.send(api.request(method.clone(), path).bearer_auth(token))).await
}

fn identity(answer: &Answer) -> [Option<&str>; 4] {
    ["x-auth-subject", "x-auth-session", "x-auth-client", "x-auth-scope"].map(|name| answer.header(name))
}

#[tokio::test]
async fn whose_request_it_is_is_told_in_headers_whatever_the_method_and_the_path() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let body = json!({"sub": "Zo\u{eb} {1}", "client_id": "the app", "scope": "a:read b"});
    let (named, plain) = (api.issue(&body).await.tokens(), api.login("alice").await);
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        for path in ["/verify", "/verify/", "/verify/orders/1?x=%zz", "/verify?access_token=other"] {
            let answer = verify(&api, method.clone(), path, &named.access).await;
            assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
            let expected = ["Zo%C3%AB%20%7B1%7D", &named.session, "the app", "a:read b"];
            assert_eq!(identity(&answer), expected.map(Some));
            assert_eq!((answer.text.as_str(), answer.header("cache-control")), ("", Some("no-store")));
        }
    }
    let answer = verify(&api, Method::GET, "/verify", &plain.access).await;
    assert_eq!(identity(&answer), [Some("alice"), Some(plain.session.as_str()), Some("web"), None]);
}

/// A reader that decodes forms would make `john doe` of a bare `+`. Keys, feed and paths keep it, because they are in use.
#[tokio::test]
async fn a_plus_in_a_subject_is_encoded_in_the_header_and_nowhere_else() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("john+doe").await;
    let answer = verify(&api, Method::GET, "/verify", &tokens.access).await;
    assert_eq!(answer.header("x-auth-subject"), Some("john%2Bdoe"));
    let key = format!("tg:{{john+doe}}:session:{}", tokens.session);
    assert!(redis.ask::<bool>(&["EXISTS", &key]), "the key has the bare form");
    assert_eq!(api.user(Method::GET, "john+doe", "").await.sessions(), [tokens.session.as_str()]);
    assert_eq!(api.user(Method::GET, "john%2Bdoe", "").await.sessions(), [tokens.session.as_str()]);
    assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    let feed = redis.ask::<Vec<(String, Vec<String>)>>(&["XRANGE", "tg:revocations", "-", "+"]);
    assert!(feed.iter().any(|(_, fields)| fields.iter().any(|field| field == "john+doe")), "{feed:?}");
}

#[tokio::test]
async fn an_issuer_with_a_path_has_it_below_that_path_too() {
    let gateway = GATEWAY.embedded_with(&[("ISSUER", "https://auth.example.test/tenant")]);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    for path in ["/tenant/verify", "/tenant/verify/orders/1", "/verify"] {
        assert_eq!(verify(&api, Method::PUT, path, &tokens.access).await.status, 200, "{path}");
        verify(&api, Method::PUT, path, "bad").await.expect_error(401, "invalid_token");
    }
    assert_eq!(verify(&api, Method::GET, "/tenant", &tokens.access).await.status, 404);
}

/// Requirement ACCESS-10.
#[tokio::test]
async fn what_is_no_good_access_token_for_this_audience_is_refused() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (tokens, ended) = (api.login("alice").await, api.login("alice").await);
    let elsewhere = api.issue(&json!({"sub": "alice", "aud": "shop"})).await.tokens();
    assert_eq!(api.revoke(&ended.refresh).await.status, 200);
    let expired = Craft::access(&tokens.access).claim("exp", json!(1)).sign();
    let unspeakable = Craft::access(&tokens.access).claim("scope", json!("a\nX-Auth-Subject: root")).sign();
    let bad = ["bad", "", &tokens.refresh, &elsewhere.access, &expired, &unspeakable, &ended.access];
    for token in bad {
        let answer = verify(&api, Method::GET, "/verify", token).await;
        answer.expect_error(401, "invalid_token");
        assert!(answer.header("www-authenticate").is_some_and(|it| it.contains("invalid_token")));
        assert_eq!(identity(&answer), [None; 4]);
    }
    let none = api.send(api.request(Method::GET, "/verify").header("Cookie", &tokens.access)).await;
    none.expect_error(401, "invalid_token");
    assert_eq!(none.header("www-authenticate"), Some(r#"Bearer realm="token-gateway""#));
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200, "a refresh token is not used up by it");
}

/// All scopes of the question count together: if a client's query reaches the gateway, the client can only ask for
/// more.
#[tokio::test]
async fn a_scope_that_is_asked_for_must_be_there_to_the_letter() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let scoped = api.issue(&json!({"sub": "alice", "scope": "orders:read orders:write"})).await.tokens();
    let plain = api.login("alice").await;
    for (query, token, status) in [
        ("scope=orders:read", &scoped, 200),
        ("scope=orders%3Aread+orders:write", &scoped, 200),
        ("scope=orders:read&scope=orders:write", &scoped, 200),
        ("scope=orders:read", &plain, 403),
        ("scope=orders", &scoped, 403),
        ("scope=ORDERS:READ", &scoped, 403),
        ("scope=orders:read&scope=admin", &scoped, 403),
        ("scope=admin&scope=orders:read", &scoped, 403),
        ("scope=", &scoped, 403),
        ("scope=%ff", &scoped, 403),
    ] {
        let answer = verify(&api, Method::GET, &format!("/verify?{query}"), &token.access).await;
        assert_eq!(answer.status, status, "{query}: {answer:?}");
        if status == 403 {
            answer.expect_error(403, "insufficient_scope");
            assert!(answer.header("www-authenticate").is_some_and(|it| it.contains("insufficient_scope")));
        }
    }
}

/// Requirement ACCESS-12.
#[tokio::test]
async fn what_a_proxy_says_of_the_request_changes_nothing() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for (token, status) in [(api.login("alice").await.access, 200), ("bad".to_owned(), 401)] {
        for (name, value) in [
            ("X-Forwarded-Uri", "/livez"),
            ("X-Forwarded-Method", "OPTIONS"),
            ("X-Forwarded-Host", "localhost"),
            ("X-Original-URL", "/docs"),
            ("X-Auth-Subject", "root"),
        ] {
            let request = || api.request(Method::GET, "/verify").bearer_auth(&token).header(name, value);
            let answer = decided(|| api.send(request())).await;
            assert_eq!(answer.status, status, "{name}: {answer:?}");
            assert_ne!(answer.header("x-auth-subject"), Some("root"));
        }
    }
}

#[tokio::test]
async fn a_logout_on_one_node_is_known_to_all_and_redis_is_not_asked() {
    let redis = Redis::start();
    let (here, there) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    let (api, other) = (here.api(), there.api());
    let (stays, goes) = (api.login("alice").await, api.login("alice").await);
    for api in [&api, &other] {
        assert_eq!(verify(api, Method::GET, "/verify", &goes.access).await.status, 200);
    }
    let before = redis.calls("evalsha");
    for _ in 0..20 {
        assert_eq!(verify(&other, Method::GET, "/verify", &stays.access).await.status, 200);
    }
    assert_eq!(redis.calls("evalsha"), before);
    assert_eq!(api.revoke(&goes.refresh).await.status, 200);
    eventually("the other node has heard of it", Duration::from_secs(5), async || {
        (verify(&other, Method::GET, "/verify", &goes.access).await.status == 401).then_some(())
    })
    .await;
    assert_eq!(verify(&other, Method::GET, "/verify", &stays.access).await.status, 200);
}

/// The signed token proves there was such a session, and its access tokens are still about.
#[tokio::test]
async fn a_logout_from_a_session_whose_record_is_lost_is_known_to_all() {
    let redis = Redis::start();
    let (here, there) = (GATEWAY.start(&redis), GATEWAY.start(&redis));
    let (api, other) = (here.api(), there.api());
    let tokens = api.login("alice").await;
    assert_eq!(verify(&other, Method::GET, "/verify", &tokens.access).await.status, 200);
    let record = format!("tg:{{alice}}:session:{}", tokens.session);
    assert_eq!(redis.ask::<u64>(&["DEL", &record, "tg:{alice}:sessions"]), 2);
    assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    eventually("the other node has heard of it", Duration::from_secs(5), async || {
        (verify(&other, Method::GET, "/verify", &tokens.access).await.status == 401).then_some(())
    })
    .await;
}

/// A node's own attempt to publish is not an event from the feed.
#[tokio::test]
async fn a_logout_from_such_a_session_that_could_not_be_published_is_503_and_published_when_it_is_repeated() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let record = format!("tg:{{alice}}:session:{}", tokens.session);
    assert_eq!(redis.ask::<u64>(&["DEL", &record, "tg:{alice}:sessions"]), 2);
    redis.ask::<String>(&["SET", "tg:revocations", "no stream"]);
    api.revoke(&tokens.refresh).await.expect_error(503, "temporarily_unavailable");
    assert_eq!(redis.ask::<u64>(&["DEL", "tg:revocations"]), 1);
    assert_eq!(api.revoke(&tokens.refresh).await.status, 200);
    assert_eq!(redis.ask::<u64>(&["XLEN", "tg:revocations"]), 1);
}

/// Closed by default.
#[tokio::test]
async fn with_redis_gone_tokens_are_refused_or_accepted_as_was_configured_once_the_feed_is_stale() {
    let mut redis = Redis::start();
    let stale = ("VERIFY_MAX_STALE_SECONDS", "2");
    let strict = GATEWAY.start_with(&redis, &[stale]);
    let lenient = GATEWAY.start_with(&redis, &[stale, ("VERIFY_WHEN_STALE", "accept")]);
    let tokens = strict.api().login("alice").await;
    for node in [&strict, &lenient] {
        assert_eq!(verify(&node.api(), Method::GET, "/verify", &tokens.access).await.status, 200);
    }
    redis.stop();
    let once = async |node: &Gateway, token: &str| {
        let api = node.api();
        api.send(api.request(Method::GET, "/verify").bearer_auth(token)).await
    };
    let refused = eventually("it is stale", Duration::from_secs(10), async || {
        let answer = once(&strict, &tokens.access).await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    refused.expect_error(503, "temporarily_unavailable");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(once(&lenient, &tokens.access).await.status, 200);
    assert_eq!(once(&lenient, "bad").await.status, 401);
    redis.run();
    assert_eq!(verify(&strict.api(), Method::GET, "/verify", &tokens.access).await.status, 200);
}

/// A node knows of no logout until it has read the feed.
#[tokio::test]
async fn before_the_feed_was_read_there_is_no_verdict() {
    let mut redis = Redis::start();
    let first = GATEWAY.start(&redis);
    let tokens = first.api().login("alice").await;
    redis.stop();
    let node = GATEWAY.start_with(&redis, &[]);
    let api = node.api();
    let answer = api.send(api.request(Method::GET, "/verify").bearer_auth(&tokens.access)).await;
    answer.expect_error(503, "temporarily_unavailable");
}

//! `POST /oauth/token`: requests, answers, errors (RFC 6749 sections 3.2, 5.1, 5.2 and 6).

use std::ops::RangeInclusive;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api, claims, fresh_key};

use crate::GATEWAY;

/// The error codes of RFC 6749 section 5.2.
const ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// Sends a raw form body.
async fn raw(api: &Api, body: impl Into<reqwest::Body>) -> Answer {
    api.send(api.raw_form("/oauth/token", body)).await
}

fn check_lifetime(json: &Value, token: &str, field: &str, expected: RangeInclusive<u64>) {
    let claims = claims(json[token].as_str().unwrap());
    let stated = json[field].as_u64().unwrap_or_else(|| panic!("no JSON number: {json}"));
    let signed = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert!(stated.abs_diff(signed) <= 1, "{field} says {stated}, the token {signed}");
    assert!(expected.contains(&stated), "{field} is {stated}");
}

/// Requirement TOKEN-3.
#[tokio::test]
async fn numbers_are_json_numbers_and_match_exp_minus_iat() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let login = api.issue(&json!({"sub": "alice"})).await;
    let refresh = api.refresh(&login.tokens().refresh).await;
    for json in [login.json(), refresh.json()] {
        check_lifetime(&json, "access_token", "expires_in", 899..=900);
        check_lifetime(&json, "refresh_token", "refresh_expires_in", 604_799..=604_800);
        assert_eq!(json["token_type"], "Bearer");
    }
    assert_ne!(login.json()["access_token"], refresh.json()["access_token"]);
    assert_ne!(login.json()["refresh_token"], refresh.json()["refresh_token"]);
    assert_eq!(login.json()["session_id"], refresh.json()["session_id"]);
}

/// Requirement TOKEN-4.
#[tokio::test]
async fn errors_are_registered_codes_in_the_registered_characters() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let known = api.login("alice").await.refresh;
    let bodies = [
        (String::new(), "invalid_request"),
        ("grant_type=refresh_token".into(), "invalid_request"),
        (format!("refresh_token={known}"), "invalid_request"),
        (format!("grant_type=password&refresh_token={known}"), "unsupported_grant_type"),
        (format!("grant_type=Refresh_Token&refresh_token={known}"), "unsupported_grant_type"),
        ("grant_type=refresh_token&refresh_token=x".into(), "invalid_grant"),
        (format!("grant_type=refresh_token&refresh_token={known}&scope=root"), "invalid_scope"),
        ("%22%5C%C3%A9%0A%7F=1&%22%5C%C3%A9%0A%7F=2".into(), "invalid_request"),
    ];
    for (body, error) in bodies {
        let answer = raw(&api, body).await;
        answer.expect_error(400, error);
        assert!(ERRORS.contains(&error));
    }
    assert_eq!(api.refresh(&known).await.status, 200);
}

#[tokio::test]
async fn the_media_type_may_have_parameters_and_any_case() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    let request = api.request(Method::POST, "/oauth/token").body(body);
    let answer =
        api.send(request.header(CONTENT_TYPE, "Application/X-WWW-form-urlencoded; charset=UTF-8")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Requirement TOKEN-15.
#[tokio::test]
async fn malformed_bodies_are_our_json_and_4xx() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    let as_json = json!({"grant_type": "refresh_token", "refresh_token": token}).to_string();
    let form = |value: &[u8]| [b"grant_type=refresh_token&refresh_token=", value].concat();
    for (body, status) in [
        (as_json.clone().into_bytes(), 400),
        (form(b"%zz%"), 400),
        (form(b"%"), 400),
        (form(b"a%00b"), 400),
        (form(b"a\0b"), 400),
        (form(b"\xff\xfe"), 400),
        (form(b"%ff%fe"), 400),
        (b"\xff\xfe\x00=&=&&&".to_vec(), 400),
        (vec![b'a'; 17 * 1024], 413),
        ((0..40).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&").into_bytes(), 400),
    ] {
        let answer = raw(&api, body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(ERRORS.contains(&answer.json()["error"].as_str().unwrap()), "{answer:?}");
    }
    let json_body = api.request(Method::POST, "/oauth/token").body(as_json);
    let without_type = api.request(Method::POST, "/oauth/token").body(form(token.as_bytes()));
    api.send(json_body.header(CONTENT_TYPE, "application/json")).await.expect_error(415, "invalid_request");
    api.send(without_type).await.expect_error(415, "invalid_request");
    assert_eq!(api.refresh(&token).await.status, 200);
}

/// Requirement TOKEN-15.
#[tokio::test]
async fn a_body_of_1_mib_is_refused_with_413() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let mut body = b"grant_type=refresh_token&refresh_token=".to_vec();
    body.resize(1024 * 1024, b'a');
    raw(&api, body).await.expect_error(413, "invalid_request");
    assert_eq!(api.issue(&json!({"sub": "alice"})).await.status, 201);
}

/// Requirement TOKEN-12.
#[tokio::test]
async fn a_refresh_token_with_any_character_changed_is_invalid_grant() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    for (at, original) in token.char_indices() {
        for other in ['A', 'B', '.'].into_iter().filter(|other| *other != original).take(2) {
            let mut changed = token.clone();
            changed.replace_range(at..=at, other.encode_utf8(&mut [0; 4]));
            api.refresh(&changed).await.expect_error(400, "invalid_grant");
        }
    }
    assert_eq!(api.refresh(&token).await.status, 200);
}

/// Requirement TOKEN-12.
#[tokio::test]
async fn a_refresh_token_whose_last_character_is_any_other_is_invalid_grant() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    let (start, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.";
    for other in alphabet.chars().filter(|other| !last.contains(*other)) {
        api.refresh(&format!("{start}{other}")).await.expect_error(400, "invalid_grant");
    }
    assert_eq!(api.refresh(&token).await.status, 200);
}

/// Requirement TOKEN-12.
#[tokio::test]
async fn a_refresh_token_cut_at_any_length_is_invalid_grant() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    for length in 1..token.len() {
        api.refresh(&token[..length]).await.expect_error(400, "invalid_grant");
        api.refresh(&token[length..]).await.expect_error(400, "invalid_grant");
    }
    assert_eq!(api.refresh(&token).await.status, 200);
}

#[tokio::test]
async fn an_idempotency_key_outside_16_to_255_characters_or_given_twice_is_refused_by_name() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    let long = "k".repeat(256);
    for key in ["", "fifteen-chars-x", "tab\tinside-this-key", &long] {
        let answer = api.refresh_as(&token, key).await;
        answer.expect_error(400, "invalid_request");
        assert!(answer.text.contains("Idempotency-Key"), "{answer:?}");
    }
    let key = fresh_key();
    let twice = api.refresh_request(&token).header("Idempotency-Key", &key).header("Idempotency-Key", &key);
    let answer = api.send(twice).await;
    answer.expect_error(400, "invalid_request");
    assert!(answer.text.contains("Idempotency-Key"), "{answer:?}");
    let second = api.refresh_as(&token, &"k".repeat(255)).await.tokens();
    assert_eq!(api.refresh_as(&second.refresh, &"k".repeat(16)).await.status, 200);
}

/// Requirement TOKEN-11.
#[tokio::test]
async fn scope_on_refresh_narrows_and_widens_back_but_never_beyond_what_was_granted() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let login = api.issue(&json!({"sub": "alice", "scope": "read write"})).await;
    assert_eq!(login.json()["scope"], "read write");
    let mut token = login.tokens().refresh;
    for (asked, granted) in
        [("read", "read"), ("", "read write"), ("write read", "write read"), ("", "read write")]
    {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", asked)];
        let answer = api.send(api.form("/oauth/token", &form)).await;
        assert_eq!(answer.json()["scope"], granted, "{answer:?}");
        assert_eq!(claims(&answer.tokens().access)["scope"], granted);
        token = answer.tokens().refresh;
    }
    for wider in ["read admin", "admin", "Read", "read write admin"] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", wider)];
        api.send(api.form("/oauth/token", &form)).await.expect_error(400, "invalid_scope");
    }
    assert_eq!(api.refresh(&token).await.json()["scope"], "read write");
}

#[tokio::test]
async fn a_malformed_scope_is_invalid_scope() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.issue(&json!({"sub": "alice", "scope": "read write"})).await.tokens().refresh;
    for malformed in ["read  write", " read", "read\"", "re\\ad", "r\u{e9}ad", &"x".repeat(2000)] {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", malformed)];
        api.send(api.form("/oauth/token", &form)).await.expect_error(400, "invalid_scope");
    }
    assert_eq!(api.refresh(&token).await.status, 200);
}

#[tokio::test]
async fn a_session_without_scope_answers_none_and_cannot_gain_any() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let login = api.issue(&json!({"sub": "alice"})).await;
    assert_eq!(login.json().get("scope"), None);
    let token = login.tokens().refresh;
    let form = [("grant_type", "refresh_token"), ("refresh_token", &token), ("scope", "read")];
    api.send(api.form("/oauth/token", &form)).await.expect_error(400, "invalid_scope");
    let refreshed = api.refresh(&token).await;
    assert_eq!(refreshed.json().get("scope"), None);
    assert_eq!(claims(&refreshed.tokens().access).get("scope"), None);
}

#[tokio::test]
async fn claims_survive_every_refresh() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let carried =
        json!({"role": "admin", "name": "Zo\u{eb} \u{1f98a}\n\"", "tree": {"a": [1, 2.5, null, true]}});
    let mut tokens = api.issue(&json!({"sub": "alice", "claims": carried, "aud": "billing"})).await.tokens();
    for generation in 1..=5 {
        tokens = api.refresh(&tokens.refresh).await.tokens();
        let (access, refresh) = (claims(&tokens.access), claims(&tokens.refresh));
        for (name, value) in carried.as_object().unwrap() {
            assert_eq!(&access[name], value, "generation {generation}");
            assert_eq!(refresh.get(name), None, "the refresh token carries no claims");
        }
        assert_eq!((&access["aud"], &access["sub"]), (&json!("billing"), &json!("alice")));
        assert_eq!(refresh["gen"], generation);
    }
}

#[tokio::test]
async fn a_request_that_asks_for_an_upgrade_is_answered_at_once() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let login = api.login("alice").await;
    let request = api.refresh_request(&login.refresh);
    let request = request.header("Connection", "Upgrade").header("Upgrade", "websocket");
    let answer = api.send(request.timeout(std::time::Duration::from_secs(5))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn two_content_types_are_refused() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let request = api.refresh_request("x").header(CONTENT_TYPE, "application/json");
    let answer = api.send(request).await;
    answer.expect_error(400, "invalid_request");
    assert!(answer.text.contains("Content-Type"), "{answer:?}");
}

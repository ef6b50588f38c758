//! `POST /v1/sessions`. Its traces in Redis are in `state`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api, claims, read};
use token_gateway_testkit::gateway::ISSUER;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::{ISSUE_ONLY, WEB};

use crate::GATEWAY;

const PATH: &str = "/v1/sessions";

async fn raw(api: &Api, body: impl Into<reqwest::Body>) -> Answer {
    let request = api.service(Method::POST, PATH).header(CONTENT_TYPE, "application/json");
    api.send(request.body(body)).await
}

/// Demands a 400 with the name of the field.
async fn refuses(api: &Api, field: &str, body: &Value) {
    let answer = api.issue(body).await;
    assert_eq!(answer.status, 400, "{body}: {answer:?}");
    answer.expect_error(400, "invalid_request");
    let description = answer.json()["error_description"].as_str().unwrap().to_owned();
    assert!(description.contains(&format!("'{field}'")), "{field} is not named: {description}");
}

#[tokio::test]
async fn a_login_is_201_with_a_pair_of_tokens_and_its_session_id() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let body = json!({
        "sub": "alice@example.com", "claims": {"role": "admin"}, "client_id": "mobile", "scope": "read write",
        "aud": "billing", "client": {"ip": "2001:db8::1", "user_agent": "test/1", "label": "Zo\u{eb}"},
    });
    let answer = api.issue(&body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let json = answer.json();
    let mut names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "access_token",
        "expires_in",
        "refresh_expires_in",
        "refresh_token",
        "scope",
        "session_id",
        "token_type",
    ];
    assert_eq!(names, expected);
    let session = answer.tokens().session;
    assert!(session.len() == 19 && session.parse::<i64>().is_ok(), "{session}");
    assert_ne!(api.login("alice@example.com").await.session, session);
}

#[tokio::test]
async fn the_access_token_says_what_the_login_said() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let body = json!({"sub": "alice", "claims": {"role": "admin"}, "client_id": "mobile", "scope": "read", "aud": "billing"});
    let tokens = api.issue(&body).await.tokens();
    let (header, access) = read(&tokens.access);
    assert_eq!(header, json!({"typ": "at+jwt", "alg": "HS256"}));
    for (name, value) in [
        ("iss", ISSUER),
        ("sub", "alice"),
        ("aud", "billing"),
        ("client_id", "mobile"),
        ("scope", "read"),
        ("type", "access"),
        ("role", "admin"),
        ("sid", &tokens.session),
    ] {
        assert_eq!(access[name], value, "{access}");
    }
    assert_eq!(access.as_object().unwrap().len(), 11, "{access}");
    let (header, refresh) = read(&tokens.refresh);
    assert_eq!(header, json!({"typ": "rt+jwt", "alg": "HS256"}));
    for (name, value) in
        [("iss", ISSUER), ("aud", ISSUER), ("sub", "alice"), ("type", "refresh"), ("sid", &tokens.session)]
    {
        assert_eq!(refresh[name], value, "{refresh}");
    }
    let (sid, own) = refresh["jti"].as_str().unwrap().split_once('.').unwrap();
    assert_eq!((sid, own.len(), &refresh["gen"]), (tokens.session.as_str(), 22, &json!(0)));
}

#[tokio::test]
async fn what_is_left_out_has_defaults() {
    let gateway = GATEWAY.embedded_with(&[("AUDIENCE", "everything")]);
    let api = gateway.api();
    for body in [
        json!({"sub": "alice"}),
        json!({"sub": "alice", "claims": null, "client": null, "client_id": null, "scope": null, "aud": null}),
        json!({"sub": "alice", "claims": {}, "client": {}, "client_id": "", "scope": "", "aud": ""}),
    ] {
        let access = claims(&api.issue(&body).await.tokens().access);
        assert_eq!((&access["aud"], &access["client_id"]), (&json!("everything"), &json!("web")));
        assert_eq!(access.get("scope"), None);
    }
}

#[tokio::test]
async fn an_invalid_subject_is_refused_by_name() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for sub in ["", ".", "..", "a\nb", "a\u{0}b", "\u{7f}", "\u{85}", &"x".repeat(256), &"\u{e9}".repeat(128)]
    {
        refuses(&api, "sub", &json!({"sub": sub})).await;
    }
    for sub in [json!(1), json!(null), json!(["a"]), json!({"a": 1}), json!(true)] {
        refuses(&api, "sub", &json!({"sub": sub})).await;
    }
    refuses(&api, "sub", &json!({})).await;
    for sub in ["x", "...", " ", &"x".repeat(255), "\u{1f98a}", "a/b?c#d%e{f}"] {
        let tokens = api.issue(&json!({"sub": sub})).await.tokens();
        assert_eq!(claims(&tokens.access)["sub"], sub);
    }
}

/// Go's `encoding/json` takes `Sub` for `sub`, by Unicode's simple case folding, and the last of both counts.
#[tokio::test]
async fn a_claim_that_reads_as_a_reserved_one_where_case_is_ignored_is_refused() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let session = api.login("alice").await.session;
    for (name, shown, reserved) in [
        ("Sub", "Sub", "sub"),
        ("EXP", "EXP", "exp"),
        ("Scope", "Scope", "scope"),
        ("Client_Id", "Client_Id", "client_id"),
        ("\u{17f}ub", "%C5%BFub", "sub"),
    ] {
        let problem = format!(
            "'claims.{shown}' is reserved: readers that ignore case take it for '{reserved}', which the gateway sets"
        );
        let body = json!({"sub": "alice", "claims": {"role": "a", name: 1}});
        let patch = api.service(Method::PATCH, &format!("/v1/users/alice/sessions/{session}"));
        let patched = api.send(patch.json(&json!({"claims": {name: 1}}))).await;
        for answer in [api.issue(&body).await, patched] {
            answer.expect_error(400, "invalid_request");
            assert_eq!(answer.json()["error_description"], problem);
        }
    }
    let nested = json!({"sub": "alice", "claims": {"profile": {"Sub": 1}}});
    assert_eq!(api.issue(&nested).await.status, 201);
}

/// Sessions of builds before 0.1.0 may hold such claims. They go on, and the gateway's own claims have the last word.
#[tokio::test]
async fn a_stored_claim_with_a_name_that_is_reserved_now_is_kept_and_stands_before_ours() {
    let redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let key = format!("tg:{{alice}}:session:{}", tokens.session);
    let stored = r#"{"Exp":9999999999,"Sub":"mallory","act":{"sub":"x"},"role":"admin"}"#;
    redis.ask::<()>(&["HSET", &key, "claims", stored]);
    let access = api.refresh(&tokens.refresh).await.tokens().access;
    assert_eq!((&claims(&access)["act"], &claims(&access)["sub"]), (&json!({"sub": "x"}), &json!("alice")));
    let payload = URL_SAFE_NO_PAD.decode(access.split('.').nth(1).expect("a payload")).expect("base64url");
    let payload = String::from_utf8(payload).expect("text");
    let members = &stored[1..stored.len() - 1];
    assert!(payload.starts_with(&format!("{{{members},\"iss\":")), "{payload}");
    let last = |name: &str| payload.to_lowercase().rfind(&format!("\"{name}\":")).expect("it is there");
    for own in ["iss", "type", "aud", "exp", "iat", "sid", "client_id", "jti"] {
        assert!(last(own) > members.len(), "{own}: {payload}");
    }
    assert!(payload.contains(r#""sub":"alice""#), "{payload}");
}

#[tokio::test]
async fn invalid_claims_are_refused_by_name() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let reserved =
        ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "gen", "type", "client_id", "scope", "cnf"];
    for name in reserved.into_iter().chain(["act", "acr", "amr", "auth_time", "ref"]) {
        refuses(&api, &format!("claims.{name}"), &json!({"sub": "a", "claims": {name: 1}})).await;
    }
    let sized = |len: usize| json!({"sub": "a", "claims": {"k": "x".repeat(len - 8)}});
    let nested = |levels: usize| {
        let inner = (1..levels).fold(json!(1), |inner, _| json!({"k": inner}));
        json!({"sub": "a", "claims": {"k": inner}})
    };
    refuses(&api, "claims", &sized(2049)).await;
    refuses(&api, "claims", &nested(9)).await;
    for value in [json!("text"), json!([]), json!(1), json!(true)] {
        refuses(&api, "claims", &json!({"sub": "a", "claims": value})).await;
    }
    for good in [sized(2048), nested(8), json!({"sub": "a", "claims": {"Subject": 1, "roles": [], "": 1}})] {
        assert_eq!(api.issue(&good).await.status, 201, "{good}");
    }
}

#[tokio::test]
async fn claims_that_only_grow_too_large_when_escaped_are_refused() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    refuses(&api, "claims", &json!({"sub": "a", "claims": {"k": "\u{e9}".repeat(400)}})).await;
    assert_eq!(api.issue(&json!({"sub": "a", "claims": {"k": "\u{e9}".repeat(300)}})).await.status, 201);
}

#[tokio::test]
async fn other_invalid_fields_are_refused_by_name() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let long = "x".repeat(256);
    for (field, value) in [
        ("client_id", json!(long)),
        ("client_id", json!("a\nb")),
        ("client_id", json!("\u{e9}")),
        ("client_id", json!(1)),
        ("aud", json!(ISSUER)),
        ("aud", json!(long)),
        ("aud", json!("a\nb")),
        ("scope", json!("read  write")),
        ("scope", json!(" read")),
        ("scope", json!("a\"b")),
        ("scope", json!("x".repeat(1025))),
        ("scope", json!(["read"])),
        ("client", json!("phone")),
        ("client", json!([])),
        ("client", json!(["192.0.2.1", "test/1", "phone"])),
        ("unknown", json!(1)),
        ("Sub", json!("alice")),
    ] {
        refuses(&api, field, &json!({"sub": "alice", field: value})).await;
    }
    for (field, client) in [
        ("client.ip", json!({"ip": 1})),
        ("client.user_agent", json!({"user_agent": 5})),
        ("client.os", json!({"os": "x"})),
    ] {
        refuses(&api, field, &json!({"sub": "alice", "client": client})).await;
    }
    assert!(api.user(Method::GET, "alice", "").await.sessions().is_empty());
}

#[tokio::test]
async fn a_field_given_twice_is_refused_by_name() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for (field, body) in [
        ("sub", r#"{"sub":"alice","sub":"bob"}"#),
        ("aud", r#"{"sub":"alice","aud":"a","aud":"b"}"#),
        ("label", r#"{"sub":"alice","client":{"label":"a","label":"b"}}"#),
    ] {
        let answer = raw(&api, body).await;
        answer.expect_error(400, "invalid_request");
        assert!(answer.text.contains(&format!("{field}'")), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_absent_or_no_single_json_object_is_refused() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for body in [
        "",
        " ",
        "null",
        "[]",
        "\"alice\"",
        "1",
        "{",
        r#"{"sub":"alice""#,
        r#"{"sub":"alice"} {}"#,
        r#"{"sub":"alice"}x"#,
        r#"{"sub":"alice",}"#,
        r#"{'sub':'alice'}"#,
        "sub=alice",
        r#"["alice"]"#,
        r#"["alice",null,null,null,null,null]"#,
    ] {
        let answer = raw(&api, body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        answer.expect_error(400, "invalid_request");
    }
    raw(&api, b"{\"sub\":\"al\xffice\"}".to_vec()).await.expect_error(400, "invalid_request");
    raw(&api, r#"{"sub":"\ud800"}"#).await.expect_error(400, "invalid_request");
    raw(&api, "[".repeat(10_000)).await.expect_error(400, "invalid_request");
    assert_eq!(raw(&api, " {\"sub\" : \"alice\"}\n").await.status, 201);
}

#[tokio::test]
async fn a_wrong_media_type_is_415_and_a_body_above_16_kib_is_413() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let body = r#"{"sub":"alice"}"#;
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", ""] {
        let request = api.service(Method::POST, PATH).header(CONTENT_TYPE, media_type).body(body);
        api.send(request).await.expect_error(415, "invalid_request");
    }
    api.send(api.service(Method::POST, PATH).body(body)).await.expect_error(415, "invalid_request");
    let utf8 = api.service(Method::POST, PATH).header(CONTENT_TYPE, "application/json; charset=utf-8");
    assert_eq!(api.send(utf8.body(body)).await.status, 201);
    let padded = |len: usize| format!("{body}{}", " ".repeat(len - body.len()));
    raw(&api, padded(17 * 1024)).await.expect_error(413, "invalid_request");
    raw(&api, padded(16 * 1024 + 1)).await.expect_error(413, "invalid_request");
    assert_eq!(raw(&api, padded(16 * 1024)).await.status, 201);
}

fn login_with(api: &Api, header: impl FnOnce(RequestBuilder) -> RequestBuilder) -> RequestBuilder {
    header(api.request(Method::POST, PATH)).json(&json!({"sub": "alice"}))
}

#[tokio::test]
async fn bearer_and_basic_credentials_both_work() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let basic = format!("basic {}", STANDARD.encode(format!("web:{}", WEB.key)));
    for value in [format!("Bearer {}", WEB.key), format!("bearer {}", WEB.key), basic] {
        let request = login_with(&api, |request| request.header("Authorization", value));
        assert_eq!(claims(&api.send(request).await.tokens().access)["client_id"], "web");
    }
}

#[tokio::test]
async fn a_bad_or_missing_key_is_401_with_a_challenge() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let encode = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let cut = &WEB.key[..WEB.key.len() - 1];
    let cases = [
        (format!("Bearer {cut}"), "Bearer"),
        (format!("Bearer {}x", WEB.key), "Bearer"),
        (format!("Bearer {}", WEB.key.to_uppercase()), "Bearer"),
        ("Bearer ".into(), ""),
        ("Bearer".into(), ""),
        (WEB.key.to_owned(), ""),
        (encode(&format!("issuer:{}", WEB.key)), "Basic"),
        (encode(&format!("web:{cut}")), "Basic"),
        (encode("web"), "Basic"),
        ("Basic !!!".into(), "Basic"),
    ];
    for (value, scheme) in cases {
        let answer = api.send(login_with(&api, |request| request.header("Authorization", &value))).await;
        answer.expect_error(401, "invalid_client");
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with(scheme), "{value} is answered with {challenge}");
    }
    let answer = api.send(login_with(&api, |request| request)).await;
    answer.expect_error(401, "invalid_client");
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="token-gateway""#));
}

#[tokio::test]
async fn two_authorization_headers_are_400_and_an_access_token_is_no_service_key() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let twice = login_with(&api, |request| request.bearer_auth(WEB.key).bearer_auth(WEB.key));
    let answer = api.send(twice).await;
    answer.expect_error(400, "invalid_request");
    assert!(answer.text.contains("Authorization"), "{answer:?}");
    let access = api.login("alice").await.access;
    api.send(login_with(&api, |request| request.bearer_auth(access)))
        .await
        .expect_error(401, "invalid_client");
    let query = api.request(Method::POST, &format!("{PATH}?access_token={}", WEB.key));
    api.send(query.json(&json!({"sub": "alice"}))).await.expect_error(401, "invalid_client");
}

#[tokio::test]
async fn a_service_without_the_role_is_403() {
    let manage = token_gateway::gateway::service_keys::NewServiceKey::generate(
        "support",
        &[token_gateway::gateway::service_keys::Role::Manage],
    )
    .unwrap();
    let gateway =
        GATEWAY.embedded_with(&[("SERVICE_KEYS", &format!("{},{}", manage.entry, ISSUE_ONLY.entry))]);
    let api = gateway.api();
    let by = |key: &str, method: Method, path: &str| api.request(method, path).bearer_auth(key);
    let login = by(&manage.key, Method::POST, PATH).json(&json!({"sub": "alice"}));
    let answer = api.send(login).await;
    answer.expect_error(403, "insufficient_scope");
    assert!(answer.text.contains("'issue'"), "{answer:?}");
    let login = by(ISSUE_ONLY.key, Method::POST, PATH).json(&json!({"sub": "alice"}));
    let session = api.send(login).await.tokens().session;
    for (method, path) in [
        (Method::GET, "/v1/users/alice/sessions".to_owned()),
        (Method::DELETE, "/v1/users/alice/sessions".to_owned()),
        (Method::PATCH, "/v1/users/alice/sessions".to_owned()),
        (Method::GET, format!("/v1/users/alice/sessions/{session}")),
        (Method::PATCH, format!("/v1/users/alice/sessions/{session}")),
        (Method::DELETE, format!("/v1/users/alice/sessions/{session}")),
    ] {
        let request = by(ISSUE_ONLY.key, method.clone(), &path).json(&json!({"claims": {}}));
        api.send(request).await.expect_error(403, "insufficient_scope");
    }
    let list = api.send(by(&manage.key, Method::GET, "/v1/users/alice/sessions")).await;
    assert_eq!(list.sessions(), [session]);
}

#[tokio::test]
async fn the_user_agent_is_cut_at_256_bytes_between_characters() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let cut = |text: String| {
        let api = api.clone();
        async move {
            let body = json!({"sub": "alice", "client": {"user_agent": text}});
            let session = api.issue(&body).await.tokens().session;
            let shown = api.user(Method::GET, "alice", &format!("/{session}")).await.json();
            shown["client"]["user_agent"].as_str().expect("a user agent").to_owned()
        }
    };
    assert_eq!(cut("x".repeat(256)).await, "x".repeat(256));
    assert_eq!(cut("x".repeat(300)).await, "x".repeat(256));
    assert_eq!(cut(format!("{}\u{e9}", "x".repeat(255))).await, "x".repeat(255));
    assert_eq!(cut("\u{1f98a}".repeat(100)).await, "\u{1f98a}".repeat(64));
}

#[tokio::test]
async fn one_session_too_many_ends_the_least_recently_refreshed() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("MAX_SESSIONS_PER_SUBJECT", "3")]);
    let api = gateway.api();
    let (a, b, c) = (api.login("alice").await, api.login("alice").await, api.login("alice").await);
    let a = api.refresh(&a.refresh).await.tokens();
    let d = api.login("alice").await;
    api.refresh(&b.refresh).await.expect_error(400, "invalid_grant");
    api.me(Method::GET, "", &b.access).await.expect_error(401, "invalid_token");
    let ended = api.user(Method::GET, "alice", &format!("/{}", b.session)).await.json();
    assert_eq!((&ended["state"], &ended["reason"]), (&json!("ended"), &json!("evicted")));
    let mut live = api.user(Method::GET, "alice", "").await.sessions();
    let mut expected = [&a, &c, &d].map(|tokens| tokens.session.clone());
    live.sort();
    expected.sort();
    assert_eq!(live, expected);
    let feed: Vec<(String, Vec<String>)> = redis.ask(&["XRANGE", "tg:revocations", "-", "+"]);
    assert_eq!(feed.len(), 1);
    assert_eq!(feed[0].1, ["sub", "alice", "sid", &b.session, "reason", "evicted"]);
    for tokens in [&a, &c, &d] {
        assert_eq!(api.refresh(&tokens.refresh).await.status, 200, "nobody else was logged out");
    }
}

#[tokio::test]
async fn any_method_but_post_is_405_with_allow() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = api.send(api.service(method, PATH)).await;
        answer.expect_error(405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
}

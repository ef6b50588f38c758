//! Access tokens as users show them: in the header, at `/v1/me`, and at `/verify`.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api, Tokens, decided, fresh_key, read};
use token_gateway_testkit::gateway::{Gateway, ISSUER, SIGNING_SECRET};
use token_gateway_testkit::service_key::WEB;

use super::craft::Craft;
use crate::GATEWAY;

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Demands that an access token is refused as RFC 6750 has it.
#[track_caller]
pub fn expect_refused(what: &str, answer: &Answer) {
    assert_eq!(answer.status, 401, "{what}: {answer:?}");
    answer.expect_error(401, "invalid_token");
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert_eq!(challenge, r#"Bearer realm="token-gateway", error="invalid_token""#, "{what}");
}

/// `/verify` must come to the same verdict.
pub async fn show(api: &Api, token: &str) -> Answer {
    let shown = api.me(Method::GET, "", token).await;
    let verified = decided(|| api.send(api.request(Method::GET, "/verify").bearer_auth(token))).await;
    assert_eq!(verified.status, shown.status, "{verified:?}");
    assert_eq!(verified.header("www-authenticate"), shown.header("www-authenticate"));
    shown
}

/// Requirement ACCESS-1.
#[tokio::test]
async fn every_access_token_is_an_at_jwt_with_the_claims_of_rfc_9068() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (login, key) = (api.issue(&json!({"sub": "alice", "client_id": "app"})).await.tokens(), fresh_key());
    let refreshed = api.refresh_as(&login.refresh, &key).await.tokens();
    let replayed = api.refresh_as(&login.refresh, &key).await.tokens();
    let next = api.refresh(&replayed.refresh).await.tokens();
    for Tokens { access, session, .. } in [&login, &refreshed, &replayed, &next] {
        let (header, claims) = read(access);
        assert_eq!(header["typ"], "at+jwt");
        for (name, value) in
            [("iss", ISSUER), ("aud", "api"), ("sub", "alice"), ("client_id", "app"), ("sid", session)]
        {
            assert_eq!(claims[name], value, "{claims}");
        }
        let (iat, exp) =
            (claims["iat"].as_u64().expect("a number"), claims["exp"].as_u64().expect("a number"));
        assert!(iat <= now() && exp == iat + 900, "{claims}");
        assert!(claims["jti"].as_str().is_some_and(|jti| !jti.is_empty()), "{claims}");
    }
    let jti = |tokens: &Tokens| read(&tokens.access).1["jti"].clone();
    assert!(jti(&login) != jti(&refreshed) && jti(&refreshed) != jti(&next), "an id names one token");
}

/// A named pipe, which blocks every reader for ever.
fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
}

/// Requirement ACCESS-4.
#[tokio::test]
async fn nothing_in_a_header_makes_the_gateway_look_elsewhere_for_a_key() {
    const THEIRS: &str = "a-secret-that-the-sender-chose-0123456789";
    let gateway = GATEWAY.embedded();
    let (api, dir) = (gateway.api(), tempfile::tempdir().expect("a folder"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("it can be asked without waiting");
    let url = format!("http://{}/keys", listener.local_addr().expect("bound"));
    let (file, fifo) = (dir.path().join("key"), dir.path().join("fifo"));
    std::fs::write(&file, THEIRS).expect("it can be written");
    pipe(&fifo);
    let (file, fifo) = (file.to_str().unwrap(), fifo.to_str().unwrap());
    let jwk = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(THEIRS), "alg": "HS256", "kid": "theirs"});
    let tokens = api.login("alice").await;
    for (name, value) in [
        ("jku", json!(url)),
        ("jku", json!(format!("file://{file}"))),
        ("jku", json!(format!("file://{fifo}"))),
        ("x5u", json!(url)),
        ("x5u", json!(format!("file://{fifo}"))),
        ("x5c", json!([STANDARD.encode(THEIRS)])),
        ("jwk", jwk),
        ("kid", json!(url)),
        ("kid", json!(file)),
        ("kid", json!(fifo)),
        ("kid", json!(format!("../../../../../../../..{file}"))),
        ("kid", json!(format!("x' UNION SELECT '{THEIRS}' --"))),
        ("kid", json!("k".repeat(5_000))),
        ("kid", json!("k".repeat(10_000))),
        ("kid", json!("")),
        ("kid", json!(null)),
    ] {
        let what = format!("{name} {value}");
        let theirs = |craft: Craft| craft.under(THEIRS).header(name, value.clone()).sign();
        expect_refused(&what, &show(&api, &theirs(Craft::access(&tokens.access))).await);
        let refresh = theirs(Craft::refresh(&tokens.refresh));
        api.refresh(&refresh).await.expect_error(400, "invalid_grant");
        assert_eq!(api.revoke(&refresh).await.status, 200);
    }
    assert_eq!(listener.accept().expect_err("nobody has called").kind(), ErrorKind::WouldBlock);
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200, "and nothing was ended");
}

/// A token of ours with `value` nested so deep.
fn deep(access: &Craft, levels: usize, value: &str) -> String {
    let nested = format!("{}{value}{}", "[".repeat(levels), "]".repeat(levels));
    let nest = |json: &Value| json.to_string().replace(value, &nested);
    Craft::raw(nest(&access.header).as_bytes(), nest(&access.claims).as_bytes(), SIGNING_SECRET)
}

fn monsters(access: &Craft) -> Vec<(&'static str, String)> {
    vec![
        ("1 MB", "a".repeat(1_000_000)),
        ("1 MB of dots", ".".repeat(1_000_000)),
        ("100,000 dots", ".".repeat(100_000)),
        ("12,000 dots", ".".repeat(12_000)),
        ("JSON 10,000 deep", deep(access, 10_000, "\"alice\"")),
        ("a header 10,000 deep", deep(access, 10_000, "\"HS256\"")),
        ("JSON 2,500 deep", deep(access, 2_500, "\"alice\"")),
        ("a header 2,500 deep", deep(access, 2_500, "\"HS256\"")),
        ("9 kB", access.clone().claim("pad", json!("x".repeat(9_000))).sign()),
    ]
}

/// In a header, in a form, and in a form of the other endpoint. Too large a head is refused before its end has been
/// read, so its sender may miss the answer.
async fn expect_refused_everywhere(gateway: &Gateway, what: &str, token: &str) {
    let api = gateway.api();
    let head = "GET /v1/me/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer";
    let answer = gateway.say(format!("{head} {token}\r\n\r\n").as_bytes());
    let status = answer.split(' ').nth(1);
    let is_cut_off = answer.is_empty() && token.len() > 128 * 1024;
    assert!(is_cut_off || matches!(status, Some("401" | "431")), "{what}: {answer}");
    let refresh = api.send(api.refresh_request(token)).await;
    assert!(matches!(refresh.status.as_u16(), 400 | 413), "{what}: {refresh:?}");
    let revoked = api.revoke(token).await;
    assert!(matches!(revoked.status.as_u16(), 200 | 413), "{what}: {revoked:?}");
}

/// Requirement ACCESS-7.
///
/// Nothing here measures the time: no clock decides a test. A check in one pass over at most 8 KiB, without memory, has
/// no time to spend.
#[tokio::test]
async fn monstrous_tokens_are_refused_in_bounded_memory() {
    const BOUND: u64 = 32 * 1024 * 1024;
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let access = Craft::access(&tokens.access);
    assert_eq!(show(&api, &deep(&access, 0, "\"alice\"")).await.status, 200);
    let before = gateway.most_resident();
    for _ in 0..5 {
        for (what, token) in monsters(&access) {
            expect_refused_everywhere(&gateway, what, &token).await;
        }
    }
    let grown = gateway.most_resident() - before;
    assert!(grown < BOUND, "grown by {grown} bytes");
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200);
}

/// Requirement ACCESS-8.
#[tokio::test]
async fn a_401_tells_an_error_only_where_a_bearer_token_came() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let (tokens, ended) = (api.login("alice").await, api.login("alice").await);
    assert_eq!(api.revoke(&ended.access).await.status, 200);
    let expired = Craft::access(&tokens.access).claim("exp", json!(now())).sign();
    for bad in ["bad", &tokens.refresh, &ended.access, &expired, WEB.key, ""] {
        for path in ["", "?except=current", "/1000000000000000001"] {
            let method = if path.is_empty() { Method::GET } else { Method::DELETE };
            expect_refused(bad, &api.me(method, path, bad).await);
        }
    }
    let basic = format!("Basic {}", STANDARD.encode(format!("web:{}", WEB.key)));
    let other = [basic, format!("DPoP {}", tokens.access), tokens.access.clone()];
    for method in [Method::GET, Method::DELETE] {
        let bare = || api.request(method.clone(), "/v1/me/sessions");
        let others = other.iter().map(|it| bare().header("Authorization", it));
        for request in others.chain([bare()]) {
            let answer = api.send(request).await;
            answer.expect_error(401, "invalid_token");
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge, Some(r#"Bearer realm="token-gateway""#), "{answer:?}");
        }
    }
    assert_eq!(api.refresh(&tokens.refresh).await.status, 200, "nothing was ended");
}

/// Requirement ACCESS-9.
#[tokio::test]
async fn a_token_counts_once_in_the_header_under_any_case_of_the_scheme() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let with = |values: &[&str]| {
        let request = api.request(Method::GET, "/v1/me/sessions");
        values.iter().fold(request, |request, value| {
            request.header("Authorization", format!("{value}{}", tokens.access))
        })
    };
    for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer   "] {
        assert_eq!(api.send(with(&[scheme])).await.status, 200, "{scheme}");
    }
    for query in [format!("?access_token={}", tokens.access), format!("?access%5Ftoken={}", tokens.access)] {
        for method in [Method::GET, Method::DELETE] {
            let request = api.request(method, &format!("/v1/me/sessions{query}"));
            api.send(request).await.expect_error(401, "invalid_token");
        }
    }
    for twice in [["Bearer ", "Bearer "], ["Bearer ", "Basic "], ["", "Bearer "]] {
        api.send(with(&twice)).await.expect_error(400, "invalid_request");
    }
}

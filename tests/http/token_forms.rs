//! `POST /oauth/token`: the form of a request, and the headers of every answer.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use token_gateway_testkit::api::Api;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

use crate::GATEWAY;

const PATH: &str = "/oauth/token";
const FORM: &str = "application/x-www-form-urlencoded";

/// Requirement TOKEN-1.
#[tokio::test]
async fn only_post_with_a_form_body_is_served() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.login("alice").await.refresh;
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    let send = async |method: Method, path: &str, media_type: &str| {
        api.send(api.request(method, path).header(CONTENT_TYPE, media_type).body(form.clone())).await
    };
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = send(method, PATH, FORM).await;
        answer.expect_error(405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("POST"), "{answer:?}");
    }
    for media_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", "*/*"] {
        send(Method::POST, PATH, media_type).await.expect_error(415, "invalid_request");
    }
    let in_query = api.request(Method::POST, &format!("{PATH}?{form}"));
    for without_body in [api.request(Method::POST, PATH), in_query] {
        api.send(without_body).await.expect_error(400, "invalid_request");
    }
    assert_eq!(api.refresh(&token).await.status, 200, "none of these has used it up");
}

/// One request for each kind of answer; the last is good.
fn one_of_each(api: &Api, token: &str) -> Vec<(u16, RequestBuilder)> {
    let json = api.request(Method::POST, PATH).json(&json!({"refresh_token": token}));
    vec![
        (405, api.request(Method::GET, PATH)),
        (415, json),
        (413, api.raw_form(PATH, "x".repeat(20_000))),
        (400, api.raw_form(PATH, "")),
        (400, api.form(PATH, &[("grant_type", "password"), ("refresh_token", token)])),
        (400, api.refresh_request("nonsense")),
        (401, api.refresh_request(token).bearer_auth("wrong")),
        (400, api.refresh_request(token).bearer_auth(WEB.key).bearer_auth(WEB.key)),
        (200, api.refresh_request(token)),
    ]
}

/// Requirement TOKEN-2.
#[tokio::test]
async fn neither_success_nor_error_may_be_cached() {
    let mut redis = Redis::start();
    let gateway = GATEWAY.start(&redis);
    let api = gateway.api();
    let login = api.issue(&json!({"sub": "alice"})).await;
    let mut answers = vec![(201, login)];
    for (status, request) in one_of_each(&api, &answers[0].1.tokens().refresh) {
        answers.push((status, api.send(request).await));
    }
    redis.stop();
    let newest = answers[answers.len() - 1].1.tokens().refresh;
    answers.push((503, api.refresh(&newest).await));
    for (status, answer) in &answers {
        assert_eq!(answer.status.as_u16(), *status, "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert_eq!(answer.header("pragma"), Some("no-cache"), "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    }
}

/// Requirement TOKEN-5.
#[tokio::test]
async fn a_parameter_counts_once_when_it_is_known_and_not_empty() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    let token = api.issue(&json!({"sub": "alice", "scope": "read"})).await.tokens().refresh;
    let form = format!("grant_type=refresh_token&refresh_token={token}&scope=read&client_id=web&odd=1");
    let form = format!("{form}&client_secret={}", WEB.key);
    for pair in form.split('&') {
        let name = pair.split('=').next().unwrap();
        let encoded = pair.replacen(['_', 'd'], if name.contains('_') { "%5f" } else { "%64" }, 1);
        for again in [pair, encoded.as_str(), &format!("{name}=other"), &format!("{name}="), name] {
            for body in [format!("{form}&{again}"), format!("{again}&{form}")] {
                let answer = api.send(api.raw_form(PATH, body)).await;
                answer.expect_error(400, "invalid_request");
                assert!(answer.text.contains(&format!("'{name}'")), "{again}: {answer:?}");
            }
        }
    }
    let absent = ["grant_type=refresh_token".to_owned(), format!("refresh_token={token}")];
    let empty =
        ["grant_type=refresh_token&refresh_token".into(), format!("grant_type=&refresh_token={token}")];
    for body in absent.into_iter().chain(empty) {
        api.send(api.raw_form(PATH, body)).await.expect_error(400, "invalid_request");
    }
    let more = "scope=&client_id=&client_secret=&unknown=1&Refresh_Token=x&resource=y";
    let body = format!("grant_type=refresh_token&refresh_token={token}&{more}");
    let answer = api.send(api.raw_form(PATH, body)).await;
    assert_eq!(answer.json()["scope"], "read", "{answer:?}");
}

/// Every byte, as it is and percent-encoded, in a name and in a value.
fn bodies_with_every_byte() -> impl Iterator<Item = Vec<u8>> {
    (0..=255_u8).flat_map(|byte| {
        let encoded = format!("%{byte:02X}").into_bytes();
        let cut = format!("%{byte:X}").into_bytes();
        [vec![byte], encoded, cut].into_iter().flat_map(|odd| {
            let name = [&odd, b"_type=refresh_token&refresh_token=x".as_slice()].concat();
            let value = [b"grant_type=refresh_token&refresh_token=x".as_slice(), &odd].concat();
            [name, value]
        })
    })
}

/// A request without the length of its body in the head.
fn in_chunks(length: usize) -> String {
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {FORM}");
    let body = "a".repeat(length);
    format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n")
}

/// Requirement TOKEN-15.
#[tokio::test]
async fn no_byte_in_a_body_and_no_length_of_it_is_more_than_a_4xx() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for body in bodies_with_every_byte() {
        let answer = api.send(api.raw_form(PATH, body.clone())).await;
        let error = answer.json()["error"].as_str().expect("a code").to_owned();
        assert!(["invalid_request", "invalid_grant"].contains(&error.as_str()), "{body:?}: {answer:?}");
        answer.expect_error(400, &error);
    }
    let answer = gateway.say(in_chunks(0x4400).as_bytes());
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"error\":\"invalid_request\""),
        "{answer}"
    );
    assert_eq!(api.issue(&json!({"sub": "alice"})).await.status, 201);
}

//! The id of a request: in its answer, in its log lines, and in nothing else.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::wait_for;

use crate::GATEWAY;

const NAME: &str = "x-request-id";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The lines of a JSON log.
pub fn lines(gateway: &Gateway) -> Vec<Value> {
    let log = gateway.log();
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// The first line that is wanted, once it is written.
pub fn line(gateway: &Gateway, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for("a line", Duration::from_secs(10), || lines(gateway).into_iter().find(&wanted))
}

fn json_log(settings: &[(&str, &str)]) -> Gateway {
    GATEWAY.embedded_with(&[&[("LOG_FORMAT", "json"), ("ADMIN_ADDR", "127.0.0.1:0")], settings].concat())
}

async fn ask(api: &Api, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = api.request(method, path);
    api.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

fn id(answer: &Answer) -> String {
    answer.header(NAME).unwrap_or_else(|| panic!("no id: {answer:?}")).to_owned()
}

fn is_made(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[tokio::test]
async fn each_answer_has_an_id_and_its_access_line_has_all_facts() {
    let gateway = json_log(&[]);
    let (api, admin) = (gateway.api(), Api::new(&gateway.admin()));
    for (api, method, path, route, status) in [
        (&api, Method::POST, "/oauth/token", "/oauth/token", 415),
        (&api, Method::GET, "/oauth/token", "/oauth/token", 405),
        (&api, Method::GET, "/v1/users/alice/sessions", "/v1/users/{sub}/sessions", 401),
        (&api, Method::GET, "/verify/below", "/verify/{path}*", 401),
        (&api, Method::GET, "/nowhere", "unmatched", 404),
        (&api, Method::GET, "/.well-known/jwks.json", "/.well-known/jwks.json", 200),
        (&admin, Method::GET, "/metrics", "/metrics", 200),
        (&admin, Method::GET, "/nowhere", "unmatched", 404),
    ] {
        let body = (status == 415).then_some("x");
        let request = api.request(method.clone(), path);
        let answer = api.send(body.into_iter().fold(request, |request, body| request.body(body))).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let id = id(&answer);
        assert!(is_made(&id), "{id}");
        let line = line(&gateway, |line| line["request_id"] == *id);
        let facts = [&line["target"], &line["method"], &line["route"], &line["status"]];
        assert_eq!(
            facts,
            [&json!("access"), &json!(method.as_str()), &json!(route), &json!(status)],
            "{line}"
        );
        assert!(line["microseconds"].is_u64(), "{line}");
    }
    for api in [&api, &admin] {
        assert!(is_made(&id(&ask(api, Method::GET, "/livez", &[]).await)), "without a line, too");
    }
}

#[tokio::test]
async fn an_id_is_taken_over_from_x_request_id_or_traceparent() {
    let gateway = json_log(&[]);
    let api = gateway.api();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    for (headers, expected) in [
        (vec![(NAME, "Req-1.2_3~4:5/6+7=8@9")], "Req-1.2_3~4:5/6+7=8@9"),
        (vec![("traceparent", parent.as_str())], TRACE),
        (vec![("traceparent", &parent), (NAME, "mine")], "mine"),
        (vec![("traceparent", &parent), (NAME, "not mine")], TRACE),
    ] {
        for path in ["/nowhere", "/.well-known/jwks.json"] {
            let answer = ask(&api, Method::GET, path, &headers).await;
            assert_eq!(id(&answer), expected, "{headers:?}");
        }
        line(&gateway, |line| line["request_id"] == expected);
    }
}

#[tokio::test]
async fn an_id_that_is_odd_or_repeated_is_not_taken_over() {
    let gateway = json_log(&[]);
    let api = gateway.api();
    let long = "x".repeat(129);
    for given in ["", "a b", "a\"b", "a\\b", "a,b", "{a}", "<a>", "a'b", &long] {
        let made = id(&ask(&api, Method::GET, "/nowhere", &[(NAME, given)]).await);
        assert!(is_made(&made), "{given}: {made}");
    }
    let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    let upper = format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase());
    for headers in [
        vec![(NAME, "a"), (NAME, "b")],
        vec![("traceparent", zeros.as_str())],
        vec![("traceparent", &upper)],
        vec![("traceparent", TRACE)],
    ] {
        let made = id(&ask(&api, Method::GET, "/nowhere", &headers).await);
        assert!(is_made(&made) && made != TRACE, "{headers:?}: {made}");
    }
    let raw = gateway
        .say(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: \xe9\x80\r\n\r\n");
    assert!(raw.starts_with("HTTP/1.1 404 ") && !raw.contains('\u{e9}'), "{raw}");
    let log = gateway.log();
    assert!(log.is_ascii() && !log.contains(&long), "{log}");
}

#[tokio::test]
async fn in_a_text_log_the_id_ends_the_line() {
    let gateway = GATEWAY.embedded();
    let answer = ask(&gateway.api(), Method::GET, "/nowhere", &[(NAME, "req-42")]).await;
    assert_eq!(id(&answer), "req-42");
    let log = wait_for("the line", Duration::from_secs(10), || {
        Some(gateway.log()).filter(|log| log.contains("GET unmatched 404"))
    });
    let line = log.lines().find(|line| line.contains("GET unmatched 404")).expect("it is there");
    assert!(line.ends_with("us request_id=req-42"), "{line}");
}

/// Also the lines of parts that run in a task of their own.
#[tokio::test]
async fn every_line_of_a_request_has_its_id() {
    let redis = Redis::start();
    let settings = [
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", "debug"),
        ("REDIS_TIMEOUT_MS", "300"),
        ("ADMIN_ADDR", "127.0.0.1:0"),
    ];
    let gateway = GATEWAY.start_with(&redis, &settings);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    redis.freeze();
    let refresh = api.refresh_request(&tokens.refresh).header(NAME, "req-refresh");
    assert_eq!(id(&api.send(refresh).await), "req-refresh");
    let logout = api.service(Method::DELETE, "/v1/users/alice/sessions").header(NAME, "req-logout");
    let answer = api.send(logout).await;
    answer.expect_error(503, "temporarily_unavailable");
    assert_eq!(id(&answer), "req-logout");
    redis.thaw();
    for id in ["req-refresh", "req-logout"] {
        let line = line(&gateway, |line| {
            line["request_id"] == id && line["target"] == "token_gateway::gateway::deadline"
        });
        assert!(line["error"].is_string() && line["operation"].is_string(), "{line}");
    }
    let start = line(&gateway, |line| line["target"] == "token_gateway::startup");
    assert!(start["request_id"].is_null(), "{start}");
}

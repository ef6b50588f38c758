//! The headers of every answer.

use reqwest::Method;
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::gateway::PUBLIC_DOCS;
use token_gateway_testkit::service_key::WEB;

use crate::GATEWAY;

/// The library below HTTP writes these itself.
#[test]
fn refusals_of_a_head_leave_their_type_to_no_guess() {
    let gateway = GATEWAY.embedded();
    let many = "X: y\r\n".repeat(97);
    for (head, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("no request\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
    ] {
        let answer = gateway.say(head.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(answer.matches("\r\nX-Content-Type-Options: nosniff\r\n").count(), 1, "{answer}");
    }
}

async fn expect_nosniff(api: &Api, method: &str, path: &str, status: u16) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let answer = api.send(api.request(method.clone(), path)).await;
    assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    let values: Vec<_> = answer.headers.get_all("x-content-type-options").iter().collect();
    assert_eq!(values, ["nosniff"], "{method} {path}: {answer:?}");
    answer
}

#[tokio::test]
async fn no_answer_leaves_its_type_to_guesses() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS, ("ADMIN_ADDR", "127.0.0.1:0")]);
    let (api, admin) = (gateway.api(), Api::new(&gateway.admin()));
    for (method, path, status) in [
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/.well-known/jwks.json", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/docs/", 200),
        ("GET", "/docs/nothing", 404),
        ("GET", "/verify", 401),
        ("PROPFIND", "/verify/x", 401),
        ("POST", "/oauth/token", 400),
        ("POST", "/v1/sessions", 401),
        ("GET", "/v1/revocations", 401),
        ("GET", "/oauth/token", 405),
        ("GET", "/nowhere", 404),
    ] {
        expect_nosniff(&api, method, path, status).await;
    }
    for (path, status) in [("/metrics", 200), ("/readyz", 200), ("/nowhere", 404)] {
        expect_nosniff(&admin, "GET", path, status).await;
    }
    expect_nosniff(&admin, "POST", "/metrics", 405).await;
    let login = api.request(Method::POST, "/v1/sessions").bearer_auth(WEB.key).body("{\"sub\":\"alice\"}");
    let login = api.send(login.header("Content-Type", "application/json")).await;
    let refreshed = api.refresh(&login.tokens().refresh).await;
    for answer in [login, refreshed] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
    }
}

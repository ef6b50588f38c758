//! `HEAD` is answered wherever `GET` is, without a body (RFC 9110 section 9.3.2).

use reqwest::{Method, RequestBuilder};
use token_gateway_testkit::api::{Answer, Api};
use token_gateway_testkit::gateway::{Gateway, PUBLIC_DOCS};
use token_gateway_testkit::service_key::WEB;

use crate::GATEWAY;

/// Headers that differ from answer to answer.
const VOLATILE: [&str; 2] = ["date", "x-request-id"];

fn headers(answer: &Answer) -> Vec<(String, String)> {
    let all = answer.headers.iter().map(|(name, value)| (name.to_string(), format!("{value:?}")));
    let mut all: Vec<_> = all.filter(|(name, _)| !VOLATILE.contains(&name.as_str())).collect();
    all.sort();
    all
}

/// Demands that both answers have one status and the same headers.
async fn expect_same(api: &Api, request: impl Fn(Method) -> RequestBuilder) -> u16 {
    let (get, head) = (api.send(request(Method::GET)).await, api.send(request(Method::HEAD)).await);
    assert_eq!(head.status, get.status, "{get:?} {head:?}");
    assert_eq!(head.text, "", "{head:?}");
    let mut expected = headers(&get);
    expected.retain(|(name, _)| head.header(name).is_some() || name != "transfer-encoding");
    assert_eq!(headers(&head), expected);
    get.status.as_u16()
}

#[tokio::test]
async fn the_admin_address_answers_head_as_it_answers_get() {
    let gateway = GATEWAY.embedded_with(&[("ADMIN_ADDR", "127.0.0.1:0")]);
    let admin = Api::new(&gateway.admin());
    for path in ["/livez", "/readyz"] {
        assert_eq!(expect_same(&admin, |method| admin.request(method, path)).await, 200, "{path}");
    }
    // Its own requests change the length.
    let head = admin.send(admin.request(Method::HEAD, "/metrics")).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    assert_eq!(
        head.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    let length: usize = head.header("content-length").expect("a length").parse().expect("a number");
    assert!(length > 1000, "{length}");
    let post = admin.send(admin.request(Method::POST, "/metrics")).await;
    post.expect_error(405, "invalid_request");
    assert_eq!(post.header("allow"), Some("GET, HEAD"));
    assert_eq!(expect_same(&admin, |method| admin.request(method, "/nowhere")).await, 404);
}

async fn readable(gateway: &Gateway) -> Vec<String> {
    let api = gateway.api();
    let document = api.send(api.request(Method::GET, "/openapi.json")).await.json();
    let paths = document["paths"].as_object().expect("paths").iter();
    paths.filter(|(_, item)| item["get"].is_object()).map(|(path, _)| path.clone()).collect()
}

#[tokio::test]
async fn every_route_that_answers_get_answers_head() {
    let gateway = GATEWAY.embedded_with(&[PUBLIC_DOCS]);
    let api = gateway.api();
    let tokens = api.login("alice").await;
    let paths = readable(&gateway).await;
    assert!(paths.len() >= 13, "{paths:?}");
    for pattern in paths {
        let path = pattern.replace("{sub}", "alice").replace("{sid}", &tokens.session);
        let path = path.replace("{asset}", "index.css");
        let bearer = if path.starts_with("/v1/me") || path == "/verify" { &tokens.access } else { WEB.key };
        if pattern == "/v1/revocations" {
            continue; // endless as GET
        }
        let status = expect_same(&api, |method| api.request(method, &path).bearer_auth(bearer)).await;
        assert!(matches!(status, 200 | 308), "{path}: {status}");
        let refused = expect_same(&api, |method| api.request(method, &path).bearer_auth("wrong")).await;
        assert!(matches!(refused, 200 | 308 | 401), "{path}: {refused}");
    }
}

/// The body of a GET never ends. That of a HEAD must not be waited for, nor hold up the connection.
#[tokio::test]
async fn head_of_the_stream_of_revocations_ends_at_once() {
    let gateway = GATEWAY.embedded();
    let api = gateway.api();
    for _ in 0..20 {
        let request = api.request(Method::HEAD, "/v1/revocations").bearer_auth(WEB.key);
        let head = api.send(request).await;
        assert_eq!(
            (head.status.as_u16(), head.header("content-type")),
            (200, Some("text/event-stream")),
            "{head:?}"
        );
        assert_eq!(head.header("cache-control"), Some("no-store"));
    }
    let bare = api.send(api.request(Method::HEAD, "/v1/revocations")).await;
    assert_eq!(bare.status, 401);
}

/// The limit is that of actix, and errors.md has it.
#[test]
fn a_head_may_have_96_headers() {
    let gateway = GATEWAY.embedded();
    let status = |head: &str| {
        let answer =
            gateway.say(format!("GET /livez HTTP/1.1\r\n{head}Connection: close\r\n\r\n").as_bytes());
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let with = |count: usize| {
        let more: String = (2..count).map(|n| format!("X-Many-{n}: y\r\n")).collect();
        status(&format!("Host: x\r\n{more}"))
    };
    assert_eq!((with(96).as_str(), with(97).as_str()), ("200", "431"));
    let long = |length: usize| status(&format!("Host: x\r\nX-Long: {}\r\n", "y".repeat(length)));
    assert_eq!((long(127 * 1024).as_str(), long(129 * 1024).as_str()), ("200", "431"));
    for broken in ["", "Host: x\r\nHost: x\r\n", "Host: x\r\nno header\r\n"] {
        assert_eq!(status(broken), "400", "{broken}");
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in [
        "docs/reference/errors.md",
        "docs/reference/log-lines.md",
        "docs/guides/ask-a-proxy-to-check.md",
        "docs/explain/promises.md",
    ] {
        let page = std::fs::read_to_string(root.join(page)).expect("readable");
        assert!(page.contains("more than 96 headers") || page.contains("More than 96 headers"));
        assert!(!page.contains("100 headers"));
    }
}

//! The requests through nginx, its refusals, and its log.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use token_gateway_testkit::api::decided;
use token_gateway_testkit::service_key::WEB;
use token_gateway_testkit::wait_for;

use super::parts::{Stack, Store, gateway_with};
use token_gateway_testkit::nginx::{Nginx, Rates};

/// Sends a head as it is; an HTTP library would tidy it up. Returns the status, and the rest of the answer.
fn raw(address: &str, head: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{answer}")), answer)
}

fn get(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        WEB.key
    )
}

#[tokio::test]
async fn the_public_port_has_nothing_for_services_and_operators() {
    let stack = Stack::start();
    let public = stack.nginx.public();
    for (method, path) in [
        (Method::POST, "/v1/sessions"),
        (Method::GET, "/v1/users/alice/sessions"),
        (Method::DELETE, "/v1/users/alice/sessions"),
        (Method::GET, "/metrics"),
        (Method::GET, "/readyz"),
        (Method::GET, "/"),
        (Method::GET, "/v1/me"),
        (Method::GET, "/v1/mexico"),
        (Method::GET, "/livez/x"),
    ] {
        public.send(public.service(method, path)).await.expect_error(404, "not_found");
    }
    assert_eq!((stack.met(0, "access"), stack.met(1, "access")), (0, 0), "no gateway was asked");
    let live = public.send(public.request(Method::GET, "/livez?x=1")).await;
    assert_eq!((live.status.as_u16(), live.text.as_str()), (200, "alive"));
}

#[test]
fn a_path_that_is_public_only_once_it_is_tidied_up_is_not_let_through() {
    let stack = Stack::start();
    for path in [
        "/v1/me/../users/alice/sessions",
        "/v1/me/..%2fusers/alice/sessions",
        "/v1/me/%2e%2e/users/alice/sessions",
        "/v1/users/alice/sessions/../../../me/sessions",
        "/v1/users/alice/sessions/..%2f..%2f..%2fme%2fsessions",
        "/metrics/..%2foauth/token",
        "/v1/users/alice/sessions/..%2f..%2f..%2f..%2foauth/token",
        "//v1/users/alice/sessions",
        "/oauth/../v1/sessions",
    ] {
        let (status, answer) = raw(stack.nginx.public_address(), &get(path));
        assert_eq!(status, 404, "{path}: {answer}");
        assert!(answer.contains(r#"{"error":"not_found""#), "{path}: {answer}");
    }
    assert_eq!((stack.met(0, "access"), stack.met(1, "access")), (0, 0), "no gateway was asked");
}

#[tokio::test]
async fn the_internal_port_has_no_metrics_either() {
    let stack = Stack::start();
    let internal = stack.nginx.internal();
    internal.send(internal.service(Method::GET, "/metrics")).await.expect_error(404, "not_found");
}

#[tokio::test]
async fn what_nginx_refuses_itself_has_the_form_of_our_errors() {
    let stack = Stack::start();
    for api in [stack.nginx.public(), stack.nginx.internal()] {
        let large = api.raw_form("/oauth/revoke", "x".repeat(16 * 1024 + 1));
        api.send(large).await.expect_error(413, "invalid_request");
        let full = api.raw_form("/oauth/revoke", "x".repeat(16 * 1024));
        api.send(full).await.expect_error(400, "invalid_request");
    }
    let long = format!("GET /livez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    let uri = get(&format!("/oauth/{}", "x".repeat(64 * 1024)));
    let trace = get("/oauth/token").replace("GET", "TRACE");
    let public = stack.nginx.public_address();
    for (head, expected) in
        [(long.as_str(), 431), (&uri, 414), (&trace, 405), ("GET /livez HTTP/1.1\r\n\r\n", 400)]
    {
        let (status, answer) = raw(public, head);
        assert_eq!(status, expected, "{answer}");
        assert!(answer.contains(r#"{"error":"invalid_request","error_description":""#), "{answer}");
        assert!(answer.contains("Content-Type: application/json") && answer.contains("no-store"), "{answer}");
    }
}

#[tokio::test]
async fn neither_arguments_nor_credentials_are_written_down() {
    let mut stack = Stack::start();
    let public = stack.nginx.public();
    let ask = async |what: &str| {
        let form =
            public.raw_form(&format!("/oauth/token?refresh_token=in-the-query-{what}"), "a=in-the-body");
        public.send(form.bearer_auth("in-the-header")).await.status.as_u16()
    };
    assert_eq!(ask("served").await, 400);
    stack.kill(0);
    stack.kill(1);
    assert_eq!(ask("unavailable").await, 503);
    let log = wait_for("both calls are written down", Duration::from_secs(5), || {
        let log = stack.nginx.log();
        let written = |status: u16| log.contains(&format!("\"POST /oauth/token\" {status}"));
        (written(400) && written(503)).then_some(log)
    });
    for secret in ["in-the-query", "in-the-body", "in-the-header", "refresh_token"] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// A proxy may ask `/verify` here, and its limit of a header is the same.
#[tokio::test]
async fn a_cookie_of_thirty_kilobytes_and_eighty_headers_reach_the_gateway() {
    let stack = Stack::start();
    let internal = stack.nginx.internal();
    let token = internal.login("alice").await.access;
    let request = || internal.request(Method::GET, "/verify").bearer_auth(&token);
    let large = || request().header("Cookie", format!("c={}", "v".repeat(30_000)));
    assert_eq!(decided(|| internal.send(large())).await.status, 200);
    let many = || (0..80).fold(request(), |it, n| it.header(format!("X-Many-{n}"), "v".repeat(300)));
    let cookie = "c".repeat(6_000);
    assert_eq!(decided(|| internal.send(many().header("Cookie", &cookie))).await.status, 200);
}

/// Also where nginx itself answers. A client cannot choose the id.
#[tokio::test]
async fn one_id_names_a_request_in_the_logs_of_nginx_and_of_the_node_and_in_its_answer() {
    let stack = Stack::start();
    let public = stack.nginx.public();
    let mut ids = Vec::new();
    for (path, is_passed_on) in [("/oauth/token", true), ("/nowhere", false), ("/oauth/revoke", true)] {
        let request = public.raw_form(path, "a=b").header("X-Request-Id", "chosen-by-the-client");
        let answer = public.send(request).await;
        let id = answer.header("x-request-id").unwrap_or_else(|| panic!("{answer:?}")).to_owned();
        assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        wait_for("nginx writes it down", Duration::from_secs(5), || {
            let log = stack.nginx.log();
            log.lines().any(|line| line.contains(path) && line.ends_with(&id)).then_some(())
        });
        if is_passed_on {
            wait_for("the node writes it down", Duration::from_secs(5), || {
                let met =
                    stack.met(0, &format!("request_id={id}")) + stack.met(1, &format!("request_id={id}"));
                (met == 1).then_some(())
            });
        }
        ids.push(id);
    }
    assert!(!stack.nginx.log().contains("chosen-by-the-client"), "{}", stack.nginx.log());
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn the_alarm_of_a_theft_shows_the_address_that_nginx_has_seen() {
    let store = Store::start();
    let node = gateway_with(&store, "127.0.0.1:0", &[("TRUSTED_PROXIES", "127.0.0.1")]);
    let nginx = Nginx::before([node.address(); 2], Rates::NONE);
    let tokens = nginx.internal().login("alice").await;
    nginx.public().refresh(&tokens.refresh).await.tokens();
    let thief = reqwest::Client::builder().local_address(std::net::IpAddr::from([127, 0, 0, 66]));
    let thief = thief.no_proxy().build().expect("a client");
    let url = format!("http://{}/oauth/token", nginx.public_address());
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    let body = form.map(|(name, value)| format!("{name}={value}")).join("&");
    let request = thief.post(url).header("X-Forwarded-For", "192.0.2.1").body(body);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let answer = request.header("User-Agent", "Thief/1.0").send().await.expect("an answer");
    assert_eq!(answer.status(), 400);
    let said = "from 127.0.0.66 (\"Thief/1.0\"), client ";
    wait_for("the alarm", Duration::from_secs(5), || node.log().contains(said).then_some(()));
}

//! The question that a proxy puts to the gateway: six headers of the client's request, and nothing else of it.

use reqwest::Method;

use super::curl::{Upload, WAYS};
use super::edge::{Header, ask, bearer, header, ready};
use super::proxy::Proxy;
use super::recorder::{Head, Recorder};
use super::socket::Socket;
use super::upstream::Upstream;

/// The six, but `Host`.
const CARRIED: [&str; 5] = ["authorization", "cookie", "origin", "sec-fetch-site", "x-session"];

struct Lab {
    gateway: Recorder,
    _upstream: Upstream,
    proxies: Vec<Proxy>,
}

impl Lab {
    /// A recorder in the gateway's place.
    async fn start() -> Self {
        let (gateway, upstream) = (Recorder::start(), Upstream::start());
        let proxies = Proxy::all(gateway.address(), upstream.address());
        let lab = Self { gateway, _upstream: upstream, proxies };
        for proxy in &lab.proxies {
            ready(proxy, &[]).await;
        }
        lab.gateway.take();
        lab
    }

    /// The one question since the last.
    fn question(&self, proxy: &Proxy) -> Head {
        let heads = self.gateway.take();
        assert_eq!(heads.len(), 1, "{}: {heads:?}", proxy.name);
        heads.into_iter().next().expect("one")
    }
}

/// Demands a question with these of the client's headers, and with those that the proxy cannot omit.
fn carries(proxy: &Proxy, question: &Head, expected: &[Header]) {
    let what = format!("{}: {question:?}", proxy.name);
    let mut names: Vec<_> = expected.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.extend(proxy.adds().iter().copied().chain(["host"]).map(str::to_owned));
    names.sort();
    assert_eq!(question.names(), names, "{what}");
    for (name, value) in expected {
        assert_eq!(question.header(&name.to_lowercase()), Some(value.as_str()), "{what}");
    }
    assert!(question.header("host").is_some_and(|host| host.starts_with("127.0.0.1:")), "{what}");
    assert!(question.line.ends_with(" /verify HTTP/1.1"), "{what}");
    assert_eq!(
        (question.rest.as_slice(), question.header("content-length").unwrap_or("0")),
        (&b""[..], "0"),
        "{what}"
    );
}

fn carried() -> Vec<Header> {
    CARRIED.iter().map(|name| header(name, &format!("{name}={{env.HOME}} $host; b"))).collect()
}

/// Headers of the client that are none of the gateway's business.
fn others() -> Vec<Header> {
    let names = [
        "Accept",
        "Content-Type",
        "User-Agent",
        "Referer",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
    ];
    let more = [
        "X-Forwarded-Method",
        "X-Forwarded-Uri",
        "X-Original-URI",
        "X-Real-IP",
        "Range",
        "If-None-Match",
        "TE",
    ];
    let many = (0..50).map(|n| header(&format!("X-Many-{n}"), "y"));
    names.into_iter().chain(more).map(|name| header(name, "x")).chain(many).collect()
}

#[tokio::test]
async fn the_gateway_is_asked_with_six_headers_whatever_the_request() {
    let lab = Lab::start().await;
    for proxy in &lab.proxies {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let all: Vec<_> = carried().into_iter().chain(others()).collect();
            assert_eq!(ask(proxy, method, "/orders/1?scope=admin", &all).await.status, 200, "{}", proxy.name);
            carries(proxy, &lab.question(proxy), &carried());
        }
    }
}

#[tokio::test]
async fn a_header_that_the_client_did_not_send_is_not_sent_empty() {
    let lab = Lab::start().await;
    for proxy in &lab.proxies {
        assert_eq!(ask(proxy, Method::GET, "/", &others()).await.status, 200, "{}", proxy.name);
        carries(proxy, &lab.question(proxy), &[]);
        for sent in carried() {
            let sent = [sent];
            assert_eq!(ask(proxy, Method::GET, "/", &sent).await.status, 200, "{}", proxy.name);
            carries(proxy, &lab.question(proxy), &sent);
        }
    }
}

#[tokio::test]
async fn the_gateway_is_sent_nothing_of_an_upload() {
    let lab = Lab::start().await;
    let upload = Upload::of(3_000_000);
    for proxy in &lab.proxies {
        for way in WAYS {
            let url = format!("http://{}/files/1", proxy.address());
            let (status, text) = upload.send(&url, "POST", way, &carried()).await;
            assert_eq!(status, 200, "{}: {way:?}: {text}", proxy.name);
            carries(proxy, &lab.question(proxy), &carried());
        }
    }
}

/// A server that takes such a question for a handshake would wait for the rest of it.
#[tokio::test]
async fn the_gateway_is_sent_nothing_of_a_handshake() {
    let lab = Lab::start().await;
    for proxy in &lab.proxies {
        let said = [header("Origin", "http://app.example"), bearer("x")];
        let socket = Socket::open(proxy.address(), &said).await;
        assert_eq!(socket.err(), None, "{}", proxy.name);
        carries(proxy, &lab.question(proxy), &said);
    }
}

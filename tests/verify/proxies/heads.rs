//! The heads of requests, as they reach the API. In its place is a server that takes any number of headers; many
//! frameworks take about a hundred.

use reqwest::Method;
use token_gateway_testkit::api::decided;
use token_gateway_testkit::gateway::Gateway;

use super::edge::{Edge, Header, ask, bearer, header, ready};
use super::proxy::Proxy;
use super::recorder::{Head, Recorder};
use crate::GATEWAY;

struct Lab {
    _gateway: Gateway,
    api: Recorder,
    proxies: Vec<Proxy>,
    good: Header,
}

impl Lab {
    async fn start() -> Self {
        let (gateway, api) = (GATEWAY.embedded(), Recorder::start());
        let good = bearer(&gateway.api().login("alice").await.access);
        let proxies = Proxy::all(gateway.address(), api.address());
        for proxy in &proxies {
            ready(proxy, std::slice::from_ref(&good)).await;
        }
        Self { _gateway: gateway, api, proxies, good }
    }

    /// The answer to these headers with a good token, and the head that the API saw.
    async fn admitted(&self, proxy: &Proxy, headers: &[Header]) -> (u16, Option<Head>) {
        self.api.take();
        let all: Vec<_> = headers.iter().cloned().chain([self.good.clone()]).collect();
        let answer = decided(|| ask(proxy, Method::GET, "/", &all)).await;
        (answer.status.as_u16(), self.api.take().pop())
    }
}

fn many(count: usize, size: usize) -> Vec<Header> {
    (0..count).map(|n| header(&format!("X-Many-{n}"), &"v".repeat(size))).collect()
}

fn cookie(size: usize) -> Header {
    header("Cookie", &format!("c={}", "v".repeat(size)))
}

#[tokio::test]
async fn many_headers_and_large_ones_reach_the_api() {
    let lab = Lab::start().await;
    let cases = [
        many(80, 300).into_iter().chain([cookie(6_000)]).collect(),
        many(90, 500),
        many(150, 10),
        many(400, 100),
        vec![cookie(30_000)],
        vec![header("X-Long", &"v".repeat(30_000)), cookie(30_000)],
    ];
    for proxy in &lab.proxies {
        for headers in &cases {
            let what = format!("{}: {} headers, the first {}", proxy.name, headers.len(), headers[0].1.len());
            let answer = decided(|| ask(proxy, Method::GET, "/", headers)).await;
            assert_eq!(answer.status, 401, "{what}");
            let (status, head) = lab.admitted(proxy, headers).await;
            assert_eq!(status, 200, "{what}");
            let head = head.expect(&what);
            for (name, value) in headers {
                assert_eq!(head.header(&name.to_lowercase()), Some(value.as_str()), "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_head_beyond_a_proxys_limit_is_the_clients_error_and_no_outage() {
    let edge = Edge::before(GATEWAY.embedded());
    let tokens = edge.gateway().api().login("alice").await;
    edge.all_admit(&tokens).await;
    for size in [130_000, 200_000] {
        for headers in [
            &[bearer(&tokens.access), header("Cookie", &"c".repeat(size))][..],
            &[bearer(&tokens.access), header("X-Long", &"c".repeat(size))],
            &[bearer(&"x".repeat(size))],
        ] {
            for proxy in &edge.proxies {
                edge.refused(proxy, &[400, 431], headers).await;
            }
        }
    }
}

/// On a connection that speaks HTTP/2 from then on, requests would reach the API with nobody asked.
#[tokio::test]
async fn no_connection_is_upgraded_to_a_protocol_that_carries_requests() {
    let lab = Lab::start().await;
    for proxy in &lab.proxies {
        for protocols in
            [&["h2c"][..], &["H2C"], &["h2c, websocket"], &["websocket, h2c"], &["h2c", "websocket"]]
        {
            let mut headers = vec![header("Connection", "Upgrade, HTTP2-Settings")];
            headers.push(header("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"));
            headers.extend(protocols.iter().map(|it| header("Upgrade", it)));
            let (status, head) = lab.admitted(proxy, &headers).await;
            let what = format!("{}: {protocols:?}: {status} {head:?}", proxy.name);
            // Envoy refuses some.
            assert_eq!(status, if head.is_some() { 200 } else { 403 }, "{what}");
            let passed = head.as_ref().and_then(|head| head.header("upgrade"));
            assert!([None, Some("websocket")].contains(&passed), "{what}");
        }
    }
}

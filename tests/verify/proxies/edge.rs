//! A gateway, an API, and the proxies in front of it.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use token_gateway_testkit::api::{Answer, Api, Tokens};
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;

use super::proxy::Proxy;
use super::upstream::{Told, Upstream};

pub struct Edge {
    pub gateway: Option<Gateway>,
    pub upstream: Upstream,
    pub proxies: Vec<Proxy>,
}

/// A header as a client sends it.
pub type Header = (String, String);

pub fn header(name: &str, value: &str) -> Header {
    (name.to_owned(), value.to_owned())
}

pub fn bearer(token: &str) -> Header {
    ("Authorization".to_owned(), format!("Bearer {token}"))
}

impl Edge {
    pub fn before(gateway: Gateway) -> Self {
        let upstream = Upstream::start();
        let proxies = Proxy::all(gateway.address(), upstream.address());
        Self { gateway: Some(gateway), upstream, proxies }
    }

    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("it runs")
    }

    /// With a good token, as soon as the gateway has a verdict on it and the proxy has read its configuration.
    pub async fn admitted(&self, proxy: &Proxy, tokens: &Tokens, headers: &[Header]) -> Told {
        let all: Vec<_> = headers.iter().cloned().chain([bearer(&tokens.access)]).collect();
        let answer = eventually(&format!("{} admits it", proxy.name), Duration::from_secs(20), async || {
            let answer = ask(proxy, Method::GET, "/orders/1?x=1", &all).await;
            (answer.status == 200).then_some(answer)
        })
        .await;
        serde_json::from_value(answer.json()).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// All proxies admit it.
    pub async fn all_admit(&self, tokens: &Tokens) {
        for proxy in &self.proxies {
            self.admitted(proxy, tokens, &[]).await;
        }
    }

    /// Demands one of these answers, to any method, and no call of the API; returns the last answer.
    pub async fn refused(&self, proxy: &Proxy, allowed: &[u16], headers: &[Header]) -> Answer {
        let before = self.upstream.asked();
        let mut last = None;
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let answer = ask(proxy, method, "/orders/1", headers).await;
            let what = format!("{}: {headers:?}: {answer:?}\n{}", proxy.name, proxy.log());
            assert!(allowed.contains(&answer.status.as_u16()), "{what}");
            assert_eq!(self.upstream.asked(), before, "{what}");
            last = Some(answer);
        }
        last.expect("it was asked")
    }
}

/// Waits until the proxy has read its configuration, and admits this.
pub async fn ready(proxy: &Proxy, headers: &[Header]) {
    eventually(&format!("{} admits it", proxy.name), Duration::from_secs(20), async || {
        (ask(proxy, Method::GET, "/", headers).await.status == 200).then_some(())
    })
    .await;
}

pub async fn ask(proxy: &Proxy, method: Method, path: &str, headers: &[Header]) -> Answer {
    let api = Api::new(proxy.address());
    api.send(with(api.request(method, path), headers)).await
}

/// A POST that the proxy admits.
pub async fn post(proxy: &Proxy, path: &str, headers: &[Header], body: &'static str) -> Told {
    let api = Api::new(proxy.address());
    let answer = api.send(with(api.request(Method::POST, path).body(body), headers)).await;
    serde_json::from_value(answer.json()).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn with(request: RequestBuilder, headers: &[Header]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

//! The configurations of `ops/proxies` in real proxies, in front of an API that tells what it was sent: nothing
//! forbidden comes through.

mod curl;
mod edge;
mod heads;
mod proxy;
mod recorder;
mod socket;
mod sockets;
mod subrequest;
mod uploads;
mod upstream;

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use token_gateway_testkit::api::Tokens;
use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;

use crate::GATEWAY;
use crate::http::craft::Craft;
use edge::{Edge, Header, ask, bearer, header, post};
use upstream::Body;

const NAMES: [&str; 4] = ["Subject", "Session", "Client", "Scope"];

/// Characters for the name of a header, besides letters and digits.
const SEPARATORS: &str = "-!#$%&'*+.^_`|~";

/// A client's lies about itself, a list for each request.
fn lies() -> Vec<Vec<Header>> {
    let all = |name: fn(char, &str) -> String| -> Vec<Header> {
        let names = SEPARATORS.chars().flat_map(|it| NAMES.map(|of| name(it, of)));
        names.map(|name| header(&name, "root")).collect()
    };
    let twice = ["X-Auth-Subject", "x-auth-subject", "X-AUTH-SCOPE", "X-Auth-Scope"];
    vec![
        vec![],
        twice.iter().map(|name| header(name, "root")).collect(),
        all(|it, of| format!("X{it}Auth{it}{of}")),
        all(|it, of| format!("X{it}Auth-{of}")),
        all(|it, of| format!("X-Auth{it}{of}")),
        // HTTP reserves the headers named there for the next hop.
        vec![header("Connection", "x-auth-session, X-AUTH-CLIENT"), header("Connection", "X-Auth-Subject")],
        vec![header("Connection", "close, X-Auth-Scope")],
    ]
}

/// Requirement ACCESS-11.
#[tokio::test]
async fn the_api_is_told_whose_request_it_is_and_nothing_that_the_client_says_of_that() {
    let edge = Edge::before(GATEWAY.embedded());
    let body = json!({"sub": "Zo\u{eb}", "client_id": "app", "scope": "a b"});
    let (scoped, plain) =
        (edge.gateway().api().issue(&body).await.tokens(), edge.gateway().api().login("alice").await);
    let scoped_is = [Some("Zo%C3%AB"), Some(&scoped.session), Some("app"), Some("a b")];
    let plain_is = [Some("alice"), Some(&plain.session), Some("web"), None];
    for proxy in &edge.proxies {
        for said in lies() {
            for (tokens, identity) in [(&scoped, scoped_is), (&plain, plain_is)] {
                let told = edge.admitted(proxy, tokens, &said).await;
                assert_eq!(told.identity(), identity, "{}: {said:?}", proxy.name);
            }
        }
    }
}

/// Useless tokens for the API, from holders of a good one.
async fn bad_tokens(gateway: &Gateway, good: &Tokens) -> Vec<String> {
    let api = gateway.api();
    let ended = api.login("alice").await;
    assert_eq!(api.revoke(&ended.refresh).await.status, 200);
    let elsewhere = api.issue(&json!({"sub": "alice", "aud": "shop"})).await.tokens();
    let expired = Craft::access(&good.access).claim("exp", json!(1)).sign();
    let malformed = ["x", "", "a.b.c", &".".repeat(4000), &" ".repeat(4000)].map(str::to_owned);
    let two = format!("x, Bearer {}", good.access);
    let others = [good.refresh.clone(), elsewhere.access, expired, ended.access, two];
    malformed.into_iter().chain(others).collect()
}

/// Requirement ACCESS-10.
#[tokio::test]
async fn no_proxy_lets_anything_through_that_has_no_good_token() {
    let edge = Edge::before(GATEWAY.embedded());
    let tokens = edge.gateway().api().login("alice").await;
    let (good, bad) = (bearer(&tokens.access), bad_tokens(edge.gateway(), &tokens).await);
    let basic = header("Authorization", "Basic YWxpY2U6cGFzc3dvcmQ=");
    let said = header("X-Auth-Subject", "root");
    for proxy in &edge.proxies {
        edge.admitted(proxy, &tokens, &[]).await;
        for token in &bad {
            let answer = edge.refused(proxy, &[401], &[bearer(token)]).await;
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer"), "{}: {answer:?}", proxy.name);
        }
        for headers in [&[][..], &[basic.clone(), header("Cookie", "token=x")], &[said.clone(), said.clone()]]
        {
            edge.refused(proxy, &[401], headers).await;
        }
        // Not all take a second header, or so large a one.
        for headers in [&[bearer("x"), good.clone()][..], &[good.clone(), bearer("x")]] {
            edge.refused(proxy, &[400, 401], headers).await;
        }
        edge.refused(proxy, &[400, 401], &[bearer(&"x".repeat(20_000))]).await;
    }
}

#[tokio::test]
async fn what_is_admitted_reaches_the_api_as_it_was_sent() {
    let edge = Edge::before(GATEWAY.embedded());
    let tokens = edge.gateway().api().login("alice").await;
    // A parameter of the API's own; the gateway must not take it for its own.
    let path = "/orders/a%20b?scope=admin&x=%2F";
    let said =
        [bearer(&tokens.access), header("X-Forwarded-Uri", "/livez"), header("X-Original-URI", "/docs")];
    for proxy in &edge.proxies {
        edge.admitted(proxy, &tokens, &[]).await;
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
        {
            let answer = ask(proxy, method.clone(), path, &said).await;
            assert_eq!(answer.status, 200, "{}: {answer:?}", proxy.name);
            assert_eq!(answer.json()["method"], method.as_str(), "{}", proxy.name);
            assert_eq!(answer.json()["target"], path, "{}", proxy.name);
        }
        let told = post(proxy, path, &said, "two apples").await;
        assert_eq!(told.body, Body::of(b"two apples"), "{}", proxy.name);
        let (before, answer) = (edge.upstream.asked(), ask(proxy, Method::HEAD, path, &said).await);
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""), "{}", proxy.name);
        assert_eq!(edge.upstream.asked(), before + 1, "{}", proxy.name);
    }
}

/// 503 from every proxy, with a `Retry-After`, and nothing for the API.
async fn nobody_is_admitted(edge: &Edge, headers: &[Header]) {
    let answers = edge.proxies.iter().map(|proxy| edge.refused(proxy, &[503], headers));
    for (answer, proxy) in join_all(answers).await.iter().zip(&edge.proxies) {
        assert_eq!(answer.header("retry-after"), Some("1"), "{}: {answer:?}", proxy.name);
    }
}

/// Requirement ACCESS-10.
#[tokio::test]
async fn no_proxy_admits_anybody_while_the_gateway_is_stale_frozen_or_gone() {
    let mut redis = Redis::start();
    let mut edge = Edge::before(GATEWAY.start_with(&redis, &[("VERIFY_MAX_STALE_SECONDS", "2")]));
    let tokens = edge.gateway().api().login("alice").await;
    let good = [bearer(&tokens.access)];
    edge.all_admit(&tokens).await;
    redis.stop();
    eventually("it is stale", Duration::from_secs(10), async || {
        (ask(&edge.proxies[0], Method::GET, "/", &good).await.status == 503).then_some(())
    })
    .await;
    nobody_is_admitted(&edge, &good).await;
    redis.run();
    edge.all_admit(&tokens).await;
    edge.gateway().freeze();
    nobody_is_admitted(&edge, &good).await;
    edge.gateway().thaw();
    edge.all_admit(&tokens).await;
    edge.gateway = None;
    nobody_is_admitted(&edge, &good).await;
    nobody_is_admitted(&edge, &[]).await;
}

#[tokio::test]
async fn the_location_by_which_nginx_asks_is_nobodys_to_ask() {
    let edge = Edge::before(GATEWAY.embedded());
    let tokens = edge.gateway().api().login("alice").await;
    let nginx = &edge.proxies[0];
    edge.admitted(nginx, &tokens, &[]).await;
    assert_eq!(ask(nginx, Method::GET, "/.verify", &[bearer(&tokens.access)]).await.status, 404);
}

//! A WebSocket comes through after its handshake was admitted, and no other protocol does.

use futures_util::future::join_all;
use reqwest::Method;
use token_gateway_testkit::api::Tokens;
use tokio_tungstenite::tungstenite::Message;

use super::edge::{Edge, Header, ask, bearer, header};
use super::proxy::Proxy;
use super::socket::Socket;
use super::upstream::SOCKET;
use crate::GATEWAY;

async fn edge() -> (Edge, Tokens) {
    let edge = Edge::before(GATEWAY.embedded());
    let tokens = edge.gateway().api().login("alice").await;
    edge.all_admit(&tokens).await;
    (edge, tokens)
}

async fn opened(proxy: &Proxy, headers: &[Header]) -> Socket {
    let socket = Socket::decided(proxy.address(), headers).await;
    socket.unwrap_or_else(|status| panic!("{}: {status} for the handshake with {headers:?}", proxy.name))
}

#[tokio::test]
async fn messages_go_both_ways_until_one_side_closes() {
    let (edge, tokens) = edge().await;
    let messages = [
        Message::text("two apples"),
        Message::text(""),
        Message::text("Zo\u{eb}"),
        Message::binary(vec![0, 255, 128]),
        Message::binary(vec![7; 300_000]),
    ];
    for proxy in &edge.proxies {
        let mut socket = opened(proxy, &[bearer(&tokens.access)]).await;
        assert_eq!(socket.told().await.identity()[0], Some("alice"), "{}", proxy.name);
        for message in &messages {
            socket.send(message.clone()).await;
            assert_eq!(socket.next().await.as_ref(), Some(message), "{}", proxy.name);
        }
        socket.send(Message::Ping("are you there".into())).await;
        assert_eq!(socket.next().await, Some(Message::Pong("are you there".into())), "{}", proxy.name);
        socket.send(Message::Close(None)).await;
        assert!(matches!(socket.next().await, Some(Message::Close(_))), "{}", proxy.name);
        assert_eq!(socket.next().await, None, "{}", proxy.name);
    }
}

#[tokio::test]
async fn many_are_open_side_by_side_and_each_hears_its_own_answers() {
    let (edge, tokens) = edge().await;
    for proxy in &edge.proxies {
        let all = (0..20).map(async |n| {
            let mut socket = opened(proxy, &[bearer(&tokens.access)]).await;
            socket.told().await;
            socket.send(Message::text(format!("{n}"))).await;
            assert_eq!(socket.next().await, Some(Message::text(format!("{n}"))), "{}", proxy.name);
            socket
        });
        assert_eq!(join_all(all).await.len(), 20);
    }
}

#[tokio::test]
async fn a_handshake_without_a_good_token_is_401_and_does_not_reach_the_api() {
    let (edge, tokens) = edge().await;
    let ended = edge.gateway().api().login("alice").await;
    assert_eq!(edge.gateway().api().revoke(&ended.refresh).await.status, 200);
    let before = edge.upstream.asked();
    let in_a_cookie = header("Cookie", &format!("token={}", tokens.access));
    for proxy in &edge.proxies {
        for headers in [
            &[][..],
            &[bearer("x")],
            &[bearer(&tokens.refresh)],
            &[bearer(&ended.access)],
            &[header("Origin", "http://app.example"), in_a_cookie.clone()],
            &[header("X-Auth-Subject", "root")],
        ] {
            let refused = Socket::decided(proxy.address(), headers).await;
            assert_eq!(refused.err(), Some(401), "{}: {headers:?}", proxy.name);
        }
    }
    assert_eq!(edge.upstream.asked(), before);
}

#[tokio::test]
async fn a_handshake_without_a_verdict_is_503_and_does_not_reach_the_api() {
    let (mut edge, tokens) = edge().await;
    let good = [bearer(&tokens.access)];
    let before = edge.upstream.asked();
    edge.gateway().freeze();
    let answers = join_all(edge.proxies.iter().map(|proxy| Socket::open(proxy.address(), &good))).await;
    assert_eq!(answers.into_iter().map(Result::err).collect::<Vec<_>>(), [Some(503); 4]);
    edge.gateway = None;
    let answers = join_all(edge.proxies.iter().map(|proxy| Socket::open(proxy.address(), &good))).await;
    assert_eq!(answers.into_iter().map(Result::err).collect::<Vec<_>>(), [Some(503); 4]);
    assert_eq!(edge.upstream.asked(), before);
}

#[tokio::test]
async fn the_api_is_told_whose_socket_it_is_and_nothing_that_the_client_says_of_that() {
    let (edge, tokens) = edge().await;
    let identity = [Some("alice"), Some(tokens.session.as_str()), Some("web"), None];
    let origin = |proxy: &Proxy| header("Origin", &format!("http://{}", proxy.address()));
    for proxy in &edge.proxies {
        let lies = super::lies().into_iter().filter(|lie| !lie.iter().any(|(name, _)| name == "Connection"));
        for lie in lies {
            let headers: Vec<_> = lie.into_iter().chain([bearer(&tokens.access), origin(proxy)]).collect();
            let told = opened(proxy, &headers).await.told().await;
            assert_eq!(told.identity(), identity, "{}: {headers:?}", proxy.name);
            // An API compares the two.
            let host = told.header("host").map(|host| format!("http://{host}"));
            assert_eq!(host.as_deref(), told.header("origin"), "{}", proxy.name);
        }
    }
}

#[tokio::test]
async fn a_request_that_is_no_handshake_gets_the_apis_own_answer() {
    let (edge, tokens) = edge().await;
    for proxy in &edge.proxies {
        let answer = ask(proxy, Method::GET, SOCKET, &[bearer(&tokens.access)]).await;
        assert_eq!(answer.status, 400, "{}: {answer:?}", proxy.name);
    }
}

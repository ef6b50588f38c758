//! A body of any size comes through to the API, and none does without a good token.

use futures_util::future::join_all;

use super::curl::{Upload, WAYS};
use super::edge::{Edge, Header, bearer, ready};
use super::proxy::Proxy;
use super::upstream::{Told, Upstream};
use crate::GATEWAY;

/// Bytes: none, just over nginx's own default limit, and more than all buffers on the way.
const SIZES: [usize; 4] = [0, (1 << 20) + 1, 3_000_000, 20_000_000];

const METHODS: [&str; 2] = ["POST", "PUT"];

fn url(proxy: &Proxy) -> String {
    format!("http://{}/files/1?part=2", proxy.address())
}

/// Sends it in all ways to all proxies, demands this status, and tells the number of answers.
async fn all_answer(edge: &Edge, status: u16, upload: &Upload, headers: &[Header]) -> u64 {
    let answers = edge.proxies.iter().map(async |proxy| {
        for (method, way) in METHODS.into_iter().flat_map(|method| WAYS.map(|way| (method, way))) {
            let (answered, text) = match status {
                503 => upload.send(&url(proxy), method, way, headers).await,
                _ => upload.decided(&url(proxy), method, way, headers).await,
            };
            let what = format!("{}: {method}, {way:?}, {:?}: {text}", proxy.name, upload.body);
            assert_eq!(answered, status, "{what}");
            if status == 200 {
                came_whole(&text, method, upload, &what);
            }
        }
    });
    join_all(answers).await;
    (edge.proxies.len() * METHODS.len() * WAYS.len()) as u64
}

fn came_whole(answer: &str, method: &str, upload: &Upload, what: &str) {
    let told: Told = serde_json::from_str(answer).expect(what);
    assert_eq!((told.method.as_str(), &told.body), (method, &upload.body), "{what}");
    assert_eq!(told.identity()[0], Some("alice"), "{what}");
}

#[tokio::test]
async fn an_upload_of_any_size_reaches_the_api_byte_for_byte() {
    let edge = Edge::before(GATEWAY.embedded());
    let tokens = edge.gateway().api().login("alice").await;
    edge.all_admit(&tokens).await;
    for size in SIZES {
        let before = edge.upstream.asked();
        let sent = all_answer(&edge, 200, &Upload::of(size), &[bearer(&tokens.access)]).await;
        assert_eq!(edge.upstream.asked() - before, sent, "each came once");
    }
}

#[tokio::test]
async fn an_upload_without_a_good_token_is_refused_and_the_api_sees_nothing_of_it() {
    let edge = Edge::before(GATEWAY.embedded());
    let tokens = edge.gateway().api().login("alice").await;
    edge.all_admit(&tokens).await;
    let before = edge.upstream.asked();
    for size in SIZES {
        all_answer(&edge, 401, &Upload::of(size), &[]).await;
    }
    all_answer(&edge, 401, &Upload::of(3_000_000), &[bearer(&tokens.refresh)]).await;
    assert_eq!(edge.upstream.asked(), before);
}

/// Closed by default.
#[tokio::test]
async fn an_upload_without_a_verdict_is_503_and_comes_through_once_the_gateway_is_back() {
    let mut edge = Edge::before(GATEWAY.embedded());
    let tokens = edge.gateway().api().login("alice").await;
    edge.all_admit(&tokens).await;
    let (upload, good) = (Upload::of(3_000_000), [bearer(&tokens.access)]);
    edge.gateway().freeze();
    let before = edge.upstream.asked();
    all_answer(&edge, 503, &upload, &good).await;
    assert_eq!(edge.upstream.asked(), before);
    edge.gateway().thaw();
    edge.all_admit(&tokens).await;
    all_answer(&edge, 200, &upload, &good).await;
    edge.gateway = None;
    let before = edge.upstream.asked();
    all_answer(&edge, 503, &upload, &good).await;
    assert_eq!(edge.upstream.asked(), before);
}

/// In the subrequest, such a limit would make an outage of each upload beyond it.
#[tokio::test]
async fn a_limit_of_the_operators_own_is_413_and_no_outage() {
    let (gateway, upstream) = (GATEWAY.embedded(), Upstream::start());
    let tokens = gateway.api().login("alice").await;
    let good = [bearer(&tokens.access)];
    let (small, large) = (Upload::of(1_000_000), Upload::of(3_000_000));
    for proxy in &Proxy::limited(gateway.address(), upstream.address()) {
        ready(proxy, &good).await;
        for way in WAYS {
            let (status, text) = small.decided(&url(proxy), "POST", way, &good).await;
            assert_eq!(status, 200, "{}: {way:?}: {text}", proxy.name);
            let (status, text) = large.decided(&url(proxy), "POST", way, &good).await;
            assert_eq!(status, 413, "{}: {way:?}: {text}", proxy.name);
            let (status, text) = large.decided(&url(proxy), "POST", way, &[]).await;
            assert!([401, 413].contains(&status), "{}: {way:?}: {text}", proxy.name);
        }
    }
}

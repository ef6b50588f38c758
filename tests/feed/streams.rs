//! The number of open streams of a node, and its bound.

use std::io::BufReader;

use token_gateway_core::feed::limits::MOST_STREAMS;
use token_gateway_testkit::eventually;

use super::{LIMIT, are_open, ask_for_stream, head, metric};
use crate::GATEWAY;

#[tokio::test]
async fn beyond_the_most_streams_another_one_is_refused_until_one_is_over() {
    let gateway = GATEWAY.embedded_with(&[("ADMIN_ADDR", "127.0.0.1:0")]);
    let ask = || {
        let mut stream = BufReader::new(ask_for_stream(&gateway));
        (head(&mut stream), stream)
    };
    let mut open = Vec::new();
    while open.len() < MOST_STREAMS {
        let (head, stream) = ask();
        assert!(head.starts_with("HTTP/1.1 200 "), "{} are open: {head}", open.len());
        open.push(stream);
    }
    for _ in 0..3 {
        let (head, _) = ask();
        assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 1"), "{head}");
    }
    let lines = || gateway.log().matches("refusing streams of the feed").count();
    eventually("a line says so", LIMIT, async || (lines() > 0).then_some(())).await;
    assert_eq!(lines(), 1, "not one for each");
    assert_eq!(metric(&gateway, "token_gateway_feed_streams").await, MOST_STREAMS as f64);
    open.pop();
    eventually("there is room again", LIMIT, async || ask().0.starts_with("HTTP/1.1 200 ").then_some(()))
        .await;
    drop(open);
    are_open(&gateway, 0).await;
}

//! `docker compose stop` while a subscriber reads the event stream.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use token_gateway_testkit::service_key::WEB;
use token_gateway_testkit::wait_for;

use super::parts::Stack;

/// The time limit for the end of a node and of nginx, with any clients still connected.
const LIMIT: Duration = Duration::from_secs(3);

/// A subscriber without a hang-up of its own. Returns when the stream has begun, after the node has read the feed.
fn open_stream(address: &str) -> BufReader<TcpStream> {
    wait_for("the stream begins", Duration::from_secs(20), || {
        let mut stream = TcpStream::connect(address).expect("it listens");
        let key = WEB.key;
        let head = format!("GET /v1/revocations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        let (mut lines, mut told) = (BufReader::new(stream), String::new());
        while !told.contains("event: fresh") {
            if told.starts_with("HTTP/1.1 503") || lines.read_line(&mut told).expect("text") == 0 {
                return None;
            }
        }
        Some(lines)
    })
}

#[test]
fn a_node_with_open_event_streams_is_gone_within_three_seconds() {
    let mut stack = Stack::start();
    let open = [stack.gateway(0).address(), stack.nginx.internal_address(), stack.nginx.internal_address()];
    let open = open.map(open_stream);
    for node in [0, 1] {
        let took = stack.stop(node);
        assert!(took < LIMIT, "node {node} took {took:?}");
    }
    drop(open);
}

#[test]
fn nginx_does_not_wait_for_an_event_stream() {
    let mut stack = Stack::start();
    let open = open_stream(stack.nginx.internal_address());
    let told = Instant::now();
    stack.nginx.quit();
    let status = wait_for("nginx is gone", Duration::from_secs(20), || stack.nginx.ended());
    let took = told.elapsed();
    assert!(status.success() && took < LIMIT + Duration::from_secs(1), "{status} after {took:?}");
    drop(open);
}

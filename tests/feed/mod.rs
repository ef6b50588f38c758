//! The revocation feed and the denylist at their bounds: many ends, full denylists, streams that nobody reads.

mod first_reading;
mod full;
mod history;
mod many;
mod streams;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use token_gateway_testkit::eventually;
use token_gateway_testkit::gateway::Gateway;
use token_gateway_testkit::redis::Redis;
use token_gateway_testkit::service_key::WEB;

/// Long enough for any wait, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Publishes so many ends of users with UUIDs for names, as many nodes would.
fn publish(redis: &Redis, ends: usize) {
    let script = "for n = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'sid', string.format('1%018d', n), \
                  'sub', string.format('%08x-1f2e-4d3c-8b4a-5968778695a4', n), 'reason', 'logout') end";
    redis.ask::<Option<u64>>(&["EVAL", script, "1", "tg:revocations", &ends.to_string()]);
}

/// The value of a metric without labels.
async fn metric(gateway: &Gateway, name: &str) -> f64 {
    let metrics = gateway.metrics().await;
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name} is not in {metrics}")).parse().expect("a number")
}

/// Waits until the denylist holds so many ends, and the node is fresh.
async fn holds(gateway: &Gateway, ends: usize) {
    eventually("the feed is read", LIMIT, async || {
        (metric(gateway, "token_gateway_denylist_ends").await == ends as f64).then_some(())
    })
    .await;
    eventually("it is fresh", LIMIT, async || {
        head(&mut BufReader::new(ask_for_stream(gateway))).starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;
    are_open(gateway, 0).await;
}

/// Waits until a number of streams is open.
async fn are_open(gateway: &Gateway, streams: usize) {
    eventually("so many are open", LIMIT, async || {
        (metric(gateway, "token_gateway_feed_streams").await == streams as f64).then_some(())
    })
    .await;
}

/// Asks for a stream, and reads nothing.
fn ask_for_stream(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address()).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let key = WEB.key;
    write!(stream, "GET /v1/revocations HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {key}\r\n\r\n")
        .expect("it is sent");
    stream
}

/// The status line of the answer, and all of its header.
fn head(stream: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).expect("a line") > 0, "{head}");
    }
    head
}

/// The next chunk of a chunked body.
fn chunk(stream: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut length = String::new();
    stream.read_line(&mut length).expect("a line");
    let length = usize::from_str_radix(length.trim_end(), 16).expect("a length");
    let mut chunk = vec![0; length + 2];
    stream.read_exact(&mut chunk).expect("a chunk");
    chunk.truncate(length);
    chunk
}

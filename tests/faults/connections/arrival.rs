//! Heads, bodies and trailers arrive in time, or not at all.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use token_gateway_testkit::gateway::Gateway;

use super::raw_client::RawClient;
use crate::GATEWAY;

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
const CHUNKED: &str = "POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Ten seconds, and not much more.
fn is_ten_seconds(took: Duration) -> bool {
    (Duration::from_secs(9)..Duration::from_secs(13)).contains(&took)
}

/// A connection after one answered request.
fn used(gateway: &Gateway) -> RawClient {
    let mut client = RawClient::of(gateway);
    client.say(LIVEZ);
    assert_eq!(client.answer(), (200, "alive".to_owned()));
    client
}

#[test]
fn each_head_has_ten_seconds_from_its_first_byte_and_a_silent_client_gets_no_answer() {
    let gateway = GATEWAY.embedded();
    let (mut silent, mut fresh, mut used) =
        (RawClient::of(&gateway), RawClient::of(&gateway), used(&gateway));
    let mut drip = RawClient::of(&gateway);
    let dripped = thread::spawn(move || {
        let began = Instant::now();
        let mut sent = 0;
        while std::io::Write::write_all(&mut drip.0, b"G").is_ok() {
            sent += 1;
            assert!(sent < 100, "it goes on for ever");
            thread::sleep(Duration::from_millis(200)); // the pace of the attack
        }
        began.elapsed()
    });
    fresh.say("G");
    used.say("G");
    for client in [&mut fresh, &mut used] {
        let (answer, took) = client.rest();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("Connection: close"), "{answer}");
        assert!(took < Duration::from_secs(13), "{took:?}");
    }
    assert!(is_ten_seconds(dripped.join().expect("no panic")));
    silent.say(LIVEZ);
    assert_eq!(silent.answer(), (200, "alive".to_owned()), "it was idle, and is served");
}

#[test]
fn a_body_that_nobody_reads_has_ten_seconds_and_its_answer_says_that_the_connection_ends() {
    let gateway = GATEWAY.embedded();
    let began = Instant::now();
    let mut clients: Vec<_> = ["5\r\nhel", "5\r\nhello\r\n0\r\nTrailer: x\r\n", ""]
        .map(|rest| {
            let mut client = RawClient::of(&gateway);
            client.say(&format!("{CHUNKED}{rest}"));
            client
        })
        .into();
    for client in &mut clients {
        let (answer, _) = client.rest();
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("connection: close"), "{answer}");
        assert!(is_ten_seconds(began.elapsed()), "{:?}", began.elapsed());
    }
}

#[test]
fn trailers_and_extensions_are_bounded() {
    let gateway = GATEWAY.embedded();
    for (path, beginning) in
        [("/livez", "0\r\nTrailer: "), ("/oauth/token", "0\r\nTrailer: "), ("/livez", "5;")]
    {
        let mut client = RawClient::of(&gateway);
        client.say(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{beginning}"
        ));
        let sent = client.say_until_blocked(&"x".repeat(4096), 10_000_000, Duration::from_secs(3));
        assert!(sent < 9_000_000, "{path}: {sent} bytes");
    }
}

#[test]
fn a_stopping_node_waits_for_no_head_and_no_body() {
    let mut gateway = GATEWAY.embedded();
    let (mut idle, mut head, mut body) = (used(&gateway), RawClient::of(&gateway), RawClient::of(&gateway));
    head.say("GET /livez HTTP/1.1\r\n");
    body.say("POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ngrant_type=");
    let mut late = used(&gateway);
    late.say("G");
    let began = Instant::now();
    gateway.terminate();
    assert_eq!(gateway.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    for client in [&mut idle, &mut head, &mut late] {
        client.rest();
    }
    let (status, text) = body.answer();
    let error: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, error["error"].as_str()), (503, Some("temporarily_unavailable")), "{text}");
    assert_eq!(body.rest().0, "");
}

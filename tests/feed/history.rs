//! A history that takes an API node longer to read than the silence after which it changes its node.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread::{sleep, spawn};
use std::time::Duration;

use token_gateway_core::feed::timing::{SILENCE_LIMIT, STREAM_LAG_LIMIT};
use token_gateway_testkit::gateway::{ISSUER, SIGNING_SECRET};
use token_gateway_verify::{Feed, Verifier};

use super::{LIMIT, head};

const ENDED: &str = "event: ended\ndata: {\"sub\":\"alice\",\"sid\":\"4830719265501837429\",\"reason\":\"logout\",\"at\":1}\n\n";

/// Answers each request with a slow history, and reports the head of each request.
fn slow_server(heads: Sender<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a client");
            let head = head(&mut BufReader::new(stream.try_clone().expect("a clone")));
            let resumes = head.to_ascii_lowercase().contains("last-event-id: 77\r\n");
            let _ = heads.send(head);
            let _ = tell(
                stream,
                if resumes { Duration::ZERO } else { STREAM_LAG_LIMIT + Duration::from_secs(1) },
            );
        }
    });
    format!("http://{address}/v1/revocations")
}

/// Events for as long as `history`, and then `fresh` events.
fn tell(mut stream: TcpStream, history: Duration) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
    let pause = Duration::from_millis(200);
    for _ in 0..history.as_millis() / pause.as_millis() {
        write!(stream, "{ENDED}")?;
        sleep(pause);
    }
    for now_ms in (0..).step_by(200) {
        write!(stream, "event: fresh\nid: 77\ndata: {{\"stale_ms\":0,\"now_ms\":{now_ms}}}\n\n")?;
        sleep(pause);
    }
    Ok(())
}

/// Its first `fresh` comes so late that the stream is given up for another one, which begins where this one was.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_is_no_silence_and_is_not_read_twice() {
    assert!(SILENCE_LIMIT < STREAM_LAG_LIMIT);
    let (heads, requests) = channel();
    let feed = Feed::http(&slow_server(heads), "a-key").expect("a URL");
    let builder = Verifier::builder(ISSUER, "api").secret(SIGNING_SECRET).expect("a secret");
    let verifier = builder.feed(feed).start().expect("sound settings");
    let heads: Vec<_> = (0..2).map(|_| requests.recv_timeout(LIMIT).expect("a request")).collect();
    assert!(heads[1].to_ascii_lowercase().contains("last-event-id: 77\r\n"), "{heads:?}");
    token_gateway_testkit::eventually("it is fresh", LIMIT, async || (!verifier.is_stale()).then_some(()))
        .await;
    assert!(requests.try_recv().is_err(), "there is no third stream");
}

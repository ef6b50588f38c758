//! Hundreds of thousands of ends, and subscribers that stop reading.

use std::io::BufReader;
use std::time::{Duration, Instant};

use token_gateway_testkit::redis::Redis;

use super::{are_open, ask_for_stream, chunk, head, holds, publish};
use crate::GATEWAY;

/// The limit of a piece, and one more event.
const LARGEST_PIECE: usize = 33 * 1024;

#[tokio::test]
async fn an_end_takes_100_bytes_of_a_node_at_most() {
    const ENDS: usize = 800_000;
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("ADMIN_ADDR", "127.0.0.1:0"), ("WORKERS", "1")]);
    publish(&redis, 3000);
    holds(&gateway, 3000).await;
    let before = gateway.resident();
    publish(&redis, ENDS);
    holds(&gateway, ENDS).await;
    let each = (gateway.resident() - before) / ENDS as u64;
    assert!((50..=100).contains(&each), "{each} bytes each");
}

/// More than the buffers of the kernel take, for each of them.
#[tokio::test]
async fn a_subscriber_that_reads_nothing_takes_a_piece_of_the_history_and_not_all_of_it() {
    const STUCK: usize = 20;
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("ADMIN_ADDR", "127.0.0.1:0")]);
    publish(&redis, 100_000);
    holds(&gateway, 100_000).await;
    let before = gateway.resident();
    let stuck: Vec<_> = (0..STUCK).map(|_| ask_for_stream(&gateway)).collect();
    are_open(&gateway, STUCK).await;
    let mut reader = BufReader::new(ask_for_stream(&gateway));
    assert!(head(&mut reader).starts_with("HTTP/1.1 200 "));
    let (mut events, mut is_fresh) = (0, false);
    while !is_fresh {
        let piece = chunk(&mut reader);
        assert!(piece.len() <= LARGEST_PIECE, "{} bytes", piece.len());
        let piece = String::from_utf8(piece).expect("text");
        events += piece.matches("event: ended\n").count();
        is_fresh = piece.contains("event: fresh\n");
    }
    assert_eq!(events, 100_000, "`fresh` comes after all of them");
    let each = gateway.resident().saturating_sub(before) / STUCK as u64;
    assert!(each < 512 * 1024, "{each} bytes for each stuck subscriber");
    drop((stuck, reader));
    are_open(&gateway, 0).await;
}

/// A connection whose reader takes nothing is broken off after a quarter of a minute.
#[tokio::test]
async fn a_subscriber_that_stops_reading_is_hung_up_on() {
    let redis = Redis::start();
    let gateway = GATEWAY.start_with(&redis, &[("ADMIN_ADDR", "127.0.0.1:0")]);
    publish(&redis, 100_000);
    holds(&gateway, 100_000).await;
    let stuck: Vec<_> = (0..3).map(|_| ask_for_stream(&gateway)).collect();
    are_open(&gateway, 3).await;
    let began = Instant::now();
    are_open(&gateway, 0).await;
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    drop(stuck);
}

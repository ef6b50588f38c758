//! The number of open streams of a node, and its bound: each takes a descriptor and some memory.

use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;
use token_gateway_core::feed::limits::MOST_STREAMS;
use token_gateway_core::outage::{Change, Outage};

use super::super::error::ErrorResponse;
use crate::telemetry::metrics::Metrics;

/// A stream counts as open until this is dropped.
pub struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Admits one more stream, if there is room.
pub fn admit(metrics: &Metrics) -> Result<OpenStream, ErrorResponse> {
    let before = metrics.feed_streams.inc();
    let open = OpenStream(metrics.feed_streams.clone());
    let is_admitted = before < MOST_STREAMS as i64;
    // A quarter less is no crowd any more, or streams that come and go would fill the log.
    if !is_admitted || before < MOST_STREAMS as i64 * 3 / 4 {
        log_crowd(!is_admitted);
    }
    if is_admitted { Ok(open) } else { Err(ErrorResponse::TooManyStreams) }
}

fn log_crowd(refuses: bool) {
    static CROWD: LazyLock<Mutex<Outage>> = LazyLock::new(Mutex::default);
    let most = MOST_STREAMS;
    let change = CROWD.lock().expect("no panic while it is held").note(refuses, Instant::now());
    match change {
        Some(Change::Began) => {
            log::warn!(most; "refusing streams of the feed: {most} are open; add nodes, or see who opens so many");
        }
        Some(Change::Lasts(lasted)) => {
            log::warn!(most, seconds = lasted.seconds(); "still refusing streams of the feed, for {lasted}: {most} are open");
        }
        Some(Change::Over(lasted)) => {
            log::info!(seconds = lasted.seconds(); "admitting streams of the feed again after {lasted}");
        }
        None => {}
    }
}

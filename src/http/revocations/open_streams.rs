//! The number of open streams of a node, and its bound: each takes a descriptor and some memory.

use std::sync::{LazyLock, Mutex};
use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;
use token_gateway_core::feed::limits::MOST_STREAMS;
use token_gateway_core::outage::{Change, Outage};

use super::super::error::ErrorResponse;
use crate::telemetry::metrics::Metrics;

/// The most streams of a node. Half of its connections stay for requests.
pub struct MostStreams(usize);

impl MostStreams {
    pub fn of_connections(connections: usize) -> Self {
        Self(MOST_STREAMS.min(connections / 2))
    }
}

/// A stream counts as open until this is dropped.
pub struct OpenStream(Gauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Admits one more stream, if there is room.
pub fn admit(metrics: &Metrics, most: &MostStreams) -> Result<OpenStream, ErrorResponse> {
    let most = most.0 as i64;
    let before = metrics.feed_streams.inc();
    let open = OpenStream(metrics.feed_streams.clone());
    let is_admitted = before < most;
    // A quarter less is no crowd any more, or streams that come and go would fill the log.
    if !is_admitted || before < most * 3 / 4 {
        log_crowd(!is_admitted, most);
    }
    if is_admitted { Ok(open) } else { Err(ErrorResponse::TooManyStreams) }
}

fn log_crowd(refuses: bool, most: i64) {
    static CROWD: LazyLock<Mutex<Outage>> = LazyLock::new(Mutex::default);
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

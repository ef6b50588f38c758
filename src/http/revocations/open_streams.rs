//! The number of open streams of a node, and its bound: each takes a descriptor and some memory.

use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;
use token_gateway_core::feed::limits::MOST_STREAMS;
use token_gateway_core::outage::Change;

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
    if before < most {
        return Ok(open);
    }
    log_turned_away(metrics.refused_streams.note(1, Instant::now()), most);
    Err(ErrorResponse::TooManyStreams)
}

/// Called once a second: logs that streams are still refused, or no longer.
pub fn look(metrics: &Metrics, most: &MostStreams, now: Instant) {
    log_turned_away(metrics.refused_streams.note(0, now), most.0 as i64);
}

fn log_turned_away(line: Option<(Change, u64)>, most: i64) {
    match line {
        Some((Change::Began, _)) => {
            log::warn!(most; "refusing streams of the feed: {most} are open; add nodes, or see who opens so many");
        }
        Some((Change::Lasts(lasted), count)) => {
            log::warn!(count, most, seconds = lasted.seconds(); "still refusing streams of the feed, for {lasted}: {count} more, while {most} are open");
        }
        Some((Change::Over(lasted), count)) => {
            log::info!(count, seconds = lasted.seconds(); "no streams of the feed refused any more after {lasted}: {count} more refused");
        }
        None => {}
    }
}

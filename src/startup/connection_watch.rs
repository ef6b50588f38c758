//! A node logs that its bounds turn clients away: one line when it begins, one a minute, and one when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use token_gateway_core::outage::{Change, TurnedAway};
use tokio::time::sleep;

use crate::http::MostStreams;
use crate::http::revocations::open_streams;
use crate::telemetry::metrics::{Closed, ConnectionMetrics, Metrics};

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The causes of one kind of line.
struct Losses {
    causes: &'static [Closed],
    /// The sum of the causes at the last look.
    seen: u64,
    lines: TurnedAway,
}

impl Losses {
    fn of(causes: &'static [Closed]) -> Self {
        Self { causes, seen: 0, lines: TurnedAway::default() }
    }

    /// Returns the reason for a line, and the connections since the last line.
    fn look(&mut self, metrics: &ConnectionMetrics, now: Instant) -> Option<(Change, u64)> {
        let count = self.causes.iter().map(|cause| metrics.count(*cause)).sum();
        let more = count - std::mem::replace(&mut self.seen, count);
        self.lines.note(more, now)
    }
}

/// Looks at the connections of the address with this setting, for as long as it is polled.
pub async fn watch(metrics: ConnectionMetrics, setting: &str) {
    let mut full = Losses::of(&[Closed::Room, Closed::Refused]);
    let mut slow = Losses::of(&[Closed::Head, Closed::Body, Closed::NoProgress, Closed::Answer]);
    loop {
        sleep(LOOK_INTERVAL).await;
        let now = Instant::now();
        if let Some((change, count)) = full.look(&metrics, now) {
            log_full(change, count, metrics.limit.get(), setting);
        }
        if let Some((change, count)) = slow.look(&metrics, now) {
            log_slow(change, count, setting);
        }
    }
}

/// Looks at the bounds on requests and on streams, for as long as it is polled.
pub async fn watch_requests(metrics: Arc<Metrics>, most_streams: Data<MostStreams>) {
    loop {
        sleep(LOOK_INTERVAL).await;
        let now = Instant::now();
        metrics.overloads.look(now);
        open_streams::look(&metrics, &most_streams, now);
    }
}

fn log_full(change: Change, count: u64, limit: i64, setting: &str) {
    match change {
        Change::Began => {
            log::warn!(count, limit, setting; "too many connections: {count} closed or refused at {setting}, {limit} may be open")
        }
        Change::Lasts(lasted) => {
            log::warn!(count, limit, seconds = lasted.seconds(), setting; "still too many connections, for {lasted}: {count} more closed or refused at {setting}, {limit} may be open")
        }
        Change::Over(lasted) => {
            log::info!(count, seconds = lasted.seconds(), setting; "room for connections again after {lasted}: {count} more closed or refused at {setting}")
        }
    }
}

fn log_slow(change: Change, count: u64, setting: &str) {
    match change {
        Change::Began => log::warn!(count, setting; "slow clients: {count} connections closed at {setting}"),
        Change::Lasts(lasted) => {
            log::warn!(count, seconds = lasted.seconds(), setting; "still slow clients, for {lasted}: {count} more connections closed at {setting}")
        }
        Change::Over(lasted) => {
            log::info!(count, seconds = lasted.seconds(), setting; "no slow clients any more after {lasted}: {count} more connections closed at {setting}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_counts_the_connections_since_the_last_one() {
        let metrics = Metrics::new();
        let (mut losses, began) = (Losses::of(&[Closed::Refused, Closed::Room]), Instant::now());
        assert_eq!(losses.look(&metrics.connections, began), None);
        for cause in [Closed::Refused, Closed::Room, Closed::Head] {
            metrics.connections.closed(cause);
        }
        assert_eq!(losses.look(&metrics.connections, began), Some((Change::Began, 2)));
        metrics.connections.closed(Closed::Room);
        let line = losses.look(&metrics.connections, began + Duration::from_secs(60));
        assert!(matches!(line, Some((Change::Lasts(_), 1))));
    }
}

//! A node logs that clients lose connections to its bounds: one line when it begins, one a minute, and one when it is over.

use std::time::{Duration, Instant};

use token_gateway_core::outage::{Change, Outage};
use tokio::time::sleep;

use crate::telemetry::metrics::{Closed, ConnectionMetrics};

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// It is over after so many looks without such a connection.
const QUIET_LOOKS: u32 = 30;

/// The causes of one kind of line.
struct Losses {
    causes: &'static [Closed],
    outage: Outage,
    /// The sum of the causes at the last look, and when the present line of an outage began to count.
    seen: u64,
    told: u64,
    quiet_looks: u32,
}

impl Losses {
    fn of(causes: &'static [Closed]) -> Self {
        Self { causes, outage: Outage::default(), seen: 0, told: 0, quiet_looks: 0 }
    }

    /// Returns the reason for a line, and the connections since the last line.
    fn look(&mut self, metrics: &ConnectionMetrics, now: Instant) -> Option<(Change, u64)> {
        let count = self.causes.iter().map(|cause| metrics.count(*cause)).sum();
        self.quiet_looks = if count > self.seen { 0 } else { self.quiet_looks.saturating_add(1) };
        self.seen = count;
        let lasts = count > self.told || self.outage.is_present();
        let change = self.outage.note(lasts && self.quiet_looks < QUIET_LOOKS, now)?;
        Some((change, count - std::mem::replace(&mut self.told, count)))
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

    /// A look at each second of some minutes; the connections that each line tells of.
    #[test]
    fn a_flood_is_one_line_at_each_end_and_one_a_minute() {
        let metrics = crate::telemetry::metrics::Metrics::new().connections.clone();
        let (mut losses, began) = (Losses::of(&[Closed::Refused]), Instant::now());
        let mut lines = Vec::new();
        for second in 0..200 {
            if (10..100).contains(&second) {
                metrics.closed(Closed::Refused);
            }
            let line = losses.look(&metrics, began + Duration::from_secs(second));
            lines.extend(line.map(|(_, count)| (second, count)));
        }
        assert_eq!(lines, [(10, 1), (70, 60), (129, 29)]);
    }
}

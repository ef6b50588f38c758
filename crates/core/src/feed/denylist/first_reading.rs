//! The first reading of the feed: callers can wait for its end, and one that takes long has log lines.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::watch;
use tokio::time::timeout_at;

use super::super::timing::LONG_FIRST_READING;
use crate::outage::{Change, Lasted, Outage};

#[derive(Debug)]
pub(super) struct FirstReading {
    /// Whether every partition has had a watermark.
    is_over: watch::Sender<bool>,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    /// When the first events of the present try came.
    began: Option<Instant>,
    outage: Outage,
}

impl FirstReading {
    pub fn new() -> Self {
        Self { is_over: watch::Sender::new(false), lines: Mutex::default() }
    }

    /// It is tried, or tried again.
    pub fn begins(&self) {
        let mut lines = self.lines();
        if !lines.outage.is_present() {
            lines.began = None;
        }
    }

    pub fn ends(&self) {
        self.is_over.send_if_modified(|is_over| !std::mem::replace(is_over, true));
    }

    /// Waits for its end, and no longer than `until`.
    pub async fn wait(&self, until: Instant) {
        let mut is_over = self.is_over.subscribe();
        let _ = timeout_at(until.into(), is_over.wait_for(|is_over| *is_over)).await;
    }

    /// Logs one that takes long, as an outage: nobody knows all ends meanwhile. One without events has other lines: Redis
    /// cannot be reached.
    pub fn log(&self, held: usize, has_events: bool) {
        match self.note(has_events, Instant::now()) {
            Some((Change::Began | Change::Lasts(_), lasted)) => {
                log::warn!(held, seconds = lasted.seconds(); "the first reading of the revocation feed lasts for {lasted}, with {held} ended sessions so far; the feed counts as stale until it is over");
            }
            Some((Change::Over(_), lasted)) => {
                log::info!(held, seconds = lasted.seconds(); "the first reading of the revocation feed is over after {lasted}, with {held} ended sessions");
            }
            None => {}
        }
    }

    /// The reason for a line, where there is one, and how long the present try lasts.
    fn note(&self, has_events: bool, now: Instant) -> Option<(Change, Lasted)> {
        let (mut lines, is_over) = (self.lines(), *self.is_over.borrow());
        if has_events {
            lines.began.get_or_insert(now);
        }
        let lasted = Lasted(now.saturating_duration_since(lines.began?));
        let is_long = lasted.0 >= LONG_FIRST_READING && has_events || lines.outage.is_present();
        Some((lines.outage.note(is_long && !is_over, now)?, lasted))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().expect("no panic while it is held")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The seconds of the lines of a reading that goes on for so long, with events each second.
    fn lines(reading: &FirstReading, began: Instant, seconds: std::ops::Range<u64>) -> Vec<(u64, u64)> {
        let noted = seconds.map(|second| (second, reading.note(true, began + Duration::from_secs(second))));
        noted.filter_map(|(second, line)| Some((second, line?.1.seconds()))).collect()
    }

    #[test]
    fn a_long_first_reading_has_a_line_soon_one_a_minute_and_one_at_its_end() {
        let (reading, began) = (FirstReading::new(), Instant::now());
        assert_eq!(lines(&reading, began, 0..100), [(3, 3), (63, 63)]);
        reading.ends();
        assert_eq!(lines(&reading, began, 100..300), [(100, 100)]);
    }

    #[test]
    fn a_short_one_and_one_that_begins_anew_have_none() {
        let (reading, began) = (FirstReading::new(), Instant::now());
        assert_eq!(lines(&reading, began, 0..3), []);
        assert!(reading.note(false, began + Duration::from_secs(9)).is_none(), "no events, but an outage");
        reading.begins();
        assert_eq!(lines(&reading, began, 10..12), []);
        reading.ends();
        assert_eq!(lines(&reading, began, 12..300), []);
    }
}

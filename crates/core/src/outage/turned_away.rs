//! The log lines about clients that a bound turns away: those of an outage, each with a count.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Change, Outage};

/// It is over when nobody was turned away for so long.
const QUIET: Duration = Duration::from_secs(30);

/// Counts those that a bound turns away, and decides when there is a log line. The caller tells the time.
#[derive(Debug, Default)]
pub struct TurnedAway(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    outage: Outage,
    /// Since the last line.
    count: u64,
    last: Option<Instant>,
}

impl TurnedAway {
    /// Notes so many more. Called at least once a second, with zero where there are none, or the end is noticed late.
    /// Returns the reason for a line, and the number since the last line.
    pub fn note(&self, count: u64, now: Instant) -> Option<(Change, u64)> {
        let mut state = self.0.lock().expect("no panic while it is held");
        state.count += count;
        if count > 0 {
            state.last = Some(now);
        }
        let lasts = state.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET);
        let change = state.outage.note(lasts, now)?;
        Some((change, std::mem::take(&mut state.count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outage::Lasted;

    #[test]
    fn there_is_a_line_at_once_then_one_a_minute_and_one_after_half_a_minute_without_any() {
        let (bound, began) = (TurnedAway::default(), Instant::now());
        let mut lines = Vec::new();
        for second in 0..200 {
            let count = u64::from((10..100).contains(&second));
            let line = bound.note(count, began + Duration::from_secs(second));
            lines.extend(line.map(|(change, count)| (second, change, count)));
        }
        let lasted = |seconds| Lasted(Duration::from_secs(seconds));
        let wanted = [
            (10, Change::Began, 1),
            (70, Change::Lasts(lasted(60)), 60),
            (129, Change::Over(lasted(119)), 29),
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn a_second_flood_has_lines_of_its_own() {
        let (bound, began) = (TurnedAway::default(), Instant::now());
        let at = |second| began + Duration::from_secs(second);
        assert_eq!(bound.note(3, at(0)), Some((Change::Began, 3)));
        assert!(matches!(bound.note(0, at(30)), Some((Change::Over(_), 0))));
        assert_eq!(bound.note(0, at(1000)), None);
        assert_eq!(bound.note(2, at(1001)), Some((Change::Began, 2)));
    }
}

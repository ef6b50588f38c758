//! The pace at which a denylist drops its old ends: some buckets at a time, all of them in a tenth of the retention.

use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::buckets::BUCKETS;

/// The most buckets of one step. A step is taken at least every second.
const MOST_AT_ONCE: usize = BUCKETS / 8;

#[derive(Debug)]
pub(super) struct Sweep {
    /// The time for all buckets.
    round: Duration,
    state: Mutex<(Instant, usize)>,
}

impl Sweep {
    pub fn new(retention: Duration) -> Self {
        Self { round: retention / 10, state: Mutex::new((Instant::now(), 0)) }
    }

    /// The buckets that are due now.
    pub fn due(&self, now: Instant) -> Range<usize> {
        let mut state = self.state.lock().expect("no panic while it is held");
        let (swept, begin) = *state;
        let passed = now.saturating_duration_since(swept).as_secs_f64() / self.round.as_secs_f64().max(0.001);
        let count = ((passed * BUCKETS as f64) as usize).min(MOST_AT_ONCE);
        let end = (begin + count).min(BUCKETS);
        if count > 0 {
            *state = (now, end % BUCKETS);
        }
        begin..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_has_its_turn_in_a_tenth_of_the_retention() {
        let sweep = Sweep::new(Duration::from_secs(100));
        let begun = sweep.state.lock().expect("nobody panicked").0;
        let mut turns = vec![0; BUCKETS];
        for tenths in 1..=220 {
            sweep.due(begun + Duration::from_millis(100 * tenths)).for_each(|bucket| turns[bucket] += 1);
        }
        assert!(turns.iter().all(|turns| (2..=3).contains(turns)), "{:?}", turns.iter().min());
    }

    #[test]
    fn a_late_step_is_no_longer_than_others() {
        let sweep = Sweep::new(Duration::from_secs(100));
        assert_eq!(sweep.due(Instant::now() + Duration::from_secs(3600)), 0..MOST_AT_ONCE);
    }
}

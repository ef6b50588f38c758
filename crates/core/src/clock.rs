//! Time by the store's clock.
//!
//! One clock decides: the store's (Redis `TIME`). Every answer of the store carries its time. From these answers a node
//! derives a *lower bound* on the store's clock for a local moment, without an extra round trip. The bound dates a
//! request (`sent_at`). A date too early only delays an accusation; a date too late could accuse an honest client.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment on the store's clock: microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment on this machine's own clock.
    pub fn from_system_clock() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(micros(since_epoch))
    }

    /// Whole seconds since the epoch, rounded down: a JWT `NumericDate` (RFC 7519 section 2).
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }

    /// So much later; at most the end of time.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// So much earlier; at least the beginning of time.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }
}

/// A moment, to be read on the clock of the deciding server. Each server has its own clock, and a call repeated after a
/// failover meets another server.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// On this machine.
    Local(Instant),
    /// On the store's clock.
    Stored(Timestamp),
}

impl Moment {
    /// A lower bound of the moment on `clock`; the Unix epoch where the clock has none.
    pub fn on(self, clock: &Clock) -> Timestamp {
        self.known_on(clock).unwrap_or_default()
    }

    /// A lower bound of it on a clock; `None` on one that does not know.
    pub fn known_on(self, clock: &Clock) -> Option<Timestamp> {
        match self {
            Self::Local(moment) => clock.lower_bound(moment),
            Self::Stored(time) => Some(time),
        }
    }
}

/// Two clocks drift apart by at most one part in so many: 1 µs in 10,000 µs, or 100 ppm.
const CLOCK_DRIFT_DIVISOR: u64 = 10_000;

/// Knowledge of a server's clock. Each connection has its own: the next one may lead to another server.
///
/// ```
/// use std::time::{Duration, Instant};
/// use token_gateway_core::clock::{Clock, Timestamp};
///
/// let (clock, asked) = (Clock::default(), Instant::now());
/// assert_eq!(clock.lower_bound(asked), None);
///
/// clock.observe(Timestamp(5_000_000), asked, asked + Duration::from_millis(2));
/// let bound = clock.lower_bound(asked + Duration::from_millis(12)).expect("an answer came");
/// assert!(bound > Timestamp(5_009_000) && bound <= Timestamp(5_010_000));
/// ```
#[derive(Debug, Default)]
pub struct Clock {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    best: Option<Observation>,
    /// Set where this clock takes the place of another. A request that arrived earlier cannot be dated on this clock,
    /// because the other one may have stamped a record since then.
    since: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Observation {
    time: Timestamp,
    answered: Instant,
}

impl Observation {
    /// `time` was read before `answered`, so `time + (moment - answered)` never exceeds the store's clock at `moment`,
    /// except by drift. The drift is allowed for in the safe direction.
    fn lower_bound(&self, moment: Instant) -> Timestamp {
        if let Some(later) = moment.checked_duration_since(self.answered) {
            let elapsed = micros(later);
            Timestamp(self.time.0.saturating_add(elapsed - elapsed.div_ceil(CLOCK_DRIFT_DIVISOR)))
        } else {
            let elapsed = micros(self.answered - moment);
            Timestamp(self.time.0.saturating_sub(elapsed + elapsed.div_ceil(CLOCK_DRIFT_DIVISOR)))
        }
    }
}

impl Clock {
    /// The clock of a server that may have taken the place of another.
    pub fn of_a_successor() -> Self {
        Self { known: Mutex::new(Known { best: None, since: Some(Instant::now()) }) }
    }

    /// Notes an answer with the store's `time`: asked for at `asked`, received at `answered`.
    pub fn observe(&self, time: Timestamp, asked: Instant, answered: Instant) {
        let mut known = self.known.lock().expect("no panic while the clock is held");
        let seen = Observation { time, answered };
        match known.best {
            // Read after `asked` and yet below the bound for `asked`: the store's clock went back (a failover, a step),
            // so earlier knowledge no longer holds.
            Some(old) if time < old.lower_bound(asked) => {
                *known = Known { best: Some(seen), since: Some(asked) };
            }
            Some(old) if time < old.lower_bound(answered) => {}
            _ => known.best = Some(seen),
        }
    }

    /// The store's clock showed at least this at `moment`; `None` before the first answer, and for a moment unknown to
    /// this clock.
    pub fn lower_bound(&self, moment: Instant) -> Option<Timestamp> {
        let known = self.known.lock().expect("no panic while the clock is held");
        let is_told = known.since.is_none_or(|since| moment >= since);
        known.best.filter(|_| is_told).map(|best| best.lower_bound(moment))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_arrived_before_a_successor_was_asked_cannot_be_told_on_its_clock() {
        let before = Instant::now();
        let clock = Clock::of_a_successor();
        let now = Instant::now();
        clock.observe(Timestamp(5_000_000), now, now);
        assert_eq!(clock.lower_bound(before), None);
        assert_eq!(Moment::Local(before).on(&clock), Timestamp(0), "so it accuses nobody");
        assert_eq!(clock.lower_bound(now), Some(Timestamp(5_000_000)));
    }

    #[test]
    fn nothing_is_known_before_the_first_answer() {
        assert_eq!(Clock::default().lower_bound(Instant::now()), None);
    }

    #[test]
    fn the_bound_never_exceeds_the_true_time_and_keeps_the_best_answer() {
        let (clock, start) = (Clock::default(), Instant::now());
        // The true store time at `start + x` is 1 s + x. A slow answer was read 8 ms before it arrived.
        clock.observe(Timestamp(1_002_000), start, start + 10 * MS);
        assert_eq!(clock.lower_bound(start + 10 * MS), Some(Timestamp(1_002_000)));
        // A quick answer, 1 ms old: better.
        clock.observe(Timestamp(1_019_000), start + 18 * MS, start + 20 * MS);
        assert_eq!(clock.lower_bound(start + 20 * MS), Some(Timestamp(1_019_000)));
        // A slow one again: the best is kept.
        clock.observe(Timestamp(1_021_000), start + 20 * MS, start + 30 * MS);
        let bound = clock.lower_bound(start + 30 * MS).unwrap();
        assert!(bound > Timestamp(1_028_000) && bound <= Timestamp(1_030_000), "{bound:?}");
    }

    #[test]
    fn a_bound_also_holds_for_a_moment_before_the_answer() {
        let (clock, start) = (Clock::default(), Instant::now());
        clock.observe(Timestamp(1_010_000), start, start + 10 * MS);
        let bound = clock.lower_bound(start).unwrap();
        assert!(bound <= Timestamp(1_000_000) && bound > Timestamp(999_900), "{bound:?}");
    }

    #[test]
    fn a_clock_that_went_back_is_followed_at_once() {
        let (clock, start) = (Clock::default(), Instant::now());
        clock.observe(Timestamp(5_000_000), start, start + MS);
        clock.observe(Timestamp(4_000_000), start + 2 * MS, start + 3 * MS);
        assert_eq!(clock.lower_bound(start + 3 * MS), Some(Timestamp(4_000_000)));
    }

    #[test]
    fn a_clock_at_its_end_does_not_begin_anew() {
        let (clock, start) = (Clock::default(), Instant::now());
        clock.observe(Timestamp(u64::MAX), start, start);
        assert_eq!(clock.lower_bound(start + MS), Some(Timestamp(u64::MAX)));
    }

    #[test]
    fn drift_loosens_the_bound_with_age() {
        let (clock, start) = (Clock::default(), Instant::now());
        clock.observe(Timestamp(0), start, start);
        let bound = clock.lower_bound(start + Duration::from_secs(10)).unwrap();
        assert_eq!(bound, Timestamp(10_000_000 - 1_000));
    }
}

//! The log lines of an outage: one when it begins, one a minute while it lasts, one when it is over.

mod turned_away;

use std::fmt;
use std::time::{Duration, Instant};

pub use self::turned_away::TurnedAway;

/// A lasting outage has a line this often.
const INTERVAL: Duration = Duration::from_secs(60);

/// Decides which tries of a loop have a log line. The caller tells the time.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use token_gateway_core::outage::{Change, Outage};
///
/// let (mut outage, began) = (Outage::default(), Instant::now());
/// assert!(matches!(outage.note(true, began), Some(Change::Began)));
/// assert!(outage.note(true, began + Duration::from_secs(59)).is_none());
/// let Some(Change::Lasts(lasted)) = outage.note(true, began + Duration::from_secs(60)) else { panic!("a line") };
/// assert_eq!(lasted.to_string(), "60 s");
/// let Some(Change::Over(lasted)) = outage.note(false, began + Duration::from_secs(180)) else { panic!("a line") };
/// assert_eq!(lasted.to_string(), "3 min");
/// ```
#[derive(Debug, Default)]
pub struct Outage {
    /// When the present one began, and when it had its last line.
    present: Option<(Instant, Instant)>,
}

/// A reason for a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The first failed try.
    Began,
    /// A minute has passed since the last line.
    Lasts(Lasted),
    /// The first try that has not failed.
    Over(Lasted),
}

/// How long an outage has lasted. Shown in seconds, and from two minutes on in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lasted(pub Duration);

impl Outage {
    /// Notes a try. Returns the reason for a line, where there is one.
    pub fn note(&mut self, fails: bool, now: Instant) -> Option<Change> {
        match (self.present, fails) {
            (None, true) => {
                self.present = Some((now, now));
                Some(Change::Began)
            }
            (Some((began, said)), true) if now.saturating_duration_since(said) >= INTERVAL => {
                self.present = Some((began, now));
                Some(Change::Lasts(Lasted(now.saturating_duration_since(began))))
            }
            (Some((began, _)), false) => {
                self.present = None;
                Some(Change::Over(Lasted(now.saturating_duration_since(began))))
            }
            _ => None,
        }
    }

    /// Whether there is one now.
    pub fn is_present(&self) -> bool {
        self.present.is_some()
    }
}

impl Lasted {
    /// As a fact of a log line.
    pub fn seconds(self) -> u64 {
        self.0.as_secs()
    }
}

impl fmt::Display for Lasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds() {
            seconds @ 0..120 => write!(f, "{seconds} s"),
            seconds => write!(f, "{} min", seconds / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_has_one_line_at_each_end_and_one_a_minute_in_between() {
        let (mut outage, began) = (Outage::default(), Instant::now());
        let mut lines = Vec::new();
        for tenths in 0..=3100u64 {
            let fails = (50..3050).contains(&tenths);
            if let Some(change) = outage.note(fails, began + Duration::from_millis(100 * tenths)) {
                lines.push((tenths / 10, change));
            }
        }
        let lasted = |seconds| Lasted(Duration::from_secs(seconds));
        let mut wanted = vec![(5, Change::Began)];
        wanted.extend((1..5).map(|minute| (5 + 60 * minute, Change::Lasts(lasted(60 * minute)))));
        wanted.push((305, Change::Over(lasted(300))));
        assert_eq!(lines, wanted);
    }
}

//! Requests that waited in vain at a bound and got 503: a counter for each bound, and a log line a minute.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use super::labels::labels;

/// A bound that lasts to be too low has a line this often.
const LINE_INTERVAL: Duration = Duration::from_secs(60);

labels!(
    /// A bound on requests at once.
    Bound {
        Store = "store",
        Others = "others",
        Lists = "lists",
        SubjectLists = "subject_lists",
        SubjectLogins = "subject_logins",
    }
);

/// The requests that got 503, by bound.
pub struct Overloads(Vec<OfBound>);

struct OfBound {
    counter: Counter,
    lines: Mutex<Lines>,
}

/// The requests since the last line, and when that was.
#[derive(Default)]
struct Lines {
    count: u64,
    last: Option<Instant>,
}

impl Overloads {
    /// `counters` are those of all bounds, in order.
    pub(super) fn new(counters: Vec<Counter>) -> Self {
        let of_bound = |counter| OfBound { counter, lines: Mutex::default() };
        Self(counters.into_iter().map(of_bound).collect())
    }

    /// Notes a request that gets 503 for this bound.
    pub fn note(&self, bound: Bound) {
        let OfBound { counter, lines } = &self.0[bound as usize];
        counter.inc();
        let due = lines.lock().expect("no panic while it is held").note(Instant::now());
        if let Some(count) = due {
            let (bound, hint) = (bound.text(), bound.hint());
            log::warn!(bound, count, hint; "{count} requests got 503 at the bound '{bound}': {hint}");
        }
    }
}

impl Lines {
    /// Notes a request. Returns the requests for a line, where one is due.
    fn note(&mut self, now: Instant) -> Option<u64> {
        self.count += 1;
        let is_due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= LINE_INTERVAL);
        is_due.then(|| {
            self.last = Some(now);
            std::mem::take(&mut self.count)
        })
    }
}

impl Bound {
    fn hint(self) -> &'static str {
        match self {
            Self::Store => "REDIS_MAX_IN_FLIGHT store calls are in flight; add nodes, or raise it",
            Self::Others => {
                "other requests than refreshes and logouts have half of REDIS_MAX_IN_FLIGHT; add nodes, or raise it"
            }
            Self::Lists => "a node reads few lists of sessions at once; look for clients that ask for many",
            Self::SubjectLists => {
                "a node reads one list of a user at a time; look for a client that asks for many"
            }
            Self::SubjectLogins => {
                "a node makes one session of a user at a time; look for a login service that makes many"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_has_a_line_at_once_and_then_one_a_minute_with_a_count() {
        let (mut lines, began) = (Lines::default(), Instant::now());
        let due: Vec<_> =
            (0..=120).filter_map(|second| lines.note(began + Duration::from_secs(second))).collect();
        assert_eq!(due, [1, 60, 60]);
    }
}

//! Requests that waited in vain at a bound and got 503: a counter for each bound, and log lines when they begin, once a
//! minute, and when they are over.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use token_gateway_core::outage::{Change, TurnedAway};

use super::labels::labels;

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
    lines: TurnedAway,
}

impl Overloads {
    /// `counters` are those of all bounds, in order.
    pub(super) fn new(counters: Vec<Counter>) -> Self {
        let of_bound = |counter| OfBound { counter, lines: TurnedAway::default() };
        Self(counters.into_iter().map(of_bound).collect())
    }

    /// Notes a request that gets 503 for this bound.
    pub fn note(&self, bound: Bound) {
        let OfBound { counter, lines } = &self.0[bound as usize];
        counter.inc();
        log_turned_away(bound, lines.note(1, Instant::now()));
    }

    /// Called once a second: logs the bounds at which there are still 503s, and those at which there are none any more.
    pub fn look(&self, now: Instant) {
        for (of_bound, bound) in self.0.iter().zip(Bound::ALL) {
            log_turned_away(*bound, of_bound.lines.note(0, now));
        }
    }
}

fn log_turned_away(of: Bound, line: Option<(Change, u64)>) {
    let (bound, hint) = (of.text(), of.hint());
    match line {
        Some((Change::Began, count)) => {
            log::warn!(bound, count, hint; "{count} requests got 503 at the bound '{bound}': {hint}");
        }
        Some((Change::Lasts(lasted), count)) => {
            log::warn!(bound, count, hint, seconds = lasted.seconds(); "still 503s at the bound '{bound}', for {lasted}: {count} more requests; {hint}");
        }
        Some((Change::Over(lasted), count)) => {
            log::info!(bound, count, seconds = lasted.seconds(); "no 503s at the bound '{bound}' any more after {lasted}: {count} more requests");
        }
        None => {}
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

//! The warnings of a denylist with many ends, and the time for which a full one may lack some.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::super::limits::Limits;
use crate::outage::{Change, Outage};

#[derive(Debug)]
pub(super) struct Fullness {
    limits: Limits,
    /// Until this second an end may be missing, on the clock of the denylist; zero while none ever was.
    lacks_until: AtomicU64,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    many: Outage,
    full: Outage,
}

impl Fullness {
    pub fn new(limits: Limits) -> Self {
        Self { limits, lacks_until: AtomicU64::new(0), lines: Mutex::default() }
    }

    /// An end was not stored. Its tokens live no longer than until this second.
    pub fn lacks_an_end(&self, until: u64) {
        self.lacks_until.fetch_max(until, Ordering::Release);
    }

    /// Whether an end may be missing in this second.
    pub fn lacks_ends(&self, now: u64) -> bool {
        self.lacks_until.load(Ordering::Acquire) > now
    }

    pub fn are_many(&self, places: usize) -> bool {
        places >= self.limits.many
    }

    /// Logs that there are many ends, and that some could not be stored: as an outage, so not for each of them.
    pub fn log(&self, held: usize, places: usize, lacks_ends: bool) {
        let mut lines = self.lines.lock().expect("no panic while it is held");
        let now = Instant::now();
        // A tenth less is no longer many, or a number that sways would fill the log.
        let many = self.limits.many - if lines.many.is_present() { self.limits.many / 10 } else { 0 };
        log_many(lines.many.note(places >= many, now), held, 100 * places / self.limits.most);
        log_full(lines.full.note(lacks_ends, now), held);
    }
}

fn log_many(change: Option<Change>, held: usize, percent: usize) {
    match change {
        Some(Change::Began) => {
            log::warn!(held, percent; "the denylist holds {held} ended sessions, and is {percent} % full; see who ends so many");
        }
        Some(Change::Lasts(lasted)) => {
            log::warn!(held, percent, seconds = lasted.seconds(); "the denylist still holds {held} ended sessions, and is {percent} % full, for {lasted}");
        }
        Some(Change::Over(lasted)) => {
            log::info!(held, seconds = lasted.seconds(); "the denylist holds {held} ended sessions, no longer many after {lasted}");
        }
        None => {}
    }
}

fn log_full(change: Option<Change>, held: usize) {
    match change {
        Some(Change::Began) => {
            log::error!(held; "the denylist is full with {held} ended sessions: no access token is accepted; see who ends so many");
        }
        Some(Change::Lasts(lasted)) => {
            log::error!(held, seconds = lasted.seconds(); "the denylist lacks ended sessions for {lasted}: no access token is accepted");
        }
        Some(Change::Over(lasted)) => {
            log::info!(held, seconds = lasted.seconds(); "the denylist is complete again after {lasted}");
        }
        None => {}
    }
}

//! The log lines of a feed that cannot be read: those of one outage for all partitions together.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Instant;

use token_gateway_core::outage::{Change, Outage};

use crate::LinkError;

/// The partitions of a feed that cannot be read at present.
pub struct FeedLog {
    /// Whether nobody else logs that Redis cannot be reached.
    logs_outages: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// These have failed since they were last read up to their end.
    failed: BTreeSet<usize>,
    /// These have a log line.
    logged: BTreeSet<usize>,
    outage: Outage,
}

impl FeedLog {
    pub fn new(logs_outages: bool) -> Self {
        Self { logs_outages, state: Mutex::default() }
    }

    /// A partition cannot be read. `is_of_feed` where Redis can be reached all the same.
    pub fn failed(&self, number: usize, key: &str, error: &LinkError, is_of_feed: bool) {
        let mut state = self.state.lock().expect("no panic while it is held");
        state.failed.insert(number);
        if !(is_of_feed || self.logs_outages) {
            return log::debug!(key, error:%; "cannot read the feed '{key}': {error}");
        }
        state.logged.insert(number);
        match state.outage.note(true, Instant::now()) {
            Some(Change::Lasts(lasted)) => {
                log::warn!(key, seconds = lasted.seconds(), error:%; "still cannot read the feed '{key}', for {lasted}: {error}");
            }
            Some(_) => log::warn!(key, error:%; "cannot read the feed '{key}', trying on: {error}"),
            None => {}
        }
    }

    /// A partition was read up to its end. Returns whether that is a change.
    pub fn succeeded(&self, number: usize, key: &str) -> bool {
        let mut state = self.state.lock().expect("no panic while it is held");
        if state.logged.remove(&number)
            && state.logged.is_empty()
            && let Some(Change::Over(lasted)) = state.outage.note(false, Instant::now())
        {
            log::info!(key, seconds = lasted.seconds(); "reading the feed '{key}' again after {lasted}");
        }
        state.failed.remove(&number)
    }
}

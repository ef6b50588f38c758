//! The ends by this node that wait for their events from the feed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::super::limits::{ENDS_AT_ONCE, MOST_OWN_ENDS};

/// Sessions ended by this node, with the moment; the feed may not have brought their events yet.
#[derive(Debug, Default)]
pub(super) struct OwnEnds(Mutex<VecDeque<(Instant, u64)>>);

impl OwnEnds {
    pub fn add(&self, session: u64) {
        let mut ends = self.lock();
        if ends.len() < MOST_OWN_ENDS {
            ends.push_back((Instant::now(), session));
        }
    }

    /// Takes ends that are older than `patience`: no more than one lock may cover.
    pub fn take_due(&self, patience: Duration) -> Vec<u64> {
        let mut ends = self.lock();
        let is_due = |(learnt, _): &(Instant, u64)| learnt.elapsed() > patience;
        let due = ends.iter().take(ENDS_AT_ONCE).take_while(|one| is_due(one)).count();
        ends.drain(..due).map(|(_, session)| session).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, u64)>> {
        self.0.lock().expect("no panic while it is held")
    }
}

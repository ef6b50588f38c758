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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(count: usize) -> OwnEnds {
        let ends = OwnEnds::default();
        (0..count as u64).for_each(|session| ends.add(session));
        ends
    }

    #[test]
    fn a_lock_covers_no_more_than_256_ends_and_others_come_next() {
        let ends = with(2 * 256 + 1);
        let taken: Vec<_> = (0..4).map(|_| ends.take_due(Duration::ZERO)).collect();
        assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 1, 0]);
        assert!(taken.into_iter().flatten().eq(0..513), "each once, the oldest first");
    }

    #[test]
    fn their_number_is_bounded() {
        assert_eq!(with(300_000).lock().len(), MOST_OWN_ENDS);
    }
}

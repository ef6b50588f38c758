//! The revocation feed of the embedded store: one partition, in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::limits::ENDS_AT_ONCE;
use token_gateway_core::feed::{Listener, RevocationEvent, timing};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

/// The revocation feed.
pub(super) struct MemoryFeed {
    entries: Mutex<HeldEvents>,
    /// The number of events ever appended.
    length: watch::Sender<usize>,
}

#[derive(Default)]
struct HeldEvents {
    /// The events within the retention, the newest last.
    held: VecDeque<RevocationEvent>,
    /// The number of older events, trimmed by now.
    trimmed: usize,
}

impl Default for MemoryFeed {
    fn default() -> Self {
        Self { entries: Mutex::default(), length: watch::Sender::new(0) }
    }
}

impl MemoryFeed {
    /// Passes the feed to `listener`, for as long as the future is polled.
    pub async fn subscribe(&self, listener: &(dyn Listener + Sync)) {
        listener.opened(1);
        listener.snapshot_begins(0);
        let mut length = self.length.subscribe();
        let mut known = self.pass_on(0, listener).await;
        listener.snapshot_ends(0, None);
        loop {
            known = self.pass_on(known, listener).await;
            let _ = timeout(timing::WATERMARK_INTERVAL, length.changed()).await; // its sender lives as long as this
        }
    }

    /// Passes on the events after the first `known`, in pieces. Returns the number of all.
    async fn pass_on(&self, mut known: usize, listener: &(dyn Listener + Sync)) -> usize {
        loop {
            let asked = Instant::now();
            let (events, all) = self.after(known);
            known = all;
            if events.len() < ENDS_AT_ONCE {
                listener.events(0, events, Some(asked));
                return known;
            }
            listener.events(0, events, None);
            yield_now().await;
        }
    }

    pub fn append(&self, entries: impl Iterator<Item = RevocationEvent>, oldest: Timestamp) {
        let mut all = self.lock();
        all.held.extend(entries);
        while all.held.front().is_some_and(|entry| entry.at < oldest) {
            all.held.pop_front();
            all.trimmed += 1;
        }
        self.length.send_replace(all.trimmed + all.held.len());
    }

    /// At most 256 events after the first `known`, and the number of events up to their end.
    fn after(&self, known: usize) -> (Vec<RevocationEvent>, usize) {
        let all = self.lock();
        let known = known.max(all.trimmed);
        let new: Vec<_> = all.held.iter().skip(known - all.trimmed).take(ENDS_AT_ONCE).cloned().collect();
        let end = known + new.len();
        (new, end)
    }

    fn lock(&self) -> MutexGuard<'_, HeldEvents> {
        self.entries.lock().expect("no panic while the feed is held")
    }
}

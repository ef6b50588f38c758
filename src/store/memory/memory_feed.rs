//! The revocation feed of the embedded store: one partition, in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::{Listener, RevocationEvent, timing};
use tokio::sync::watch;
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
        let mut length = self.length.subscribe();
        let (held, mut known) = self.after(0);
        listener.snapshot(0, held, Some(Instant::now()));
        loop {
            let _ = timeout(timing::WATERMARK_INTERVAL, length.changed()).await; // its sender lives as long as this
            let (events, all) = self.after(known);
            known = all;
            listener.events(0, events, Some(Instant::now()));
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

    /// The events after the first `known`, and the number of all.
    fn after(&self, known: usize) -> (Vec<RevocationEvent>, usize) {
        let all = self.lock();
        let new = all.held.iter().skip(known.saturating_sub(all.trimmed)).cloned().collect();
        (new, all.trimmed + all.held.len())
    }

    fn lock(&self) -> MutexGuard<'_, HeldEvents> {
        self.entries.lock().expect("no panic while the feed is held")
    }
}

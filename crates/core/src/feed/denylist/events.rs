//! A denylist as its readers see it: events, one after the other.

use tokio::sync::watch;

use super::Denylist;
use super::bucket::End;
use super::event_log::{Entry, EventCursor, NextEvent};
use crate::clock::Timestamp;

impl Denylist {
    /// A reader of the events published since `since`, and of all later ones.
    pub fn events_since(&self, since: Timestamp) -> EventCursor {
        EventCursor::new(since)
    }

    /// The next event for a reader.
    pub fn next_event(&self, cursor: &mut EventCursor) -> NextEvent {
        match self.log.read(cursor) {
            Entry::Session(session, place) => self.event_at(session, place, cursor.since),
            Entry::Skipped => NextEvent::Skipped,
            Entry::End => NextEvent::End,
            Entry::Trimmed => NextEvent::Trimmed,
        }
    }

    fn event_at(&self, session: u64, place: u32, since: Timestamp) -> NextEvent {
        let Some(bucket) = self.buckets.read(session) else { return NextEvent::Skipped };
        let is_it = |end: &&End| end.place == place && !end.published.is_none();
        let end = bucket.of_session(session).find(is_it).filter(|end| end.published.at() >= since);
        end.map_or(NextEvent::Skipped, |end| NextEvent::Event(bucket.event(end)))
    }

    /// The place after the last event of today.
    pub fn events_end(&self) -> u64 {
        self.log.end()
    }

    /// Changes after new events.
    pub fn event_changes(&self) -> watch::Receiver<u64> {
        self.log.changes()
    }
}

//! The revocation feed: its events, its timings, its place in Redis, and the denylist that a subscriber keeps.
//!
//! - [`Denylist`]: the revoked sessions in memory, and how fresh this knowledge is.
//! - [`sse`]: the events over HTTP, as a node writes and an API node reads them.
//! - [`limits`]: its bounds in numbers.
//! - [`timing`]: all times of the feed, with a test that they fit each other.
//! - [`stream_keys`]: the streams in Redis.
//!
//! A reader or writer of the feed is one file in the crate with its transport.

mod denylist;
pub mod limits;
pub mod sse;
pub mod stream_keys;
pub mod timing;

use std::time::Instant;

pub use self::denylist::{Denylist, EventCursor, NextEvent};
use crate::clock::Timestamp;
use crate::session::{Reason, SessionId, Subject};

/// An ended session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSession {
    /// The session.
    pub session: SessionId,
    /// Why it ended.
    pub reason: Reason,
}

/// A revocation event: one entry of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationEvent {
    /// The user of the session.
    pub subject: Subject,
    /// The session, and the reason.
    pub ended: EndedSession,
    /// The time of the entry, on the clock of the store.
    pub at: Timestamp,
}

/// Receives the revocation feed, with the ends of sessions on any node.
pub trait Listener {
    /// The number of partitions of the feed; called before all else.
    fn opened(&self, partitions: usize);

    /// A snapshot of one partition follows, in pieces: all of its events, by [`events`](Self::events). It may be broken
    /// off. Then another one begins.
    fn snapshot_begins(&self, partition: usize);

    /// Events of a snapshot, or new ones; called at least every second, even without any. All events published before
    /// `watermark` have been passed on. It is `None` within a snapshot, and for as long as lost events may be about to be
    /// repaired.
    fn events(&self, partition: usize, events: Vec<RevocationEvent>, watermark: Option<Instant>);

    /// The snapshot is complete. An event published there within the retention and missing now has been lost.
    fn snapshot_ends(&self, partition: usize, watermark: Option<Instant>);
}

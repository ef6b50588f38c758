//! The revocation feed: its events, its timings, its place in Redis, and the denylist that a subscriber keeps.
//!
//! - [`Denylist`]: the revoked sessions in memory, and how fresh this knowledge is.
//! - [`sse`]: the events over HTTP, as a node writes and an API node reads them.
//! - [`timing`]: all times of the feed, with a test that they fit each other.
//! - [`stream_keys`]: the streams in Redis.
//!
//! A reader or writer of the feed is one file in the crate with its transport.

mod denylist;
pub mod sse;
pub mod stream_keys;
pub mod timing;

use std::time::Instant;

pub use self::denylist::Denylist;
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

    /// A snapshot of one partition, read anew. An event published there within the retention and missing now has been
    /// lost. All events published before `watermark` have been passed on. It is `None` for as long as lost events may be
    /// about to be repaired.
    fn snapshot(&self, partition: usize, events: Vec<RevocationEvent>, watermark: Option<Instant>);

    /// New events; called at least every second, even without any.
    fn events(&self, partition: usize, events: Vec<RevocationEvent>, watermark: Option<Instant>);
}

//! The denylist: the revoked sessions known from the feed, and how fresh this knowledge is.
//!
//! The revocation feed brings the ends of sessions to every node. A subscriber ([`Listener`]) keeps the events for
//! longer than any access token lives, and so can refuse the tokens of revoked sessions without asking.
//!
//! Millions of ends make nothing slow: each lock covers at most 256 of them, and longer work is done in pieces.

mod bucket;
mod buckets;
mod chunked;
mod event_log;
mod events;
mod first_reading;
mod fullness;
mod learning;
mod missing;
mod own_ends;
mod partitions;
mod room;
mod sweep;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::buckets::Buckets;
use self::event_log::EventLog;
pub use self::event_log::{EventCursor, NextEvent};
use self::first_reading::FirstReading;
use self::fullness::Fullness;
use self::own_ends::OwnEnds;
use self::partitions::Partitions;
use self::sweep::Sweep;
use super::limits::Limits;
use super::timing::FIRST_SNAPSHOTS;
use crate::clock::Timestamp;
use crate::session::{Reason, SessionId, Subject};

/// The denylist of a process, shared by all its threads.
#[derive(Debug)]
pub struct Denylist {
    /// How long an end is kept.
    retention: Duration,
    began: Instant,
    buckets: Buckets,
    log: EventLog,
    partitions: Partitions,
    own: OwnEnds,
    fullness: Fullness,
    sweep: Sweep,
    /// The time of the latest event, in microseconds on the clock of the store.
    latest: AtomicU64,
    /// The watermark of all partitions together, in microseconds since `began`; 0 as long as one of them has none.
    watermark: AtomicU64,
    first_reading: FirstReading,
}

impl Denylist {
    /// An empty denylist, which keeps each end for `retention`.
    pub fn new(retention: Duration) -> Self {
        Self::with_limits(retention, Limits::default())
    }

    /// The same with other bounds.
    pub fn with_limits(retention: Duration, limits: Limits) -> Self {
        Self {
            retention,
            began: Instant::now(),
            buckets: Buckets::new(limits),
            log: EventLog::new(),
            partitions: Partitions::default(),
            own: OwnEnds::default(),
            fullness: Fullness::new(limits),
            sweep: Sweep::new(retention),
            latest: AtomicU64::new(0),
            watermark: AtomicU64::new(0),
            first_reading: FirstReading::new(),
        }
    }

    /// How long an end is kept.
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// Why the session has ended, if its end is known.
    pub fn reason(&self, subject: &Subject, session: SessionId) -> Option<Reason> {
        let session = session.number();
        Some(self.buckets.read(session)?.find(session, subject)?.reason())
    }

    /// Whether the feed has brought an event of the session.
    pub fn is_published(&self, subject: &Subject, session: SessionId) -> bool {
        let session = session.number();
        let bucket = self.buckets.read(session);
        bucket.is_some_and(|bucket| bucket.find(session, subject).is_some_and(|end| !end.published.is_none()))
    }

    /// The number of ends.
    pub fn held(&self) -> usize {
        self.buckets.held()
    }

    /// Whether there are so many ends that an operator should look for the cause.
    pub fn holds_many(&self) -> bool {
        self.fullness.are_many(self.buckets.places())
    }

    /// Whether it was full, and an end within the retention may be missing. No token can be accepted then.
    pub fn lacks_ends(&self) -> bool {
        self.fullness.lacks_ends(self.second())
    }

    /// Microseconds on a clock of this process. Nobody puts it forward or back.
    pub fn clock(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// When the latest event from the feed was published, on the clock of the store.
    pub fn latest(&self) -> Timestamp {
        Timestamp(self.latest.load(Ordering::Acquire))
    }

    /// The lag: ends published within this time may be unknown. `None` as long as a partition has no watermark.
    pub fn stale(&self) -> Option<Duration> {
        match self.watermark.load(Ordering::Acquire) {
            0 => None,
            micros => Some(self.began.elapsed().saturating_sub(Duration::from_micros(micros))),
        }
    }

    /// Whether the feed is opened, and a partition has no watermark yet. No token can be accepted then.
    pub fn is_unread(&self) -> bool {
        self.stale().is_none() && self.partitions.are_open()
    }

    /// The lag. Before there is a watermark it counts from the start; before the feed is opened it is zero.
    pub fn lag(&self) -> Duration {
        self.stale()
            .unwrap_or_else(|| if self.partitions.are_open() { self.began.elapsed() } else { Duration::ZERO })
    }

    /// Drops old ends, and logs how many there are. Called at least once a second.
    fn drop_old(&self) {
        let kept = self.kept_from();
        for bucket in self.sweep.due(Instant::now()) {
            self.buckets.sweep_nth(bucket, kept);
        }
        self.log.trim(kept);
        self.fullness.log(self.held(), self.buckets.places(), self.lacks_ends());
    }

    /// Ends learnt before this second are too old.
    fn kept_from(&self) -> u32 {
        self.second().saturating_sub(self.retention.as_secs()) as u32
    }

    /// Seconds since the start.
    fn second(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// Just after the start, waits until every partition has a watermark, though not for ever. Callers must look again
    /// afterwards.
    pub async fn read_first(&self) {
        self.first_reading.wait(self.began + FIRST_SNAPSHOTS).await;
    }
}

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
mod fullness;
mod partitions;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout_at;

use self::bucket::Published;
use self::buckets::{BUCKETS, Buckets};
pub use self::event_log::EventCursor;
use self::event_log::{Entry, EventLog};
use self::fullness::Fullness;
use self::partitions::Partitions;
use self::sweep::Sweep;
use super::limits::{ENDS_AT_ONCE, Limits, MOST_OWN_ENDS};
use super::timing::FIRST_SNAPSHOTS;
use super::{EndedSession, Listener, RevocationEvent};
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
    /// Ends by this node that the feed may not have brought yet.
    own: Mutex<VecDeque<(Instant, u64)>>,
    fullness: Fullness,
    sweep: Sweep,
    /// The time of the latest event, in microseconds on the clock of the store.
    latest: AtomicU64,
    /// The watermark of all partitions together, in microseconds since `began`; 0 as long as one of them has none.
    watermark: AtomicU64,
    /// Whether every partition has had a watermark.
    read_first: watch::Sender<bool>,
}

/// A look at the next event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextEvent {
    /// The event.
    Event(RevocationEvent),
    /// It is nothing for this reader: too old, or dropped.
    Skipped,
    /// There is none yet.
    End,
    /// The reader is so slow that events are gone for their age.
    Trimmed,
}

/// The event of an end that is learnt.
struct Source {
    partition: usize,
    /// The snapshot of this partition that it belongs to, or follows.
    snapshot: u32,
    at: Timestamp,
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
            buckets: Buckets::new(limits.most),
            log: EventLog::new(),
            partitions: Partitions::default(),
            own: Mutex::default(),
            fullness: Fullness::new(limits),
            sweep: Sweep::new(retention),
            latest: AtomicU64::new(0),
            watermark: AtomicU64::new(0),
            read_first: watch::Sender::new(false),
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
        self.fullness.are_many(self.held())
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

    /// The lag. Before there is a watermark it counts from the start; before the feed is opened it is zero.
    pub fn lag(&self) -> Duration {
        self.stale()
            .unwrap_or_else(|| if self.partitions.are_open() { self.began.elapsed() } else { Duration::ZERO })
    }

    /// Adds ends by this node; the store has them already.
    pub fn add(&self, subject: &Subject, ended: &[EndedSession]) {
        for one in ended {
            self.learn(subject, one, None);
            let mut own = self.own.lock().expect("no panic while it is held");
            if own.len() < MOST_OWN_ENDS {
                own.push_back((Instant::now(), one.session.number()));
            }
        }
        self.drop_old();
    }

    /// Own ends without an event from the feed for longer than `patience`. Each is returned once.
    pub fn unpublished(&self, patience: Duration) -> Vec<(Subject, EndedSession)> {
        let mut unpublished = Vec::new();
        loop {
            let due = self.due_own_ends(patience);
            if due.is_empty() {
                return unpublished;
            }
            unpublished.extend(due.into_iter().flat_map(|session| self.unpublished_of(session)));
        }
    }

    fn due_own_ends(&self, patience: Duration) -> Vec<u64> {
        let mut own = self.own.lock().expect("no panic while it is held");
        let is_due = |(learnt, _): &(Instant, u64)| learnt.elapsed() > patience;
        let due = own.iter().take(ENDS_AT_ONCE).take_while(|one| is_due(one)).count();
        own.drain(..due).map(|(_, session)| session).collect()
    }

    fn unpublished_of(&self, session: u64) -> Vec<(Subject, EndedSession)> {
        let Some(bucket) = self.buckets.read(session) else { return Vec::new() };
        let ends = bucket.of_session(session).filter(|end| end.published.is_none());
        ends.map(|end| bucket.named(end)).collect()
    }

    /// The ends within the retention that are missing from the last snapshot of a partition: their latest event came from
    /// there, or no event has come yet. They come in pieces of at most 256. While another snapshot is being read, none are
    /// missing.
    pub fn missing(&self, partition: usize) -> impl Iterator<Item = Vec<(Subject, EndedSession)>> {
        (0..BUCKETS).map(move |bucket| self.missing_of(partition, bucket))
    }

    fn missing_of(&self, partition: usize, bucket: usize) -> Vec<(Subject, EndedSession)> {
        let Some(snapshot) = self.partitions.complete_snapshot(partition) else { return Vec::new() };
        let Some(bucket) = self.buckets.read_nth(bucket) else { return Vec::new() };
        let needed = Timestamp::from_system_clock().minus(self.retention); // older ones are gone for their age
        let kept = self.kept_from();
        let lost = bucket.iter().filter(|end| {
            let should_be_there = end.published.is_none()
                || end.published.is_by(partition) && end.published.at() >= needed && end.seen < snapshot;
            should_be_there && !end.is_older_than(kept)
        });
        lost.map(|end| bucket.named(end)).collect()
    }

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
        let is_it = |end: &&bucket::End| end.place == place && !end.published.is_none();
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

    /// Adds events from a partition, and moves its watermark to `watermark`, if there is one.
    fn receive(&self, partition: usize, events: &[RevocationEvent], watermark: Option<Instant>) {
        let snapshot = self.partitions.snapshot(partition);
        for one in events {
            let source = Source { partition, snapshot, at: one.at };
            self.learn(&one.subject, &one.ended, Some(&source));
            self.latest.fetch_max(one.at.0, Ordering::AcqRel);
        }
        self.log.wake();
        self.drop_old();
        self.advance(partition, watermark);
    }

    fn advance(&self, partition: usize, watermark: Option<Instant>) {
        let Some(until) = self.partitions.advance(partition, watermark) else { return };
        let until = until.saturating_duration_since(self.began).as_micros().max(1);
        self.watermark.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
        self.read_first.send_if_modified(|read| !std::mem::replace(read, true));
    }

    /// Stores an end, or its latest event, where there is room.
    fn learn(&self, subject: &Subject, ended: &EndedSession, source: Option<&Source>) {
        let (session, now) = (ended.session.number(), self.second());
        let mut bucket = self.buckets.write(session);
        if bucket.find(session, subject).is_none() {
            if !self.buckets.take_place(&bucket) {
                return self.fullness.lacks_an_end(now + self.retention.as_secs() + 1);
            }
            bucket.insert(session, subject, ended.reason, now as u32);
        }
        let Some(source) = source else { return };
        let end = bucket.find_mut(session, subject).expect("it is there now");
        let event = Published::new(source.at, source.partition);
        let is_newer = event > end.published;
        if end.note(event, source.partition, source.snapshot) {
            end.place = self.log.append(session, source.at, now as u32) as u32;
        } else if is_newer {
            self.log.renew(end.place, source.at);
        }
    }

    /// Drops old ends, and logs how many there are. Called at least once a second.
    fn drop_old(&self) {
        let kept = self.kept_from();
        for bucket in self.sweep.due(Instant::now()) {
            self.buckets.sweep_nth(bucket, kept);
        }
        self.log.trim(kept);
        self.fullness.log(self.held(), self.lacks_ends());
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
        let mut read = self.read_first.subscribe();
        let _ = timeout_at((self.began + FIRST_SNAPSHOTS).into(), read.wait_for(|read| *read)).await;
    }
}

impl Listener for Denylist {
    fn opened(&self, partitions: usize) {
        self.partitions.open(partitions);
    }

    fn snapshot_begins(&self, partition: usize) {
        self.partitions.begin_snapshot(partition);
    }

    fn events(&self, partition: usize, events: Vec<RevocationEvent>, watermark: Option<Instant>) {
        self.receive(partition, &events, watermark);
    }

    fn snapshot_ends(&self, partition: usize, watermark: Option<Instant>) {
        self.partitions.end_snapshot(partition);
        self.receive(partition, &[], watermark);
    }
}

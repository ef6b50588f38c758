//! Ends and events that come to a denylist.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::super::{EndedSession, Listener, RevocationEvent};
use super::Denylist;
use super::bucket::Published;
use crate::clock::Timestamp;
use crate::session::Subject;

/// The event of an end that is learnt.
pub(super) struct Source {
    partition: usize,
    /// The snapshot of this partition that it belongs to, or follows.
    snapshot: u32,
    at: Timestamp,
}

impl Denylist {
    /// Adds ends by this node; the store has them already.
    pub fn add(&self, subject: &Subject, ended: &[EndedSession]) {
        for one in ended {
            self.learn(subject, one, None);
            self.own.add(one.session.number());
        }
        self.drop_old();
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
        self.first_reading.log(self.held(), !events.is_empty());
    }

    fn advance(&self, partition: usize, watermark: Option<Instant>) {
        let Some(until) = self.partitions.advance(partition, watermark) else { return };
        let until = until.saturating_duration_since(self.began).as_micros().max(1);
        self.watermark.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Release);
        self.first_reading.ends();
    }

    /// Stores an end, or its latest event, where there is room.
    pub(super) fn learn(&self, subject: &Subject, ended: &EndedSession, source: Option<&Source>) {
        let (session, now) = (ended.session.number(), self.second());
        let mut bucket = self.buckets.write(session);
        if bucket.find(session, subject).is_none() {
            if !self.buckets.take_place(&bucket, subject) {
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
}

impl Listener for Denylist {
    fn opened(&self, partitions: usize) {
        self.partitions.open(partitions);
    }

    fn snapshot_begins(&self, partition: usize) {
        self.first_reading.begins();
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

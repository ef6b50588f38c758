//! Ends that the feed lacks: own ones without an event, and those that a snapshot does not hold.

use std::time::Duration;

use super::super::EndedSession;
use super::Denylist;
use super::buckets::BUCKETS;
use crate::clock::Timestamp;
use crate::session::Subject;

impl Denylist {
    /// Own ends without an event from the feed for longer than `patience`. Each is returned once.
    pub fn unpublished(&self, patience: Duration) -> Vec<(Subject, EndedSession)> {
        let mut unpublished = Vec::new();
        loop {
            let due = self.own.take_due(patience);
            if due.is_empty() {
                return unpublished;
            }
            unpublished.extend(due.into_iter().flat_map(|session| self.unpublished_of(session)));
        }
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
}

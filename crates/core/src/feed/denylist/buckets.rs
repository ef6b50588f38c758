//! All ends of a denylist, in many buckets with a lock each. A lock therefore covers a few ends, however many there are.

use std::hash::{BuildHasher, RandomState};
use std::sync::{OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::super::limits::Limits;
use super::bucket::{Bucket, bytes_of_end};
use super::room::Room;
use crate::session::Subject;

/// The number of buckets. With the most ends that a denylist holds, the fullest have some 180.
pub(super) const BUCKETS: usize = 1 << 15;

#[derive(Debug)]
pub(super) struct Buckets {
    /// Made when they are first needed: 16 bytes each before that.
    buckets: Box<[OnceLock<Box<RwLock<Bucket>>>]>,
    /// Nobody can choose sessions that share a bucket.
    hasher: RandomState,
    room: Room,
}

impl Buckets {
    pub fn new(limits: Limits) -> Self {
        let buckets = (0..BUCKETS).map(|_| OnceLock::new()).collect();
        Self { buckets, hasher: RandomState::new(), room: Room::new(limits.most) }
    }

    /// The number of ends.
    pub fn held(&self) -> usize {
        self.room.ends()
    }

    /// The places of a hundred bytes that they take.
    pub fn places(&self) -> usize {
        self.room.places()
    }

    /// The bucket of a session; `None` where no end was ever added.
    pub fn read(&self, session: u64) -> Option<RwLockReadGuard<'_, Bucket>> {
        self.read_nth(self.index(session))
    }

    pub fn read_nth(&self, index: usize) -> Option<RwLockReadGuard<'_, Bucket>> {
        Some(self.buckets[index].get()?.read().expect("no panic while a bucket is held"))
    }

    pub fn write(&self, session: u64) -> RwLockWriteGuard<'_, Bucket> {
        let bucket = self.buckets[self.index(session)].get_or_init(Box::default);
        bucket.write().expect("no panic while a bucket is held")
    }

    /// Takes the place of one more end of this subject in this bucket, where there is one.
    pub fn take_place(&self, bucket: &Bucket, subject: &Subject) -> bool {
        !bucket.is_full() && self.room.take(bytes_of_end(subject.as_str().len()))
    }

    /// Drops the ends of a bucket learnt before this second.
    pub fn sweep_nth(&self, index: usize, before: u32) {
        let Some(bucket) = self.buckets[index].get() else { return };
        let dropped = bucket.write().expect("no panic while a bucket is held").sweep(before);
        self.room.give_back(dropped.ends, dropped.bytes);
    }

    fn index(&self, session: u64) -> usize {
        self.hasher.hash_one(session) as usize % BUCKETS
    }
}

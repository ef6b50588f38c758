//! The partitions of the feed, as a denylist knows them: their watermarks, and how far their snapshots are.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Partitions(Mutex<Vec<Partition>>);

#[derive(Debug, Clone, Default)]
struct Partition {
    watermark: Option<Instant>,
    /// The number of snapshots begun.
    snapshot: u32,
    /// Whether the last snapshot was read to its end.
    is_complete: bool,
}

impl Partitions {
    pub fn open(&self, partitions: usize) {
        *self.lock() = vec![Partition::default(); partitions];
    }

    pub fn are_open(&self) -> bool {
        !self.lock().is_empty()
    }

    pub fn begin_snapshot(&self, partition: usize) {
        if let Some(partition) = self.lock().get_mut(partition) {
            partition.snapshot += 1;
            partition.is_complete = false;
        }
    }

    pub fn end_snapshot(&self, partition: usize) {
        if let Some(partition) = self.lock().get_mut(partition) {
            partition.is_complete = true;
        }
    }

    /// The number of the snapshot that is read now, or was read last; zero before the first.
    pub fn snapshot(&self, partition: usize) -> u32 {
        self.lock().get(partition).map_or(0, |partition| partition.snapshot)
    }

    /// The same, while no other snapshot is being read.
    pub fn complete_snapshot(&self, partition: usize) -> Option<u32> {
        let partitions = self.lock();
        let partition = partitions.get(partition).filter(|partition| partition.is_complete)?;
        Some(partition.snapshot)
    }

    /// Moves the watermark of a partition, if there is one. Returns that of all partitions together.
    pub fn advance(&self, partition: usize, watermark: Option<Instant>) -> Option<Instant> {
        let mut partitions = self.lock();
        if let Some(partition) = partitions.get_mut(partition) {
            partition.watermark = watermark.max(partition.watermark);
        }
        let watermarks = partitions.iter().map(|partition| partition.watermark);
        watermarks.min().flatten() // `None` is the least
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Partition>> {
        self.0.lock().expect("no panic while the partitions are held")
    }
}

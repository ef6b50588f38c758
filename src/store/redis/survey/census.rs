//! Counting all sessions, by a walk over all keys.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use token_gateway_core::session::Subject;

use super::reader::{Cursor, SCAN_BATCH, Survey};
use crate::store::StoreError;
use crate::store::redis::layout::Key;

/// The findings of a walk over all keys.
#[derive(Debug, Default)]
pub struct Census {
    pub live: u64,
    /// Ended sessions with a tombstone.
    pub ended: u64,
    /// The number of these not yet published.
    pub unpublished: u64,
    /// Subjects by their number of live sessions.
    pub subjects: HashMap<Subject, u64>,
    pub leaks: Leaks,
    /// Bytes of the records of some live sessions.
    pub records: Sample,
    /// Bytes of some subjects' sets.
    pub sets: Sample,
}

/// Layout of subjects without an expiry: they would stay for ever.
#[derive(Debug, Default)]
pub struct Leaks {
    pub count: u64,
    /// The first few of them.
    pub examples: Vec<String>,
}

impl Leaks {
    const MAX_EXAMPLES: usize = 10;

    fn add(&mut self, key: &[u8]) {
        self.count += 1;
        if self.examples.len() < Self::MAX_EXAMPLES {
            self.examples.push(String::from_utf8_lossy(key).into_owned());
        }
    }
}

/// Sizes of the first keys on the walk. Their order is the order of a hash, so they are a fair sample.
#[derive(Debug, Default)]
pub struct Sample {
    pub bytes: Vec<u64>,
    keys: Vec<Vec<u8>>,
}

impl Sample {
    fn offer(&mut self, key: &[u8], size: usize) {
        if self.keys.len() < size {
            self.keys.push(key.to_owned());
        }
    }
}

/// The answer of `PTTL` for a key without an expiry.
const PTTL_WITHOUT_EXPIRY: i64 = -1;

impl Survey {
    /// Walks over all keys of subjects; `progress` gets the number of keys passed. The memory of `sample` records, and
    /// of as many sets, is measured.
    pub async fn census(
        &mut self,
        sample: usize,
        mut progress: impl FnMut(u64),
    ) -> Result<Census, StoreError> {
        let (pattern, mut cursor) = (self.keys.of_subjects(), Cursor::default());
        let (mut census, mut seen, hasher) = (Census::default(), HashSet::new(), RandomState::new());
        while let Some(mut batch) = self.walk(&mut cursor, &pattern).await? {
            progress(SCAN_BATCH);
            batch.retain(|key| seen.insert(hasher.hash_one(key)));
            self.count_leaks(&batch, &mut census.leaks).await?;
            self.count_sessions(&batch, sample, &mut census).await?;
        }
        self.measure(&mut census.records).await?;
        self.measure(&mut census.sets).await?;
        Ok(census)
    }

    async fn count_leaks(&mut self, batch: &[Vec<u8>], leaks: &mut Leaks) -> Result<(), StoreError> {
        let lifetimes: Vec<i64> = self.ask_each(batch, |key| redis::cmd("PTTL").arg(key).clone()).await?;
        let feeds = self.keys.feeds();
        let is_feed = |key: &[u8]| feeds.iter().any(|feed| feed.as_bytes() == key);
        for (key, millis) in batch.iter().zip(lifetimes) {
            if millis == PTTL_WITHOUT_EXPIRY && !is_feed(key) {
                leaks.add(key);
            }
        }
        Ok(())
    }

    async fn count_sessions(
        &mut self,
        batch: &[Vec<u8>],
        sample: usize,
        census: &mut Census,
    ) -> Result<(), StoreError> {
        let (mut sessions, mut subjects) = (Vec::new(), Vec::new());
        for key in batch {
            match self.keys.read(key) {
                Some(Key::Session(subject, _)) => {
                    sessions.push(key.clone());
                    subjects.push(subject);
                }
                Some(Key::Sessions(_)) => census.sets.offer(key, sample),
                None => {}
            }
        }
        let question = |key: &[u8]| redis::cmd("HMGET").arg(key).arg(&["state", "announced"]).clone();
        let states: Vec<(Option<String>, Option<String>)> = self.ask_each(&sessions, question).await?;
        for ((key, subject), (state, published)) in sessions.iter().zip(subjects).zip(states) {
            match state.as_deref() {
                Some("live") => {
                    census.live += 1;
                    *census.subjects.entry(subject).or_default() += 1;
                    census.records.offer(key, sample);
                }
                Some("ended") => {
                    census.ended += 1;
                    census.unpublished += u64::from(published.as_deref() == Some("0"));
                }
                _ => {} // expired since the scan
            }
        }
        Ok(())
    }

    async fn measure(&mut self, sample: &mut Sample) -> Result<(), StoreError> {
        for keys in sample.keys.chunks(SCAN_BATCH as usize) {
            let question = |key: &[u8]| redis::cmd("MEMORY").arg("USAGE").arg(key).clone();
            let sizes: Vec<Option<u64>> = self.ask_each(keys, question).await?;
            sample.bytes.extend(sizes.into_iter().flatten());
        }
        Ok(())
    }
}

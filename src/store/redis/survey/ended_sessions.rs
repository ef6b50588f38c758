//! The ended sessions of one subject. A published end leaves the subject's set, so a walk over the keys finds them.

use std::collections::BTreeMap;

use redis::Cmd;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::session::{Reason, SessionId, Subject};

use super::reader::{SCAN_BATCH, Survey, scan};
use crate::store::StoreError;
use crate::store::redis::layout::Key;

/// An ended session, as its tombstone tells it.
#[derive(Debug)]
pub struct EndedRecord {
    pub session: SessionId,
    pub reason: Reason,
    pub ended_at: Timestamp,
}

/// The fields `state`, `reason` and `ended_at`.
type Fields = (Option<String>, Option<String>, Option<String>);

impl Survey {
    /// The number of keys on the primary of a subject, foreign ones included: the length of a walk there.
    pub async fn size_beside(&mut self, subject: &Subject) -> Result<u64, StoreError> {
        let set = self.keys.sessions(subject);
        self.ask(&set, &redis::cmd("DBSIZE")).await
    }

    /// The subject's ended sessions, the latest first. One primary has all keys of a subject, so only that one is walked
    /// over. `progress` gets the number of keys passed.
    pub async fn ended(
        &mut self,
        subject: &Subject,
        mut progress: impl FnMut(u64),
    ) -> Result<Vec<EndedRecord>, StoreError> {
        let (set, pattern) = (self.keys.sessions(subject), self.keys.of_sessions(subject));
        let (mut cursor, mut found) = (0, BTreeMap::new());
        loop {
            let (next, batch): (u64, Vec<Vec<u8>>) = self.ask(&set, &scan(cursor, &pattern)).await?;
            progress(SCAN_BATCH);
            for ended in self.tombstones(&batch).await? {
                found.insert(ended.session, ended); // a key may come twice
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let mut ended: Vec<_> = found.into_values().collect();
        ended.sort_by_key(|one| std::cmp::Reverse(one.ended_at));
        Ok(ended)
    }

    async fn tombstones(&mut self, batch: &[Vec<u8>]) -> Result<Vec<EndedRecord>, StoreError> {
        let question = |key: &[u8]| -> Cmd {
            redis::cmd("HMGET").arg(key).arg(&["state", "reason", "ended_at"]).clone()
        };
        let fields: Vec<Fields> = self.ask_each(batch, question).await?;
        let sessions = batch.iter().map(|key| match self.keys.read(key) {
            Some(Key::Session(_, session)) => Some(session),
            _ => None,
        });
        let read =
            sessions.zip(fields).filter_map(|(session, fields)| tombstone(session?, fields).transpose());
        read.collect()
    }
}

/// `None` for a live session, and for one that has expired since the scan.
fn tombstone(
    session: SessionId,
    (state, reason, ended_at): Fields,
) -> Result<Option<EndedRecord>, StoreError> {
    if state.as_deref() != Some("ended") {
        return Ok(None);
    }
    let unreadable =
        |name| StoreError::Corrupt(format!("stored '{name}' of session {session} cannot be read"));
    let reason = reason.and_then(|text| text.parse().ok()).ok_or_else(|| unreadable("reason"))?;
    let ended_at = ended_at.and_then(|text| text.parse().ok()).ok_or_else(|| unreadable("ended_at"))?;
    Ok(Some(EndedRecord { session, reason, ended_at: Timestamp(ended_at) }))
}

//! What Redis says of itself, and of the feed.

use redis::Value;

use super::{Survey, failed, send};
use crate::clock::Timestamp;
use crate::store::Error;

/// Redis's memory; nothing where the user may not ask for it.
#[derive(Debug, Default)]
pub struct Memory {
    pub used: Option<u64>,
    pub policy: Option<String>,
}

/// The feed of ended sessions.
#[derive(Debug)]
pub struct Feed {
    pub entries: u64,
    pub oldest: Option<Timestamp>,
    pub newest: Option<Timestamp>,
}

impl Survey {
    pub async fn memory(&mut self) -> Result<Memory, Error> {
        let answer = send(&mut self.connection, redis::cmd("INFO").arg("memory")).await;
        let info: redis::InfoDict = match answer.and_then(|value| Ok(redis::from_redis_value(value)?)) {
            Err(error) if error.code() == Some("NOPERM") => return Ok(Memory::default()),
            answer => answer.map_err(failed)?,
        };
        Ok(Memory { used: info.get("used_memory"), policy: info.get("maxmemory_policy") })
    }

    pub async fn feed(&mut self) -> Result<Feed, Error> {
        let key = self.keys.feed();
        let entries = self.ask(redis::cmd("XLEN").arg(&key)).await?;
        let mut end = async |command: &str, from: &str, to: &str| {
            let mut range = redis::cmd(command);
            range.arg(&key).arg(from).arg(to).arg("COUNT").arg(1);
            self.ask::<Vec<(String, Value)>>(&range).await
        };
        let (oldest, newest) = (end("XRANGE", "-", "+").await?, end("XREVRANGE", "+", "-").await?);
        Ok(Feed { entries, oldest: appended_at(&oldest), newest: appended_at(&newest) })
    }
}

/// An entry's id begins with milliseconds since the epoch.
fn appended_at(entries: &[(String, Value)]) -> Option<Timestamp> {
    let (millis, _) = entries.first()?.0.split_once('-')?;
    Some(Timestamp(millis.parse::<u64>().ok()?.saturating_mul(1000)))
}

//! Figures of Redis itself, and of the feed.

use redis::Value;
use token_gateway_core::clock::Timestamp;
use token_gateway_redis_link::send;

use super::reader::{Survey, failed};
use crate::store::StoreError;

/// Redis's memory; nothing where the user may not ask for it.
#[derive(Debug, Default)]
pub struct Memory {
    pub used: Option<u64>,
    pub policy: Option<String>,
}

/// The revocation feed.
#[derive(Debug)]
pub struct Feed {
    pub entries: u64,
    pub oldest: Option<Timestamp>,
    pub newest: Option<Timestamp>,
}

impl Survey {
    /// The memory of all primaries together; the policy of an evicting one, where there is one.
    pub async fn memory(&mut self) -> Result<Memory, StoreError> {
        let mut all = Memory::default();
        for (server, connection) in &mut self.primaries.all {
            let answer = send(connection, redis::cmd("INFO").arg("memory")).await;
            let info: redis::InfoDict = match answer.and_then(|value| Ok(redis::from_redis_value(value)?)) {
                Err(error) if error.code() == Some("NOPERM") => return Ok(Memory::default()),
                answer => answer.map_err(|error| failed(&error, server))?,
            };
            let used: Option<u64> = info.get("used_memory");
            all.used = used.map(|used| used + all.used.unwrap_or(0));
            if all.policy.as_deref().is_none_or(|policy| policy == "noeviction") {
                all.policy = info.get("maxmemory_policy");
            }
        }
        Ok(all)
    }

    /// All partitions together.
    pub async fn feed(&mut self) -> Result<Feed, StoreError> {
        let partitions = if self.primaries.is_cluster() { self.keys.feeds() } else { vec![self.keys.feed()] };
        let mut feed = Feed { entries: 0, oldest: None, newest: None };
        for key in partitions {
            feed.entries += self.ask::<u64>(&key, redis::cmd("XLEN").arg(&key)).await?;
            let oldest = appended_at(&self.end(&key, "XRANGE", "-", "+").await?);
            let newest = appended_at(&self.end(&key, "XREVRANGE", "+", "-").await?);
            feed.oldest = feed.oldest.into_iter().chain(oldest).min();
            feed.newest = feed.newest.max(newest);
        }
        Ok(feed)
    }

    async fn end(
        &mut self,
        key: &str,
        command: &str,
        from: &str,
        to: &str,
    ) -> Result<Vec<(String, Value)>, StoreError> {
        let mut range = redis::cmd(command);
        range.arg(key).arg(from).arg(to).arg("COUNT").arg(1);
        self.ask(key, &range).await
    }
}

/// An entry's id begins with milliseconds since the epoch.
fn appended_at(entries: &[(String, Value)]) -> Option<Timestamp> {
    let (millis, _) = entries.first()?.0.split_once('-')?;
    Some(Timestamp(millis.parse::<u64>().ok()?.saturating_mul(1000)))
}

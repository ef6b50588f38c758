//! Questions to the primaries, and the walk over their keys.

use std::sync::Arc;

use redis::{Cmd, FromRedisValue, RedisError};
use token_gateway_redis_link::{Call, Primaries, Reply, Server, send, unavailable};

use crate::store::StoreError;
use crate::store::redis::inspect::{Requirements, require_slots};
use crate::store::redis::layout::Layout;
use crate::store::redis::redis_settings::RedisSettings;
use crate::store::redis::scripts::open_layout;

/// How many keys one round trip walks over.
pub(super) const SCAN_BATCH: u64 = 1000;

/// Reads a deployment for the commands of operators.
pub struct Survey {
    pub(super) primaries: Primaries,
    pub(super) keys: Layout,
    layout: Option<String>,
}

impl Survey {
    /// Connects, and refuses a layout unknown to this release. No layout at all is fine. One server of a Cluster in place
    /// of all of them is refused, too: no count is better than a count in part.
    pub async fn open(settings: &RedisSettings) -> Result<Self, StoreError> {
        let keys = Layout::new(&settings.prefix);
        let (primaries, layout) = (Primaries::open(&settings.link).await?, keys.layout());
        let mut survey = Self { primaries, keys, layout: None };
        let requirements = Requirements::of(&settings.link)?;
        if let [primary] = &mut survey.primaries.all[..] {
            require_slots(primary, &survey.keys, &requirements).await?;
        }
        survey.layout = survey.ask(&layout, redis::cmd("GET").arg(&layout)).await?;
        survey.layout.as_deref().map_or(Ok(()), open_layout::check_version)?;
        Ok(survey)
    }

    /// The layout's version, where a node has written one.
    pub fn layout(&self) -> Option<&str> {
        self.layout.as_deref()
    }

    /// The number of all keys, foreign ones included: the length of a walk over all of them.
    pub async fn size(&mut self) -> Result<u64, StoreError> {
        let sizes: Vec<u64> = self.ask_every(&redis::cmd("DBSIZE")).await?;
        Ok(sizes.iter().sum())
    }

    /// The next batch of matching keys, from one primary after the other; `None` after the last. A key may come twice.
    pub(super) async fn walk(
        &mut self,
        cursor: &mut Cursor,
        pattern: &str,
    ) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        if cursor.at == Some(0) {
            *cursor = Cursor { primary: cursor.primary + 1, at: None };
        }
        let Some((server, connection)) = self.primaries.all.get_mut(cursor.primary) else { return Ok(None) };
        let scan = scan(cursor.at.unwrap_or(0), pattern);
        let (next, batch) = scan.query_async(connection).await.map_err(|error| failed(&error, server))?;
        cursor.at = Some(next);
        Ok(Some(batch))
    }

    pub(super) async fn call(&mut self, key: &str, call: &Call) -> Result<Reply, StoreError> {
        let (server, connection) = self.primaries.owner(key)?;
        let answer = send(connection, &call.eval()).await;
        Ok(Reply::new(answer.map_err(|error| failed(&error, server))?)?)
    }

    pub(super) async fn ask<T: FromRedisValue>(&mut self, key: &str, command: &Cmd) -> Result<T, StoreError> {
        let (server, connection) = self.primaries.owner(key)?;
        command.query_async(connection).await.map_err(|error| failed(&error, server))
    }

    /// One question for all primaries.
    pub(super) async fn ask_every<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<Vec<T>, StoreError> {
        let mut answers = Vec::new();
        for (server, connection) in &mut self.primaries.all {
            answers.push(command.query_async(connection).await.map_err(|error| failed(&error, server))?);
        }
        Ok(answers)
    }

    /// A question for each key, in one round trip for each primary with some of them; answers in the keys' order.
    pub(super) async fn ask_each<T: FromRedisValue>(
        &mut self,
        keys: &[Vec<u8>],
        question: impl Fn(&[u8]) -> Cmd,
    ) -> Result<Vec<T>, StoreError> {
        let mut answers: Vec<Option<T>> = keys.iter().map(|_| None).collect();
        for primary in 0..self.primaries.all.len() {
            let own =
                keys.iter().enumerate().filter(|(_, key)| self.primaries.owner_index(key) == Some(primary));
            let own: Vec<(usize, &Vec<u8>)> = own.collect();
            if own.is_empty() {
                continue;
            }
            let mut questions = redis::pipe();
            for (_, key) in &own {
                questions.add_command(question(key));
            }
            let (server, connection) = &mut self.primaries.all[primary];
            let values: Vec<T> =
                questions.query_async(connection).await.map_err(|error| failed(&error, server))?;
            own.iter().zip(values).for_each(|((place, _), value)| answers[*place] = Some(value));
        }
        answers.into_iter().collect::<Option<_>>().ok_or_else(|| self.primaries.unserved().into())
    }
}

/// The progress of a walk: the primary, and the place there.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    primary: usize,
    at: Option<u64>,
}

/// The step of a walk from `cursor` on.
pub(super) fn scan(cursor: u64, pattern: &str) -> Cmd {
    let mut scan = redis::cmd("SCAN");
    scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_BATCH);
    scan
}

pub(super) fn failed(error: &RedisError, server: &Arc<Server>) -> StoreError {
    unavailable(error, server).into()
}

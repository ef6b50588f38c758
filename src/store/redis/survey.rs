//! What the commands for operators look at: one session, one subject's, or all there are.
//!
//! Only looks: nothing is written, not even the layout's version. What is said of one session or one subject
//! comes from the scripts that the gateway asks too. What is said of all comes from `SCAN`, in batches, while
//! nodes go on working: true of no single moment, but every session that was there all the while is in it.

mod census;
mod server;

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Pipeline, RedisError, Value};

pub use self::census::{Census, Leaks, Sample};
pub use self::server::{Feed, Memory};
use super::RedisSettings;
use super::connection::{self, send};
use super::keys::{Key, Keys};
use super::reply::Reply;
use super::scripts::{self, Call};
use crate::session::{Jti, SessionId, Subject};
use crate::store::{Error, Lookup, SessionRecord};

/// How many keys one round trip walks over.
const BATCH: u64 = 1000;

pub struct Survey {
    connection: MultiplexedConnection,
    keys: Keys,
    layout: Option<String>,
}

/// One session, with what only operators ask for.
pub struct Found {
    pub subject: Subject,
    pub lookup: Lookup,
    /// How much longer the record is kept.
    pub ttl: Duration,
    /// Of a live session.
    pub token: Option<CurrentToken>,
}

/// The refresh token that a session waits for.
#[derive(Debug, serde::Serialize)]
pub struct CurrentToken {
    pub jti: Jti,
    /// The one that it was exchanged for, from the first rotation on.
    pub prev: Option<Jti>,
    pub scope: Option<String>,
    pub aud: Option<String>,
}

impl Survey {
    /// Connects, and refuses a layout that this release does not know; none at all is fine.
    pub async fn open(settings: &RedisSettings) -> Result<Self, Error> {
        let keys = Keys::new(&settings.prefix);
        let mut survey = Self { connection: connection::single(settings).await?, keys, layout: None };
        survey.layout = survey.ask(redis::cmd("GET").arg(survey.keys.layout())).await?;
        survey.layout.as_deref().map_or(Ok(()), scripts::check_version)?;
        Ok(survey)
    }

    /// The layout's version, where a node has written one.
    pub fn layout(&self) -> Option<&str> {
        self.layout.as_deref()
    }

    /// How many keys there are, of whomever: how long a walk over all of them is.
    pub async fn size(&mut self) -> Result<u64, Error> {
        self.ask(&redis::cmd("DBSIZE")).await
    }

    /// The subject's live sessions, the most recently refreshed first.
    pub async fn sessions(&mut self, subject: &Subject) -> Result<Vec<SessionRecord>, Error> {
        let key = self.keys.sessions(subject);
        scripts::listed(self.call(&scripts::list_sessions_call(&key)).await?)
    }

    pub async fn session(&mut self, subject: &Subject, session: SessionId) -> Result<Found, Error> {
        let key = self.keys.session(subject, session);
        let lookup = scripts::looked_up(self.call(&scripts::get_session_call(&key)).await?, session)?;
        let (ttl, token) = self.rest(&key).await?;
        let token = token.filter(|_| matches!(lookup, Lookup::Live { .. }));
        Ok(Found { subject: subject.clone(), lookup, ttl, token })
    }

    /// What that script does not tell. Asked a moment later, so there is no token if the session has ended since.
    async fn rest(&mut self, key: &str) -> Result<(Duration, Option<CurrentToken>), Error> {
        let mut questions = redis::pipe();
        questions.cmd("PTTL").arg(key).cmd("HMGET").arg(key).arg(&["jti", "prev", "scope", "aud"]);
        let answers = questions.query_async(&mut self.connection).await.map_err(failed)?;
        let (ttl, (jti, prev, scope, aud)): (i64, (Option<String>, Option<String>, _, _)) = answers;
        let ttl = Duration::from_millis(u64::try_from(ttl).unwrap_or(0));
        let read =
            |text: String| text.parse().map_err(|_| Error::Corrupt("stored 'jti' cannot be read".into()));
        let Some(jti) = jti.map(read).transpose()? else { return Ok((ttl, None)) };
        Ok((ttl, Some(CurrentToken { jti, prev: prev.map(read).transpose()?, scope, aud })))
    }

    /// Whose session it is, by a walk over all keys; more than one only if somebody meddled.
    /// `progress` hears how many keys have been passed.
    pub async fn owners(
        &mut self,
        session: SessionId,
        mut progress: impl FnMut(u64),
    ) -> Result<Vec<Subject>, Error> {
        let (pattern, mut owners, mut cursor) = (self.keys.of_session(session), Vec::new(), None);
        while let Some(batch) = self.walk(&mut cursor, &pattern).await? {
            progress(BATCH);
            owners.extend(batch.iter().filter_map(|key| match self.keys.read(key) {
                Some(Key::Session(subject, _)) => Some(subject),
                _ => None,
            }));
        }
        owners.sort();
        owners.dedup();
        Ok(owners)
    }

    /// The next batch of keys that match; `None` after the last. A key may come twice.
    async fn walk(&mut self, cursor: &mut Option<u64>, pattern: &str) -> Result<Option<Vec<Vec<u8>>>, Error> {
        if *cursor == Some(0) {
            return Ok(None);
        }
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor.unwrap_or(0)).arg("MATCH").arg(pattern).arg("COUNT").arg(BATCH);
        let (next, batch) = self.ask(&scan).await?;
        *cursor = Some(next);
        Ok(Some(batch))
    }

    async fn call(&mut self, call: &Call) -> Result<Reply, Error> {
        Reply::new(send(&mut self.connection, &call.eval()).await.map_err(failed)?)
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &redis::Cmd) -> Result<T, Error> {
        let answer: Value = send(&mut self.connection, command).await.map_err(failed)?;
        redis::from_redis_value(answer).map_err(|error| failed(error.into()))
    }

    /// Many questions in one round trip.
    async fn ask_all<T: FromRedisValue>(&mut self, questions: &Pipeline) -> Result<Vec<T>, Error> {
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        questions.query_async(&mut self.connection).await.map_err(failed)
    }
}

fn failed(error: RedisError) -> Error {
    connection::unavailable(&error)
}

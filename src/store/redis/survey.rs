//! Reading for the commands of operators: one session, one subject's, or all there are.
//!
//! Only looks: nothing is written, not even the layout's version. Answers about one session or one subject come from
//! the gateway's own scripts. Answers about all sessions come from `SCAN`, in batches, while nodes go on working. Such
//! an answer is true of no single moment, but includes every session present all the while.

mod census;
mod server;

use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisError, Value};
use token_gateway_core::session::{Jti, SessionId, Subject};
use token_gateway_redis_link::{Call, Primaries, Reply, send, unavailable};

pub use self::census::{Census, Leaks, Sample};
pub use self::server::{Feed, Memory};
use super::keys::{Key, Keys};
use super::scripts;
use super::settings::RedisSettings;
use crate::store::{Error, Lookup, SessionRecord};

/// How many keys one round trip walks over.
const SCAN_BATCH: u64 = 1000;

pub struct Survey {
    primaries: Primaries,
    keys: Keys,
    layout: Option<String>,
}

/// One session, with facts only for operators.
pub struct Found {
    pub subject: Subject,
    pub lookup: Lookup,
    /// How much longer the record is kept.
    pub ttl: Duration,
    /// Only for a live session.
    pub token: Option<CurrentToken>,
}

/// The current refresh token of a session.
#[derive(Debug, serde::Serialize)]
pub struct CurrentToken {
    pub jti: Jti,
    /// Its predecessor, from the first rotation on.
    pub prev: Option<Jti>,
    pub scope: Option<String>,
    pub aud: Option<String>,
}

impl Survey {
    /// Connects, and refuses a layout unknown to this release. No layout at all is fine.
    pub async fn open(settings: &RedisSettings) -> Result<Self, Error> {
        let keys = Keys::new(&settings.prefix);
        let (primaries, layout) = (Primaries::open(&settings.link).await?, keys.layout());
        let mut survey = Self { primaries, keys, layout: None };
        survey.layout = survey.ask(&layout, redis::cmd("GET").arg(&layout)).await?;
        survey.layout.as_deref().map_or(Ok(()), scripts::check_version)?;
        Ok(survey)
    }

    /// The layout's version, where a node has written one.
    pub fn layout(&self) -> Option<&str> {
        self.layout.as_deref()
    }

    /// The number of all keys, foreign ones included: the length of a walk over all of them.
    pub async fn size(&mut self) -> Result<u64, Error> {
        let sizes: Vec<u64> = self.ask_every(&redis::cmd("DBSIZE")).await?;
        Ok(sizes.iter().sum())
    }

    /// The subject's live sessions, the most recently refreshed first.
    pub async fn sessions(&mut self, subject: &Subject) -> Result<Vec<SessionRecord>, Error> {
        let key = self.keys.sessions(subject);
        scripts::listed(self.call(&key, &scripts::list_sessions_call(&key)).await?)
    }

    pub async fn session(&mut self, subject: &Subject, session: SessionId) -> Result<Found, Error> {
        let key = self.keys.session(subject, session);
        let lookup = scripts::looked_up(self.call(&key, &scripts::get_session_call(&key)).await?, session)?;
        let (ttl, token) = self.rest(&key).await?;
        let token = token.filter(|_| matches!(lookup, Lookup::Live { .. }));
        Ok(Found { subject: subject.clone(), lookup, ttl, token })
    }

    /// The facts missing from the script's reply. They are asked for a moment later, so there is no token if the
    /// session has ended since.
    async fn rest(&mut self, key: &str) -> Result<(Duration, Option<CurrentToken>), Error> {
        let mut questions = redis::pipe();
        questions.cmd("PTTL").arg(key).cmd("HMGET").arg(key).arg(&["jti", "prev", "scope", "aud"]);
        let answers = questions.query_async(self.primaries.owner(key)?).await.map_err(failed)?;
        let (ttl, (jti, prev, scope, aud)): (i64, (Option<String>, Option<String>, _, _)) = answers;
        let ttl = Duration::from_millis(u64::try_from(ttl).unwrap_or(0));
        let read =
            |text: String| text.parse().map_err(|_| Error::Corrupt("stored 'jti' cannot be read".into()));
        let Some(jti) = jti.map(read).transpose()? else { return Ok((ttl, None)) };
        Ok((ttl, Some(CurrentToken { jti, prev: prev.map(read).transpose()?, scope, aud })))
    }

    /// The subjects of a session, by a walk over all keys; more than one only if somebody meddled. `progress` gets the
    /// number of keys passed.
    pub async fn owners(
        &mut self,
        session: SessionId,
        mut progress: impl FnMut(u64),
    ) -> Result<Vec<Subject>, Error> {
        let (pattern, mut owners, mut cursor) =
            (self.keys.of_session(session), Vec::new(), Cursor::default());
        while let Some(batch) = self.walk(&mut cursor, &pattern).await? {
            progress(SCAN_BATCH);
            owners.extend(batch.iter().filter_map(|key| match self.keys.read(key) {
                Some(Key::Session(subject, _)) => Some(subject),
                _ => None,
            }));
        }
        owners.sort();
        owners.dedup();
        Ok(owners)
    }

    /// The next batch of matching keys, from one primary after the other; `None` after the last. A key may come twice.
    async fn walk(&mut self, cursor: &mut Cursor, pattern: &str) -> Result<Option<Vec<Vec<u8>>>, Error> {
        if cursor.at == Some(0) {
            *cursor = Cursor { primary: cursor.primary + 1, at: None };
        }
        let Some((_, connection)) = self.primaries.all.get_mut(cursor.primary) else { return Ok(None) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor.at.unwrap_or(0)).arg("MATCH").arg(pattern).arg("COUNT").arg(SCAN_BATCH);
        let (next, batch) = scan.query_async(connection).await.map_err(failed)?;
        cursor.at = Some(next);
        Ok(Some(batch))
    }

    async fn call(&mut self, key: &str, call: &Call) -> Result<Reply, Error> {
        Ok(Reply::new(send(self.primaries.owner(key)?, &call.eval()).await.map_err(failed)?)?)
    }

    async fn ask<T: FromRedisValue>(&mut self, key: &str, command: &Cmd) -> Result<T, Error> {
        let answer: Value = send(self.primaries.owner(key)?, command).await.map_err(failed)?;
        redis::from_redis_value(answer).map_err(|error| failed(error.into()))
    }

    /// One question for all primaries.
    async fn ask_every<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<Vec<T>, Error> {
        let mut answers = Vec::new();
        for (_, connection) in &mut self.primaries.all {
            answers.push(command.query_async(connection).await.map_err(failed)?);
        }
        Ok(answers)
    }

    /// A question for each key, in one round trip for each primary with some of them; answers in the keys' order.
    async fn ask_each<T: FromRedisValue>(
        &mut self,
        keys: &[Vec<u8>],
        question: impl Fn(&[u8]) -> Cmd,
    ) -> Result<Vec<T>, Error> {
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
            let values: Vec<T> =
                questions.query_async(&mut self.primaries.all[primary].1).await.map_err(failed)?;
            own.iter().zip(values).for_each(|((place, _), value)| answers[*place] = Some(value));
        }
        let unowned = || Error::Unavailable("a slot of the Cluster is served by nobody".to_owned());
        answers.into_iter().collect::<Option<_>>().ok_or_else(unowned)
    }
}

/// The progress of a walk: the primary, and the place there.
#[derive(Debug, Default)]
struct Cursor {
    primary: usize,
    at: Option<u64>,
}

fn failed(error: RedisError) -> Error {
    unavailable(&error).into()
}
